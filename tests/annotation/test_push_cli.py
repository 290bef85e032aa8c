"""`geoseek annotate push` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from geoseek.annotation import server
from geoseek.cli.annotate.push import push
from geoseek.schemas import Split, UsageError
from tests.annotation.push_server import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path, {Split.COT: 6, Split.VAL: 3})
    monkeypatch.setattr(server, "ensure_studio", lambda _: world.studio)
    return world


def run(world: World, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(push)
    found = CliRunner().invoke(app, ["--workspace", str(world.workspace), *arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_the_short_form_just_works(world: World) -> None:
    found = run(world)
    assert found.exit_code == 0
    assert "lead       val           3          3" in found.stdout
    assert "http://studio.example/projects/" in found.stdout
    assert "wait for more annotators" in found.stderr
    world.check()


def test_dry_run_says_what_would_be_done(world: World) -> None:
    found = run(world, "--dry-run", "--split", "cot", "--limit", "4")
    assert found.stdout.splitlines()[0] == "cot · lead: 4 new tasks"
    assert not world.studio.writes
    figures = json.loads(run(world, "--dry-run", "--json").stdout)
    assert figures["new"] == [
        {"annotator": "lead", "split": "cot", "tasks": 6},
        {"annotator": "lead", "split": "val", "tasks": 3},
    ]


def test_json_is_all_there_is_on_stdout(world: World) -> None:
    world.invite("ana", "ben")
    found = run(world, "--json", "--annotators", "ben", "--overlap", "1")
    figures = json.loads(found.stdout)
    assert [(one["annotator"], one["split"], one["imported"]) for one in figures["projects"]] == [
        ("ben", "cot", 6),
        ("ben", "val", 3),
    ]
    assert figures["planned"] == 9
    assert not found.stderr


def test_quiet_says_nothing_but_what_matters(world: World) -> None:
    assert not run(world, "--quiet", "--overlap", "1").output


def test_wrong_names_are_errors(world: World) -> None:
    with pytest.raises(UsageError, match="Unknown split 'cto'; did you mean 'cot'"):
        run(world, "--split", "cto")
    with pytest.raises(UsageError, match="Unknown annotator"):
        run(world, "--annotators", "nobody")
