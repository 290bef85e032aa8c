"""Validate a finished export: read everything again, believe nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.annotation import LEDGER_NAME, ReviewSettings, load_review_settings, open_existing_ledger
from geoseek.media import FINE_BITS, strict_decoding
from geoseek.pipelines.export.outputs import CHECKSUMS_FILE
from geoseek.pipelines.validate.codes import ExportCheck, Severity
from geoseek.pipelines.validate.files import (
    DATA_FOLDER,
    Checksums,
    check_counts,
    check_files,
    find_shards,
    present_files,
    read_checksums,
)
from geoseek.pipelines.validate.findings import Finding, Findings
from geoseek.pipelines.validate.papers import check_papers
from geoseek.pipelines.validate.pictures import LIMITS
from geoseek.pipelines.validate.rows import RowRules, private_texts
from geoseek.pipelines.validate.separation import check_separation
from geoseek.pipelines.validate.shards import ShardReader, SplitScan
from geoseek.schemas import InputError, Split
from geoseek.workspace import progress_bar, read_manifest, recover

_TEXT_SUFFIXES = (".md", ".json", ".cff", ".csv", ".txt", ".yaml", ".yml", ".html")


@dataclass(frozen=True)
class ValidateRequest:
    """What to validate.

    Attributes:
        folder: The dataset.
        review: What counts as a leak in texts.
        private: Texts that must not stand anywhere, in any case: the e-mail addresses of the ledger.
        examples: How many findings of each check to keep.
        workers: Threads that decode and hash.
    """

    folder: Path
    review: ReviewSettings
    private: frozenset[str] = frozenset()
    examples: int = 5
    workers: int = 2


@dataclass(frozen=True)
class ValidateResult:
    """What was found.

    Attributes:
        figures: Split -> files, rows, pictures, references.
        counts: Check -> number of findings; checks without any are left out.
        examples: Check -> some of them.
        skipped: What could not be looked at, in sentences.
    """

    figures: dict[str, dict[str, int]]
    counts: dict[ExportCheck, int]
    examples: dict[ExportCheck, list[Finding]]
    skipped: tuple[str, ...] = field(default=())

    def number(self, severity: Severity) -> int:
        """Return how many findings there are of a severity."""
        return sum(count for check, count in self.counts.items() if check.severity is severity)

    @property
    def is_valid(self) -> bool:
        """There is no error."""
        return self.number(Severity.ERROR) == 0

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "valid": self.is_valid,
            "errors": self.number(Severity.ERROR),
            "warnings": self.number(Severity.WARNING),
            "splits": self.figures,
            "checks": {
                check.value: {
                    "severity": check.severity.value,
                    "what": check.description,
                    "count": count,
                    "examples": [finding.to_json() for finding in self.examples[check]],
                }
                for check, count in self.counts.items()
            },
            "skipped": list(self.skipped),
        }


def validate_request(folder: Path, workspace: Path | None, **options: Any) -> ValidateRequest:
    """Build a request: word lists and e-mail addresses come from the workspace, where there is one.

    Args:
        folder: The dataset.
        workspace: The workspace; without one, the word lists that ship with GeoSeek.
        options: Further fields of `ValidateRequest`.
    """
    return ValidateRequest(folder, load_review_settings(workspace or folder), private_addresses(workspace), **options)


def private_addresses(workspace: Path | None) -> frozenset[str]:
    """Return the e-mail addresses that the ledger of a workspace holds, in lower case; none without a ledger."""
    if workspace is None or not (workspace / "work" / "annotation" / LEDGER_NAME).is_file():
        return frozenset()
    with open_existing_ledger(workspace) as ledger:
        return frozenset(one.email.casefold() for one in ledger.annotators() if one.email)


def run_validate(request: ValidateRequest) -> ValidateResult:
    """Read a dataset again and check it.

    Pictures are decoded in threads; memory holds one row group, and some hundred bytes per row for comparing splits.

    Raises:
        InputError: There is no export in the folder.
        OutputError: An export that was interrupted at its very end cannot be finished.
    """
    folder = request.folder
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", hint="Write a dataset with `geoseek export`.")
    recover(folder)
    checksums = read_checksums(folder)
    findings = Findings(request.examples)
    check_files(folder, checksums, findings, request.workers)
    scans = _scan(request, find_shards(folder, findings), findings)
    rows = {split: scan.rows for split, scan in scans.items()}
    manifest = _manifest(folder)
    if manifest is not None:
        check_counts(rows, manifest, findings)
    _check_separation(scans, manifest or {}, findings)
    check_papers(folder, rows, checksums.digests, findings)
    _check_other_texts(request, checksums, findings)
    order = [check for check in ExportCheck if check in findings.counts]
    return ValidateResult(
        {split.value: _figures(scan) for split, scan in scans.items()},
        {check: findings.counts[check] for check in order},
        {check: findings.examples[check] for check in order},
        tuple(findings.skipped),
    )


def _scan(request: ValidateRequest, shards: dict[Split, list[str]], findings: Findings) -> dict[Split, SplitScan]:
    scans = {}
    rules = RowRules(request.review, request.private)
    with strict_decoding(LIMITS), ThreadPoolExecutor(request.workers) as threads:
        reader = ShardReader(request.folder, rules, findings, threads)
        for split, names in shards.items():
            readable = {name: count for name in names if (count := reader.count_rows(name)) is not None}
            scans[split] = scan = SplitScan()
            with progress_bar(total=sum(readable.values()), label=f"Validating {split.value}", unit="rows") as bar:
                for name in readable:
                    reader.scan(split, name, scan, bar)
    return scans


def _figures(scan: SplitScan) -> dict[str, int]:
    return {
        "files": len(scan.rows),
        "rows": sum(scan.rows.values()),
        "pictures": scan.pictures,
        "references": scan.references,
    }


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest; one that cannot be read is reported with the other papers."""
    try:
        return read_manifest(folder)
    except InputError:
        return None


def _check_separation(scans: dict[Split, SplitScan], manifest: dict[str, Any], findings: Findings) -> None:
    separation_km = manifest.get("separation_km")
    others = [split for split in scans if split is not Split.VAL]
    if separation_km is None and Split.VAL in scans and others:
        findings.skip("The distance between val and the other splits was not checked: the manifest states none.")
    if len(scans) > 1:
        findings.skip("Capture sequences across splits were not checked: a dataset does not carry their ids.")
    check_separation(
        {split: scan.traits for split, scan in scans.items()},
        findings,
        separation_km=separation_km,
        near_duplicate_bits=manifest.get("near_duplicate_bits", FINE_BITS),
    )


def _check_other_texts(request: ValidateRequest, checksums: Checksums, findings: Findings) -> None:
    """Look for private texts in everything that is published beside the shards."""
    if not request.private:
        return
    folder = request.folder
    for name in present_files(folder):
        if name.startswith(f"{DATA_FOLDER}/") or (name not in checksums.digests and name != CHECKSUMS_FILE):
            continue
        if name.endswith(".parquet"):
            texts: Any = _table(folder / name, findings)
        elif name.endswith(_TEXT_SUFFIXES) or name == CHECKSUMS_FILE:
            texts = (folder / name).read_text(encoding="utf-8", errors="replace")
        else:
            continue
        for check, value in private_texts([name, texts], request.private):
            findings.add(check, name, value)


def _table(path: Path, findings: Findings) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        findings.add(ExportCheck.UNREADABLE_FILE, path.name, error)
        return []
    return rows
