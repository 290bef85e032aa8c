"""Readers of foreign files: Label Studio's JSON export, our own JSON Lines, and free-text notes."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from geoseek.annotation.exchange.matching import Reference
from geoseek.annotation.exchange.reasons import EntryError, ImportReject, ImportRejectReason
from geoseek.schemas import InputError, UsageError

NOTE_COLUMNS = ("image", "text", "lat", "lng")
_SUFFIXES = {".json": "label-studio", ".jsonl": "records", ".ndjson": "records", ".csv": "notes", ".tsv": "notes"}


class ImportFormat(StrEnum):
    """What an imported file holds."""

    LABEL_STUDIO = "label-studio"
    RECORDS = "records"
    NOTES = "notes"


@dataclass(frozen=True)
class Entry:
    """One annotation as a file gives it, not yet looked at.

    Attributes:
        row: Where it stands in the file.
        reference: Which picture it is about.
        content: Label Studio's annotation, our record, or a note, as a mapping.
        annotator: Who made it, as the file says.
        original_id: Its id in the file, or its place among those of the same task.
        provenance: What the file says about all of its fields.
    """

    row: str
    reference: Reference
    content: Mapping[str, Any]
    annotator: str | None
    original_id: str
    provenance: Mapping[str, str]


def guess_format(path: Path) -> ImportFormat:
    """Tell the format from the suffix; a `.jsonl` whose first row has `text` and no `chain` holds notes.

    Raises:
        UsageError: The suffix says nothing.
        InputError: The file cannot be read.
    """
    known = _SUFFIXES.get(path.suffix.lower())
    if known is None:
        raise UsageError(
            f"The suffix of {path.name} does not say what it holds.",
            hint=f"Name it with --format {'|'.join(ImportFormat)}, or use {', '.join(_SUFFIXES)}.",
        )
    if known == ImportFormat.RECORDS:
        for _, row in _json_lines(path):
            if isinstance(row, dict) and "text" in row and "chain" not in row:
                return ImportFormat.NOTES
            break
    return ImportFormat(known)


def read_entries(path: Path, kind: ImportFormat) -> Iterator[Entry | ImportReject]:
    """Yield the annotations of a file, and a reject for each row that is none.

    Raises:
        InputError: The file cannot be read, or is of another format.
    """
    if kind is ImportFormat.LABEL_STUDIO:
        return _read_label_studio(path)
    if kind is ImportFormat.RECORDS:
        return _read_rows(_json_lines(path), _record_entry)
    rows = _json_lines(path) if path.suffix.lower() in (".jsonl", ".ndjson") else _table_rows(path)
    return _read_rows(rows, _note_entry)


def _read_label_studio(path: Path) -> Iterator[Entry | ImportReject]:
    try:
        tasks = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is not JSON (line {error.lineno}: {error.msg}).",
            hint="Export from Label Studio as JSON, not JSON-MIN or CSV; for JSON Lines use --format records.",
        ) from error
    if not isinstance(tasks, list):
        raise InputError(f"{path} holds no list of tasks.", hint="Export from Label Studio as JSON, not JSON-MIN.")
    for number, task in enumerate(tasks, start=1):
        made = task.get("annotations") if isinstance(task, dict) else None
        if not isinstance(made, list) or not isinstance(task.get("data"), dict):
            yield _malformed(f"task {number}", "no task with `data` and `annotations`", task)
            continue
        for place, annotation in enumerate(made, start=1):
            row = f"task {number}, annotation {place}"
            if isinstance(annotation, dict):
                yield _task_entry(row, task, annotation, place)
            else:
                yield _malformed(row, "not a mapping", annotation)


def _task_entry(row: str, task: Mapping[str, Any], annotation: Mapping[str, Any], place: int) -> Entry:
    data, meta = task["data"], task.get("meta") or {}
    provenance = {}
    if data.get("picture") or meta.get("picture"):
        provenance["picture"] = str(data.get("picture") or meta["picture"])
    return Entry(
        row,
        Reference(_word(data.get("id") or data.get("sample_id")), _word(data.get("image")), *_position(data)),
        annotation,
        _author(annotation),
        str(annotation.get("id") or place),
        provenance,
    )


def _author(annotation: Mapping[str, Any]) -> str | None:
    """Return a name that is safe to keep: a pseudonym, else the user's number, never an e-mail address."""
    user = annotation.get("completed_by")
    number = user.get("id") if isinstance(user, Mapping) else user
    return _word(annotation.get("annotator")) or (f"user-{number}" if isinstance(number, int) else None)


def _record_entry(row: str, content: Mapping[str, Any]) -> Entry:
    reference = Reference(_word(content.get("sample_id")), _word(content.get("image")), *_position(content))
    return Entry(row, reference, content, _word(content.get("annotator")), str(content.get("id") or ""), {})


def _note_entry(row: str, content: Mapping[str, Any]) -> Entry:
    if not _word(content.get("text")):
        raise EntryError(ImportRejectReason.EMPTY, "`text` is empty")
    reference = Reference(_word(content.get("id")), _word(content.get("image")), *_position(content))
    return Entry(row, reference, content, _word(content.get("annotator")), "", {})


def _read_rows(rows: Iterator[tuple[str, Any]], make: Any) -> Iterator[Entry | ImportReject]:
    for row, content in rows:
        if not isinstance(content, dict):
            yield _malformed(f"line {row}", "not a mapping of names and values", content)
            continue
        try:
            yield make(f"line {row}", content)
        except EntryError as error:
            yield ImportReject(f"line {row}", error.reason, error.detail, json.dumps(content, ensure_ascii=False))


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            try:
                yield str(number), json.loads(line)
            except json.JSONDecodeError:
                yield str(number), line


def _table_rows(path: Path) -> Iterator[tuple[str, Any]]:
    lines = _text(path).splitlines(keepends=True)
    reader = csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    header = [name.strip().lower() for name in next(reader, [])]
    if "text" not in header or not set(header) & {"image", "id", "lat"}:
        raise InputError(
            f"{path} has the columns {', '.join(header) or '(none)'}.",
            hint=f"Notes need `text` and one of `id`, `image`, or `lat` and `lng`; usual: {', '.join(NOTE_COLUMNS)}.",
        )
    for fields in reader:
        if fields:
            row = str(reader.line_num)
            yield row, dict(zip(header, fields, strict=True)) if len(fields) == len(header) else fields


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}).", hint="Save it as UTF-8.") from error


def _malformed(row: str, detail: str, content: Any) -> ImportReject:
    return ImportReject(row, ImportRejectReason.MALFORMED_ROW, detail, json.dumps(content, ensure_ascii=False))


def _word(value: Any) -> str | None:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text or None


def _position(content: Mapping[str, Any]) -> tuple[float | None, float | None]:
    axes = []
    for name in ("lat", "lng"):
        try:
            value = float(content.get(name, ""))
        except (TypeError, ValueError):
            return None, None
        axes.append(value if math.isfinite(value) else None)
    return axes[0], axes[1]
