"""Make the tasks of one project on the server what the ledger says, whatever happened before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from geoseek.annotation.ledger import Ledger, Project, Task, TaskState
from geoseek.annotation.projects.pictures import PictureCheck
from geoseek.annotation.projects.tasks import (
    Imported,
    RemoteTask,
    begun,
    delete_untouched,
    import_tasks,
    in_chunks,
    list_tasks,
    task_data,
    update_task,
)
from geoseek.annotation.push.drafts import Draft, sync_drafts
from geoseek.annotation.push.planning import DELETED
from geoseek.annotation.server import StudioError
from geoseek.workspace import progress_bar, stable_digest

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

_ROUNDS = 4
_MARKED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task that shall be on the server.

    Attributes:
        task: As the ledger has it.
        picture: Address of its picture there.
        draft: What a model wrote, if anything.
        shown: What its page shows beside the picture: the chains of an adjudication.
    """

    task: Task
    picture: str
    draft: Draft | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """Return the data of the task."""
        return {**task_data(self.task.key, self.picture), **self.shown}

    @property
    def digest(self) -> str:
        """Return the digest of the data."""
        return stable_digest(self.data)


@dataclass
class Figures:
    """What was done to the tasks of a project.

    Attributes:
        imported: Tasks that the server did not have.
        updated: Tasks whose data were replaced.
        unchanged: Tasks that were right.
        deleted: Tasks that were taken back, or second ones of a key, and that nobody had begun.
        left: Tasks that were taken back and stay on the server, because somebody has begun them.
        gone: Tasks with annotations that somebody deleted on the server.
        elsewhere: Tasks with annotations on another server; they stay there.
        foreign: Tasks that GeoSeek did not make.
        duplicates: Second tasks of one key that stay because somebody has begun both.
        drafts: Drafts that were added or replaced.
    """

    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    left: int = 0
    gone: int = 0
    elsewhere: int = 0
    foreign: int = 0
    duplicates: int = 0
    drafts: int = 0

    @property
    def writes(self) -> int:
        """Return how many tasks were added, changed or deleted."""
        return self.imported + self.updated + self.deleted


@dataclass
class Difference:
    """How the server differs from what is wanted; tasks by key, tasks on the server by number."""

    missing: list[str] = field(default_factory=list)
    changed: list[tuple[str, int]] = field(default_factory=list)
    right: list[tuple[str, int]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    retired: dict[int, str] = field(default_factory=dict)
    second: list[int] = field(default_factory=list)
    foreign: int = 0


def find_difference(
    remote: Iterable[RemoteTask],
    wanted: Mapping[str, Wanted],
    known: Mapping[str, Task],
    project: int,
    *,
    annotated: Collection[str],
    touched: Collection[int],
) -> Difference:
    """Compare the server with what is wanted.

    Args:
        remote: The tasks of the project on the server.
        wanted: Key -> task that shall be there.
        known: Key -> task of the ledger, of this annotator and split, retired ones too.
        project: The project's number in the ledger.
        annotated: Keys of tasks that the ledger has annotations of.
        touched: Numbers of the tasks that somebody has begun, of those that share a key.
    """
    by_key: dict[str, list[RemoteTask]] = defaultdict(list)
    found = Difference()
    for one in remote:
        if one.key is None or one.key not in known:
            found.foreign += 1
        else:
            by_key[one.key].append(one)
    for key, several in by_key.items():
        number = known[key].server_task_id
        several.sort(key=lambda one: (one.number not in touched, one.number != number, one.number))
        if key in wanted:
            found.second += [one.number for one in several[1:]]
        elif known[key].state is TaskState.RETIRED:
            found.retired.update((one.number, key) for one in several)
    for key, want in wanted.items():
        task = want.task
        mine = by_key[key][0] if key in by_key else None
        pushed_here = task.state is TaskState.PUSHED and task.project == project
        if pushed_here and (mine is None or mine.number != task.server_task_id):
            found.lost.append(key)
        if mine is not None:
            (found.right if mine.digest == want.digest else found.changed).append((key, mine.number))
        elif key in annotated:
            (found.gone if pushed_here or task.state is TaskState.PLANNED else found.elsewhere).append(key)
        else:
            found.missing.append(key)
    there = {(one.number, one.key) for one in remote}
    found.stale = [
        task.key
        for task in known.values()
        if task.state is TaskState.RETIRED
        and task.project == project
        and task.server_task_id is not None
        and (task.server_task_id, task.key) not in there
    ]
    return found


@dataclass(frozen=True)
class Reconciler:
    """Works on the projects of one push.

    Attributes:
        studio: The server.
        ledger: The ledger; every step is in it as soon as the server has answered.
        pictures: Checks pictures before tasks point to them.
        chunk: Tasks per import.
    """

    studio: Studio
    ledger: Ledger
    pictures: PictureCheck
    chunk: int

    def run(
        self, project: Project, wanted: Mapping[str, Wanted], known: Mapping[str, Task], annotated: Collection[str]
    ) -> Figures:
        """Bring a project up to date.

        A write is never simply sent again: when its answer is lost, the server is listed anew, and what is missing
        then is sent. After such an incident the result is looked at once more, for a request that came in late.

        Raises:
            StudioError: The server refuses, or answers keep getting lost.
            InputError: A picture cannot be seen.
        """
        total, asked = Figures(), len(wanted)
        incident = False
        for attempt in range(1, _ROUNDS + 1):
            before = total.writes
            try:
                self._once(project, wanted, known, annotated, total)
            except StudioError as error:
                if not error.uncertain or attempt == _ROUNDS:
                    raise
                incident = True
            else:
                if not incident or total.writes == before:
                    break
            known = {task.key: task for task in self.ledger.tasks(split=project.split) if task.key in known}
            wanted = {
                key: replace(want, task=known[key])
                for key, want in wanted.items()
                if known[key].state is not TaskState.RETIRED
            }
        total.unchanged = asked - total.imported - total.updated - total.gone - total.elsewhere
        return total

    def _once(
        self,
        project: Project,
        wanted: Mapping[str, Wanted],
        known: Mapping[str, Task],
        annotated: Collection[str],
        total: Figures,
    ) -> None:
        """List, compare, act."""
        number = project.server_project_id
        remote = list_tasks(self.studio, number)
        touched = begun(self.studio, number, _sharing_a_key(remote))
        found = find_difference(remote, wanted, known, project.id, annotated=annotated, touched=touched)
        self.pictures.check(wanted[key].picture for key in [*found.missing, *(key for key, _ in found.changed)])
        with self.ledger.transaction():
            self.ledger.mark_lost(found.lost)
            self.ledger.retire_tasks(found.gone, DELETED)
            self.ledger.mark_deleted([*found.gone, *found.stale])
            self.ledger.mark_pushed(
                (key, project.id, there, wanted[key].digest)
                for key, there in found.right
                if not _is_marked(wanted[key], project.id, there)
            )
        total.foreign = found.foreign
        total.elsewhere = len(found.elsewhere)
        total.gone += len(found.gone)
        self._delete(number, found, total)
        self._update(project, found.changed, wanted, total)
        self._import(project, found.missing, wanted, total)
        self._add_drafts(number, found, wanted, total)

    def _delete(self, number: int, found: Difference, total: Figures) -> None:
        doomed = [*found.retired, *found.second]
        kept = delete_untouched(self.studio, number, doomed)
        with self.ledger.transaction():
            self.ledger.mark_deleted(key for there, key in found.retired.items() if there not in kept)
        total.left = len(kept & found.retired.keys())
        total.duplicates = len(kept.intersection(found.second))
        total.deleted += len(doomed) - len(kept)

    def _update(
        self,
        project: Project,
        changed: Sequence[tuple[str, int]],
        wanted: Mapping[str, Wanted],
        total: Figures,
    ) -> None:
        with progress_bar(total=len(changed), label="Changing tasks", unit="tasks") as bar:
            for some in in_chunks(changed, _MARKED_AT_ONCE):
                for key, there in some:
                    update_task(self.studio, there, wanted[key].data)
                    bar.update()
                with self.ledger.transaction():
                    self.ledger.mark_pushed((key, project.id, there, wanted[key].digest) for key, there in some)
                total.updated += len(some)

    def _import(self, project: Project, missing: Sequence[str], wanted: Mapping[str, Wanted], total: Figures) -> None:
        """Send tasks in chunks; while the server stores one, the one before is noted in the ledger."""
        number = project.server_project_id
        sent: Sequence[str] = ()
        imported = Imported([], has_drafts=True)
        with (
            progress_bar(total=len(missing), label="Sending tasks", unit="tasks") as bar,
            ThreadPoolExecutor(1) as sender,
        ):
            for keys in in_chunks(missing, self.chunk):
                answer = sender.submit(import_tasks, self.studio, number, [_with_draft(wanted[key]) for key in keys])
                self._note_imported(project, sent, imported, wanted, total)
                sent, imported = keys, answer.result()
                bar.update(len(keys))
            self._note_imported(project, sent, imported, wanted, total)

    def _note_imported(
        self,
        project: Project,
        keys: Sequence[str],
        imported: Imported,
        wanted: Mapping[str, Wanted],
        total: Figures,
    ) -> None:
        there = dict(zip(keys, imported.numbers, strict=True))
        drafts = {there[key]: draft for key in keys if (draft := wanted[key].draft)}
        with self.ledger.transaction():
            self.ledger.mark_pushed((key, project.id, at, wanted[key].digest) for key, at in there.items())
            if imported.has_drafts:
                self.ledger.mark_draft((key, drafts[at].mark) for key, at in there.items() if at in drafts)
        total.imported += len(keys)
        if imported.has_drafts:
            total.drafts += len(drafts)
        else:
            self._sync(project.server_project_id, {at: key for key, at in there.items()}, drafts, total)

    def _add_drafts(self, number: int, found: Difference, wanted: Mapping[str, Wanted], total: Figures) -> None:
        """Give tasks that are there already the drafts that they do not have yet."""
        keys = {
            there: key
            for key, there in [*found.right, *found.changed]
            if (draft := wanted[key].draft) and (wanted[key].task.draft != draft.mark or key in found.lost)
        }
        self._sync(number, keys, {at: draft for at, key in keys.items() if (draft := wanted[key].draft)}, total)

    def _sync(self, number: int, keys: Mapping[int, str], drafts: Mapping[int, Draft], total: Figures) -> None:
        for some in sync_drafts(self.studio, number, drafts):
            with self.ledger.transaction():
                self.ledger.mark_draft((keys[there], drafts[there].mark) for there in some)
            total.drafts += len(some)


def _with_draft(want: Wanted) -> dict[str, Any]:
    task: dict[str, Any] = {"data": want.data}
    return task if want.draft is None else {**task, "predictions": [want.draft.prediction()]}


def _is_marked(want: Wanted, project: int, number: int) -> bool:
    task = want.task
    known = (task.state, task.project, task.server_task_id, task.data_digest)
    return known == (TaskState.PUSHED, project, number, want.digest)


def _sharing_a_key(remote: Iterable[RemoteTask]) -> list[int]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for one in remote:
        if one.key is not None:
            numbers[one.key].append(one.number)
    return [number for several in numbers.values() if len(several) > 1 for number in several]
