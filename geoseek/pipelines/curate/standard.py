"""The standard form: a chain, who brought the words into it, and what was noticed on the way."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.geo import Gazetteer
from geoseek.pipelines.curate.codes import CurateCheck, Finding
from geoseek.pipelines.curate.notes import split_note
from geoseek.schemas import ChainOfThought

BY_RULE = "rule"


@dataclass(frozen=True)
class StandardForm:
    """Free text as a chain.

    Attributes:
        chain: The chain.
        author: Who divided the words into stages: `rule` or `model NAME`.
        findings: What that means for the record.
        removed: Clues, conclusions and sentences of a model that the words did not support.
    """

    chain: ChainOfThought
    author: str
    findings: tuple[Finding, ...]
    removed: int = 0


def form_by_rules(note: str, gazetteer: Gazetteer, *, because: str = "") -> StandardForm:
    """Divide free text into stages by rules.

    Args:
        note: The annotator's words.
        gazetteer: Knows the names.
        because: Why no model did it, for the finding.

    Raises:
        NotStandardisedError: The text does not say where.
    """
    detail = "; ".join(filter(None, ("the words are the annotator's, their order is not", because)))
    return StandardForm(split_note(note, gazetteer), BY_RULE, (Finding(CurateCheck.SPLIT_BY_RULES, detail),))
