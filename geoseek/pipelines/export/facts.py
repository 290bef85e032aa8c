"""Everything that the card and the metadata files say about an export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from pydantic import ValidationError

from geoseek.annotation import AgreementFigures, has_ledger, open_existing_ledger, read_truth
from geoseek.geo import load_gazetteer
from geoseek.pipelines.export.figures import NOT_STATED, Figures, merge_figures, pairs
from geoseek.pipelines.export.licences import GEONAMES, UNKNOWN, Terms, licence_terms, strictest
from geoseek.pipelines.export.request import ExportRequest
from geoseek.pipelines.export.sources import SAMPLES
from geoseek.sampling import BalanceReport
from geoseek.schemas import Split
from geoseek.workspace import ExportSettings

if TYPE_CHECKING:
    from geoseek.pipelines.export.exported import ExportedSplit

Points = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class LicenceUse:
    """One licence in the export.

    Attributes:
        stated: As the pool states it.
        terms: What it asks for.
        embedded: Pictures in the files.
        reference: Pictures by their address.
        none: Rows without either.
    """

    stated: str
    terms: Terms
    embedded: int
    reference: int
    none: int


@dataclass(frozen=True)
class SplitFacts:
    """One split of the export.

    Attributes:
        split: The split.
        figures: Its counts.
        read: Rows read for it.
        rejected: Rows left out, by code.
        files: Parquet files.
        bytes: Their size.
        points: Latitudes and longitudes of its rows in degrees.
    """

    split: Split
    figures: Figures
    read: int
    rejected: dict[str, int]
    files: int
    bytes: int
    points: Points

    @property
    def rows(self) -> int:
        """Rows exported."""
        return int(self.figures["rows"])


@dataclass(frozen=True)
class ExportFacts:
    """The export.

    Attributes:
        settings: Section `export` of the configuration.
        splits: The splits that have rows, val, loc, cot.
        empty: Those that have none.
        balance: How the sample was drawn; None if the report is not there.
        agreement: How far annotators agree; None without annotations.
        licences: Every licence, the most frequent first.
        terms: Under which the whole can be used.
    """

    settings: ExportSettings
    splits: tuple[SplitFacts, ...]
    empty: tuple[SplitFacts, ...]
    balance: BalanceReport | None
    agreement: AgreementFigures | None
    licences: tuple[LicenceUse, ...]
    terms: Terms

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return sum(one.rows for one in self.splits)

    def total(self, counter: str) -> Counter[str]:
        """Return a counter summed over the splits."""
        found: Counter[str] = Counter()
        for one in self.splits:
            found.update(one.figures.get(counter, {}))
        return found

    @property
    def authors(self) -> tuple[str, ...]:
        """Whom to cite."""
        return self.settings.authors or (f"The authors of {self.settings.title}",)


def read_facts(
    request: ExportRequest, splits: Mapping[Split, ExportedSplit], places: Mapping[str, Path]
) -> ExportFacts:
    """Gather the facts of an export.

    Args:
        request: What was asked for.
        splits: What was written.
        places: Path in the dataset -> where the file lies now.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    found = [_split_facts(exported, places) for exported in splits.values()]
    uses = _licences(found)
    with_annotations = any(one.split is not Split.LOC and one.rows for one in found)
    return ExportFacts(
        settings=request.settings,
        splits=tuple(one for one in found if one.rows),
        empty=tuple(one for one in found if not one.rows),
        balance=_balance(request.workspace),
        agreement=_agreement(request.workspace) if with_annotations else None,
        licences=uses,
        terms=_overall(uses, request.settings),
    )


def _split_facts(exported: ExportedSplit, places: Mapping[str, Path]) -> SplitFacts:
    lat, lng = (_column([places[entry.name] for entry in exported.shards], name) for name in ("lat", "lng"))
    return SplitFacts(
        exported.split,
        merge_figures(entry.figures for entry in exported.shards),
        exported.read,
        exported.reject_counts(),
        len(exported.shards),
        sum(entry.bytes for entry in exported.shards),
        (lat, lng),
    )


def _column(files: list[Path], name: str) -> npt.NDArray[np.float64]:
    parts = [pq.read_table(path, columns=[name], memory_map=True)[name].to_numpy() for path in files]
    return np.concatenate([np.empty(0), *parts])


def _licences(splits: list[SplitFacts]) -> tuple[LicenceUse, ...]:
    total: Counter[str] = Counter()
    for one in splits:
        total.update(one.figures.get("licenses", {}))
    uses = [
        LicenceUse(
            stated,
            licence_terms(None if stated == NOT_STATED else stated),
            *(places.get(name, 0) for name in ("embedded", "reference", "none")),
        )
        for stated, places in pairs(total).items()
    ]
    return tuple(sorted(uses, key=lambda use: (-use.embedded - use.reference - use.none, use.stated)))


def _overall(uses: tuple[LicenceUse, ...], settings: ExportSettings) -> Terms:
    """Return the terms of the whole: of the pictures in the files, the names, and the annotators' words."""
    published = [use.terms for use in uses if use.embedded]
    own = [licence_terms(settings.license)] if settings.license else []
    if UNKNOWN in own:
        return Terms(f"{settings.license}, and the licences of the parts", UNKNOWN.permission)
    return strictest([GEONAMES, *published, *own])


def _balance(workspace: Path) -> BalanceReport | None:
    try:
        text = (workspace / SAMPLES / "balance.json").read_text(encoding="utf-8")
        return BalanceReport.model_validate_json(text)
    except (OSError, ValidationError):
        return None


def _agreement(workspace: Path) -> AgreementFigures | None:
    if not has_ledger(workspace):
        return None
    from geoseek.annotation import agreement

    with open_existing_ledger(workspace) as ledger:
        figures = agreement.agreement(ledger.annotations(), read_truth(workspace), gazetteer=load_gazetteer())
    return figures if figures.annotations else None
