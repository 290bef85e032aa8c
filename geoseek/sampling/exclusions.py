"""Who may not be drawn into a split: members of other splits, their sequences, and what lies too near.

The exclusions of a split leave a smaller frame; its counts, allocation and inclusion probabilities are computed on
that frame and are conditional on it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseek.geo import NearbyIndex
from geoseek.sampling.duplicates import DUPLICATE_STATUS
from geoseek.sampling.frame import Frame, FramePart
from geoseek.sampling.grouping import DiskPartitions, run_starts
from geoseek.sampling.hashing import permanent_random_numbers, stream_key
from geoseek.schemas import Split
from geoseek.workspace import plain_os_errors


class Exclusion(IntEnum):
    """Codes of the status column of a split; the first that applies is the one that counts."""

    DUPLICATE = 1
    TAKEN = 2
    SAME_SEQUENCE = 3
    NEAR_OTHER_SPLIT = 4
    NEAR_AVOIDED = 5
    SEQUENCE_MATE = 6


EXCLUSION_TEXT = {
    Exclusion.TAKEN: "member or reserve of another split",
    Exclusion.SAME_SEQUENCE: "capture sequence of a member of another split",
    Exclusion.NEAR_OTHER_SPLIT: "within the separation distance of val (or, for val, of loc or cot)",
    Exclusion.NEAR_AVOIDED: "within the avoided distance of a benchmark",
    Exclusion.SEQUENCE_MATE: "another image of the same capture sequence stands for it (val only)",
}


@dataclass(frozen=True)
class Members:
    """Rows that belong to a split already, as far as exclusions need them.

    Attributes:
        id: Hash of the id; shape (n,).
        sequence: Hash of the capture sequence, 0 for none; shape (n,).
        lat: Degrees; shape (n,).
        lng: Degrees; shape (n,).
    """

    id: npt.NDArray[np.uint64]
    sequence: npt.NDArray[np.uint64]
    lat: npt.NDArray[np.float64]
    lng: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Avoid:
    """Coordinates of a benchmark that training rows keep away from."""

    label: str
    lat: npt.NDArray[np.float64] = field(repr=False)
    lng: npt.NDArray[np.float64] = field(repr=False)
    distance_km: float


def exclude(
    frame: Frame,
    split: Split,
    *,
    members: dict[Split, Members],
    avoid: Sequence[Avoid],
    separation_km: float,
    seed: int,
    folder: Path,
) -> tuple[str | None, Counter[str]]:
    """Write the status column of a split.

    Args:
        frame: The frame; nothing in it is changed but this column.
        split: The split that is to be drawn.
        members: Rows (reserve included) of the other splits, and frozen rows of this one.
        avoid: Benchmarks; they bind loc and cot, not val.
        separation_km: Least distance between a val row and a loc or cot row.
        seed: Chooses which image of a capture sequence stands for it in val.
        folder: Scratch folder.

    Returns:
        The name of the status column (None if every row of the frame is available), and the number of rows that each
        exclusion took.
    """
    taken = np.unique(np.concatenate([np.empty(0, np.uint64), *(m.id for m in members.values())]))
    sequences = np.unique(np.concatenate([np.empty(0, np.uint64), *(m.sequence for m in members.values())]))
    sequences = sequences[sequences != 0]
    rivals = [m for other, m in members.items() if other is not split and Split.VAL in (split, other)]
    near = _nearby(rivals) if separation_km > 0 else None
    benchmarks = [(NearbyIndex(a.lat, a.lng), a.distance_km) for a in avoid] if split is not Split.VAL else []
    has_sequences = any((part.folder / "sequence").exists() for part in frame.parts)
    thin = split is Split.VAL and has_sequences
    duplicates = any(part.status(DUPLICATE_STATUS) is not None for part in frame.parts[:1])
    if not (duplicates or thin or len(taken) or near or benchmarks):
        return None, Counter()
    name = split.value
    for part in frame.parts:
        status = part.status(DUPLICATE_STATUS)
        if status is None:
            status = np.zeros(part.kept, dtype=np.uint8)
        if len(taken):
            _mark(status, _is_in(part.column("id"), taken), Exclusion.TAKEN)
        if len(sequences) and (part.folder / "sequence").exists():
            _mark(status, _is_in(part.column("sequence"), sequences), Exclusion.SAME_SEQUENCE)
        if near is not None or benchmarks:
            lat, lng = part.column("lat"), part.column("lng")
            if near is not None:
                _mark(status, near.within(lat, lng, separation_km), Exclusion.NEAR_OTHER_SPLIT)
            for points, distance_km in benchmarks:
                _mark(status, points.within(lat, lng, distance_km), Exclusion.NEAR_AVOIDED)
        part.set_status(name, status)
    if thin:
        _thin_sequences(frame, name, stream_key(seed, f"{split}/sequence"), folder)
    return name, _count(frame.parts, name)


def _nearby(members: Sequence[Members]) -> NearbyIndex | None:
    lat = np.concatenate([np.empty(0), *(m.lat for m in members)])
    lng = np.concatenate([np.empty(0), *(m.lng for m in members)])
    return NearbyIndex(lat, lng) if len(lat) else None


def _mark(status: npt.NDArray[np.uint8], where: npt.NDArray[np.bool_], reason: Exclusion) -> None:
    status[where & (status == 0)] = reason


def _is_in(values: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    position = np.searchsorted(wanted, values)
    position[position == len(wanted)] = 0
    return np.asarray(wanted[position] == values)


_MATE = np.dtype([("sequence", "u8"), ("pick", "f8"), ("id", "u8"), ("part", "u4"), ("position", "u4")])


def _thin_sequences(frame: Frame, name: str, key: int, folder: Path) -> None:
    """Leave one available row per capture sequence: the one with the smallest random number of a stream of its own.

    That stream is independent of the one that the draw uses, so the survivor's permanent random number stays uniform.
    """
    with plain_os_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        partitions = DiskPartitions(folder, _MATE, frame.kept)
        for number, part in enumerate(frame.parts):
            status = part.status(name)
            if status is None or not (part.folder / "sequence").exists():
                continue
            sequence = part.column("sequence")
            position = np.flatnonzero((status == 0) & (sequence != 0))
            rows: npt.NDArray[np.void] = np.empty(len(position), dtype=_MATE)
            rows["sequence"] = sequence[position]
            rows["id"] = part.column("id")[position]
            rows["pick"] = permanent_random_numbers(rows["id"], key)
            rows["part"] = number
            rows["position"] = position
            partitions.add(rows["sequence"], rows)
        for rows in partitions:
            rows = rows[np.lexsort((rows["id"], rows["pick"], rows["sequence"]))]
            loses = np.ones(len(rows), dtype=bool)
            loses[run_starts(rows["sequence"])] = False
            lost = rows[loses]
            for number in np.unique(lost["part"]):
                part = frame.parts[number]
                status = part.status(name)
                if status is not None:
                    status[lost["position"][lost["part"] == number]] = Exclusion.SEQUENCE_MATE
                    part.set_status(name, status)
        shutil.rmtree(folder)


def _count(parts: Sequence[FramePart], name: str) -> Counter[str]:
    totals = np.zeros(256, dtype=np.int64)
    for part in parts:
        status = part.status(name)
        if status is not None:
            totals += np.bincount(status, minlength=256)
    return Counter({reason.name.lower(): int(totals[reason]) for reason in EXCLUSION_TEXT if totals[reason]})
