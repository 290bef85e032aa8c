"""What pull asks of the server: changed tasks in pages, lists of numbers, counts, accounts.

Pages are cut by task number, not by offset: a task that is deleted meanwhile shifts nothing, and the server is never
asked for a page that it does not have (it answers that with 404, which pagers take for the end).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from geoseek.annotation.server import StudioError

if TYPE_CHECKING:
    from geoseek.annotation.server import Studio

PAGE_TASKS = 500
# Nested records obey the same list, so the names of an annotation's fields stand here too; without the list the server
# adds the annotator's name and e-mail address.
_FIELDS = (
    "id,data,annotations,task,result,completed_by,updated_by,was_cancelled,created_at,updated_at,lead_time,"
    "parent_prediction,parent_annotation,ground_truth"
)
_NEEDED = frozenset({"id", "result", "completed_by", "updated_by", "was_cancelled", "created_at", "updated_at"})
# The server cuts its list of annotation numbers at 500 characters.
_LIST_LIMIT = 500
_COUNTED_AT_ONCE = 100

Json = dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """How much a project on the server holds; annotations include skipped ones."""

    tasks: int
    annotations: int


def parse_time(text: str) -> datetime:
    """Return a time of the server or of the ledger.

    >>> parse_time("2026-01-02T03:04:05Z") < parse_time("2026-01-02T03:04:05.000001+00:00")
    True
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def changed_tasks(
    studio: Studio, project: int, *, since: datetime | None, page_tasks: int = PAGE_TASKS
) -> Iterator[list[Json]]:
    """Yield pages of tasks with their annotations, by number: those that changed after `since`, or all.

    A task has changed when it, or one of its annotations, was made, edited or deleted. Drafts do not count.

    Raises:
        StudioError: The server fails, or answers with something else.
    """
    filters = []
    if since is not None:
        stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        filters = [{"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": stamp}]
    for page in _pages(studio, project, _FIELDS, filters, page_tasks):
        for task in page:
            _check(task, project)
        yield page


def named_tasks(
    studio: Studio, project: int, numbers: Sequence[int], *, page_tasks: int = PAGE_TASKS
) -> Iterator[list[Json]]:
    """Yield pages of the tasks with these numbers, as far as they are there."""
    for start in range(0, len(numbers), page_tasks):
        chosen = {"all": False, "included": numbers[start : start + page_tasks]}
        answer = _ask(studio, project, _FIELDS, {"selectedItems": chosen}, page_tasks)
        for task in answer["tasks"]:
            _check(task, project)
        yield answer["tasks"]


def annotation_numbers(
    studio: Studio, project: int, *, page_tasks: int = 2 * PAGE_TASKS
) -> Iterator[tuple[int, list[int] | None]]:
    """Yield every task's number with the numbers of its annotations; None for a list that the server cut short."""
    for page in _pages(studio, project, "id,annotations_ids", [], page_tasks):
        for task in page:
            text = str(task["annotations_ids"] or "")
            cut = len(text) >= _LIST_LIMIT
            yield task["id"], None if cut else [int(part) for part in text.split(",") if part.strip()]


def project_counts(studio: Studio, projects: Iterable[int]) -> dict[int, Counts]:
    """Return the counts of those projects that are there."""
    found = {}
    numbers = sorted(projects)
    for start in range(0, len(numbers), _COUNTED_AT_ONCE):
        answer = studio.get_json(
            "/api/projects/counts/",
            {
                "ids": ",".join(map(str, numbers[start : start + _COUNTED_AT_ONCE])),
                "include": "id,task_number,total_annotations_number,skipped_annotations_number",
                "page_size": _COUNTED_AT_ONCE,
            },
            doing="counting tasks and annotations",
        )
        for row in answer["results"]:
            annotations = row["total_annotations_number"] + row["skipped_annotations_number"]
            found[row["id"]] = Counts(row["task_number"], annotations)
    return found


def account_numbers(studio: Studio) -> dict[str, int]:
    """Return e-mail address (lower case) -> number of every account on the server."""
    users = studio.get_json("/api/users/", doing="listing the accounts")
    return {user["email"].lower(): user["id"] for user in users}


def task_key(task: Json) -> str:
    """Return the key under which a task was pushed; empty for one that somebody else made."""
    return str(task["data"].get("key", ""))


def _pages(studio: Studio, project: int, fields: str, filters: list[Json], page_tasks: int) -> Iterator[list[Json]]:
    last = 0
    while True:
        after = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last}
        query = {"filters": {"conjunction": "and", "items": [after, *filters]}}
        answer = _ask(studio, project, fields, query, page_tasks)
        tasks, total = answer["tasks"], answer["total"]
        if tasks:
            last = tasks[-1]["id"]
            yield tasks
        if len(tasks) >= total:
            return
        if not tasks:
            raise StudioError(
                f"Project {project} on the server has {total} more tasks, but lists none of them.",
                hint="Run the same command again; what was read is kept.",
            )


def _ask(studio: Studio, project: int, fields: str, query: Json, page_tasks: int) -> Json:
    answer = studio.get_json(
        "/api/tasks/",
        {
            "project": project,
            "fields": "all",
            "include": fields,
            "resolve_uri": "false",
            "page_size": page_tasks,
            "query": json.dumps(query),
        },
        doing=f"reading the tasks of project {project}",
    )
    if not isinstance(answer, dict) or not isinstance(answer.get("tasks"), list):
        raise StudioError(
            f"The server's list of the tasks of project {project} is not in the form that was asked for.",
            hint="Check that the server is a supported version of Label Studio.",
        )
    return answer


def _check(task: Json, project: int) -> None:
    for annotation in task["annotations"]:
        missing = _NEEDED - annotation.keys()
        if missing:
            raise StudioError(
                f"Annotation {annotation.get('id')} in project {project} lacks {', '.join(sorted(missing))}.",
                hint="Check that the server is a supported version of Label Studio.",
            )
