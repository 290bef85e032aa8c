"""The command of a stage: its words, its environment, what it goes on from."""

from __future__ import annotations

import doctest
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.schemas import UsageError
from geoseek.training import command
from geoseek.training.command import StagePaths, SwiftCommand, stage_command
from geoseek.training.recipes import Recipe, load_recipe, recipe_names
from geoseek.training.rewards import PLUGIN_PATH

ALONE: dict[str, str] = {}
"""The environment of a caller who has set nothing."""


def paths(root: Path, stage: str = "grpo", adapter: str | None = None, rewards: bool = True) -> StagePaths:
    return StagePaths(
        data=root / "data" / stage / "loc.jsonl",
        output=root / stage / "swift",
        rewards=root / stage / "rewards.json" if rewards else None,
        model="Qwen/Qwen2.5-VL-7B-Instruct",
        adapter=adapter,
    )


def options(made: SwiftCommand) -> dict[str, list[str]]:
    """Return option -> its words."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in made.arguments:
        if word.startswith("--"):
            name = word.removeprefix("--")
            assert name not in found, f"{name} is given twice"
            found[name] = []
        elif name:
            found[name].append(word)
    return found


def recipe(name: str = "geoagent-7b", *overrides: str) -> Recipe:
    return load_recipe(name, Path(), overrides)


def test_doctests() -> None:
    assert doctest.testmod(command).failed == 0
    assert doctest.testmod(command).attempted > 0


def test_sft_goes_on_from_the_model(tmp_path: Path) -> None:
    made = stage_command(recipe(), "sft", paths(tmp_path, "sft", rewards=False), seed=7, environ=ALONE)
    found = options(made)
    assert made.arguments[0] == "sft"
    assert found["model"] == ["Qwen/Qwen2.5-VL-7B-Instruct"]
    assert found["dataset"] == [str(tmp_path / "data" / "sft" / "loc.jsonl")]
    assert (found["seed"], found["data_seed"]) == (["7"], ["7"])
    assert found["learning_rate"] == ["1e-05"]
    assert found["freeze_vit"] == ["true"]
    assert not {"adapters", "ref_adapters", "reward_funcs", "external_plugins", "resume_from_checkpoint"} & set(found)
    assert "GEOSEEK_REWARDS" not in made.env


def test_grpo_goes_on_with_the_adapter_and_is_held_to_it(tmp_path: Path) -> None:
    made = stage_command(recipe(), "grpo", paths(tmp_path, adapter="checkpoint-9"), environ=ALONE)
    found = options(made)
    assert made.arguments[:3] == ("rlhf", "--rlhf_type", "grpo")
    assert (found["adapters"], found["ref_adapters"]) == (["checkpoint-9"], ["checkpoint-9"])
    assert found["reward_funcs"] == ["geo_spatial", "geo_semantic", "geo_consistency"]
    assert found["reward_weights"] == ["1.5", "1.0", "0.5"]
    assert found["external_plugins"] == [str(PLUGIN_PATH)]
    assert found["vllm_limit_mm_per_prompt"] == ['{"image": 1, "video": 0}']
    assert made.env["GEOSEEK_REWARDS"] == str(tmp_path / "grpo" / "rewards.json")
    assert made.env["ROOT_IMAGE_DIR"] == str(tmp_path / "data" / "grpo")


def test_without_a_kl_term_there_is_no_reference(tmp_path: Path) -> None:
    made = stage_command(recipe("geoagent-7b", "grpo.beta=0"), "grpo", paths(tmp_path, adapter="a"), environ=ALONE)
    assert options(made)["adapters"] == ["a"]
    assert "ref_adapters" not in options(made)


def test_a_stage_without_an_adapter_before_it_begins_one(tmp_path: Path) -> None:
    found = options(stage_command(recipe(), "grpo", paths(tmp_path), environ=ALONE))
    assert not {"adapters", "ref_adapters"} & set(found)


def test_resuming_takes_the_checkpoint_and_keeps_the_reference(tmp_path: Path) -> None:
    made = stage_command(
        recipe(), "grpo", paths(tmp_path, adapter="sft-9"), resume_from=tmp_path / "checkpoint-3", environ=ALONE
    )
    found = options(made)
    assert found["resume_from_checkpoint"] == [str(tmp_path / "checkpoint-3")]
    assert found["ref_adapters"] == ["sft-9"]
    assert "adapters" not in found


def test_all_weights_cannot_be_trained_from_an_adapter(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trains all weights, but starts from the adapter"):
        stage_command(recipe("geovista-rl"), "rl", paths(tmp_path, adapter="a"), environ=ALONE)


def test_the_recipe_wins_over_our_defaults_but_not_over_the_run(tmp_path: Path) -> None:
    changed = recipe("geoagent-7b", "grpo.use_hf=false", "grpo.report_to=[tensorboard, wandb]", "env.OMP_NUM_THREADS=4")
    made = stage_command(changed, "grpo", paths(tmp_path), environ=ALONE)
    found = options(made)
    assert found["use_hf"] == ["false"]
    assert found["report_to"] == ["tensorboard", "wandb"]
    assert found["output_dir"] == [str(tmp_path / "grpo" / "swift")]
    assert made.env["OMP_NUM_THREADS"] == "4"


@pytest.mark.parametrize(
    ("gpus", "environ", "nproc", "expected"),
    [
        (0, {}, None, {"CUDA_VISIBLE_DEVICES": ""}),
        (1, {}, None, {"CUDA_VISIBLE_DEVICES": "0"}),
        (1, {"NNODES": " "}, None, {"CUDA_VISIBLE_DEVICES": "0"}),
        (8, {}, 2, {"CUDA_VISIBLE_DEVICES": "0,1", "NPROC_PER_NODE": "2"}),
        (2, {"CUDA_VISIBLE_DEVICES": "4,6"}, None, {"CUDA_VISIBLE_DEVICES": "4,6", "NPROC_PER_NODE": "2"}),
        (
            4,
            {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "HOME": "/root"},
            None,
            {
                "CUDA_VISIBLE_DEVICES": "0,1",
                "NPROC_PER_NODE": "2",
                "NNODES": "2",
                "NODE_RANK": "1",
                "MASTER_ADDR": "10.0.0.1",
                "MASTER_PORT": "29500",
            },
        ),
        (2, {"NNODES": "2"}, None, {"CUDA_VISIBLE_DEVICES": "0", "NPROC_PER_NODE": "1", "NNODES": "2"}),
    ],
)
def test_processes_and_visible_gpus(
    gpus: int, environ: dict[str, str], nproc: int | None, expected: dict[str, str], tmp_path: Path
) -> None:
    """ms-swift spreads one process over all GPUs that it sees, so it must see as many as there are processes."""
    changed = recipe("geoagent-7b", f"gpus={gpus}")
    made = stage_command(changed, "sft", paths(tmp_path, "sft", rewards=False), nproc=nproc, environ=environ)
    assert {name: value for name, value in made.env.items() if name != "ROOT_IMAGE_DIR"} == expected


@pytest.mark.parametrize(
    ("nodes", "words"), [("3", "cannot share 8 GPUs"), ("two", "NNODES is 'two'"), ("0", "NNODES")]
)
def test_machines_must_fit_the_gpus(nodes: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        stage_command(recipe(), "sft", paths(tmp_path, "sft", rewards=False), environ={"NNODES": nodes})


def test_seeds_are_small_enough_for_numpy(tmp_path: Path) -> None:
    made = stage_command(recipe(), "sft", paths(tmp_path, "sft", rewards=False), seed=2**32 + 5, environ=ALONE)
    assert options(made)["seed"] == ["5"]


def test_equal_input_gives_the_equal_command(tmp_path: Path) -> None:
    first, second = (stage_command(recipe(), "grpo", paths(tmp_path), seed=1, environ=ALONE) for _ in range(2))
    assert first == second


def test_manifests_hold_no_absolute_path(tmp_path: Path) -> None:
    made = stage_command(recipe(), "grpo", paths(tmp_path, adapter=str(tmp_path / "sft" / "swift")), environ=ALONE)
    relative = made.relative_to(tmp_path)
    found = options(relative)
    assert found["adapters"] == ["sft/swift"]
    assert found["external_plugins"] == ["geoseek/training/rewards/plugin.py"]
    assert relative.env["ROOT_IMAGE_DIR"] == "data/grpo"
    assert [word for word in (*relative.arguments, *relative.env.values()) if Path(word).is_absolute()] == []


def test_the_shell_text_runs_the_same_words(tmp_path: Path) -> None:
    """A shell that reads the text calls `swift` with exactly the words and variables of the command."""
    made = stage_command(
        recipe("geoagent-7b", "grpo.swift.top_p=0.9"), "grpo", paths(tmp_path / "a folder; $(x)'s"), environ=ALONE
    )
    probe = tmp_path / "bin" / "swift"
    probe.parent.mkdir()
    probe.write_text(f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], dict(os.environ)]))\n")
    probe.chmod(0o755)
    run = subprocess.run(
        ["sh", "-c", made.shell()],
        env={"PATH": f"{probe.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    words, environment = json.loads(run.stdout)
    assert tuple(words) == made.arguments
    assert {name: environment[name] for name in made.env} == made.env


def test_the_command_starts_in_the_running_environment(tmp_path: Path) -> None:
    made = stage_command(recipe(), "grpo", paths(tmp_path), environ=ALONE)
    assert made.argv[:3] == (sys.executable, "-m", "swift.cli.main")
    assert made.argv[3:] == made.arguments


@pytest.mark.parametrize("name", recipe_names(Path()))
def test_every_shipped_recipe_has_its_commands(name: str, tmp_path: Path) -> None:
    found = recipe(name)
    adapter: str | None = None
    for stage_name, stage in found.stages.items():
        rewards = bool(stage.rewards.used())
        made = stage_command(found, stage_name, paths(tmp_path, stage_name, adapter, rewards), environ=ALONE)
        given_options = options(made)
        assert given_options["split_dataset_ratio"] == ["0"]
        assert given_options["strict"] == ["true"]
        assert given_options["report_to"] == ["tensorboard"]
        assert ("reward_funcs" in given_options) == ("GEOSEEK_REWARDS" in made.env) == rewards
        assert all(name == "CUDA_VISIBLE_DEVICES" or value for name, value in made.env.items())
        adapter = "adapter" if stage.trains_adapter else None


values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(values)
def test_values_become_words_that_a_shell_gives_back(value: Any) -> None:
    words = command._words(value)
    assert shlex.split(SwiftCommand(("sft", "--x", *words), {}).shell().replace("\\\n", " "))[3:] == words
    if isinstance(value, dict):
        assert json.loads(words[0]) == value
    if not isinstance(value, list | dict):
        assert len(words) == 1
