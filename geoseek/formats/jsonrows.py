"""Formats that are one JSON row and one picture file per record."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.records import ExchangeRecord
from geoseek.formats.sinks import ImageFolder, JsonRows
from geoseek.schemas import EmbeddedImage


class JsonFormat(Format):
    """Writes `STEM.json` or `STEM.jsonl` and `images/<sha256>.<ext>`.

    Attributes:
        suffix: `.json` for one array, `.jsonl` for lines.
        image_field: Field that holds the picture's path.
        several_images: That field is a list of paths.
        upright: Pictures are written as they are displayed, since the tool does not know EXIF orientation.
    """

    suffix = ".json"
    image_field = "image"
    several_images = False
    upright = False

    @abstractmethod
    def row_of(self, record: ExchangeRecord) -> dict[str, Any]:
        """Return the row of a record, without its picture.

        Raises:
            RowFault: The record lacks what the format needs.
        """

    def pictures_of(self, record: ExchangeRecord) -> tuple[EmbeddedImage | None, ...]:
        """Return the pictures that the row of a record shows."""
        return (record.image,)

    @contextmanager
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> Iterator[RowWriter]:  # noqa: ARG002
        """Open the file of some rows; pictures go beside it."""
        with JsonRows(folder / f"{stem}{self.suffix}") as rows:
            yield _Writer(self, rows, ImageFolder(folder, upright=self.upright))


class _Writer:
    def __init__(self, kind: JsonFormat, rows: JsonRows, images: ImageFolder) -> None:
        self._kind, self._rows, self._images = kind, rows, images

    def add(self, record: ExchangeRecord) -> None:
        row = self._kind.row_of(record)
        paths = [self._images.add(image) for image in self._kind.pictures_of(record)]
        self._rows.write({self._kind.image_field: paths if self._kind.several_images else paths[0], **row})
