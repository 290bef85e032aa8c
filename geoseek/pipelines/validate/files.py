"""The files of a dataset: which there are, whether they are the right ones, and how they are numbered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from geoseek.pipelines.export.outputs import CARD_FILE, CHECKSUMS_FILE, CITATION_FILE, CROISSANT_FILE
from geoseek.pipelines.export.plan import FILE_NAMES
from geoseek.pipelines.validate.codes import ExportCheck
from geoseek.pipelines.validate.findings import Findings
from geoseek.schemas import InputError, Split
from geoseek.workspace import MANIFEST_NAME, progress_bar

EXPECTED_FILES = (CARD_FILE, CROISSANT_FILE, CITATION_FILE, MANIFEST_NAME, CHECKSUMS_FILE)
DATA_FOLDER = "data"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_SHARD = re.compile(r"(?P<name>[a-z]+)-(?P<number>\d{5,})-of-(?P<total>\d{5,})\.parquet")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Checksums:
    """What SHA256SUMS says.

    Attributes:
        digests: File, relative to the dataset -> SHA-256 (hex).
        broken: Lines that say nothing of the kind.
    """

    digests: dict[str, str]
    broken: tuple[str, ...]


def read_checksums(folder: Path) -> Checksums:
    """Read SHA256SUMS; a name that leads out of the folder counts as broken.

    Raises:
        InputError: There is none, or it is no text.
    """
    path = folder / CHECKSUMS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {type(error).__name__}.",
            hint="Name the folder that `geoseek export` wrote; write it again if the file is gone.",
        ) from error
    digests, broken = {}, []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and is_inside(match[2]):
            digests[match[2]] = match[1]
        else:
            broken.append(line)
    return Checksums(digests, tuple(broken))


def is_inside(name: str) -> bool:
    """Return whether a relative name stays inside of the folder that it is relative to.

    >>> is_inside("data/val/a.parquet"), is_inside("../a"), is_inside("/etc/passwd"), is_inside("a/./b")
    (True, False, False, False)
    """
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and "\\" not in name


def present_files(folder: Path) -> list[str]:
    """Return the files of a dataset by relative name; hidden ones belong to the tools, not to the dataset."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def check_files(folder: Path, checksums: Checksums, findings: Findings, workers: int) -> None:
    """Compare the files with SHA256SUMS.

    Args:
        folder: The dataset.
        checksums: Its SHA256SUMS.
        findings: Takes what is found.
        workers: Threads that hash.
    """
    for line in checksums.broken:
        findings.add(ExportCheck.CHECKSUM, CHECKSUMS_FILE, f"not a line `SHA256  NAME`: {line!r}")
    present = present_files(folder)
    for name in sorted({*checksums.digests, *EXPECTED_FILES} - set(present)):
        findings.add(ExportCheck.MISSING_FILE, name, "not there")
    for name in sorted(set(present) - checksums.digests.keys() - {CHECKSUMS_FILE}):
        findings.add(ExportCheck.UNLISTED_FILE, name, f"{(folder / name).stat().st_size:,} bytes")
    there = sorted(checksums.digests.keys() & set(present))
    total = sum((folder / name).stat().st_size for name in there)
    with progress_bar(total=total, label="Checksums", unit="B") as bar, ThreadPoolExecutor(workers) as threads:
        for name, found in zip(there, threads.map(lambda name: _sha256(folder / name), there), strict=True):
            bar.update((folder / name).stat().st_size)
            if found != checksums.digests[name]:
                findings.add(ExportCheck.CHECKSUM, name, f"{found}, expected {checksums.digests[name]}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return digest.hexdigest()


def find_shards(folder: Path, findings: Findings) -> dict[Split, list[str]]:
    """Return the Parquet files of every split in the order of their numbers, and check their names.

    What lies under `data/` and is no shard is reported: `load_dataset` might read it.
    """
    shards: dict[Split, list[str]] = {}
    for name in present_files(folder):
        parts = PurePosixPath(name).parts
        if parts[0] != DATA_FOLDER:
            continue
        split = next((split for split in Split if parts[1:2] == (split.value,) and len(parts) == 3), None)
        match = _SHARD.fullmatch(parts[-1])
        if split is None or match is None or match["name"] != FILE_NAMES[split]:
            findings.add(ExportCheck.SHARD_NAMES, name, "not data/SPLIT/NAME-00000-of-00001.parquet")
            continue
        shards.setdefault(split, []).append(name)
    for split, names in shards.items():
        for value in _numbering_faults(names):
            findings.add(ExportCheck.SHARD_NAMES, f"{DATA_FOLDER}/{split.value}", value)
    return {split: sorted(shards[split]) for split in Split if split in shards}


def _numbering_faults(names: list[str]) -> Iterator[str]:
    matches = [match for name in names if (match := _SHARD.fullmatch(PurePosixPath(name).name))]
    totals = {int(match["total"]) for match in matches}
    if len(totals) > 1:
        yield f"files of several totals: {', '.join(map(str, sorted(totals)))}"
    numbers = {int(match["number"]) for match in matches}
    missing = sorted(set(range(max(totals))) - numbers)
    if missing:
        shown = ", ".join(map(str, missing[:10]))
        yield f"of {max(totals)} files, these are not there: {shown}"
    beyond = sorted(numbers - set(range(max(totals))))
    if beyond:
        yield f"numbers beyond {max(totals) - 1}: {', '.join(map(str, beyond[:10]))}"


def check_counts(rows: Mapping[Split, Mapping[str, int]], manifest: Mapping[str, object], findings: Findings) -> None:
    """Compare the rows of the files with what the manifest says.

    Args:
        rows: Split -> file -> its rows.
        manifest: The export's manifest.
        findings: Takes what is found.
    """
    said = manifest.get("splits")
    if not isinstance(said, dict):
        findings.add(ExportCheck.MANIFEST, MANIFEST_NAME, "it names no splits")
        return
    for name in sorted({*said, *(split.value for split in rows)}):
        entry = said.get(name)
        files: Mapping[str, int] = next((counts for split, counts in rows.items() if split.value == name), {})
        if not isinstance(entry, dict):
            findings.add(ExportCheck.COUNT, MANIFEST_NAME, f"{name} is not in the manifest")
            continue
        found, expected = sum(files.values()), entry.get("rows")
        if found != expected:
            findings.add(ExportCheck.COUNT, f"{DATA_FOLDER}/{name}", f"{found} rows, the manifest says {expected}")
        rejected = entry.get("rejected", {})
        if isinstance(expected, int) and entry.get("read") != expected + sum(rejected.values()):
            value = f"{name}: {entry.get('read')} rows read, {expected} kept, {sum(rejected.values())} rejected"
            findings.add(ExportCheck.COUNT, MANIFEST_NAME, value)
        for file, said_of_file in entry.get("files", {}).items():
            if said_of_file.get("rows") != files.get(file):
                value = f"{files.get(file)} rows, the manifest says {said_of_file.get('rows')}"
                findings.add(ExportCheck.COUNT, file, value)
