"""`geoseek annotate review` as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from geoseek.annotation.ledger import Ledger, StoredAnnotation
from geoseek.cli.annotate.review_words import visible
from geoseek.cli.main import app
from tests.annotation.review.makers import chain, new, stored
from tests.annotation.workspaces import make_workspace

Review = Callable[..., Result]
OWN_WORDS = (
    "Half-timbered houses and a yellow town sign.",
    "The plates are white and long, and the signs have round letters without serifs, as in no other country here.",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = make_workspace(tmp_path / "workspace", {})
    with Ledger(folder / "work" / "annotation") as ledger:
        for name in ("ana", "ben"):
            ledger.add_annotator(name)
        rows = [
            stored(1, chain("France", reasoning=OWN_WORDS[0])),
            stored(2, chain("Spain\x1b[31m", reasoning=OWN_WORDS[1]), annotator="ben"),
            stored(3, chain("Germany", reasoning="It says 48.8584, 2.2945 in the EXIF."), sample_id="pool:2"),
            stored(4, chain("Germany", reasoning="日本ではない。"), sample_id="pool:3"),
        ]
        for row in rows:
            ledger.add_annotation(new(row))
    return folder


@pytest.fixture
def review(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Review:
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["annotate", "review", *arguments])

    return call


def queue(review: Review, *arguments: str) -> dict[str, dict[str, object]]:
    done = review("--json", *arguments)
    assert done.exit_code == 0, done.stderr
    return {row["id"].rpartition(":")[2]: row for row in json.loads(done.stdout)}


def last_versions(workspace: Path) -> dict[str, StoredAnnotation]:
    with Ledger(workspace / "work" / "annotation") as ledger:
        return {row.id.rpartition(":")[2]: row for row in ledger.annotations()}


def test_queue_show_and_decisions(review: Review, workspace: Path, tmp_path: Path) -> None:
    waiting = queue(review)
    assert list(waiting) == ["3", "1", "2"]
    assert list(queue(review, "--rule", "leak")) == ["3"]
    assert list(queue(review, "--annotator", "ben", "--limit", "1")) == ["2"]
    table = review()
    assert "48.8584, 2.2945" in table.stdout
    assert "\x1b" not in table.stdout
    assert "not in this workspace" in table.stderr

    handles = {number: str(row["handle"]) for number, row in waiting.items()}
    shown = review("show", handles["2"])
    assert "Spain\\u001b[31m" in shown.stdout
    assert "beside it" in shown.stdout
    assert "\x1b" not in review("show", handles["2"], "--json").stdout

    record = json.loads(review("show", handles["1"], "--record").stdout)
    record["chain"]["country"]["conclusion"] = "Belgium"
    (tmp_path / "mine.json").write_text(json.dumps(record), encoding="utf-8")
    edited = review("edit", handles["1"], "--file", str(tmp_path / "mine.json"), "--by", "carla")
    assert "accepted as edited" in edited.stdout, edited.stderr
    assert "nothing to do" in review("edit", handles["1"], "--file", str(tmp_path / "mine.json")).stdout

    assert (
        "rejected, to the reserve" in review("reject", handles["3"][:5], "--reason", "cheat", "--to", "reserve").stdout
    )
    assert "had been rejected by lead" in review("accept", handles["3"]).stdout

    assert review("accept", "--clean", "--dry-run").stdout == "1 annotation would be accepted.\n"
    assert review("accept", "--clean", "--by", "dora").stdout.startswith("1 annotation accepted")
    assert review("accept", "--clean").stdout.startswith("0 annotations accepted")

    rows = last_versions(workspace)
    decided = {number: row.decision for number, row in rows.items() if row.decision}
    assert {number: (one.verdict.value, one.reviewer) for number, one in decided.items()} == {
        "1": ("edited", "carla"),
        "3": ("accepted", "lead"),
        "4": ("accepted", "dora"),
    }
    belgian = rows["1"].annotation
    assert belgian is not None
    assert belgian.chain is not None
    assert belgian.chain.country.conclusion == "Belgium"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rule", "leek"], "did you mean 'leak'"),
        (["show", "zzzz"], "no annotation 'zzzz'"),
        (["accept"], "--clean"),
        (["accept", "--clean", "abcd"], "--clean"),
        (["reject", "--reason", "x"], "No annotation is named"),
        (["reject", "studio:local:1"], "reason is empty"),
        (["reject", "studio:local:1", "--reason", "x", "--to", "nowhere"], "nowhere"),
        (["accept", "studio:local:1", "--by", " "], "empty"),
    ],
)
def test_mistakes_are_explained(review: Review, arguments: list[str], words: str) -> None:
    done = review(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_files_that_are_no_record_are_refused(review: Review, tmp_path: Path) -> None:
    for content, words in (("[]", "holds no record"), ("{", "is not JSON")):
        (tmp_path / "x.json").write_text(content, encoding="utf-8")
        done = review("edit", "studio:local:1", "--file", str(tmp_path / "x.json"))
        assert (done.exit_code, words in done.stderr) == (1, True)
    assert "Cannot read" in review("edit", "studio:local:1", "--file", "nowhere.json").stderr


def test_disputes_are_counted_without_a_server(review: Review) -> None:
    assert review("push", "--dry-run").stdout == "1 sample in dispute\n"


def test_workspace_without_a_ledger_is_explained(review: Review, workspace: Path) -> None:
    for file in (workspace / "work" / "annotation").iterdir():
        file.unlink()
    done = review()
    assert done.exit_code == 1
    assert "nothing was annotated yet" in done.stderr


def test_control_characters_are_written_out() -> None:
    assert visible("a\x1b\x9b\u202eb\r") == "a\\u001b\\u009b\\u202eb\\u000d"
    assert visible("日本 é 👩‍👩‍👧 عربى") == "日本 é 👩‍👩‍👧 عربى"
