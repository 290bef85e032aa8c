"""One pool, whatever its format: reading it through for the frame, and reading chosen rows again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geoseek.sampling.pools.base import Degrees, Fragment, PoolBatch, RawBatch, Reader, RowProblem, Rows
from geoseek.sampling.pools.columns import Roles
from geoseek.sampling.pools.coordinates import (
    CODES,
    OK,
    all_fine,
    explain,
    find_problems,
    to_degrees,
    wrap_antimeridian,
)
from geoseek.sampling.pools.geometry import Points, to_points
from geoseek.sampling.pools.values import as_orientation, as_text, as_times, derive_ids
from geoseek.schemas import InputError, Reject, RejectReason, arrow_schema, unknown_name

FIELDS = ("image", "captured_at", "sequence_id", "license", "attribution", "orientation")
"""The optional fields of a candidate that a pool may give."""

FRAGMENT_ROWS = 4_000_000
_REJECT_SCHEMA = arrow_schema(Reject)


@dataclass(frozen=True)
class PoolFile:
    """One file of a pool.

    Attributes:
        reader: Reads it.
        roles: Which of its columns is which field.
        name: How reports name it: relative to the pool's folder.
    """

    reader: Reader
    roles: Roles
    name: str


class Pool:
    """An opened pool. Picklable; holds no open file, so that any process can read any of its fragments.

    Attributes:
        name: Name of the pool, `source` of its candidates.
        format: Name of the format, for reports.
        files: The files whose content is read, in order; for fingerprints. Empty for the built-in pool.
        file_names: Names of the files by `Fragment.file`. A folder of photos counts as one file with a row per photo.
        fields: Which of `FIELDS` it can give.
        notices: Remarks for the user, without the pool's name.
        builtin_version: What identifies the content of a built-in pool; None for all others.
    """

    def __init__(
        self, name: str, files: Sequence[PoolFile], *, notices: Sequence[str] = (), builtin_version: str | None = None
    ) -> None:
        self.name = name
        self.builtin_version = builtin_version
        self.format = files[0].reader.label
        self.files = tuple(path for file in files for path in file.reader.fingerprint_files())
        self.file_names = tuple(file.name for file in files)
        self.fields = frozenset(
            field for file in files for field in FIELDS if file.roles.get(field) or field in file.reader.constants
        )
        self.notices = list(notices)
        self._files = tuple(files)

    def file_name(self, file: int) -> str:
        """Return the name of a file by its number in a `Fragment`."""
        return self.file_names[file]

    def fragments(self, target_rows: int = FRAGMENT_ROWS) -> list[Fragment]:
        """Divide the pool into row ranges of about `target_rows`, as far as the format allows.

        The division depends on the files and on `target_rows` only.
        """
        return [
            Fragment(number, part, start, stop)
            for number, file in enumerate(self._files)
            if file.reader.rows != 0
            for part, (start, stop) in enumerate(file.reader.parts(target_rows))
        ]

    def scan(self, fragment: Fragment, *, sequence: bool) -> Iterator[PoolBatch]:
        """Read a fragment, cleaned. Memory is bounded by the batch (for Parquet, by the row group).

        Args:
            fragment: One of `fragments()`.
            sequence: Whether `sequence_id` is wanted.

        Yields:
            Batches in row order; every row of the fragment is in exactly one batch's rows or rejects.

        Raises:
            InputError: The file is damaged or of another encoding.
        """
        file = self._files[fragment.file]
        columns = _position_columns(file) + _id_columns(file)
        if sequence and (name := file.roles.get("sequence_id")):
            columns.append(name)
        for raw in file.reader.read(_unique(columns), fragment.start, fragment.stop):
            yield self._clean(file, raw, sequence=sequence)

    def take(self, fragment_file: int, rows: Rows, fields: Sequence[str], *, ids: bool = True) -> Any:
        """Read chosen rows of one file again.

        Args:
            fragment_file: Number of the file, as in `Fragment.file`.
            rows: Row numbers, ascending, without repetition.
            fields: Names out of `FIELDS`; one that the pool cannot give is a column of nulls.
            ids: Whether to read the ids again, too.

        Returns:
            A table with `source_id` (if `ids`) and these fields, one line per row, in the order of `rows`. Parquet
            reads only the row groups that hold such rows, and only the columns needed.

        Raises:
            UsageError: A field that does not exist.
            InputError: The file cannot be read, or no longer has these rows.
        """
        for field in fields:
            if field not in FIELDS:
                raise unknown_name("pool field", field, FIELDS)
        file = self._files[fragment_file]
        columns = _id_columns(file) if ids else []
        if ids and file.roles.get("id") is None:
            columns += _position_columns(file)
        columns += [name for field in fields if (name := _field_column(file, field))]
        wanted = np.asarray(rows, dtype=np.int64)
        chosen = _selected(file.reader, _unique(columns), wanted)
        found = pa.concat_tables([_empty(fields, ids), *(_fields_table(file, raw, fields, ids) for raw in chosen)])
        if found.num_rows != len(wanted):
            raise InputError(
                f"{file.reader.path}: {len(wanted) - found.num_rows} of {len(wanted)} rows read before are gone.",
                hint="The file was changed while it was in use; run the command again.",
            )
        return found

    def _clean(self, file: PoolFile, raw: RawBatch, *, sequence: bool) -> PoolBatch:
        position = _positions(file, raw)
        lat, lng = position.lat, position.lng
        id_column = file.roles.get("id")
        ids = None if id_column is None else as_text(raw.columns[id_column], untyped=file.reader.untyped)
        rows, keep = raw.rows, None
        codes: npt.NDArray[np.int8] | None = None
        if position.no_point is not None or (ids is not None and ids.null_count) or not all_fine(lat, lng):
            no_id = ids.is_null().to_numpy(zero_copy_only=False) if ids is not None and ids.null_count else None
            codes = find_problems(lat, lng, no_point=position.no_point, no_id=no_id)
            lng = wrap_antimeridian(lng)
            if codes.any():
                keep = np.flatnonzero(codes == OK)
        rejects = self._rejects(file, raw, position, ids, codes)
        sequences = None
        if sequence and (column := file.roles.get("sequence_id")):
            sequences = as_text(raw.columns[column], untyped=file.reader.untyped)
        if ids is None:
            images = _images(file, raw)
        if keep is not None:
            rows, lat, lng = rows[keep], lat[keep], lng[keep]
            chosen = pa.array(keep)
            ids = None if ids is None else ids.take(chosen)
            sequences = None if sequences is None else sequences.take(chosen)
            images = images.take(chosen) if ids is None else None
        if ids is None:
            ids = derive_ids(lat, lng, images.to_pylist())
        return PoolBatch(rows, ids, lat, lng, sequences, rejects)

    def _rejects(
        self, file: PoolFile, raw: RawBatch, position: Points, ids: Any, codes: npt.NDArray[np.int8] | None
    ) -> Any:
        bad = np.empty(0, dtype=np.int64) if codes is None else np.flatnonzero(codes != OK)
        if not len(bad) and not raw.problems:
            return _REJECT_SCHEMA.empty_table()
        chosen = pa.array(bad)
        id_texts = [None] * len(bad) if ids is None else ids.take(chosen).to_pylist()
        lat_texts, lng_texts = (_as_read(file, raw, field, position, bad) for field in ("lat", "lng"))
        records = [self._problem_record(file, problem) for problem in raw.problems]
        for index, row, source_id, lat, lng in zip(
            bad.tolist(), raw.rows[bad].tolist(), id_texts, lat_texts, lng_texts, strict=True
        ):
            reason = CODES[codes[index]] if codes is not None else None
            if reason is None:
                continue
            detail = position.kinds.get(index) if reason is RejectReason.NOT_A_POINT else explain(reason, lat, lng)
            records.append(self._record(file, row, reason, source_id, lat, lng, detail))
        records.sort(key=lambda record: record["row"])
        return pa.Table.from_pylist(records, schema=_REJECT_SCHEMA)

    def _problem_record(self, file: PoolFile, problem: RowProblem) -> dict[str, Any]:
        return self._record(file, problem.row, problem.reason, problem.source_id, None, None, problem.detail)

    def _record(
        self,
        file: PoolFile,
        row: int,
        reason: RejectReason,
        source_id: str | None,
        lat: str | None,
        lng: str | None,
        detail: str | None,
    ) -> dict[str, Any]:
        return {
            "source": self.name,
            "file": file.name,
            "row": row,
            "reason": reason.value,
            "source_id": source_id,
            "lat": lat,
            "lng": lng,
            "detail": detail,
        }


def _unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _position_columns(file: PoolFile) -> list[str]:
    return [name for field in ("geometry", "lat", "lng") if (name := file.roles.get(field))]


def _id_columns(file: PoolFile) -> list[str]:
    """Return the id column, or what an id is derived from besides the position."""
    if name := file.roles.get("id"):
        return [name]
    image = file.roles.get("image")
    if image is None:
        return []
    if image in file.reader.embedded:
        return [f"{image}.path"] if f"{image}.path" in file.reader.columns else []
    return [image]


def _field_column(file: PoolFile, field: str) -> str | None:
    """Return the column to read for a field; images that are stored as bytes are referred to, not read."""
    name = file.roles.get(field)
    return None if name in file.reader.embedded else name


def _positions(file: PoolFile, raw: RawBatch) -> Points:
    geometry = file.roles.get("geometry")
    if geometry is not None:
        return to_points(raw.columns[geometry], file.reader.crs)
    lat, lng = (to_degrees(raw.columns[file.roles.column[field]]) for field in ("lat", "lng"))
    return Points(lat, lng, None, {})


def _as_read(file: PoolFile, raw: RawBatch, field: str, position: Points, bad: Rows) -> list[str | None]:
    """Return one coordinate of the bad rows as text."""
    column = file.roles.get(field)
    if column is None:
        degrees: Degrees = (position.lat if field == "lat" else position.lng)[bad]
        return [None if degree != degree else repr(degree) for degree in degrees.tolist()]
    values = raw.columns[column].take(pa.array(bad)).to_pylist()
    return [None if value is None else str(value).strip() for value in values]


def _references(file: PoolFile, column: str, rows: Rows) -> Any:
    """Refer to images inside a file: `FILE.parquet#column=NAME&row=N`."""
    stem = f"{file.reader.path.as_posix()}#column={quote(column, safe='')}&row="
    return pc.binary_join_element_wise(stem, pa.array(rows).cast(pa.string()), "")


def _images(file: PoolFile, raw: RawBatch) -> Any:
    """Return what stands for the image when an id is derived."""
    column = file.roles.get("image")
    if column is None:
        return pa.nulls(len(raw.rows), pa.string())
    if column not in file.reader.embedded:
        return as_text(raw.columns[column], untyped=file.reader.untyped)
    references = _references(file, column, raw.rows)
    names = raw.columns.get(f"{column}.path")
    return references if names is None else pc.coalesce(as_text(names), references)


def _selected(reader: Reader, columns: Sequence[str], wanted: Rows) -> Iterator[RawBatch]:
    """Yield only the wanted rows of what a reader yields, and stop after the last of them."""
    if not len(wanted):
        return
    for start, stop in reader.spans(wanted):
        batches = reader.read(columns, start, stop)
        for raw in batches:
            if not len(raw.rows):
                continue
            first, last = np.searchsorted(wanted, [raw.rows[0], raw.rows[-1] + 1])
            places = np.searchsorted(raw.rows, wanted[first:last])
            places = places[raw.rows[np.minimum(places, len(raw.rows) - 1)] == wanted[first:last]]
            if len(places):
                chosen = pa.array(places)
                yield RawBatch(raw.rows[places], {name: array.take(chosen) for name, array in raw.columns.items()})
            if raw.rows[-1] >= wanted[-1]:
                return


def _fields_table(file: PoolFile, raw: RawBatch, fields: Sequence[str], with_ids: bool) -> Any:
    values = [_field_values(file, raw, field) for field in fields]
    if not with_ids:
        return pa.table(values, schema=_table_schema(fields, with_ids))
    id_column = file.roles.get("id")
    if id_column is not None:
        ids = as_text(raw.columns[id_column], untyped=file.reader.untyped)
    else:
        position = _positions(file, raw)
        ids = derive_ids(position.lat, wrap_antimeridian(position.lng), _images(file, raw).to_pylist())
    return pa.table([ids.cast(pa.string()), *values], schema=_table_schema(fields, with_ids))


def _field_values(file: PoolFile, raw: RawBatch, field: str) -> Any:
    kind = _FIELD_TYPES[field]
    column = file.roles.get(field)
    if column is None:
        constant = file.reader.constants.get(field)
        return pa.nulls(len(raw.rows), kind) if constant is None else pa.repeat(constant, len(raw.rows))
    if column in file.reader.embedded:
        return _references(file, column, raw.rows)
    values = raw.columns[column]
    if field == "captured_at":
        return as_times(values)
    if field == "orientation":
        return as_orientation(values)
    return as_text(values, untyped=file.reader.untyped).cast(kind)


_FIELD_TYPES: Mapping[str, Any] = {field: pa.int32() if field == "orientation" else pa.string() for field in FIELDS}


def _table_schema(fields: Sequence[str], with_ids: bool) -> Any:
    ids = [("source_id", pa.string())] if with_ids else []
    return pa.schema([*ids, *((field, _FIELD_TYPES[field]) for field in fields)])


def _empty(fields: Sequence[str], with_ids: bool) -> Any:
    return _table_schema(fields, with_ids).empty_table()
