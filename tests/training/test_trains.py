"""The proof that it trains: the real ms-swift on the CPU, through the commands that a user has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import Split
from geoseek.training.predictions import iter_predictions
from scripts.learning_check import Scale, make_workspace

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.xdist_group("trains")]

STEPS, SAVED, GRPO_STEPS = 75, 15, 3
REWARDS = ("GeoSpatial", "GeoSemantic", "Format", "AnswerFormat")
VALUES = (
    f"sft.max_steps={STEPS}",
    f"sft.save_steps={SAVED}",
    "sft.save_total_limit=9",
    f"grpo.max_steps={GRPO_STEPS}",
    f"grpo.save_steps={GRPO_STEPS}",
    "grpo.max_completion_length=128",
)
TRAIN = ("train", "--recipe", "cpu-smoke", *(word for value in VALUES for word in ("--set", value)))
PATIENCE_S = 600


class Trained:
    """A workspace in which `geoseek train` was killed in the middle and taken up again."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.run = workspace / "runs" / "cpu-smoke"
        self.killed_at = 0

    def geoseek(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(_command(self.workspace, *words), capture_output=True, text=True, env=_environment())

    def steps(self, stage: str) -> list[dict[str, Any]]:
        lines = (self.run / stage / "swift" / "logging.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if "loss" in row]

    def kill_in_the_middle(self) -> None:
        """Start a training, and kill it with all its children once the first checkpoint is there."""
        process = subprocess.Popen(
            _command(self.workspace, *TRAIN),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=_environment(),
        )
        log = self.run / "sft" / "swift" / "logging.jsonl"
        patience = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < patience:
            self.killed_at = len(log.read_text().splitlines()) if log.is_file() else 0
            if self.killed_at > SAVED + 1:
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def _command(workspace: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "geoseek", *words, "--workspace", str(workspace)]


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a workspace with a few drawn scenes, after a training that was killed and taken up again."""
    workspace = tmp_path_factory.mktemp("trains") / "place"
    make_workspace(workspace, Scale(("FI", "EG"), {Split.COT: 6, Split.LOC: 4, Split.VAL: 3}, spare=4))
    found = Trained(workspace)
    found.kill_in_the_middle()
    assert not (found.run / "sft" / "checkpoint.json").exists()
    again = found.geoseek(*TRAIN, "--resume")
    assert again.returncode == 0, again.stderr
    return found


def test_sft_overfits_a_few_rows(trained: Trained) -> None:
    losses = [row["loss"] for row in trained.steps("sft")]
    assert losses[-1] < losses[0] / 10


def test_a_killed_training_goes_on_where_it_was_saved(trained: Trained) -> None:
    import torch

    assert SAVED < trained.killed_at < STEPS
    last = trained.run / "sft" / "swift" / f"checkpoint-{STEPS}"
    state = json.loads((last / "trainer_state.json").read_text())
    assert state["global_step"] == STEPS
    assert [row["step"] for row in state["log_history"] if "loss" in row] == list(range(1, STEPS + 1))
    optimizer = torch.load(last / "optimizer.pt", weights_only=True)
    done = {int(values["step"]) for values in optimizer["state"].values()}
    assert done == {STEPS}, "the optimizer was started anew"


def test_grpo_goes_on_from_sft_and_learns_from_every_reward(trained: Trained) -> None:
    start = json.loads((trained.run / "grpo" / "swift" / "args.json").read_text())["model"]
    assert Path(start) == trained.run / "sft" / "swift" / f"checkpoint-{STEPS}"
    steps = trained.steps("grpo")
    assert len(steps) == GRPO_STEPS
    assert max(row["reward_std"] for row in steps) > 0
    assert max(row["grad_norm"] for row in steps) > 0
    for row in steps:
        assert {f"rewards/{name}/{kind}" for name in REWARDS for kind in ("mean", "std")} <= set(row)
    lines = [json.loads(line) for line in (trained.run / "grpo" / "rewards-log.jsonl").read_text().splitlines()]
    assert {line["reward"] for line in lines} == {"geo_spatial", "geo_semantic", "format", "answer_format"}
    assert any(line["value"] > 0 for line in lines if line["reward"] == "geo_spatial")


def test_curves_and_manifest_are_there_and_a_second_run_changes_nothing(trained: Trained) -> None:
    files = [trained.run / name for name in ("curves.png", "curves.csv", "manifest.json", "checkpoint.json")]
    before = [path.read_bytes() for path in files]
    assert str(trained.workspace).encode() not in before[2] + before[3]
    again = trained.geoseek(*TRAIN)
    assert again.returncode == 0, again.stderr
    assert "sft: up to date" in again.stdout + again.stderr
    assert [path.read_bytes() for path in files] == before


def test_infer_and_evaluate_run_on_the_result(trained: Trained) -> None:
    asked = trained.geoseek("infer", "--split", "val", "--max-tokens", "160")
    assert asked.returncode == 0, asked.stderr
    predictions = list(iter_predictions(trained.run / "predictions" / "val.jsonl"))
    assert len(predictions) == 6
    assert all(found.error is None and found.text for found in predictions)
    assert sum(found.answer is not None for found in predictions) >= 1
    scored = trained.geoseek("evaluate", "--split", "val", "--no-chains", "--json")
    assert scored.returncode == 0, scored.stderr
    (figures,) = json.loads(scored.stdout)["evaluation"]["sets"]
    assert sum(figures["overall"]["outcomes"].values()) == figures["overall"]["rows"] == 6
    assert figures["overall"]["outcomes"]["located"] >= 1
