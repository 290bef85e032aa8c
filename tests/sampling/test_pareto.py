"""Pareto order sampling: targets, rankings, draws, and the probabilities realised against independent calculations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from geoseek.sampling.hashing import hash_strings, permanent_random_numbers, stream_key
from geoseek.sampling.pareto import (
    SMALL_STRATUM,
    draw,
    exact_inclusion,
    exact_inclusion_by_cell,
    pareto_ranking,
    ranking_threshold_u,
    target_inclusion,
)
from geoseek.schemas import UsageError

FloatArray = npt.NDArray[np.float64]

UNIFORM = st.integers(0, 2**52 - 1).map(lambda bits: (bits + 0.5) * 2.0**-52)
PROBABILITY = st.one_of(st.floats(1e-12, 1.0), st.floats(1e-9, 1e-3).map(lambda rest: 1 - rest))


@st.composite
def strata(draw: st.DrawFn) -> tuple[FloatArray, npt.NDArray[np.int64], int]:
    """Draw sizes and counts of the cells of one stratum, and a sample size."""
    cells = draw(st.lists(st.tuples(st.floats(1e-6, 1e3), st.integers(1, 30)), min_size=1, max_size=12))
    size, count = (np.array(column) for column in zip(*cells, strict=True))
    return size, count, draw(st.integers(0, int(count.sum())))


def enumerate_inclusion(pi: FloatArray, n: int) -> FloatArray:
    """Sum over all samples of size n: P(sample) = integral over the largest ranking in it (independent of the code)."""

    def below(i: int, t: float) -> float:
        return float(t * pi[i] / (t * pi[i] + (1 - t) * (1 - pi[i])))

    def density(i: int, t: float) -> float:
        return float(pi[i] * (1 - pi[i]) / (t * pi[i] + (1 - t) * (1 - pi[i])) ** 2)

    inclusion = np.zeros(len(pi))
    total = 0.0
    for sample in itertools.combinations(range(len(pi)), n):
        rest = [i for i in range(len(pi)) if i not in sample]

        def chance(t: float, sample: tuple[int, ...] = sample, rest: list[int] = rest) -> float:
            above = math.prod(1 - below(i, t) for i in rest)
            return above * sum(
                density(last, t) * math.prod(below(i, t) for i in sample if i != last) for last in sample
            )

        probability, _ = quad(chance, 0, 1, epsabs=1e-13, epsrel=1e-12, limit=400)
        total += probability
        inclusion[list(sample)] += probability
    assert total == pytest.approx(1, abs=1e-11)
    return inclusion


@settings(deadline=None)
@given(strata())
def test_targets_sum_to_n_and_are_proportional_to_size_below_one(
    stratum: tuple[FloatArray, npt.NDArray[np.int64], int],
) -> None:
    size, count, n = stratum
    pi = target_inclusion(size, count, n)
    assert ((pi >= 0) & (pi <= 1)).all()
    assert math.fsum(pi * count) == pytest.approx(n, abs=1e-9)
    free = pi < 1
    if free.any():
        ratio = pi[free] / size[free]
        assert ratio == pytest.approx(ratio[0], rel=1e-9)
        assert (ratio[0] * size[~free] >= 1 - 1e-9).all()
    order = np.argsort(size)
    assert (np.diff(pi[order]) >= 0).all()


def test_take_all_goes_on_until_no_share_exceeds_one() -> None:
    # The first round takes the 100 for certain; only then does the share of the 10 exceed 1, then that of the 4.
    pi = target_inclusion([100.0, 10.0, 4.0, 1.0], [1, 1, 1, 4], 4)
    assert pi.tolist() == [1, 1, 1, 0.25]
    assert target_inclusion([5.0, 1.0], [2, 3], 5).tolist() == [1, 1]
    assert target_inclusion([0.1, 0.1, 0.1], [1, 1, 1], 3).tolist() == [1, 1, 1]
    assert target_inclusion([5.0, 1.0], [2, 3], 0).tolist() == [0, 0]
    assert target_inclusion([], [], 0).tolist() == []


@settings(deadline=None)
@given(strata(), st.randoms(use_true_random=False))
def test_targets_do_not_depend_on_the_order_of_cells(
    stratum: tuple[FloatArray, npt.NDArray[np.int64], int], random: np.random.Generator
) -> None:
    size, count, n = stratum
    order = list(range(len(size)))
    random.shuffle(order)
    assert target_inclusion(size[order], count[order], n).tolist() == target_inclusion(size, count, n)[order].tolist()


@pytest.mark.parametrize(
    ("size", "count", "n"),
    [([1.0], [1], 2), ([1.0], [1], -1), ([0.0], [1], 1), ([float("nan")], [1], 1), ([1.0], [0], 0), ([1.0], [1, 1], 1)],
)
def test_impossible_strata_are_refused(size: list[float], count: list[int], n: int) -> None:
    with pytest.raises(UsageError):
        target_inclusion(size, count, n)


@settings(deadline=None)
@given(UNIFORM, UNIFORM, PROBABILITY)
def test_ranking_never_falls_with_u_and_never_rises_with_pi(u: float, v: float, pi: float) -> None:
    low, high = sorted((u, v))
    assert pareto_ranking(low, pi) <= pareto_ranking(high, pi)
    assert pareto_ranking(u, pi) >= pareto_ranking(u, min(1.0, pi * 1.001))
    assert np.isfinite(pareto_ranking(u, pi))


def test_rankings_at_the_ends() -> None:
    u = np.array([2.0**-53, 0.5, 1 - 2.0**-53])
    assert pareto_ranking(u, 0.5) == pytest.approx([2.0**-53, 1, 2.0**53], rel=1e-12)
    assert pareto_ranking(u, 1e-300)[1] == pytest.approx(1e300, rel=1e-12)
    assert pareto_ranking(u, 1 - 2.0**-53)[1] == pytest.approx(2.0**-53, rel=1e-12)
    assert (pareto_ranking(u, 0.0) == np.inf).all()
    take_all = pareto_ranking(u, 1.0)
    assert (take_all < 0).all()
    assert (np.diff(take_all) > 0).all()


@settings(deadline=None)
@given(UNIFORM, st.one_of(PROBABILITY, st.just(0.0), st.just(1.0)), UNIFORM, PROBABILITY)
def test_the_threshold_keeps_every_unit_that_ranks_below_it(u: float, pi: float, v: float, other: float) -> None:
    q = pareto_ranking(v, other)
    threshold = ranking_threshold_u(q, pi)
    assert 0 <= threshold <= 1
    if pareto_ranking(u, pi) < q:
        assert u <= threshold
    if u < threshold * (1 - 1e-12) and pi < 1:
        assert pareto_ranking(u, pi) <= q * (1 + 1e-9)


def test_thresholds_at_the_ends() -> None:
    assert ranking_threshold_u([np.inf, np.inf, np.inf], [0.0, 0.5, 1.0]).tolist() == [1, 1, 1]
    assert ranking_threshold_u(0.0, [0.0, 0.5, 1.0]).tolist() == [0, 0, 1]
    assert ranking_threshold_u(-0.75, [0.0, 0.5, 1.0]) == pytest.approx([0, 0, 0.25])
    assert ranking_threshold_u(1e300, 0.5) == 1


def test_draw_returns_rank_order_and_a_longer_draw_continues_it() -> None:
    rng = np.random.default_rng(3)
    pi = target_inclusion(rng.uniform(0.1, 2, 40), np.ones(40, dtype=np.int64), 12)
    u = rng.uniform(size=40)
    sample = draw(pi, u, 12)
    assert len(set(sample.tolist())) == 12
    assert (np.diff(pareto_ranking(u, pi)[sample]) > 0).all()
    assert draw(pi, u, 15)[:12].tolist() == sample.tolist()
    shuffled = rng.permutation(40)
    assert shuffled[draw(pi[shuffled], u[shuffled], 12)].tolist() == sample.tolist()


def test_take_all_units_come_first_and_units_without_probability_last() -> None:
    pi = np.array([0.5, 1.0, 0.0, 0.5, 1.0, 0.0])
    u = np.array([0.01, 0.9, 0.001, 0.02, 0.8, 0.0005])
    assert draw(pi, u, 6).tolist() == [4, 1, 0, 3, 5, 2]


@pytest.mark.parametrize(
    ("pi", "u", "n"),
    [([0.5], [0.5], 2), ([1.5], [0.5], 1), ([0.5], [1.0], 1), ([0.5], [0.0], 1), ([0.5, 0.5], [0.5], 1)],
)
def test_a_draw_from_nonsense_is_refused(pi: list[float], u: list[float], n: int) -> None:
    with pytest.raises(UsageError):
        draw(pi, u, n)


@pytest.mark.parametrize("pi", [0.1, 0.3, 0.45])
def test_two_units_follow_the_closed_form(pi: float) -> None:
    odds = pi / (1 - pi)
    ratio = odds**2  # of the odds of the units 1 - pi and pi
    first = (1 - ratio + ratio * math.log(ratio)) / (1 - ratio) ** 2
    assert exact_inclusion([1 - pi, pi], 1) == pytest.approx([first, 1 - first], abs=1e-12)


@pytest.mark.parametrize(
    ("pi", "n"),
    [
        ([0.2, 0.3, 0.5], 1),
        ([0.9, 0.9, 0.15, 0.05], 2),
        ([0.999, 0.6, 0.3, 0.1, 0.001], 2),
        ([0.2, 0.2, 0.4, 0.4, 0.9, 0.9], 3),
        ([0.99, 0.98, 0.95, 0.9, 0.1, 0.08], 4),
        ([0.5, 0.7, 0.9, 0.3], 1),
    ],
)
def test_exact_probabilities_equal_those_by_enumeration(pi: list[float], n: int) -> None:
    assert exact_inclusion(pi, n) == pytest.approx(enumerate_inclusion(np.array(pi), n), abs=1e-9)


@settings(deadline=None)
@given(strata())
def test_exact_probabilities_sum_to_n_and_keep_the_order_of_the_targets(
    stratum: tuple[FloatArray, npt.NDArray[np.int64], int],
) -> None:
    size, count, n = stratum
    pi = target_inclusion(size, count, n)
    exact = exact_inclusion_by_cell(pi, count, n)
    assert math.fsum(exact * count) == pytest.approx(n, abs=1e-9)
    assert ((exact >= 0) & (exact <= 1)).all()
    assert (exact[pi == 1] == 1).all()
    assert (np.diff(exact[np.argsort(pi, kind="stable")]) >= -1e-12).all()


def test_exact_probabilities_of_take_all_and_of_impossible_units() -> None:
    assert exact_inclusion([1.0, 1.0, 0.5, 0.5, 0.0], 3).tolist() == [1, 1, 0.5, 0.5, 0]
    assert exact_inclusion([1.0, 1.0, 0.5], 1).tolist() == [0.5, 0.5, 0]
    assert exact_inclusion([0.0, 0.5, 0.0], 2).tolist() == [0.5, 1, 0.5]
    assert exact_inclusion([0.5, 0.25], 0).tolist() == [0, 0]
    assert exact_inclusion([], 0).tolist() == []


def test_cells_and_units_give_the_same_exact_probabilities() -> None:
    pi, count = np.array([0.1, 0.35, 0.7]), np.array([5, 4, 3])
    by_unit = exact_inclusion(np.repeat(pi, count), 4)
    assert by_unit == pytest.approx(np.repeat(exact_inclusion_by_cell(pi, count, 4), count), abs=1e-13)


@pytest.mark.parametrize("n", [1, 5, 60, 150])
def test_the_largest_small_stratum_is_close_to_its_targets(n: int) -> None:
    rng = np.random.default_rng(n)
    count = np.full(50, SMALL_STRATUM // 50)
    pi = target_inclusion(rng.uniform(0.7, 16, 50), count, n)
    exact = exact_inclusion_by_cell(pi, count, n)
    assert math.fsum(exact * count) == pytest.approx(n, abs=1e-10)
    assert exact == pytest.approx(pi, rel=0.005)


@pytest.mark.parametrize(("cells", "per_cell", "n"), [(6, 2, 5), (20, 1, 3), (8, 25, 40)])
def test_10_000_draws_realise_the_exact_probabilities(cells: int, per_cell: int, n: int) -> None:
    rng = np.random.default_rng(cells)
    count = np.full(cells, per_cell)
    size = np.log1p(np.exp(rng.uniform(0, 14, cells))) / count
    target = target_inclusion(size, count, n)
    pi = np.repeat(target, count)
    exact = np.repeat(exact_inclusion_by_cell(target, count, n), count)

    draws = 10_000
    ids = hash_strings(pa.array([f"unit {number}" for number in range(len(pi))]))
    u = np.array([permanent_random_numbers(ids, stream_key(seed, "loc")) for seed in range(draws)])
    chosen = np.argpartition(pareto_ranking(u, pi), n - 1, axis=1)[:, :n]
    frequency = np.bincount(chosen.ravel(), minlength=len(pi)) / draws
    standard_error = np.sqrt(exact * (1 - exact) / draws)
    assert (np.abs(frequency - exact) <= np.maximum(4 * standard_error, 1e-12)).all()
    assert (np.abs(frequency - pi) <= np.maximum(4 * standard_error, 0.03 * pi)).all()

    squared = ((frequency - exact) / standard_error)[exact < 1] ** 2
    assert 0.5 < squared.mean() < 1.6
