"""What was found: counted per check, with a few examples each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from geoseek.pipelines.validate.codes import ExportCheck, Severity

_SHOWN_CHARS = 200


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: What was looked for.
        file: File, relative to the dataset.
        value: The value found, and what was expected.
        row: 0-based row in that file; None if it concerns the file.
        id: Id of the row, if it has one.
    """

    check: ExportCheck
    file: str
    value: str
    row: int | None = None
    id: str | None = None

    @property
    def place(self) -> str:
        """Where it is, in words."""
        row = "" if self.row is None else f", row {self.row:,}"
        return f"{self.file}{row}" + (f" ({self.id})" if self.id else "")

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {"check": self.check.value, "file": self.file, "row": self.row, "id": self.id, "value": self.value}


class Findings:
    """Collects findings; every one is counted, the first of each check are kept.

    Args:
        examples: How many to keep per check.
    """

    def __init__(self, examples: int) -> None:
        self.counts: Counter[ExportCheck] = Counter()
        self.examples: dict[ExportCheck, list[Finding]] = {}
        self.skipped: list[str] = []
        self._examples = examples

    def add(
        self, check: ExportCheck, file: str, value: object, *, row: int | None = None, row_id: str | None = None
    ) -> None:
        """Count a finding; its value is shortened and put on one line."""
        self.counts[check] += 1
        kept = self.examples.setdefault(check, [])
        if len(kept) < self._examples:
            text = "".join(char if char.isprintable() else " " for char in " ".join(str(value).split()))
            shown = text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
            kept.append(Finding(check, file, shown, row, row_id))

    def skip(self, what: str) -> None:
        """Note, in a sentence, what could not be looked at."""
        self.skipped.append(what)

    def number(self, severity: Severity) -> int:
        """Return how many findings there are of a severity."""
        return sum(count for check, count in self.counts.items() if check.severity is severity)
