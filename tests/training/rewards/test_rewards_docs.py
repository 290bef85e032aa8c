"""docs/rewards.md names every reward and every parameter, and its example is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.training.rewards import Truth, geo_spatial
from geoseek.training.rewards.settings import RewardsSettings

PAGE = (Path(__file__).parents[3] / "docs" / "rewards.md").read_text(encoding="utf-8")
USED = RewardsSettings.model_validate({name: {} for name in RewardsSettings.model_fields}).used()


def test_every_reward_has_its_row_and_every_parameter_its_name() -> None:
    for name, settings in USED.items():
        assert f"| [`{name}`](" in PAGE
        for parameter in type(settings).model_fields:
            assert f"`{parameter}`" in PAGE, f"{name}: {parameter}"


def test_the_example_is_true() -> None:
    (value,) = geo_spatial(["<answer>France; Île-de-France; Paris</answer>"], [Truth(lat=48.8, lng=2.1)]).values
    assert value == pytest.approx(0.908, abs=0.001)
