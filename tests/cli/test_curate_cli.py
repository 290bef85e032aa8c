from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.schemas import Split
from tests.pipelines.curate.world import World, french, german
from tests.support import Run


@pytest.fixture
def world(workspace: Path) -> World:
    world = World(workspace, {Split.COT: 4, Split.VAL: 2})
    world.add(0, french())
    world.add(1, german(reasoning="It was taken at 51.16569, 10.45153, as the GPS says, in a village."))
    world.add(2, "White plates with blue ends. So it must be France.")
    return world


def test_curate_prints_counts_and_says_what_happened(world: World, run: Run) -> None:
    done = run("curate")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["split", "samples", "read", "kept", "rejected"]
    assert lines[1].split() == ["cot", "4", "3", "1", "2"]
    assert "check_failed: 1" in done.stdout
    assert "free text: 1 = 1 by rules" in done.stdout
    assert max(map(len, lines)) <= 100
    assert "to-review.jsonl" in done.stderr
    assert "Written: work/curated" in done.stderr
    assert pq.read_table(world.curated / "cot.parquet").num_rows == 1

    again = run("curate")
    assert again.stdout == done.stdout
    assert "Up to date" in again.stderr


def test_json_is_all_that_stdout_holds(world: World, run: Run) -> None:
    figures = json.loads(run("curate", "--json").stdout)
    assert figures["reasons"] == {"check_failed": 1, "to_review": 1}
    assert not figures["up_to_date"]
    assert json.loads(run("curate", "--json").stdout) == {**figures, "up_to_date": True}


def test_quiet_says_nothing(world: World, run: Run) -> None:
    done = run("curate", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_dry_run_writes_nothing(world: World, run: Run) -> None:
    done = run("curate", "--dry-run")
    assert "cot: 3 annotations" in done.stdout
    assert not world.curated.exists()


def test_setting_of_the_workspace_counts(world: World, run: Run) -> None:
    (world.folder / "geoseek.yaml").write_text("curate: {require_accepted: true}\n", encoding="utf-8")
    assert "not_accepted: 3" in run("curate").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--standardise", "rule"), "did you mean 'rules'?"),
        (("--standardise", "endpoint"), "GEOSEEK_LLM_URL"),
    ],
)
def test_wrong_requests_exit_with_2(
    world: World, run: Run, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEOSEEK_LLM_URL", raising=False)
    done = run("curate", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
