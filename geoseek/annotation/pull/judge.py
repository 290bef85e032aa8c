"""What the annotations of a task on the server mean for the ledger: counted, skipped, or set aside, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geoseek.annotation.forms import ProblemNote, TaskContext, decode_annotation
from geoseek.annotation.ledger import AnnotationState, NewAnnotation, Note, Task
from geoseek.annotation.pull.changes import parse_time
from geoseek.schemas import Annotation, DescribedCode
from geoseek.workspace import stable_digest


class SetAside(DescribedCode):
    """Why an annotation is quarantined: kept with all its words, but not counted."""

    OTHER_PERSON = "other_person", "made by somebody else than the annotator of the project"
    CHANGED_BY_OTHER = "changed_by_other", "changed by somebody else than the annotator of the project"
    UNKNOWN_ACCOUNT = "unknown_account", "the annotator's account on the server is not known"
    OLDER = "older", "the annotator made a newer annotation of the same task, and the newest counts"
    SECOND_COPY = "second_copy", "made in a second copy of the task"


@dataclass(frozen=True)
class Desk:
    """What is known about the annotator of a project.

    Attributes:
        server: Identity of the server, part of the ids.
        account: Number of the annotator's account on the server; None if it is not known.
        people: Number of an account -> pseudonym, for those in the ledger.
        forms: Since when which labelling page and which handbook were shown, oldest first.
        synthetic: Samples whose picture is drawn.
    """

    server: str
    account: int | None
    people: Mapping[int, str]
    forms: Sequence[tuple[datetime, int, int]]
    synthetic: frozenset[str] = frozenset()


def judge(found: Sequence[Mapping[str, Any]], task: Task, desk: Desk, *, copy: bool = False) -> list[NewAnnotation]:
    """Turn all annotations of one task, as the server lists them, into rows of the ledger.

    Annotations by others, or changed by others, are set aside; of several by the annotator that were submitted, the
    newest counts. Skipping counts as said, whatever else there is.

    Args:
        found: The annotations.
        task: The task as the ledger knows it.
        desk: The annotator.
        copy: The task is a second copy on the server of the one that the ledger knows.
    """
    aside = {raw["id"]: SetAside.SECOND_COPY if copy else _strange(raw, desk) for raw in found}
    own = [raw for raw in found if aside[raw["id"]] is None and not raw["was_cancelled"]]
    newest = max(own, key=lambda raw: (parse_time(raw["created_at"]), raw["id"]), default=None)
    for raw in own:
        if raw is not newest:
            aside[raw["id"]] = SetAside.OLDER
    return [_row(raw, task, desk, aside[raw["id"]]) for raw in found]


def _strange(raw: Mapping[str, Any], desk: Desk) -> SetAside | None:
    if desk.account is None:
        return SetAside.UNKNOWN_ACCOUNT
    if raw["completed_by"] != desk.account:
        return SetAside.OTHER_PERSON
    if raw["updated_by"] not in (None, desk.account):
        return SetAside.CHANGED_BY_OTHER
    return None


def _row(raw: Mapping[str, Any], task: Task, desk: Desk, aside: SetAside | None) -> NewAnnotation:
    state = AnnotationState.SUBMITTED
    if aside:
        state = AnnotationState.QUARANTINED
    elif raw["was_cancelled"]:
        state = AnnotationState.SKIPPED
    number = raw["id"]
    config_version, handbook_version = _forms_at(desk.forms, raw["updated_at"])
    provenance = {"picture": "synthetic"} if task.sample_id in desk.synthetic else {}
    if task.draft:
        provenance["draft"] = task.draft.rpartition(" ")[0]
    annotation: Annotation | None = None
    problems: tuple[ProblemNote, ...] = ()
    if state is not AnnotationState.SKIPPED:
        context = TaskContext(
            annotation_id=f"studio:{desk.server}:{number}",
            version=1,
            sample_id=task.sample_id,
            split=task.split,
            annotator=task.annotator,
            config_version=config_version,
            handbook_version=handbook_version,
            provenance=provenance,
        )
        annotation, problems = decode_annotation(raw, context)
    said = [raw[key] for key in ("result", "was_cancelled", "completed_by")]
    return NewAnnotation(
        id=f"studio:{desk.server}:{number}",
        purpose=task.purpose,
        task_key=task.key,
        sample_id=task.sample_id,
        split=task.split,
        annotator=task.annotator,
        state=state,
        digest=stable_digest([said, aside]),
        origin=desk.server,
        raw=json.dumps(raw),
        annotation=annotation,
        reason=_reason(raw, desk, aside) if aside else None,
        problems=tuple(Note(note.problem, note.detail) for note in problems),
        config_version=config_version,
        handbook_version=handbook_version,
        lead_time_s=annotation.lead_time_s if annotation else raw.get("lead_time"),
        created_at=raw["created_at"],
        updated_at=raw["updated_at"],
    )


def _reason(raw: Mapping[str, Any], desk: Desk, aside: SetAside) -> str:
    who = {SetAside.OTHER_PERSON: raw["completed_by"], SetAside.CHANGED_BY_OTHER: raw["updated_by"]}.get(aside)
    name = "" if who is None else f": {desk.people.get(who, f'account {who}')}"
    return f"{aside.description}{name}"


def _forms_at(forms: Sequence[tuple[datetime, int, int]], text: str) -> tuple[int, int]:
    """Return the versions that were shown when a version was saved; the oldest for anything before."""
    moment = parse_time(text)
    shown = [versions for since, *versions in forms if since <= moment] or [list(forms[0][1:])]
    return shown[-1][0], shown[-1][1]
