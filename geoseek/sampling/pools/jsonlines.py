"""JSON Lines, compressed or not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from geoseek.sampling.pools.base import BATCH_ROWS, RawBatch, Reader, ReadOptions, RowProblem
from geoseek.sampling.pools.text import Utf8Stream
from geoseek.schemas import InputError, RejectReason

_SAMPLE_RECORDS = 1000
_NESTING = 2

Record = dict[str, Any]


@dataclass
class JsonLinesReader(Reader):
    """One JSON object per line.

    The columns are the keys of the first 1,000 lines; keys of objects inside are reached with dots (`location.lat`).
    Blank lines are no rows. A line that is not a JSON object is a `malformed_row`.
    """

    format: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")

    encoding: str = "utf-8"

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> JsonLinesReader:
        """Find the keys.

        Raises:
            InputError: The file is empty, of another encoding, or none of its first lines is a JSON object.
        """
        return cls(path, cls._find_columns(path, options.encoding), encoding=options.encoding)

    @classmethod
    def _find_columns(cls, path: Path, encoding: str) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        seen = 0
        first_error = ""
        with Utf8Stream(path, encoding) as stream:
            for _, record in islice(cls._records(stream, path), _SAMPLE_RECORDS):
                seen += 1
                if isinstance(record, str):
                    first_error = first_error or record
                else:
                    columns.update(dict.fromkeys(_keys(record)))
        if not seen:
            raise InputError(f"{path} is empty: it holds no records.", hint="A pool needs at least one photo.")
        if not columns:
            raise InputError(
                f"{path} is not {cls.format}: none of its first {seen} records is one ({first_error}).",
                hint="Write one JSON object per line; an array in one file is turned into that by: jq -c '.[]' FILE",
            )
        return columns

    @classmethod
    def _records(cls, stream: Utf8Stream, path: Path) -> Iterator[tuple[str, Record | str]]:  # noqa: ARG003
        """Yield (place in the file, record or what is wrong with it)."""
        for number, line in enumerate(stream.lines(), start=1):
            if line.strip():
                yield f"line {number}", _parse(line)

    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:  # noqa: ARG002
        """Yield the columns of all rows; this format cannot be entered in the middle."""
        rows: list[int] = []
        problems: list[RowProblem] = []
        values: dict[str, list[Any]] = {name: [] for name in columns}
        with Utf8Stream(self.path, self.encoding) as stream:
            for row, (place, record) in enumerate(self._records(stream, self.path)):
                if isinstance(record, str):
                    problems.append(RowProblem(row, RejectReason.MALFORMED_ROW, f"{place}: {record}"))
                else:
                    rows.append(row)
                    for name, column in values.items():
                        column.append(_value(record, name))
                if len(rows) + len(problems) >= BATCH_ROWS:
                    yield _batch(rows, values, problems)
                    rows, problems, values = [], [], {name: [] for name in columns}
        if rows or problems:
            yield _batch(rows, values, problems)


def _batch(rows: list[int], values: Mapping[str, list[Any]], problems: list[RowProblem]) -> RawBatch:
    arrays = {name: _array(column) for name, column in values.items()}
    return RawBatch(np.array(rows, dtype=np.int64), arrays, problems)


def _parse(line: bytes) -> Record | str:
    """Return the object that stands on a line, or what is wrong with it."""
    try:
        parsed = json.loads(line.decode())
        if b"\\u" in line:
            # A lone half of a surrogate pair is valid JSON, but not text.
            json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half a surrogate pair"
    except (ValueError, RecursionError) as error:
        return f"not JSON ({str(error)[:80]})"
    if not isinstance(parsed, dict):
        return f"not an object, but {type(parsed).__name__}"
    return parsed


def _keys(parsed: Mapping[str, Any], prefix: str = "", depth: int = _NESTING) -> Iterator[str]:
    for key, value in parsed.items():
        yield prefix + key
        if isinstance(value, dict) and depth:
            yield from _keys(value, f"{prefix}{key}.", depth - 1)


def _value(parsed: Any, name: str) -> Any:
    if name in parsed:
        return parsed[name]
    for position, character in enumerate(name):
        if character == "." and isinstance(inner := parsed.get(name[:position]), dict):
            found = _value(inner, name[position + 1 :])
            if found is not None:
                return found
    return None


def _array(values: list[Any]) -> Any:
    """Make an Arrow array: of numbers, strings or points if all values are, else of the text of each value."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} or kinds == {str}:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, OverflowError):
            pass
    if kinds == {dict} and (points := _points(values)) is not None:
        return points
    return pa.array([_text(value) for value in values], pa.string())


def _points(values: list[Any]) -> Any | None:
    """Make `struct<x, y>` of GeoJSON points, which saves writing them out as text; None if any is something else."""
    try:
        pairs = [
            (None, None) if value is None else value["coordinates"] if value["type"] == "Point" else ()
            for value in values
        ]
        axes = [pa.array([pair[axis] for pair in pairs]) for axis in (0, 1)]
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None
    numbers = [
        axis.cast(pa.float64()) for axis in axes if pa.types.is_floating(axis.type) or pa.types.is_integer(axis.type)
    ]
    return pa.StructArray.from_arrays(numbers, ["x", "y"]) if len(numbers) == 2 else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
