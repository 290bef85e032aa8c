"""What a reviewer decides: accept, reject with a reason, edit; every decision is added to the ledger, none replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from pydantic import ValidationError

from geoseek.annotation.ledger import AnnotationState, Decision, Ledger, StoredAnnotation, Verdict
from geoseek.annotation.review.rules import Rule
from geoseek.annotation.review.run import REVIEWABLE
from geoseek.schemas import Annotation, AnnotationStatus, InputError, UsageError

Consequence = Literal["queue", "reserve"]
SHORTEST_HANDLE = 6
_FEWEST_TYPED = 4
EDITABLE = (
    "chain",
    "clue_boxes",
    "locatability_score",
    "scene_tags",
    "sub_scores",
    "main_clues",
    "note",
    "language",
)
"""Fields of the record that a reviewer may change."""


class Handles:
    """Short names of annotations, as Git has them for commits: the beginning of a hash, as long as needed.

    A handle names one version: after a re-edit the old handle no longer fits, so that nobody decides on words that they
    have not seen.

    Args:
        rows: The last version of each annotation.
    """

    def __init__(self, rows: Iterable[StoredAnnotation]) -> None:
        self._rows = {_hash(row.id, row.version): row for row in rows}
        self._by_id = {row.id: row for row in self._rows.values()}
        self.length = _distinct_length(sorted(self._rows))

    def short(self, row: StoredAnnotation) -> str:
        """Return the handle of an annotation."""
        return _hash(row.id, row.version)[: self.length]

    def find(self, text: str, ledger: Ledger) -> StoredAnnotation:
        """Return the annotation that a handle, the beginning of one, or a whole id means.

        Raises:
            UsageError: None does, several do, or a newer version has come since.
        """
        wanted = text.strip()
        if wanted in self._by_id:
            return self._by_id[wanted]
        matching = [row for key, row in self._rows.items() if key.startswith(wanted.lower())]
        if len(matching) == 1 and len(wanted) >= _FEWEST_TYPED:
            return matching[0]
        if matching:
            some = ", ".join(sorted(_hash(row.id, row.version)[: self.length + 2] for row in matching)[:8])
            raise UsageError(f"{text!r} fits {len(matching)} annotations.", hint=f"Type more of it: {some} ...")
        for row in ledger.annotations(history=True):
            if len(wanted) >= _FEWEST_TYPED and _hash(row.id, row.version).startswith(wanted.lower()):
                newer = self._by_id[row.id]
                raise UsageError(
                    f"{text!r} is version {row.version} of an annotation that has version {newer.version} by now.",
                    hint=f"Look at it with `geoseek annotate review show {self.short(newer)}`.",
                )
        raise UsageError(
            f"There is no annotation {text!r}.", hint="`geoseek annotate review` lists those in the queue."
        )


def _hash(annotation_id: str, version: int) -> str:
    return hashlib.sha256(f"{version} {annotation_id}".encode()).hexdigest()


def _distinct_length(ordered: Sequence[str]) -> int:
    """Return how many characters tell sorted texts apart, at least six.

    >>> _distinct_length(["aaaaaaaaaa", "aaaaaaabbb"])
    8
    """
    shared = (
        next((at for at, (x, y) in enumerate(zip(one, two, strict=True)) if x != y), len(one))
        for one, two in pairwise(ordered)
    )
    return max(SHORTEST_HANDLE, 1 + max(shared, default=0))


def review_queue(rows: Iterable[StoredAnnotation]) -> list[StoredAnnotation]:
    """Return what waits for a reviewer, the gravest first: by the worst rule, then by how many, then by sample."""
    waiting = [row for row in rows if row.state in REVIEWABLE and row.decision is None and row.flags]
    return sorted(waiting, key=lambda row: (*_gravity(row), row.sample_id, row.id))


def _gravity(row: StoredAnnotation) -> tuple[int, int]:
    return min(Rule(note.code).severity for note in row.flags), -len(row.flags)


def clean_annotations(rows: Iterable[StoredAnnotation]) -> list[StoredAnnotation]:
    """Return what can be accepted without a look: submitted, with words in it, no flag, no decision."""
    return [
        row
        for row in rows
        if row.state is AnnotationState.SUBMITTED and row.annotation and not row.flags and row.decision is None
    ]


@dataclass(frozen=True)
class Outcome:
    """What became of a decision.

    Attributes:
        row: The annotation as it was.
        decision: What was decided now.
        before: What had been decided before; None if nothing.
        changed: False if the same had been decided before, so that nothing was added.
    """

    row: StoredAnnotation
    decision: Decision
    before: Decision | None
    changed: bool


def accept(ledger: Ledger, rows: Iterable[StoredAnnotation], *, reviewer: str) -> list[Outcome]:
    """Accept annotations as they stand; an annotation that was edited stays accepted as edited.

    Raises:
        UsageError: One of them holds nothing that could be accepted; none is accepted then.
    """
    chosen = _with_words(rows)
    return decide(ledger, [(row, Decision(row.id, row.version, Verdict.ACCEPTED, reviewer)) for row in chosen])


def reject(
    ledger: Ledger, rows: Iterable[StoredAnnotation], *, reviewer: str, reason: str, to: Consequence = "queue"
) -> list[Outcome]:
    """Reject annotations; their samples go back to the queue, or give way to the next reserve rank.

    Raises:
        UsageError: The reason is empty.
    """
    if not reason.strip():
        raise UsageError("The reason is empty.", hint="Say what was wrong; others will read it.")
    verdict = Verdict.REJECTED
    return decide(ledger, [(row, Decision(row.id, row.version, verdict, reviewer, reason.strip(), to)) for row in rows])


def edit(ledger: Ledger, row: StoredAnnotation, changes: Mapping[str, Any], *, reviewer: str, origin: str) -> Outcome:
    """Accept an annotation with other words; the original stays in the ledger.

    Args:
        ledger: Open.
        row: The annotation.
        changes: The record as `review show ID --record` prints it, changed; or some fields of it; or a chain alone.
        reviewer: Who edits.
        origin: Name of the file, for messages.

    Raises:
        InputError: The record is not valid, or a field was changed that says whose annotation it is.
    """
    edited = edited_record(row, changes, origin=origin)
    (outcome,) = decide(ledger, [(row, Decision(row.id, row.version, Verdict.EDITED, reviewer, edited=edited))])
    return outcome


def edited_record(row: StoredAnnotation, changes: Mapping[str, Any], *, origin: str) -> Annotation:
    """Return the record of an annotation with a reviewer's changes, checked.

    Raises:
        InputError: See `edit`.
    """
    if row.annotation is None:
        raise _nothing_there(row)
    wanted = {"chain": changes} if "country" in changes and "chain" not in changes else dict(changes)
    old = row.annotation.model_dump(mode="json")
    for field, value in wanted.items():
        if field not in old:
            raise InputError(f"{origin}: there is no field {field!r}.", hint=f"Editable: {', '.join(EDITABLE)}.")
        if field not in (*EDITABLE, "provenance", "status") and value != old[field]:
            raise InputError(
                f"{origin}: {field} is {value!r}, but the annotation's is {old[field]!r}.",
                hint=f"Only these fields can be edited: {', '.join(EDITABLE)}.",
            )
    changed = {field: wanted[field] for field in EDITABLE if field in wanted}
    try:
        record = Annotation.model_validate({**old, **changed})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{origin}: {where}: {first['msg'].lower()}.", hint="The original is unchanged.") from error
    _check_words(record, origin)
    provenance = _provenance(row.annotation, record)
    # The ledger fills in the status; as part of the record it would make the same edit look like another one.
    return record.model_copy(update={"provenance": provenance, "status": AnnotationStatus.SUBMITTED})


def _check_words(record: Annotation, origin: str) -> None:
    """Check what the types do not say: no stage with an empty part, no box that points to a clue that is not there."""
    stages = record.chain.stages() if record.chain else {}
    for name, stage in stages.items():
        filled = {"clues": all(map(str.strip, stage.clues)) and stage.clues, "reasoning": stage.reasoning.strip()}
        for part, text in {**filled, "conclusion": stage.conclusion.strip()}.items():
            if not text:
                raise InputError(f"{origin}: chain.{name}.{part} is empty.", hint="Leave out the whole stage (null).")
    if record.chain and not record.chain.final_answer.strip():
        raise InputError(f"{origin}: chain.final_answer is empty.", hint="Write `Country; Region; Place`.")
    for number, box in enumerate(record.clue_boxes):
        known = len(stages[box.stage].clues) if box.stage in stages else 0
        if box.clue_index is not None and not 0 <= box.clue_index < known:
            raise InputError(
                f"{origin}: clue_boxes.{number} points to clue {box.clue_index} of the {box.stage} stage, which has "
                f"{known}.",
                hint="Clues are counted from 0; null for a box that shows none of them.",
            )


def _provenance(old: Annotation, new: Annotation) -> dict[str, str]:
    """Return the provenance with every field that was edited marked as such."""
    before, after = _fields(old), _fields(new)
    marked = dict(new.provenance)
    for field, value in after.items():
        if value != before.get(field):
            author = old.provenance.get(field, "human")
            marked[field] = author if author == "human" or author.endswith(", edited") else f"{author}, edited"
    return {field: author for field, author in marked.items() if field == "picture" or after.get(field, author)}


def _fields(record: Annotation) -> dict[str, Any]:
    """Return what has a provenance of its own: the parts of the chain, and the editable fields beside it."""
    chain = record.chain.model_dump() if record.chain else {}
    parts = {f"chain.{part}": chain.get(part) for part in ("country", "region", "precise", "final_answer")}
    return parts | {field: getattr(record, field) for field in EDITABLE if field != "chain"}


def _with_words(rows: Iterable[StoredAnnotation]) -> list[StoredAnnotation]:
    chosen = list(rows)
    for row in chosen:
        if row.annotation is None or row.state not in REVIEWABLE:
            raise _nothing_there(row)
    return chosen


def _nothing_there(row: StoredAnnotation) -> UsageError:
    return UsageError(
        f"{row.id} by {row.annotator} holds nothing to accept: it is {row.state.value}.",
        hint="Reject it, so that the sample is annotated again.",
    )


def decide(ledger: Ledger, decisions: Iterable[tuple[StoredAnnotation, Decision]]) -> list[Outcome]:
    """Add decisions to the ledger, all or none; one that says what was decided before is not added again.

    Raises:
        UsageError: An annotation was edited by its annotator since `row` was read.
    """
    with ledger.transaction():
        return [add_decision(ledger, row, decision) for row, decision in decisions]


def add_decision(ledger: Ledger, row: StoredAnnotation, decision: Decision) -> Outcome:
    """Do the same for one decision, inside a transaction of the caller."""
    now = next((now for now in ledger.annotations(sample_id=row.sample_id) if now.id == row.id), row)
    if now.version != row.version:
        raise UsageError(
            f"A newer version of {row.id} has come in the meantime.", hint="Nothing was decided. Look again."
        )
    outcome = Outcome(row, decision, now.decision, now.decision is None or not _same(now.decision, decision))
    if outcome.changed:
        ledger.add_decision(decision)
    return outcome


def _same(before: Decision, now: Decision) -> bool:
    if now.verdict is Verdict.ACCEPTED:
        return before.verdict is not Verdict.REJECTED
    return (before.verdict, before.reason, before.consequence, before.edited) == (
        now.verdict,
        now.reason,
        now.consequence,
        now.edited,
    )
