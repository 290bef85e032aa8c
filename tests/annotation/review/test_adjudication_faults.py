"""Answers that get lost on the way: the dispute is on the server once, and the ledger knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from geoseek.annotation.ledger import Ledger, Purpose, TaskState
from geoseek.annotation.review import PushedDisputes, push_disputes
from geoseek.annotation.server import Studio, StudioError, local_media_root
from geoseek.schemas import Split
from tests.annotation.push_server import FakeStudio
from tests.annotation.review.makers import chain, new, stored
from tests.annotation.workspaces import make_workspace


class Server(FakeStudio):
    """A server on which nobody has annotated anything yet, and which says so."""

    def _list(self, given: Mapping[str, Any]) -> Any:
        asked = set(given["include"].split(","))
        shown = [name for name in ("id", "data", "predictions", "drafts") if name in asked]
        page = super()._list({**given, "include": ",".join(shown)})
        empty = {"annotations": [], "total_annotations": 0, "cancelled_annotations": 0, "updated_at": "2026-03-01"}
        extra = {name: value for name, value in empty.items() if name in asked}
        return {**page, "tasks": [{**task, **extra} for task in page["tasks"]]}


class Court:
    """A workspace with three disputes and a server in memory, the workspace's own."""

    def __init__(self, folder: Path) -> None:
        self.workspace = make_workspace(folder, {Split.COT: 4})
        self.studio = Server(local_media_root(folder))
        with self.ledger() as ledger:
            for name in ("ana", "ben"):
                ledger.add_annotator(name)
            for sample in range(3):
                for number, (name, country) in enumerate((("ana", "France"), ("ben", "Peru"))):
                    row = stored(10 * sample + number, chain(country), annotator=name, sample_id=f"pool:cot-{sample}")
                    ledger.add_annotation(new(row))

    def ledger(self) -> Ledger:
        return Ledger(self.workspace / "work" / "annotation")

    def push(self) -> PushedDisputes:
        return push_disputes(self.workspace, cast(Studio, self.studio), reviewer="lead")

    def check(self) -> None:
        """Check that every dispute is on the server once, under the number that the ledger has, with one prefill."""
        keys = Counter(task["data"]["key"] for task in self.studio.tasks.values())
        assert set(keys.values()) == {1}
        there = {(task["data"]["key"], number) for number, task in self.studio.tasks.items()}
        with self.ledger() as ledger:
            tasks = list(ledger.tasks(purpose=Purpose.ADJUDICATE))
        assert {task.state for task in tasks} == {TaskState.PUSHED}
        assert {(task.key, task.server_task_id) for task in tasks} == there
        assert {len(task["predictions"]) for task in self.studio.tasks.values()} == {1}
        assert len(self.studio.projects) == 1


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


def test_own_server_shows_pictures_under_opaque_names(court: Court) -> None:
    pushed = court.push()
    assert (pushed.disputes, pushed.imported) == (3, 3)
    court.check()
    for task in court.studio.tasks.values():
        assert task["data"]["image"].startswith("/data/local-files/?d=pictures/")
        assert "cot" not in task["data"]["image"]
    (project,) = court.studio.projects.values()
    assert project["title"] == "GeoSeek adjudication cot · lead"
    writes = len(court.studio.writes)
    assert court.push().imported == 0
    assert len(court.studio.writes) == writes


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("which", range(4))
def test_lost_answer_doubles_nothing(court: Court, which: int, moment: str) -> None:
    seen = 0

    def lose(request: str) -> str | None:
        nonlocal seen
        seen += 1
        return moment if seen == which + 1 else None

    court.studio.fault = lose
    try:
        court.push()
    except StudioError:
        court.studio.fault = lambda _: None
        court.push()
    court.check()


def test_server_that_stays_away_loses_nothing(court: Court) -> None:
    court.studio.fault = lambda request: "before" if "/import" in request else None
    with pytest.raises(StudioError):
        court.push()
    court.studio.fault = lambda _: None
    court.push()
    court.check()


def test_reviewer_who_is_no_annotator_gets_no_samples(court: Court) -> None:
    court.push()
    with court.ledger() as ledger:
        assert {annotator.name: annotator.active for annotator in ledger.annotators()} == {
            "ana": True,
            "ben": True,
            "lead": False,
        }
