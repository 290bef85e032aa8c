"""From a decoded JSON object to a chain: exactly our shape, or what can be read as it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from pydantic import TypeAdapter, ValidationError

from geoseek.schemas.annotation import ChainOfThought, Stage, StageName, Uncertainty
from geoseek.schemas.codec.answers import render_answer
from geoseek.schemas.codec.codes import Failure, ParseFailure, RepairCode, RepairLog
from geoseek.schemas.codec.names import (
    CHAIN_KEYS,
    CHAIN_NAMES,
    COUNTRY_KEY,
    FIELD_KEYS,
    FIELD_NAMES,
    FINAL_ANSWER_KEY,
    STAGE_KEYS,
    differs_by_spelling_only,
    our_name,
)
from geoseek.schemas.codec.texts import without_surrogates


class RepeatedNames(dict[str, Any]):
    """A decoded object in which a name occurred twice; the last value counts."""


_VALIDATOR = TypeAdapter(ChainOfThought).validator
_FIELDS = tuple(FIELD_KEYS.values())
_OPTIONAL = tuple(STAGE_KEYS)[1:]
_LAYOUTS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    (COUNTRY_KEY, *(STAGE_KEYS[name] for name in more), FINAL_ANSWER_KEY): (
        StageName.COUNTRY.value,
        *(name.value for name in more),
    )
    for count in range(len(_OPTIONAL) + 1)
    for more in combinations(_OPTIONAL, count)
}
_UNCERTAINTY_WORD = re.compile(r"\b(?:low|moderate|medium|high)\b", re.IGNORECASE)
_EXACT_UNCERTAINTIES = {word.value: word for word in Uncertainty}
_UNCERTAINTIES = {**{word.value.casefold(): word for word in Uncertainty}, "medium": Uncertainty.MODERATE}
_BETWEEN_CLUES = re.compile(r"[\n;；]")
_BULLET = re.compile(r"\s*(?:[-*•·–]|\d{1,2}[.)])\s+")


def exact_chain(pairs: object) -> ChainOfThought | None:
    """Return the chain of a JSON object that has our names, in our order, with our types; else None.

    Args:
        pairs: The decoded JSON, its objects as tuples of (name, value): so repeated names show.
    """
    if type(pairs) is not tuple:
        return None
    layout = _LAYOUTS.get(tuple([name for name, _ in pairs]))
    if layout is None:
        return None
    fields: dict[str, Any] = {"final_answer": pairs[-1][1]}
    for name, (_, stage) in zip(layout, pairs, strict=False):
        if type(stage) is not tuple or len(stage) != len(_FIELDS):
            return None
        (key_1, clues), (key_2, reasoning), (key_3, conclusion), (key_4, uncertainty) = stage
        if (key_1, key_2, key_3, key_4) != _FIELDS or type(clues) is not list:
            return None
        fields[name] = {
            "clues": clues,
            "reasoning": reasoning,
            "conclusion": conclusion,
            "uncertainty": uncertainty,
        }
    try:
        chain: ChainOfThought = _VALIDATOR.validate_python(fields)
    except ValidationError:
        return None
    return chain


def find_chains(value: object) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the objects with a country stage inside a JSON value, and whether each was inside something else."""
    pending = [(value, False)]
    while pending:
        node, wrapped = pending.pop()
        if isinstance(node, dict):
            if any(our_name(name, CHAIN_NAMES) == COUNTRY_KEY for name in node):
                yield node, wrapped
            else:
                pending.extend((inner, True) for inner in reversed(node.values()))
        elif isinstance(node, list):
            pending.extend((inner, True) for inner in reversed(node))


def final_answer_of(document: Mapping[str, Any]) -> str | None:
    """Return the final answer of an object that need not be a chain."""
    for name, value in document.items():
        if our_name(name, CHAIN_NAMES) == FINAL_ANSWER_KEY and isinstance(value, str):
            return without_surrogates(value).strip()
    return None


def read_chain(document: Mapping[str, Any], log: RepairLog, answer: str | None) -> ChainOfThought | Failure:
    """Return the chain that an object can be read as.

    Args:
        document: A decoded JSON object.
        log: Takes the repairs.
        answer: Text of the answer element; stands in for a missing final answer.
    """
    return _ShapeReader(log).read(document, answer)


class _ShapeReader:
    def __init__(self, log: RepairLog) -> None:
        self._log = log

    def read(self, document: Mapping[str, Any], answer: str | None) -> ChainOfThought | Failure:
        given = self._named(document, CHAIN_NAMES, CHAIN_KEYS, "")
        stages: dict[str, Stage | None] = {}
        for name, key in STAGE_KEYS.items():
            stage = self._stage(key, given, required=name is StageName.COUNTRY)
            if isinstance(stage, Failure):
                return stage
            stages[name.value] = stage
        found = [stage for stage in stages.values() if stage is not None]
        return ChainOfThought.model_validate(
            {**stages, "final_answer": self._final_answer(given.get(FINAL_ANSWER_KEY), answer, found)}
        )

    def _named(
        self, raw: Mapping[str, Any], names: Mapping[str, str], order: tuple[str, ...], path: str
    ) -> dict[str, Any]:
        """Return the values under our names; what is none of ours stays out, and is noted."""
        if isinstance(raw, RepeatedNames):
            self._log.of(RepairCode.DUPLICATE_KEY, path or "the outer object")
        found: dict[str, Any] = {}
        for written, value in raw.items():
            where = path + without_surrogates(written[:64])
            ours = our_name(written, names)
            if ours is None:
                self._log.of(RepairCode.UNKNOWN_KEY, where)
                continue
            if written != ours:
                spelling = differs_by_spelling_only(written, ours)
                self._log.of(RepairCode.KEY_SPACING if spelling else RepairCode.KEY_ALIAS, where)
            if ours in found:
                self._log.of(RepairCode.DUPLICATE_KEY, where)
            found[ours] = value
        if list(found) != [key for key in order if key in found]:
            self._log.of(RepairCode.KEY_ORDER, path or "the outer object")
        return found

    def _stage(self, key: str, given: dict[str, Any], *, required: bool) -> Stage | Failure | None:
        value = given.get(key)
        if isinstance(value, list) and len(value) == 1:
            self._log.of(RepairCode.WRAPPED, key)
            value = value[0]
        if value is None or value in ("", {}, []):
            if required:
                return Failure(ParseFailure.NO_COUNTRY_STAGE, f"{key} is empty")
            if key in given:
                self._log.of(RepairCode.EMPTY_STAGE, key)
            return None
        if isinstance(value, str):
            self._log.of(RepairCode.STAGE_AS_TEXT, key)
            return Stage(clues=(), reasoning="", conclusion=self._clean(value, key), uncertainty=Uncertainty.HIGH)
        if isinstance(value, dict):
            return self._stage_of_object(key, self._lift(key, value, given))
        if required:
            return Failure(ParseFailure.BAD_TYPE, f"{key} is {type(value).__name__}, not an object")
        self._log.of(RepairCode.UNREADABLE_STAGE, key)
        return None

    def _lift(self, key: str, stage: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """Move later stages and the final answer, which a missing brace left inside this stage, out of it."""
        own: dict[str, Any] = {}
        for name, value in stage.items():
            ours = our_name(name, CHAIN_NAMES)
            if ours is None or ours in given or not differs_by_spelling_only(name, ours):
                own[name] = value
            else:
                self._log.of(RepairCode.MISPLACED_KEY, f"{key}.{ours}")
                given[ours] = value
        return own if len(own) < len(stage) else stage

    def _stage_of_object(self, key: str, value: dict[str, Any]) -> Stage:
        path = f"{key}."
        given = self._named(value, FIELD_NAMES, _FIELDS, path)
        return Stage(
            clues=self._clues(given.get("Clues"), f"{path}Clues"),
            reasoning=self._text(given.get("Reasoning"), f"{path}Reasoning"),
            conclusion=self._text(given.get("Conclusion"), f"{path}Conclusion"),
            uncertainty=self._uncertainty(given.get("Uncertainty"), f"{path}Uncertainty"),
        )

    def _clean(self, text: str, where: str) -> str:
        clean = without_surrogates(text)
        if clean != text:
            self._log.of(RepairCode.LONE_SURROGATE, where)
        return clean

    def _clues(self, value: object, where: str) -> tuple[str, ...]:
        if isinstance(value, str):
            self._log.of(RepairCode.CLUES_AS_TEXT, where)
            parts = (_BULLET.sub("", part, count=1).strip() for part in _BETWEEN_CLUES.split(self._clean(value, where)))
            return tuple(part for part in parts if part)
        if value is None:
            self._log.of(RepairCode.MISSING_FIELD, where)
            return ()
        if not isinstance(value, list):
            return (self._text(value, where),)
        clues = []
        for at, clue in enumerate(value):
            if clue is None:
                self._log.of(RepairCode.EMPTY_CLUE, f"{where}[{at}]")
            else:
                clues.append(self._text(clue, f"{where}[{at}]"))
        return tuple(clues)

    def _text(self, value: object, where: str) -> str:
        if isinstance(value, str):
            return self._clean(value, where)
        if value is None:
            self._log.of(RepairCode.MISSING_FIELD, where)
            return ""
        self._log.of(RepairCode.VALUE_AS_TEXT, where)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return self._clean(" ".join(value), where)
        return self._clean(json.dumps(value, ensure_ascii=False), where)

    def _uncertainty(self, value: object, where: str) -> Uncertainty:
        if isinstance(value, str):
            if value in _EXACT_UNCERTAINTIES:
                return _EXACT_UNCERTAINTIES[value]
            words = {_UNCERTAINTIES[word.casefold()] for word in _UNCERTAINTY_WORD.findall(value)}
            if len(words) == 1:
                self._log.of(RepairCode.UNCERTAINTY_CASE, where)
                return words.pop()
        self._log.of(RepairCode.UNCERTAINTY_UNKNOWN, where)
        return Uncertainty.HIGH

    def _final_answer(self, value: object, answer: str | None, stages: list[Stage]) -> str:
        if isinstance(value, dict | list) and value:
            self._log.of(RepairCode.VALUE_AS_TEXT, FINAL_ANSWER_KEY)
            parts = value.values() if isinstance(value, dict) else value
            return render_answer(self._clean(part, FINAL_ANSWER_KEY) for part in parts if isinstance(part, str))
        if isinstance(value, str):
            return self._clean(value, FINAL_ANSWER_KEY)
        if answer is not None:
            self._log.of(RepairCode.FINAL_ANSWER_FROM_TAG, FINAL_ANSWER_KEY)
            return answer
        self._log.of(RepairCode.FINAL_ANSWER_FROM_CONCLUSIONS, FINAL_ANSWER_KEY)
        return render_answer(stage.conclusion for stage in stages)
