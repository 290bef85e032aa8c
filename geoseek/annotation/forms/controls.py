"""The controls of the labelling page and the record field that each of them fills: the one place with their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from geoseek.schemas import SceneTag, Split, StageName, TagAnswer, Uncertainty

IMAGE = "image"
"""Name of the picture on the page, and of its address in the task data."""

CLUE_BOXES = "clue_boxes"
CLUE_NOTE = "clue_note"
FINAL_ANSWER = "final_answer"
LOCATABILITY = "locatability"
MAIN_CLUES = "main_clues"
REMARK = "remark"
SCENE_TAGS = "scene_tags"
"""A single multiple-choice control for all tags, as imports and the drawn examples have it; our page has ten."""

BOX_LABELS = {
    StageName.COUNTRY: "Country clue",
    StageName.REGION: "Region clue",
    StageName.PRECISE: "Precise clue",
}
SUB_SCORES = {
    "image_clarity": "how sharp, bright and unobstructed the picture is",
    "text_amount": "how much can be read",
    "cultural_landscape": "how distinctive buildings, roads and other human traces are",
    "natural_landscape": "how distinctive terrain, plants and soil are",
    "vehicles_and_people": "how much vehicles, plates and people tell",
}
"""Parts of the locatability rating, 0..10 each."""

SCORE_MAX = 10.0
SCORE_STEP = 0.5


class StagePart(StrEnum):
    """The four parts of a stage."""

    CLUES = "clues"
    REASONING = "reasoning"
    CONCLUSION = "conclusion"
    UNCERTAINTY = "uncertainty"


class Kind(StrEnum):
    """Type of a control: Label Studio's tag, whose lower-case form is the type of a result."""

    TEXT = "TextArea"
    CHOICES = "Choices"
    NUMBER = "Number"
    BOXES = "RectangleLabels"

    @property
    def result_type(self) -> str:
        """Return the `type` of a result of such a control."""
        return self.value.lower()

    @property
    def value_key(self) -> str:
        """Return the key under which the `value` of a result holds what was entered."""
        return {Kind.TEXT: "text", Kind.CHOICES: "choices", Kind.NUMBER: "number", Kind.BOXES: "rectanglelabels"}[self]


@dataclass(frozen=True)
class Control:
    """A control of the page.

    Attributes:
        name: `name` of the tag and `from_name` of its results.
        kind: Type of the tag.
        field: Field of the record that it fills, with a dot for a part of it.
        values: What can be chosen; empty where anything can be entered.
        needed: The page must have it.
        required: The annotator must fill it.
        splits: Splits that ask for it.
    """

    name: str
    kind: Kind
    field: str
    values: tuple[str, ...] = ()
    needed: bool = True
    required: bool = False
    splits: frozenset[Split] = frozenset(Split)


def stage_control(stage: StageName, part: StagePart) -> str:
    """Return the name of the control of a part of a stage.

    >>> stage_control(StageName.REGION, StagePart.CLUES)
    'region_clues'
    """
    return f"{stage.value}_{part.value}"


def tag_control(tag: SceneTag) -> str:
    """Return the name of the control of a scene tag.

    >>> tag_control(SceneTag.SIGN)
    'tag_sign'
    """
    return f"tag_{tag.value}"


def sub_score_control(name: str) -> str:
    """Return the name of the control of a part of the locatability rating.

    >>> sub_score_control("image_clarity")
    'sub_image_clarity'
    """
    return f"sub_{name}"


def _controls() -> Iterator[Control]:
    val = frozenset({Split.VAL})
    for stage in StageName:
        for part in StagePart:
            name, mandatory = stage_control(stage, part), stage is StageName.COUNTRY
            field = f"chain.{stage.value}.{part.value}"
            if part is StagePart.UNCERTAINTY:
                yield Control(name, Kind.CHOICES, field, tuple(Uncertainty), required=mandatory)
            else:
                yield Control(name, Kind.TEXT, field, required=mandatory)
    yield Control(FINAL_ANSWER, Kind.TEXT, "chain.final_answer", required=True)
    yield Control(CLUE_BOXES, Kind.BOXES, "clue_boxes", tuple(BOX_LABELS.values()))
    yield Control(CLUE_NOTE, Kind.TEXT, "clue_boxes.note")
    yield Control(REMARK, Kind.TEXT, "note", needed=False)
    yield Control(LOCATABILITY, Kind.NUMBER, "locatability_score", required=True, splits=val)
    for tag in SceneTag:
        yield Control(
            tag_control(tag), Kind.CHOICES, f"scene_tags.{tag.value}", tuple(TagAnswer), required=True, splits=val
        )
    for name in SUB_SCORES:
        yield Control(sub_score_control(name), Kind.NUMBER, f"sub_scores.{name}", needed=False, splits=val)
    yield Control(MAIN_CLUES, Kind.TEXT, MAIN_CLUES, needed=False, splits=val)


CONTROLS = {control.name: control for control in _controls()}
"""All controls of the page by name."""


def controls_of(split: Split) -> dict[str, Control]:
    """Return the controls that the page of a split may have."""
    return {name: control for name, control in CONTROLS.items() if split in control.splits}
