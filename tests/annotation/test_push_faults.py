"""Faults in the middle of a push, against a real server: afterwards, one more push makes everything right."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from geoseek.annotation.ledger import LEDGER_NAME, LedgerError, TaskState, files
from geoseek.annotation.server import Studio, StudioError, ensure_studio
from geoseek.annotation.server.home import server_home
from geoseek.annotation.server.process import find_servers
from geoseek.schemas import Split
from tests.annotation.lab import HASTE, Lab, open_lab
from tests.annotation.proxy import Action, FaultProxy, answer, call, cut, forward_then_cut, html
from tests.annotation.push_child import Children
from tests.annotation.workspaces import member, write_members

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("studio")]

TRIALS = 33
WRITES = {
    "project": ("POST", r"^/api/projects/?$", 1),
    "storage": ("POST", "/api/storages/localfiles", 1),
    "first import": ("POST", r"/import\?", 1),
    "third import": ("POST", r"/import\?", 3),
}
LISTING = ("GET", r"^/api/tasks/.*filters", 1)


@pytest.fixture
def lab(studio_server: tuple[Studio, Path], tmp_path: Path) -> Iterator[Lab]:
    with open_lab(*studio_server, tmp_path / "workspace") as found:
        yield found


@pytest.fixture
def proxy(lab: Lab) -> Iterator[FaultProxy]:
    with FaultProxy(lab.studio.url) as found:
        yield found


def push_through(lab: Lab, proxy: FaultProxy) -> StudioError | None:
    """Push through the proxy; return what went wrong, if anything."""
    try:
        lab.push(studio=lab.connect(proxy.url))
    except StudioError as error:
        return error
    return None


@pytest.mark.parametrize("where", WRITES)
@pytest.mark.parametrize("action", [cut, forward_then_cut], ids=["request lost", "answer lost"])
def test_lost_writes(lab: Lab, proxy: FaultProxy, where: str, action: Action) -> None:
    method, path, first = WRITES[where]
    with proxy.fault(method, path, action, first=first):
        error = push_through(lab, proxy)
    if "import" in where:
        assert error is None, "the push looks what arrived, and goes on by itself"
        lab.check(12)
    lab.push()
    lab.check(12)


@pytest.mark.parametrize("where", ["update", "deletion"])
def test_lost_answers_to_changes(lab: Lab, proxy: FaultProxy, where: str) -> None:
    lab.push()
    rows = [member(Split.COT, number, ("FR", "DE", "JP")[number % 3]) for number in range(2, 12)]
    rows[0]["source_id"] = "cot-99"
    write_members(lab.workspace, rows)
    method, path = {"update": ("PATCH", "/api/tasks/"), "deletion": ("POST", "/api/dm/actions")}[where]
    with proxy.fault(method, path, forward_then_cut):
        assert push_through(lab, proxy) is None
    lab.check(10)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (answer(403), 403),
        (answer(404), 404),
        (answer(429, Retry_After="1"), 429),
        (answer(500, "<h1>Server Error (500)</h1>", Content_Type="text/html"), 500),
        (answer(502, "", Content_Type="text/html"), 502),
        (html(200), 200),
    ],
)
@pytest.mark.parametrize("where", [WRITES["third import"], LISTING], ids=["import", "listing"])
def test_strange_answers(lab: Lab, proxy: FaultProxy, where: tuple[str, str, int], action: Action, status: int) -> None:
    method, path, first = where
    with proxy.fault(method, path, action, first=first, times=None):
        error = push_through(lab, proxy)
    assert error is not None
    assert error.status == status
    assert lab.token not in str(error)
    lab.push()
    lab.check(12)


def test_a_session_that_ends_in_the_middle_is_renewed(lab: Lab, proxy: FaultProxy) -> None:
    with proxy.fault("POST", r"/import\?", answer(401), first=2):
        assert push_through(lab, proxy) is None
    lab.check(12)


def test_a_token_that_is_revoked_in_the_middle(lab: Lab, proxy: FaultProxy) -> None:
    with proxy.fault("*", r"/import\?|/api/token/", answer(401), first=2, times=None):
        error = push_through(lab, proxy)
    assert error is not None
    assert error.status == 401
    lab.push()
    lab.check(12)


def test_a_ledger_that_is_locked_before_and_in_the_middle(
    lab: Lab, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_BUSY_SECONDS", 0.2)
    lab.ledger().close()
    path = lab.workspace / "work" / "annotation" / LEDGER_NAME
    with _locked(path), pytest.raises(LedgerError, match="locked"):
        lab.push()
    lock = sqlite3.connect(path, check_same_thread=False)
    with proxy.fault("POST", r"/import\?", call(lambda: lock.execute("BEGIN IMMEDIATE")), first=2):
        with pytest.raises(LedgerError, match="locked"):
            lab.push(studio=lab.connect(proxy.url))
        lock.close()
    assert lab.tasks(TaskState.PLANNED)
    lab.push()
    lab.check(12)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()


@pytest.mark.parametrize("action", [None, forward_then_cut], ids=["before", "after"])
def test_server_killed_in_the_middle(
    server_workspace: Callable[[], Path], tmp_path: Path, action: Action | None
) -> None:
    home = server_workspace()
    with (
        ensure_studio(home, patience=HASTE, say=lambda _: None) as studio,
        open_lab(studio, home, tmp_path / "lab") as lab,
    ):

        def kill() -> None:
            for server in find_servers(server_home(home)):
                os.kill(server.pid, signal.SIGKILL)

        def kill_after(forward: Callable[[], object]) -> object:
            forward()
            kill()
            return forward()

        with FaultProxy(studio.url) as proxy:
            proxy.on("POST", r"/import\?", kill_after if action else call(kill), first=2)  # type: ignore[arg-type]
            assert push_through(lab, proxy) is not None
        assert len(lab.tasks(TaskState.PLANNED)) == 7
        with ensure_studio(home, patience=HASTE, say=lambda _: None) as again:
            lab.studio = again
            lab.push()
            lab.check(12)
        # The lab tidies up through the connection that it was made with.
        studio.url = again.url


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as found:
        yield found


def test_killed_at_random_points(lab: Lab, proxy: FaultProxy, children: Children) -> None:
    dice = np.random.default_rng(20260301)
    with lab.ledger() as ledger:
        for name in ("ana", "ben"):
            ledger.add_annotator(name)
    killed = 0
    for trial in range(TRIALS):
        # Some samples leave, some come, some get another picture: there is always something to do.
        rows = [member(Split.COT, n, ("FR", "DE", "JP")[n % 3]) for n in range(trial, trial + 24)]
        rows[dice.integers(24)]["source_id"] = f"cot-{1000 + trial}"
        write_members(lab.workspace, rows)
        proxy.calm()
        process = children.start(proxy.url, lab.token, lab.workspace)

        def kill(process: int = process) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

        if trial % 3 < 2:
            action = call(kill) if trial % 3 else _then(kill)
            proxy.on("*", "", action, first=int(dice.integers(1, 30)))
        else:
            time.sleep(dice.uniform(0, 1.5))
            kill()
        killed += children.exit_code() == -signal.SIGKILL
        lab.push(overlap_share=0.25)
        _check_pushed(lab, 24)
    assert killed > TRIALS // 2


def _then(function: Callable[[], object]) -> Action:
    """Do something after the server has done its work."""

    def done(forward):  # type: ignore[no-untyped-def]
        found = forward()
        function()
        return found

    return done


def _check_pushed(lab: Lab, samples: int) -> None:
    live = lab.tasks(TaskState.PUSHED)
    assert len({task.sample_id for task in live}) == samples
    lab.check(len(live))
