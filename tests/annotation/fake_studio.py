"""A Label Studio in memory: as much of its interface as pull uses, with a clock that a test sets."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from geoseek.annotation.ledger import Ledger, Project, Purpose, Task, TaskState
from geoseek.annotation.server import Studio, StudioError
from geoseek.schemas import Split

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANA, BO, LEAD = 11, 12, 1


def text_result(control: str, *texts: str) -> dict[str, Any]:
    """Return what a text field gives."""
    return {
        "id": f"{control}-id",
        "from_name": control,
        "to_name": "image",
        "type": "textarea",
        "origin": "manual",
        "value": {"text": list(texts)},
    }


def said(conclusion: str = "Norway") -> list[dict[str, Any]]:
    """Return the results of a complete country stage."""
    choice = {"id": "u", "from_name": "country_uncertainty", "to_name": "image", "type": "choices", "origin": "manual"}
    return [
        text_result("country_clues", "yellow centre line"),
        text_result("country_reasoning", "Yellow lines and fjords."),
        text_result("country_conclusion", conclusion),
        {**choice, "value": {"choices": ["Low"]}},
        text_result("final_answer", conclusion),
    ]


class FakeServer:
    """Projects, tasks and annotations; every change takes the time of `clock` and moves it on by a second."""

    def __init__(self) -> None:
        self.clock = START
        self.projects: set[int] = set()
        self.tasks: dict[int, dict[str, Any]] = {}
        self.users = {"lead@example.org": LEAD, "Ana@example.org": ANA, "bo@example.org": BO}
        self.requests: list[str] = []
        self._last = 0

    def number(self) -> int:
        """Return a number that was never used."""
        self._last += 1
        return self._last

    def stamp(self) -> str:
        """Return the time as the server writes it: without a fraction where it is zero."""
        self.clock += timedelta(seconds=1)
        return self.clock.isoformat().replace("+00:00", "Z")

    def add_task(self, project: int, key: str | None) -> int:
        """Add a task."""
        number = self.number()
        data = {"image": "/data/x.jpg"} | ({} if key is None else {"key": key})
        task = {"id": number, "project": project, "data": data, "updated_at": self.stamp(), "annotations": {}}
        self.tasks[number] = task
        return number

    def annotate(self, task: int, *, by: int = ANA, result: Any = None, skip: bool = False) -> int:
        """Add an annotation."""
        number, now = self.number(), self.stamp()
        self.tasks[task]["annotations"][number] = {
            "id": number,
            "task": task,
            "result": said() if result is None else result,
            "completed_by": by,
            "updated_by": by,
            "was_cancelled": skip,
            "created_at": now,
            "updated_at": now,
            "lead_time": 42.5,
            "parent_prediction": None,
        }
        self.tasks[task]["updated_at"] = now
        return number

    def edit(self, annotation: int, *, by: int = ANA, result: Any = None, skip: bool = False) -> None:
        """Change an annotation."""
        task = self.task_of(annotation)
        now = self.stamp()
        new = {"updated_by": by, "updated_at": now, "was_cancelled": skip}
        task["annotations"][annotation].update(new | ({} if result is None else {"result": result}))
        task["updated_at"] = now

    def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        task = self.task_of(annotation)
        del task["annotations"][annotation]
        task["updated_at"] = self.stamp()

    def delete_task(self, task: int) -> None:
        """Delete a task with its annotations."""
        del self.tasks[task]

    def task_of(self, annotation: int) -> dict[str, Any]:
        """Return the task of an annotation."""
        return next(task for task in self.tasks.values() if annotation in task["annotations"])

    def annotation_numbers(self) -> list[int]:
        """Return the numbers of all annotations."""
        return [number for task in self.tasks.values() for number in task["annotations"]]


class FakeStudio(AbstractContextManager[object]):
    """Answers `get_json` from a `FakeServer`."""

    url = page_url = "http://studio.example"
    identity = "local"

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.fail_after: int | None = None

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def clock(self) -> datetime:
        """The server's time."""
        return self.server.clock

    def get_json(self, path: str, params: Mapping[str, Any] | None = None, *, doing: str) -> Any:
        """Answer as the server would."""
        if self.fail_after is not None:
            if self.fail_after == 0:
                raise StudioError(f"cut while {doing}", hint="again")
            self.fail_after -= 1
        self.server.requests.append(path)
        given = dict(params or {})
        answer = {"/api/tasks/": self._tasks, "/api/projects/counts/": self._counts, "/api/users/": self._users}[path]
        return copy.deepcopy(answer(given))

    def _users(self, _: Mapping[str, Any]) -> Any:
        return [{"id": number, "email": email} for email, number in self.server.users.items()]

    def _counts(self, given: Mapping[str, Any]) -> Any:
        asked = [int(number) for number in given["ids"].split(",") if number]
        rows = []
        for project in self.server.projects.intersection(asked):
            tasks = [task for task in self.server.tasks.values() if task["project"] == project]
            found = [one["was_cancelled"] for task in tasks for one in task["annotations"].values()]
            counts = {"total_annotations_number": found.count(False), "skipped_annotations_number": found.count(True)}
            rows.append({"id": project, "task_number": len(tasks), **counts})
        return {"results": rows}

    def _tasks(self, given: Mapping[str, Any]) -> Any:
        query = json.loads(given["query"])
        chosen = query.get("selectedItems", {}).get("included")
        tasks = [
            task
            for number, task in sorted(self.server.tasks.items())
            if task["project"] == given["project"]
            and (chosen is None or number in chosen)
            and all(_passes(task, one) for one in query.get("filters", {}).get("items", []))
        ]
        fields = given["include"].split(",")
        page = [self._task(task, fields) for task in tasks[: given["page_size"]]]
        return {"tasks": page, "total": len(tasks)}

    def _task(self, task: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
        found = {name: task[name] for name in fields if name in task}
        if "annotations" in found:
            found["annotations"] = list(task["annotations"].values())
        if "annotations_ids" in fields:
            found["annotations_ids"] = ", ".join(map(str, task["annotations"]))[:500]
        return found


def _passes(task: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    assert one["operator"] == "greater"
    if one["filter"] == "filter:tasks:id":
        return bool(task["id"] > one["value"])
    since = datetime.strptime(one["value"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return datetime.fromisoformat(task["updated_at"]) > since


class FakeWorld:
    """A workspace whose ledger knows annotator ana's project 7 with some tasks on a server in memory."""

    def __init__(self, workspace: Path, tasks: int = 4) -> None:
        self.workspace = workspace
        self.server = FakeServer()
        self.fake = FakeStudio(self.server)
        self.studio = cast(Studio, self.fake)
        self.server.projects.add(7)
        with self.ledger() as ledger:
            ledger.add_annotator("ana", email="ana@example.org")
            ledger.form_version("config-cot", "c1", "page")
            ledger.form_version("handbook", "h1", "handbook")
            self.project = self.put_project(ledger)
        self.tasks = [self.push(f"k{number}") for number in range(tasks)]

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger(self.workspace / "work" / "annotation")

    def put_project(self, ledger: Ledger, *, number: int = 7, config_version: int = 1) -> Project:
        """Enter the project into the ledger."""
        return ledger.put_project(
            "local",
            number,
            purpose=Purpose.ANNOTATE,
            annotator="ana",
            split=Split.COT,
            config_version=config_version,
            handbook_version=1,
        )

    def push(self, key: str, *, noted: bool = True) -> int:
        """Push a task, as push does it; or do not get round to noting it."""
        with self.ledger() as ledger:
            task = Task(key, Purpose.ANNOTATE, f"pool:{key}", Split.COT, "NO", "ana", TaskState.PLANNED)
            ledger.plan_tasks([task])
            number = self.server.add_task(7, key)
            if noted:
                ledger.mark_pushed([(key, self.project.id, number, "digest")])
        return number
