"""Write one Parquet file of a split, picture by picture, with a memory that does not grow."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from geoseek.formats import leaf_paths
from geoseek.pipelines.export.features import IMAGE_BYTES, export_schema
from geoseek.pipelines.export.figures import FigureCounter, Figures
from geoseek.pipelines.export.pictures import PictureFault, PublishedPicture, publish_picture
from geoseek.pipelines.export.plan import ShardPlan
from geoseek.pipelines.export.records import export_record
from geoseek.pipelines.export.request import ExportRequest
from geoseek.pipelines.export.sources import IMAGES, RowSources, Workspace
from geoseek.schemas import ExportReject, Split

_MB = 1_000_000
_ROWS_WITHOUT_PICTURES = 2_000
_ROWS_AT_A_TIME = 2_000
_AHEAD_PICTURES, _AHEAD_BYTES = 256, 64 * _MB

Found = tuple[RowSources, PublishedPicture | PictureFault]


@dataclass(frozen=True)
class ShardEntry:
    """A finished file.

    Attributes:
        name: Its path in the dataset.
        rows: Its rows.
        bytes: Its size.
        sha256: Of the file.
        figures: Counts of its rows.
        rejects: Rows that were planned for it and cannot be published.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    figures: Figures
    rejects: tuple[ExportReject, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {**self.__dict__, "rejects": [reject.model_dump(mode="json") for reject in self.rejects]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read an entry back."""
        rejects = tuple(ExportReject.model_validate(reject) for reject in content["rejects"])
        return cls(**{**content, "rejects": rejects})


def write_shard(
    request: ExportRequest, workspace: Workspace, split: Split, plan: ShardPlan, target: Path, bar: tqdm[Any]
) -> ShardEntry:
    """Write the rows of a shard.

    Args:
        request: What is asked for.
        workspace: Its tables and pictures.
        split: The split.
        plan: The rows.
        target: File to write; its folder exists.
        bar: Counts the rows.
    """
    counter = FigureCounter(split)
    rejects = []
    schema = export_schema(split)
    with _Groups(target, schema, request) as groups, ThreadPoolExecutor(request.workers) as threads:
        for row, picture in _pictures(request, _rows(workspace, split, plan), threads):
            bar.update(1)
            if isinstance(picture, PictureFault):
                reject = ExportReject(id=row.sample["id"], split=split, reason=picture.reason, detail=picture.detail)
                rejects.append(reject)
                continue
            record = export_record(split, row, picture)
            counter.add(record)
            groups.add(record)
    figures = counter.figures()
    return ShardEntry(plan.name, figures["rows"], groups.bytes, groups.sha256, figures, tuple(rejects))


def _rows(workspace: Workspace, split: Split, plan: ShardPlan) -> Iterator[RowSources]:
    for first in range(0, len(plan.ids), _ROWS_AT_A_TIME):
        yield from workspace.rows(split, plan.ids[first : first + _ROWS_AT_A_TIME])


def _pictures(request: ExportRequest, rows: Iterable[RowSources], threads: ThreadPoolExecutor) -> Iterator[Found]:
    """Yield every row with its picture, in order; a bounded number of bytes is ahead of the reader."""
    folder = request.workspace / IMAGES
    ahead: deque[tuple[RowSources, Future[PublishedPicture | PictureFault]]] = deque()
    waiting = 0

    def first() -> Found:
        nonlocal waiting
        row, future = ahead.popleft()
        waiting -= _fetched_bytes(row)
        return row, future.result()

    for row in rows:
        while ahead and (len(ahead) == _AHEAD_PICTURES or waiting + _fetched_bytes(row) > _AHEAD_BYTES):
            yield first()
        ahead.append((row, threads.submit(publish_picture, folder, row.sample, row.image, request.images)))
        waiting += _fetched_bytes(row)
    while ahead:
        yield first()


def _fetched_bytes(row: RowSources) -> int:
    return 0 if row.image is None else int(row.image["bytes"])


class _Groups:
    """A Parquet file that is written row group by row group, and hashed on its way to the disk."""

    def __init__(self, target: Path, schema: pa.Schema, request: ExportRequest) -> None:
        others = [path for path in leaf_paths(schema) if path != IMAGE_BYTES]
        self._schema = schema
        self._limit = request.settings.row_group_mb * _MB
        self._rows_with_pictures = request.settings.row_group_rows
        self._sink = _HashingFile(target)
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression={IMAGE_BYTES: "NONE"} | dict.fromkeys(others, "ZSTD"),
            use_dictionary=others,
            # The smallest and the largest picture of a group are of no use to anybody, and would be stored twice.
            write_statistics=others,
            write_page_index=True,
        )
        # One row group is written while the next one is gathered.
        self._thread = ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None
        self._waiting: list[dict[str, Any]] = []
        self._size = 0
        self._with_pictures = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.closing(self._sink):
            try:
                if kind is None:
                    self._flush()
                    self._settle()
                    self._writer.close()
            finally:
                self._thread.shutdown()
                if self._writer.is_open:
                    self._sink.discard()
                    self._writer.close()

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self._sink.size

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return self._sink.digest.hexdigest()

    def add(self, record: dict[str, Any]) -> None:
        """Add a row; whole row groups go to the disk."""
        size = _record_bytes(record)
        if self._waiting and self._size + size > self._limit:
            self._flush()
        self._waiting.append(record)
        self._size += size
        self._with_pictures |= bool(record["image"] and record["image"]["bytes"] is not None)
        if len(self._waiting) >= (self._rows_with_pictures if self._with_pictures else _ROWS_WITHOUT_PICTURES):
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._settle()
            self._under_way = self._thread.submit(self._write, self._waiting)
        self._waiting, self._size, self._with_pictures = [], 0, False

    def _write(self, records: list[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist(records, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(records))

    def _settle(self) -> None:
        """Wait for the row group that is being written, and raise what went wrong with it."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None


def _record_bytes(value: Any) -> int:
    """Return the size of a record in memory, at most: four bytes for every letter, sixteen for any other value."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, str):
        return 16 + 4 * len(value)
    if isinstance(value, Mapping):
        return sum(map(_record_bytes, value.values()))
    return sum(map(_record_bytes, value)) if isinstance(value, list | tuple) else 16


class _HashingFile:
    """A file for pyarrow that knows its hash when it is written."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._discarding = False
        self.digest = hashlib.sha256()
        self.size = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def discard(self) -> None:
        """Write nothing more: a Parquet writer cannot be left without a footer, not even after a failure."""
        self._discarding = True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if self._discarding:
            return view.nbytes
        self.digest.update(view)
        self.size += view.nbytes
        return self._file.write(view)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
