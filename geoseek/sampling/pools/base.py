"""The interface between a file format and the pool: what a reader must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geoseek.schemas import InputError, RejectReason

BATCH_ROWS = 1 << 17
"""Rows per batch where the format itself does not suggest a size."""

Rows = npt.NDArray[np.int64]
Degrees = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fragment:
    """A row range of one file: the unit of work, of parallelism and of resume.

    Attributes:
        file: Index into `Pool.file_names`.
        part: Number of the range inside its file, from 0.
        start: First row, 0-based.
        stop: One past the last row; None for "to the end", where the format cannot be entered in the middle.
    """

    file: int
    part: int
    start: int
    stop: int | None


@dataclass(frozen=True)
class PoolBatch:
    """Rows of one file, cleaned. Every row read is either in `rows` or in `rejects`.

    Attributes:
        rows: Row numbers in the file, ascending, shape (n,).
        source_id: Ids inside the pool, n strings, none null or empty.
        lat: Latitudes in degrees, -90..90, shape (n,).
        lng: Longitudes in degrees, -180 <= lng < 180, shape (n,).
        sequence_id: Capture sequences, n strings or nulls; None if not asked for or if the pool has none.
        rejects: The rows left out, with the schema of `Reject`.
    """

    rows: Rows
    source_id: Any
    lat: Degrees
    lng: Degrees
    sequence_id: Any | None
    rejects: Any


@dataclass(frozen=True)
class RowProblem:
    """A row that a reader could not turn into columns.

    Attributes:
        row: Row number in the file.
        reason: Why.
        detail: What exactly was wrong.
        source_id: The id, if it is known all the same.
    """

    row: int
    reason: RejectReason
    detail: str | None = None
    source_id: str | None = None


@dataclass(frozen=True)
class RawBatch:
    """Rows of one file as they stand there: what a reader yields.

    Attributes:
        rows: Row numbers in the file, ascending, shape (n,).
        columns: One Arrow array of n values for each column asked for, by its name in the file.
        problems: Rows that are not in `rows`, because they cannot be read.
    """

    rows: Rows
    columns: dict[str, Any]
    problems: Sequence[RowProblem] = ()


@dataclass(frozen=True)
class ReadOptions:
    """What the user said about how to read the files.

    Attributes:
        encoding: Character encoding of text files.
        names: Column names given with `--columns`; they help to find the delimiter.
    """

    encoding: str = "utf-8"
    names: tuple[str, ...] = ()


@dataclass
class Reader(ABC):
    """One file (or one folder of photos) of a pool, in one format. Picklable; holds no open file.

    A subclass declares `format` and `suffixes`, opens a file with `open` (which fails early and in plain words), and
    yields the columns it is asked for with `read`. Everything else, from finding the coordinate columns to cleaning
    and rejects, is done for all formats in one place, by `Pool`.

    Attributes:
        path: The file, as it was given.
        columns: The columns that the file offers, with their Arrow types (None: known only row by row).
        rows: Number of rows, None where only reading the whole file would tell.
        geometry: The column whose geometry gives the position, where the format declares one.
        crs: Its coordinate reference system, None for WGS 84.
        embedded: Columns that hold images as bytes; `NAME.path` is then the name that the image had, if there is one.
        constants: Fields that have one value in the whole file.
        untyped: Whether every value is text, so that `123.0` in an id may be the number 123.
        notices: Remarks for the user.
    """

    format: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    path: Path
    columns: dict[str, Any]
    rows: int | None = None
    geometry: str | None = None
    crs: str | None = None
    embedded: frozenset[str] = frozenset()
    constants: dict[str, str] = field(default_factory=dict)
    untyped: bool = False
    notices: list[str] = field(default_factory=list)

    @classmethod
    @abstractmethod
    def open(cls, path: Path, options: ReadOptions) -> Reader:
        """Look at the file and return its reader.

        Raises:
            InputError: The file is empty, truncated, of another encoding or of another format.
        """

    @abstractmethod
    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:
        """Yield these columns of the rows `start` to `stop`, which are those of one of `parts` or `spans`."""

    @property
    def label(self) -> str:
        """The format, as reports and manifests name it."""
        return self.format

    def parts(self, target_rows: int) -> list[tuple[int, int | None]]:  # noqa: ARG002 - overridden where it matters
        """Return row ranges of about `target_rows` at which the file can be entered; together they are the file."""
        return [(0, self.rows)]

    def spans(self, rows: Rows) -> list[tuple[int, int | None]]:  # noqa: ARG002 - overridden where it matters
        """Return the smallest row ranges that must be read to get at these rows (sorted, not empty)."""
        return [(0, self.rows)]

    def fingerprint_files(self) -> tuple[Path, ...]:
        """Return the files whose content this reader reads."""
        return (self.path,)


@contextmanager
def plain_errors(path: Path, what: str) -> Iterator[None]:
    """Turn Arrow's and the system's exceptions about a file into an `InputError` that names it.

    Raises:
        InputError: Something inside raised an Arrow exception, `OSError`, `EOFError` or an allocation error.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read: {error.strerror}.") from error
    except (pa.ArrowException, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} cannot be read as {what}: {reason}",
            hint="The file may be truncated or damaged; download or write it again.",
        ) from error
