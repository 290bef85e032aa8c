from __future__ import annotations

import csv
from pathlib import Path

import pytest

from geoseek.demo import country_codes, place_facts
from geoseek.demo.canvas import COLORS
from geoseek.demo.climate import CLIMATES, climate_at
from geoseek.demo.facts import COUNTRY_FACT, REGIONAL_DEFAULT, load_languages
from geoseek.demo.fonts import FONTS, can_render, font_path, has_glyphs, text_mask
from geoseek.demo.house_styles import STYLES
from geoseek.demo.vegetation import PLANTS
from geoseek.geo import load_countries
from geoseek.schemas import InputError, UsageError

TABLE = Path(__file__).resolve().parents[2] / "geoseek" / "demo" / "data" / "countries.csv"


def test_table_holds_every_territory_once() -> None:
    assert sorted(country_codes()) == sorted(load_countries().codes)
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(country_codes())
    assert {row["source"] for row in rows} == {"compiled by hand"}


@pytest.mark.parametrize("code", country_codes())
def test_facts_use_known_words(code: str) -> None:
    facts = place_facts(code, 0.0, 0.0)
    assert facts.driving_side in {"left", "right"}
    assert {facts.center_line, facts.edge_line} <= {"white", "yellow"}
    assert {facts.plate.front, facts.plate.rear, facts.plate.text, facts.direction_sign} <= set(COLORS)
    assert set(facts.houses) <= set(STYLES)
    assert facts.warning_sign in {"red_triangle", "yellow_triangle", "yellow_triangle_black", "yellow_diamond"}
    assert set(facts.basis.values()) <= {COUNTRY_FACT, REGIONAL_DEFAULT}
    assert facts.languages
    if facts.stop_text:
        assert has_glyphs(facts.stop_text, facts.stop_font)


@pytest.mark.parametrize(
    ("code", "side", "script"),
    [
        ("GB", "left", "Latin"),
        ("JP", "left", "Japanese"),
        ("IN", "left", "Devanagari"),
        ("TH", "left", "Thai"),
        ("ID", "left", "Latin"),
        ("MZ", "left", "Latin"),
        ("SR", "left", "Latin"),
        ("TL", "left", "Latin"),
        ("WS", "left", "Latin"),
        ("US", "right", "Latin"),
        ("RU", "right", "Cyrillic"),
        ("EG", "right", "Arabic"),
        ("GR", "right", "Greek"),
        ("GE", "right", "Georgian"),
        ("AM", "right", "Armenian"),
        ("IL", "right", "Hebrew"),
        ("KH", "right", "Khmer"),
        ("LA", "right", "Lao"),
        ("KR", "right", "Hangul"),
        ("CN", "right", "simplified Chinese"),
        ("MM", "right", "Latin"),
        ("GI", "right", "Latin"),
    ],
)
def test_known_countries(code: str, side: str, script: str) -> None:
    facts = place_facts(code, 10.0, 10.0)
    assert (facts.driving_side, facts.languages[0].script) == (side, script)


def test_paint_and_plates_of_known_countries() -> None:
    assert place_facts("US", 40, -83).center_line == "yellow"
    assert place_facts("NO", 60, 10).center_line == "yellow"
    assert place_facts("ZA", -26, 28).edge_line == "yellow"
    assert place_facts("IE", 53, -7).edge_line == "yellow"
    british = place_facts("GB", 51, 0).plate
    assert (british.front, british.rear) == ("white", "yellow")
    assert place_facts("NL", 52, 5).plate.front == "yellow"
    assert place_facts("MX", 20, -99).stop_text == "ALTO"
    assert place_facts("BR", -10, -50).stop_text == "PARE"


def test_a_default_says_that_it_is_one() -> None:
    assert place_facts("TD", 12, 15).basis["plate"] == REGIONAL_DEFAULT
    assert place_facts("DE", 50, 10).basis["plate"] == COUNTRY_FACT


@pytest.mark.parametrize("code", sorted(load_languages()))
def test_every_word_has_glyphs_and_ink(code: str) -> None:
    language = load_languages()[code]
    assert can_render(language.font, language.script), f"{language.font} is not installed"
    for text in [*(word for word, _ in language.words), *language.streets]:
        assert has_glyphs(text, language.font), text
        assert text_mask(text, language.font).getextrema() == (0, 255)


@pytest.mark.parametrize("key", sorted(FONTS))
def test_fonts_come_from_packages(key: str) -> None:
    path = font_path(key)
    assert path is not None
    assert not {"fonts", "Fonts"} & set(path.parts[:4])
    assert path.suffix in {".ttf", ".ttc"}


def test_without_its_font_a_language_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseek.demo.facts.can_render", lambda font, script: font == "dejavu" and script == "Latin")
    assert [language.code for language in place_facts("TH", 14, 100).languages] == ["en"]
    assert [language.code for language in place_facts("KR", 37, 127).languages] == ["en"]
    assert place_facts("TH", 14, 100).stop_text is None


def test_missing_character_is_noticed() -> None:
    assert not has_glyphs("ወንጌል", "dejavu")


def test_arabic_letters_are_joined() -> None:
    joined = text_mask("مخبز", "dejavu").width
    apart = sum(text_mask(letter, "dejavu").width for letter in "مخبز")
    assert joined < apart


@pytest.mark.parametrize(
    ("lat", "lng", "zone"),
    [
        (30.0, 31.2, "desert"),
        (-3.1, -60.0, "tropical"),
        (51.5, -0.1, "oceanic"),
        (37.9, 23.7, "mediterranean"),
        (66.5, 26.0, "boreal"),
        (33.4, -112.0, "cactus_desert"),
        (-33.9, 151.0, "eucalyptus"),
        (55.7, 37.6, "continental"),
        (9.0, 7.5, "savanna"),
        (-89.0, 0.0, "polar"),
    ],
)
def test_climate_zones(lat: float, lng: float, zone: str) -> None:
    assert climate_at(lat, lng).name == zone


def test_climates_use_known_plants() -> None:
    for climate in CLIMATES.values():
        assert set(climate.plants) <= set(PLANTS)


def test_bad_arguments() -> None:
    with pytest.raises(UsageError, match="ZZ"):
        place_facts("ZZ", 0, 0)
    with pytest.raises(InputError, match="position"):
        place_facts("DE", 99, 0)
