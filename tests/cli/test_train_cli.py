"""`geoseek train` as a user runs it, as far as that needs no training; tests/training holds the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from geoseek.cli.main import app
from geoseek.training.recipes import load_recipe, recipe_names
from tests.support import Run

Invoke = Callable[..., Result]

SHIPPED = ("cpu-smoke", "geoagent-7b", "geoagent-7b-code", "geovista-rl", "gre-3stage", "single-gpu")


@pytest.fixture
def invoke(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs `geoseek ARGUMENTS` inside the workspace, in this process."""
    monkeypatch.chdir(workspace)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("recipe", SHIPPED)
def test_dry_run_of_every_recipe(invoke: Invoke, workspace: Path, recipe: str) -> None:
    done = invoke("train", "--recipe", recipe, "--dry-run")
    assert done.exit_code == 0, done.stderr
    stages = load_recipe(recipe, workspace).stages
    calls = [line for line in done.stdout.splitlines() if line.startswith("swift ")]
    assert calls == [f"swift {'sft' if stage.method == 'sft' else 'rlhf'} \\" for stage in stages.values()]
    assert f"--output_dir {workspace}/runs/{recipe}/" in done.stdout
    assert "MAX_PIXELS=" in done.stdout or "--max_pixels" in done.stdout
    assert not (workspace / "runs").exists()


def test_all_recipes_are_covered(workspace: Path) -> None:
    assert sorted(recipe_names(workspace)) == sorted(SHIPPED)


def test_values_from_the_command_line_reach_ms_swift(invoke: Invoke, workspace: Path) -> None:
    done = invoke(
        *("train", "--recipe", "geoagent-7b", "--stage", "grpo", "--dry-run", "--seed", "77", "--output", "there"),
        *("--set", "grpo.num_generations=4", "--set", "grpo.rewards.geo_spatial.weight=2"),
    )
    assert done.exit_code == 0, done.stderr
    assert "--num_generations 4" in done.stdout
    assert "--reward_weights 2" in done.stdout
    assert "--seed 77" in done.stdout
    assert f"--output_dir {workspace}/there/grpo/swift" in done.stdout
    assert "swift sft" not in done.stdout


def test_the_recipe_of_the_workspace_is_the_default(invoke: Invoke, workspace: Path) -> None:
    assert "# Recipe cpu-smoke" in invoke("train", "--dry-run").stdout
    (workspace / "geoseek.yaml").write_text("seed: 3\ntrain: {recipe: single-gpu}\n")
    assert "# Recipe single-gpu" in invoke("train", "--dry-run").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "geoagent-7"), "did you mean 'geoagent-7b'"),
        (("--stage", "gpro"), "did you mean 'grpo'"),
        (("--set", "sft.learning_rat=1"), "learning_rate"),
        (("--set", "sft.learning_rate"), "key=value"),
        (("--resume", "--force"), "contradict"),
        (("--on-agent-error", "zeros"), "did you mean 'zero'"),
        (("--on-agent-error", "zero"), "asks no agent"),
        (("--data-format", "gre-cot"), "--data PATH"),
    ],
)
def test_wrong_words(invoke: Invoke, arguments: tuple[str, ...], words: str) -> None:
    done = invoke("train", "--dry-run", *arguments)
    assert done.exit_code == 2, done.stdout
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_export_it_says_what_to_do(run: Run, workspace: Path) -> None:
    done = run("train", "--recipe", "single-gpu")
    assert done.returncode == 1
    assert "export" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_set(invoke: Invoke) -> None:
    done = invoke("train", "--data", "set.json", "--data-format", "gre-cot", "--stage", "sft", "--dry-run")
    assert "from set.json" in done.stdout
    missing = invoke("train", "--data", "set.json", "--data-format", "gre-cot", "--stage", "sft")
    assert missing.exit_code != 0
    assert "set.json" in missing.stderr


_WITHOUT = """
import sys
for name in ("swift", "torch", "transformers"):
    sys.modules[name] = None
from geoseek.cli.main import main
sys.argv = ["geoseek", "train", "--recipe", "geoagent-7b", "--dry-run"]
main()
"""


def test_a_dry_run_needs_neither_ms_swift_nor_torch_nor_an_export(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], cwd=workspace, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "NPROC_PER_NODE=8" in done.stdout
