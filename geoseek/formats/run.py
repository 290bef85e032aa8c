"""Write an export in another format, or one format in another: all files or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.formats.base import Format, RowWriter, WriteOptions
from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.formats.exports import export_records, export_shards
from geoseek.formats.records import ExchangeRecord, FormatReject, Found
from geoseek.formats.registry import find_format
from geoseek.formats.rowfiles import iter_file_rows, row_files
from geoseek.formats.sinks import JsonRows
from geoseek.schemas import InputError, OutputError, Split
from geoseek.workspace import (
    MANIFEST_NAME,
    exclusive,
    file_fingerprint,
    installed_versions,
    progress_bar,
    read_manifest,
    recover,
    stable_digest,
    transaction,
    write_manifest,
    write_text,
)

REJECTS_FILE, SOURCES_FILE, NOTICE_FILE = "rejects.jsonl", "sources.jsonl", "NOTICE.txt"
_NOTICE = "Names of regions and places are from GeoNames (https://www.geonames.org), CC BY 4.0.\n"
_SOURCE_FIELDS = ("id", "split", "image_sha256", "source", "source_id", "license", "attribution")
_STAGE = "format"
_ROWS = "rows"
_PACKAGES = ("pillow", "pyarrow")
_MAY_TURN_UP = (FormatRejectReason.MISSING_IMAGE.value, FormatRejectReason.UNREADABLE_IMAGE.value)


@dataclass
class FormatFigures:
    """Counts of what came through.

    Attributes:
        read: Rows read.
        kept: Rows written (or, when reading only, usable).
        rejected: Code -> rows left out.
        repaired: Rows whose chain was put right.
        repairs: Code of a repair -> rows that needed it.
        chain_failures: Code -> rows that were kept, whose reasoning is no chain of ours.
    """

    read: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    chain_failures: Counter[str] = field(default_factory=Counter)

    def add(self, found: Found) -> None:
        """Count a record or a reject."""
        self.read += 1
        if isinstance(found, FormatReject):
            self.rejected[found.reason.value] += 1
            return
        self.kept += 1
        self.repaired += bool(found.repairs)
        self.repairs.update(found.repairs)
        if found.chain_failure is not None:
            self.chain_failures[found.chain_failure] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            name: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for name, value in self.__dict__.items()
        }


@dataclass(frozen=True)
class FormatResult:
    """What was written.

    Attributes:
        figures: Counts, as `FormatFigures.to_json` gives them.
        files: Written files, relative to the target; pictures are not among them.
        up_to_date: The target held exactly this already.
    """

    figures: dict[str, Any]
    files: tuple[str, ...]
    up_to_date: bool = False


def read_format(name: str, path: Path, *, images: Path | None = None, with_images: bool = True) -> Iterator[Found]:
    """Yield the records of files of another tool, and a `FormatReject` for every row that cannot be used.

    Args:
        name: Name of the format.
        path: File, or folder with files.
        images: Folder that the paths of pictures start from; default: the folder of each file.
        with_images: Read the pictures (without their metadata); otherwise records keep their paths alone.

    Raises:
        UsageError: There is no such format, or it cannot be read.
        InputError: The path does not exist, or holds no files of the format.
    """
    return find_format(name).read(path, images=images, with_images=with_images)


def write_format(
    name: str,
    export_dir: Path,
    target: Path,
    splits: Sequence[Split] = (),
    *,
    options: WriteOptions | None = None,
    force: bool = False,
) -> FormatResult:
    """Write splits of an export in another format; nothing happens if the target holds exactly that.

    Args:
        name: Name of the format.
        export_dir: The export.
        target: Folder to write; new, empty, or written by this function before.
        splits: Splits; default: those that the format is made for, as far as they were exported.
        options: Choices of the writers.
        force: Write anew in any case.

    Raises:
        UsageError: There is no such format.
        InputError: The export, or a split that is asked for, does not exist or cannot be read.
        OutputError: The target holds other things, or cannot be written.
    """
    kind, options = find_format(name), options or WriteOptions()
    chosen = _chosen_splits(kind, export_dir, splits)
    digest = _digest(kind, options, {split.value: export_shards(export_dir, split) for split in chosen}, {})
    found = (record for split in chosen for record in export_records(export_dir, split))
    stems = [split.value for split in chosen]
    return _write(kind, stems, found, target, options, digest, notice=_NOTICE, force=force)


def convert_format(
    name: str,
    path: Path,
    to: str,
    target: Path,
    *,
    images: Path | None = None,
    split: Split | None = None,
    options: WriteOptions | None = None,
    force: bool = False,
) -> FormatResult:
    """Read files of one format and write them in another; nothing happens if the target holds exactly that.

    Rows without a split are written as `rows`. Rows that cannot be read, or cannot be written, are listed in
    `rejects.jsonl`. Whether a target is up to date is told by the files with the rows, and by whether all pictures
    were found; pictures that were exchanged under their old names need `force`.

    Args:
        name: Format to read.
        path: File, or folder with files.
        to: Format to write.
        target: Folder to write; new, empty, or written by this function before.
        images: Folder that the paths of pictures start from.
        split: Take rows of this split, and rows that tell none, which are then written as rows of it; default: all.
        options: Choices of the writers.
        force: Write anew in any case.

    Raises:
        UsageError: There is no such format, or it cannot be read.
        InputError: The path does not exist, or holds no files of the format.
        OutputError: The target holds other things, or cannot be written.
    """
    kind, options = find_format(to), options or WriteOptions()
    found = read_format(name, path, images=images)
    stems: list[str] = []
    if split is not None:
        found, stems = _of_split(found, split), [split.value]
    digest = _digest(kind, options, {"": row_files(path)}, {"from": name, "split": split and split.value})
    return _write(kind, stems, found, target, options, digest, may_turn_up=_MAY_TURN_UP, force=force)


def _of_split(found: Iterable[Found], split: Split) -> Iterator[Found]:
    for one in found:
        if isinstance(one, FormatReject) or one.split is split:
            yield one
        elif one.split is None:
            yield one.model_copy(update={"split": split})


def load_predictions(path: Path) -> dict[str, dict[str, Any]]:
    """Return the predictions of a JSON lines file by the id of their sample, for `WriteOptions.predictions`.

    A row has `sample_id` (or `id`), `text`, and perhaps `answer` and `right`; of several for one sample the last one
    counts.

    Raises:
        InputError: A row is broken or names no sample.
    """
    predictions = {}
    for at in iter_file_rows(path):
        key = at.content.get("sample_id", at.content.get("id"))
        if at.fault is not None or not isinstance(key, str):
            raise InputError(
                f"{path}, row {at.row}: {at.fault or 'no sample_id'}.", hint="A row needs sample_id and text."
            )
        predictions[key] = at.content
    return predictions


def _chosen_splits(kind: Format, export_dir: Path, splits: Sequence[Split]) -> tuple[Split, ...]:
    there = [split for split in Split if export_shards(export_dir, split)]
    absent = [split.value for split in splits if split not in there]
    chosen = tuple(dict.fromkeys(splits)) or tuple(split for split in kind.splits if split in there)
    if absent or not chosen:
        wanted = ", ".join(absent or [split.value for split in kind.splits])
        raise InputError(
            f"{export_dir} has no split {wanted}, which the format {kind.name} is to be written from.",
            hint=f"It has: {', '.join(split.value for split in there) or 'no splits'}. Run `geoseek export` first.",
        )
    return chosen


def _digest(
    kind: Format, options: WriteOptions, shards: Mapping[str, Iterable[Path]], more: Mapping[str, str | None]
) -> str:
    return stable_digest(
        {
            **more,
            "geoseek": __version__,
            "format": kind.name,
            "shard_mb": options.shard_mb,
            "whole_pictures": options.whole_pictures,
            "predictions": None if options.predictions is None else stable_digest(dict(options.predictions)),
            "inputs": {split: [file_fingerprint(shard) for shard in paths] for split, paths in shards.items()},
            "versions": installed_versions(_PACKAGES),
        }
    )


def _write(
    kind: Format,
    stems: Sequence[str],
    found: Iterable[Found],
    target: Path,
    options: WriteOptions,
    digest: str,
    *,
    notice: str | None = None,
    may_turn_up: Sequence[str] = (),
    force: bool = False,
) -> FormatResult:
    with exclusive(target, doing="writing"):
        recover(target)
        before = _manifest_before(target)
        if before is not None and not force and _is_complete(target, before, digest, may_turn_up):
            return FormatResult(before["figures"], _without_pictures(before["files"]), up_to_date=True)
        with transaction(target) as staging:
            figures = _write_rows(kind, stems, found, staging, options)
            if notice is not None:
                write_text(staging / NOTICE_FILE, notice)
            files = sorted(path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file())
            for stale in set(before["files"] if before else ()) - set(files):
                (staging / stale).parent.mkdir(parents=True, exist_ok=True)
                (staging / f"{stale}.removed").touch()
            content = {"stage": _STAGE, "format": kind.name, "key": digest, "geoseek": __version__}
            write_manifest(staging, {**content, "figures": figures.to_json(), "files": files})
    return FormatResult(figures.to_json(), _without_pictures(files))


def _manifest_before(target: Path) -> dict[str, Any] | None:
    """Return the manifest of a target that was written before.

    Raises:
        OutputError: There is something else.
    """
    manifest = read_manifest(target)
    if manifest is not None and manifest.get("stage") == _STAGE:
        return manifest
    if any(path.name != ".lock" for path in target.iterdir()):
        raise OutputError(
            f"{target} holds files that were not written by this command.",
            hint=f"Choose a new folder; only one with a {MANIFEST_NAME} of a format is written over.",
        )
    return None


def _is_complete(target: Path, manifest: Mapping[str, Any], digest: str, may_turn_up: Sequence[str]) -> bool:
    """Whether a target holds what a digest stands for, and no row was rejected for what may be there by now."""
    lacking = any(code in manifest["figures"]["rejected"] for code in may_turn_up)
    return not lacking and manifest["key"] == digest and all((target / n).is_file() for n in manifest["files"])


def _write_rows(
    kind: Format, stems: Sequence[str], found: Iterable[Found], staging: Path, options: WriteOptions
) -> FormatFigures:
    figures, writers, rows = FormatFigures(), dict[str, RowWriter](), Counter[str]()
    with ExitStack() as stack:
        rejects = stack.enter_context(JsonRows(staging / REJECTS_FILE))
        sources = stack.enter_context(JsonRows(staging / SOURCES_FILE))
        for stem in stems:
            writers[stem] = stack.enter_context(kind.open_writer(staging, stem, options))
        bar = stack.enter_context(progress_bar(total=None, label=f"writing {kind.name}", unit="rows"))
        for one in found:
            bar.update(1)
            outcome = one
            if isinstance(one, ExchangeRecord):
                stem = one.split.value if one.split is not None else _ROWS
                if stem not in writers:
                    writers[stem] = stack.enter_context(kind.open_writer(staging, stem, options))
                outcome = _add(writers[stem], one, stem, rows[stem], options)
                rows[stem] += 1
            figures.add(outcome)
            if isinstance(outcome, FormatReject):
                rejects.write(outcome.model_dump(mode="json"))
            else:
                sources.write({name: getattr(outcome, name) for name in _SOURCE_FIELDS})
        if not writers:
            stack.enter_context(kind.open_writer(staging, _ROWS, options))
    kind.finish(staging, writers or [_ROWS])
    return figures


def _add(writer: RowWriter, record: ExchangeRecord, stem: str, row: int, options: WriteOptions) -> Found:
    try:
        if options.whole_pictures and record.has_only_addresses:
            raise RowFault(FormatRejectReason.ONLY_ADDRESS)  # noqa: TRY301 - as if the writer had found it
        writer.add(record)
    except RowFault as fault:
        return FormatReject(file=stem, row=row, id=record.id, reason=fault.reason, detail=fault.detail)
    return record


def _without_pictures(files: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in files if name.endswith((".json", ".jsonl", ".parquet", ".tar", ".md", ".txt")))
