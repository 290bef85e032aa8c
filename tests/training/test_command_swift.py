"""ms-swift's own parser reads the commands of all shipped recipes and understands every word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from geoseek.training.command import StagePaths, stage_command
from geoseek.training.recipes import Recipe, load_recipe, recipe_names, swift_arguments

pytestmark = [pytest.mark.train, pytest.mark.slow]


def commands(recipe: Recipe, root: Path) -> list[tuple[str, str, list[str]]]:
    found: list[tuple[str, str, list[str]]] = []
    adapter: str | None = None
    for name, stage in recipe.stages.items():
        rewards = root / "rewards.json" if stage.rewards.used() else None
        paths = StagePaths(root / "data.jsonl", root / name / "swift", rewards, recipe.model, adapter)
        made = stage_command(recipe, name, paths, seed=20260212, environ={})
        found.append((name, stage.method, list(made.arguments[1:])))
        adapter = "adapter" if stage.trains_adapter else None
    return found


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what ms-swift reads from all commands, by recipe and stage, and the fields that it knows."""
    root = tmp_path_factory.mktemp("parse")
    asked = [(name, *found) for name in recipe_names(Path()) for found in commands(load_recipe(name, Path()), root)]
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("swift_parser.py"))],
        input=json.dumps([(method, words) for _, _, method, words in asked]),
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answer = json.loads(run.stdout)
    read = {(name, stage): found for (name, stage, _, _), found in zip(asked, answer["read"], strict=True)}
    return {"fields": answer["fields"], "read": read}


def test_no_word_is_left_over(understood: dict[str, Any]) -> None:
    left = {stage: found["unknown"] for stage, found in understood["read"].items() if found["unknown"]}
    assert left == {}


def test_values_arrive_with_their_types(understood: dict[str, Any]) -> None:
    for (name, stage_name), found in understood["read"].items():
        stage = load_recipe(name, Path()).stages[stage_name]
        for argument, value in stage.swift.items():
            if argument in found["values"] and not isinstance(value, dict):
                read = found["values"][argument]
                expected = [read] if isinstance(value, list) and not isinstance(read, list) else read
                assert expected == value, (name, stage_name, argument)


def test_the_published_grpo_stage_as_ms_swift_sees_it(understood: dict[str, Any]) -> None:
    values = understood["read"]["geoagent-7b", "grpo"]["values"]
    expected = {
        "rlhf_type": "grpo",
        "adapters": ["adapter"],
        "ref_adapters": ["adapter"],
        "reward_funcs": ["geo_spatial", "geo_semantic", "geo_consistency"],
        "reward_weights": [1.5, 1.0, 0.5],
        "beta": 0.001,
        "num_generations": 8,
        "temperature": 0.7,
        "max_completion_length": 1024,
        "seed": 20260212,
        "data_seed": 20260212,
        "use_vllm": True,
        "vllm_mode": "colocate",
        "deepspeed": "zero3",
        "add_version": False,
        "report_to": ["tensorboard"],
        "vllm_limit_mm_per_prompt": '{"image": 1, "video": 0}',
    }
    assert {name: values[name] for name in expected} == expected


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_names_read_from_the_source_are_those_of_the_classes(method: str, understood: dict[str, Any]) -> None:
    found = swift_arguments(method)
    assert found is not None
    declared = set(understood["fields"][method])
    assert declared - set(found) == set()
    assert set(found) - declared == set()
