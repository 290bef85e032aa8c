"""Clue boxes: read from the picture, and tied to the clues that they show."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from geoseek.annotation.forms.controls import BOX_LABELS, CLUE_BOXES, CLUE_NOTE
from geoseek.annotation.forms.problems import Problem
from geoseek.annotation.forms.reading import Result, Results, as_number
from geoseek.schemas import ClueBox, StageName

_STAGES = {label: stage for stage, label in BOX_LABELS.items()}
_TOLERANCE_PERCENT = 0.5
"""How far a box may reach out of the picture before it is worth a word; the page rounds."""
_SHORTEST_PART = 4
"""Letters that a note or clue needs before being contained in the other counts as a match."""


def read_boxes(results: Results, clues: Mapping[StageName, Sequence[str]]) -> tuple[ClueBox, ...]:
    """Return the clue boxes of an annotation, each with the clue that its note names.

    A box and its note share the `id` of their results. What is odd goes to the notes of `results`.
    """
    notes = {result.key: " ".join(results.entries(result)) for result in results.of(CLUE_NOTE)}
    boxes = []
    for result in results.of(CLUE_BOXES):
        note = notes.pop(result.key, "") or None
        box = _box(results, result, note, clues)
        if box:
            boxes.append(box)
    for note in filter(None, notes.values()):
        results.notes.add(Problem.NOTE_WITHOUT_BOX, CLUE_NOTE, f"no box belongs to the note {note!r}", note)
    return tuple(boxes)


def _box(
    results: Results, result: Result, note: str | None, clues: Mapping[StageName, Sequence[str]]
) -> ClueBox | None:
    complain = results.notes.add
    labels = results.entries(result)
    stage = next((_STAGES[label] for label in labels if label in _STAGES), None)
    if stage is None:
        allowed = ", ".join(_STAGES)
        complain(Problem.UNKNOWN_CHOICE, CLUE_BOXES, f"box label {labels} is not one of: {allowed}", dict(result.value))
        return None
    sides = [as_number(result.value.get(side)) for side in ("x", "y", "width", "height")]
    if None in sides:
        complain(Problem.MALFORMED_RESULT, CLUE_BOXES, "a box without x, y, width or height", dict(result.value))
        return None
    x, y, w, h = (side for side in sides if side is not None)
    most = 100 + _TOLERANCE_PERCENT
    if min(w, h) <= 0 or min(x, y) < -_TOLERANCE_PERCENT or x + w > most or y + h > most:
        complain(Problem.BOX_OUTSIDE, CLUE_BOXES, f"x {x:g}, y {y:g}, width {w:g}, height {h:g} (percent)")
    index = find_clue(note, clues.get(stage, ())) if note else None
    if not note:
        complain(Problem.BOX_WITHOUT_NOTE, CLUE_BOXES, f"a {BOX_LABELS[stage]} box has no note")
    elif index is None:
        complain(Problem.BOX_WITHOUT_CLUE, CLUE_BOXES, f"{note!r} names none of the clues of the {stage} stage")
    return ClueBox(stage=stage, clue_index=index, x=x, y=y, w=w, h=h, note=note)


def find_clue(note: str, clues: Sequence[str]) -> int | None:
    """Return the index of the clue that a note means: the same words, the clue's number, or words contained in it.

    Upper and lower case, Unicode composition and spacing do not matter. A note that fits several clues fits none.

    >>> clues = ["Blue distance sign", "yellow centre line", "yellow house"]
    >>> [find_clue(note, clues) for note in ("blue  distance SIGN", "2", "centre line", "yellow", "a dog")]
    [0, 1, 1, None, None]
    """
    wanted, known = _plain(note), [_plain(clue) for clue in clues]
    if wanted in known:
        return known.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted[:9]) <= len(known):
        return int(wanted[:9]) - 1
    fitting = [
        index
        for index, clue in enumerate(known)
        if min(len(wanted), len(clue)) >= _SHORTEST_PART and (wanted in clue or clue in wanted)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
