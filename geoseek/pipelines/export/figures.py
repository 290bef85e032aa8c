"""Counts of what was exported: added up row by row, merged shard by shard, kept as plain JSON values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from geoseek.pipelines.export.licences import Permission, licence_terms
from geoseek.schemas import Split, StageName

Figures = dict[str, Any]
"""`rows`, and counters by name: `by_country` {code: rows}, `licenses` {licence: {embedded, reference, none}}, ..."""

NOT_STATED = "(not stated)"
_SEPARATOR = "\x1f"


class FigureCounter:
    """Counts the rows of a split."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._rows = 0
        self._bytes = 0
        self._counts: dict[str, Counter[str]] = {}
        self._example: dict[str, Any] | None = None

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one record."""
        self._rows += 1
        image = record["image"] or {"bytes": None, "path": None}
        data = image["bytes"]
        where = "embedded" if data is not None else "reference" if image["path"] is not None else "none"
        self._bytes += len(data or b"")
        licence = record["license"] or NOT_STATED
        self._count("pictures", where)
        self._count("licenses", f"{licence}{_SEPARATOR}{where}")
        if licence_terms(record["license"]).attribution and record["attribution"]:
            self._count("credits", record["attribution"])
        for name in ("country", "continent", "source"):
            self._count(f"by_{name}", record[name])
        self._count("by_picture", record["picture"] or "no picture")
        if self._split is Split.COT:
            self._add_chain(record)
        elif self._split is Split.VAL:
            self._add_rating(record)

    def _add_chain(self, record: Mapping[str, Any]) -> None:
        self._count("by_annotator", record["annotator"])
        self._count("by_language", record["language"] or NOT_STATED)
        self._count("reviewed", "yes" if record["reviewed"] else "no")
        self._count_all("warnings", record["warnings"])
        self._count_origins(record)
        for name in StageName:
            stage = record["chain"][name.value]
            if stage is not None:
                self._count("stages", name.value)
                self._count(f"uncertainty_{name.value}", stage["uncertainty"])
        if self._example is None:
            self._example = {"id": record["id"], "solution": record["solution"], "chain": record["chain"]}

    def _add_rating(self, record: Mapping[str, Any]) -> None:
        self._count("by_band", record["locatability_band"] or "not rated")
        self._count_all("tags_yes", record["scene_tags"])
        self._count_all("tags_maybe", record["scene_tags_maybe"])
        self._count_all("raters", (rating["origin"] for rating in record["ratings"]))
        self._count("chains", "yes" if record["chain"] else "no")
        self._count_origins(record)

    def _count_origins(self, record: Mapping[str, Any]) -> None:
        self._count_all("origins", (f"{o['field']}{_SEPARATOR}{o['origin']}" for o in record["origins"]))

    def _count(self, counter: str, value: str) -> None:
        self._counts.setdefault(counter, Counter())[value] += 1

    def _count_all(self, counter: str, values: Iterable[str]) -> None:
        for value in values:
            self._count(counter, value)

    def figures(self) -> Figures:
        """Return the counts."""
        counts = {name: dict(sorted(counter.items())) for name, counter in sorted(self._counts.items())}
        return {"rows": self._rows, "image_bytes": self._bytes, "example": self._example, **counts}


def merge_figures(parts: Iterable[Figures]) -> Figures:
    """Add up the figures of shards, in their order.

    >>> merge_figures([{"rows": 1, "image_bytes": 0, "example": None, "by_country": {"France": 1}},
    ...                {"rows": 2, "image_bytes": 9, "example": None, "by_country": {"Chad": 2}}])["by_country"]
    {'Chad': 2, 'France': 1}
    """
    total: Figures = {"rows": 0, "image_bytes": 0, "example": None}
    counts: dict[str, Counter[str]] = {}
    for part in parts:
        for name, value in part.items():
            if isinstance(value, int):
                total[name] += value
            elif name == "example":
                total[name] = total[name] or value
            else:
                counts.setdefault(name, Counter()).update(value)
    return total | {name: dict(sorted(counter.items())) for name, counter in sorted(counts.items())}


def pairs(counter: Mapping[str, int]) -> dict[str, dict[str, int]]:
    r"""Split a counter of pairs into one counter per first part.

    >>> pairs({"CC0\x1fembedded": 2, "CC0\x1freference": 1})
    {'CC0': {'embedded': 2, 'reference': 1}}
    """
    table: dict[str, dict[str, int]] = {}
    for key, number in counter.items():
        first, _, second = key.partition(_SEPARATOR)
        table.setdefault(first, {})[second] = number
    return table


def withheld(figures: Figures) -> dict[str, int]:
    """Return how many pictures are not in the files because their licence is unknown or forbids it."""
    found: Counter[str] = Counter()
    for licence, places in pairs(figures.get("licenses", {})).items():
        permission = licence_terms(None if licence == NOT_STATED else licence).permission
        if permission is not Permission.GRANTED:
            found[permission.value] += sum(places.values())
    return dict(found)
