"""WebDataset: tar files with a picture and a JSON file per sample."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.records import ExchangeRecord
from geoseek.formats.sinks import content_name, json_text
from geoseek.schemas import Split

_MB = 1_000_000
_BLOCK = 512


class WebDataset(Format):
    """Tar files of bounded size; equal rows give equal bytes."""

    name = "webdataset"
    summary = "tar files with NNNNNNNN.jpg and NNNNNNNN.json, for streaming"
    splits = (Split.COT, Split.LOC, Split.VAL)

    @contextmanager
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> Iterator[RowWriter]:
        """Write `STEM-00000.tar`, `STEM-00001.tar`, ..."""
        with _TarShards(folder, stem, options.shard_mb * _MB) as shards:
            yield shards


class _TarShards:
    def __init__(self, folder: Path, stem: str, limit: int) -> None:
        self._folder, self._stem, self._limit = folder, stem, limit
        self._shards = self._rows = self._size = 0
        self._tar: tarfile.TarFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._shards:
            self._open()
        if self._tar is not None:
            self._tar.close()

    def add(self, record: ExchangeRecord) -> None:
        image = record.image
        if image is None or (image.bytes is None and image.path is None):
            raise RowFault(FormatRejectReason.NO_IMAGE)
        key = f"{self._rows:08d}"
        files = {f"{key}.json": json_text(_row(record))}
        if image.bytes is not None:
            suffix = content_name(image).partition(".")[2]
            files = {f"{key}.{suffix}": image.bytes, **files}
        size = sum(2 * _BLOCK + len(data) for data in files.values())
        if self._tar is None or (self._size and self._size + size > self._limit):
            self._open()
        for name, data in files.items():
            self._put(name, data)
        self._size += size
        self._rows += 1

    def _open(self) -> None:
        if self._tar is not None:
            self._tar.close()
        path = self._folder / f"{self._stem}-{self._shards:05d}.tar"
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed in __exit__
        self._shards += 1
        self._size = 0

    def _put(self, name: str, data: bytes) -> None:
        if self._tar is None:
            raise RuntimeError("no tar file is open")
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(data), 0o644, 0
        self._tar.addfile(entry, io.BytesIO(data))


def _row(record: ExchangeRecord) -> dict[str, object]:
    """Return everything but the bytes; columns of the export that have no field stand beside the others."""
    row = record.model_dump(mode="json", exclude={"image", "further_images", "further", "repairs", "chain_failure"})
    image = record.image
    return {**record.further, **row, "image_path": image.path if image is not None else None}
