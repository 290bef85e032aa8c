"""From a chain of thought to Label Studio results: drafts for the page, and chains for the adjudication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoseek.annotation.forms.controls import (
    BOX_LABELS,
    CLUE_BOXES,
    CLUE_NOTE,
    CONTROLS,
    FINAL_ANSWER,
    IMAGE,
    LOCATABILITY,
    StagePart,
    stage_control,
    tag_control,
)
from geoseek.schemas import ChainOfThought, ClueBox, SceneTag, Split, Stage, StageName
from geoseek.workspace import stable_digest


def encode_results(
    chain: ChainOfThought,
    *,
    boxes: Sequence[ClueBox] = (),
    score: float | None = None,
    tags: Mapping[str, str] | None = None,
    split: Split,
) -> list[dict[str, Any]]:
    """Write a chain as the `result` of an annotation or prediction; decoding it gives the same chain back.

    Args:
        chain: The chain of thought.
        boxes: Clue boxes, percent of the picture.
        score: Locatability, 0..10 in halves; written for `val` only.
        tags: Scene tag -> yes, no or maybe; written for `val` only.
        split: Split of the sample, which decides what its page asks.

    Returns:
        The results in the order of the page. Their ids depend on nothing but their place and content.
    """
    results = [result for name, stage in chain.stages().items() for result in _stage(name, stage)]
    if chain.final_answer:
        results.append(_result(FINAL_ANSWER, [chain.final_answer]))
    for number, box in enumerate(boxes):
        results += _box(number, box, chain)
    if split is Split.VAL:
        if score is not None:
            results.append(_result(LOCATABILITY, score))
        answers = tags or {}
        results += [_result(tag_control(tag), [answers[tag.value]]) for tag in SceneTag if tag.value in answers]
    return results


def _stage(name: StageName, stage: Stage) -> list[dict[str, Any]]:
    entered: dict[StagePart, list[str]] = {
        StagePart.CLUES: list(stage.clues),
        StagePart.REASONING: [stage.reasoning],
        StagePart.CONCLUSION: [stage.conclusion],
        StagePart.UNCERTAINTY: [stage.uncertainty.value],
    }
    return [_result(stage_control(name, part), value) for part, value in entered.items()]


def _box(number: int, box: ClueBox, chain: ChainOfThought) -> list[dict[str, Any]]:
    place = {"x": box.x, "y": box.y, "width": box.w, "height": box.h, "rotation": 0}
    label = _result(CLUE_BOXES, [BOX_LABELS[box.stage]], number=number, place=place)
    note = box.note or _clue(box, chain)
    if not note:
        return [label]
    return [label, _result(CLUE_NOTE, [note], place=place) | {"id": label["id"]}]


def _clue(box: ClueBox, chain: ChainOfThought) -> str | None:
    stage = chain.stages().get(box.stage)
    known = stage is not None and box.clue_index is not None and 0 <= box.clue_index < len(stage.clues)
    return stage.clues[box.clue_index] if stage and known and box.clue_index is not None else None


def _result(name: str, entered: Any, *, number: int = 0, place: Mapping[str, float] | None = None) -> dict[str, Any]:
    control = CONTROLS[name]
    value = {**(place or {}), control.kind.value_key: entered}
    return {
        "id": stable_digest([name, number, value])[:10],
        "from_name": name,
        "to_name": IMAGE,
        "type": control.kind.result_type,
        "value": value,
    }
