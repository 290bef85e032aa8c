"""Comparison of sets: paired, exact, and corrected."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.training.evaluate import FIGURES, Difference, EvaluateSettings
from geoseek.training.evaluate.compare import compare_sets, holm, mcnemar, sign_flip
from geoseek.training.evaluate.metrics import figure_columns
from geoseek.training.evaluate.result import Denominator
from tests.training.evaluate.tables import ends, scored_rows

SETTINGS = EvaluateSettings(resamples=500)
Distances = list[float | None]


def differences(sets: list[Distances], denominator: Denominator = "all") -> dict[tuple[str, str, str], Difference]:
    columns = {f"set{at}": figure_columns(scored_rows(km), denominator) for at, km in enumerate(sets)}
    return {(one.figure, one.first, one.second): one for one in compare_sets(columns, SETTINGS)}


def near_and_far(seed: int, rows: int = 200) -> Distances:
    return [float(km) for km in np.random.default_rng(seed).exponential(600, rows)]


def test_equal_sets_do_not_differ() -> None:
    found = differences([near_and_far(0), near_and_far(0)])
    assert len(found) == len(FIGURES)
    for one in found.values():
        assert one.difference.value in (0.0, None)
        assert one.p_value in (1.0, None)


def test_the_second_minus_the_first_with_its_interval() -> None:
    far = near_and_far(0)
    near: Distances = [km / 3 for km in far if km is not None]
    found = differences([far, near])
    accuracy = found["accuracy_200km", "set0", "set1"]
    assert ends(accuracy.difference)[0] > 0
    assert accuracy.only_first == 0
    assert accuracy.only_second
    assert accuracy.p_value == pytest.approx(2 * 0.5**accuracy.only_second)
    distance = found["mean_km", "set0", "set1"]
    assert distance.difference.value == pytest.approx(np.mean(np.array(near, float)) - np.mean(np.array(far, float)))
    assert distance.p_value == pytest.approx(1 / 501)
    median = found["median_km", "set0", "set1"]
    assert (median.test, median.p_value, median.p_holm) == (None, None, None)
    assert ends(median.difference)[1] < 0


def test_pairing_makes_intervals_narrower() -> None:
    base = near_and_far(0)
    shifted: Distances = [km + 5 for km in base if km is not None]
    other: Distances = [km + 5 for km in near_and_far(1) if km is not None]
    paired = differences([base, shifted])["geoscore_osv5m", "set0", "set1"].difference
    unpaired = differences([base, other])["geoscore_osv5m", "set0", "set1"].difference
    width, unpaired_width = (high - low for low, high in (ends(paired), ends(unpaired)))
    assert width < unpaired_width / 10


def test_only_rows_that_count_for_both() -> None:
    found = differences([[1.0, None, 5.0], [2.0, 2.0, None]], "answered")
    assert found["accuracy_1km", "set0", "set1"].difference.rows == 1
    assert found["mean_km", "set0", "set1"].difference.value == 1.0
    every = differences([[1.0, None, 5.0], [2.0, 2.0, None]])
    assert every["accuracy_25km", "set0", "set1"].difference.rows == 3
    assert every["accuracy_25km", "set0", "set1"].difference.value == 0.0
    assert every["mean_km", "set0", "set1"].difference.rows == 1


def test_all_pairs_are_corrected_together() -> None:
    found = differences([near_and_far(seed) for seed in range(3)])
    assert len(found) == 3 * len(FIGURES)
    tested = [one for one in found.values() if one.p_value is not None]
    assert holm([one.p_value for one in tested if one.p_value is not None]) == [one.p_holm for one in tested]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(raw <= new <= 1 for raw, new in zip(p_values, corrected, strict=True))
    ranked = sorted(zip(p_values, corrected, strict=True))
    assert [new for _, new in ranked] == sorted(corrected)
    if p_values:
        assert min(corrected) == pytest.approx(min(1.0, len(p_values) * min(p_values)))


def test_mcnemar_without_rows_and_without_a_difference() -> None:
    assert mcnemar(np.empty(0), np.empty(0)).p_value is None
    assert mcnemar(np.ones(4), np.ones(4)).p_value == 1.0


def test_sign_flips_come_near_the_exact_test() -> None:
    gaps = np.array([3.0, -1.0, 2.0, 5.0, 0.5, -0.25, 4.0])
    exact = np.mean([abs(gaps @ signs) >= gaps.sum() for signs in product((-1, 1), repeat=len(gaps))])
    found = sign_flip(gaps, 20_000, np.random.default_rng(0))
    assert found.p_value == pytest.approx(exact, abs=0.01)
