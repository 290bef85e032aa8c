"""A project on a real Label Studio with annotations in it, and the ledger of a workspace that pushed it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from geoseek.annotation.forms import load_form
from geoseek.annotation.ledger import AnnotationState, Ledger, Project, Purpose, StoredAnnotation, Task, TaskState
from geoseek.annotation.pull.compare import Difference, compare
from geoseek.annotation.pull.run import ProjectPull, PullRequest, run_pull
from geoseek.annotation.server import Patience, Studio, connect
from geoseek.annotation.server.home import load_secrets, server_home
from geoseek.schemas import Split
from tests.annotation.fake_studio import said

HASTE = Patience(tries=3, first_wait_s=0.01, longest_wait_s=0.05)


def reconnect(url: str, server_workspace: Path, *, patience: Patience = HASTE) -> Studio:
    """Return a connection that goes through a proxy, or that does not wait long."""
    token = load_secrets(server_home(server_workspace)).token
    assert token is not None
    return connect(url, token, identity="local", patience=patience, say=lambda _: None)


class PulledWorld:
    """Annotator ana has a project with tasks, all of which she has annotated."""

    def __init__(self, studio: Studio, workspace: Path, tasks: int = 20, *, split: Split = Split.COT) -> None:
        self.studio = studio
        self.workspace = workspace
        self.folder = workspace / "work" / "annotation"
        workspace.mkdir(exist_ok=True)
        (workspace / "geoseek.yaml").touch()
        form = load_form(workspace, split)
        body = {"title": f"pull {workspace.name}"[:50], "label_config": form.xml}
        self.number: int = studio.send_json("POST", "/api/projects/", body, doing="making a project")["id"]
        with self.ledger() as ledger, ledger.transaction():
            ledger.add_annotator("ana", email=studio.email)
            ledger.form_version(f"config-{split.value}", form.digest, form.xml)
            ledger.form_version("handbook", "h", "handbook")
            self.project: Project = ledger.put_project(
                "local",
                self.number,
                purpose=Purpose.ANNOTATE,
                annotator="ana",
                split=split,
                config_version=1,
                handbook_version=1,
            )
        self.tasks = self.push([f"key{number}" for number in range(tasks)])

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger(self.folder)

    def push(self, keys: list[str]) -> list[int]:
        """Import annotated tasks in one request and note them."""
        rows = [
            {
                "data": {"key": key, "image": "/data/x.jpg"},
                "annotations": [{"result": said(key), "lead_time": 30.5, "completed_by": self.studio.user_id}],
            }
            for key in keys
        ]
        path = f"/api/projects/{self.number}/import?return_task_ids=true"
        numbers: list[int] = self.studio.send_json("POST", path, rows, doing="importing")["task_ids"]
        with self.ledger() as ledger, ledger.transaction():
            ledger.plan_tasks(
                Task(key, Purpose.ANNOTATE, f"pool:{key}", self.project.split, "NO", "ana", TaskState.PLANNED)
                for key in keys
            )
            ledger.mark_pushed((key, self.project.id, number, "d") for key, number in zip(keys, numbers, strict=True))
        return numbers

    def annotations_of(self, task: int) -> list[dict[str, Any]]:
        """Return the annotations of a task as the server has them."""
        found: list[dict[str, Any]] = self.studio.get_json(f"/api/tasks/{task}/annotations/", doing="looking")
        return found

    def annotate(self, task: int, words: str, *, skip: bool = False) -> int:
        """Annotate a task as the lead's account, which is ana's here."""
        body = {"result": said(words), "was_cancelled": skip, "lead_time": 12}
        path = f"/api/tasks/{task}/annotations/"
        return int(self.studio.send_json("POST", path, body, doing="annotating")["id"])

    def edit(self, annotation: int, words: str) -> None:
        """Change an annotation."""
        self.studio.send_json("PATCH", f"/api/annotations/{annotation}/", {"result": said(words)}, doing="editing")

    def delete(self, annotation: int) -> None:
        """Delete an annotation as the page does."""
        self.studio.send_json("DELETE", f"/api/annotations/{annotation}/", None, doing="deleting")

    def act(self, action: str, tasks: Iterable[int]) -> None:
        """Run a bulk action as the Data Manager's menu does."""
        body = {"selectedItems": {"all": False, "included": list(tasks)}}
        self.studio.send_json("POST", f"/api/dm/actions?id={action}&project={self.number}", body, doing=action)

    def pull(self, studio: Studio | None = None, *, full: bool = False, page_tasks: int = 4) -> ProjectPull:
        """Pull, in small pages."""
        request = PullRequest(self.workspace, full=full, page_tasks=page_tasks)
        (result,) = run_pull(request, studio or self.studio).projects
        return result

    def differences(self) -> list[Difference]:
        """Compare ledger and server."""
        with self.ledger() as ledger:
            return compare(self.studio, ledger)

    def rows(self) -> list[StoredAnnotation]:
        """Return every version in the ledger."""
        with self.ledger() as ledger:
            return list(ledger.annotations(history=True))

    def check(self, *, annotations: int | None = None) -> None:
        """Check that the ledger is as the server, and holds nothing twice."""
        assert self.differences() == []
        rows = self.rows()
        assert len({(row.id, row.version) for row in rows}) == len(rows)
        for before, after in pairwise(rows):
            assert before.id != after.id or before.digest != after.digest
        if annotations is not None:
            last = {row.id: row for row in rows}
            assert sum(row.state is not AnnotationState.DELETED for row in last.values()) == annotations
