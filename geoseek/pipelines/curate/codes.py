"""What `geoseek curate` looks for, and what may follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from geoseek.schemas import DescribedCode


class Action(StrEnum):
    """What happens to an annotation of which a check finds something."""

    DROP = "drop"
    REVIEW = "review"
    WARN = "warn"
    IGNORE = "ignore"


class CurateCheck(DescribedCode):
    """The checks, from the gravest to the mildest."""

    LEAK = "leak", "the text holds coordinates, a map address, a file name, or talks of GPS or metadata"
    WRONG_COUNTRY = "wrong_country", "the country concluded is not the one where the picture was taken"
    CONCLUSION_CHANGED = (
        "conclusion_changed",
        "the model concludes another country than the annotator's words, or one that they leave open",
    )
    ANSWER_MISMATCH = "answer_mismatch", "a stage concludes something else than the final answer says"
    SPLIT_BY_RULES = "split_by_rules", "rules, not a person, divided free text into stages"
    TOO_SHORT = "too_short", "there is too little reasoning to learn from"
    NO_CLUE = "no_clue", "a stage names no clue, or only clues that fit anywhere"
    WRONG_LANGUAGE = "wrong_language", "the words are not in the language that the settings expect"
    NEAR_COPY = "near_copy", "the reasoning nearly equals that of an earlier annotation"
    UNSUPPORTED = "unsupported", "a model wrote things that the annotator's words do not say; they were removed"
    MODEL_WROTE = "model_wrote", "a model, not a person, divided free text into stages"
    CONTROL_CHARACTERS = "control_characters", "the text held control characters; they were removed"
    TWO_ACCEPTED = "two_accepted", "several annotations of the sample were accepted; the documented rule chose this one"


DEFAULT_ACTIONS = {
    CurateCheck.LEAK: Action.DROP,
    CurateCheck.WRONG_COUNTRY: Action.REVIEW,
    CurateCheck.CONCLUSION_CHANGED: Action.REVIEW,
    CurateCheck.ANSWER_MISMATCH: Action.REVIEW,
    CurateCheck.SPLIT_BY_RULES: Action.REVIEW,
    CurateCheck.TOO_SHORT: Action.REVIEW,
    CurateCheck.NO_CLUE: Action.WARN,
    CurateCheck.WRONG_LANGUAGE: Action.WARN,
    CurateCheck.NEAR_COPY: Action.WARN,
    CurateCheck.UNSUPPORTED: Action.WARN,
    CurateCheck.MODEL_WROTE: Action.WARN,
    CurateCheck.CONTROL_CHARACTERS: Action.WARN,
    CurateCheck.TWO_ACCEPTED: Action.WARN,
}
"""What happens where the settings say nothing."""


@dataclass(frozen=True)
class Finding:
    """What a check met.

    Attributes:
        check: Which one.
        detail: What exactly, in words.
    """

    check: CurateCheck
    detail: str
