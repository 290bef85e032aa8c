"""Whether the ledger holds exactly what the server holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoseek.annotation.ledger import Ledger, Mirror, Project
from geoseek.annotation.pull.changes import changed_tasks, project_counts, task_key
from geoseek.annotation.pull.desk import desks, pulled_projects
from geoseek.annotation.pull.judge import Desk, judge
from geoseek.schemas import DescribedCode

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio


class DifferenceKind(DescribedCode):
    """How ledger and server can differ."""

    PROJECT_GONE = "project_gone", "the project is no longer on the server"
    TASK_GONE = "task_gone", "the ledger says that the task was pushed, the server does not have it"
    TASK_NOT_NOTED = "task_not_noted", "the server has the task, the ledger does not say that it was pushed"
    TASK_TWICE = "task_twice", "the server has several tasks with the same key"
    TASK_UNKNOWN = "task_unknown", "the server has a task that GeoSeek did not push"
    ANNOTATION_GONE = "annotation_gone", "the ledger has the annotation, the server does not"
    ANNOTATION_MISSING = "annotation_missing", "the server has the annotation, the ledger does not"
    ANNOTATION_DIFFERS = "annotation_differs", "the annotation says something else on the server"


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: What it is.
        project: Number of the project on the server.
        what: Number of the task or annotation on the server, or the id in the ledger.
    """

    kind: DifferenceKind
    project: int
    what: str


def compare(studio: Studio, ledger: Ledger) -> list[Difference]:
    """Read everything that the server holds and compare it with the ledger; both are left alone.

    What happens on the server meanwhile counts as a difference.

    Raises:
        StudioError: The server fails.
    """
    projects = pulled_projects(ledger, studio)
    known = desks(ledger, projects)
    there = project_counts(studio, [project.server_project_id for project in projects])
    found: list[Difference] = []
    for project in projects:
        if project.server_project_id in there:
            found += _differences(studio, Mirror(ledger, project), project, known[project.id])
        else:
            number = project.server_project_id
            found.append(Difference(DifferenceKind.PROJECT_GONE, number, f"{project.annotator} {project.split}"))
    return found


def _differences(studio: Studio, mirror: Mirror, project: Project, desk: Desk) -> Iterator[Difference]:
    number = project.server_project_id

    def difference(kind: DifferenceKind, what: object) -> Difference:
        return Difference(kind, number, str(what))

    annotations, tasks = mirror.annotations(), mirror.task_numbers()
    keys: set[str] = set()
    for page in changed_tasks(studio, number, since=None):
        by_number, by_key = mirror.tasks([task["id"] for task in page], [task_key(task) for task in page])
        for found in page:
            task = by_number.get(found["id"]) or by_key.get(task_key(found))
            if task is None:
                yield difference(DifferenceKind.TASK_UNKNOWN, found["id"])
                continue
            if task.key in keys:
                yield difference(DifferenceKind.TASK_TWICE, found["id"])
            elif tasks.pop(found["id"], None) is None:
                yield difference(DifferenceKind.TASK_NOT_NOTED, found["id"])
            keys.add(task.key)
            copy = found["id"] not in by_number and task.server_task_id is not None
            for raw, row in zip(found["annotations"], judge(found["annotations"], task, desk, copy=copy), strict=True):
                last = annotations.pop(raw["id"], None)
                if last is None:
                    yield difference(DifferenceKind.ANNOTATION_MISSING, raw["id"])
                elif last.digest != row.digest:
                    yield difference(DifferenceKind.ANNOTATION_DIFFERS, raw["id"])
    for gone in tasks:
        yield difference(DifferenceKind.TASK_GONE, gone)
    for left in annotations.values():
        yield difference(DifferenceKind.ANNOTATION_GONE, left.id)
