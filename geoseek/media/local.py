"""Images that lie in files: inside the folder of their pool and nowhere else."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.media.decode import ImageProblemError
from geoseek.schemas import ImageRejectReason

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(data|file|blob|about|javascript):", re.IGNORECASE)
_ROW = re.compile(r"(?P<file>.+)#column=(?P<column>[^&#]*)&row=(?P<row>\d{1,18})", re.DOTALL)
_WILDCARD = re.compile(r"[*?\[]")
_ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class ParquetRow:
    """A row of a Parquet file that holds an image.

    Attributes:
        file: The file, as the reference names it.
        column: The column: bytes, or a struct with a field `bytes`.
        row: 0-based row.
    """

    file: str
    column: str
    row: int


def is_url(reference: str) -> bool:
    """Return whether a reference is an URL of any scheme (a Windows drive is none).

    >>> is_url("https://a.example/b.jpg"), is_url("data:image/png;base64,xx"), is_url("photos/a.jpg"), is_url("C:/a")
    (True, True, False, False)
    """
    return _URL.match(reference) is not None


def parquet_row(reference: str) -> ParquetRow | None:
    """Read `FILE.parquet#column=NAME&row=N`; None if a reference is something else.

    >>> parquet_row("pool.parquet#column=my%20image&row=7")
    ParquetRow(file='pool.parquet', column='my image', row=7)
    """
    match = _ROW.fullmatch(reference)
    return ParquetRow(match["file"], unquote(match["column"]), int(match["row"])) if match else None


def pool_folder(path: str) -> Path | None:
    """Return the folder that a pool's path stands for: itself, or that in which its file or glob lies.

    Returns:
        For a glob, the part before the first name with a wildcard; None if the path leads to nothing.
    """
    if Path(path).is_dir():
        return Path(path)
    wildcard = _WILDCARD.search(path)
    if wildcard is None:
        return Path(path).parent if Path(path).is_file() else None
    before = path[: wildcard.start()]
    folder = Path(before) if before.endswith(("/", "\\")) else Path(before).parent
    return folder if any(folder.glob(str(Path(path).relative_to(folder)))) else None


@dataclass(frozen=True)
class PoolFiles:
    """Finds the files of the pools, and refuses all others.

    Attributes:
        folders: Name of a pool -> the folders inside which its images may lie.
        bases: Where relative paths start, in the order in which they are tried; the pool's folders come last.
    """

    folders: Mapping[str, Sequence[Path]]
    bases: Sequence[Path]

    def find(self, reference: str, source: str) -> Path:
        """Return the real path of a pool's file: no links, no `..`, inside a folder of that pool.

        Raises:
            ImageProblemError: There is none, or it lies elsewhere.
        """
        roots = [folder.resolve() for folder in self.folders.get(source, ())]
        outside = False
        for base in [*self.bases, *roots]:
            try:
                real = (base / reference).resolve(strict=True)
            except (OSError, ValueError, RuntimeError):
                continue
            if any(real.is_relative_to(root) for root in roots):
                return real
            outside = True
        if outside:
            raise ImageProblemError(ImageRejectReason.FORBIDDEN_PATH, f"it lies outside the folder of pool {source}")
        raise ImageProblemError(ImageRejectReason.MISSING_FILE, "no such file")


def read_file(path: Path, max_bytes: int) -> bytes:
    """Read a regular file; a last link, a pipe or a device in its place is refused.

    Args:
        path: A real path, from `PoolFiles.find`.
        max_bytes: A larger file is not read.

    Raises:
        ImageProblemError: It cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ImageProblemError(ImageRejectReason.MISSING_FILE, "not a regular file")
            if found.st_size > max_bytes:
                raise ImageProblemError(ImageRejectReason.TOO_LARGE, f"{found.st_size} bytes")
            return file.read(max_bytes + 1)
    except OSError as error:
        raise ImageProblemError(ImageRejectReason.MISSING_FILE, (error.strerror or "unreadable").lower()) from error


def read_rows(
    path: Path, column: str, rows: Iterable[int], max_bytes: int
) -> Iterator[tuple[int, bytes | ImageProblemError]]:
    """Read images out of a Parquet file; each row group that holds one is read once, a few rows at a time.

    Args:
        path: A real path, from `PoolFiles.find`.
        column: Name of the column.
        rows: 0-based rows, in any order.
        max_bytes: Larger images are not given out.

    Yields:
        (row, its image or why there is none), by row. A file that cannot be read yields the same for every row.
    """
    wanted = sorted(set(rows))
    done = 0
    try:
        with pq.ParquetFile(path) as file:
            for row, value in _values(file, column, wanted):
                done += 1
                yield row, _image_bytes(value, max_bytes)
    except (pa.ArrowException, KeyError, OSError) as error:
        what = "no such column" if isinstance(error, KeyError) else "the Parquet file cannot be read"
        problem = ImageProblemError(ImageRejectReason.MISSING_FILE, what)
        yield from ((row, problem) for row in wanted[done:])
        return
    yield from ((row, ImageProblemError(ImageRejectReason.MISSING_FILE, "no such row")) for row in wanted[done:])


def _values(file: Any, column: str, wanted: list[int]) -> Iterator[tuple[int, Any]]:
    if column not in file.schema_arrow.names:
        raise KeyError(column)
    start, index = 0, 0
    for group in range(file.metadata.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        if index < len(wanted) and wanted[index] < stop:
            first = start
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=[column], use_threads=False):
                while index < len(wanted) and wanted[index] < first + batch.num_rows:
                    yield wanted[index], batch.column(0)[wanted[index] - first]
                    index += 1
                first += batch.num_rows
                if index == len(wanted) or wanted[index] >= stop:
                    break
        start = stop


def _image_bytes(value: Any, max_bytes: int) -> bytes | ImageProblemError:
    content = value
    if pa.types.is_struct(value.type):
        if not value.is_valid:
            return ImageProblemError(ImageRejectReason.EMPTY, "null")
        if "bytes" not in {field.name for field in value.type}:
            return ImageProblemError(ImageRejectReason.BAD_REFERENCE, "a column without bytes")
        content = value["bytes"]
    if not content.is_valid:
        return ImageProblemError(ImageRejectReason.EMPTY, "null")
    if not (pa.types.is_binary(content.type) or pa.types.is_large_binary(content.type)):
        return ImageProblemError(ImageRejectReason.BAD_REFERENCE, "a column without bytes")
    buffer = content.as_buffer()
    if buffer.size > max_bytes:
        return ImageProblemError(ImageRejectReason.TOO_LARGE, f"{buffer.size} bytes")
    return bytes(buffer)
