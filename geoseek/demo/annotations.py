"""Example annotations for drawn scenes, written by rules from what is visible; never to be taken for human work.

The form is Label Studio's JSON export: a task with `data` and `annotations[].result[]`, with the control names of the
labelling configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geoseek.demo.backdrop import GROUND_WORDS
from geoseek.demo.candidates import fitting_countries
from geoseek.demo.dice import Dice
from geoseek.demo.features import Feature, Scene
from geoseek.demo.phrases import clue, listed, named, sentence
from geoseek.geo import load_countries

PROVENANCE = "synthetic"
ANNOTATOR = "geoseek-demo"
SCENE_TAGS = (
    "manmade",
    "traffic",
    "buildings",
    "sign",
    "language",
    "natural",
    "plants",
    "mountains_and_rivers",
    "weather",
    "agricultural",
)
_LABELS = {"country": "Country clue", "region": "Region clue", "precise": "Precise clue"}
_COUNTRY_KINDS = (
    "shop_sign",
    "stop_sign",
    "street_sign",
    "driving_side",
    "plate",
    "center_line",
    "edge_line",
    "warning_sign",
    "direction_sign",
    "houses",
    "pole",
)
_REGION_KINDS = ("plants", "ground", "terrain", "crops", "houses")


@dataclass(frozen=True)
class RuleStage:
    """One stage of a chain as the rules write it.

    Attributes:
        name: country, region or precise.
        clues: The visible features it rests on.
        reasoning: From the clues to the conclusion.
        conclusion: Short answer.
        uncertainty: Low, Moderate or High.
    """

    name: str
    clues: tuple[Feature, ...]
    reasoning: str
    conclusion: str
    uncertainty: str


def annotate(scene: Scene, sample_row: Mapping[str, Any]) -> dict[str, Any]:
    """Write the example annotation of a scene.

    Args:
        scene: A drawn scene.
        sample_row: Its sample: `id, country`, and where known `region, place, split`; `image` is the picture's address.

    Returns:
        A task of Label Studio's JSON export. The country stage is always there, the region and precise stages where
        the scene shows something to rest them on. Scene tags are given for the split `val`.
    """
    dice = Dice(scene.scene_id, scene.seed, "annotation")
    country, fitting = _country_stage(scene, str(sample_row["country"]), dice)
    stages = [country]
    region = _region_stage(scene, sample_row, dice)
    if region:
        stages.append(region)
        precise = _precise_stage(scene, sample_row, dice)
        if precise:
            stages.append(precise)
    tags = scene_tags(scene)
    results: list[dict[str, Any]] = []
    for stage in stages:
        results += _stage_results(scene, stage)
    answer = "; ".join(_answer_parts(sample_row))
    results.append(_result(scene, "final_answer", "textarea", {"text": [answer]}))
    score = locatability(scene, len(fitting), dice)
    results.append(_result(scene, "locatability", "number", {"number": score}))
    if sample_row.get("split") == "val":
        chosen = [tag for tag in SCENE_TAGS if tags[tag] == "yes"]
        results.append(_result(scene, "scene_tags", "choices", {"choices": chosen}))
    return {
        "data": {"id": sample_row["id"], "image": sample_row.get("image") or "", "picture": "synthetic"},
        "annotations": [
            {
                "result": results,
                "was_cancelled": False,
                "ground_truth": False,
                "annotator": ANNOTATOR,
                "provenance": PROVENANCE,
                "scene_tags": tags if sample_row.get("split") == "val" else {},
            }
        ],
        "meta": {"provenance": PROVENANCE, "picture": "synthetic", "written_by": "rules of geoseek.demo"},
    }


def _answer_parts(row: Mapping[str, Any]) -> list[str]:
    place = row.get("place") or row.get("region") or row["country"]
    return [str(row["country"]), str(row.get("region") or place), str(place)]


def _ground(feature: Feature) -> str:
    return GROUND_WORDS.get(feature.value, "") if feature.kind == "ground" else ""


def _write(features: tuple[Feature, ...], dice: Dice) -> str:
    return " ".join(sentence(feature, dice, _ground(feature)) for feature in features)


def _country_stage(scene: Scene, country: str, dice: Dice) -> tuple[RuleStage, list[str]]:
    chosen: list[Feature] = []
    for kind in _COUNTRY_KINDS:
        of_kind = scene.of_kind(kind)
        for feature in of_kind[: 2 if kind == "shop_sign" else 1]:
            if len(chosen) < 5 and (len(chosen) < 2 or dice.chance(0.7)):
                chosen.append(feature)
    if len(chosen) < 2:
        chosen += scene.of_kind("plants", "ground", "terrain")[: 2 - len(chosen)]
    clues = tuple(chosen)
    fitting = fitting_countries(clues)
    table = load_countries()
    rest = [table[code] for code in fitting if code != scene.facts.country_code and table[code].folded_into is None]
    others = [named(other.name) for other in sorted(rest, key=lambda other: (-(other.population or 0.0), other.code))]
    uncertainty = "Low" if len(others) <= 2 else "Moderate" if len(others) <= 12 else "High"
    text = f"{_write(clues, dice)} {_narrowing(named(country), others, dice)}"
    return RuleStage("country", clues, text, country, uncertainty), fitting


def _narrowing(country: str, others: list[str], dice: Dice) -> str:
    if not others:
        return dice.pick(
            [
                f"Together these clues fit {country} and no other country that I know of.",
                f"I know of no country besides {country} where all of this comes together.",
            ]
        )
    if len(others) <= 3:
        return dice.pick(
            [
                f"{listed(others)} would show the same, but {country} is the likelier answer.",
                f"This fits {country}; I cannot fully exclude {listed(others)}.",
            ]
        )
    examples = listed(dice.shuffled(others[:9])[:3])
    return dice.pick(
        [
            f"Many countries share these features, among them {examples}; I settle on {country} as the best guess.",
            f"That leaves a long list, {examples} for example, so {country} is an estimate rather than a certainty.",
        ]
    )


def _region_stage(scene: Scene, row: Mapping[str, Any], dice: Dice) -> RuleStage | None:
    region = row.get("region")
    shown = [feature for kind in _REGION_KINDS for feature in scene.of_kind(kind)[:2]]
    has_name = bool(scene.of_kind("place_name"))
    if not region or len(shown) < 2 or not (has_name or dice.chance(0.65)):
        return None
    clues = tuple(dice.shuffled(shown)[: dice.integer(2, 3)])
    climate = scene.facts.climate.label
    article = "an" if climate[0] in "aeiou" else "a"
    closing = dice.pick(
        [
            f"This is the look of {article} {climate} landscape, and {region} lies in such a part of the country.",
            f"Taken together this suggests {article} {climate} setting, which agrees with {region}.",
            f"Such {article} {climate} landscape makes {region} plausible, although other regions look alike.",
        ]
    )
    uncertainty = "Moderate" if has_name else dice.pick(["Moderate", "High", "High"])
    return RuleStage("region", clues, f"{_write(clues, dice)} {closing}", str(region), uncertainty)


def _precise_stage(scene: Scene, row: Mapping[str, Any], dice: Dice) -> RuleStage | None:
    place = row.get("place")
    place_signs, streets = scene.of_kind("place_name"), scene.of_kind("street_sign")
    if not place or not (place_signs or (streets and dice.chance(0.3))):
        return None
    if place_signs:
        clues = (*place_signs[:1], *scene.of_kind("direction_sign")[:1])
        closing = dice.pick(
            [
                f"The road leads there, so the picture was taken in or not far from {place}.",
                f"A sign of this size names the next town on the way, which puts the camera close to {place}.",
            ]
        )
        return RuleStage(
            "precise", clues, f"{_write(clues, dice)} {closing}", str(place), dice.pick(["Low", "Moderate"])
        )
    clues = tuple(streets[:1])
    closing = (
        f"Many towns have a street of that name, so it does not fix the spot by itself; {place} is a guess that agrees "
        "with what the first two stages found."
    )
    return RuleStage("precise", clues, f"{_write(clues, dice)} {closing}", str(place), "High")


def locatability(scene: Scene, fitting: int, dice: Dice) -> float:
    """Rate how well a scene can be located, 0..10 in halves: by how many countries fit, and by names on signs."""
    score = 6.5 if fitting <= 1 else 5.5 if fitting <= 3 else 4.5 if fitting <= 10 else 3.0
    score += 2.5 if scene.of_kind("place_name") else 0.0
    score += 1.0 if scene.of_kind("street_sign") else 0.0
    score += dice.pick([-0.5, 0.0, 0.0, 0.5])
    if scene.of_kind("weather")[0].value == "fog" or scene.of_kind("time_of_day")[0].value == "dusk":
        score -= 1.0
    return min(10.0, max(0.5, round(score * 2) / 2))


def scene_tags(scene: Scene) -> dict[str, str]:
    """Answer the ten scene tags with yes, no or maybe."""

    def shown(*kinds: str) -> bool:
        return bool(scene.of_kind(*kinds))

    weather, terrain = scene.of_kind("weather")[0].value, scene.of_kind("terrain")[0].value
    yes = {
        "manmade": True,
        "traffic": shown("driving_side", "plate", "warning_sign", "speed_sign", "stop_sign"),
        "buildings": shown("houses"),
        "sign": shown("shop_sign", "street_sign", "direction_sign", "warning_sign", "speed_sign", "stop_sign"),
        "language": shown("shop_sign", "street_sign", "place_name"),
        "natural": scene.setting in {"country_road", "village"},
        "plants": shown("plants"),
        "mountains_and_rivers": terrain == "mountains",
        "weather": weather in {"rain", "fog", "snowfall"},
        "agricultural": shown("crops"),
    }
    maybe = {
        "natural": scene.setting == "suburb",
        "mountains_and_rivers": terrain == "hills",
        "weather": weather == "overcast",
        "agricultural": scene.setting == "country_road",
    }
    return {tag: "yes" if yes[tag] else "maybe" if maybe.get(tag) else "no" for tag in SCENE_TAGS}


def _stage_results(scene: Scene, stage: RuleStage) -> list[dict[str, Any]]:
    words = [clue(feature, _ground(feature)) for feature in stage.clues]
    results = []
    for feature, note in zip(stage.clues, words, strict=True):
        if feature.box:
            x, y, width, height = feature.box
            place = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
            label = {**place, "rectanglelabels": [_LABELS[stage.name]]}
            box = _result(scene, "clue_boxes", "rectanglelabels", label, f"{stage.name}/{note}")
            text = _result(scene, "clue_note", "textarea", {**place, "text": [note]}, f"{stage.name}/{note}")
            results += [box, text]
    return [
        *results,
        _result(scene, f"{stage.name}_clues", "textarea", {"text": list(dict.fromkeys(words))}),
        _result(scene, f"{stage.name}_reasoning", "textarea", {"text": [stage.reasoning]}),
        _result(scene, f"{stage.name}_conclusion", "textarea", {"text": [stage.conclusion]}),
        _result(scene, f"{stage.name}_uncertainty", "choices", {"choices": [stage.uncertainty]}),
    ]


def _result(scene: Scene, control: str, kind: str, value: dict[str, Any], key: str = "") -> dict[str, Any]:
    name = hashlib.sha256(f"{scene.scene_id}/{scene.seed}/{key or control}".encode()).hexdigest()[:10]
    return {
        "id": name,
        "from_name": control,
        "to_name": "image",
        "type": kind,
        "origin": "manual",
        "original_width": scene.image.width,
        "original_height": scene.image.height,
        "image_rotation": 0,
        "value": value,
    }
