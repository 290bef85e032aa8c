"""Rows of JSON, JSON lines and Parquet files, one after the other, whatever is wrong with some of them."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.schemas import InputError

Needed = Sequence[tuple[str, ...]]

SUFFIXES = (".json", ".jsonl", ".parquet")
_BATCH_ROWS = 16
_BLOCK_BYTES = 1 << 20
_MAX_ROW_CHARS = 1 << 28
_OWN_FILES = ("manifest.json", "rejects.jsonl", "sources.jsonl", "dataset_info.json", "croissant.json", "export.json")


@dataclass(frozen=True)
class FileRow:
    """A row of a file.

    Attributes:
        path: The file.
        name: Its path relative to what was asked for.
        row: 0-based row.
        content: The fields.
        fault: Why there are none.
    """

    path: Path
    name: str
    row: int
    content: dict[str, Any] = field(default_factory=dict)
    fault: RowFault | None = None


def iter_file_rows(path: Path, needed: Needed = ()) -> Iterator[FileRow]:
    """Yield the rows of a file, or of all files of a folder in the order of their names.

    Args:
        path: File or folder.
        needed: Columns that a Parquet file must have; any one name of each tuple will do.

    Raises:
        InputError: Nothing is there that could be read, or a Parquet file is broken or lacks columns.
    """
    for file in row_files(path):
        name = file.name if file == path else file.relative_to(path).as_posix()
        values = _parquet_values(file, needed) if file.suffix == ".parquet" else _json_values(file)
        for row, value in enumerate(values):
            if isinstance(value, RowFault):
                yield FileRow(file, name, row, fault=value)
            elif not isinstance(value, dict):
                detail = f"{type(value).__name__} {str(value)[:40]!r}"
                yield FileRow(file, name, row, fault=RowFault(FormatRejectReason.NOT_A_ROW, detail))
            else:
                yield FileRow(file, name, row, value)


def rows_in_groups(file: Any, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of an open Parquet file; one row group after the other, so that memory stays flat.

    Args:
        file: A `pyarrow.parquet.ParquetFile`.
        columns: Paths of the columns wanted; default: all.
    """
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=columns):
            yield from batch.to_pylist()


def plain_value(value: Any) -> Any:
    """Return a value as JSON can hold it: dates as text, NaN as None, bytes left out.

    >>> plain_value({"a": (1, float("nan")), "b": b"x"})
    {'a': [1, None], 'b': None}
    """
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | bool) else None


def row_files(path: Path) -> list[Path]:
    """Return the files with rows: the one that is named, or those of a folder in the order of their names.

    Raises:
        InputError: There are none.
    """
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path} is none of {', '.join(SUFFIXES)}.", hint="Convert it, or give another file.")
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix in SUFFIXES
        and file.name not in _OWN_FILES
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        what = "has no such file" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}.", hint=f"Give a file, or a folder with files, that ends in {SUFFIXES}.")
    return found


def _parquet_values(path: Path, needed: Needed) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, needed)
            yield from rows_in_groups(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}.",
            hint="The file may be truncated, or only a pointer to a large file; fetch it again.",
        ) from error


def _check_columns(path: Path, names: list[str], needed: Needed) -> None:
    for alternatives in needed:
        if not any(name in names for name in alternatives):
            close = get_close_matches(alternatives[0], names, n=1)
            guess = f" The nearest is {close[0]!r}." if close else ""
            raise InputError(
                f"{path} has no column {' or '.join(map(repr, alternatives))}.{guess}",
                hint=f"Its columns: {', '.join(names)}.",
            )


def _json_values(path: Path) -> Iterator[Any]:
    """Yield the items of a JSON array, or of lines with one JSON object each; faults in between."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
            file.seek(0)
            yield from _array_values(file) if start == b"[" else _line_values(file)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error


def _line_values(file: BinaryIO) -> Iterator[Any]:
    for line in file:
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            yield json.loads(text)
        except (ValueError, RecursionError) as error:
            yield RowFault(FormatRejectReason.BROKEN_JSON, str(error)[:200])


def _array_values(file: BinaryIO) -> Iterator[Any]:
    """Yield the items of an array; only one of them is in memory, and the block it came with."""
    decoder, decode = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")("replace")
    text, position, block, ended = "", 0, _BLOCK_BYTES, False
    opened = False
    while True:
        while position < len(text) and (text[position] in " \t\r\n" or (opened and text[position] == ",")):
            position += 1
        if position < len(text) and not opened:
            opened, position = True, position + 1
            continue
        if position < len(text) and text[position] == "]":
            return
        problem = "the closing bracket is missing"
        if position < len(text):
            try:
                value, end = decoder.raw_decode(text, position)
            except (ValueError, RecursionError) as error:
                problem = str(error)[:200]
            else:
                if ended or end < len(text):
                    position, block = end, _BLOCK_BYTES
                    yield value
                    continue
        if ended or len(text) - position > _MAX_ROW_CHARS:
            yield RowFault(FormatRejectReason.TRUNCATED_FILE, problem)
            return
        data = file.read(block)
        # A row that is larger than a block is decoded again with every block: doubling keeps that linear.
        ended, block = not data, block * 2
        text, position = text[position:] + decode.decode(data, final=ended), 0
