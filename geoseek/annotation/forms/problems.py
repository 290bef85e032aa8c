"""What can be odd about an annotation that was read, each with its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geoseek.schemas import DescribedCode


class Problem(DescribedCode):
    """Why a part of an annotation was left out, or needs a second look."""

    NO_COUNTRY_STAGE = "no_country_stage", "the country stage is empty or incomplete, so there is no chain"
    HALF_STAGE = "half_stage", "a stage lacks clues, reasoning, conclusion or uncertainty, and does not count"
    EMPTY_FINAL_ANSWER = "empty_final_answer", "the final answer is missing"
    SEVERAL_ENTRIES = "several_entries", "a field for one answer holds several"
    UNKNOWN_CONTROL = "unknown_control", "a result of a control that the labelling page does not have"
    UNKNOWN_CHOICE = "unknown_choice", "a choice or label that is not offered"
    MALFORMED_RESULT = "malformed_result", "a result that does not have the form of its control"
    BROKEN_TEXT = "broken_text", "text with broken characters, which were replaced"
    BOX_WITHOUT_NOTE = "box_without_note", "a clue box without a note"
    BOX_WITHOUT_CLUE = "box_without_clue", "the note of a clue box fits none of the clues of its stage, or several"
    NOTE_WITHOUT_BOX = "note_without_box", "the note of a clue box that is not there"
    BOX_OUTSIDE = "box_outside", "a clue box that is empty or reaches out of the picture"
    SCORE_OUT_OF_RANGE = "score_out_of_range", "a rating outside 0..10"
    SCORE_OUT_OF_STEPS = "score_out_of_steps", "a locatability rating that is not a multiple of one half"
    MISSING_SCORE = "missing_score", "the locatability rating is missing in the val split"
    MISSING_TAG = "missing_tag", "a scene tag is not answered in the val split"
    UNKNOWN_PROVENANCE = "unknown_provenance", "a statement of origin other than human, rule, synthetic or model NAME"
    BAD_TIME = "bad_time", "a time that is not ISO 8601, or a negative duration"


@dataclass(frozen=True)
class ProblemNote:
    """One problem of one annotation.

    Attributes:
        problem: What it is.
        control: Control, or key of the annotation, that it concerns; None if it concerns the whole.
        detail: The finding in words.
        content: What was left out of the record as it was read, so that nobody has to look for it; None if nothing was.
    """

    problem: Problem
    control: str | None
    detail: str
    content: Any = None
