"""Counts per (country, 1 degree cell): the part of the frame that the design needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseek.geo import CELLS
from geoseek.sampling.frame import FramePart, each_part


@dataclass(frozen=True)
class CellTable:
    """The (country, cell) pairs that occur in a frame, sorted by country, then cell.

    Attributes:
        key: `country * 64800 + cell`, ascending; shape (n,).
        country: Index into the country index's codes; shape (n,).
        cell: 1 degree cell; shape (n,).
    """

    key: npt.NDArray[np.int32]
    country: npt.NDArray[np.int16]
    cell: npt.NDArray[np.int32]
    _position: npt.NDArray[np.uint16] | npt.NDArray[np.int32]

    def locate(self, key: npt.NDArray[np.int32]) -> npt.NDArray[np.uint16] | npt.NDArray[np.int32]:
        """Return the position of each key in this table; every key must be in it."""
        return self._position[key]

    def __len__(self) -> int:
        return len(self.key)


def collect_cells(parts: Sequence[FramePart], countries: int, *, workers: int = 1) -> CellTable:
    """Find the pairs that occur in the frame. One pass over column `key`; cost is linear in the rows."""
    seen = np.zeros(countries * CELLS, dtype=bool)

    def mark(part: FramePart) -> None:
        seen[part.column("key")] = True

    each_part(mark, parts, workers)
    key = np.flatnonzero(seen).astype(np.int32)
    # The table is read at scattered places: half the width is half the memory pages touched.
    position: npt.NDArray[np.uint16] | npt.NDArray[np.int32] = (
        np.zeros(countries * CELLS, dtype=np.uint16)
        if len(key) <= np.iinfo(np.uint16).max
        else np.zeros(countries * CELLS, dtype=np.int32)
    )
    position[key] = np.arange(len(key), dtype=position.dtype)
    return CellTable(key, (key // CELLS).astype(np.int16), key % CELLS, position)


def count_cells(
    parts: Sequence[FramePart], table: CellTable, status: str | None, *, later: int = 0, workers: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count the available rows of each pair of the table.

    Args:
        parts: Parts of the frame; counts of disjoint sets of parts add up.
        table: The pairs.
        status: Name of the status column that says which rows are available, or None for all rows.
        later: A status code of rows that this split may not take, but a later one may.
        workers: Threads.

    Returns:
        Rows that are available; rows that are available now or later. Both have shape (len(table),).
    """

    def count(part: FramePart) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        position = table.locate(part.column("key"))
        values = None if status is None else part.status(status)
        if values is None:
            found = np.bincount(position, minlength=len(table))
            return found, found
        now = np.bincount(position[values == 0], minlength=len(table))
        return now, now + np.bincount(position[values == later], minlength=len(table)) if later else now

    totals = np.zeros((2, len(table)), dtype=np.int64)
    for counts in each_part(count, parts, workers):
        totals += counts
    return totals[0], totals[1]
