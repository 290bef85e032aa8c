"""`geoseek annotate pull` from the command line, against a server in memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from geoseek.cli.main import app
from tests.annotation.fake_studio import BO, FakeWorld, said, text_result

Run = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    (tmp_path / "geoseek.yaml").touch()
    return FakeWorld(tmp_path)


@pytest.fixture
def run(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("geoseek.annotation.server.ensure_studio", lambda *_, **__: world.studio)
    return lambda *words: CliRunner().invoke(
        app, ["annotate", "pull", "--workspace", str(world.workspace), *map(str, words)]
    )


def test_a_table_on_stdout_and_remarks_on_stderr(world: FakeWorld, run: Run) -> None:
    world.server.annotate(world.tasks[0], result=[*said(), text_result("region_reasoning", "Birches.")])
    world.server.annotate(world.tasks[1], by=BO)
    stranger = world.server.add_task(7, None)
    world.server.annotate(stranger)
    result = run()
    assert result.exit_code == 0
    head, row = result.stdout.splitlines()
    assert dict(zip(head.split(), row.split(), strict=True)) == {
        "annotator": "ana",
        "split": "cot",
        "new": "2",
        "changed": "0",
        "deleted": "0",
        "unchanged": "0",
        "skipped": "0",
        "quarantined": "1",
        "half-filled": "1",
    }
    assert "Note: ana, pool:k0: half_stage: the region stage lacks" in result.stderr
    assert f"http://studio.example/projects/7/data?task={world.tasks[0]}" in result.stderr
    assert "Note: ana, pool:k1: quarantined: made by somebody else" in result.stderr
    where = f"http://studio.example/projects/7/data?task={stranger}"
    assert f"did not push this task; what is said there is not kept: {where}" in result.stderr
    assert run().stdout == "Up to date: nothing changed on the server since the last pull.\n"


def test_json_is_all_that_is_printed(world: FakeWorld, run: Run) -> None:
    world.server.annotate(world.tasks[0], skip=True)
    result = run("--json", "--check")
    assert result.stderr == ""
    figures = json.loads(result.stdout)
    assert figures["differences"] == []
    (project,) = figures["projects"]
    assert (project["annotator"], project["new"], project["skipped"]) == ("ana", 1, 1)


def test_check_says_where_ledger_and_server_differ(world: FakeWorld, run: Run) -> None:
    stranger = world.server.add_task(7, None)
    result = run("--check")
    assert result.exit_code == 1
    assert f"Difference in project 7: {stranger}: the server has a task that GeoSeek did not push." in result.stderr
    world.server.delete_task(stranger)
    result = run("--check")
    assert result.exit_code == 0
    assert result.stdout.endswith("The ledger holds exactly what the server holds.\n")


def test_quiet_prints_nothing(world: FakeWorld, run: Run) -> None:
    world.server.annotate(world.tasks[0])
    assert run("--quiet").output == ""


def test_control_characters_do_not_reach_the_terminal(world: FakeWorld, run: Run) -> None:
    world.server.annotate(world.tasks[0], result=[*said(), text_result("\x1b[2J", "boo")])
    assert "\x1b" not in run().output


def test_a_gone_project_is_a_warning(world: FakeWorld, run: Run) -> None:
    world.server.projects.clear()
    result = run()
    assert result.exit_code == 0
    assert "Warning: project 7 of ana (cot) is no longer on the server." in result.stderr


def test_another_split_is_left_alone(world: FakeWorld, run: Run) -> None:
    world.server.annotate(world.tasks[0])
    assert "Up to date" in run("--split", "val").stdout
    assert run("--split", "dev").exit_code == 2


def test_watch_ends_cleanly_on_ctrl_c(world: FakeWorld, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    world.server.annotate(world.tasks[0])
    naps = 0

    def nap(_: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", nap)
    result = run("--watch", "--every", "1")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("1 new")
    assert "Stopped. What was pulled is in the ledger." in result.stderr
    assert run("--watch", "--check").exit_code == 2


def test_watch_with_json_prints_a_line_for_each_pull(
    world: FakeWorld, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    world.server.annotate(world.tasks[0])
    (line,) = run("--watch", "--json").stdout.splitlines()
    assert json.loads(line)["projects"][0]["new"] == 1
