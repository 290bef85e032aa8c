"""Write annotations for another tool: our JSON Lines, or Label Studio's JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from geoseek.annotation.exchange.readers import ImportFormat
from geoseek.annotation.forms import encode_results
from geoseek.annotation.ledger import AnnotationState, Ledger, StoredAnnotation
from geoseek.schemas import AnnotationStatus, Split, UsageError
from geoseek.workspace import atomic_path


@dataclass(frozen=True)
class ExportRequest:
    """What to write where.

    Attributes:
        workspace: Folder of the workspace.
        file: `.jsonl` for our records, `.json` for Label Studio.
        splits: Only these; empty for all.
        accepted: Only what a reviewer accepted.
    """

    workspace: Path
    file: Path
    splits: tuple[Split, ...] = ()
    accepted: bool = False


def export_file(request: ExportRequest) -> dict[str, int]:
    """Write the last version of every submitted annotation, by sample; equal ledgers give equal bytes.

    Only pseudonyms are written; names, e-mail addresses and numbers of users stay in the ledger. Memory is flat.

    Returns:
        How many annotations were written, per split; `left_out` counts those that say nothing a page of Label Studio
        could show (free-text notes).

    Raises:
        UsageError: The suffix is neither `.jsonl` nor `.json`.
        LedgerError: The ledger cannot be used.
    """
    kind = {".jsonl": ImportFormat.RECORDS, ".json": ImportFormat.LABEL_STUDIO}.get(request.file.suffix.lower())
    if kind is None:
        raise UsageError(
            f"{request.file.name} has neither the suffix .jsonl (our records) nor .json (Label Studio).",
            hint="Name the file accordingly.",
        )
    counts: Counter[str] = Counter()
    with Ledger(request.workspace / "work" / "annotation") as ledger, atomic_path(request.file) as temporary:
        rows = _chosen(ledger, request, kind, counts)
        lines = _records(rows) if kind is ImportFormat.RECORDS else _tasks(rows, ledger)
        with temporary.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(lines)
    return dict(counts)


def _chosen(
    ledger: Ledger, request: ExportRequest, kind: ImportFormat, counts: Counter[str]
) -> Iterator[StoredAnnotation]:
    for row in ledger.annotations(states=[AnnotationState.SUBMITTED]):
        wanted = not request.splits or row.split in request.splits
        if not wanted or row.annotation is None or (request.accepted and row.status is not AnnotationStatus.ACCEPTED):
            continue
        if kind is ImportFormat.LABEL_STUDIO and row.annotation.chain is None and row.annotation.note:
            counts["left_out"] += 1
            continue
        counts[row.split.value] += 1
        yield row


def _records(rows: Iterator[StoredAnnotation]) -> Iterator[str]:
    for row in rows:
        if row.annotation:
            yield row.annotation.model_dump_json() + "\n"


def _tasks(rows: Iterator[StoredAnnotation], ledger: Ledger) -> Iterator[str]:
    yield "["
    separator = "\n"
    for sample_id, group in groupby(rows, key=lambda row: row.sample_id):
        made = [_annotation(row, ledger) for row in group]
        task = {"data": {"id": sample_id}, "annotations": made}
        yield separator + json.dumps(task, ensure_ascii=False)
        separator = ",\n"
    yield "\n]\n"


def _annotation(row: StoredAnnotation, ledger: Ledger) -> dict[str, Any]:
    """Give back the results as they came; where a reviewer edited, or no page was involved, write them anew."""
    said = row.annotation
    edited = row.decision is not None and row.decision.edited is not None
    raw = json.loads(ledger.raw(row.id, row.version) or "{}")
    result = raw.get("result")
    if edited or not isinstance(result, list):
        chain = said.chain if said else None
        result = []
        if said and chain:
            result = encode_results(
                chain, boxes=said.clue_boxes, score=said.locatability_score, tags=said.scene_tags, split=row.split
            )
    return {
        "id": row.id,
        "annotator": row.annotator,
        "status": row.status.value,
        "lead_time": row.lead_time_s,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "was_cancelled": False,
        "result": result,
    }
