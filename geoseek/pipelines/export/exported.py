"""A split whose files are written: what the card, the manifest and the next run need to know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from geoseek.pipelines.export.figures import merge_figures
from geoseek.pipelines.export.plan import SplitPlan
from geoseek.pipelines.export.shards import ShardEntry
from geoseek.schemas import ExportReject, Split


@dataclass(frozen=True)
class ExportedSplit:
    """A split whose files are written.

    Attributes:
        split: The split.
        key: Digest of everything that decided them.
        read: Rows read.
        shards: The files.
        rejects: Rows that were left out before their picture was looked at.
    """

    split: Split
    key: str
    read: int
    shards: tuple[ShardEntry, ...]
    rejects: tuple[ExportReject, ...]

    @classmethod
    def of(cls, plan: SplitPlan, entries: Iterable[ShardEntry]) -> Self:
        """Join a plan and what became of it; `read = kept + rejected` is checked here."""
        exported = cls(plan.split, plan.key, plan.read, tuple(entries), plan.rejects)
        if exported.read != exported.rows + len(exported.all_rejects):
            raise RuntimeError(f"{plan.split.value}: {exported.read} rows read, some of them lost")
        return exported

    @property
    def rows(self) -> int:
        """Rows exported."""
        return sum(entry.rows for entry in self.shards)

    @property
    def all_rejects(self) -> list[ExportReject]:
        """Rows left out, by id."""
        found = [*self.rejects, *(reject for entry in self.shards for reject in entry.rejects)]
        return sorted(found, key=lambda reject: (reject.id, reject.reason.value))

    def reject_counts(self) -> dict[str, int]:
        """Return rows left out, by code."""
        return dict(sorted(Counter(reject.reason.value for reject in self.all_rejects).items()))

    def to_figures(self) -> dict[str, Any]:
        """Return the figures of the split as JSON values."""
        figures = merge_figures(entry.figures for entry in self.shards)
        return {
            "read": self.read,
            "rejected": self.reject_counts(),
            "files": len(self.shards),
            "bytes": sum(entry.bytes for entry in self.shards),
            **{name: value for name, value in figures.items() if name != "example"},
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything but the early rejects as JSON values."""
        return {"key": self.key, "read": self.read, "shards": [entry.to_json() for entry in self.shards]}
