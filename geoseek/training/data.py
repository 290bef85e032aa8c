"""The rows that a stage learns from, as files that ms-swift reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from geoseek.formats import FormatRejectReason, FormatResult, WriteOptions, convert_format, write_format
from geoseek.schemas import InputError, UsageError
from geoseek.training.recipes import StageRecipe
from geoseek.workspace import file_fingerprint, stable_digest

EXPORT_FOLDER = "export"


@dataclass(frozen=True)
class DataSource:
    """Where the rows come from.

    Attributes:
        path: Folder of an export, or file or folder of a set in another format.
        format: Name of that format, as `geoseek.formats` knows it; None for an export.
        images: Folder that the paths of pictures start from; None for the folder of each file.
    """

    path: Path
    format: str | None = None
    images: Path | None = None

    def __post_init__(self) -> None:
        if self.format is None and self.images is not None:
            raise UsageError(
                "An export has its pictures inside, and no folder of pictures beside it.",
                hint="Name the format of the set with --data-format, or leave out the folder of pictures.",
            )

    @classmethod
    def of_workspace(cls, workspace: Path) -> DataSource:
        """Return the export of a workspace."""
        return cls(workspace / EXPORT_FOLDER)


@dataclass(frozen=True)
class StageData:
    """What a stage learns from.

    Attributes:
        file: JSON lines of ms-swift. The pictures in them are named from the folder of this file on: ms-swift finds
            them with `ROOT_IMAGE_DIR` set to `root`.
        rows: Lines of the file.
        read: Rows of the source.
        rejected: Code -> rows of the source that were left out; `rejects.jsonl` in the folder names each.
        fingerprint: Stands for the content of rows and pictures, wherever they lie.
        up_to_date: The file was there already.
    """

    file: Path
    rows: int
    read: int
    fingerprint: str
    rejected: dict[str, int] = field(default_factory=dict)
    up_to_date: bool = False

    @property
    def root(self) -> Path:
        """The folder that paths of pictures start from."""
        return self.file.parent


def data_file(stage: StageRecipe, target: Path) -> Path:
    """Return the file that `prepare_data` writes.

    Args:
        stage: The stage.
        target: Its folder of data.
    """
    return target / f"{stage.split.value}.jsonl"


def prepare_data(stage: StageRecipe, source: DataSource, target: Path, *, force: bool = False) -> StageData:
    """Write the rows of a stage, all or none; nothing happens if they are there already.

    Every row has its pictures in the target, named by their content; rows that have only the address of a picture are
    rejected (`only_address`). Pictures are written as they are displayed, without metadata.

    Args:
        stage: Split and form of the rows.
        source: Where they come from.
        target: Folder to write; new, empty, or written by this function before.
        force: Write anew in any case.

    Raises:
        UsageError: There is no such format, or it cannot be read.
        InputError: The source does not exist, cannot be read, or has no row that can be used.
        OutputError: The target holds other things, or cannot be written.
    """
    options, split = WriteOptions(whole_pictures=True), stage.split
    if source.format is None:
        _check_is_export(source.path)
        written = write_format(stage.data, source.path, target, [split], options=options, force=force)
    else:
        written = convert_format(
            source.format,
            source.path,
            stage.data,
            target,
            images=source.images,
            split=split,
            options=options,
            force=force,
        )
    file = data_file(stage, target)
    rows = _lines_of(file)
    if not rows:
        raise _nothing_usable(stage, source, written, target)
    return StageData(
        file=file,
        rows=rows,
        read=written.figures["read"],
        rejected=written.figures["rejected"],
        fingerprint=stable_digest({"data": stage.data, "rows": file_fingerprint(file)}),
        up_to_date=written.up_to_date,
    )


def _check_is_export(path: Path) -> None:
    if path.is_dir():
        return
    if path.exists():
        raise UsageError(
            f"{path} is a file, and an export is a folder.", hint="Name the format of the file with --data-format."
        )
    raise InputError(
        f"There is no export {path}.", hint="Run `geoseek export` first, or name what to learn from with --data."
    )


def _lines_of(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _nothing_usable(stage: StageRecipe, source: DataSource, written: FormatResult, target: Path) -> InputError:
    rejected = written.figures["rejected"]
    if not rejected:
        return InputError(
            f"{source.path} has no rows of the split {stage.split.value}.",
            hint="Name another split in the recipe (stages.NAME.split), or other data with --data.",
        )
    counts = ", ".join(f"{count} {code}" for code, count in rejected.items())
    main = FormatRejectReason(max(rejected, key=rejected.__getitem__))
    return InputError(
        f"No row of {source.path} can be used for {stage.data}: {counts}.",
        hint=f"{main.value}: {main.description}. {_REMEDIES.get(main, '')}".rstrip()
        + f" Each row is named in {target.name}/rejects.jsonl.",
    )


_EMBED = (
    "Training downloads nothing: `geoseek export --images embed` puts pictures into the export, as far as their "
    "licence is known."
)
_REMEDIES = {
    FormatRejectReason.ONLY_ADDRESS: _EMBED,
    FormatRejectReason.NO_IMAGE: _EMBED,
    FormatRejectReason.MISSING_IMAGE: "Name the folder that the paths of the pictures start from.",
    FormatRejectReason.NO_CHAIN: "Learn from the split cot, or from another set.",
    FormatRejectReason.NO_POSITION: "GRPO needs the true coordinates of every row.",
}
