"""From the adjudication project back to the ledger: what was chosen becomes decisions about the chains."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseek.annotation.ledger import (
    AnnotationState,
    Decision,
    Ledger,
    Mirror,
    NewAnnotation,
    Note,
    Project,
    Purpose,
    StoredAnnotation,
    Verdict,
)
from geoseek.annotation.projects.blind import Blinder, open_blinder
from geoseek.annotation.pull.changes import Json, changed_tasks, task_key
from geoseek.annotation.pull.desk import desks, look_up_accounts
from geoseek.annotation.pull.drawn import drawn_samples
from geoseek.annotation.pull.judge import Desk, judge
from geoseek.annotation.review.board import OWN, VERDICT
from geoseek.annotation.review.decisions import add_decision, edited_record
from geoseek.annotation.server import StudioError
from geoseek.schemas import Annotation, DescribedCode, InputError
from geoseek.workspace import exclusive

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

FOLDER = Path("work", "annotation")
LOCK_WAIT_S = 30.0
ADJUDICATED = "adjudicated"
"""Reason with which the chains are rejected that did not win."""

Pair = tuple[StoredAnnotation, Decision]


class Unsettled(DescribedCode):
    """Why a verdict decides nothing."""

    NO_VERDICT = "no_verdict", "no chain was chosen"
    STALE = "stale_verdict", "a chain was changed by its annotator after it was put up; the next push puts it up again"
    INCOMPLETE = "incomplete_own_text", "the own text is not complete; open the task again and complete it"


@dataclass
class PulledVerdicts:
    """What came from the adjudication.

    Attributes:
        settled: Disputes that were decided by this pull.
        accepted: Chains that were accepted.
        rejected: Chains that were rejected.
        edited: Chains that were replaced by the reviewer's own text.
        unchanged: Verdicts that were known.
        skipped: Tasks that the reviewer skipped.
        quarantined: Verdicts by somebody else than the reviewer; they decide nothing.
        unsettled: Sample -> why its verdict decides nothing.
        gone: Numbers of adjudication projects that are no longer on the server.
    """

    settled: int = 0
    accepted: int = 0
    rejected: int = 0
    edited: int = 0
    unchanged: int = 0
    skipped: int = 0
    quarantined: int = 0
    unsettled: dict[str, str] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)


def pull_verdicts(workspace: Path, studio: Studio) -> PulledVerdicts:
    """Read the verdicts from the server and decide accordingly; a second pull changes nothing.

    Raises:
        StudioError: The server fails; the next pull goes on.
        LedgerError: The ledger cannot be used.
        OutputError: A push or pull is at work.
    """
    folder = workspace / FOLDER
    with exclusive(folder, doing="pushing or pulling", wait_s=LOCK_WAIT_S), Ledger(folder) as ledger:
        return read_verdicts(workspace, studio, ledger)


def read_verdicts(workspace: Path, studio: Studio, ledger: Ledger) -> PulledVerdicts:
    """Do the same with a ledger that is open and a lock that is held."""
    found = PulledVerdicts()
    projects = ledger.projects(studio.identity, Purpose.ADJUDICATE)
    if not projects:
        return found
    look_up_accounts(ledger, studio, projects)
    known = desks(ledger, projects, drawn_samples(workspace))
    blinder = open_blinder(workspace / FOLDER, create=False)
    for project in projects:
        desk = _Desk(ledger, project, known[project.id], blinder, found)
        try:
            for page in changed_tasks(studio, project.server_project_id, since=None):
                with ledger.transaction():
                    desk.take(page)
            with ledger.transaction():
                desk.note_deleted()
        except StudioError as error:
            if error.status != 404:
                raise
            found.gone.append(project.server_project_id)
    return found


class _Desk:
    """The verdicts of one project."""

    def __init__(self, ledger: Ledger, project: Project, desk: Desk, blinder: Blinder, found: PulledVerdicts) -> None:
        self._ledger = ledger
        self._mirror = Mirror(ledger, project)
        self._desk = desk
        self._found = found
        self._rivals = {blinder.annotation_ref(row.id, row.version): row for row in ledger.annotations()}
        self._gone = {known.id for known in self._mirror.annotations().values()}

    def take(self, page: Iterable[Json]) -> None:
        """Enter a page of tasks and what was said about them."""
        tasks = list(page)
        keys = {task["id"]: task_key(task) for task in tasks}
        by_number, by_key = self._mirror.tasks(keys, keys.values())
        for there in tasks:
            task = by_number.get(there["id"]) or by_key.get(keys[there["id"]])
            if task is None:
                continue
            for new in judge(there["annotations"], task, self._desk):
                self._gone.discard(new.id)
                self._keep(new, there["data"])

    def note_deleted(self) -> None:
        """Note the verdicts that are no longer on the server; what they decided stays."""
        self._mirror.mark_deleted(sorted(self._gone))

    def _keep(self, new: NewAnnotation, data: Mapping[str, Any]) -> None:
        pairs: list[Pair] = []
        problems = [note for note in new.problems if VERDICT not in note.detail]
        if new.state is AnnotationState.SUBMITTED:
            settled = settle(chosen(new), data, new.annotation, self._rivals, reviewer=new.annotator)
            if isinstance(settled, Note):
                problems.append(settled)
                self._found.unsettled[new.sample_id] = settled.detail
            else:
                pairs = settled
        if self._ledger.add_annotation(replace(new, problems=tuple(problems))) is None:
            self._found.unchanged += 1
            self._found.unsettled.pop(new.sample_id, None)
            return
        self._found.skipped += new.state is AnnotationState.SKIPPED
        self._found.quarantined += new.state is AnnotationState.QUARANTINED
        for row, decision in pairs:
            add_decision(self._ledger, row, decision)
            self._found.accepted += decision.verdict is Verdict.ACCEPTED
            self._found.rejected += decision.verdict is Verdict.REJECTED
            self._found.edited += decision.verdict is Verdict.EDITED
        self._found.settled += bool(pairs)


def chosen(new: NewAnnotation) -> str | None:
    """Return what was chosen on the page: a letter, `Own text`, or nothing."""
    for result in json.loads(new.raw).get("result") or ():
        if isinstance(result, dict) and result.get("from_name") == VERDICT:
            choices = (result.get("value") or {}).get("choices") or ()
            return str(choices[0]) if choices else None
    return None


def settle(
    choice: str | None,
    data: Mapping[str, Any],
    own: Annotation | None,
    rivals: Mapping[str, StoredAnnotation],
    *,
    reviewer: str,
) -> list[Pair] | Note:
    """Turn a verdict into decisions about all chains of a dispute, or say why it decides nothing.

    Args:
        choice: A letter or `Own text`.
        data: Of the task, as `board_data` wrote them: which version each letter stands for.
        own: What was in the form.
        rivals: Opaque name -> last version of each annotation; a version that was replaced since is not in it.
        reviewer: Who chose.
    """
    rows = {letter: rivals.get(ref) for letter, ref in (data.get("refs") or {}).items()}
    standing = {letter: row for letter, row in rows.items() if row is not None}
    if len(standing) < len(rows) or not rows:
        return Note(Unsettled.STALE, Unsettled.STALE.description)
    winner = str(data.get("base")) if choice == OWN else choice
    if winner not in standing:
        return Note(Unsettled.NO_VERDICT, Unsettled.NO_VERDICT.description)
    edited = None
    if choice == OWN:
        try:
            edited = own_record(standing[winner], own)
        except InputError as error:
            return Note(Unsettled.INCOMPLETE, f"{error.message} ({Unsettled.INCOMPLETE.description})")
    verdict = Verdict.ACCEPTED if edited is None else Verdict.EDITED
    pairs = [
        (standing[winner], Decision(standing[winner].id, standing[winner].version, verdict, reviewer, edited=edited))
    ]
    for letter, row in standing.items():
        if letter != winner:
            pairs.append((row, Decision(row.id, row.version, Verdict.REJECTED, reviewer, ADJUDICATED)))
    return pairs


def own_record(base: StoredAnnotation, own: Annotation | None) -> Annotation | None:
    """Return the record that a reviewer wrote, starting from `base`; None if it says the same.

    Raises:
        InputError: It has no complete country stage, or a part of it is empty.
    """
    if own is None or own.chain is None or base.annotation is None:
        raise InputError("The own text has no complete country stage.")
    changes = own.model_dump(
        mode="json",
        include={"chain", "clue_boxes", "locatability_score", "scene_tags", "sub_scores", "main_clues", "note"},
    )
    # The form does not start with these three; left empty, they are as they were.
    kept = {name: value for name, value in changes.items() if value or name not in ("sub_scores", "main_clues", "note")}
    edited = edited_record(base, kept, origin="own text")
    filled_in = {"provenance", "status"}
    same = edited.model_dump(exclude=filled_in) == base.annotation.model_dump(exclude=filled_in)
    return None if same else edited
