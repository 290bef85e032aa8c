"""The frame: every candidate that passed the checks, on disk, in fixed-width columns.

The pools are read once. Each fragment of a pool becomes one part: a folder of raw column files that is complete as
soon as it carries its final name, so that an interrupted run goes on where it stopped. Later passes (duplicates,
exclusions, counts, draw) read these narrow columns, part by part; memory is bounded by the size of a part, not of the
pool. Disk use is 36 to 52 bytes per candidate, and the length of its id.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from geoseek.geo import CELLS, CountryIndex, load_country_index
from geoseek.sampling.hashing import hash_string_reference, hash_strings
from geoseek.sampling.pools import Fragment, Pool, PoolBatch
from geoseek.schemas import Reject, RejectReason, arrow_schema
from geoseek.workspace import plain_os_errors, progress_bar, stable_digest

T = TypeVar("T")

FRAGMENT_ROWS = 1_000_000
_FORMAT = 2
_COLUMNS: dict[str, npt.DTypeLike] = {
    "key": np.int32,
    "row": np.uint32,
    "lat": np.float64,
    "lng": np.float64,
    "id": np.uint64,
    "id2": np.uint64,
    "sequence": np.uint64,
    "id_length": np.uint32,
}
_ID_TEXT = "id_text"
_SECOND_KEY = 0x5EED


@dataclass(frozen=True)
class FrameSettings:
    """What decides the content of a frame, besides the pools."""

    offshore_tolerance_km: float
    boundaries: str | None
    check_duplicates: bool
    with_sequences: bool


@dataclass(frozen=True)
class FramePart:
    """One finished fragment.

    Attributes:
        folder: Holds one raw file per column and `rejects.parquet`.
        pool: Index of the pool.
        file: Index of the file inside the pool.
        start: First row of the fragment in that file; column `row` counts from here.
        read: Rows read.
        kept: Rows in the columns.
        rejects: Rows left out, by reason; `read = kept + sum(rejects)`.
        nearshore: Kept rows that lie off every polygon and joined the nearest country.
        swappable: Rejected rows that would lie on land with latitude and longitude exchanged.
        checksum: Sum (mod 2**64) over the kept rows of a mix of id and position; adds up over parts.
    """

    folder: Path
    pool: int
    file: int
    start: int
    read: int
    kept: int
    rejects: dict[str, int]
    nearshore: int
    swappable: int
    checksum: int

    def column(self, name: str) -> npt.NDArray[Any]:
        """Read one column of this part into memory."""
        return np.fromfile(self.folder / name, dtype=_COLUMNS[name])

    def take(self, name: str, positions: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Read single values of a column."""
        if not self.kept:
            return np.empty(0, dtype=_COLUMNS[name])
        return np.array(np.memmap(self.folder / name, dtype=_COLUMNS[name], mode="r")[positions])

    def take_ids(self, positions: npt.NDArray[np.int64]) -> list[str]:
        """Read the ids (inside the pool) of single rows."""
        if not len(positions):
            return []
        ends = np.cumsum(self.column("id_length"), dtype=np.int64)
        lengths = self.take("id_length", positions).astype(np.int64)
        text = np.memmap(self.folder / _ID_TEXT, dtype=np.uint8, mode="r")
        spans = zip((ends[positions] - lengths).tolist(), ends[positions].tolist(), strict=True)
        return [text[start:end].tobytes().decode() for start, end in spans]

    def status(self, name: str) -> npt.NDArray[np.uint8] | None:
        """Read a status column (see `set_status`), or None if none was written: every row is available."""
        path = self.folder / f"status-{name}"
        return np.fromfile(path, dtype=np.uint8) if path.exists() else None

    def set_status(self, name: str, values: npt.NDArray[np.uint8]) -> None:
        """Write a status column: 0 for an available row, else the code of the reason why it is not."""
        with plain_os_errors(self.folder):
            values.tofile(self.folder / f"status-{name}")


@dataclass(frozen=True)
class Frame:
    """All parts of all pools, in the order of pools, files and rows."""

    pools: tuple[Pool, ...]
    parts: tuple[FramePart, ...]
    index: CountryIndex

    @property
    def read(self) -> int:
        """Rows read from all pools."""
        return sum(part.read for part in self.parts)

    @property
    def kept(self) -> int:
        """Rows that are in the frame (before duplicates are marked)."""
        return sum(part.kept for part in self.parts)

    @property
    def checksum(self) -> str:
        """Hex checksum of ids and positions; does not depend on the order of rows, files or parts."""
        return f"{sum(part.checksum for part in self.parts) % 2**64:016x}"

    def reject_counts(self) -> Counter[str]:
        """Rows left out while reading, by reason."""
        total: Counter[str] = Counter()
        for part in self.parts:
            total.update(part.rejects)
        return total

    def rejects(self) -> Iterator[pa.Table]:
        """Yield the rejected rows of each part."""
        for part in self.parts:
            if part.rejects:
                yield pq.read_table(part.folder / "rejects.parquet", schema=arrow_schema(Reject))


def each_part(function: Callable[[FramePart], T], parts: Sequence[FramePart], workers: int) -> list[T]:
    """Apply a function to every part, several at a time; results come in the order of the parts."""
    if workers < 2 or len(parts) < 2:
        return [function(part) for part in parts]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, parts))


def source_key(source: str) -> int:
    """Return the key under which the ids of a pool are hashed, so that `hash(id) = hash(source, source_id)`."""
    return hash_string_reference(source)


def build_frame(
    pools: Sequence[Pool],
    settings: FrameSettings,
    folder: Path,
    *,
    workers: int,
    executor: Executor | None = None,
) -> Frame:
    """Read the pools into a frame under `folder`; parts that are already there are not read again.

    Args:
        pools: The pools; their order fixes the order of parts, nothing else.
        settings: What decides the content.
        folder: Where the parts go; must belong to these pools and settings alone.
        workers: Threads that read and locate at the same time; the result does not depend on it.
        executor: Runs the parts instead of local threads, e.g. `distributed.Client(...).get_executor()`; the folder
            must then be on storage that all workers share.

    Raises:
        InputError: A pool cannot be read.
        OutputError: `folder` cannot be written.
    """
    index = load_country_index(Path(settings.boundaries) if settings.boundaries else None)
    tasks = [
        (pool, number, fragment, folder / f"part-{number:03d}-{fragment.file:06d}-{fragment.part:06d}")
        for number, pool in enumerate(pools)
        for fragment in pool.fragments(FRAGMENT_ROWS)
    ]
    with plain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    parts: dict[Path, FramePart] = {}
    with progress_bar(total=len(tasks), label="Reading pools", unit="parts") as bar:
        todo = []
        for task in tasks:
            done = _load_part(task[3])
            if done is None:
                todo.append(task)
            else:
                parts[task[3]] = done
                bar.update(1)
        if todo and settings.offshore_tolerance_km > 0:
            threading.Thread(target=index.warm_up, daemon=True).start()
        own = ThreadPoolExecutor(max(1, workers)) if executor is None else None
        runner = own or executor
        try:
            futures: list[Future[FramePart]] = [
                runner.submit(build_part, *task, settings)  # type: ignore[union-attr]
                for task in todo
            ]
            for future in as_completed(futures):
                part = future.result()
                parts[part.folder] = part
                bar.update(1)
        finally:
            if own is not None:
                own.shutdown(wait=True, cancel_futures=True)
    pa.default_memory_pool().release_unused()
    return Frame(tuple(pools), tuple(parts[task[3]] for task in tasks), index)


def build_part(pool: Pool, number: int, fragment: Fragment, target: Path, settings: FrameSettings) -> FramePart:
    """Read one fragment of a pool, locate its rows, and write them as a finished part at `target`."""
    index = load_country_index(Path(settings.boundaries) if settings.boundaries else None)
    columns = [name for name in _COLUMNS if _wanted(name, settings, pool)]
    temporary = target.with_name(f".{target.name}.tmp")
    with plain_os_errors(target):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        writer = _PartWriter(temporary, columns)
        try:
            for batch in pool.scan(fragment, sequence="sequence" in columns):
                writer.add(*_locate(batch, pool, fragment, index, settings))
        finally:
            writer.close()
        part = FramePart(
            target,
            number,
            fragment.file,
            fragment.start,
            writer.read,
            writer.kept,
            dict(writer.rejects),
            writer.nearshore,
            writer.swappable,
            writer.checksum,
        )
        description = {key: value for key, value in asdict(part).items() if key != "folder"}
        (temporary / "part.json").write_text(json.dumps(description), encoding="utf-8")
        temporary.rename(target)
    return part


def frame_key(inputs: Any, settings: FrameSettings, index_key: str) -> str:
    """Return the name under which a frame may be found again: a digest of everything that decides its content."""
    return stable_digest([_FORMAT, FRAGMENT_ROWS, inputs, asdict(settings), index_key])[:16]


def _wanted(column: str, settings: FrameSettings, pool: Pool) -> bool:
    if column == "id2":
        return settings.check_duplicates
    if column == "sequence":
        return settings.with_sequences and "sequence_id" in pool.fields
    return True


def _load_part(folder: Path) -> FramePart | None:
    try:
        description = json.loads((folder / "part.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return FramePart(folder=folder, **description)


def _locate(
    batch: PoolBatch, pool: Pool, fragment: Fragment, index: CountryIndex, settings: FrameSettings
) -> tuple[dict[str, npt.NDArray[Any]], pa.Table, int, int]:
    """Give each row of a batch its country and cell.

    Returns:
        The columns of the kept rows; the rejected rows; how many were near shore; how many rejects are swappable.
    """
    country, cell = index.locate(batch.lat, batch.lng, threads=1)
    offshore = np.flatnonzero(country < 0)
    nearshore = 0
    rejects = batch.rejects
    swappable = _swappable_out_of_range(rejects)
    keep: npt.NDArray[np.int64] | slice = slice(None)
    if len(offshore):
        found = index.nearest_coast(batch.lat[offshore], batch.lng[offshore], settings.offshore_tolerance_km)
        country[offshore] = found
        nearshore = int((found >= 0).sum())
        lost = offshore[found < 0]
        if len(lost):
            keep = np.flatnonzero(country >= 0)
            swapped = _on_land_if_swapped(batch.lat[lost], batch.lng[lost], index)
            swappable += int(swapped.sum())
            rejects = pa.concat_tables([rejects, _not_on_land(batch, lost, swapped, pool, fragment)])
    source_id = batch.source_id if isinstance(keep, slice) else batch.source_id.take(pa.array(keep))
    key = source_key(pool.name)
    columns: dict[str, npt.NDArray[Any]] = {
        "key": (country[keep].astype(np.int32) * CELLS + cell[keep]).astype(np.int32),
        "row": (batch.rows[keep] - fragment.start).astype(np.uint32),
        "lat": batch.lat[keep],
        "lng": batch.lng[keep],
        "id": hash_strings(source_id, key),
        "id_length": pc.binary_length(source_id).to_numpy().astype(np.uint32),
        _ID_TEXT: text_bytes(source_id),
    }
    if settings.check_duplicates:
        columns["id2"] = hash_strings(source_id, key ^ _SECOND_KEY)
    if batch.sequence_id is not None:
        columns["sequence"] = hash_sequences(batch.sequence_id, pool.name)[keep]
    return columns, rejects, nearshore, swappable


def text_bytes(array: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the UTF-8 bytes of all strings of an array without nulls, laid end to end."""
    offset_type = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return np.empty(0, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=offset_type)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]


def hash_sequences(sequence_id: pa.Array, source: str) -> npt.NDArray[np.uint64]:
    """Hash sequence ids; 0 stands for a row that belongs to no sequence."""
    values = hash_strings(pc.fill_null(sequence_id, ""), source_key(f"{source}/sequence"))
    empty = pc.equal(pc.binary_length(pc.fill_null(sequence_id, "")), 0).to_numpy(zero_copy_only=False)
    values[values == 0] = 1
    values[empty] = 0
    return values


def _not_on_land(
    batch: PoolBatch, lost: npt.NDArray[np.int64], swapped: npt.NDArray[np.bool_], pool: Pool, fragment: Fragment
) -> pa.Table:
    count = len(lost)
    detail = ["on land if lat and lng are exchanged" if flag else None for flag in swapped.tolist()]
    return pa.table(
        {
            "source": pa.repeat(pool.name, count),
            "file": pa.repeat(pool.file_name(fragment.file), count),
            "row": batch.rows[lost],
            "reason": pa.repeat(RejectReason.NOT_ON_LAND.value, count),
            "source_id": batch.source_id.take(pa.array(lost)).cast(pa.string()),
            "lat": pc.cast(pa.array(batch.lat[lost]), pa.string()),
            "lng": pc.cast(pa.array(batch.lng[lost]), pa.string()),
            "detail": pa.array(detail, pa.string()),
        },
        schema=arrow_schema(Reject),
    )


def _on_land_if_swapped(
    lat: npt.NDArray[np.float64], lng: npt.NDArray[np.float64], index: CountryIndex
) -> npt.NDArray[np.bool_]:
    possible = np.abs(lng) <= 90
    result = np.zeros(len(lat), dtype=bool)
    result[possible] = index.locate(lng[possible], lat[possible])[0] >= 0
    return result


def _swappable_out_of_range(rejects: pa.Table) -> int:
    """Count rows whose latitude is impossible, but would be a longitude."""
    if not rejects.num_rows:
        return 0
    rows = rejects.filter(pc.equal(rejects["reason"], RejectReason.OUT_OF_RANGE.value))
    if not rows.num_rows:
        return 0
    lat, lng = (pc.cast(rows[name], pa.float64()).to_numpy() for name in ("lat", "lng"))
    return int(((np.abs(lat) > 90) & (np.abs(lat) <= 180) & (np.abs(lng) <= 90)).sum())


class _PartWriter:
    """Appends batches to the raw column files of a part, and its rejects to a Parquet file."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._files = {name: (folder / name).open("wb") for name in (*columns, _ID_TEXT)}
        self._rejects: pq.ParquetWriter | None = None
        self.read = self.kept = self.nearshore = self.swappable = self.checksum = 0
        self.rejects: Counter[str] = Counter()

    def add(self, columns: dict[str, npt.NDArray[Any]], rejects: pa.Table, nearshore: int, swappable: int) -> None:
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(columns[name]).data)
        self.kept += len(columns["key"])
        self.read += len(columns["key"]) + rejects.num_rows
        self.nearshore += nearshore
        self.swappable += swappable
        self.checksum = (self.checksum + _checksum(columns)) % 2**64
        if rejects.num_rows:
            counts = pc.value_counts(rejects["reason"])
            self.rejects.update({item["values"].as_py(): item["counts"].as_py() for item in counts})
            if self._rejects is None:
                self._rejects = pq.ParquetWriter(self._folder / "rejects.parquet", arrow_schema(Reject))
            self._rejects.write_table(rejects)

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        if self._rejects is not None:
            self._rejects.close()


def _checksum(columns: dict[str, npt.NDArray[Any]]) -> int:
    lat, lng = (np.ascontiguousarray(columns[name]).view(np.uint64) for name in ("lat", "lng"))
    mixed = lat * np.uint64(0x9E3779B97F4A7C15)
    mixed += lng
    mixed ^= mixed >> np.uint64(29)
    mixed *= columns["id"] | np.uint64(1)
    return int(mixed.sum(dtype=np.uint64))
