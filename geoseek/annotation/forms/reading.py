"""Results of Label Studio sorted by control, and the values in them, whatever form they come in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from geoseek.annotation.forms.controls import CONTROLS, SCENE_TAGS, Control, Kind
from geoseek.annotation.forms.problems import Problem, ProblemNote


@dataclass
class Notes:
    """Collects what is odd about one annotation."""

    notes: list[ProblemNote] = field(default_factory=list)

    def add(self, problem: Problem, control: str | None, detail: str, content: Any = None) -> None:
        """Note a problem."""
        self.notes.append(ProblemNote(problem, control, detail, content))


@dataclass(frozen=True)
class Result:
    """One result of a known control.

    Attributes:
        control: The control.
        value: Its `value`.
        key: `id` of the result, which a box shares with its note.
        origin: manual, prediction or prediction-changed.
    """

    control: Control
    value: Mapping[str, Any]
    key: str
    origin: str


class Results:
    """The results of an annotation by control, in the order in which they came."""

    def __init__(self, raw: Any, notes: Notes) -> None:
        self.notes = notes
        self._by_control: dict[str, list[Result]] = {}
        if raw is not None and not isinstance(raw, list | tuple):
            notes.add(Problem.MALFORMED_RESULT, "result", f"`result` is a {type(raw).__name__}, not a list", raw)
            return
        for entry in raw or ():
            result = self._read(entry)
            if result:
                self._by_control.setdefault(result.control.name, []).append(result)

    def _read(self, entry: Any) -> Result | None:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("value"), Mapping):
            self.notes.add(Problem.MALFORMED_RESULT, None, "a result without a value", entry)
            return None
        name = entry.get("from_name")
        control = _SCENE_TAGS if name == SCENE_TAGS else CONTROLS.get(name) if isinstance(name, str) else None
        if control is None:
            self.notes.add(Problem.UNKNOWN_CONTROL, str(name), f"no control is called {name!r}", entry)
            return None
        if control.kind.value_key not in entry["value"]:
            self.notes.add(
                Problem.MALFORMED_RESULT, control.name, f"the value has no {control.kind.value_key!r}", entry
            )
            return None
        return Result(control, entry["value"], str(entry.get("id", "")), str(entry.get("origin") or "manual"))

    def of(self, name: str) -> list[Result]:
        """Return the results of a control."""
        return self._by_control.get(name, [])

    def origins(self, names: Iterable[str]) -> set[str]:
        """Return the origins of the results of some controls."""
        return {result.origin for name in names for result in self.of(name)}

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the entries of a text control, stripped of outer white space; empty ones are left out."""
        found: list[str] = []
        for result in self.of(name):
            found += self.entries(result)
        return tuple(found)

    def entries(self, result: Result) -> list[str]:
        """Return the strings in the value of one result, stripped; empty ones are left out."""
        key = result.control.kind.value_key
        found = []
        for entry in as_list(result.value[key]):
            if not isinstance(entry, str):
                self.notes.add(Problem.MALFORMED_RESULT, result.control.name, f"{key} holds {entry!r}, no text", entry)
            elif text := self.text(entry, result.control.name):
                found.append(text)
        return found

    def text(self, text: str, control: str) -> str:
        """Strip outer white space; half surrogate pairs, which no file can hold, become U+FFFD."""
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if whole != text:
            self.notes.add(Problem.BROKEN_TEXT, control, "half of a surrogate pair was replaced by U+FFFD")
        return whole.strip()

    def choice(self, name: str) -> str | None:
        """Return the last of the choices made, if it is one of those offered."""
        control = CONTROLS[name]
        made = self.texts(name)
        for unknown in (choice for choice in made if choice not in control.values):
            self._unknown_choice(control, unknown)
        known = [choice for choice in made if choice in control.values]
        if len(set(known)) > 1:
            self.notes.add(Problem.SEVERAL_ENTRIES, name, f"{', '.join(known)}: the last one counts", known)
        return known[-1] if known else None

    def number(self, name: str) -> float | None:
        """Return the last number entered, if it is one between 0 and 10."""
        results = self.of(name)
        if len(results) > 1:
            self.notes.add(Problem.SEVERAL_ENTRIES, name, "several numbers: the last one counts")
        if not results:
            return None
        entered = results[-1].value["number"]
        number = as_number(entered)
        if number is None:
            self.notes.add(Problem.MALFORMED_RESULT, name, f"{entered!r} is not a number", entered)
        elif not 0 <= number <= 10:
            self.notes.add(Problem.SCORE_OUT_OF_RANGE, name, f"{number:g} does not lie in 0..10", entered)
            return None
        return number

    def _unknown_choice(self, control: Control, choice: str) -> None:
        allowed = ", ".join(control.values)
        self.notes.add(Problem.UNKNOWN_CHOICE, control.name, f"{choice!r} is not one of: {allowed}", choice)


_SCENE_TAGS = Control(SCENE_TAGS, Kind.CHOICES, SCENE_TAGS)


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as a list of one.

    >>> as_list("sign"), as_list(["sign"]), as_list(None)
    (['sign'], ['sign'], [])
    """
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def as_number(value: Any) -> float | None:
    """Return a finite number, also from its text form; anything else is None.

    >>> as_number("7.5"), as_number(7), as_number(True), as_number("nan"), as_number(None)
    (7.5, 7.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
