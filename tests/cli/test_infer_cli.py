from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.endpoints.stub_server import Asked, ChatServer, fail
from tests.formats.exports import jpeg, write_export
from tests.support import Run
from tests.training.infer.stub import COLMAR, locate, mark, picture_of

OUTPUT = "runs/predictions/stub-vl/val.jsonl"
SECRET = "secret-of-the-stub"  # noqa: S105


@pytest.fixture
def server(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    write_export(workspace / "export")
    running = ChatServer()
    running.usual = locate
    monkeypatch.setenv("GEOSEEK_VLM_URL", running.url)
    monkeypatch.setenv("GEOSEEK_VLM_MODEL", "stub-vl")
    monkeypatch.setenv("GEOSEEK_VLM_KEY", SECRET)
    yield running
    running.close()


def test_split_from_the_command_line(workspace: Path, server: ChatServer, run: Run) -> None:
    done = run("infer", "--engine", "endpoint")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["rows", "answers", "located", "errors"]
    assert done.stdout.splitlines()[1].split() == ["4", "4", "4", "0"]
    assert f"Written: {OUTPUT}, by stub-vl" in done.stdout
    assert f"Next: geoseek evaluate {OUTPUT} --split val" in done.stdout
    assert "4 pictures of the split val" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert len((workspace / OUTPUT).read_text().splitlines()) == 4
    again = run("infer", "--engine", "endpoint")
    assert f"Up to date: {OUTPUT}" in again.stdout
    assert again.stderr == ""
    assert len(server.asked) == 4


def test_one_photo_gets_its_answer_printed(workspace: Path, server: ChatServer, run: Run) -> None:
    (workspace / "Paris.jpg").write_bytes(jpeg(1, position=True))
    done = run("infer", "Paris.jpg", "--endpoint", server.url, "--model", "other", "--output", "here.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"Answer: {COLMAR}" in done.stdout
    assert "Next:" not in done.stdout
    assert "Paris" not in json.dumps(server.asked)
    assert server.asked[0]["model"] == "other"
    assert json.loads((workspace / "here.jsonl").read_text())["id"] == "Paris.jpg"


def test_json_is_all_there_is_on_stdout(server: ChatServer, run: Run) -> None:
    done = run("infer", "--engine", "endpoint", "--limit", "2", "--json")
    figures = json.loads(done.stdout)
    assert figures["figures"]["rows"] == 2
    assert figures["output"].endswith("val-first2.jsonl")
    assert (figures["asked"], figures["spent"]["requests"], figures["up_to_date"]) == (2, 2, False)
    assert done.stderr == ""


def test_dry_run(workspace: Path, server: ChatServer, run: Run) -> None:
    done = run("infer", "--engine", "endpoint", "--split", "cot", "--dry-run")
    assert "5 pictures of the split cot" in done.stdout
    assert json.loads(run("infer", "--engine", "endpoint", "--dry-run", "--json").stdout)["output"] == OUTPUT
    assert not server.asked
    assert not (workspace / "runs").exists()


def test_errors_are_told_and_tried_again(server: ChatServer, run: Run) -> None:
    def moody(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        refused = mark(picture_of(asked)) == mark(jpeg(2))
        (fail(400, "too dark") if refused else locate)(handler, asked)

    server.usual = moody
    done = run("infer", "--engine", "endpoint", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert "No text for 1 pictures: bad_request 1. --retry-errors asks again." in done.stderr
    server.usual = locate
    assert run("infer", "--engine", "endpoint", "--retry-errors").stdout.splitlines()[1].split() == ["4", "4", "4", "0"]


def test_nothing_but_errors_is_a_failure(workspace: Path, server: ChatServer, run: Run) -> None:
    (workspace / "x.jpg").write_text("not a picture")
    done = run("infer", "x.jpg", "--engine", "endpoint")
    assert done.returncode == 1
    assert "not_an_image" in done.stderr


def test_refused_key(server: ChatServer, run: Run) -> None:
    server.usual = fail(401, f"who is {SECRET}?")
    done = run("infer", "--engine", "endpoint")
    assert done.returncode == 1
    assert "unauthorized" in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "transformer"), "did you mean 'transformers'"),
        (("--question", "stf"), "did you mean 'sft'"),
        (("--split", "vall"), "did you mean 'val'"),
        (("x.jpg", "--split", "val"), "Both a path and a split"),
        (("gone.jpg", "--engine", "endpoint"), "There is no photo or folder"),
        (("--model", "no-such-model", "--dry-run"), "neither a folder"),
        (("--engine", "endpoint", "--temperature", "-1"), "--temperature"),
        (("--engine", "endpoint", "--output", "."), ". is a folder"),
        (("--endpoint", "localhost", "--model", "any"), "Error: The endpoint's URL is no http or https address"),
    ],
)
def test_wrong_options_are_explained(server: ChatServer, run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("infer", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_trained_yet(server: ChatServer, run: Run) -> None:
    done = run("infer", "--dry-run")
    assert done.returncode == 1
    assert "no checkpoint.json" in done.stderr
    assert "geoseek train" in done.stderr
