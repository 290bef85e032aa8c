"""Exact duplicates of ids, found with memory that does not grow with the pool.

Of the rows that share an id, the one with the smallest (lat, lng, image) is kept, so that the result does not depend
on the order of rows or files; only rows that agree in all of these are told apart by their position.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geoseek.sampling.frame import Frame
from geoseek.sampling.grouping import DiskPartitions, run_starts
from geoseek.schemas import Reject, RejectReason, arrow_schema
from geoseek.workspace import plain_os_errors, progress_bar

DUPLICATE_STATUS = "duplicate"
_ROW = np.dtype([("id", "u8"), ("id2", "u8"), ("lat", "f8"), ("lng", "f8"), ("part", "u4"), ("position", "u4")])


def mark_duplicates(frame: Frame, folder: Path) -> int:
    """Write the status column `duplicate` of every part: 1 for a row that gives way to another of the same id.

    Ids are compared by two independent 64-bit hashes. Cost: one pass over the frame's columns, one sort of the
    hashes in partitions; the images are read only of rows whose id and position are both equal.

    Args:
        frame: Built with `check_duplicates=True`.
        folder: Scratch folder, removed afterwards.

    Returns:
        The number of rows marked.
    """
    losers: dict[int, list[npt.NDArray[np.int64]]] = defaultdict(list)
    with plain_os_errors(folder), progress_bar(total=frame.kept, label="Looking for duplicates", unit="rows") as bar:
        shutil.rmtree(folder, ignore_errors=True)
        partitions = DiskPartitions(folder, _ROW, frame.kept)
        for number, part in enumerate(frame.parts):
            rows: npt.NDArray[np.void] = np.empty(part.kept, dtype=_ROW)
            for name in ("id", "id2", "lat", "lng"):
                rows[name] = part.column(name)
            rows["part"] = number
            rows["position"] = np.arange(part.kept)
            partitions.add(rows["id"], rows)
            bar.update(part.kept)
        for rows in partitions:
            for number, positions in _losers(rows, frame):
                losers[number].append(positions)
        shutil.rmtree(folder)
    count = 0
    for number, part in enumerate(frame.parts):
        status = np.zeros(part.kept, dtype=np.uint8)
        for positions in losers[number]:
            status[positions] = 1
        count += int(status.sum())
        part.set_status(DUPLICATE_STATUS, status)
    return count


def duplicate_rejects(frame: Frame) -> Iterator[pa.Table]:
    """Yield the reject records of the marked rows, part by part."""
    for part in frame.parts:
        status = part.status(DUPLICATE_STATUS)
        positions = np.flatnonzero(status) if status is not None else np.empty(0, dtype=np.int64)
        if not len(positions):
            continue
        pool = frame.pools[part.pool]
        rows = part.take("row", positions).astype(np.int64) + part.start
        count = len(rows)
        yield pa.table(
            {
                "source": pa.repeat(pool.name, count),
                "file": pa.repeat(pool.file_name(part.file), count),
                "row": rows,
                "reason": pa.repeat(RejectReason.DUPLICATE_ID.value, count),
                "source_id": pa.array(part.take_ids(positions), pa.string()),
                "lat": pa.array(part.take("lat", positions)).cast(pa.string()),
                "lng": pa.array(part.take("lng", positions)).cast(pa.string()),
                "detail": pa.nulls(count, pa.string()),
            },
            schema=arrow_schema(Reject),
        )


def _losers(rows: npt.NDArray[np.void], frame: Frame) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield (part, positions) of the rows of one partition that give way."""
    order = np.lexsort((rows["position"], rows["part"], rows["lng"], rows["lat"], rows["id2"], rows["id"]))
    rows = rows[order]
    group_starts = run_starts(rows["id"], rows["id2"])
    if len(group_starts) == len(rows):
        return
    lengths = np.diff(np.append(group_starts, len(rows)))
    winner = group_starts.copy()
    tie_starts = run_starts(rows["id"], rows["id2"], rows["lat"], rows["lng"])
    tie_lengths = np.diff(np.append(tie_starts, len(rows)))
    first_ties = np.searchsorted(tie_starts, group_starts)
    tied = np.flatnonzero((lengths > 1) & (tie_lengths[first_ties] > 1))
    if len(tied):
        winner[tied] = _smallest_images(rows, group_starts[tied], tie_lengths[first_ties[tied]], frame)
    loses = np.repeat(lengths > 1, lengths)
    loses[winner] = False
    lost = rows[loses]
    for number in np.unique(lost["part"]):
        yield int(number), lost["position"][lost["part"] == number].astype(np.int64)


def _smallest_images(
    rows: npt.NDArray[np.void], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], frame: Frame
) -> npt.NDArray[np.int64]:
    """Return, for runs of rows that agree in id and position, the index of the row with the smallest image."""
    member = np.repeat(starts, lengths) + _positions_in_runs(lengths)
    images = np.full(len(member), "", dtype=object)
    file_of_part = np.array([(part.pool, part.file) for part in frame.parts]).reshape(-1, 2)
    member_files = file_of_part[rows["part"][member]]
    for pool_number, file in np.unique(member_files, axis=0):
        pool = frame.pools[pool_number]
        if "image" not in pool.fields:
            continue
        chosen = np.flatnonzero((member_files == (pool_number, file)).all(axis=1))
        file_rows = np.empty(len(chosen), dtype=np.int64)
        parts = rows["part"][member[chosen]]
        for number in np.unique(parts):
            here = parts == number
            part = frame.parts[number]
            file_rows[here] = part.take("row", rows["position"][member[chosen[here]]].astype(np.int64)) + part.start
        ascending = np.argsort(file_rows)
        found = pool.take(int(file), file_rows[ascending], ["image"], ids=False)["image"].to_pylist()
        images[chosen[ascending]] = [value or "" for value in found]
    group = np.repeat(np.arange(len(starts)), lengths)
    order = sorted(range(len(member)), key=lambda i: (group[i], images[i], member[i]))
    firsts = np.cumsum(lengths) - lengths
    winners: npt.NDArray[np.int64] = member[np.array(order)[firsts]]
    return winners


def _positions_in_runs(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
