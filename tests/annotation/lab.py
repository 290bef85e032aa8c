"""A workspace of its own for every test, on the one real server that all tests share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoseek.annotation.ledger import Ledger, Purpose, Task, TaskState
from geoseek.annotation.projects.project import list_projects
from geoseek.annotation.projects.tasks import list_tasks
from geoseek.annotation.pull.compare import compare
from geoseek.annotation.push.run import PushRequest, PushResult, run_push
from geoseek.annotation.server import Patience, Studio, connect
from geoseek.annotation.server.home import load_secrets, server_home
from geoseek.schemas import Split
from tests.annotation.workspaces import make_workspace

HASTE = Patience(tries=3, first_wait_s=0.01, longest_wait_s=0.05)


class Lab:
    """A workspace with fetched pictures; `server_folder` is where its server lives."""

    def __init__(self, workspace: Path, studio: Studio, server_folder: Path, sizes: Mapping[Split, int]) -> None:
        self.workspace = make_workspace(workspace, sizes)
        self.studio = studio
        self.connections: list[Studio] = []
        self.token = load_secrets(server_home(server_folder.parents[2])).token or ""
        (workspace / "work" / "annotation").mkdir(parents=True)
        link = workspace / "work" / "annotation" / "server"
        if link != server_folder:
            link.symlink_to(server_folder, target_is_directory=True)
        (workspace / "annotation").mkdir()
        (workspace / "annotation" / "HANDBOOK.md").write_text("# Handbook\n", encoding="utf-8")

    def connect(self, url: str | None = None, *, token: str | None = None, identity: str = "local") -> Studio:
        """Return another connection to the server, through a proxy or with another token."""
        self.connections.append(
            connect(url or self.studio.url, token or self.token, identity=identity, patience=HASTE, say=lambda _: None)
        )
        return self.connections[-1]

    def request(self, *splits: Split, **wishes: Any) -> PushRequest:
        """Return a request that sends few tasks at a time."""
        return PushRequest(self.workspace, splits or (Split.COT,), **{"chunk": 5, "overlap_share": 0.0, **wishes})

    def push(self, *splits: Split, studio: Studio | None = None, **wishes: Any) -> PushResult:
        """Push."""
        return run_push(self.request(*splits, **wishes), studio or self.studio)

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger(self.workspace / "work" / "annotation")

    def tasks(self, state: TaskState | None = None) -> list[Task]:
        """Return the tasks of the ledger."""
        with self.ledger() as ledger:
            return [task for task in ledger.tasks(purpose=Purpose.ANNOTATE) if state in (None, task.state)]

    def projects(self) -> list[int]:
        """Return the numbers of our projects on the server."""
        with self.ledger() as ledger:
            return [project.server_project_id for project in ledger.projects()]

    def check(self, tasks: int) -> None:
        """Check that the server has so many tasks, that each is there once, and that the ledger says the same."""
        there = Counter(one.key for number in self.projects() for one in list_tasks(self.studio, number))
        assert there.total() == len(there) == tasks
        assert set(there) == {task.key for task in self.tasks() if task.server_task_id is not None}
        assert not self.tasks(TaskState.PLANNED)
        with self.ledger() as ledger:
            assert compare(self.studio, ledger) == []


@contextmanager
def open_lab(
    studio: Studio, server_workspace: Path, workspace: Path, sizes: Mapping[Split, int] | None = None
) -> Iterator[Lab]:
    """Make a workspace on a shared server, and delete its projects in the end."""
    folder = server_home(server_workspace).folder
    lab = Lab(workspace, studio, folder, sizes or {Split.COT: 12, Split.VAL: 6})
    yield lab
    for connection in lab.connections:
        connection.close()
    there = {project["id"] for project in list_projects(studio)}
    for number in there.intersection(lab.projects()):
        studio.send_json("DELETE", f"/api/projects/{number}", None, doing="tidying up")
