"""Where the annotation stands: per split, annotator and day."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from geoseek.annotation.agreement import HALF_FILLED
from geoseek.annotation.ledger import AnnotationState, Ledger, Purpose, StoredAnnotation, Task, TaskState
from geoseek.schemas import AnnotationStatus, Split

ACTIVE_DAYS = 14
"""Days with work, at most, from which the pace is taken."""
MIN_ACTIVE_DAYS = 3
"""Fewer say nothing about the pace."""
STALE_DAYS = 28
"""Without work for so long, there is no pace."""


@dataclass(frozen=True)
class Finish:
    """When the open tasks will be done at the present pace.

    Attributes:
        day: ISO date in UTC; None if it cannot be told.
        per_day: Tasks per calendar day; None if unknown.
        reason: Why there is no day.
    """

    day: str | None
    per_day: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Progress:
    """Counts of one split, one annotator, both, or all.

    Attributes:
        split: Its name; None for all.
        annotator: Pseudonym; None for all.
        assigned: Tasks given out: those that are not retired, and retired ones on which there is work. It is always
            `done + skipped + open`.
        done: Of these, tasks with a submitted annotation.
        skipped: Tasks that the annotator skipped.
        open: The rest.
        in_review: Submitted annotations that a rule flagged and nobody has decided about.
        accepted: Accepted by a reviewer, as they are or edited.
        rejected: Rejected by a reviewer.
        undecided: Submitted, not flagged, not decided. `done + imported` is always the sum of the last four.
        imported: Submitted annotations that came from a file, without a task.
        quarantined: Annotations that do not count: in somebody else's project, or a second one of the same task.
        half_filled: Submitted annotations with a half-filled stage.
        median_lead_time_s: Of the submitted annotations; None where no time is known.
        finish: When the open tasks will be done.
    """

    split: str | None
    annotator: str | None
    assigned: int
    done: int
    skipped: int
    open: int
    in_review: int
    accepted: int
    rejected: int
    undecided: int
    imported: int
    quarantined: int
    half_filled: int
    median_lead_time_s: float | None
    finish: Finish


@dataclass(frozen=True)
class DayProgress:
    """What happened on one day (UTC) in one split by one annotator.

    Attributes:
        day: ISO date.
        split: Its name.
        annotator: Pseudonym.
        assigned: Tasks given out on that day.
        done: Annotations first submitted on that day, imported ones included.
        skipped: Tasks skipped on that day.
        in_review: Of the `done`, those that stand in the review now.
        accepted: Of the `done`, those accepted by now.
        rejected: Of the `done`, those rejected by now.
        median_lead_time_s: Of the `done`.
    """

    day: str
    split: str
    annotator: str
    assigned: int
    done: int
    skipped: int
    in_review: int
    accepted: int
    rejected: int
    median_lead_time_s: float | None


@dataclass(frozen=True)
class TaskPlace:
    """Where an annotator's task lies on a server.

    Attributes:
        server: `Studio.identity`.
        project: Number of the project there.
        task: Number of the task there.
    """

    server: str
    project: int
    task: int


@dataclass(frozen=True)
class StatusFigures:
    """Everything about the progress; days begin at midnight UTC.

    Attributes:
        as_of: When it was looked, ISO 8601 in UTC, to the minute.
        total: All together.
        splits: Per split, in the order of Split.
        annotators: Per annotator, by name.
        cells: Per split and annotator.
        days: Per day, split and annotator, by day.
        places: (sample, annotator) -> where the task lies; not part of the JSON.
    """

    as_of: str
    total: Progress
    splits: tuple[Progress, ...]
    annotators: tuple[Progress, ...]
    cells: tuple[Progress, ...]
    days: tuple[DayProgress, ...]
    places: Mapping[tuple[str, str], TaskPlace] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        found = asdict(self)
        del found["places"]
        return found


@dataclass(frozen=True)
class _Event:
    """A submitted, skipped or quarantined annotation, or an open task (without a day and a row)."""

    split: Split
    annotator: str
    kind: str
    day: date | None = None
    row: StoredAnnotation | None = None

    @property
    def outcome(self) -> str:
        """What became of a submitted annotation in the review."""
        if self.row is None or self.kind not in ("done", "imported"):
            return ""
        if self.row.status is AnnotationStatus.SUBMITTED:
            return "in_review" if self.row.in_review else "undecided"
        return "rejected" if self.row.status is AnnotationStatus.REJECTED else "accepted"


def build_status(ledger: Ledger, *, now: datetime, splits: Sequence[Split] = ()) -> StatusFigures:
    """Count what the ledger holds.

    Args:
        ledger: Read only.
        now: The time, with a zone; days are days in UTC.
        splits: Only these; all unless given.

    Cost: one pass over tasks and annotations; 1 s for 10,000.
    """
    today = now.astimezone(UTC).date()
    wanted = frozenset(splits or Split)
    tasks = [task for task in ledger.tasks(purpose=Purpose.ANNOTATE) if task.split in wanted]
    rows = [row for row in ledger.annotations(purpose=Purpose.ANNOTATE) if row.split in wanted]
    events, kept = _events(tasks, rows)
    given = [(task.split, task.annotator, _day(task.planned_at)) for task in kept]
    names = sorted({event.annotator for event in events} | {a.name for a in ledger.annotators() if a.active})
    used = [split for split in Split if any(event.split is split for event in events)]
    return StatusFigures(
        as_of=now.astimezone(UTC).isoformat(timespec="minutes"),
        total=_progress(None, None, events, today),
        splits=tuple(_progress(split, None, [e for e in events if e.split is split], today) for split in used),
        annotators=tuple(_progress(None, name, own, today) for name, own in _by_annotator(events, names).items()),
        cells=tuple(
            _progress(split, name, own, today)
            for split in used
            for name, own in _by_annotator([e for e in events if e.split is split], names).items()
            if own
        ),
        days=_days(events, given),
        places=_places(ledger, kept),
    )


def _events(tasks: Iterable[Task], rows: Iterable[StoredAnnotation]) -> tuple[list[_Event], list[Task]]:
    """Return what became of every task and annotation, and the tasks that count."""
    events: list[_Event] = []
    by_task: dict[str, list[StoredAnnotation]] = defaultdict(list)
    for row in rows:
        if row.state is AnnotationState.QUARANTINED:
            events.append(_Event(row.split, row.annotator, "quarantined", _begun(row), row))
        elif row.task_key is not None:
            by_task[row.task_key].append(row)
        elif row.state is AnnotationState.SUBMITTED:
            events.append(_Event(row.split, row.annotator, "imported", _begun(row), row))
    kept = []
    for task in tasks:
        last = _deciding(by_task[task.key])
        if last is None and task.state is TaskState.RETIRED:
            continue
        kept.append(task)
        if last is None:
            events.append(_Event(task.split, task.annotator, "open"))
        else:
            kind = "done" if last.state is AnnotationState.SUBMITTED else "skipped"
            events.append(_Event(task.split, task.annotator, kind, _begun(last), last))
    return events, kept


def _deciding(rows: Iterable[StoredAnnotation]) -> StoredAnnotation | None:
    """Return the annotation that says where a task stands: one submitted before one skipped, then the last."""
    live = [row for row in rows if row.state in (AnnotationState.SUBMITTED, AnnotationState.SKIPPED)]
    return max(
        live,
        key=lambda row: (row.state is AnnotationState.SUBMITTED, row.updated_at or row.seen_at, row.id),
        default=None,
    )


def _begun(row: StoredAnnotation) -> date | None:
    return _day(row.created_at) or _day(row.updated_at) or _day(row.seen_at)


def _day(stamp: str | None) -> date | None:
    """Return the day in UTC of an ISO 8601 time; one without a zone is taken for UTC."""
    if stamp is None:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date()


def _by_annotator(events: Iterable[_Event], names: Iterable[str]) -> dict[str, list[_Event]]:
    found: dict[str, list[_Event]] = {name: [] for name in names}
    for event in events:
        found[event.annotator].append(event)
    return found


def _progress(split: Split | None, annotator: str | None, events: Sequence[_Event], today: date) -> Progress:
    kinds = Counter(event.kind for event in events)
    outcomes = Counter(event.outcome for event in events)
    submitted = [event.row for event in events if event.kind in ("done", "imported") and event.row is not None]
    worked = Counter(e.day for e in events if e.kind in ("done", "skipped") and e.day is not None)
    return Progress(
        split=None if split is None else split.value,
        annotator=annotator,
        assigned=kinds["done"] + kinds["skipped"] + kinds["open"],
        done=kinds["done"],
        skipped=kinds["skipped"],
        open=kinds["open"],
        in_review=outcomes["in_review"],
        accepted=outcomes["accepted"],
        rejected=outcomes["rejected"],
        undecided=outcomes["undecided"],
        imported=kinds["imported"],
        quarantined=kinds["quarantined"],
        half_filled=sum(any(note.code in HALF_FILLED for note in row.problems) for row in submitted),
        median_lead_time_s=_median_lead_time(submitted),
        finish=estimate_finish(worked, kinds["open"], today),
    )


def estimate_finish(worked: Mapping[date, int], still_open: int, today: date) -> Finish:
    """Estimate when the open tasks are done, from the last `ACTIVE_DAYS` days with work; today, not over, is left out.

    Pace per calendar day = median of the tasks done per active day x share of active days since the first of these.
    The median keeps a marathon or a day of trying out from setting the pace, the share counts week-ends and pauses.

    >>> days = {date(2026, 3, day): 10 for day in (2, 3, 4, 5, 6)}
    >>> estimate_finish(days, 100, date(2026, 3, 7))
    Finish(day='2026-03-17', per_day=10.0, reason=None)
    >>> estimate_finish(days, 100, date(2026, 3, 12)).per_day
    5.0
    >>> estimate_finish(days, 100, date(2026, 6, 1)).reason
    'no work for 28 days'
    """
    if not still_open:
        return Finish(None, None, "nothing is open")
    active = sorted(day for day, tasks in worked.items() if tasks and day < today)[-ACTIVE_DAYS:]
    if len(active) < MIN_ACTIVE_DAYS:
        return Finish(None, None, f"under {MIN_ACTIVE_DAYS} days of work")
    if (today - active[-1]).days > STALE_DAYS:
        return Finish(None, None, f"no work for {STALE_DAYS} days")
    per_day = statistics.median(worked[day] for day in active) * len(active) / (today - active[0]).days
    days_left = math.ceil(still_open / per_day)
    if days_left > (date.max - today).days:
        return Finish(None, per_day, "not in this age")
    return Finish((today + timedelta(days=days_left)).isoformat(), per_day)


def _days(events: Iterable[_Event], given: Iterable[tuple[Split, str, date | None]]) -> tuple[DayProgress, ...]:
    groups: dict[tuple[date, Split, str], list[_Event]] = defaultdict(list)
    for event in events:
        if event.day is not None and event.kind != "quarantined":
            groups[event.day, event.split, event.annotator].append(event)
    assigned = Counter((day, split, name) for split, name, day in given if day is not None)
    order = {split: at for at, split in enumerate(Split)}
    found = []
    for key in sorted({*groups, *assigned}, key=lambda key: (key[0], order[key[1]], key[2])):
        kinds = Counter(event.kind for event in groups[key])
        outcomes = Counter(event.outcome for event in groups[key])
        found.append(
            DayProgress(
                day=key[0].isoformat(),
                split=key[1].value,
                annotator=key[2],
                assigned=assigned[key],
                done=kinds["done"] + kinds["imported"],
                skipped=kinds["skipped"],
                in_review=outcomes["in_review"],
                accepted=outcomes["accepted"],
                rejected=outcomes["rejected"],
                median_lead_time_s=_median_lead_time(
                    event.row for event in groups[key] if event.kind != "skipped" and event.row is not None
                ),
            )
        )
    return tuple(found)


def _median_lead_time(rows: Iterable[StoredAnnotation]) -> float | None:
    known = [row.lead_time_s for row in rows if row.lead_time_s is not None]
    return statistics.median(known) if known else None


def _places(ledger: Ledger, tasks: Iterable[Task]) -> dict[tuple[str, str], TaskPlace]:
    projects = {project.id: project for project in ledger.projects()}
    return {
        (task.sample_id, task.annotator): TaskPlace(
            projects[task.project].server, projects[task.project].server_project_id, task.server_task_id
        )
        for task in tasks
        if task.project in projects and task.server_task_id is not None
    }
