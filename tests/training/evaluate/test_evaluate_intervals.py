"""Intervals: the bootstrap against its theory and against a plain one, and Wilson's against its equation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.training.evaluate.intervals import (
    FloatArray,
    bootstrap,
    percentile_interval,
    random_of,
    wilson_interval,
)


def draws_of(values: FloatArray, counts: FloatArray | None = None, resamples: int = 4000) -> FloatArray:
    counted = np.ones_like(values, dtype=bool) if counts is None else counts.astype(bool)
    return bootstrap(values, counted, (), resamples=resamples, random=random_of(1)).ratios


def test_spread_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).exponential(100, size=(400, 1))
    draws = draws_of(values)
    assert draws.mean() == pytest.approx(values.mean(), rel=0.01)
    assert draws.std() == pytest.approx(values.std() / math.sqrt(400), rel=0.05)


def test_rows_that_do_not_count_change_nothing() -> None:
    values = np.array([[1.0, 1.0], [0.0, 9.0], [1.0, 9.0], [0.0, 9.0]])
    counts = np.array([[1, 1], [1, 0], [1, 0], [1, 0]])
    draws = draws_of(values, counts)
    assert set(draws[np.isfinite(draws[:, 1]), 1]) == {1.0}
    # The only row that counts is missing from a resample with probability (3/4)^4.
    assert np.isnan(draws[:, 1]).mean() == pytest.approx(0.75**4, abs=0.03)
    assert np.isfinite(draws[:, 0]).all()


def test_two_columns_see_the_same_resamples() -> None:
    values = np.random.default_rng(0).random((50, 1))
    draws = draws_of(np.concatenate([values, values + 1], axis=1))
    assert np.allclose(draws[:, 1] - draws[:, 0], 1)


@given(st.lists(st.floats(0, 20_000) | st.just(math.nan), min_size=1, max_size=30), st.integers(0, 5))
def test_medians_are_those_of_a_plain_bootstrap(distances: list[float], seed: int) -> None:
    column = np.array(distances)
    found = bootstrap(
        np.zeros((len(column), 1)),
        np.ones((len(column), 1), dtype=bool),
        [column, column[::-1]],
        resamples=20,
        random=np.random.default_rng(seed),
    ).medians
    ordered = column[np.argsort(column, kind="stable")]
    drawn = np.random.default_rng(seed).integers(0, len(column), size=(20, len(column)), dtype=np.int32)
    for row, rows in enumerate(drawn):
        finite = ordered[rows][np.isfinite(ordered[rows])]
        expected = float(np.median(finite)) if len(finite) else math.nan
        assert found[row, 0] == pytest.approx(expected, nan_ok=True)
    assert np.isfinite(found[:, 1]).sum() <= 20


def test_many_rows_are_drawn_in_pieces_of_the_same_stream() -> None:
    values: FloatArray = np.arange(30_000, dtype=np.float64)[:, None]
    found = bootstrap(
        values, np.ones_like(values, dtype=bool), (), resamples=40, random=np.random.default_rng(3)
    ).ratios
    drawn = np.random.default_rng(3).integers(0, 30_000, size=(40, 30_000), dtype=np.int32)
    assert found[:, 0] == pytest.approx(drawn.mean(axis=1))


def test_no_spread_no_interval() -> None:
    assert percentile_interval(np.ones(100), 0.95) is None
    assert percentile_interval(np.full(5, np.nan), 0.95) is None


@given(st.integers(1, 500), st.data())
def test_wilson_solves_its_equation(rows: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))
    low, high = wilson_interval(hits, rows, 0.95)
    assert 0 <= low <= hits / rows <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            z = abs(hits / rows - end) / math.sqrt(end * (1 - end) / rows)
            assert z == pytest.approx(1.959964, rel=1e-4)


def test_random_numbers_depend_on_seed_and_names() -> None:
    first = {random_of(seed, *names).random() for seed in (0, 1) for names in (("a",), ("a", "b"), ("ab",))}
    assert len(first) == 6
