"""The review as text for a terminal, which must not be steered by what annotators wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from geoseek.annotation.ledger import Note, StoredAnnotation
    from geoseek.annotation.review import Handles


def summary(row: StoredAnnotation, handles: Handles) -> dict[str, Any]:
    """Return what the queue tells of an annotation, for `--json`."""
    decision = row.decision
    return {
        "handle": handles.short(row),
        "id": row.id,
        "version": row.version,
        "sample_id": row.sample_id,
        "split": row.split.value,
        "annotator": row.annotator,
        "state": row.state.value,
        "rules": {note.code: note.detail for note in row.flags},
        "decision": None
        if decision is None
        else {
            "verdict": decision.verdict.value,
            "reviewer": decision.reviewer,
            "decided_at": decision.decided_at,
            "reason": decision.reason,
            "consequence": decision.consequence,
        },
    }


def queue_lines(rows: Iterable[StoredAnnotation], handles: Handles) -> Iterator[str]:
    """Yield annotations with what the rules found."""
    for row in rows:
        yield visible(f"{handles.short(row)}  {row.split.value}  {row.sample_id}  by {row.annotator}")
        for note in _graded(row):
            yield visible(f"  {note.code:<14} {note.detail}")


def _graded(row: StoredAnnotation) -> list[Note]:
    from geoseek.annotation.review import Rule

    return sorted(row.flags, key=lambda note: Rule(note.code).severity)


def card_lines(row: StoredAnnotation, beside: Iterable[StoredAnnotation], handles: Handles) -> Iterator[str]:
    """Yield an annotation as text for a terminal."""
    from geoseek.annotation.review import Rule

    took = "" if row.lead_time_s is None else f", {row.lead_time_s:.0f} s"
    yield visible(f"{handles.short(row)}  {row.split.value}  {row.sample_id}  by {row.annotator}")
    yield visible(f"  {row.id}, version {row.version}, {row.state.value} {row.created_at or ''}{took}")
    for note in _graded(row):
        yield visible(f"  {note.code}: {note.detail}  ({Rule(note.code).description})")
    for problem in row.problems:
        yield visible(f"  when read: {problem.detail}")
    if row.decision is not None:
        reason = f": {row.decision.reason}" if row.decision.reason else ""
        when = (row.decision.decided_at or "")[:16]
        yield visible(f"  {row.decision.verdict.value} by {row.decision.reviewer} on {when} UTC{reason}")
    yield from _word_lines(row)
    for other in beside:
        answer = other.annotation.chain.final_answer if other.annotation and other.annotation.chain else "no chain"
        yield visible(f"beside it: {handles.short(other)} by {other.annotator}, {other.status.value}: {answer}")


def _word_lines(row: StoredAnnotation) -> Iterator[str]:
    if row.annotation is None:
        return
    chain = row.annotation.chain
    for name, stage in chain.stages().items() if chain else ():
        yield ""
        yield visible(f"{name.value.upper()}: {stage.conclusion}  (uncertainty {stage.uncertainty.value.lower()})")
        yield from (visible(f"  - {clue}") for clue in stage.clues)
        yield from (visible(f"  {line}") for line in stage.reasoning.splitlines())
    if chain:
        yield ""
        yield visible(f"ANSWER: {chain.final_answer}")
    if row.annotation.locatability_score is not None:
        tags = ", ".join(f"{tag} {answer}" for tag, answer in row.annotation.scene_tags.items() if answer != "no")
        yield visible(f"LOCATABILITY: {row.annotation.locatability_score:g}  {tags}")
    if row.annotation.note:
        yield from (visible(f"REMARK: {line}") for line in row.annotation.note.splitlines())


_STEERING = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def visible(text: str) -> str:
    r"""Return a line whose control characters and changes of writing direction are written out, not obeyed.

    >>> visible("a\x1b[2Jb 日本")
    'a\\u001b[2Jb 日本'
    """
    return text.translate(_STEERING)


def print_json(value: Any) -> None:
    """Print JSON that people can read and a terminal survives."""
    import json as json_module

    text = json_module.dumps(value, ensure_ascii=False, indent=1)
    typer.echo("\n".join(visible(line) for line in text.split("\n")))
