"""Disputes on a real server: put up once, decided in the project, read back as decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from geoseek.annotation.forms import encode_results
from geoseek.annotation.ledger import Ledger, Purpose, TaskState, Verdict
from geoseek.annotation.push.run import PushRequest, run_push
from geoseek.annotation.review import PushedDisputes, pull_verdicts, push_disputes
from geoseek.annotation.review.board import OWN
from geoseek.annotation.server import Studio, connect
from geoseek.annotation.server.home import load_secrets, server_home
from geoseek.schemas import ChainOfThought, Split
from tests.annotation.conftest import StudioServer
from tests.annotation.review.makers import chain, new, stored
from tests.annotation.workspaces import make_workspace

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("studio")]


class Court:
    """A workspace with disputes, and the server on which they are decided."""

    def __init__(self, workspace: Path, studio: Studio) -> None:
        self.workspace = make_workspace(workspace, {Split.COT: 3, Split.VAL: 1})
        self.studio = studio
        with self.ledger() as ledger:
            for name in ("ana", "ben", "carla"):
                ledger.add_annotator(name)
        run_push(PushRequest(self.workspace, (Split.COT, Split.VAL)), studio)
        self.say(1, "ana", "cot-0", chain("France", "Brittany"))
        self.say(2, "ben", "cot-0", chain("Spain"))
        self.say(3, "ana", "cot-1", chain("France"))
        self.say(4, "ben", "cot-1", chain("Italy"))
        self.say(5, "ana", "cot-2", chain("France"))
        self.say(6, "ben", "cot-2", chain("Frankreich"))
        self.say(7, "ana", "val-0", chain("France"), split=Split.VAL, locatability_score=6.5)
        self.say(8, "carla", "val-0", chain("Peru"), split=Split.VAL, locatability_score=2.0)

    def ledger(self) -> Ledger:
        return Ledger(self.workspace / "work" / "annotation")

    def say(self, number: int, annotator: str, sample: str, said: ChainOfThought, **fields: Any) -> None:
        with self.ledger() as ledger:
            ledger.add_annotation(new(stored(number, said, annotator=annotator, sample_id=f"pool:{sample}", **fields)))

    def push(self) -> PushedDisputes:
        return push_disputes(self.workspace, self.studio, reviewer="lead")

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return sample -> its newest task, as the server has it."""
        with self.ledger() as ledger:
            known = {
                task.server_task_id: task.sample_id.removeprefix("pool:")
                for task in ledger.tasks(purpose=Purpose.ADJUDICATE)
            }
        there = {number: self.task(number) for number in known if number is not None}
        return {known[number]: task for number, task in sorted(there.items()) if task}

    def task(self, number: int) -> dict[str, Any]:
        task: dict[str, Any] = self.studio.get_json(f"/api/tasks/{number}/", doing="reading a task")
        return task

    def judge(self, sample: str, choice: str, results: list[dict[str, Any]] | None = None) -> int:
        """Choose on the page of a sample, as the reviewer's browser would send it."""
        verdict = {
            "id": "verdict", "from_name": "verdict", "to_name": "image", "type": "choices",
            "value": {"choices": [choice]},
        }  # fmt: skip
        body = {"result": [*(results or []), verdict], "lead_time": 30}
        path = f"/api/tasks/{self.tasks()[sample]['id']}/annotations/"
        return int(self.studio.send_json("POST", path, body, doing="annotating")["id"])

    def letter(self, sample: str, country: str) -> str:
        """Return the letter of the chain that concludes a country, as a reader of the page finds it."""
        html = self.tasks()[sample]["data"]["chains"]
        first = html.index("border-radius:4px")
        return "A" if html.index(f"<b>{country}</b>", first) == html.index("<b>", first) else "B"

    def decisions(self) -> dict[str, tuple[Verdict, str | None, str]]:
        with self.ledger() as ledger:
            return {
                one.annotation_id.rpartition(":")[2]: (one.verdict, one.reason, one.reviewer)
                for one in ledger.decisions()
            }


@pytest.fixture
def court(studio_server: StudioServer, tmp_path: Path) -> Iterator[Court]:
    studio, home = studio_server
    token = load_secrets(server_home(home)).token
    assert token is not None
    # Known by its address, the server gets the pictures as uploads: its own folder belongs to another workspace.
    with connect(studio.url, token, say=lambda _: None) as connection:
        court = Court(tmp_path / "workspace", connection)
        yield court
        with court.ledger() as ledger:
            numbers = [project.server_project_id for project in ledger.projects()]
        for number in numbers:
            connection.send_json("DELETE", f"/api/projects/{number}", None, doing="tidying up")


def test_disputes_go_up_once_and_come_back_as_decisions(court: Court) -> None:
    first = court.push()
    assert (first.disputes, first.waiting, first.imported, len(first.urls)) == (3, 3, 3, 2)
    again = court.push()
    assert (again.imported, again.updated, again.taken_back, again.waiting) == (0, 0, 0, 3)
    assert set(court.tasks()) == {"cot-0", "cot-1", "val-0"}

    court.judge("cot-0", court.letter("cot-0", "France"))
    task = court.tasks()["cot-1"]
    own = encode_results(chain("Portugal", answer="Portugal"), split=Split.COT)
    court.judge("cot-1", OWN, own)
    assert task["predictions"][0]["model_version"] == "copy of a chain"

    pulled = pull_verdicts(court.workspace, court.studio)
    assert (pulled.settled, pulled.accepted, pulled.rejected, pulled.edited) == (2, 1, 2, 1)
    base = "3" if court.decisions()["3"][0] is Verdict.EDITED else "4"
    other = "4" if base == "3" else "3"
    assert court.decisions() == {
        "1": (Verdict.ACCEPTED, None, "lead"),
        "2": (Verdict.REJECTED, "adjudicated", "lead"),
        base: (Verdict.EDITED, None, "lead"),
        other: (Verdict.REJECTED, "adjudicated", "lead"),
    }
    with court.ledger() as ledger:
        edited = {row.id[-1]: row for row in ledger.annotations()}[base].annotation
        assert edited is not None
        assert edited.chain == chain("Portugal", answer="Portugal")
        before = list(ledger.decisions())

    pulled = pull_verdicts(court.workspace, court.studio)
    assert (pulled.settled, pulled.unchanged) == (0, 2)
    with court.ledger() as ledger:
        assert list(ledger.decisions()) == before
    assert court.push().waiting == 1


def test_task_leads_nowhere(court: Court) -> None:
    court.push()
    for sample, task in court.tasks().items():
        shown = {key: value for key, value in task["data"].items() if key != "chains"}
        for word in ("ana", "ben", "carla", "pool", sample, "FR", "studio:"):
            assert word not in str(shown), word


def test_changed_chain_is_put_up_again(court: Court) -> None:
    court.push()
    court.say(2, "ben", "cot-0", chain("Andorra"))  # before the verdict: the same task shows the new words
    changed = court.push()
    assert (changed.updated, changed.imported) == (1, 0)
    assert "Andorra" in court.tasks()["cot-0"]["data"]["chains"]

    court.judge("cot-0", court.letter("cot-0", "Andorra"))
    court.say(2, "ben", "cot-0", chain("Belgium"))  # after the verdict, which was about other words
    pulled = pull_verdicts(court.workspace, court.studio)
    assert (pulled.settled, list(pulled.unsettled)) == (0, ["pool:cot-0"])
    assert court.decisions() == {}
    renewed = court.push()
    assert (renewed.imported, renewed.waiting) == (1, 3)
    assert "Belgium" in court.tasks()["cot-0"]["data"]["chains"]
    assert court.push().imported == 0


def test_reviewer_may_change_a_verdict(court: Court) -> None:
    court.push()
    number = court.judge("cot-0", court.letter("cot-0", "France"))
    pull_verdicts(court.workspace, court.studio)
    other = {
        "id": "verdict", "from_name": "verdict", "to_name": "image", "type": "choices",
        "value": {"choices": [court.letter("cot-0", "Spain")]},
    }  # fmt: skip
    court.studio.send_json("PATCH", f"/api/annotations/{number}/", {"result": [other]}, doing="changing")
    pull_verdicts(court.workspace, court.studio)
    assert {number: verdict for number, (verdict, _, _) in court.decisions().items()} == {
        "1": Verdict.REJECTED,
        "2": Verdict.ACCEPTED,
    }


def test_settled_otherwise_is_taken_back_unless_begun(court: Court) -> None:
    court.push()
    court.judge("cot-1", OWN)  # nothing in the form: waits to be completed
    court.say(2, "ben", "cot-0", chain("France", "Bretagne"))
    pushed = court.push()
    assert (pushed.disputes, pushed.taken_back, pushed.imported) == (2, 1, 0)
    assert set(pushed.verdicts.unsettled) == {"pool:cot-1"}
    with court.ledger() as ledger:
        states = {task.sample_id: task.state for task in ledger.tasks(purpose=Purpose.ADJUDICATE)}
    assert states["pool:cot-0"] is TaskState.RETIRED
    assert states["pool:cot-1"] is TaskState.PUSHED
    assert court.push().imported == 0


def test_deleted_verdict_and_project_are_noticed(court: Court) -> None:
    court.push()
    number = court.judge("cot-0", "A")
    pull_verdicts(court.workspace, court.studio)
    court.studio.send_json("DELETE", f"/api/annotations/{number}/", None, doing="deleting")
    pull_verdicts(court.workspace, court.studio)
    with court.ledger() as ledger:
        (row,) = ledger.annotations(purpose=Purpose.ADJUDICATE)
        assert row.state == "deleted"
    assert len(court.decisions()) == 2
