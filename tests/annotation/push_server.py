"""A Label Studio in memory, as much of it as push uses, with answers that get lost on demand."""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from geoseek.annotation.ledger import Ledger, Purpose, Task, TaskState
from geoseek.annotation.push.run import PushRequest, PushResult, run_push
from geoseek.annotation.server import Studio, StudioError, local_media_root
from geoseek.schemas import Split
from tests.annotation.workspaces import make_workspace, member, write_members

Fault = Callable[[str], str | None]
"""Gets `METHOD PATH` of a write; returns "before" or "after" to lose it, or None."""


class FakeStudio:
    """The server and the connection to it in one."""

    url = "http://studio.example"
    email = "lead@example.org"
    user_id = 1

    def __init__(self, root: Path | None) -> None:
        self.identity = "local" if root else self.url
        self.root = root
        self.projects: dict[int, dict[str, Any]] = {}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.storages: dict[int, list[str]] = defaultdict(list)
        self.uploads: dict[int, dict[str, bytes]] = defaultdict(dict)
        self.writes: list[tuple[str, str]] = []
        self.looked_at: list[str] = []
        self.fault: Fault = lambda _: None
        self._last = 0
        self.loses_drafts = False

    def number(self) -> int:
        self._last += 1
        return self._last

    def add_task(self, project: int, data: Mapping[str, Any], predictions: Any = ()) -> int:
        number = self.number()
        self.tasks[number] = {
            "id": number,
            "project": project,
            "data": dict(data),
            "total_annotations": 0,
            "cancelled_annotations": 0,
            "drafts": [],
            "predictions": [{"id": self.number(), **one} for one in predictions],
        }
        return number

    def keys(self, project: int) -> list[str]:
        return sorted(task["data"]["key"] for task in self.tasks.values() if task["project"] == project)

    def models(self, project: int) -> set[str]:
        predictions = (one for task in self.tasks.values() if task["project"] == project for one in task["predictions"])
        return {one["model_version"] for one in predictions}

    # what push asks

    def get_json(self, path: str, params: Mapping[str, Any] | None = None, *, doing: str) -> Any:
        assert doing
        given = dict(params or {})
        if path == "/api/projects":
            assert given["page"] == 1
            return copy.deepcopy({"count": len(self.projects), "results": list(self.projects.values())})
        if path == "/api/storages/localfiles":
            return [{"path": folder} for folder in self.storages[given["project"]]]
        if path == "/api/tasks/":
            return self._list(given)
        found = re.fullmatch(r"/api/projects/(\d+)/file-uploads", path)
        assert found, path
        uploads = self.uploads[int(found[1])]
        return [{"id": number, "file": name} for number, name in enumerate(uploads)]

    def _list(self, given: Mapping[str, Any]) -> Any:
        query = json.loads(given["query"])
        chosen = query.get("selectedItems", {}).get("included")
        after = next((item["value"] for item in query.get("filters", {}).get("items", [])), 0)
        if given["project"] not in self.projects:
            raise StudioError("no such project", status=404)
        tasks = [
            task
            for number, task in sorted(self.tasks.items())
            if task["project"] == given["project"] and number > after and (chosen is None or number in chosen)
        ]
        page = [{name: task[name] for name in given["include"].split(",")} for task in tasks[: given["page_size"]]]
        return copy.deepcopy({"tasks": page, "total": len(tasks)})

    def get_bytes(self, path: str, *, doing: str) -> bytes:
        assert doing
        self.looked_at.append(path)
        name = path.rpartition("/")[2]
        if self.root is not None:
            file = self.root / "pictures" / name
            if not file.exists():
                raise StudioError("not there", status=404)
            return file.read_bytes()
        return next(data for some in self.uploads.values() for file, data in some.items() if path == f"/data/{file}")

    def send_json(self, method: str, path: str, body: Any, *, doing: str) -> Any:
        self.writes.append((method, path))
        fault = self.fault(f"{method} {path}")
        if fault == "before":
            raise StudioError(f"cut while {doing}", uncertain=True)
        answer = self._carry_out(method, path, json.loads(json.dumps(body)))
        if fault == "after":
            raise StudioError(f"cut while {doing}", uncertain=True)
        return copy.deepcopy(answer)

    def send_files(self, path: str, files: Mapping[str, tuple[str, bytes]], *, doing: str) -> Any:
        assert doing
        found = re.fullmatch(r"/api/projects/(\d+)/import\?commit_to_project=false", path)
        assert found
        assert len(files) <= 100
        for name, data in files.values():
            self.uploads[int(found[1])][f"upload/{found[1]}/{self.number():08x}-{name}"] = data
        return {}

    def _carry_out(self, method: str, path: str, body: Any) -> Any:
        if (method, path) == ("POST", "/api/projects"):
            project = {"id": self.number(), **body, "label_config": body["label_config"].strip()}
            self.projects[project["id"]] = project
            return project
        if (method, path) == ("POST", "/api/storages/localfiles"):
            return self.storages[body["project"]].append(body["path"])
        number = int(next(iter(re.findall(r"/(\d+)", path)), 0))
        if method == "PATCH":
            one = self.projects[number] if path.startswith("/api/projects/") else self.tasks[number]
            if "model_version" in body and body["model_version"] not in self.models(number):
                raise StudioError("Model version doesn't exist", status=400)
            one.update(body)
            return one
        if "/import/predictions" in path:
            for row in body:
                task = self.tasks[row.pop("task")]
                task["predictions"].append({"id": self.number(), **row})
            return {"created": len(body)}
        if "/import?" in path:
            tasks = [self.add_task(number, row["data"], row.get("predictions", ())) for row in body]
            if self.loses_drafts:
                self.loses_drafts = False
                for number in tasks:
                    self.tasks[number]["predictions"] = []
            return {"task_ids": tasks, "prediction_count": sum(len(self.tasks[at]["predictions"]) for at in tasks)}
        action = re.fullmatch(r"/api/dm/actions\?id=(\w+)&project=(\d+)", path)
        assert action, path
        for number in body["selectedItems"]["included"]:
            assert self.tasks[number]["project"] == int(action[2])
            if action[1] == "delete_tasks":
                task = self.tasks.pop(number)
                assert not any(task[name] for name in ("total_annotations", "cancelled_annotations", "drafts"))
            else:
                assert action[1] == "delete_tasks_predictions"
                self.tasks[number]["predictions"] = []
        return {}


class World:
    """A workspace, its ledger and a server in memory."""

    def __init__(self, workspace: Path, sizes: Mapping[Split, int], *, local: bool = True) -> None:
        self.workspace = make_workspace(workspace, sizes)
        (workspace / "annotation").mkdir()
        (workspace / "annotation" / "HANDBOOK.md").write_text("# Handbook\n", encoding="utf-8")
        self.studio = FakeStudio(local_media_root(workspace) if local else None)

    def push(self, *splits: Split, **wishes: Any) -> PushResult:
        request = PushRequest(self.workspace, splits or (Split.COT,), **{"chunk": 3, "overlap_share": 0.0, **wishes})
        return run_push(request, cast(Studio, self.studio))

    def invite(self, *names: str) -> None:
        with self.ledger() as ledger:
            for name in names:
                ledger.add_annotator(name)

    def set_members(self, split: Split, numbers: list[int]) -> None:
        write_members(self.workspace, [member(split, number, ("FR", "DE", "JP")[number % 3]) for number in numbers])

    def ledger(self) -> Ledger:
        return Ledger(self.workspace / "work" / "annotation")

    def tasks(self, state: TaskState | None = None) -> list[Task]:
        with self.ledger() as ledger:
            return [task for task in ledger.tasks(purpose=Purpose.ANNOTATE) if state is None or task.state is state]

    def task_of(self, sample: str, annotator: str | None = None) -> Task:
        (task,) = (t for t in self.tasks() if t.sample_id == sample and annotator in (None, t.annotator))
        return task

    def check(self) -> None:
        """Check that the ledger and the server agree: every live task is there once, and nothing else of ours."""
        with self.ledger() as ledger:
            numbers = {project.id: project.server_project_id for project in ledger.projects(self.studio.identity)}
        expected = {
            (numbers[task.project], task.key, task.server_task_id)
            for task in self.tasks()
            if task.server_task_id is not None and task.project is not None
        }
        known = {task.key: task for task in self.tasks()}
        there = {
            (task["project"], task["data"]["key"], task["id"])
            for task in self.studio.tasks.values()
            if task["data"].get("key") in known
        }
        assert there == expected
        assert len({key for _, key, _ in there}) == len(there)
        assert not self.tasks(TaskState.PLANNED)
        for task in self.studio.tasks.values():
            key = task["data"].get("key")
            if key in known and known[key].state is TaskState.RETIRED:
                assert task["total_annotations"] or task["cancelled_annotations"] or task["drafts"]
