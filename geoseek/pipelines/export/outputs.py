"""Put a finished export in place: shards, card, metadata, checksums, all of them or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geoseek import __version__
from geoseek.pipelines.export.build import Build
from geoseek.pipelines.export.card import Card, render_card
from geoseek.pipelines.export.citation import render_citation
from geoseek.pipelines.export.croissant import render_croissant
from geoseek.pipelines.export.exported import ExportedSplit
from geoseek.pipelines.export.facts import read_facts
from geoseek.pipelines.export.plan import SplitPlan
from geoseek.pipelines.export.request import ExportRequest
from geoseek.pipelines.export.shards import ShardEntry
from geoseek.pipelines.export.sources import CURATED, IMAGES, SAMPLES
from geoseek.schemas import ExportReject, InputError, OutputError, Split, arrow_schema
from geoseek.workspace import (
    MANIFEST_NAME,
    installed_versions,
    read_manifest,
    recover,
    transaction,
    write_manifest,
    write_text,
)

EXPORT_FILE, REJECTS_FILE, CHECKSUMS_FILE = "export.json", "rejects.parquet", "SHA256SUMS"
CARD_FILE, CROISSANT_FILE, CITATION_FILE = "README.md", "croissant.json", "CITATION.cff"
_STAGE = "export"
_PACKAGES = ("matplotlib", "numpy", "pillow", "pyarrow")


def require_own_folder(output: Path) -> None:
    """Check that a folder is new, empty, or holds an export; hidden files do not count.

    Raises:
        OutputError: It holds other things, which an export would overwrite or mix with its own.
    """
    if not output.is_dir():
        return
    recover(output)
    if (read_manifest(output) or {}).get("stage") == _STAGE:
        return
    others = sorted(path.name for path in output.iterdir() if not path.name.startswith("."))
    if others:
        raise OutputError(
            f"{output} holds other things than an export: {', '.join(others[:3])}.",
            hint="Choose a new or empty folder with --output.",
        )


def read_exported(output: Path) -> dict[Split, ExportedSplit]:
    """Return the splits that a folder holds; none if there is no export that can be read."""
    try:
        content = json.loads((output / EXPORT_FILE).read_text(encoding="utf-8"))
        rejects = [ExportReject.model_validate(row) for row in pq.read_table(output / REJECTS_FILE).to_pylist()]
        return {
            Split(name): _exported(Split(name), entry, [one for one in rejects if one.split is Split(name)])
            for name, entry in content["splits"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return {}


def _exported(split: Split, entry: dict[str, Any], rejects: list[ExportReject]) -> ExportedSplit:
    shards = tuple(ShardEntry.from_json(shard) for shard in entry["shards"])
    later = {reject.id for shard in shards for reject in shard.rejects}
    return ExportedSplit(
        split, entry["key"], entry["read"], shards, tuple(reject for reject in rejects if reject.id not in later)
    )


def publish_files(
    request: ExportRequest,
    splits: Mapping[Split, ExportedSplit],
    fresh: Mapping[Split, SplitPlan],
    build: Build,
    key: str,
) -> None:
    """Write everything beside the shards, and move all of it into place at once.

    Args:
        request: What was asked for.
        splits: The splits of the export.
        fresh: Those whose shards have just been written; the others' are in place.
        build: Where the new shards lie.
        key: Digest of everything that decided the result.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    output = request.output
    places = {
        entry.name: build.path(fresh[split], entry.name) if split in fresh else output / entry.name
        for split, exported in splits.items()
        for entry in exported.shards
    }
    with transaction(output) as staging:
        facts = read_facts(request, splits, places)
        write_text(staging / EXPORT_FILE, _json({"splits": {s.value: e.to_json() for s, e in splits.items()}}))
        _write_rejects(staging / REJECTS_FILE, splits.values())
        card = render_card(facts)
        _write_card(staging, card)
        write_text(staging / CROISSANT_FILE, _json(render_croissant(facts)))
        write_text(staging / CITATION_FILE, render_citation(facts))
        hashes = {path.relative_to(staging).as_posix(): _sha256(path) for path in _files(staging)}
        hashes |= {entry.name: entry.sha256 for exported in splits.values() for entry in exported.shards}
        write_manifest(staging, _manifest(request, splits, key, hashes))
        hashes[MANIFEST_NAME] = _sha256(staging / MANIFEST_NAME)
        lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes.items())]
        write_text(staging / CHECKSUMS_FILE, "".join(lines))
        for name in _stale(output, hashes):
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / f"{name}.removed").touch()
        for split, plan in fresh.items():
            for entry in splits[split].shards:
                build.hand_over(plan, entry, staging)


def _write_card(staging: Path, card: Card) -> None:
    write_text(staging / CARD_FILE, card.text)
    for name, content in card.pictures.items():
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).write_bytes(content)


def _write_rejects(path: Path, splits: Iterable[ExportedSplit]) -> None:
    rows = [reject.model_dump(mode="json") for exported in splits for reject in exported.all_rejects]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(ExportReject))
    pq.write_table(table, path, compression="zstd", write_page_index=True)


def _manifest(
    request: ExportRequest, splits: Mapping[Split, ExportedSplit], key: str, outputs: dict[str, str]
) -> dict[str, Any]:
    folder = request.workspace
    drawn = read_manifest(folder / SAMPLES) or {}
    stages = {"sample": SAMPLES, "fetch": IMAGES, "curate": CURATED}
    found = {name: read_manifest(folder / path) for name, path in stages.items()}
    return {
        "stage": _STAGE,
        "geoseek": __version__,
        "key": key,
        "versions": installed_versions(_PACKAGES),
        "seed": drawn.get("seed"),
        "separation_km": drawn.get("settings", {}).get("separation_km"),
        "settings": request.settings.model_dump(mode="json"),
        "inputs": {name: manifest.get("key") for name, manifest in found.items() if manifest},
        "order": "blake2b-128 of id",
        "splits": {
            split.value: {
                "key": exported.key,
                "read": exported.read,
                "rows": exported.rows,
                "rejected": exported.reject_counts(),
                "files": {
                    entry.name: {"rows": entry.rows, "bytes": entry.bytes, "sha256": entry.sha256}
                    for entry in exported.shards
                },
            }
            for split, exported in splits.items()
        },
        "outputs": outputs,
    }


def _stale(output: Path, hashes: Mapping[str, str]) -> list[str]:
    """Return the files of the last export that do not belong to this one."""
    try:
        earlier = (read_manifest(output) or {}).get("outputs", {})
    except InputError:
        return []
    return [name for name in earlier if name not in hashes and (output / name).is_file()]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
