from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.sampling.balance import (
    BalanceReport,
    DistanceSummary,
    SplitBalance,
    kish_effective_size,
    kl_divergence,
    split_balance,
    total_variation,
)

masses = st.lists(st.floats(0, 1e9), min_size=1, max_size=30).filter(any)
pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(0, 1e9), min_size=n, max_size=n).filter(any)] * 2)
)


def balance(**changes: object) -> SplitBalance:
    """Ten rows over A (target 0.5), B (0.3), C (0.2); the pool has two rows of C only... and none of D."""
    arguments: dict[str, object] = {
        "split": "loc",
        "codes": ["CC", "AA", "BB", "DD"],
        "names": ["Cee", "Ay", "Bee", "Dee"],
        "continents": ["EU", "AS", "AS", "AF"],
        "target": [0.2, 0.5, 0.2, 0.1],
        "supply": [1, 100, 100, 0],
        "allocated": [1, 6, 3, 0],
        "achieved": [1, 6, 3, 0],
        "reserve": [0, 1, 1, 0],
        "weights": [1.0] * 10,
        "cells": [1, 1, 2, 3, 4, 5, 6, 7, 7, 7],
        "cells_with_supply": 20,
        "nearest_val_km": None,
        "excluded": {"taken": 3},
    }
    return split_balance(**(arguments | changes))  # type: ignore[arg-type]


def test_figures_by_hand() -> None:
    b = balance()
    assert b.size == 10
    assert [s.code for s in b.strata] == ["AA", "BB", "CC", "DD"]
    assert [s.quota for s in b.strata] == pytest.approx([5, 2, 2, 1])
    # |0.6-0.5| + |0.3-0.2| + |0.1-0.2| + |0-0.1| = 0.4
    assert b.tv_to_target == pytest.approx(0.2)
    assert b.tv_best == pytest.approx(0.2)
    assert b.tv_to_best == 0
    assert b.kl_to_best == 0
    expected = 0.6 * math.log(0.6 / 0.5) + 0.3 * math.log(0.3 / 0.2) + 0.1 * math.log(0.1 / 0.2)
    assert b.kl_to_target == pytest.approx(expected)
    assert b.cells_covered == 7
    assert b.effective_size == 10
    assert b.effective_size_basis == "design"
    assert [(c.code, c.name, c.achieved) for c in b.continents] == [
        ("AS", "Asia", 9),
        ("EU", "Europe", 1),
        ("AF", "Africa", 0),
    ]
    assert b.tv_by_continent == pytest.approx(0.2)
    assert b.continents[0].best_share == pytest.approx(0.9)
    assert b.nearest_val_km is None


def test_a_row_or_more_under_quota_is_a_shortfall() -> None:
    shortfalls = balance().shortfalls
    assert [(s.code, s.supply, s.allocated) for s in shortfalls] == [("CC", 1, 1), ("DD", 0, 0)]
    assert [s.missing for s in shortfalls] == pytest.approx([1, 1])
    rounded_down = balance(target=[0.29, 0.41, 0.29, 0.01], allocated=[3, 4, 3, 0], achieved=[3, 4, 3, 0])
    assert rounded_down.shortfalls == ()


def test_audit_has_no_pool_to_compare_with() -> None:
    b = balance(supply=None, allocated=None, reserve=None, weights=None, cells_with_supply=None, excluded=None)
    assert b.tv_best is None
    assert b.tv_to_best is None
    assert b.kl_to_best is None
    assert b.shortfalls == ()
    assert all(s.allocated is None and s.supply is None for s in b.strata)
    assert b.effective_size_basis == "post-stratification"
    # Weights per row: 0.2/1 (once), 0.5/6 (six times), 0.2/3 (three times).
    rows = [0.2, *[0.5 / 6] * 6, *[0.2 / 3] * 3]
    assert b.effective_size == pytest.approx(sum(rows) ** 2 / sum(w * w for w in rows))


def test_rows_where_the_target_is_zero_make_kl_infinite_and_json_safe() -> None:
    b = balance(target=[0.0, 0.5, 0.4, 0.1])
    assert b.kl_to_target is None
    assert b.tv_to_target == pytest.approx((0.1 + 0.1 + 0.1 + 0.1) / 2)
    assert balance(target=[0.0, 0.5, 0.4, 0.1], supply=None, allocated=None, weights=None).effective_size > 0
    json.dumps(BalanceReport(title="t", splits=(b,)).to_json(), allow_nan=False)


@pytest.mark.parametrize("allocated", [None, [0, 0, 0, 0], [1, 6, 3, 0]])
def test_empty_split(allocated: list[int] | None) -> None:
    b = balance(achieved=[0] * 4, allocated=allocated, weights=[], cells=[], nearest_val_km=[])
    assert b.size == 0
    assert b.tv_to_target is None
    assert b.kl_to_target is None
    assert b.tv_to_best is None
    assert b.tv_by_continent is None
    assert b.effective_size == 0
    assert b.cells_covered == 0
    assert b.nearest_val_km is None
    json.dumps(b.model_dump(mode="json"), allow_nan=False)


def test_report_survives_a_round_trip_through_json() -> None:
    report = BalanceReport(title="t", splits=(balance(nearest_val_km=[1.5] * 10),), read=5, kept=4, rejects={"x": 1})
    text = json.dumps(report.to_json(), allow_nan=False)
    assert BalanceReport.model_validate_json(text) == report


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one value per stratum"):
        balance(achieved=[1, 2, 3])
    with pytest.raises(ValueError, match="different length"):
        total_variation([1], [1, 2])
    with pytest.raises(ValueError, match="some mass"):
        total_variation([0, 0], [1, 2])
    with pytest.raises(ValueError, match="not negative"):
        kl_divergence([1, -1], [1, 2])
    with pytest.raises(ValueError, match="not negative"):
        kish_effective_size([1, math.nan])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], 0.0),
        ([0.0], 0.0),
        ([5.0], 1.0),
        ([1, 1, 1, 1], 4.0),
        ([1, 0, 1], 2.0),
        ([2, 1], 1.8),
        ([1e-300, 1e-300], 2.0),
    ],
)
def test_kish_by_hand(weights: list[float], expected: float) -> None:
    assert kish_effective_size(weights) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1e300), max_size=50))
def test_kish_lies_between_nothing_and_the_number_of_rows(weights: list[float]) -> None:
    size = kish_effective_size(weights)
    positive = sum(1 for w in weights if w > 0)
    assert (size >= 1 - 1e-12) if positive else (size == 0)
    assert size <= positive * (1 + 1e-12)


@given(pairs)
def test_tv_is_a_bounded_symmetric_distance(pair: tuple[list[float], list[float]]) -> None:
    p, q = pair
    tv = total_variation(p, q)
    assert 0 <= tv <= 1
    assert tv == pytest.approx(total_variation(q, p), abs=1e-12)
    assert total_variation(p, p) == 0


@given(pairs)
def test_kl_is_not_negative_and_obeys_pinsker(pair: tuple[list[float], list[float]]) -> None:
    p, q = pair
    kl = kl_divergence(p, q)
    if kl is None:
        assert any(a > 0 and b == 0 for a, b in zip(np.array(p) / max(p), np.array(q) / max(q), strict=True))
    else:
        assert kl >= 0
        assert math.isfinite(kl)
        assert total_variation(p, q) <= math.sqrt(kl / 2) + 1e-7


@given(masses)
def test_a_distribution_has_no_divergence_from_itself(p: list[float]) -> None:
    assert kl_divergence(p, p) == 0


def test_distances_are_summarised() -> None:
    summary = DistanceSummary.of(np.arange(1.0, 102.0))
    assert summary == DistanceSummary(min=1.0, p5=6.0, median=51.0)
    assert DistanceSummary.of([]) is None
