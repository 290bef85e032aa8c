"""Recipes: how they are found, merged and checked, and that those that ship hold the published values."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest
import yaml

from geoseek.schemas import InputError, Split, UsageError
from geoseek.training.recipes import Recipe, load_recipe, model, recipe_names, reserved
from geoseek.training.recipes import load as loading
from geoseek.workspace import reference_root

SHIPPED = ("cpu-smoke", "geoagent-7b", "geoagent-7b-code", "geovista-rl", "gre-3stage", "single-gpu")


def small(**changes: Any) -> dict[str, Any]:
    """Return a recipe with one stage of each method."""
    recipe: dict[str, Any] = {
        "description": "For tests.",
        "model": "tiny",
        "model_type": "qwen2_5_vl",
        "template": "qwen2_5_vl",
        "gpus": 0,
        "stages": {
            "sft": {"method": "sft", "split": "cot", "data": "swift-sft", "swift": {"learning_rate": 1e-5}},
            "grpo": {"method": "grpo", "split": "loc", "data": "swift-grpo", "rewards": {"geo_spatial": {}}},
        },
    }
    return {**recipe, **changes}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    write(tmp_path, "small", small())
    return tmp_path


def write(workspace: Path, name: str, recipe: dict[str, Any]) -> Path:
    path = workspace / "training" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def test_doctests() -> None:
    for module in (model, reserved, loading):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted > 0


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_load_from_any_workspace(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, tmp_path)
    assert recipe.name == name
    assert recipe.description


def test_names_are_those_of_the_workspace_and_of_geoseek(workspace: Path) -> None:
    assert recipe_names(workspace) == sorted([*SHIPPED, "small"])
    assert sorted(path.stem for path in (reference_root() / "training").glob("*.yaml")) == sorted(SHIPPED)


def test_a_recipe_of_the_workspace_hides_the_shipped_one_of_that_name(workspace: Path) -> None:
    write(workspace, "geoagent-7b", small(description="Mine."))
    assert load_recipe("geoagent-7b", workspace).description == "Mine."


def test_a_recipe_may_lie_anywhere(workspace: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "other.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(yaml.safe_dump({"base": "small", "description": "Elsewhere."}))
    recipe = load_recipe(str(elsewhere), workspace)
    assert (recipe.name, recipe.description, recipe.model) == ("other", "Elsewhere.", "tiny")
    assert load_recipe("elsewhere/other.yaml", workspace) == recipe


@pytest.mark.parametrize(
    ("name", "message"),
    [("geoagent7b", "did you mean 'geoagent-7b'"), ("no/such.yaml", "There is no recipe no/such.yaml")],
)
def test_unknown_recipes_name_the_known_ones(name: str, message: str, workspace: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_recipe(name, workspace)
    assert caught.value.hint is not None
    assert "cpu-smoke" in caught.value.hint


def test_a_base_gives_what_the_recipe_leaves_out(workspace: Path) -> None:
    stages = {
        "sft": {"swift": {"learning_rate": None, "max_steps": 3}},
        "grpo": {"rewards": {"geo_spatial": {"scale_km": 50}, "hierarchical": {}}},
        "more": {"method": "grpo", "split": "loc", "data": "swift-grpo", "rewards": {"gre_distance": {}}},
    }
    write(workspace, "child", {"base": "small", "description": "Child.", "stages": stages})
    recipe = load_recipe("child", workspace)
    assert list(recipe.stages) == ["sft", "grpo", "more"]
    assert recipe.stages["sft"].swift == {"max_steps": 3}
    assert list(recipe.stages["grpo"].rewards.used()) == ["geo_spatial", "hierarchical"]
    spatial = recipe.stages["grpo"].rewards.geo_spatial
    assert spatial is not None
    assert (spatial.scale_km, spatial.weight) == (50, 1.5)


def test_null_takes_a_reward_or_a_stage_of_the_base_away(workspace: Path) -> None:
    write(workspace, "short", {"base": "small", "description": "Short.", "stages": {"grpo": None}})
    assert list(load_recipe("short", workspace).stages) == ["sft"]
    without: dict[str, Any] = {"grpo": {"rewards": {"geo_spatial": None, "format": {}}}}
    write(workspace, "other", {"base": "short", "description": "Other.", "stages": {"grpo": None}})
    write(workspace, "plain", {"base": "small", "description": "Plain.", "stages": without})
    assert list(load_recipe("plain", workspace).stages["grpo"].rewards.used()) == ["format"]
    assert list(load_recipe("other", workspace).stages) == ["sft"]


def test_bases_that_go_in_a_circle_are_shown(workspace: Path) -> None:
    write(workspace, "a", small(base="b"))
    write(workspace, "b", small(base="a"))
    with pytest.raises(UsageError, match="each other's base: a -> b -> a"):
        load_recipe("a", workspace)


def test_numbers_that_yaml_takes_for_text_are_numbers(workspace: Path) -> None:
    text = yaml.safe_dump(small()).replace("learning_rate: 1.0e-05", "learning_rate: 1e-5")
    assert "1e-5" in text
    (workspace / "training" / "small.yaml").write_text(text)
    assert load_recipe("small", workspace).stages["sft"].swift["learning_rate"] == 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gpu": 2}, "did you mean 'gpus'"),
        ({"gpus": -1}, "gpus is -1"),
        ({"gpus": None}, "gpus is "),
        ({"name": "mine"}, "name cannot be set"),
        ({"base": 3}, "base is 3"),
        ({"torch_dtype": "int8"}, "torch_dtype is 'int8'"),
        ({"env": {"MAX_PIXLES": 3}}, "env.MAX_PIXLES cannot be set"),
        ({"env": {"MAX_PIXELS": "many"}}, "MAX_PIXELS is 'many'"),
        ({"env": {"HF_TOKEN": "x"}}, "env.HF_TOKEN cannot be set"),
        ({"env": {"NPROC_PER_NODE": 2}}, "env.NPROC_PER_NODE cannot be set"),
        ({"stages": {}}, "stages is {}"),
    ],
)
def test_faults_of_a_recipe_name_the_key(changes: dict[str, Any], message: str, workspace: Path) -> None:
    write(workspace, "faulty", small(**changes))
    with pytest.raises(UsageError, match=message):
        load_recipe("faulty", workspace)


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("grpo", {"rewards": {}}, "stages.grpo has no reward"),
        ("sft", {"rewards": {"format": {}}}, "stages.sft has rewards"),
        ("sft", {"data": "swift-grpo"}, "method sft cannot learn from data swift-grpo"),
        ("grpo", {"data": "swift-sft"}, "method grpo cannot learn from data swift-sft"),
        ("sft", {"split": "val2"}, "stages.sft.split is 'val2'"),
        ("sft", {"methd": "sft"}, "did you mean 'stages.sft.method'"),
        ("sft", {"swift": {"model": "x"}}, "stages.sft.swift.model cannot be set"),
        ("sft", {"swift": {"seed": 1}}, "stages.sft.swift.seed cannot be set"),
        ("sft", {"swift": {"hub_token": "x"}}, "stages.sft.swift.hub_token cannot be set"),
        ("sft", {"swift": [1]}, "stages.sft.swift is "),
        ("grpo", {"rewards": {"geo_spatal": {}}}, "did you mean 'stages.grpo.rewards.geo_spatial'"),
        ("grpo", {"rewards": {"geo_spatial": {"scale_km": 0}}}, "scale_km is 0"),
        (
            "grpo",
            {"swift": {"num_generations": 3, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}},
            "4 completions at a time cannot be divided into groups of 3",
        ),
        ("grpo", {"swift": {"tuner_type": "full"}}, "grpo trains all weights .* but sft leaves an adapter"),
        ("grpo", {"swift": {"lora_rank": 32}}, "lora_rank is 32 in stage grpo, but not given in sft"),
    ],
)
def test_faults_of_a_stage_name_the_key(stage: str, changes: dict[str, Any], message: str, workspace: Path) -> None:
    recipe = small()
    recipe["stages"][stage].update(changes)
    write(workspace, "faulty", recipe)
    with pytest.raises(UsageError, match=message):
        load_recipe("faulty", workspace)


@pytest.mark.parametrize("name", ["data", "model", "Grpo", "a/b", "..", "with space"])
def test_names_of_stages_are_names_of_folders(name: str, workspace: Path) -> None:
    write(workspace, "faulty", small(stages={name: small()["stages"]["sft"]}))
    with pytest.raises(UsageError, match="a stage cannot have this name"):
        load_recipe("faulty", workspace)


def test_a_file_that_is_not_yaml_is_an_error_in_words(workspace: Path) -> None:
    (workspace / "training" / "torn.yaml").write_text("stages: [")
    with pytest.raises(InputError, match="is not valid YAML"):
        load_recipe("torn", workspace)


def test_full_training_may_be_followed_by_an_adapter(workspace: Path) -> None:
    recipe = small()
    recipe["stages"]["sft"]["swift"]["tuner_type"] = "full"
    write(workspace, "mixed", recipe)
    assert [stage.trains_adapter for stage in load_recipe("mixed", workspace).stages.values()] == [False, True]


def test_a_later_stage_need_not_repeat_the_shape_of_the_adapter(workspace: Path) -> None:
    recipe = small()
    recipe["stages"]["sft"]["swift"]["lora_rank"] = 64
    write(workspace, "silent", recipe)
    assert "lora_rank" not in load_recipe("silent", workspace).stages["grpo"].swift


def test_largest_picture_comes_from_the_argument_or_the_environment(workspace: Path) -> None:
    recipe = small(env={"MAX_PIXELS": 1000})
    recipe["stages"]["grpo"]["env"] = {"MAX_PIXELS": 2000}
    write(workspace, "pixels", recipe)
    found = load_recipe("pixels", workspace)
    assert [found.max_pixels(stage) for stage in found.stages] == [1000, 2000]
    assert load_recipe("geoagent-7b-code", workspace).max_pixels("sft") == 285043
    assert load_recipe("small", workspace).max_pixels("sft") is None


@pytest.mark.parametrize(
    ("swift", "completions"),
    [
        ({}, None),
        ({"gradient_accumulation_steps": 2}, 16),
        ({"gradient_accumulation_steps": 2, "per_device_train_batch_size": 3}, 48),
        ({"gradient_accumulation_steps": 2, "steps_per_generation": 1}, 8),
        ({"generation_batch_size": 24}, 24),
    ],
)
def test_completions_of_one_generation(swift: dict[str, Any], completions: int | None) -> None:
    raw = small(gpus=8, name="x")
    raw["stages"]["grpo"]["swift"] = swift
    assert Recipe.model_validate(raw).completions_per_generation("grpo") == completions


def test_the_published_training_has_the_published_values(workspace: Path) -> None:
    recipe = load_recipe("geoagent-7b", workspace)
    sft, grpo = recipe.stages["sft"], recipe.stages["grpo"]
    assert (recipe.model, recipe.gpus, recipe.torch_dtype) == ("Qwen/Qwen2.5-VL-7B-Instruct", 8, "bfloat16")
    assert (sft.split, grpo.split) == (Split.COT, Split.LOC)
    for stage in (sft, grpo):
        expected = {"lora_rank": 64, "lora_alpha": 128, "learning_rate": 1e-5, "deepspeed": "zero3"}
        assert {name: stage.swift[name] for name in expected} == expected
    assert (sft.swift["num_train_epochs"], grpo.swift["num_train_epochs"]) == (2, 1)
    expected = {"num_generations": 8, "temperature": 0.7, "beta": 0.001, "max_completion_length": 1024}
    assert {name: grpo.swift[name] for name in expected} == expected
    assert (grpo.swift["freeze_vit"], grpo.swift["freeze_aligner"], recipe.max_pixels("grpo")) == (True, True, 200000)
    assert {name: reward.weight for name, reward in grpo.rewards.used().items()} == {
        "geo_spatial": 1.5,
        "geo_semantic": 1.0,
        "geo_consistency": 0.5,
    }
    assert grpo.rewards.geo_consistency is not None
    assert grpo.rewards.geo_consistency.against == "truth"
    assert grpo.rewards.geo_spatial is not None
    assert grpo.rewards.geo_spatial.cutoff_km is None


def test_the_training_of_the_released_scripts_differs_where_they_do(workspace: Path) -> None:
    recipe = load_recipe("geoagent-7b-code", workspace)
    sft, grpo = recipe.stages["sft"], recipe.stages["grpo"]
    expected = {"lora_rank": 128, "lora_alpha": 256, "num_train_epochs": 10, "gradient_accumulation_steps": 16}
    assert {name: sft.swift[name] for name in expected} == expected
    assert {name: reward.weight for name, reward in grpo.rewards.used().items()} == {
        "geo_spatial": 1.5,
        "geo_semantic": 1.0,
        "geo_consistency": 0.5,
        "format": 1.0,
        "answer_format": 1.0,
    }
    assert grpo.rewards.geo_spatial is not None
    assert grpo.rewards.geo_spatial.cutoff_km == 2000
    assert grpo.rewards.geo_consistency is not None
    assert grpo.rewards.geo_consistency.against == "own"
    assert (grpo.swift["use_vllm"], grpo.swift["vllm_mode"]) == (True, "colocate")


def test_gre_has_its_three_stages(workspace: Path) -> None:
    recipe = load_recipe("gre-3stage", workspace)
    assert [(stage.method, stage.data, list(stage.rewards.used())) for stage in recipe.stages.values()] == [
        ("sft", "swift-sft", []),
        ("grpo", "swift-judge", ["format", "gre_judge"]),
        ("grpo", "swift-grpo", ["format", "gre_distance"]),
    ]
    for name in ("rl-1", "rl-2"):
        assert (recipe.stages[name].swift["num_generations"], recipe.stages[name].swift["beta"]) == (8, 0.04)


def test_geovista_has_its_hierarchical_reward(workspace: Path) -> None:
    rewards = load_recipe("geovista-rl", workspace).stages["rl"].rewards
    assert rewards.hierarchical is not None
    assert (list(rewards.used()), rewards.hierarchical.beta) == (["hierarchical"], 2.0)


def test_one_gpu_takes_the_same_rows_per_step(workspace: Path) -> None:
    published, one = load_recipe("geoagent-7b", workspace), load_recipe("single-gpu", workspace)
    assert one.gpus == 1
    assert one.completions_per_generation("grpo") == published.completions_per_generation("grpo") == 64
    rows = [
        recipe.gpus * int(str(recipe.stages["sft"].swift["gradient_accumulation_steps"])) for recipe in (published, one)
    ]
    assert rows == [32, 32]
    for stage in one.stages.values():
        assert "deepspeed" not in stage.swift
        assert (stage.swift["quant_method"], stage.swift["quant_bits"]) == ("bnb", 4)
    assert "geo_consistency" not in one.stages["grpo"].rewards.used()


def test_the_smoke_test_needs_no_gpu_and_no_agent(workspace: Path) -> None:
    recipe = load_recipe("cpu-smoke", workspace)
    assert (recipe.model, recipe.gpus, recipe.torch_dtype) == ("tiny", 0, "float32")
    for stage in recipe.stages.values():
        assert stage.swift["attn_impl"] in {"eager", "sdpa"}
        assert "geo_consistency" not in stage.rewards.used()
        assert not stage.swift.get("use_vllm", False)


def test_every_stage_says_how_it_trains() -> None:
    """An adapter or all weights is too large a difference to be left to ms-swift's default."""
    for name in SHIPPED:
        for stage in load_recipe(name, Path()).stages.values():
            assert "tuner_type" in stage.swift, name
