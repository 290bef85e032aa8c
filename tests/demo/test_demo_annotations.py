from __future__ import annotations

import re
from typing import Any

import pytest

from geoseek.demo import Scene, annotate, country_codes, draw_scene, place_facts
from geoseek.demo.annotations import SCENE_TAGS
from geoseek.demo.backdrop import GROUND_WORDS
from geoseek.demo.candidates import fitting_countries
from geoseek.demo.features import Feature
from geoseek.demo.phrases import WARNINGS
from geoseek.demo.vegetation import PLANTS
from geoseek.geo import load_countries

STAGES = ("country", "region", "precise")


def example(code: str, number: int, split: str = "cot") -> tuple[Scene, dict[str, Any], dict[str, Any]]:
    row: dict[str, Any] = {
        "id": f"demo:{code}-{number}",
        "lat": 20.0 + number % 40,
        "lng": 15.0 + number,
        "country_code": code,
        "country": load_countries()[code].name,
        "region": "Somewhere Region",
        "place": "Placeton",
        "split": split,
        "image": f"pool/images/{number}.jpg",
    }
    facts = place_facts(code, row["lat"], row["lng"], country=row["country"], region=row["region"], place=row["place"])
    scene = draw_scene(facts, scene_id=row["id"], seed=3, size=(320, 240))
    return scene, row, annotate(scene, row)


@pytest.fixture(scope="module")
def examples() -> list[tuple[Scene, dict[str, Any], dict[str, Any]]]:
    codes = country_codes()[::7]
    return [example(code, i, "val" if i % 4 == 0 else "cot") for i, code in enumerate(codes * 2)]


def values(task: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for result in task["annotations"][0]["result"]:
        if result["from_name"] not in {"clue_boxes", "clue_note"}:
            found[result["from_name"]] = result["value"].get(
                {"textarea": "text", "choices": "choices", "number": "number"}[result["type"]]
            )
    return found


def test_form_of_the_export(examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]]) -> None:
    for scene, row, task in examples:
        assert task["data"]["id"] == row["id"]
        assert task["data"]["image"] == row["image"]
        assert task["annotations"][0]["provenance"] == task["meta"]["provenance"] == "synthetic"
        assert task["meta"]["picture"] == "synthetic"
        for result in task["annotations"][0]["result"]:
            assert set(result) >= {"id", "from_name", "to_name", "type", "value"}
            assert result["to_name"] == "image"
            assert (result["original_width"], result["original_height"]) == scene.image.size
        found = values(task)
        assert len(found["final_answer"][0].split("; ")) == 3
        assert 0 <= found["locatability"] <= 10
        assert (found["locatability"] * 2) % 1 == 0
        for stage in STAGES:
            present = [f"{stage}_{part}" in found for part in ("clues", "reasoning", "conclusion", "uncertainty")]
            assert all(present) if stage == "country" or any(present) else not any(present)
        assert found["country_uncertainty"][0] in {"Low", "Moderate", "High"}
        assert found["country_conclusion"] == [row["country"]]
        if "precise_clues" in found:
            assert "region_clues" in found


def test_later_stages_are_there_for_a_part(examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]]) -> None:
    regions = sum("region_clues" in values(task) for _, _, task in examples)
    precise = sum("precise_clues" in values(task) for _, _, task in examples)
    assert 0 < precise < regions < len(examples)


def test_scene_tags_are_given_for_val(examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]]) -> None:
    for _, row, task in examples:
        tags = task["annotations"][0]["scene_tags"]
        if row["split"] == "val":
            assert tuple(tags) == SCENE_TAGS
            assert set(tags.values()) <= {"yes", "no", "maybe"}
            assert values(task)["scene_tags"] == [tag for tag in SCENE_TAGS if tags[tag] == "yes"]
        else:
            assert tags == {}
            assert "scene_tags" not in values(task)


def test_reasoning_speaks_of_visible_things_only(examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]]) -> None:
    for scene, _, task in examples:
        texts = {feature.text for feature in scene.features}
        shown = {feature.value for feature in scene.features}
        found = values(task)
        for stage in STAGES:
            for reasoning in found.get(f"{stage}_reasoning", []):
                assert set(re.findall("“(.*?)”", reasoning)) <= texts
                for words, _, _ in PLANTS.values():
                    assert not re.search(rf"(?<!stone )\b{words}\b", reasoning) or words in shown
                for kind, words in GROUND_WORDS.items():
                    assert f" {words}." not in reasoning or kind in shown
                for kind, words in WARNINGS.items():
                    assert words not in reasoning or kind in shown
                if "centre line" in reasoning or "Opposing lanes" in reasoning:
                    assert scene.of_kind("center_line")
                if "licence plate" in reasoning:
                    assert scene.of_kind("plate")
                if re.search(r"\bcars?\b|[Tt]raffic runs", reasoning):
                    assert scene.of_kind("driving_side", "plate")


def test_reasoning_holds_no_coordinates_or_file_names(
    examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]],
) -> None:
    for _, row, task in examples:
        for name, text in values(task).items():
            if name.endswith(("reasoning", "clues", "conclusion")):
                joined = " ".join(text)
                assert not re.search(r"\d+\.\d|°|latitude|longitude|\.jpg|pool/|demo:", joined), joined
                assert row["id"] not in joined


def test_reasoning_is_varied_and_long_enough(examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]]) -> None:
    reasons = [values(task)["country_reasoning"][0] for _, _, task in examples]
    assert len(set(reasons)) > 0.9 * len(reasons)
    assert min(len(reason) for reason in reasons) >= 90
    assert sum(len(reason) > 200 for reason in reasons) > 0.4 * len(reasons)


def test_clue_boxes_lie_on_visible_features(examples: list[tuple[Scene, dict[str, Any], dict[str, Any]]]) -> None:
    count = 0
    for scene, _, task in examples:
        boxes = {feature.box for feature in scene.features if feature.box}
        notes = {r["id"]: r["value"] for r in task["annotations"][0]["result"] if r["from_name"] == "clue_note"}
        for result in task["annotations"][0]["result"]:
            if result["from_name"] == "clue_boxes":
                count += 1
                value = result["value"]
                assert (value["x"], value["y"], value["width"], value["height"]) in boxes
                assert value["rectanglelabels"][0] in {"Country clue", "Region clue", "Precise clue"}
                assert notes[result["id"]]["text"]
    assert count > len(examples)


def test_annotation_is_pure() -> None:
    assert example("PL", 4)[2] == example("PL", 4)[2]


def test_missing_names_are_filled_from_what_is_known() -> None:
    scene, row, _ = example("SE", 1)
    bare = {"id": row["id"], "country": "Sweden", "region": None, "place": None}
    assert values(annotate(scene, bare))["final_answer"] == ["Sweden; Sweden; Sweden"]


def test_fitting_countries_read_the_table_backwards() -> None:
    thai = Feature("shop_sign", "market", "country fact", text="ตลาด", language="Thai", script="Thai")
    assert fitting_countries([thai]) == ["TH"]
    left = Feature("driving_side", "left", "country fact")
    assert {"GB", "JP", "AU"} <= set(fitting_countries([left]))
    assert "FR" not in fitting_countries([left])
