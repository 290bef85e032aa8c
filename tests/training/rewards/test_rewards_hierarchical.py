"""The hierarchical reward, and the sum of rewards."""

from __future__ import annotations

import pytest

from geoseek.schemas import UsageError
from geoseek.training.rewards import Truth, hierarchical, weighted_sum


def test_hierarchical_reward_by_level() -> None:
    truth = Truth(solution="<answer>Germany; Bavaria; Munich</answer>", country_code="DE")
    said = ["<answer>Germany; Bavaria; Munich</answer>", "Germany; Bavaria; Augsburg", "Germany; Hesse; Kassel", "Chad"]
    batch = hierarchical(said, [truth] * 4)
    assert batch.values == [4.0, 2.0, 1.0, 0.0]
    assert [seen["level"] for seen in batch.details] == ["place", "region", "country", "none"]


def test_weighted_sum_refuses_what_does_not_fit() -> None:
    with pytest.raises(UsageError, match="geo_spatal"):
        weighted_sum({"geo_spatial": [1.0]}, {"geo_spatal": 1.5})
    with pytest.raises(UsageError, match="geo_spatial 1, format 2"):
        weighted_sum({"geo_spatial": [1.0], "format": [1.0, 0.0]}, {})
    assert weighted_sum({"format": [None]}, {}) == [0.0]
