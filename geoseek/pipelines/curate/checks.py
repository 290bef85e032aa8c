"""One chain against the checks, and what follows from what they find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from rapidfuzz import fuzz

from geoseek.annotation import (
    Context,
    NameBook,
    References,
    ReviewSettings,
    Rule,
    SampleTruth,
    StoredAnnotation,
    check,
)
from geoseek.geo import Gazetteer
from geoseek.pipelines.curate.codes import Action, CurateCheck, Finding
from geoseek.pipelines.curate.guards import fold
from geoseek.pipelines.curate.language import language_fault
from geoseek.pipelines.curate.settings import CurateRules
from geoseek.pipelines.curate.texts import chain_texts
from geoseek.schemas import ChainOfThought, StageName, split_answer

_OF_THE_REVIEW = {
    Rule.LEAK: CurateCheck.LEAK,
    Rule.WRONG_COUNTRY: CurateCheck.WRONG_COUNTRY,
    Rule.MISSING_CLUE: CurateCheck.NO_CLUE,
}
"""Rules of the review that are checks here, too: they apply also to what was never reviewed."""
_WEB_ADDRESS = re.compile(r"\bhttps?://\S{1,200}", re.IGNORECASE)
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTERS_OF_A_DENSE_CHARACTER = 3
"""A Chinese, Japanese or Korean character says about as much as three letters of an alphabet."""
_SAME_SPELLING = 85.0
_LEVEL_NAMES: Final[Mapping[StageName, Literal["country", "region", "place"]]] = {
    StageName.COUNTRY: "country",
    StageName.REGION: "region",
    StageName.PRECISE: "place",
}


@dataclass(frozen=True)
class Examiner:
    """What all chains are held against.

    Attributes:
        rules: Thresholds and actions.
        review: Word lists of the review.
        gazetteer: Knows the names.
        names: Which of them mean the same.
    """

    rules: CurateRules
    review: ReviewSettings
    gazetteer: Gazetteer
    names: NameBook

    @cached_property
    def _references(self) -> References:
        others = tuple(rule for rule in Rule if rule not in _OF_THE_REVIEW)
        return References(self.review.model_copy(update={"ignore": others}), self.gazetteer, self.names)

    def examine(self, stored: StoredAnnotation, truth: SampleTruth | None) -> list[Finding]:
        """Return what the checks find in an annotation whose chain is in the standard form.

        Args:
            stored: With a chain; only the chain and the boxes are looked at, as nothing else is exported with it.
            truth: Where the picture was taken.
        """
        annotation = stored.annotation
        if annotation is None or annotation.chain is None:
            raise ValueError("There is no chain to examine.")
        chain = annotation.chain
        exported = replace(stored, annotation=annotation.model_copy(update={"note": None, "main_clues": ()}))
        notes = check(exported, Context(truth=truth), self._references)
        findings = [Finding(_OF_THE_REVIEW[Rule(note.code)], note.detail) for note in notes]
        findings += [Finding(CurateCheck.LEAK, detail) for detail in _web_addresses(chain)]
        findings += [Finding(CurateCheck.ANSWER_MISMATCH, detail) for detail in self._mismatches(chain)]
        findings += [Finding(CurateCheck.TOO_SHORT, detail) for detail in self._short(chain)]
        findings += [Finding(CurateCheck.WRONG_LANGUAGE, detail) for detail in self._foreign(stored, chain)]
        return findings

    def _mismatches(self, chain: ChainOfThought) -> Iterator[str]:
        """Compare every conclusion with the part of the final answer at its level, where there are both."""
        parts = split_answer(chain.final_answer)
        answers = (*parts[:2], ", ".join(parts[2:]))
        country = parts[0] if parts else None
        stages = chain.stages()
        for level, answer in zip(StageName, answers, strict=False):
            said = stages[level].conclusion if level in stages else ""
            if said and answer and not self._means_same(said, answer, level, country):
                yield f"the {level} stage concludes {said!r}, the final answer says {answer!r}"

    def _means_same(self, said: str, answer: str, level: StageName, country: str | None) -> bool:
        one, other = fold(said), fold(answer)
        if f" {other} " in f" {one} " or f" {one} " in f" {other} " or fuzz.ratio(one, other) >= _SAME_SPELLING:
            return True
        above = None if level is StageName.COUNTRY else country
        return any(
            self.gazetteer.same_place_name(name, answer, _LEVEL_NAMES[level], country=above)
            for name in (said, *re.split(r"[,;，；(]", said)[:4])
        )

    def _short(self, chain: ChainOfThought) -> Iterator[str]:
        least = self.rules.text.least_letters
        for name, stage in chain.stages().items():
            letters = said_letters(stage.reasoning)
            if letters < least:
                yield f"the reasoning of the {name} has {letters} letters, fewer than {least}"

    def _foreign(self, stored: StoredAnnotation, chain: ChainOfThought) -> Iterator[str]:
        expected = self.rules.text.language
        if expected is not None and stored.annotation is not None:
            texts = (text for _, text in chain_texts(chain))
            fault = language_fault(texts, expected=expected, declared=stored.annotation.language)
            if fault:
                yield f"{fault}; expected is {expected!r}"


def said_letters(text: str) -> int:
    """Count letters and digits; a Chinese, Japanese or Korean character counts as three.

    >>> said_letters("2 km, Öl"), said_letters("左侧")
    (5, 6)
    """
    dense = len(_DENSE.findall(text))
    return sum(char.isalnum() for char in text) + (_LETTERS_OF_A_DENSE_CHARACTER - 1) * dense


def _web_addresses(chain: ChainOfThought) -> Iterator[str]:
    for where, text in chain_texts(chain):
        found = _WEB_ADDRESS.search(text)
        if found:
            yield f"{found[0][:80]!r} in {where}"


@dataclass(frozen=True)
class Outcome:
    """What follows from the findings about one annotation.

    Attributes:
        action: The gravest: drop, review, or warn if it may be used.
        deciding: The findings that have that action; for `warn`, all that warn.
    """

    action: Action
    deciding: tuple[Finding, ...]


def decide(findings: Sequence[Finding], rules: CurateRules, *, reviewed: bool) -> Outcome:
    """Return what follows from findings.

    What asks for a review only warns if a reviewer has accepted the annotation already; `drop` drops even then.
    """
    by_action: dict[Action, list[Finding]] = {action: [] for action in Action}
    for finding in findings:
        action = rules.action(finding.check)
        by_action[Action.WARN if action is Action.REVIEW and reviewed else action].append(finding)
    for action in (Action.DROP, Action.REVIEW):
        if by_action[action]:
            return Outcome(action, tuple(by_action[action]))
    return Outcome(Action.WARN, tuple(by_action[Action.WARN]))
