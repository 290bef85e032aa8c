"""Group rows of the frame by a 64-bit hash with bounded memory: scatter to files by hash, then sort file by file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PARTITION_BYTES = 48 * 1024 * 1024


class DiskPartitions:
    """Rows of a structured dtype, scattered over files so that equal hashes meet in one file.

    Memory is that of one partition (about 48 MiB when the hashes are even), whatever the number of rows; disk use is
    one copy of the rows.

    Args:
        folder: An empty folder of its own.
        dtype: Structured dtype of the rows.
        rows: How many rows will come, for the number of partitions.
    """

    def __init__(self, folder: Path, dtype: np.dtype[Any], rows: int) -> None:
        self._dtype = dtype
        self._count = max(1, -(-rows * dtype.itemsize // PARTITION_BYTES))
        folder.mkdir(parents=True)
        self._paths = [folder / f"{number:05d}" for number in range(self._count)]

    def add(self, hashes: npt.NDArray[np.uint64], rows: npt.NDArray[Any]) -> None:
        """Append rows; `hashes` decides the partition of each."""
        number = (hashes % np.uint64(self._count)).astype(np.int64)
        order = np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=self._count))
        for path, chunk in zip(self._paths, np.split(rows[order], ends[:-1]), strict=True):
            if len(chunk):
                with path.open("ab") as file:
                    file.write(chunk.data)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the rows of one partition after the other, in the order in which they were added."""
        for path in self._paths:
            if path.exists():
                yield np.fromfile(path, dtype=self._dtype)


def run_starts(*columns: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where runs of equal rows begin in sorted columns.

    >>> run_starts(np.array([1, 1, 2, 2]), np.array([5, 5, 5, 6])).tolist()
    [0, 2, 3]
    """
    new = np.zeros(len(columns[0]), dtype=bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)
