"""Target shares and their integer allocation: what holds for every input, and the optimum by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from geoseek.sampling.allocation import (
    DEFAULT_COEFFICIENTS,
    InfeasibleDesign,
    allocate,
    largest_remainder,
    lost_shares,
    parse_weights,
    scale_sizes,
    split_caps,
    target_shares,
    water_fill,
)
from geoseek.schemas import UsageError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAN = float("nan")


@st.composite
def designs(draw: st.DrawFn, max_strata: int = 30, max_bound: int = 400) -> tuple[FloatArray, int, IntArray, IntArray]:
    """Draw a feasible design: target, size, upper and lower bounds; some targets are 0, equal or wildly unequal."""
    strata = draw(st.integers(1, max_strata))
    share = st.one_of(st.just(0.0), st.sampled_from([0.1, 0.2, 0.25]), st.floats(1e-9, 1.0))
    target = np.array(draw(st.lists(share, min_size=strata, max_size=strata)))
    upper = np.array(draw(st.lists(st.integers(0, max_bound), min_size=strata, max_size=strata)))
    lower = np.minimum(upper, draw(st.lists(st.integers(0, 3), min_size=strata, max_size=strata)))
    if draw(st.booleans()):
        lower[:] = 0
    possible = int(np.where(target > 0, upper, lower).sum())
    return target, draw(st.integers(int(lower.sum()), possible)), upper, lower


def total_variation(rows: npt.ArrayLike, target: FloatArray) -> float:
    numbers = np.asarray(rows, dtype=np.float64)
    return float(np.abs(numbers / numbers.sum() - target / target.sum()).sum() / 2)


@settings(deadline=None)
@given(designs())
@example((np.array([1 / 3, 1 / 3, 1 / 3]), 10, np.array([10, 10, 10]), np.zeros(3, dtype=np.int64)))
@example((np.array([1e-9, 1.0]), 7, np.array([7, 1]), np.zeros(2, dtype=np.int64)))
def test_allocation_sums_to_the_size_and_keeps_every_bound(
    design: tuple[FloatArray, int, IntArray, IntArray],
) -> None:
    target, size, upper, lower = design
    rows = allocate(target, size, upper, lower)
    assert rows.dtype == np.int64
    assert rows.sum() == size
    assert (rows >= lower).all()
    assert (rows <= upper).all()
    assert (rows[target == 0] == lower[target == 0]).all()


@settings(deadline=None)
@given(designs())
def test_allocation_differs_by_less_than_one_from_the_redistributed_quota(
    design: tuple[FloatArray, int, IntArray, IntArray],
) -> None:
    target, size, upper, lower = design
    rows, quota = allocate(target, size, upper, lower), water_fill(target, size, upper, lower)
    free = (quota > lower) & (quota < upper)
    assert (np.abs(rows - quota)[free] < 1).all()
    assert (rows == quota)[~free].all()


@settings(deadline=None)
@given(designs())
def test_quotas_are_one_multiple_of_the_target_clipped_to_the_bounds(
    design: tuple[FloatArray, int, IntArray, IntArray],
) -> None:
    target, size, upper, lower = design
    quota = water_fill(target, size, upper, lower)
    assert math.fsum(quota) == pytest.approx(size, rel=1e-12, abs=1e-9)
    free = (quota > lower) & (quota < upper) & (target > 0)
    if free.any():
        level = float((quota[free] / target[free])[0])
        assert quota == pytest.approx(np.clip(level * target, lower, upper), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(designs(max_strata=5, max_bound=7))
def test_total_variation_is_within_strata_over_2m_of_the_brute_force_optimum(
    design: tuple[FloatArray, int, IntArray, IntArray],
) -> None:
    target, size, upper, lower = design
    assume(size > 0)
    assume(target.sum() > 0)
    reach = np.where(target > 0, upper, lower)
    ranges = [range(low, high + 1) for low, high in zip(lower.tolist(), reach.tolist(), strict=True)]
    best = min(total_variation(rows, target) for rows in itertools.product(*ranges) if sum(rows) == size)
    found = total_variation(allocate(target, size, upper, lower), target)
    assert best - 1e-12 <= found <= best + len(target) / (2 * size) + 1e-12


def test_ties_go_to_the_earlier_stratum() -> None:
    assert allocate([1.0] * 7, 10, [10] * 7).tolist() == [2, 2, 2, 1, 1, 1, 1]
    # The targets are equal in exact arithmetic only.
    third = [0.1 + 0.2, 0.3, 0.3]
    assert allocate(third, 10, [10] * 3).tolist() == [4, 3, 3]
    assert allocate(third[::-1], 10, [10] * 3).tolist() == [4, 3, 3]


def test_the_deficit_of_a_capped_stratum_goes_to_the_others_in_proportion() -> None:
    assert water_fill([0.5, 0.3, 0.2], 100, [10, 100, 100]).tolist() == pytest.approx([10, 54, 36])
    assert water_fill([0.5, 0.3, 0.2], 100, [10, 20, 100]).tolist() == pytest.approx([10, 20, 70])
    assert water_fill([0.6, 0.3, 0.1], 100, [100] * 3, [0, 0, 30]).tolist() == pytest.approx([140 / 3, 70 / 3, 30])


def test_size_zero_and_full_supply() -> None:
    assert allocate([0.5, 0.5], 0, [3, 4]).tolist() == [0, 0]
    assert allocate([0.9, 0.1], 7, [3, 4]).tolist() == [3, 4]
    assert allocate([0.0, 0.0], 2, [3, 4], [2, 0]).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("target", "size", "upper", "lower", "words"),
    [
        ([0.5, 0.5], 8, [3, 4], None, "8 rows are asked for, but supply and limits per country allow only 7"),
        ([1.0, 0.0], 4, [3, 4], None, "allow only 3 from 1 countries"),
        ([1.0, 0.0], 6, [3, 4], [0, 2], "allow only 5"),
        ([0.5, 0.5], 3, [3, 4], [2, 2], "The least numbers per country add up to 4 rows; 3 are asked for"),
        ([0.5, 0.5], 3, [1, 4], [2, 0], "Stratum 0 must give at least 2 rows but can give only 1"),
    ],
)
def test_an_infeasible_design_says_why(
    target: list[float], size: int, upper: list[int], lower: list[int] | None, words: str
) -> None:
    with pytest.raises(InfeasibleDesign, match=words) as caught:
        allocate(target, size, upper, lower)
    assert caught.value.exit_code == 2
    assert "--" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("target", "size", "upper"),
    [([-0.1, 1.0], 1, [1, 1]), ([NAN, 1.0], 1, [1, 1]), ([1.0], -1, [1]), ([1.0], 1, [1.5]), ([1.0, 1.0], 1, [1])],
)
def test_nonsense_is_refused(target: list[float], size: int, upper: list[float]) -> None:
    with pytest.raises(UsageError):
        allocate(target, size, upper)


def test_largest_remainder_needs_quotas_that_sum_to_the_size() -> None:
    assert largest_remainder(np.array([0.29, 0.71]) * 100, 100).tolist() == [29, 71]
    for size in (2, 5):
        with pytest.raises(UsageError, match="sum to 3"):
            largest_remainder([1.5, 1.5], size)
    with pytest.raises(UsageError, match="sum to 1"):
        largest_remainder([2.0, -1.0], 1)


def test_bare_weights_take_the_coefficients_of_the_paper_whatever_their_order() -> None:
    assert parse_weights("population,area,roads") == DEFAULT_COEFFICIENTS
    assert list(parse_weights("population,area,roads")) == list(parse_weights(" roads , area,population"))
    assert parse_weights("roads") == {"roads": 1.0}
    assert parse_weights("area,roads") == pytest.approx({"roads": 5 / 8, "area": 3 / 8})


def test_named_weights_are_renormalised() -> None:
    assert parse_weights("roads=0.5,population=0.2,area=0.3") == DEFAULT_COEFFICIENTS
    assert parse_weights("area=2, roads = 6") == {"roads": 0.75, "area": 0.25}
    assert parse_weights("area=0,roads=1e-3") == {"roads": 1.0, "area": 0.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "without a name"),
        ("roads,,area", "without a name"),
        ("=1", "without a name"),
        ("raods", "did you mean 'roads'"),
        ("income=3", "Unknown weight 'income'"),
        ("roads,roads", "twice"),
        ("roads=1,area", "mixes"),
        ("roads=-1,area=2", "roads=-1"),
        ("roads=nan", "roads=nan"),
        ("roads=inf", "roads=inf"),
        ("roads=", "roads="),
        ("roads=many", "roads=many"),
        ("roads=0,area=0", "sum to 0"),
        ("roads=1e308,area=1e308", "sum to inf"),
    ],
)
def test_bad_weights_are_named(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_weights(text)
    assert caught.value.hint


def test_the_known_weights_are_listed() -> None:
    with pytest.raises(UsageError, match="Known: area, population, roads"):
        parse_weights("income")


def test_target_shares_are_equation_11() -> None:
    figures = {
        "roads": np.array([60.0, 30.0, 10.0]),
        "population": np.array([10.0, 80.0, 10.0]),
        "area": np.array([1.0, 1.0, 2.0]),
    }
    shares = target_shares(figures, DEFAULT_COEFFICIENTS)
    assert shares == pytest.approx([0.5 * 0.6 + 0.2 * 0.1 + 0.3 / 4, 0.5 * 0.3 + 0.2 * 0.8 + 0.3 / 4, 0.22])
    assert shares.sum() == pytest.approx(1)
    assert target_shares(figures, {"roads": 5, "area": 3}) == pytest.approx(
        target_shares(figures, {"roads": 0.625, "area": 0.375})
    )


def test_a_missing_figure_contributes_nothing_and_what_it_lost_is_what_filling_it_in_would_give() -> None:
    figures = {"roads": np.array([60.0, NAN, 40.0, NAN]), "area": np.array([1.0, 1.0, 1.0, 1.0])}
    coefficients = {"roads": 0.6, "area": 0.4}
    assert target_shares(figures, coefficients) == pytest.approx([0.46, 0.1, 0.34, 0.1])

    imputed = {"roads": np.array([999.0, 75.0, 999.0, 25.0]), "area": np.full(4, NAN)}
    lost = lost_shares(figures, coefficients, imputed)
    assert lost["area"].tolist() == [0, 0, 0, 0]
    assert lost["roads"] == pytest.approx([0, 0.6 * 0.375, 0, 0.6 * 0.125])
    filled = figures | {"roads": np.array([60.0, 75.0, 40.0, 25.0])}
    gained = target_shares(filled, coefficients) - target_shares(figures, coefficients)
    assert lost["roads"][[1, 3]] == pytest.approx(gained[[1, 3]])

    assert lost_shares({"roads": [NAN, 1.0]}, {"roads": 1}, {"roads": [NAN, NAN]})["roads"].tolist() == [0, 0]


def test_figures_that_cannot_weight_are_refused() -> None:
    with pytest.raises(UsageError, match="No country in scope has a figure for roads"):
        target_shares({"roads": [NAN, 0.0]}, {"roads": 1.0})
    assert target_shares({"roads": [NAN, 0.0], "area": [1.0, 3.0]}, {"roads": 0.0, "area": 1.0}).tolist() == [
        0.25,
        0.75,
    ]
    with pytest.raises(UsageError, match="figure roads of stratum 1 is -1"):
        target_shares({"roads": [1.0, -1.0]}, {"roads": 1.0})
    with pytest.raises(UsageError, match="Unknown figure 'area'"):
        target_shares({"roads": [1.0]}, {"area": 1.0})
    with pytest.raises(UsageError, match="sum to 0"):
        target_shares({"roads": [1.0]}, {"roads": 0.0})


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.lists(st.integers(0, 40), min_size=1, max_size=4))
@example([1] * 12, [3, 20, 10])
def test_split_caps_share_every_stratum_and_starve_no_split(supply: list[int], sizes: list[int]) -> None:
    caps = split_caps(supply, sizes)
    assert len(caps) == len(sizes)
    if sum(sizes) == 0:
        assert not np.concatenate(caps).any()
        return
    assert np.sum(caps, axis=0).tolist() == supply
    for cap, size in zip(caps, sizes, strict=True):
        exact = np.array(supply) * size / sum(sizes)
        assert (np.abs(cap - exact) < 1).all()
        assert abs(cap.sum() - exact.sum()) < 1
        if sum(supply) >= sum(sizes):
            assert cap.sum() >= size


def test_split_caps_take_large_numbers() -> None:
    caps = split_caps(np.array([3_000_000_000, 1]), [10**10, 2 * 10**10])
    assert [cap.tolist() for cap in caps] == [[1_000_000_000, 0], [2_000_000_000, 1]]


def test_split_caps_refuse_negative_numbers() -> None:
    with pytest.raises(UsageError):
        split_caps([-1], [1])
    with pytest.raises(UsageError):
        split_caps([1], [-1])


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["val", "loc", "cot"]), st.integers(0, 10**6), min_size=1),
    st.integers(0, 2 * 10**6),
)
def test_scaled_sizes_fit_the_supply_in_proportion(sizes: dict[str, int], supply: int) -> None:
    scaled = scale_sizes(sizes, supply)
    total = sum(sizes.values())
    assert list(scaled) == list(sizes)
    assert sum(scaled.values()) == min(supply, total)
    for name, size in sizes.items():
        assert abs(scaled[name] - size * min(1, supply / max(total, 1))) < 1
