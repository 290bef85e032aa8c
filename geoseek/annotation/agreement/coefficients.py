"""Chance-corrected agreement of several raters, some of whom did not rate everything.

The pooled coefficients all rest on one number, the mean distance between two ratings. Inside items it is the observed
disagreement, over all ratings thrown together the one that chance would give. The distance is 0 or 1 for names, the
squared difference for scores.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from statistics import NormalDist
from typing import Literal, TypeVar

Item = Mapping[str, Hashable]
"""One item: rater -> rating. Raters who did not rate it are missing."""
Scores = Mapping[str, float]
"""One item whose ratings are numbers."""
AnyItem = TypeVar("AnyItem", bound=Item)


class Distance(StrEnum):
    """How far apart two ratings are."""

    NOMINAL = "nominal"
    """0 if they are equal, else 1."""
    SQUARED = "squared"
    """The squared difference of two numbers: the quadratic weights of a weighted kappa."""


@dataclass(frozen=True)
class Coefficient:
    """A coefficient, or why there is none.

    Attributes:
        value: 1 is perfect agreement, 0 is what chance gives; None where it is not defined.
        items: Items with at least two ratings.
        method: `cohen` or `fleiss` for kappas, which depend on the number of raters; else None.
        reason: Why there is no value.
    """

    value: float | None
    items: int
    method: str | None = None
    reason: str | None = None


NO_ITEMS = "no item was rated by two people"
NO_VARIANCE = "all ratings are equal, so chance alone would agree as well"


def rated_twice(items: Iterable[AnyItem]) -> list[AnyItem]:
    """Return the items that two raters or more have rated.

    >>> rated_twice([{"ana": 1}, {"ana": 1, "ben": 2}])
    [{'ana': 1, 'ben': 2}]
    """
    return [item for item in items if len(item) >= 2]


def raw_agreement(items: Iterable[Item]) -> Coefficient:
    """Return the mean over items of the share of pairs of raters who say the same; not corrected for chance.

    >>> round(raw_agreement([{"ana": "FR", "ben": "FR"}, {"ana": "FR", "ben": "BE", "cem": "BE"}]).value, 12)
    0.666666666667
    """
    usable = rated_twice(items)
    if not usable:
        return Coefficient(None, 0, reason=NO_ITEMS)
    apart = math.fsum(mean_distance(list(item.values()), Distance.NOMINAL) for item in usable)
    return Coefficient(1 - apart / len(usable), len(usable))


def mean_distance(ratings: Sequence[Hashable], distance: Distance) -> float:
    """Return the mean distance of all pairs of different raters of one item.

    With n ratings, n_c of them c: 1 - sum of n_c (n_c - 1) / (n (n - 1)); for squared differences twice the variance.
    Linear in the number of ratings.

    >>> round(mean_distance(["FR", "FR", "BE"], Distance.NOMINAL), 12)
    0.666666666667
    >>> mean_distance([4.0, 6.0], Distance.SQUARED)
    4.0
    """
    count = len(ratings)
    return _spread(ratings, distance) * count / (count - 1)


def _spread(ratings: Sequence[Hashable], distance: Distance) -> float:
    """Return the mean distance of two ratings that are drawn with replacement."""
    if distance is Distance.NOMINAL:
        count = len(ratings)
        return (count**2 - sum(times**2 for times in Counter(ratings).values())) / count**2
    return 2 * _moments(ratings)[1]


def _moments(ratings: Sequence[Hashable]) -> tuple[float, float]:
    """Return mean and variance (divided by n) of numbers."""
    values = [float(rating) for rating in ratings]  # type: ignore[arg-type]  # SQUARED is for numbers
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)


def kappa(items: Iterable[Item], distance: Distance = Distance.NOMINAL) -> Coefficient:
    """Return Cohen's kappa if the same two people rated every item, else Fleiss' kappa.

    Args:
        items: Rater -> rating.
        distance: `SQUARED` gives the quadratic-weighted forms.
    """
    usable = rated_twice(items)
    raters = sorted({rater for item in usable for rater in item})
    if len(raters) == 2:
        first, second = raters
        return cohen_kappa([(item[first], item[second]) for item in usable], distance)
    return fleiss_kappa([list(item.values()) for item in usable], distance)


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]], distance: Distance = Distance.NOMINAL) -> Coefficient:
    """Return Cohen's kappa of two raters: 1 - observed / expected disagreement, each rater with their own habits.

    J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46; quadratic weights: Psychological Bulletin 70
    (1968) 213-220.

    By hand: they agree in 3 of 4 cases; by chance 1/2 x 3/4 + 1/2 x 1/4 = 1/2; so (3/4 - 1/2) / (1 - 1/2).

    >>> cohen_kappa([("yes", "yes"), ("yes", "yes"), ("no", "no"), ("no", "yes")]).value
    0.5
    """
    if not pairs:
        return Coefficient(None, 0, "cohen", NO_ITEMS)
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    if distance is Distance.NOMINAL:
        count = len(pairs)
        other = Counter(second)
        observed = sum(a != b for a, b in pairs) / count
        expected = 1 - math.fsum(times * other[value] for value, times in Counter(first).items()) / count**2
    else:
        (mean_a, variance_a), (mean_b, variance_b) = _moments(first), _moments(second)
        observed = math.fsum((float(a) - float(b)) ** 2 for a, b in pairs) / len(pairs)  # type: ignore[arg-type]
        expected = variance_a + variance_b + (mean_a - mean_b) ** 2
    return _corrected(observed, expected, len(pairs), "cohen")


def fleiss_kappa(items: Sequence[Sequence[Hashable]], distance: Distance = Distance.NOMINAL) -> Coefficient:
    """Return Fleiss' kappa of any number of raters, who need not be the same from item to item.

    J. L. Fleiss, Psychological Bulletin 76 (1971) 378-382. Items may have different numbers of ratings: each item
    counts once for the observed, each rating once for the expected disagreement. Squared differences in place of 0 and
    1 give it the quadratic weights of Cohen (1968).

    By hand: the items agree in 1 and in 1/3 of their pairs, on average 2/3; of the six ratings 4 are a and 2 are b, so
    chance gives 16/36 + 4/36 = 5/9; (2/3 - 5/9) / (1 - 5/9) = 1/4.

    >>> round(fleiss_kappa([["a", "a", "a"], ["a", "b", "b"]]).value, 12)
    0.25
    """
    usable = [item for item in items if len(item) >= 2]
    if not usable:
        return Coefficient(None, 0, "fleiss", NO_ITEMS)
    observed = math.fsum(mean_distance(item, distance) for item in usable) / len(usable)
    expected = _spread([rating for item in usable for rating in item], distance)
    return _corrected(observed, expected, len(usable), "fleiss")


def nominal_alpha(items: Iterable[Item]) -> Coefficient:
    """Return Krippendorff's alpha of names: any number of raters, gaps, small samples.

    K. Krippendorff, Content Analysis (2004), chapter 11. Summed here instead of asked of the package `krippendorff`,
    which `ordered_alpha` uses: it builds a table of items x values x values, 18 GB for 1,000 photos with 1,500 places.
    Linear in the number of ratings.

    By hand: of the 4 ratings 3 are a; 2 of 4 ratings stand in an item without and 2 in one with disagreement, so 1/2;
    of the 12 ordered pairs of ratings 6 differ, so 1/2 by chance; 1 - 1 = 0.

    >>> nominal_alpha([{"ana": "a", "ben": "a"}, {"ana": "a", "ben": "b"}]).value
    0.0
    """
    usable = [list(item.values()) for item in rated_twice(items)]
    if not usable:
        return Coefficient(None, 0, reason=NO_ITEMS)
    pooled = [rating for item in usable for rating in item]
    observed = math.fsum(len(item) * mean_distance(item, Distance.NOMINAL) for item in usable) / len(pooled)
    return _corrected(observed, mean_distance(pooled, Distance.NOMINAL), len(usable), None)


def ordered_alpha(items: Iterable[Scores], level: Literal["ordinal", "interval"]) -> Coefficient:
    """Return Krippendorff's alpha of numbers, as the package `krippendorff` computes it.

    Args:
        items: Rater -> number, of which there are few different ones (a score in halves has 21).
        level: Whether only the order of the numbers means something, or their differences too.

    >>> ordered_alpha([{"ana": 1, "ben": 1}, {"ana": 3, "ben": 3}], "interval").value
    1.0
    """
    import krippendorff
    import numpy as np

    usable = rated_twice(items)
    if not usable:
        return Coefficient(None, 0, reason=NO_ITEMS)
    values = sorted({rating for item in usable for rating in item.values()})
    if len(values) < 2:
        return Coefficient(None, len(usable), reason=NO_VARIANCE)
    column = {value: at for at, value in enumerate(values)}
    counts = np.zeros((len(usable), len(values)), dtype=np.int64)
    for row, item in enumerate(usable):
        for rating in item.values():
            counts[row, column[rating]] += 1
    found = krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement=level)
    return Coefficient(float(found), len(usable))


def spearman(items: Iterable[Scores]) -> Coefficient:
    """Return Spearman's rank correlation of the scores of two raters.

    With more raters than two, every pair of ratings of an item counts, in both orders, since it has none of its own.

    >>> round(spearman([{"ana": 1, "ben": 2}, {"ana": 3, "ben": 5}, {"ana": 9, "ben": 7}]).value, 12)
    1.0
    """
    from scipy.stats import spearmanr

    usable = rated_twice(items)
    raters = sorted({rater for item in usable for rater in item})
    if not usable:
        return Coefficient(None, 0, reason=NO_ITEMS)
    pairs = [(item[a], item[b]) for item in usable for a, b in combinations(sorted(item), 2)]
    if len(raters) > 2:
        pairs += [(b, a) for a, b in pairs]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    if len(set(first)) < 2 or len(set(second)) < 2:
        return Coefficient(None, len(usable), reason="a rater gave the same score to everything; ranks need two")
    return Coefficient(float(spearmanr(first, second).statistic), len(usable))


def wilson_interval(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a share.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209-212: it keeps its level for few trials
    and for shares near 0 and 1, and never leaves 0..1.

    Args:
        successes: May be fractional where a trial can succeed in part.
        trials: At least 1.
        confidence: 0..1.

    By hand for 0 of 10: the lower end is 0, the upper one z² / (n + z²) = 3.8415 / 13.8415.

    >>> [round(end, 4) for end in wilson_interval(0, 10)]
    [0.0, 0.2775]
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = successes / trials, 1 + z**2 / trials
    middle = share + z**2 / (2 * trials)
    half = z * math.sqrt(max(0.0, share * (1 - share)) / trials + z**2 / (4 * trials**2))
    # At the ends the formula gives exactly 0 and 1, which rounding would miss.
    low = 0.0 if successes <= 0 else max(0.0, (middle - half) / scale)
    return low, 1.0 if successes >= trials else min(1.0, (middle + half) / scale)


def _corrected(observed: float, expected: float, items: int, method: str | None) -> Coefficient:
    # Sums of floats leave a trace where exact arithmetic gives 0.
    if expected < 1e-12:
        return Coefficient(None, items, method, NO_VARIANCE)
    return Coefficient(1 - observed / expected, items, method)
