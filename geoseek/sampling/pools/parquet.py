"""Parquet, GeoParquet, and the Parquet shards of Hugging Face datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.sampling.pools.base import RawBatch, Reader, ReadOptions, Rows, plain_errors
from geoseek.sampling.pools.columns import COLUMN_NAMES
from geoseek.sampling.pools.geometry import foreign_crs
from geoseek.schemas import InputError

_SLICE_BYTES = 8 * 1024 * 1024
_LEAST_SLICE_ROWS = 1 << 12
_GEO = b"geo"
_POINT_ENCODINGS = ("WKB", "point")


@dataclass
class ParquetReader(Reader):
    """A Parquet file.

    A row group is the smallest unit that is read. GeoParquet's primary geometry gives the position. Columns with the
    structure of a Hugging Face `Image` feature (`struct<bytes, path>`) are never read, only referred to. Fields of
    other structs are reached with dots (`location.lat`).
    """

    format: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq", ".geoparquet")

    group_stops: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> ParquetReader:  # noqa: ARG003
        """Read the footer.

        Raises:
            InputError: The file is empty, truncated or damaged, or its GeoParquet metadata is.
        """
        if _size(path) == 0:
            raise InputError(f"{path} is empty (0 bytes).", hint="The download probably failed; fetch the file again.")
        with plain_errors(path, "Parquet"), pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        reader = cls(
            path,
            _flat(schema),
            rows=metadata.num_rows,
            embedded=frozenset(item.name for item in schema if _holds_images(item)),
            group_stops=np.cumsum([0, *sizes], dtype=np.int64)[1:],
        )
        if schema.metadata and _GEO in schema.metadata:
            reader._declare_geometry(schema.metadata[_GEO])
        return reader

    def _declare_geometry(self, geo: bytes) -> None:
        try:
            described = json.loads(geo)
            primary = described["primary_column"]
            column = described["columns"][primary]
            encoding = column["encoding"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: its GeoParquet metadata cannot be read ({error!r}).") from error
        if encoding not in _POINT_ENCODINGS:
            raise InputError(
                f"{self.path}: its geometry {primary!r} is encoded as {encoding}, which holds no points.",
                hint="A pool needs one point per photo (encoding WKB or point).",
            )
        self.geometry = primary
        self.crs = foreign_crs(column.get("crs"), str(self.path))
        if "crs" in column and column["crs"] is None:
            self.notices.append(f"{self.path.name} does not say its reference system; WGS 84 is assumed")
        if self.crs is not None:
            self.notices.append(f"{self.path.name} is in {self.crs[:40]}; positions are converted to WGS 84")

    @property
    def label(self) -> str:
        """Say whether it is one of the two dialects."""
        return "geoparquet" if self.geometry else "huggingface" if self.embedded else self.format

    def parts(self, target_rows: int) -> list[tuple[int, int | None]]:
        """Return ranges of whole row groups, each closed as soon as it holds `target_rows`."""
        ranges: list[tuple[int, int | None]] = []
        start = 0
        for stop in self.group_stops.tolist():
            if stop - start >= target_rows or stop == self.rows:
                ranges.append((start, stop))
                start = stop
            if stop == self.rows:
                break
        return ranges

    def spans(self, rows: Rows) -> list[tuple[int, int | None]]:
        """Return the row groups that hold these rows."""
        groups = np.unique(np.searchsorted(self.group_stops, rows, side="right"))
        starts = np.concatenate([[0], self.group_stops])
        return [(int(starts[group]), int(starts[group + 1])) for group in groups if group < len(self.group_stops)]

    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:
        """Yield the columns of the row groups between two of their borders."""
        last = self.rows if stop is None else stop
        row = start
        with plain_errors(self.path, "Parquet"), pq.ParquetFile(self.path) as file:
            first_group = int(np.searchsorted(self.group_stops, start, side="right"))
            for group in range(first_group, len(self.group_stops)):
                if last is not None and row >= last:
                    return
                for table in _tables(file, group, columns):
                    arrays = {name: _column(table, name) for name in columns}
                    rows = np.arange(row, row + table.num_rows, dtype=np.int64)
                    row += table.num_rows
                    yield RawBatch(rows, arrays)


def _size(path: Path) -> int:
    with plain_errors(path, "Parquet"):
        return path.stat().st_size


def _tables(file: Any, group: int, columns: Sequence[str]) -> Iterator[Any]:
    """Yield a row group in slices of about `_SLICE_BYTES`, so that memory follows neither its rows nor their width."""
    metadata = file.metadata.row_group(group)
    tops = {name.split(".")[0] for name in columns}
    width = sum(
        chunk.total_uncompressed_size
        for chunk in map(metadata.column, range(metadata.num_columns))
        if chunk.path_in_schema.split(".")[0] in tops
    )
    rows = max(_LEAST_SLICE_ROWS, metadata.num_rows * _SLICE_BYTES // max(width, 1))
    if metadata.num_rows <= rows:
        yield file.read_row_group(group, columns=list(columns), use_threads=False)
    else:
        yield from file.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False)


def _column(table: Any, name: str) -> Any:
    """Return a column (or, by a dotted name, a field of a struct) as one array."""
    names = table.schema.names
    head = name if name in names else next(part for part in _prefixes(name) if part in names)
    column = table.column(names.index(head))
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    for part in name[len(head) + 1 :].split(".") if head != name else []:
        # Unlike field(), flatten() carries the nulls of the struct over to its fields.
        column = column.flatten()[column.type.get_field_index(part)]
    return column


def _prefixes(name: str) -> list[str]:
    return [name[:position] for position, character in enumerate(name) if character == "."]


def _flat(schema: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for item in schema:
        columns[item.name] = item.type
        if pa.types.is_struct(item.type):
            for inner in item.type:
                columns[f"{item.name}.{inner.name}"] = inner.type
    return columns


def _holds_images(item: Any) -> bool:
    """Return whether a column is a Hugging Face `Image` feature, or bytes under a name that means an image."""
    if pa.types.is_struct(item.type):
        return {inner.name for inner in item.type} == {"bytes", "path"}
    return item.name.casefold() in COLUMN_NAMES["image"] and (
        pa.types.is_binary(item.type) or pa.types.is_large_binary(item.type)
    )
