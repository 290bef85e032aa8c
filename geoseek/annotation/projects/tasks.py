"""The tasks of a project as the server has them: listing, importing, changing, deleting."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from geoseek.annotation.server import StudioError
from geoseek.workspace import stable_digest

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

T = TypeVar("T")

_PAGE = 1000
_IDS_PER_REQUEST = 200


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A task on the server.

    Attributes:
        number: Its number there.
        key: Our name for it; None for a task that somebody else made.
        digest: Of its data.
    """

    number: int
    key: str | None
    digest: str


def in_chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield a sequence in pieces of at most `size`.

    >>> list(in_chunks("abcde", 2))
    ['ab', 'cd', 'e']
    """
    return (items[start : start + size] for start in range(0, len(items), size))


def task_data(key: str, picture: str) -> dict[str, str]:
    """Return all that a task carries: its opaque key, and the address of a picture under an opaque name.

    >>> task_data("0f", "/data/local-files/?d=pictures/3b.jpg")
    {'key': '0f', 'image': '/data/local-files/?d=pictures/3b.jpg'}
    """
    return {"key": key, "image": picture}


def list_tasks(studio: Studio, project: int) -> list[RemoteTask]:
    """Return all tasks of a project, by number.

    Pages are cut by number, not by offset: what comes or goes meanwhile shifts nothing.

    Raises:
        StudioError: The list cannot be read.
    """
    found: list[RemoteTask] = []
    while True:
        last = found[-1].number if found else 0
        after = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last}
        query = json.dumps({"filters": {"conjunction": "and", "items": [after]}})
        parameters = {"project": project, "fields": "task_only", "include": "id,data", "resolve_uri": "false"}
        answer = studio.get_json(
            "/api/tasks/", {**parameters, "page_size": _PAGE, "query": query}, doing="listing tasks"
        )
        page = answer["tasks"]
        found += sorted((_remote(task) for task in page), key=lambda task: task.number)
        if len(page) >= answer["total"]:
            return found
        if not page:
            raise StudioError(
                f"Project {project} on the server has {answer['total']:,} more tasks, but lists none of them.",
                hint="Run the same command again.",
            )


def _remote(task: Mapping[str, Any]) -> RemoteTask:
    key = task["data"].get("key")
    return RemoteTask(task["id"], key if isinstance(key, str) else None, stable_digest(task["data"]))


class Imported(NamedTuple):
    """What the server says about an import.

    Attributes:
        numbers: Numbers of the tasks, in the order in which they were sent.
        has_drafts: It stored every draft that was sent along. Label Studio 1.23 can lose those of a whole request: when
            its database is locked it tries again, with tasks from which it has taken the drafts by then.
    """

    numbers: list[int]
    has_drafts: bool


def import_tasks(studio: Studio, project: int, tasks: Sequence[Mapping[str, Any]]) -> Imported:
    """Add tasks in one request, which the server carries out as a whole or not at all.

    Args:
        studio: The server.
        project: Number of the project there.
        tasks: Objects with `data` and, where there is a draft, `predictions`.

    Raises:
        StudioError: With `uncertain=True` if the tasks may be there all the same: list them before trying again.
    """
    path = f"/api/projects/{project}/import?return_task_ids=true"
    answer = studio.send_json("POST", path, list(tasks), doing=f"importing {len(tasks):,} tasks")
    numbers = answer.get("task_ids") if isinstance(answer, dict) else None
    if not isinstance(numbers, list) or len(numbers) != len(tasks):
        raise StudioError(
            f"Label Studio does not say under which numbers it stored {len(tasks):,} tasks.",
            hint="Run the same command again; what was done is found and not done twice.",
            uncertain=True,
        )
    drafts = sum(len(task.get("predictions", ())) for task in tasks)
    return Imported(numbers, answer.get("prediction_count") == drafts)


def update_task(studio: Studio, number: int, data: Mapping[str, str]) -> None:
    """Replace the data of a task; its annotations stay.

    Raises:
        StudioError: It may have happened all the same if `uncertain` says so.
    """
    studio.send_json("PATCH", f"/api/tasks/{number}", {"data": data}, doing="changing a task")


def select_tasks(studio: Studio, project: int, numbers: Iterable[int], fields: str) -> Iterator[dict[str, Any]]:
    """Yield some tasks with some of their fields; those that are gone are left out.

    Args:
        studio: The server.
        project: Number of the project there.
        numbers: Of the tasks.
        fields: Names, separated by commas.
    """
    for some in in_chunks(sorted(numbers), _IDS_PER_REQUEST):
        query = json.dumps({"selectedItems": {"all": False, "included": list(some)}}, separators=(",", ":"))
        parameters = {"project": project, "fields": "all", "include": fields, "page_size": _PAGE, "query": query}
        yield from studio.get_json("/api/tasks/", parameters, doing="looking at tasks")["tasks"]


def begun(studio: Studio, project: int, numbers: Iterable[int]) -> set[int]:
    """Return which tasks have annotations, skipped ones included, or text that was typed and not submitted."""
    fields = "id,total_annotations,cancelled_annotations,drafts"
    return {
        task["id"]
        for task in select_tasks(studio, project, numbers, fields)
        if task["total_annotations"] or task["cancelled_annotations"] or task["drafts"]
    }


def delete_untouched(studio: Studio, project: int, numbers: Iterable[int]) -> set[int]:
    """Delete those tasks that nobody has begun.

    Returns:
        The numbers of the tasks that stay because somebody has begun them.

    Raises:
        StudioError: With `uncertain=True` if tasks may have been deleted all the same.
    """
    kept: set[int] = set()
    for some in in_chunks(sorted(numbers), _IDS_PER_REQUEST):
        touched = begun(studio, project, some)
        kept |= touched
        doomed = [number for number in some if number not in touched]
        if doomed:
            act_on_tasks(studio, project, "delete_tasks", doomed, doing="deleting tasks that nobody has begun")
    return kept


def act_on_tasks(studio: Studio, project: int, action: str, numbers: Sequence[int], *, doing: str) -> None:
    """Carry out a bulk action of the Data Manager on some tasks."""
    body = {"selectedItems": {"all": False, "included": list(numbers)}}
    studio.send_json("POST", f"/api/dm/actions?id={action}&project={project}", body, doing=doing)
