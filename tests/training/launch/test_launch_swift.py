"""The real ms-swift on the tiny model: two steps, again, and an error of its own in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geoseek.training.checkpoints import Checkpoint
from geoseek.training.data import DataSource
from geoseek.training.launch import TrainingFailedError, TrainRequest, run_train
from geoseek.training.launch.models import reward_models
from geoseek.training.recipes import StageRecipe, load_recipe

pytestmark = [pytest.mark.train, pytest.mark.slow]


def asked(place: Path, *overrides: str) -> TrainRequest:
    short = ("sft.max_steps=2", "sft.save_steps=2", "sft.per_device_train_batch_size=2", *overrides)
    recipe = load_recipe("cpu-smoke", place, short)
    return TrainRequest(place, recipe, DataSource.of_workspace(place), place / "runs" / "smoke", 3, ("sft",))


def test_two_steps_and_then_nothing_to_do(place: Path) -> None:
    request = asked(place)
    (stage,) = run_train(request).stages
    assert stage.state == "trained"
    assert stage.steps == 2
    assert stage.rows == 7
    assert 5 < stage.last["loss"] < 20
    found = Checkpoint.read(request.output)
    assert found.model == str(stage.checkpoint)
    assert (stage.checkpoint / "model.safetensors").is_file()
    assert list(request.swift_output("sft").glob("runs/events.out.tfevents.*"))
    manifest = json.loads((request.output / "manifest.json").read_text())
    assert manifest["stages"]["sft"]["checkpoint"]["step"] == 2
    assert run_train(request).up_to_date


def test_what_ms_swift_refuses_is_told(place: Path) -> None:
    request = asked(place, "sft.swift.optim=hill_climbing")
    with pytest.raises(TrainingFailedError, match="Stage sft failed") as caught:
        run_train(request)
    assert "Last lines of runs/smoke/sft/swift.log" in str(caught.value)
    assert "hill_climbing" in str(caught.value)


def test_the_sentence_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    stage = StageRecipe.model_validate(
        {"method": "grpo", "split": "loc", "data": "swift-grpo", "rewards": {"geo_semantic": {}, "geo_consistency": {}}}
    )
    found = reward_models(stage, {"GEOSEEK_AGENT_URL": "http://127.0.0.1:1", "GEOSEEK_AGENT_MODEL": "judge"})
    assert found["geo_consistency"] == {"model": "judge"}
    assert found["geo_semantic"]["fallback"] in (True, False)
    assert found["geo_semantic"]["model"]
