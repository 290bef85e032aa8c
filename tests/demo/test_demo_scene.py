from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseek.demo import Scene, country_codes, draw_scene, encode_jpeg, place_facts
from geoseek.demo.dice import Dice
from geoseek.demo.layout import make_plan
from geoseek.demo.vegetation import PLANTS
from geoseek.demo.vehicles import plan_cars
from geoseek.schemas import UsageError

SMALL = (192, 144)
BASES = {"country fact", "regional default", "climate rule", "free choice", "name of the place"}
ROOT = Path(__file__).resolve().parents[2]


def scene(code: str, lat: float, lng: float, key: str, seed: int = 1, size: tuple[int, int] = SMALL) -> Scene:
    return draw_scene(place_facts(code, lat, lng, place="Testville"), scene_id=key, seed=seed, size=size)


def pixels(drawn: Scene) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(drawn.image, dtype=np.float64)


def test_equal_arguments_give_equal_bytes() -> None:
    first, second = scene("JP", 35.0, 139.0, "a"), scene("JP", 35.0, 139.0, "a")
    assert encode_jpeg(first.image) == encode_jpeg(second.image)
    assert first.features == second.features


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from geoseek.demo import *;"
        "[draw_scene(place_facts('BR', -8, -35), scene_id=str(i), seed=2, size=(192, 144)) for i in range(3)];"
        "s = draw_scene(place_facts('EG', 30.0, 31.0, place='Tanta'), scene_id='x', seed=9, size=(192, 144));"
        "print(hashlib.sha256(encode_jpeg(s.image)).hexdigest())"
    )
    here = draw_scene(place_facts("EG", 30.0, 31.0, place="Tanta"), scene_id="x", seed=9, size=SMALL)
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == hashlib.sha256(encode_jpeg(here.image)).hexdigest()


def test_every_country_draws() -> None:
    for number, code in enumerate(country_codes()):
        drawn = scene(code, -85.0 + 0.68 * number, -179.0 + 1.43 * number, f"every:{code}", size=(96, 72))
        assert drawn.image.size == (96, 72)
        assert drawn.image.mode == "RGB"
        assert pixels(drawn).std() > 5


@pytest.mark.parametrize("code", ["GB", "JP", "AU", "IN", "DE", "US", "CN", "BR", "ZA", "TH"])
def test_cars_keep_to_the_side_of_the_country(code: str) -> None:
    facts = place_facts(code, 20.0, 20.0)
    sign = 1 if facts.driving_side == "right" else -1
    seen = 0
    for seed in range(40):
        plan = make_plan(facts, Dice("side", seed))
        assert plan.camera.x * sign > 0
        for car in plan_cars(plan, Dice("cars", seed)):
            if car.moving:
                seen += 1
                assert car.x * sign * (1 if car.away else -1) > 0
    assert seen > 40


def test_record_of_the_driving_side_is_the_country_fact() -> None:
    for code in ("GB", "FR", "KE", "MX"):
        for seed in range(6):
            for feature in scene(code, 10.0, 10.0, "side", seed).of_kind("driving_side"):
                assert feature.value == place_facts(code, 0, 0).driving_side
                assert feature.basis == "country fact"


def test_two_places_of_one_country_differ() -> None:
    drawn = [scene("FR", 47.0, 2.0, f"place:{i}") for i in range(6)]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert np.abs(pixels(one) - pixels(other)).mean() > 12


def test_another_seed_gives_another_picture() -> None:
    assert np.abs(pixels(scene("PL", 52, 20, "p", 1)) - pixels(scene("PL", 52, 20, "p", 2))).mean() > 12


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(country_codes()), st.floats(-90, 90), st.floats(-180, 180), st.text(max_size=12), st.integers())
def test_features_are_well_formed(code: str, lat: float, lng: float, key: str, seed: int) -> None:
    facts = place_facts(code, lat, lng, place="Saint-Étienne")
    drawn = draw_scene(facts, scene_id=key, seed=seed, size=(128, 96))
    scripts = {language.script for language in facts.languages}
    plants = {PLANTS[kind][0] for kind in facts.climate.plants}
    for feature in drawn.features:
        assert feature.basis in BASES
        if feature.box:
            x, y, width, height = feature.box
            assert min(x, y) >= 0
            assert min(width, height) > 0
            assert x + width <= 100.01
            assert y + height <= 100.01
        if feature.kind in {"shop_sign", "street_sign"}:
            assert feature.script in scripts
        if feature.kind == "plants":
            assert feature.value in plants
        if feature.kind == "center_line":
            assert feature.value == facts.center_line
        if feature.kind == "plate":
            assert facts.plate.text in feature.value
    assert len(drawn.of_kind("weather")) == len(drawn.of_kind("terrain")) == len(drawn.of_kind("ground")) == 1


def test_words_in_the_local_script_are_often_readable() -> None:
    for code, script in {"JP": "Japanese", "EG": "Arabic", "RU": "Cyrillic", "IN": "Devanagari", "TH": "Thai"}.items():
        found = 0
        for seed in range(12):
            drawn = scene(code, 30.0, 60.0, "words", seed, size=(320, 240))
            found += any(feature.script == script for feature in drawn.of_kind("shop_sign", "street_sign"))
        assert found >= 3, code


@pytest.mark.parametrize("size", [(0, 100), (10_000, 100), (63, 64)])
def test_absurd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="pixels"):
        scene("DE", 50, 10, "x", size=size)


@pytest.mark.parametrize("place", ["نابلس", "名古屋", "\x00", "x" * 300, "🙂", ""])
def test_a_name_that_cannot_be_written_is_left_out(place: str) -> None:
    facts = place_facts("DE", 50, 10, place=place)
    for seed in range(4):
        drawn = draw_scene(facts, scene_id="name", seed=seed, size=SMALL)
        named = [feature.text for feature in drawn.of_kind("place_name")]
        assert not named or (place == "نابلس" and named == [place])
