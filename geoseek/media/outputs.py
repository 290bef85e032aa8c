"""Write what a fetch found: tables, figures, report and manifest, all of them or none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from geoseek.media.examine import Picture, StoredFile, View, is_stored
from geoseek.media.figures import FetchFigures
from geoseek.media.members import Entry, Pair, Selection
from geoseek.media.samples import DrawnSplit
from geoseek.schemas import ImageKind, ImagePair, ImageRecord, ImageReject, InputError, Member, arrow_schema
from geoseek.workspace import (
    installed_versions,
    plain_os_errors,
    read_manifest,
    transaction,
    write_manifest,
    write_text,
)

IMAGES_FILE, MEMBERS_FILE = "images.parquet", "members.parquet"
REJECTS_FILE, PAIRS_FILE = "rejects.parquet", "pairs.parquet"
FIGURES_FILE, REPORT_FILE = "fetch.json", "report.html"
_IMAGE_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]{3,4}")
_PACKAGES = ("numpy", "pillow", "pillow-heif", "pyarrow")


@dataclass(frozen=True)
class Findings:
    """What a run found.

    Attributes:
        selection: The final state of the splits.
        pictures: Picture of every member, and of every near-duplicate that was left out.
        pairs: Near-duplicates.
        hosts: Host of every entry that was asked for; None for files.
    """

    selection: Selection
    pictures: Mapping[Entry, Picture]
    pairs: Sequence[Pair]
    hosts: Mapping[Entry, str | None]


def write_outputs(
    folder: Path,
    drawn: Sequence[DrawnSplit],
    findings: Findings,
    figures: FetchFigures,
    page: str | None,
    manifest: Mapping[str, Any],
) -> None:
    """Write all tables of a run at once.

    Raises:
        OutputError: The folder cannot be written.
    """
    with transaction(folder) as staging:
        _write(staging / IMAGES_FILE, _table(ImageRecord, _image_records(findings)))
        _write(staging / MEMBERS_FILE, _member_table(drawn, findings.selection))
        _write(staging / REJECTS_FILE, _table(ImageReject, _reject_records(findings)))
        _write(staging / PAIRS_FILE, _table(ImagePair, _pair_records(findings)))
        write_text(staging / FIGURES_FILE, json.dumps(figures.to_json(), indent=1, sort_keys=True) + "\n")
        if page is None:
            (staging / f"{REPORT_FILE}.removed").touch()
        else:
            write_text(staging / REPORT_FILE, page)
        outputs = {path.name: _sha256(path) for path in sorted(staging.iterdir()) if not path.name.endswith(".removed")}
        write_manifest(staging, {**manifest, "outputs": outputs, "versions": installed_versions(_PACKAGES)})


def is_complete(folder: Path, key: str) -> bool:
    """Return whether a folder holds the result of a request, unchanged, with all its image files."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("key") != key:
        return False
    for name, digest in manifest.get("outputs", {}).items():
        if not (folder / name).exists() or _sha256(folder / name) != digest:
            return False
    table = pq.read_table(folder / IMAGES_FILE, columns=["path", "bytes"])
    sizes = zip(table["path"].to_pylist(), table["bytes"].to_pylist(), strict=True)
    return all(is_stored(folder / path, size) for path, size in sizes)


def figures_of(folder: Path) -> FetchFigures:
    """Read the figures of the result in a folder.

    Raises:
        InputError: They are not there, or damaged.
    """
    path = folder / FIGURES_FILE
    try:
        return FetchFigures.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read.", hint="Run `geoseek fetch --force`.") from error


def remove_unused(folder: Path) -> None:
    """Remove image files that no longer belong to the result; nothing else in the folder is touched."""
    used = set(pq.read_table(folder / IMAGES_FILE, columns=["path"])["path"].to_pylist())
    with plain_os_errors(folder):
        for path in folder.iterdir():
            if _IMAGE_NAME.fullmatch(path.name) and path.name not in used:
                path.unlink()


def _image_records(findings: Findings) -> Iterable[dict[str, Any]]:
    for member in findings.selection.members:
        entry = member.entry
        picture = findings.pictures[entry]
        whole = {
            "id": entry.id,
            "split": entry.split.value,
            "host": findings.hosts[entry],
            "pano_heading_deg": picture.pano_heading_deg,
        }
        yield {
            **whole,
            **_file_fields(picture.file),
            "view": 0,
            "kind": picture.kind.value,
            "orientation": picture.orientation,
            "mode": picture.mode,
            "animated": picture.animated,
        }
        for number, view in enumerate(picture.views, start=1):
            yield {**whole, **_view_fields(view), "view": number}


def _file_fields(file: StoredFile) -> dict[str, Any]:
    return {
        "sha256": file.sha256,
        "path": file.path,
        "mime": file.mime,
        "bytes": file.bytes,
        "width": file.width,
        "height": file.height,
        "phash": file.phash.coarse,
        "phash_fine": file.phash.fine,
    }


def _view_fields(view: View) -> dict[str, Any]:
    return {
        **_file_fields(view.file),
        "kind": ImageKind.VIEW.value,
        "orientation": 1,
        "mode": "RGB",
        "animated": False,
        "view_yaw_deg": view.yaw_deg,
        "view_pitch_deg": view.pitch_deg,
        "view_fov_deg": view.fov_deg,
    }


def _member_table(drawn: Sequence[DrawnSplit], selection: Selection) -> pa.Table:
    schema = arrow_schema(Member)
    tables = [schema.empty_table()]
    for split in drawn:
        place = {entry: number for number, entry in enumerate(split.entries) if entry}
        mine = [member for member in selection.members if member.entry.split is split.split]
        rows = split.rows.take(pa.array([place[member.entry] for member in mine], pa.int64()))
        replaces = pa.array([member.replaces for member in mine], pa.string())
        tables.append(rows.append_column("replaces", replaces).select(schema.names).cast(schema))
    return pa.concat_tables(tables).combine_chunks()


def _reject_records(findings: Findings) -> Iterable[dict[str, Any]]:
    for one in sorted(findings.selection.rejected, key=lambda one: one.entry.order):
        yield {
            "id": one.entry.id,
            "split": one.entry.split.value,
            "stratum": one.entry.stratum,
            "rank": one.entry.rank,
            "reason": one.failure.reason.value,
            "detail": one.failure.detail,
            "attempts": one.failure.attempts,
            "host": findings.hosts[one.entry],
            "replaced_by": one.replaced_by,
        }


def _pair_records(findings: Findings) -> Iterable[dict[str, Any]]:
    for pair in findings.pairs:
        a, b = (findings.pictures[entry].file.sha256 for entry in (pair.a, pair.b))
        yield {
            "id_a": pair.a.id,
            "id_b": pair.b.id,
            "split_a": pair.a.split.value,
            "split_b": pair.b.split.value,
            "distance": pair.distance,
            "identical": a == b,
            "replaced": pair.replaced,
        }


def _table(model: type[BaseModel], records: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(records), schema=arrow_schema(model))


def _write(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd", write_page_index=True, row_group_size=50_000)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
