"""`--set key=value`: what can be set, what the short forms mean, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.schemas import UsageError
from geoseek.training.recipes import Recipe, arguments, load_recipe
from geoseek.training.recipes.overrides import apply_overrides


def load(*overrides: str, name: str = "geoagent-7b") -> Recipe:
    return load_recipe(name, Path(), overrides)


def refusal(overrides: Sequence[str], name: str = "geoagent-7b") -> str:
    with pytest.raises(UsageError) as caught:
        load(*overrides, name=name)
    return str(caught.value)


@pytest.fixture
def no_swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "swift_version", lambda: None)


@pytest.mark.parametrize(
    "key", ["stages.grpo.swift.learning_rate", "grpo.swift.learning_rate", "grpo.learning_rate", " grpo.learning_rate "]
)
def test_short_forms_mean_the_same(key: str) -> None:
    recipe = load(f"{key}=1e-6")
    assert recipe.stages["grpo"].swift["learning_rate"] == 1e-6
    assert recipe.stages["sft"].swift["learning_rate"] == 1e-5


def test_names_of_the_recipe_win_over_names_of_ms_swift() -> None:
    """`model`, `template` and `torch_dtype` are arguments of ms-swift as well."""
    assert load("torch_dtype=float16").torch_dtype == "float16"
    assert "cannot be set" in refusal(["grpo.torch_dtype=float16"])


def test_values_are_yaml() -> None:
    recipe = load(
        "gpus=16",
        "env.NCCL_DEBUG=INFO",
        "grpo.env.MAX_PIXELS=100000",
        "grpo.rewards.geo_spatial.cutoff_km=2000",
        "grpo.rewards.hierarchical={beta: 3}",
        "sft.target_modules=[q_proj, v_proj]",
        "grpo.target_modules=[q_proj, v_proj]",
        "grpo.log_completions=false",
    )
    grpo = recipe.stages["grpo"]
    assert recipe.gpus == 16
    assert recipe.environment("grpo") == {"NCCL_DEBUG": "INFO", "MAX_PIXELS": "100000"}
    assert recipe.environment("sft") == {"NCCL_DEBUG": "INFO"}
    assert grpo.rewards.geo_spatial is not None
    assert grpo.rewards.geo_spatial.cutoff_km == 2000
    assert grpo.rewards.hierarchical is not None
    assert grpo.rewards.hierarchical.beta == 3
    assert grpo.swift["target_modules"] == ["q_proj", "v_proj"]
    assert grpo.swift["log_completions"] is False


@pytest.mark.parametrize("nothing", ["null", "", "~"])
def test_null_takes_a_value_away(nothing: str) -> None:
    recipe = load(f"grpo.rewards.geo_consistency={nothing}", f"grpo.sleep_level={nothing}")
    assert list(recipe.stages["grpo"].rewards.used()) == ["geo_spatial", "geo_semantic"]
    assert "sleep_level" not in recipe.stages["grpo"].swift


def test_the_last_one_wins() -> None:
    assert load("gpus=2", "gpus=4").gpus == 4


def test_a_value_may_contain_an_equals_sign() -> None:
    assert load("description=a=b").description == "a=b"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("gpus", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("gpus=[", "not YAML"),
        ("gpu=3", "did you mean 'gpus'"),
        ("gppo.beta=1", "did you mean 'grpo'"),
        ("learning_rate=1", "did you mean 'sft.learning_rate' or 'grpo.learning_rate'"),
        ("lerning_rate=1", "did you mean 'sft.learning_rate' or 'grpo.learning_rate'"),
        ("num_generations=1", "did you mean 'grpo.num_generations'?"),
        ("rewards.geo_spatial.weight=1", "'grpo.rewards.geo_spatial.weight'?"),
        ("name=x", "Unknown key"),
        ("base=cpu-smoke", "Unknown key"),
        ("gpus.x=1", "Unknown key"),
        ("env=1", "env is 1"),
        ("env.a.b=1", "Unknown key"),
        ("grpo=1", "Unknown key"),
        ("stages=1", "Unknown key"),
        ("stages.new.method=sft", "Unknown key"),
        ("grpo.splitt=val", "did you mean 'grpo.split'"),
        ("grpo.split=train", "stages.grpo.split is 'train'"),
        ("grpo.swift=1", "a name must follow"),
        ("grpo.swift.a.b=1", "a name must follow"),
        ("grpo.rewards={}", "Unknown key"),
        ("grpo.rewards.geo_spatal.weight=1", "Unknown key"),
        ("grpo.rewards.geo_spatial.wieght=1", "did you mean 'grpo.rewards.geo_spatial.weight'"),
        ("grpo.rewards.geo_spatial.weight=heavy", "weight is 'heavy'"),
        ("grpo.rewards.hierarchical.beta=3", "--set grpo.rewards.hierarchical={}"),
        ("grpo.rewards.geo_spatial.weight.x=1", "Unknown key"),
        ("sft.rewards.format={}", "stages.sft has rewards"),
        ("grpo.swift.model=x", "stages.grpo.swift.model cannot be set"),
        ("env.WANDB_API_KEY=x", "A recipe is no place for a secret"),
    ],
)
def test_what_cannot_be_set_is_explained(override: str, words: str) -> None:
    assert words in refusal([override])


def test_the_recipe_as_read_stays_as_it_was() -> None:
    raw: dict[str, Any] = {"gpus": 1, "stages": {"sft": {"method": "sft", "swift": {"max_steps": 1}}}}
    before = copy.deepcopy(raw)
    after = apply_overrides(raw, ["sft.swift.max_steps=2", "gpus=2"], "test")
    assert raw == before
    assert after == {"gpus": 2, "stages": {"sft": {"method": "sft", "swift": {"max_steps": 2}}}}


@given(st.integers(1, 10**9) | st.floats(1e-12, 1e12))
def test_numbers_arrive_as_they_were_written(value: float) -> None:
    raw: dict[str, Any] = {"stages": {"sft": {"method": "sft", "swift": {"x": 0}}}}
    changed = apply_overrides(raw, [f"sft.swift.x={value!r}"], "test")
    assert changed["stages"]["sft"]["swift"]["x"] == value


@pytest.mark.usefixtures("no_swift")
def test_without_ms_swift_its_names_need_the_prefix_or_must_be_in_the_recipe() -> None:
    assert load("grpo.learning_rate=1e-6").stages["grpo"].swift["learning_rate"] == 1e-6
    assert load("grpo.swift.top_p=0.9").stages["grpo"].swift["top_p"] == 0.9
    message = refusal(["grpo.top_p=0.9"])
    assert "Unknown key" in message
    assert "grpo.swift.NAME" in message
