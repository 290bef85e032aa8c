"""A folder of photos: position, time and orientation from EXIF."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from geoseek.media import PHOTO_SUFFIXES, PhotoMetadata, read_photo_metadata
from geoseek.sampling.pools.base import RawBatch, Reader, ReadOptions, RowProblem, Rows
from geoseek.schemas import InputError, RejectReason

_THREADS = 4
_PHOTOS_PER_BATCH = 1024
_PHOTOS_PER_PART = 16 * _PHOTOS_PER_BATCH
_TYPES = {
    "id": pa.string(),
    "lat": pa.float64(),
    "lng": pa.float64(),
    "image": pa.string(),
    "captured_at": pa.string(),
    "sequence_id": pa.string(),
    "orientation": pa.int32(),
}


@dataclass
class PhotoFolderReader(Reader):
    """All photos below a folder, sorted by path; one row each, whose id is its path below the folder.

    Links to folders are not followed, nor are links to files outside the folder.

    Attributes:
        names: Paths below the folder, with `/`; row n is the n-th.
    """

    format: ClassVar[str] = "photos"
    suffixes: ClassVar[tuple[str, ...]] = PHOTO_SUFFIXES

    names: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path, options: ReadOptions) -> PhotoFolderReader:  # noqa: ARG003
        """List the photos.

        Raises:
            InputError: There is none.
        """
        names, outside = list_files(path, PHOTO_SUFFIXES, stay_inside=True)
        if not names:
            raise InputError(f"{path} holds no photos.", hint=f"Photos end in {', '.join(PHOTO_SUFFIXES)}.")
        reader = cls(path, dict(_TYPES), rows=len(names), names=tuple(names))
        if outside:
            reader.notices.append(f"{outside} links that lead out of the folder were not followed")
        return reader

    def parts(self, target_rows: int) -> list[tuple[int, int | None]]:
        """Return ranges of photos; opening a photo costs far more than a table row, so they are smaller than asked."""
        size = min(target_rows, _PHOTOS_PER_PART)
        return [(start, min(start + size, len(self.names))) for start in range(0, len(self.names), size)]

    def spans(self, rows: Rows) -> list[tuple[int, int | None]]:
        """Return the runs of adjacent rows."""
        breaks = np.flatnonzero(np.diff(rows) > 1)
        starts = rows[np.concatenate([[0], breaks + 1])]
        stops = rows[np.concatenate([breaks, [len(rows) - 1]])] + 1
        return list(zip(starts.tolist(), stops.tolist(), strict=True))

    def fingerprint_files(self) -> tuple[Path, ...]:
        """Return the photos."""
        return tuple(self.path / name for name in self.names)

    def read(self, columns: Sequence[str], start: int, stop: int | None) -> Iterator[RawBatch]:
        """Yield the columns of the photos `start` to `stop`; photos without a position are problems."""
        last = len(self.names) if stop is None else stop
        with ThreadPoolExecutor(_THREADS) as threads:
            for first in range(start, last, _PHOTOS_PER_BATCH):
                numbers = range(first, min(first + _PHOTOS_PER_BATCH, last))
                # Pillow warns of each large or oddly tagged photo; neither matters where only metadata is read.
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    results = list(threads.map(self._row, numbers))
                good = [row for row in results if not isinstance(row, RowProblem)]
                arrays = {name: pa.array([row[name] for row in good], _TYPES[name]) for name in columns}
                rows = np.array([row["row"] for row in good], dtype=np.int64)
                yield RawBatch(rows, arrays, [row for row in results if isinstance(row, RowProblem)])

    def _row(self, number: int) -> dict[str, Any] | RowProblem:
        name = self.names[number]
        if not name.isascii() and name.encode("utf-8", "replace").decode() != name:
            shown = name.encode("utf-8", "backslashreplace").decode()
            return RowProblem(number, RejectReason.UNREADABLE_PHOTO, "the file name is not UTF-8", shown)
        try:
            found = read_photo_metadata(self.path / name)
        except InputError as error:
            return RowProblem(number, RejectReason.UNREADABLE_PHOTO, error.message, name)
        if found.no_position is not None:
            return RowProblem(number, RejectReason.NO_GPS, found.no_position, name)
        return {"row": number, "id": name, "image": (self.path / name).as_posix(), **_fields(found)}


def _fields(found: PhotoMetadata) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("lat", "lng", "captured_at", "sequence_id", "orientation")}


def list_files(folder: Path, suffixes: Sequence[str], *, stay_inside: bool = False) -> tuple[list[str], int]:
    """List files below a folder by the end of their name, in the order of their paths.

    Hidden files and folders, and those that begin with an underscore, are passed over. Links to folders are not
    followed.

    Args:
        folder: Where to look.
        suffixes: Ends of names, in lower case.
        stay_inside: Whether to pass over links to files outside the folder. (Not for tables: the download cache of
            Hugging Face keeps every file outside and links to it.)

    Returns:
        Paths below the folder with `/`; the number of links that were passed over because they lead out of it.

    Raises:
        InputError: A folder may not be listed.
    """
    root = folder.resolve()
    found, outside = [], 0
    for place, folders, files in os.walk(folder, onerror=_refuse, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        outside += sum(_leads_out(Path(place, name), root) for name in folders)
        for name in files:
            if name.startswith((".", "_")) or not name.lower().endswith(tuple(suffixes)):
                continue
            if stay_inside and _leads_out(Path(place, name), root):
                outside += 1
            else:
                found.append(Path(place, name).relative_to(folder).as_posix())
    return sorted(found), outside


def _refuse(error: OSError) -> None:
    raise InputError(f"The folder {error.filename} cannot be listed: {error.strerror}.") from error


def _leads_out(path: Path, root: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(root)
