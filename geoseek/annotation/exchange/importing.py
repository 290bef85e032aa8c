"""Bring annotations of another tool, another workspace or a file of notes into the ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from geoseek.annotation.exchange.matching import SampleIndex, read_sample_index
from geoseek.annotation.exchange.readers import Entry, ImportFormat, guess_format, read_entries
from geoseek.annotation.exchange.reasons import EntryError, ImportReject, ImportRejectReason
from geoseek.annotation.forms import TaskContext, decode_annotation
from geoseek.annotation.ledger import AnnotationState, Ledger, NewAnnotation, Note, Purpose
from geoseek.schemas import Annotation, AnnotationStatus, Split, parse_chain
from geoseek.workspace import exclusive, progress_bar, stable_digest, write_text

ANONYMOUS = "anonymous"
_NOT_CONTENT = frozenset({"id", "version", "status", "created_at", "updated_at", "lead_time_s"})


@dataclass(frozen=True)
class ImportRequest:
    """A file to import.

    Attributes:
        workspace: Folder of the workspace.
        file: The file.
        format: What it holds; None to tell from its name.
        annotator: Pseudonym for all of it; None for what the file says.
        provenance: Who wrote it (human, rule, synthetic, `model NAME`); None for what the file says, else human.
    """

    workspace: Path
    file: Path
    format: ImportFormat | None = None
    annotator: str | None = None
    provenance: str | None = None


@dataclass(frozen=True)
class ImportResult:
    """What became of the entries: `read = new + changed + unchanged + rejected`.

    Attributes:
        problems: Code of the decoder -> how many entries have it.
        reasons: Code of the reject -> how many.
        rejects: The file with the rejected entries, if there are any.
    """

    read: int
    new: int
    changed: int
    unchanged: int
    rejected: int
    problems: dict[str, int]
    reasons: dict[str, int]
    rejects: Path | None


def import_file(request: ImportRequest) -> ImportResult:
    """Import a file into the ledger, in one transaction; importing it again changes nothing.

    Raises:
        InputError: The file cannot be read, or there are no samples yet.
        UsageError: The format cannot be told.
        LedgerError: The ledger cannot be used.
    """
    kind = request.format or guess_format(request.file)
    index = read_sample_index(request.workspace)
    folder = request.workspace / "work" / "annotation"
    counts: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    rejects: list[ImportReject] = []
    with (
        exclusive(folder, doing="importing"),
        Ledger(folder) as ledger,
        ledger.transaction(),
        progress_bar(total=None, label="Importing", unit="annotations") as bar,
    ):
        for item in _incoming(request, kind, index):
            bar.update(1)
            if isinstance(item, ImportReject):
                rejects.append(item)
                continue
            ledger.add_annotator(item.annotator, active=False)
            counts[_add(ledger, item)] += 1
            problems.update({note.code for note in item.problems})
    written = _write_rejects(folder, request.file, rejects)
    return ImportResult(
        read=sum(counts.values()) + len(rejects),
        new=counts["new"],
        changed=counts["changed"],
        unchanged=counts["unchanged"],
        rejected=len(rejects),
        problems=dict(sorted(problems.items())),
        reasons=dict(sorted(Counter(reject.reason.value for reject in rejects).items())),
        rejects=written,
    )


def content_digest(annotation: Annotation, *, origin: bool = True) -> str:
    """Return the digest of what was said, whoever numbered or dated it; `origin=False` leaves out who wrote it, too."""
    left_out = _NOT_CONTENT if origin else _NOT_CONTENT | {"provenance"}
    return stable_digest(annotation.model_dump(mode="json", exclude=set(left_out)))


def _add(ledger: Ledger, new: NewAnnotation) -> str:
    if new.annotation is not None and _is_there(ledger, new, new.annotation):
        return "unchanged"
    version = ledger.add_annotation(new)
    return "unchanged" if version is None else "new" if version == 1 else "changed"


def _is_there(ledger: Ledger, new: NewAnnotation, annotation: Annotation) -> bool:
    """Tell whether the annotator said the same under another id: the file may be an export of this very ledger."""
    said = content_digest(annotation, origin=False)
    return any(
        content_digest(stored.annotation, origin=False) == said
        for stored in ledger.annotations(sample_id=new.sample_id)
        if stored.id != new.id and stored.annotator == new.annotator and stored.annotation is not None
    )


def _incoming(request: ImportRequest, kind: ImportFormat, index: SampleIndex) -> Iterator[NewAnnotation | ImportReject]:
    for entry in read_entries(request.file, kind):
        if isinstance(entry, ImportReject):
            yield entry
            continue
        raw = json.dumps(entry.content, ensure_ascii=False, sort_keys=True)
        try:
            sample_id = index.find(entry.reference, request.file.parent)
            yield _new(entry, kind, sample_id, index.split_of[sample_id], raw, request)
        except EntryError as error:
            yield ImportReject(entry.row, error.reason, error.detail, raw)


def _new(
    entry: Entry, kind: ImportFormat, sample_id: str, split: Split, raw: str, request: ImportRequest
) -> NewAnnotation:
    annotator = request.annotator or entry.annotator or ANONYMOUS
    number = stable_digest([sample_id, annotator, entry.original_id])[:20]
    context = TaskContext(
        annotation_id=f"file:{number}",
        version=1,
        sample_id=sample_id,
        split=split,
        annotator=annotator,
        provenance=entry.provenance,
    )
    state = AnnotationState.SUBMITTED
    problems: tuple[Note, ...] = ()
    if kind is ImportFormat.LABEL_STUDIO:
        content = dict(entry.content) | ({"provenance": request.provenance} if request.provenance else {})
        annotation, found = decode_annotation(content, context)
        problems = tuple(Note(note.problem.value, note.detail) for note in found)
        state = AnnotationState.SKIPPED if entry.content.get("was_cancelled") else state
    elif kind is ImportFormat.RECORDS:
        annotation = _from_record(entry.content, context, request.provenance)
    else:
        annotation = _from_note(entry.content, context, request.provenance)
    if state is AnnotationState.SUBMITTED and not _says_something(annotation):
        raise EntryError(ImportRejectReason.EMPTY, "; ".join(note.detail for note in problems) or "no content")
    said = annotation if state is AnnotationState.SUBMITTED else None
    return NewAnnotation(
        id=context.annotation_id,
        purpose=Purpose.ANNOTATE,
        task_key=None,
        sample_id=sample_id,
        split=split,
        annotator=annotator,
        state=state,
        digest=stable_digest([content_digest(annotation), state]),
        origin=f"file:{request.file.name}",
        raw=raw,
        annotation=said,
        problems=problems,
        lead_time_s=annotation.lead_time_s,
        created_at=annotation.created_at,
        updated_at=annotation.updated_at,
    )


def _blank(context: TaskContext) -> dict[str, Any]:
    return {
        "id": context.annotation_id,
        "version": context.version,
        "sample_id": context.sample_id,
        "split": context.split,
        "annotator": context.annotator,
        "status": AnnotationStatus.SUBMITTED,
        "chain": None,
        "clue_boxes": (),
        "locatability_score": None,
        "scene_tags": {},
        "sub_scores": {},
        "main_clues": (),
        "note": None,
        "language": None,
        "config_version": None,
        "handbook_version": None,
        "lead_time_s": None,
        "created_at": None,
        "updated_at": None,
        "provenance": {"picture": "photo"},
    }


def _from_record(content: Mapping[str, Any], context: TaskContext, provenance: str | None) -> Annotation:
    """Read our record; fields that are not there are empty, `chain` may be in the published form or text."""
    blank = _blank(context)
    ours = {"id", "version", "sample_id", "split", "annotator", "status", "image", "lat", "lng"}
    given = {name: value for name, value in content.items() if name not in ours}
    unknown = sorted(set(given) - set(blank))
    if unknown:
        raise EntryError(ImportRejectReason.BAD_RECORD, f"unknown field {', '.join(unknown)}")
    filled = [name for name in ("chain", "clue_boxes", "locatability_score", "scene_tags", "note") if given.get(name)]
    origin = provenance or "human"
    values = blank | given
    values["provenance"] = {"picture": "photo", **dict.fromkeys(filled, origin)} | (given.get("provenance") or {})
    if provenance:
        values["provenance"] |= dict.fromkeys(filled, provenance)
    values["chain"] = _chain(given.get("chain"))
    try:
        return Annotation.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EntryError(ImportRejectReason.BAD_RECORD, f"{where}: {first['msg']}; found {first['input']!r}") from error


def _chain(value: Any) -> Any:
    if isinstance(value, Mapping) and "country" not in value:
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        parsed = parse_chain(value)
        if parsed.chain is None:
            detail = parsed.failure.detail if parsed.failure else "no chain"
            raise EntryError(ImportRejectReason.BAD_RECORD, f"chain: {detail}")
        return parsed.chain
    return value


def _from_note(content: Mapping[str, Any], context: TaskContext, provenance: str | None) -> Annotation:
    language = str(content.get("language") or "").strip() or None
    origin = provenance or "human"
    made_by = {"picture": "photo", "note": origin}
    said = {"note": str(content["text"]).strip(), "language": language, "provenance": made_by}
    return Annotation.model_validate(_blank(context) | said)


def _says_something(annotation: Annotation) -> bool:
    return bool(
        annotation.chain or annotation.locatability_score is not None or annotation.scene_tags or annotation.note
    )


def _write_rejects(folder: Path, file: Path, rejects: list[ImportReject]) -> Path | None:
    target = folder / "rejects" / f"{file.name}.jsonl"
    if not rejects:
        target.unlink(missing_ok=True)
        return None
    lines = (json.dumps({**asdict(reject), "reason": reject.reason.value}, ensure_ascii=False) for reject in rejects)
    write_text(target, "".join(f"{line}\n" for line in lines))
    return target
