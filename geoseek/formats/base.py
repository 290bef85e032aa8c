"""What a format is: how its rows are written, and how they are read back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.incoming import IncomingImages
from geoseek.formats.records import ExchangeRecord, FormatReject, Found
from geoseek.formats.rowfiles import FileRow, iter_file_rows
from geoseek.schemas import Split, UsageError

DEFAULT_SHARD_MB = 500


@dataclass(frozen=True)
class WriteOptions:
    """Choices that some writers have.

    Attributes:
        shard_mb: Size of a Parquet or tar file in megabytes (10^6 bytes).
        predictions: id -> what a model said, for judges; None makes wrong examples from other rows.
        whole_pictures: Reject rows whose pictures are addresses only.
    """

    shard_mb: int = DEFAULT_SHARD_MB
    predictions: Mapping[str, Mapping[str, Any]] | None = field(default=None, repr=False)
    whole_pictures: bool = False


class RowWriter(Protocol):
    """Takes the rows of one file."""

    def add(self, record: ExchangeRecord) -> None:
        """Write a row; a `RowFault` leaves the file as if the row had not been there."""


class Format(ABC):
    """One kind of files.

    A new format is one subclass in one new file, listed in `registry.py`. It gives the attributes below and
    `open_writer`; if it can be read back, `from_row` too.

    Attributes:
        name: What users call it.
        summary: What it is for, in a few words.
        splits: Splits that are written unless others are asked for.
        readable: Whether `from_row` is there.
        needed: Fields without which a Parquet file is not of this format; any one name of each tuple will do.
    """

    name: str
    summary: str
    splits: tuple[Split, ...]
    readable: bool = False
    needed: tuple[tuple[str, ...], ...] = ()

    @abstractmethod
    def open_writer(self, folder: Path, stem: str, options: WriteOptions) -> AbstractContextManager[RowWriter]:
        """Open the files of some rows.

        Args:
            folder: Folder to write into; it exists.
            stem: Name of these rows: the split, or `rows`.
            options: Choices.
        """

    def finish(self, folder: Path, stems: Iterable[str]) -> None:  # noqa: B027 - most formats have nothing to add
        """Write what belongs to all rows together; nothing by default."""

    def from_row(self, row: Mapping[str, Any], at: FileRow, images: IncomingImages) -> ExchangeRecord:
        """Return the record of a row of a file.

        Args:
            row: The row.
            at: Where it stands.
            images: Fetches pictures.

        Raises:
            RowFault: The row cannot be used.
        """
        raise NotImplementedError

    def read(self, path: Path, *, images: Path | None = None, with_images: bool = True) -> Iterator[Found]:
        """Yield the records of a file or folder, and a reject for every row that cannot be used.

        Args:
            path: File (.json, .jsonl, .parquet), or a folder with such files.
            images: Folder that the paths of pictures start from; default: the folder of the file.
            with_images: Read the pictures; otherwise records keep their paths alone.

        Raises:
            UsageError: This format cannot be read.
            InputError: The file does not exist, is of another kind, or has not the columns of the format.
        """
        if not self.readable:
            raise UsageError(f"The format {self.name} can be written, but not read.", hint="See docs/formats.md.")
        for at in iter_file_rows(path, self.needed):
            source = IncomingImages(images or at.path.parent, with_images)
            try:
                if at.fault is not None:
                    raise at.fault
                yield self.from_row(at.content, at, source)
            except RowFault as fault:
                yield _reject(at, fault)
            except ValidationError as error:
                yield _reject(at, RowFault(FormatRejectReason.WRONG_TYPE, str(error)[:200]))
            except RecursionError:
                yield _reject(at, RowFault(FormatRejectReason.WRONG_TYPE, "nested too deeply"))


def _reject(at: FileRow, fault: RowFault) -> FormatReject:
    return FormatReject(file=at.name, row=at.row, id=None, reason=fault.reason, detail=fault.detail)
