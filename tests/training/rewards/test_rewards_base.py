"""What all rewards share: doctests, the registry, the truth's columns, the batch."""

from __future__ import annotations

import doctest
import importlib
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from geoseek.training.rewards import REWARDS, RewardBatch, RewardsSettings, Truth, read_truth
from geoseek.training.rewards.base import Resources, read_completion

MODULES = (
    "geoseek.training.names",
    *(f"geoseek.training.rewards.{name}" for name in ("base", "distances", "forms", "hierarchical", "semantic")),
    "geoseek.training.rewards.combine",
)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_registry_has_the_rewards_that_recipes_can_name() -> None:
    assert list(REWARDS) == list(RewardsSettings.model_fields)
    assert [reward.name for reward in REWARDS.values()] == list(REWARDS)
    titles = [reward.title for reward in REWARDS.values()]
    assert len(set(titles)) == len(titles)
    assert [name for name, reward in REWARDS.items() if reward.is_async] == ["geo_consistency"]


def test_truth_is_read_from_columns_of_any_quality() -> None:
    columns = {
        "lat": [91.0, 45.0, "45", True],
        "lng": [0.0, -math.inf, 7, 8.0],
        "solution": ["<answer>Chad</answer>", None, 3, float("nan")],
        "country": ["Chad"],
        "images": [["a.jpg"]] * 4,
    }
    rows = read_truth(4, columns)
    assert rows[0] == Truth(solution="<answer>Chad</answer>", lng=0.0, country="Chad")
    assert rows[1] == Truth(lat=45.0)
    assert rows[2] == Truth(lng=7.0)
    assert rows[3] == Truth(lng=8.0)
    assert read_truth(2, {"solution": "one for all"}) == [Truth(), Truth()]


def test_position_prefers_coordinates_to_names() -> None:
    resources = Resources()
    paris = Truth(country="France", region="Île-de-France", place="Paris")
    assert replace(paris, lat=1.0, lng=2.0).position(resources.locate) == (1.0, 2.0)
    by_name = replace(paris, lat=1.0).position(resources.locate)
    assert by_name is not None
    assert by_name == pytest.approx((48.85, 2.35), abs=0.05)
    assert Truth(country="Nowhereland").position(resources.locate) is None


def test_a_value_that_is_not_finite_is_zero_and_noted() -> None:
    batch = RewardBatch.of([(math.nan, {"answer": "x"}), (None, {}), (math.inf, {}), (0.25, {})])
    assert batch.values == [0.0, None, 0.0, 0.25]
    assert batch.details == [{"answer": "x", "problem": "not_finite"}, {}, {"problem": "not_finite"}, {}]


def test_a_completion_is_parsed_once() -> None:
    text = "<answer>China; Anhui; Hefei</answer>"
    assert read_completion(text) is read_completion("".join(text))
    assert read_completion(None).answer is None


@pytest.mark.parametrize(
    ("answer", "level", "country"),
    [
        ("France; Île-de-France; a bakery nobody knows", "region", "FR"),
        ("Japan; Tokyo; China", "region", "JP"),
        ("Chad; N'Djamena; United States Embassy", "region", "TD"),
        ("Bavaria; Munich; Erdgeschoss links", "place", "DE"),
        ("Munich; qwxz", "place", "DE"),
        ("Germany; qwxz; qwxz", "country", "DE"),
    ],
)
def test_the_tail_of_an_address_does_not_hide_its_head(answer: str, level: str, country: str) -> None:
    found = Resources().locate(answer)
    assert (found.level.value, found.country_code) == (level, country)


@given(st.text(max_size=40))
def test_no_tail_makes_an_address_unknown(tail: str) -> None:
    assert Resources().locate(f"France; Île-de-France; Versailles; {tail}").found


@pytest.mark.parametrize(
    "wrong", [{"weight": math.nan}, {"stage_weights": (0.1, -0.6, 0.3)}, {"country_gate": 2}, {"country_gates": 0.7}]
)
def test_parameters_without_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RewardsSettings.model_validate({"geo_semantic": wrong})
