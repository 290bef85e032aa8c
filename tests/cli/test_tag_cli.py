from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoseek.cli.tag import score_range
from geoseek.schemas import Split, UsageError
from tests.endpoints.stub_server import ChatServer, fail
from tests.pipelines.tag.world import TagWorld, rater
from tests.support import Run


@pytest.fixture
def world(workspace: Path) -> TagWorld:
    world = TagWorld(workspace, {Split.VAL: 3})
    world.rate(0, 2)
    world.rate(1, 6)
    return world


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    running = ChatServer()
    running.usual = rater()
    monkeypatch.setenv("GEOSEEK_VLM_URL", running.url)
    monkeypatch.setenv("GEOSEEK_VLM_MODEL", "stub-vl")
    monkeypatch.setenv("GEOSEEK_VLM_KEY", "secret-of-the-stub")
    yield running
    running.close()


def test_people_only_unless_asked_otherwise(world: TagWorld, server: ChatServer, run: Run) -> None:
    done = run("tag")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["val", "3", "2", "2", "0", "1"]
    assert "2 read = 2 used + 0 rejected" in done.stdout
    assert "work/curated/tags-report.html" in done.stdout
    assert not server.asked
    assert "Up to date" in run("tag").stdout


def test_model_is_announced_and_counted(world: TagWorld, server: ChatServer, run: Run) -> None:
    planned = run("tag", "--source", "both", "--dry-run")
    assert "6 requests about 3 pictures" in planned.stdout
    assert json.loads(run("tag", "--source", "both", "--dry-run", "--json").stdout)["model"]["requests"] == 6
    assert not server.asked
    done = run("tag", "--source", "both", "--use", "model", "--locatability-range", "3:9")
    assert done.returncode == 0, done.stderr
    assert "6 requests about 3 pictures" in done.stderr
    assert "6 questions = 6 answered + 0 failed" in done.stdout
    assert "spent in this run: 6 requests, 600 tokens there, 60 back" in done.stdout
    assert "secret-of-the-stub" not in done.stdout + done.stderr
    figures = json.loads(run("tag", "--source", "both", "--json").stdout)
    assert figures["spent"]["requests"] == 0
    assert figures["agreement"]["samples"] == 2


def test_server_that_refuses_the_key(world: TagWorld, server: ChatServer, run: Run) -> None:
    server.usual = fail(401)
    done = run("tag", "--source", "endpoint")
    assert done.returncode == 1
    assert "unauthorized" in done.stderr
    assert "GEOSEEK_VLM_KEY" in done.stderr or "_KEY" in done.stderr


def test_no_model_is_named(world: TagWorld, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("VLM", "LLM"):
        monkeypatch.delenv(f"GEOSEEK_{prefix}_URL", raising=False)
        monkeypatch.delenv(f"GEOSEEK_{prefix}_MODEL", raising=False)
    done = run("tag", "--source", "both")
    assert done.returncode == 2
    assert "GEOSEEK_VLM_URL" in done.stderr


def test_wrong_options_are_explained(world: TagWorld, run: Run) -> None:
    for arguments, said in ((("--source", "humans"), "human"), (("--locatability-range", "9:3"), "LOW:HIGH")):
        done = run("tag", *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["9:3", "nan:nan", "3", ":", "3:11", "-1:3", "a:b", ""])
def test_what_is_no_range_of_scores(text: str) -> None:
    with pytest.raises(UsageError, match="no range of scores"):
        score_range(text)


def test_quiet_says_nothing(world: TagWorld, run: Run) -> None:
    done = run("tag", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
