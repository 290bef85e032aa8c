"""Where the pictures were taken: a split of an export, or columns of the files of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geoseek.formats import read_export
from geoseek.geo import CountryIndex, Gazetteer, load_countries
from geoseek.schemas import ChainOfThought, InputError, LocatabilityBand, SceneTag, Split
from geoseek.training.evaluate.delimited import Line, Roles, iter_lines, number, read_header
from geoseek.training.evaluate.names import country_codes
from geoseek.training.evaluate.result import EvaluateReject, EvaluateRejectReason
from geoseek.training.evaluate.tables import FloatArray, TruthTable

_COLUMNS = ("id", "lat", "lng", "country_code", "country", "region", "place")
_FURTHER = {Split.VAL: ("locatability_band", "scene_tags", "chain"), Split.COT: ("chain",), Split.LOC: ()}
_SAME_DEG = 1e-6


class TrueRow(NamedTuple):
    """One row of the truth; names that are not known are empty."""

    id: str
    lat: float
    lng: float
    country_code: str = ""
    country: str = ""
    region: str = ""
    place: str = ""
    band: LocatabilityBand | None = None
    tags: tuple[SceneTag, ...] = ()
    chain: ChainOfThought | None = None


def on_globe(lat: float, lng: float) -> bool:
    """Whether a position is finite and on the globe.

    >>> on_globe(-90, 180), on_globe(91, 0), on_globe(float("nan"), 0)
    (True, False, False)
    """
    return -90 <= lat <= 90 and -180 <= lng <= 180


def read_truth_split(export: Path, split: Split) -> TruthTable:
    """Read the truth from a split of an export, without its pictures.

    Raises:
        InputError: The split is not there, or a file is broken.
    """
    rows = [_exported(row) for row in read_export(export, split, columns=(*_COLUMNS, *_FURTHER[split]))]
    return truth_table(split.value, rows)


def _exported(row: dict[str, Any]) -> TrueRow:
    band, chain = row.get("locatability_band"), row.get("chain")
    return TrueRow(
        row["id"],
        row["lat"],
        row["lng"],
        row["country_code"],
        row["country"],
        row["region"] or "",
        row["place"] or "",
        band=None if band is None else LocatabilityBand(band),
        tags=tuple(SceneTag(tag) for tag in row.get("scene_tags") or ()),
        chain=None if chain is None else ChainOfThought.model_validate(chain),
    )


def has_truth(path: Path, *, where: str) -> bool:
    """Whether a CSV file gives true positions.

    Raises:
        InputError: The file cannot be read, or lacks columns.
    """
    return read_header(path, where=where).has_truth


def read_truth_files(paths: Sequence[tuple[Path, str]], *, gazetteer: Gazetteer, index: CountryIndex) -> TruthTable:
    """Read the truth from the columns of CSV files; an id that stands in several of them must mean the same place.

    Where a file does not name the country, the one that holds the position is taken.

    Args:
        paths: Files, each with the name that it is shown by.
        gazetteer: Finds codes of countries.
        index: Finds countries of positions.

    Raises:
        InputError: A file cannot be read or has no true positions, or no row can be used.
    """
    rows: dict[str, TrueRow] = {}
    rejects: list[EvaluateReject] = []
    for path, where in paths:
        roles = read_header(path, where=where)
        if not roles.has_truth:
            raise InputError(
                f"{where} has no columns with the true position.",
                hint="Add true_lat and true_lng, or name a split that has the truth: --split val.",
            )
        in_file: set[str] = set()
        for line in iter_lines(path, roles, where=where):
            problem = _add(rows, in_file, roles, line)
            if problem is not None:
                rejects.append(EvaluateReject(where, line.number, *problem))
    if not rows:
        first = rejects[0] if rejects else None
        why = f" The first, on line {first.line}: {first.reason.description}." if first else ""
        raise InputError(f"{paths[0][1]} has no row with a true position.{why}", hint="See docs/evaluating.md.")
    name = ", ".join(where for _, where in paths)
    return truth_table(name, _with_countries(list(rows.values()), gazetteer, index), rejects)


_Problem = tuple[str | None, EvaluateRejectReason, str | None]


def _add(rows: dict[str, TrueRow], in_file: set[str], roles: Roles, line: Line) -> _Problem | None:
    if line.cells is None:
        return None, EvaluateRejectReason.MALFORMED_ROW, line.problem
    cells = {field: line.cells[at].strip() for field, at in roles.column.items()}
    key = cells["id"]
    if not key:
        return None, EvaluateRejectReason.MISSING_ID, None
    if key in in_file:
        return key, EvaluateRejectReason.DUPLICATE_ID, None
    in_file.add(key)
    lat, lng = number(cells["true_lat"]), number(cells["true_lng"])
    if not on_globe(lat, lng):
        return key, EvaluateRejectReason.BAD_TRUTH, f"{cells['true_lat']}, {cells['true_lng']}"
    row = TrueRow(
        key,
        lat,
        lng,
        cells.get("true_country_code", "").upper(),
        cells.get("true_country", ""),
        cells.get("true_region", ""),
        cells.get("true_place", ""),
    )
    before = rows.setdefault(key, row)
    if max(abs(before.lat - lat), abs(before.lng - lng)) > _SAME_DEG:
        return key, EvaluateRejectReason.BAD_TRUTH, f"another file says {before.lat}, {before.lng}"
    return None


def _with_countries(rows: list[TrueRow], gazetteer: Gazetteer, index: CountryIndex) -> list[TrueRow]:
    """Fill in code and name of the country: each from the other, both from the position."""
    table = load_countries()
    codes = [row.country_code or (gazetteer.locate(row.country).country_code if row.country else "") for row in rows]
    unknown = [at for at, code in enumerate(codes) if code not in table]
    lat, lng = (np.array([getattr(rows[at], name) for at in unknown]) for name in ("lat", "lng"))
    for at, code in zip(unknown, country_codes(index, lat, lng) if unknown else [], strict=True):
        codes[at] = code
    return [
        row._replace(country_code=code, country=row.country or (table[code].name if code in table else ""))
        for row, code in zip(rows, codes, strict=True)
    ]


def truth_table(name: str, rows: Sequence[TrueRow], rejects: Sequence[EvaluateReject] = ()) -> TruthTable:
    """Return the table of some rows, sorted by id, so that the order of a file changes no figure.

    Args:
        name: The split, or the file.
        rows: Rows with different ids, and positions on the globe.
        rejects: Rows that cannot be used.
    """
    ordered = sorted(rows, key=lambda row: row.id)

    def degrees(field: str) -> FloatArray:
        return np.array([getattr(row, field) for row in ordered], dtype=np.float64)

    return TruthTable(
        name,
        [row.id for row in ordered],
        degrees("lat"),
        degrees("lng"),
        [row.country_code for row in ordered],
        [row.country for row in ordered],
        [row.region for row in ordered],
        [row.place for row in ordered],
        [row.band for row in ordered],
        [row.tags for row in ordered],
        {at: row.chain for at, row in enumerate(ordered) if row.chain is not None},
        rejects,
    )
