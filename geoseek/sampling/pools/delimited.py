"""CSV and TSV, compressed or not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from geoseek.sampling.pools.base import RawBatch, Reader, ReadOptions, RowProblem, plain_errors
from geoseek.sampling.pools.columns import known_names
from geoseek.sampling.pools.text import Utf8Stream
from geoseek.schemas import InputError, RejectReason

_BLOCK_BYTES = 4 << 20
_HEADER_BYTES = 1 << 20
_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
_EXCERPT = 80


@dataclass
class DelimitedReader(Reader):
    r"""Text with one row per line, fields between delimiters, quoted with `"` where needed (RFC 4180).

    The first line names the columns. Commas, tabs, semicolons and vertical bars are recognised from it. Empty lines
    are no rows. A row with another number of fields than the header is a `malformed_row`.
    """

    format: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".tab", ".txt", ".txt.gz")

    delimiter: str = ","
    encoding: str = "utf-8"

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> DelimitedReader:
        """Read the header and find the delimiter.

        Raises:
            InputError: The file is empty, has a header only, or is of another encoding.
        """
        with Utf8Stream(path, options.encoding) as stream:
            header = _take_header(stream, path)
            if b"\x00" in header:
                raise InputError(
                    f"{path} is not text in {options.encoding}: there is a zero byte in its first line.",
                    hint="If it is UTF-16 without a byte order mark, read it with --encoding utf-16-le.",
                )
            has_rows = bool(stream.read(_HEADER_BYTES).strip(b"\r\n"))
        expected = "\t" if path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else ","
        delimiter = _find_delimiter(header.decode(), expected, options.names)
        names = _unique(_fields(header.decode(), delimiter))
        reader = cls(
            path,
            dict.fromkeys(names),
            rows=None if has_rows else 0,
            untyped=True,
            delimiter=delimiter,
            encoding=options.encoding,
        )
        if delimiter != expected:
            reader.notices.append(f"{path.name} is delimited by {_DELIMITERS[delimiter]}s")
        return reader

    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:  # noqa: ARG002
        """Yield the columns, as text, of all rows; this format cannot be entered in the middle."""
        malformed = _Malformed()
        with Utf8Stream(self.path, self.encoding) as stream:
            _take_header(stream, self.path)
            first_row = 0
            for batch in self._batches(stream, columns, malformed):
                rows = malformed.number(first_row, batch.num_rows)
                first_row += batch.num_rows
                arrays = {name: batch.column(position) for position, name in enumerate(columns)}
                yield RawBatch(rows, arrays, malformed.up_to(int(rows[-1]) if len(rows) else -1))
            if rest := malformed.up_to(None):
                none = {name: pa.array([], pa.string()) for name in columns}
                yield RawBatch(np.empty(0, dtype=np.int64), none, rest)

    def _batches(self, stream: Utf8Stream, columns: Sequence[str], malformed: _Malformed) -> Iterator[Any]:
        names = list(self.columns)
        try:
            with (
                plain_errors(self.path, "CSV"),
                pacsv.open_csv(
                    pa.PythonFile(stream, mode="r"),
                    # Threads would hide the number of a malformed row.
                    read_options=pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=names),
                    parse_options=pacsv.ParseOptions(
                        delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=malformed.add
                    ),
                    convert_options=pacsv.ConvertOptions(
                        include_columns=list(columns),
                        column_types=dict.fromkeys(columns, pa.string()),
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=True,
                        null_values=[""],
                        check_utf8=False,
                    ),
                ) as batches,
            ):
                yield from batches
        except InputError as error:
            if stream.failure is not None:
                raise stream.failure from error
            if "straddl" in error.message or "out of sync" in error.message:
                raise InputError(
                    f"{self.path}: a row after row {malformed.last_seen} does not end within {_BLOCK_BYTES >> 20} MB.",
                    hint='A field that begins with a quote (") is probably never closed.',
                ) from error
            raise


class _Malformed:
    """The rows that Arrow's parser refused; restores the row numbers of those that it did not."""

    def __init__(self) -> None:
        self._pending: list[RowProblem] = []
        self._passed = 0
        self.last_seen = 0

    def add(self, row: Any) -> str:
        lines = row.text.count("\n")
        within = f" (spans {lines + 1} lines: a quote may not be closed)" if lines else ""
        excerpt = row.text[:_EXCERPT] + ("…" if len(row.text) > _EXCERPT else "")
        detail = f"{row.actual_columns} fields instead of {row.expected_columns}{within}: {excerpt}"
        self._pending.append(RowProblem(row.number - 1, RejectReason.MALFORMED_ROW, detail))
        return "skip"

    def number(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """Return the row numbers of the surviving rows `first` to `first + count`, counted over all rows."""
        survivors = np.arange(first, first + count, dtype=np.int64)
        numbers = np.array([problem.row for problem in self._pending], dtype=np.int64)
        survivors_before = numbers - self._passed - np.arange(len(numbers))
        rows = survivors + self._passed + np.searchsorted(survivors_before, survivors, side="right")
        self.last_seen = int(rows[-1]) if count else self.last_seen
        return np.asarray(rows, dtype=np.int64)

    def up_to(self, row: int | None) -> list[RowProblem]:
        """Hand out the problems of rows up to `row` (None: all that are left)."""
        count = sum(1 for problem in self._pending if row is None or problem.row <= row)
        done, self._pending = self._pending[:count], self._pending[count:]
        self._passed += count
        return done


def _take_header(stream: Utf8Stream, path: Path) -> bytes:
    """Read the header (which may hold quoted line ends) off the stream."""
    head = stream.read(_HEADER_BYTES)
    body = head.lstrip(b"\r\n")
    if not body.strip():
        raise InputError(f"{path} is empty.", hint="A pool needs a line with column names, and one line per photo.")
    end = _end_of_header(body)
    stream.unread(body[end:])
    return body[:end].rstrip(b"\r\n")


def _end_of_header(body: bytes) -> int:
    quoted = False
    for position, byte in enumerate(body):
        if byte == 0x22:
            quoted = not quoted
        elif byte in (0x0A, 0x0D) and not quoted:
            two = body[position : position + 2] == b"\r\n"
            return position + (2 if two else 1)
    return len(body)


def _fields(header: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader(io.StringIO(header, newline=""), delimiter=delimiter), [])]


def _find_delimiter(header: str, expected: str, names: Sequence[str]) -> str:
    """Choose the delimiter that gives the most known column names, then the most columns, then the expected one."""
    known = known_names() | {name.casefold() for name in names}

    def score(delimiter: str) -> tuple[int, int, bool]:
        fields = _fields(header, delimiter)
        return sum(name.casefold() in known for name in fields), len(fields), delimiter == expected

    return max(_DELIMITERS, key=score)


def _unique(names: Sequence[str]) -> list[str]:
    """Give columns without a name, or with a name that stands further left already, a name of their own."""
    unique: list[str] = []
    for position, name in enumerate(names):
        candidate = name or f"column {position + 1}"
        while candidate in unique:
            candidate += f" (column {position + 1})"
        unique.append(candidate)
    return unique
