"""Coefficients against published examples, a package, and definitions written out in full."""

from __future__ import annotations

import itertools
import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.agreement import (
    Distance,
    cohen_kappa,
    fleiss_kappa,
    kappa,
    nominal_alpha,
    ordered_alpha,
    raw_agreement,
    spearman,
    wilson_interval,
)

GAP = None
# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D: four observers, twelve units, gaps.
KRIPPENDORFF_2011 = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3),
    (GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP),
)
# Fourteen raters, ten subjects, five categories: the table of counts most handbooks show for Fleiss' kappa.
FLEISS_COUNTS = (
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
)

ratings = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 4), min_size=1), min_size=1, max_size=12)
scores = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


def _items(rows: tuple[tuple[int | None, ...], ...]) -> list[dict[str, int]]:
    columns = zip(*rows, strict=True)
    return [{f"observer {i}": value for i, value in enumerate(c) if value is not None} for c in columns]


def test_krippendorffs_own_example() -> None:
    items = _items(KRIPPENDORFF_2011)
    assert nominal_alpha(items).value == pytest.approx(0.743, abs=5e-4)
    assert ordered_alpha(items, "ordinal").value == pytest.approx(0.815, abs=5e-4)
    assert ordered_alpha(items, "interval").value == pytest.approx(0.849, abs=5e-4)
    assert nominal_alpha(items).items == 11, "the unit with one value is not pairable"


def test_fleiss_example() -> None:
    items = [[category for category, n in enumerate(row) for _ in range(n)] for row in FLEISS_COUNTS]
    found = fleiss_kappa(items)
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert (found.items, found.method) == (10, "fleiss")


def test_cohen_example() -> None:
    # Two readers of fifty applications: 20 both yes, 15 both no, 5 and 10 apart; p_o = 0.7, p_e = 0.5.
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohen_kappa(pairs).value == pytest.approx(0.4)


@given(ratings)
def test_nominal_alpha_equals_the_package(items: list[dict[str, int]]) -> None:
    found = nominal_alpha(items)
    usable = [item for item in items if len(item) > 1]
    values = {value for item in usable for value in item.values()}
    if len(values) < 2:
        assert found.value is None
        assert found.reason
        return
    table = [[item.get(rater, math.nan) for item in items] for rater in "abcd"]
    assert found.value == pytest.approx(krippendorff.alpha(table, level_of_measurement="nominal"))


@given(scores)
def test_cohen_equals_the_definition_with_a_table_of_weights(pairs: list[tuple[int, int]]) -> None:
    table = np.zeros((6, 6))
    for a, b in pairs:
        table[a, b] += 1 / len(pairs)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    steps = np.subtract.outer(np.arange(6), np.arange(6))
    for distance, weights in ((Distance.NOMINAL, steps != 0), (Distance.SQUARED, steps**2)):
        found = cohen_kappa(pairs, distance)
        chance = float((weights * expected).sum())
        if chance < 1e-9:
            assert found.value is None
        else:
            assert found.value == pytest.approx(1 - float((weights * table).sum()) / chance)


@given(ratings)
def test_fleiss_equals_the_definition_over_pairs(items: list[dict[str, int]]) -> None:
    usable = [list(item.values()) for item in items if len(item) > 1]
    pooled = [value for item in usable for value in item]
    found = fleiss_kappa(usable, Distance.SQUARED)
    if len(set(pooled)) < 2:
        assert found.value is None
        return
    observed = np.mean([np.mean([(a - b) ** 2 for a, b in itertools.combinations(item, 2)]) for item in usable])
    chance = np.mean([(a - b) ** 2 for a, b in itertools.product(pooled, repeat=2)])
    assert found.value == pytest.approx(1 - observed / chance)


@given(ratings, st.permutations("abcd"))
def test_names_and_order_of_raters_and_items_do_not_matter(items: list[dict[str, int]], names: list[str]) -> None:
    renamed = dict(zip("abcd", names, strict=True))
    other = [{renamed[rater]: value for rater, value in item.items()} for item in reversed(items)]
    for figure in (nominal_alpha, kappa, raw_agreement):
        assert figure(other).value == pytest.approx(figure(items).value)
    assert ordered_alpha(other, "ordinal").value == pytest.approx(ordered_alpha(items, "ordinal").value)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=10), st.integers(2, 4))
def test_perfect_agreement_is_exactly_one(values: list[int], raters: int) -> None:
    items = [{str(rater): value for rater in range(raters)} for value in values]
    figures = [
        nominal_alpha(items),
        kappa(items),
        kappa(items, Distance.SQUARED),
        ordered_alpha(items, "interval"),
    ]
    varied = len(set(values)) > 1
    assert [figure.value for figure in figures] == [1.0 if varied else None] * 4
    assert raw_agreement(items).value == 1.0
    if varied:
        assert spearman(items).value == pytest.approx(1.0)
    else:
        assert all(figure.reason for figure in (*figures, spearman(items)))


def test_what_is_not_defined_says_why() -> None:
    alone = [{"ana": 1}, {"ben": 2}]
    for figure in (
        nominal_alpha(alone),
        kappa(alone),
        kappa(alone, Distance.SQUARED),
        ordered_alpha(alone, "ordinal"),
        spearman(alone),
        raw_agreement(alone),
        cohen_kappa([]),
    ):
        assert figure.value is None
        assert figure.items == 0
        assert figure.reason


def test_two_people_give_cohens_kappa_and_three_give_fleiss() -> None:
    two = [{"ana": 1, "ben": 1}, {"ana": 2, "ben": 1}]
    assert kappa(two).method == "cohen"
    assert kappa([*two, {"ana": 1, "cem": 1}]).method == "fleiss"
    assert kappa([*two, {"cem": 1}]).method == "cohen", "a photo seen by one person shows no agreement"


def test_spearman_of_two_raters_is_the_rank_correlation() -> None:
    # Ranks 1 2 3 4 against 2 1 3 4: 1 - 6 * 2 / (4 * 15).
    items = [{"ana": a, "ben": b} for a, b in ((1, 20), (2, 10), (3, 30), (4, 40))]
    assert spearman(items).value == pytest.approx(0.8)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_interval_holds_the_share_and_solves_its_equation(counts: tuple[int, int], confidence: float) -> None:
    successes, trials = counts
    low, high = wilson_interval(successes, trials, confidence)
    share = successes / trials
    assert 0 <= low <= share <= high <= 1
    z = abs(share - high) / math.sqrt(high * (1 - high) / trials) if high < 1 else None
    if z is not None and successes:
        assert math.erf(z / math.sqrt(2)) == pytest.approx(confidence, abs=1e-6)
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)
