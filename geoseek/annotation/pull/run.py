"""`pull`: bring everything that was said on the server into the ledger, and notice what was taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseek.annotation.ledger import (
    LEDGER_NAME,
    AnnotationState,
    Ledger,
    Mirror,
    NewAnnotation,
    Project,
    back_up_if_due,
)
from geoseek.annotation.pull.changes import (
    PAGE_TASKS,
    Counts,
    Json,
    annotation_numbers,
    changed_tasks,
    named_tasks,
    parse_time,
    project_counts,
    task_key,
)
from geoseek.annotation.pull.desk import desks, look_up_accounts, pulled_projects
from geoseek.annotation.pull.drawn import drawn_samples
from geoseek.annotation.pull.judge import Desk, judge
from geoseek.annotation.pull.read_ahead import read_ahead
from geoseek.annotation.server import StudioError
from geoseek.schemas import OutputError, Split
from geoseek.workspace import exclusive, progress_bar

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

# A change gets its time before it is committed, so one with an older time can appear after the cursor has passed it.
OVERLAP = timedelta(minutes=1)
# The cursor trusts the server's clock to go forwards; once a day everything is read, whatever that clock did.
FULL_EVERY = timedelta(days=1)
_HALF_FILLED = "half_stage"


@dataclass(frozen=True)
class PullRequest:
    """What to pull.

    Attributes:
        workspace: The workspace.
        full: Read all tasks, not only those that changed.
        splits: Only these; all if empty.
        wait_s: How long to wait for a push or another pull to finish.
        page_tasks: Tasks that are read and committed together.
    """

    workspace: Path
    full: bool = False
    splits: tuple[Split, ...] = ()
    wait_s: float = 30.0
    page_tasks: int = PAGE_TASKS


@dataclass(frozen=True)
class Remark:
    """Something about one annotation that the lead should see.

    Attributes:
        annotator: Who.
        sample_id: Of the sample.
        project: Number of the project on the server.
        task: Number of the task on the server; None if it is gone.
        code: A problem of the decoder, a reason of `SetAside`, or `deleted`.
        detail: What exactly.
    """

    annotator: str
    sample_id: str
    project: int
    task: int | None
    code: str
    detail: str


@dataclass
class ProjectPull:
    """What came from one project.

    Attributes:
        project: Its number on the server.
        annotator: Whose work it is.
        split: The split.
        gone: The project is no longer on the server; nothing was changed in the ledger.
        seen: Annotations that were read.
        new: Of these, not known before.
        changed: Known, and saying something else now.
        unchanged: Known as they are.
        deleted: Annotations that are no longer there.
        skipped: Of the new and changed ones, those of skipped tasks.
        quarantined: Of these, set aside.
        half_filled: Of these, with a stage that is only half filled.
        unknown_tasks: Numbers of tasks that GeoSeek did not push; what is said about them is not kept.
        remarks: What the lead should see.
    """

    project: int
    annotator: str
    split: Split
    gone: bool = False
    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    skipped: int = 0
    quarantined: int = 0
    half_filled: int = 0
    unknown_tasks: set[int] = field(default_factory=set)
    remarks: list[Remark] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the figures for `--json`."""
        return {**asdict(self), "unknown_tasks": sorted(self.unknown_tasks)}


@dataclass(frozen=True)
class PullResult:
    """What came from all projects; `failure` says in `watch` why nothing came."""

    projects: tuple[ProjectPull, ...] = ()
    failure: str | None = None

    @property
    def changes(self) -> int:
        """How many versions were added to the ledger."""
        return sum(project.new + project.changed + project.deleted for project in self.projects)

    def to_json(self) -> dict[str, Any]:
        """Return the figures for `--json`."""
        projects = [project.to_json() for project in self.projects]
        return {"projects": projects} | ({"failure": self.failure} if self.failure else {})


def run_pull(request: PullRequest, studio: Studio) -> PullResult:
    """Read what changed on the server since the last pull, and keep every version of it.

    Each page of tasks is committed as a whole, and the cursor moves when a project has been read to its end: a pull
    that was interrupted is taken up by the next one. Then the numbers of annotations on both sides are compared; where
    they differ, all numbers are listed, and what is gone or was missed is found. Once a day everything is read.

    Raises:
        InputError: Nothing was ever pushed to this server.
        StudioError: The server fails.
        LedgerError: The ledger is locked or damaged.
        OutputError: A push or another pull is at work, or there is no space left.
    """
    folder = request.workspace / "work" / "annotation"
    with exclusive(folder, doing="pushing or pulling", wait_s=request.wait_s):
        existed = (folder / LEDGER_NAME).exists()
        with Ledger(folder) as ledger:
            if existed:
                back_up_if_due(ledger.path)
            projects = pulled_projects(ledger, studio, request.splits)
            look_up_accounts(ledger, studio, projects)
            known = desks(ledger, projects, drawn_samples(request.workspace))
            there = project_counts(studio, [project.server_project_id for project in projects])
            results = {project.id: _result(project, there) for project in projects}
            pulls = [
                _Pull(request, studio, ledger, project, known[project.id], results[project.id])
                for project in projects
                if not results[project.id].gone
            ]
            for pull in pulls:
                pull.read_changes()
            counts = project_counts(studio, [pull.number for pull in pulls])
            for pull in pulls:
                if pull.number in counts:
                    pull.settle(counts[pull.number])
            return PullResult(tuple(results.values()))


def watch(
    request: PullRequest,
    studio: Studio,
    *,
    every_s: float,
    stop: Callable[[], bool],
    sleep: Callable[[float], None] | None = None,
) -> Iterator[PullResult]:
    """Pull again and again until `stop` says so; a server or a lock that is in the way for a while does not end it.

    Args:
        request: What to pull; only the first time in full, if that is asked for.
        studio: The server.
        every_s: Pause between the end of a pull and the next one.
        stop: Asked between pulls and several times a second during the pause.
        sleep: What pauses; default: `time.sleep`.

    Yields:
        What each pull brought.

    Raises:
        StudioError: The server refuses, so that waiting does not help.
        LedgerError: The ledger is locked or damaged.
    """
    while not stop():
        try:
            yield run_pull(request, studio)
            request = replace(request, full=False)
        except StudioError as error:
            if error.status is not None and error.status != 429 and error.status < 500:
                raise
            yield PullResult(failure=str(error))
        except OutputError as error:
            yield PullResult(failure=str(error))
        waited = 0.0
        while waited < every_s and not stop():
            (sleep or time.sleep)(min(0.2, every_s - waited))
            waited += 0.2


def _result(project: Project, there: Mapping[int, Counts]) -> ProjectPull:
    number = project.server_project_id
    return ProjectPull(number, project.annotator, project.split, gone=number not in there)


class _Pull:
    """The pull of one project."""

    def __init__(
        self, request: PullRequest, studio: Studio, ledger: Ledger, project: Project, desk: Desk, result: ProjectPull
    ) -> None:
        self.number = project.server_project_id
        self._request = request
        self._studio = studio
        self._ledger = ledger
        self._project = project
        self._mirror = Mirror(ledger, project)
        self._desk = desk
        self._result = result

    def read_changes(self) -> None:
        """Read the tasks that changed since the cursor, or all, and move the cursor."""
        since, clock = self._since(), self._studio.clock
        newest = parse_time(self._project.cursor) if since and self._project.cursor else None
        pages = changed_tasks(self._studio, self.number, since=since, page_tasks=self._request.page_tasks)
        with progress_bar(total=None, label=f"Pulling {self._project.annotator}", unit="tasks") as bar:
            for page in read_ahead(pages):
                with self._ledger.transaction():
                    self._take(page)
                newest = max([parse_time(task["updated_at"]) for task in page] + ([newest] if newest else []))
                bar.update(len(page))
        if newest is not None and clock is not None:
            newest = min(newest, clock)
        cursor = None if newest is None else newest.isoformat()
        if since is not None and cursor == self._project.cursor:
            return
        with self._ledger.transaction():
            if cursor is not None:
                self._ledger.set_cursor(self._project.id, cursor)
            if since is None:
                self._mirror.note_full_pull()

    def settle(self, counts: Counts) -> None:
        """Find what the changes did not tell, if the server does not hold as much as the ledger says it should."""
        if self._mirror.counts() == (counts.tasks, counts.annotations):
            return
        known = self._mirror.annotations()
        tasks = self._mirror.task_numbers()
        unread = []
        for task, listed in annotation_numbers(self._studio, self.number):
            tasks.pop(task, None)
            if listed is None or any(number not in known for number in listed):
                unread.append(task)
            else:
                for number in listed:
                    del known[number]
        for page in named_tasks(self._studio, self.number, unread, page_tasks=self._request.page_tasks):
            with self._ledger.transaction():
                self._take(page)
            for annotation in (one for task in page for one in task["annotations"]):
                known.pop(annotation["id"], None)
        with self._ledger.transaction():
            for gone in known.values():
                self._remark(gone.sample_id, None, "deleted", f"{gone.id} is no longer on the server")
            self._mirror.mark_deleted(gone.id for gone in known.values())
            self._mirror.mark_gone(tasks.values())
        self._result.deleted += len(known)

    def _since(self) -> datetime | None:
        """Return from when on to read, by the server's clock; None to read everything."""
        last_full, cursor = self._mirror.last_full_pull(), self._project.cursor
        if self._request.full or cursor is None or last_full is None:
            return None
        if abs(datetime.now(UTC) - last_full) > FULL_EVERY:
            return None
        since = parse_time(cursor)
        if self._studio.clock is not None and since > self._studio.clock:
            return None  # the server's clock was set back: new changes look older than the cursor
        return since - OVERLAP

    def _take(self, page: Iterable[Json]) -> None:
        tasks = list(page)
        keys = {task["id"]: task_key(task) for task in tasks}
        by_number, by_key = self._mirror.tasks(keys, keys.values())
        for found in tasks:
            task = by_number.get(found["id"])
            copy = False
            if task is None:
                task = by_key.get(keys[found["id"]])
                copy = task is not None and task.server_task_id is not None
            if task is None:
                if found["annotations"]:
                    self._result.unknown_tasks.add(found["id"])
                continue
            for new in judge(found["annotations"], task, self._desk, copy=copy):
                self._keep(new, found["id"])

    def _keep(self, new: NewAnnotation, task: int) -> None:
        version = self._ledger.add_annotation(new)
        result = self._result
        result.seen += 1
        if version is None:
            result.unchanged += 1
            return
        result.new += version == 1
        result.changed += version > 1
        result.skipped += new.state is AnnotationState.SKIPPED
        result.quarantined += new.state is AnnotationState.QUARANTINED
        result.half_filled += any(note.code == _HALF_FILLED for note in new.problems)
        if new.state is AnnotationState.QUARANTINED:
            self._remark(new.sample_id, task, "quarantined", new.reason or "")
        for note in new.problems:
            self._remark(new.sample_id, task, note.code, note.detail)

    def _remark(self, sample_id: str, task: int | None, code: str, detail: str) -> None:
        self._result.remarks.append(Remark(self._project.annotator, sample_id, self.number, task, code, detail))
