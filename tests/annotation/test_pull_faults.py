"""Pull from a real Label Studio while things break: after a rerun the ledger is exactly as the server."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from geoseek.annotation.ledger import LEDGER_NAME, AnnotationState, TaskState
from geoseek.annotation.pull.run import PullRequest, run_pull
from geoseek.annotation.server import Studio, StudioError, ensure_studio, stop_server
from geoseek.annotation.server.home import server_home
from geoseek.annotation.server.process import find_servers
from tests.annotation.fake_studio import said
from tests.annotation.proxy import (
    Action,
    Answer,
    FaultProxy,
    Forward,
    answer,
    call,
    cut,
    forward_then_cut,
    html,
)
from tests.annotation.pulled_world import PulledWorld, reconnect

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("studio")]

StudioServer = tuple[Studio, Path]
KILL_TRIALS = 32
_CHILD = """
import sys
from pathlib import Path
from geoseek.annotation.pull.run import PullRequest, run_pull
from tests.annotation.pulled_world import reconnect
studio = reconnect(sys.argv[1], Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
run_pull(PullRequest(Path(sys.argv[3]), page_tasks=2), studio)
"""


@pytest.fixture
def world(studio_server: StudioServer, tmp_path: Path) -> Iterator[PulledWorld]:
    studio, _ = studio_server
    made = PulledWorld(studio, tmp_path)
    yield made
    studio.send_json("DELETE", f"/api/projects/{made.number}/", None, doing="cleaning up")


@pytest.fixture
def proxy(studio_server: StudioServer) -> Iterator[FaultProxy]:
    with FaultProxy(studio_server[0].url) as made:
        yield made


@pytest.fixture
def through(proxy: FaultProxy, studio_server: StudioServer) -> Iterator[Studio]:
    with reconnect(proxy.url, studio_server[1]) as studio:
        yield studio


def test_everything_that_annotators_do_is_seen(world: PulledWorld) -> None:
    assert world.pull().new == 20
    world.check(annotations=20)
    first, second, third, fourth = (world.annotations_of(task)[0]["id"] for task in world.tasks[:4])
    world.edit(first, "Việt Nam, 東京, Ñandú 🗺")
    world.delete(second)
    world.act("delete_tasks_annotations", [world.tasks[2]])
    world.act("delete_tasks", [world.tasks[3]])
    again = world.annotate(world.tasks[4], "second thoughts")
    skipped = world.annotate(world.tasks[1], "", skip=True)
    result = world.pull()
    assert (result.deleted, result.new) == (3, 2)
    world.check(annotations=19)
    last = {row.id: row for row in world.rows()}
    for number in (second, third, fourth):
        assert last[f"studio:local:{number}"].state is AnnotationState.DELETED
    edited = last[f"studio:local:{first}"].annotation
    assert edited is not None
    assert edited.chain is not None
    assert edited.chain.final_answer == "Việt Nam, 東京, Ñandú 🗺"
    assert last[f"studio:local:{skipped}"].state is AnnotationState.SKIPPED
    assert last[f"studio:local:{again}"].state is AnnotationState.SUBMITTED
    with world.ledger() as ledger:
        (retired,) = (task for task in ledger.tasks() if task.state is TaskState.RETIRED)
    assert (retired.key, retired.retired_reason) == ("key3", "deleted on the server")
    assert world.pull(full=True).changed == 0


def test_work_by_another_account_is_set_aside(world: PulledWorld) -> None:
    body = {"email": "stranger@localhost.invalid", "username": "stranger", "password": "stranger-1234"}
    try:
        stranger = world.studio.send_json("POST", "/api/users/", body, doing="making an account")["id"]
    except StudioError:
        users = world.studio.get_json("/api/users/", doing="looking for the account")
        stranger = next(user["id"] for user in users if user["email"] == body["email"])
    row = {"result": said("Mars"), "completed_by": stranger}
    path = f"/api/tasks/{world.tasks[0]}/annotations/"
    number = world.studio.send_json("POST", path, row, doing="annotating")["id"]
    world.pull()
    last = {row.id: row for row in world.rows()}[f"studio:local:{number}"]
    assert last.state is AnnotationState.QUARANTINED
    assert last.reason == f"made by somebody else than the annotator of the project: account {stranger}"
    world.check()


def test_drafts_are_not_pulled(world: PulledWorld) -> None:
    world.pull()
    body = {"result": said("not sure yet"), "lead_time": 3}
    world.studio.send_json("POST", f"/api/tasks/{world.tasks[0]}/drafts", body, doing="typing")
    assert world.pull().changed == 0
    world.check(annotations=20)


@pytest.mark.parametrize("action", [cut, forward_then_cut, answer(500), answer(429, Retry_After="0"), answer(502)])
@pytest.mark.parametrize("first", [1, 3])
def test_one_bad_answer_is_asked_for_again(
    world: PulledWorld, proxy: FaultProxy, through: Studio, action: Action, first: int
) -> None:
    with proxy.fault("GET", "/api/tasks", action, first=first):
        assert world.pull(through).new == 20
    world.check(annotations=20)


def test_an_access_token_that_expires_meanwhile_is_renewed(
    world: PulledWorld, proxy: FaultProxy, through: Studio
) -> None:
    with proxy.fault("GET", "/api/tasks", answer(401), first=3):
        assert world.pull(through).new == 20
    world.check(annotations=20)


@pytest.mark.parametrize(
    "action",
    [answer(401), answer(403), answer(404), answer(429), answer(500), html(), html(502), cut, forward_then_cut],
    ids=["401", "403", "404", "429", "500", "html", "html-502", "cut", "forward-then-cut"],
)
@pytest.mark.parametrize(("path", "first"), [("/api/tasks", 3), ("/api/projects/counts", 2), ("annotations_ids", 1)])
def test_a_server_that_stays_bad_is_said_in_words_and_the_rerun_completes(
    world: PulledWorld, proxy: FaultProxy, through: Studio, action: Action, path: str, first: int
) -> None:
    if path == "annotations_ids":
        world.pull()
        world.delete(world.annotations_of(world.tasks[0])[0]["id"])
    with proxy.fault("GET", path, action, first=first, times=None), pytest.raises(StudioError) as error:
        world.pull(through)
    assert error.value.hint
    world.pull(through)
    world.check(annotations=19 if path == "annotations_ids" else 20)


def test_the_server_dies_in_the_middle_of_a_pull(server_workspace: Callable[[], Path], tmp_path: Path) -> None:
    home = server_workspace()
    with ensure_studio(home, say=lambda _: None) as studio:
        world = PulledWorld(studio, tmp_path / "pulling")

        def kill() -> None:
            for process in find_servers(server_home(home)):
                os.kill(process.pid, signal.SIGKILL)

        with FaultProxy(studio.url) as proxy, reconnect(proxy.url, home) as through:
            proxy.on("GET", "/api/tasks", call(kill), first=3)
            with pytest.raises(StudioError):
                world.pull(through)
        assert 0 < len(world.rows()) < 20
    with ensure_studio(home, say=lambda _: None) as studio:
        world.studio = studio
        world.pull()
        world.check(annotations=20)
    stop_server(home)


def test_a_pull_killed_at_random_points_loses_and_doubles_nothing(
    world: PulledWorld, proxy: FaultProxy, studio_server: StudioServer, tmp_path: Path
) -> None:
    dice = random.Random(4)  # noqa: S311
    untouched = tmp_path / "untouched.sqlite"
    shutil.copy(world.folder / LEDGER_NAME, untouched)
    command = [sys.executable, "-c", _CHILD, proxy.url, str(studio_server[1]), str(world.workspace)]
    halfway = 0
    for _ in range(KILL_TRIALS):
        for file in world.folder.glob(f"{LEDGER_NAME}*"):
            file.unlink()
        shutil.copy(untouched, world.folder / LEDGER_NAME)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdin is not None
            assert child.stdout.readline() == "ready\n"
            proxy.on(
                "GET", "/api/(tasks|projects)", _then_kill(child, dice.uniform(0, 0.03)), first=dice.randint(1, 12)
            )
            child.stdin.write("go\n")
            child.stdin.flush()
            child.wait(60)
        proxy.calm()
        halfway += 0 < len(world.rows()) < 20
        world.pull()
        world.check(annotations=20)
        assert {row.version for row in world.rows()} == {1}
    assert halfway, "no kill hit a pull that was under way"


def _then_kill(child: subprocess.Popen[str], delay_s: float) -> Action:
    def action(forward: Forward) -> Answer:
        found = forward()
        threading.Timer(delay_s, child.kill).start()
        return found

    return action


def test_two_pulls_at_once_do_not_interfere(world: PulledWorld) -> None:
    results = []

    def pull() -> None:
        results.append(world.pull(page_tasks=2))

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.new for result in results) == [0, 0, 20]
    world.check(annotations=20)


@pytest.mark.parametrize("hours", [-5, 5, 30])
def test_our_clock_may_be_wrong(world: PulledWorld, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time() + 3600 * hours, tz)

    world.pull()
    monkeypatch.setattr("geoseek.annotation.pull.run.datetime", Shifted)
    monkeypatch.setattr("geoseek.annotation.ledger.ledger.datetime", Shifted)
    change_everything(world)
    world.pull()
    world.check(annotations=20)


def test_tasks_whose_time_lies_in_the_future_hide_no_later_change(
    world: PulledWorld, studio_server: StudioServer
) -> None:
    database = server_home(studio_server[1]).data / "label_studio.sqlite3"
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute(
            "UPDATE task SET updated_at = datetime(updated_at, '+30 hours') WHERE project_id = ?", (world.number,)
        )
    world.pull()
    change_everything(world)
    world.pull()
    world.check(annotations=20)


def test_a_server_whose_clock_was_set_back_is_read_in_full(world: PulledWorld) -> None:
    world.pull()
    with world.ledger() as ledger:
        ledger.set_cursor(world.project.id, (datetime.now(UTC) + timedelta(hours=30)).isoformat())
    change_everything(world)
    world.pull()
    world.check(annotations=20)


def change_everything(world: PulledWorld) -> None:
    """Edit one annotation, delete one and add one, so that the counts stay as they are."""
    numbers = [world.annotations_of(task)[0]["id"] for task in world.tasks[:2]]
    world.edit(numbers[0], "changed")
    world.delete(numbers[1])
    world.annotate(world.tasks[2], "more")


def test_a_restored_backup_is_brought_up_to_date(world: PulledWorld) -> None:
    from geoseek.annotation.ledger import LedgerError, back_up, restore

    world.pull()
    back_up(world.folder / LEDGER_NAME)
    world.edit(world.annotations_of(world.tasks[0])[0]["id"], "after the backup")
    world.pull()
    for file in world.folder.glob(f"{LEDGER_NAME}-*"):
        file.unlink()
    data = bytearray((world.folder / LEDGER_NAME).read_bytes())
    data[200:20_000] = b"\xff" * 19_800
    (world.folder / LEDGER_NAME).write_bytes(data)
    with pytest.raises(LedgerError) as error:
        world.pull()
    assert error.value.hint is not None
    assert "geoseek annotate restore ledger-" in error.value.hint
    restore(world.folder / LEDGER_NAME)
    world.pull()
    world.check(annotations=20)
    assert run_pull(PullRequest(world.workspace), world.studio).changes == 0
