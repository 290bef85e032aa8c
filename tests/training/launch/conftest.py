"""A workspace with an export, a small recipe, and a stand-in for ms-swift."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geoseek.pipelines import ExportRequest, run_export
from geoseek.training.data import DataSource
from geoseek.training.launch import TrainRequest, run
from geoseek.training.preflight import Finding, Machine, PreflightRequest
from geoseek.training.recipes import load_recipe
from tests.pipelines.export.worlds import full_world

RECIPE = """
description: Small enough for a test
model: models/base
model_type: qwen2_5_vl
template: qwen2_5_vl
torch_dtype: float32
gpus: 0
stages:
  sft:
    method: sft
    split: cot
    data: swift-sft
    swift: {tuner_type: lora, max_steps: 6, save_steps: 2, learning_rate: 1.0e-3, per_device_train_batch_size: 4}
  grpo:
    method: grpo
    split: loc
    data: swift-grpo
    rewards: {geo_spatial: {}}
    swift: {tuner_type: lora, max_steps: 4, save_steps: 2, num_generations: 4, per_device_train_batch_size: 4}
"""


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace that has an export; not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    full_world(folder)
    run_export(ExportRequest(folder, folder / "export"))
    return folder


@pytest.fixture
def place(exported: Path, tmp_path: Path) -> Path:
    """Return a workspace with an export, a base model and the recipe `small`."""
    folder = tmp_path / "place"
    folder.mkdir()
    shutil.copytree(exported / "export", folder / "export")
    (folder / "geoseek.yaml").write_text("seed: 3\ntrain: {recipe: small}\n")
    (folder / "training").mkdir()
    (folder / "training" / "small.yaml").write_text(RECIPE)
    (folder / "models" / "base").mkdir(parents=True)
    (folder / "models" / "base" / "config.json").write_text("{}")
    return folder


@pytest.fixture
def fake_swift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put the stand-in in the place of ms-swift; return a function that sets its faults."""
    package = tmp_path / "fake" / "swift" / "cli"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    shutil.copy(Path(__file__).with_name("fake_swift.py"), package / "main.py")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "fake"), *sys.path]))
    monkeypatch.setattr(run, "probe_machine", lambda _: Machine(torch=None))
    monkeypatch.setattr(run, "run_preflight", _sound)

    def faults(words: str) -> None:
        monkeypatch.setenv("FAKE_SWIFT", words)

    return faults


def _sound(request: PreflightRequest) -> list[Finding]:
    assert request.data, "a preflight without rows"
    return []


@pytest.fixture
def asked(place: Path, fake_swift: Callable[[str], None]) -> Callable[..., TrainRequest]:
    """Return a function that makes requests for the recipe `small`."""

    def make(*overrides: str, **options: Any) -> TrainRequest:
        given = {
            "workspace": place,
            "recipe": load_recipe("small", place, overrides),
            "source": DataSource.of_workspace(place),
            "output": place / "runs" / "small",
            "seed": 3,
            **options,
        }
        return TrainRequest(**given)

    return make
