"""Two sets on the same rows: paired differences, exact tests, and a correction for testing often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from geoseek.training.evaluate.intervals import FloatArray, bootstrap, random_of, resamples_for
from geoseek.training.evaluate.metrics import MEDIAN, RATIOS, Columns, mean_estimate
from geoseek.training.evaluate.result import FIGURES, Difference, Estimate, EvaluateSettings, Unit

MCNEMAR, SIGN_FLIP = "mcnemar", "sign_flip"

_SIGNS_AT_ONCE = 4_000_000
_ROUNDING = 1e-12


def compare_sets(columns: Mapping[str, Columns], settings: EvaluateSettings) -> tuple[Difference, ...]:
    """Return the differences of all pairs of sets, with p-values corrected for all tests together (Holm).

    A figure of a pair is over the rows that count for both sets.

    Args:
        columns: Name of a set -> its columns, over the same rows.
        settings: Resamples, seed, confidence.
    """
    found = [
        difference
        for (first, one), (second, other) in combinations(columns.items(), 2)
        for difference in _pair(first, one, second, other, settings)
    ]
    tested = [difference.p_value for difference in found if difference.p_value is not None]
    corrected = iter(holm(tested))
    return tuple(
        difference if difference.p_value is None else difference.model_copy(update={"p_holm": next(corrected)})
        for difference in found
    )


def _pair(first: str, one: Columns, second: str, other: Columns, settings: EvaluateSettings) -> list[Difference]:
    both = one.counts & other.counts
    gaps = np.where(both, other.values - one.values, 0.0)
    located = np.isfinite(one.distance_km) & np.isfinite(other.distance_km)
    distances = [np.where(located, side.distance_km, np.nan) for side in (one, other)]
    resamples = resamples_for(len(gaps), settings.resamples)
    random = random_of(settings.seed, "pair", first, second)
    draws = bootstrap(gaps, both, distances, resamples=resamples, random=random)
    median = [float(np.median(side[located])) if located.any() else 0.0 for side in distances]
    # The median is no mean of differences: its estimate takes the interval of the draws, and its own value.
    between = mean_estimate(
        np.full(int(located.sum()), median[1] - median[0]),
        draws.medians[:, 1] - draws.medians[:, 0],
        settings,
        resamples,
        is_share=False,
    )
    found = {MEDIAN: _difference(MEDIAN, first, second, between, NO_TEST)}
    for at, key in enumerate(RATIOS):
        rows = both[:, at]
        estimate = mean_estimate(gaps[rows, at], draws.ratios[:, at], settings, resamples, is_share=False)
        if FIGURES[key].unit is Unit.SHARE:
            test = mcnemar(one.values[rows, at], other.values[rows, at])
        else:
            test = sign_flip(gaps[rows, at], settings.resamples, random_of(settings.seed, "signs", key, first, second))
        found[key] = _difference(key, first, second, estimate, test)
    return [found[key] for key in FIGURES]


@dataclass(frozen=True)
class PairedTest:
    """The outcome of a two-sided test of paired rows.

    Attributes:
        name: Which test; None for none.
        p_value: None where nothing was tested.
        only_first: Rows that only the first set has right (McNemar).
        only_second: Rows that only the second has right.
    """

    name: str | None = None
    p_value: float | None = None
    only_first: int | None = None
    only_second: int | None = None


NO_TEST = PairedTest()


def mcnemar(first: FloatArray, second: FloatArray) -> PairedTest:
    """Test whether two sets are right equally often, by McNemar's exact test.

    Of the rows that only one set has right, each set has half under the null hypothesis: a two-sided binomial test
    (Q. McNemar, Psychometrika 12 (1947) 153-157; exact form).

    Args:
        first: 1 where the first set is right, else 0.
        second: The same of the second set.

    By hand: 1 row against 5 gives 2 * (1 + 6) / 2^6.

    >>> mcnemar(np.array([1.0, 0, 0, 0, 0, 0, 1]), np.array([0.0, 1, 1, 1, 1, 1, 1]))
    PairedTest(name='mcnemar', p_value=0.21875, only_first=1, only_second=5)
    """
    from scipy.stats import binomtest

    if not len(first):
        return NO_TEST
    lost, won = int(np.count_nonzero(first > second)), int(np.count_nonzero(second > first))
    p_value = float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0
    return PairedTest(MCNEMAR, p_value, lost, won)


def sign_flip(gaps: FloatArray, permutations: int, random: np.random.Generator) -> PairedTest:
    """Test whether paired differences are 0 on average, by flipping their signs at random.

    R. A. Fisher, The Design of Experiments, 1935, section 21. The p-value is (1 + k) / (1 + permutations), where k
    flips have a mean at least as far from 0 as the observed one.

    Args:
        gaps: Differences.
        permutations: Random flips.
        random: Random numbers.

    >>> sign_flip(np.zeros(5), 99, np.random.default_rng(0)).p_value
    1.0
    >>> sign_flip(np.ones(100), 99, np.random.default_rng(0)).p_value
    0.01
    """
    moving = gaps[gaps != 0]
    if not len(gaps):
        return NO_TEST
    observed = abs(float(moving.sum()))
    tolerance = _ROUNDING * float(np.abs(moving).sum())
    at_once = max(1, _SIGNS_AT_ONCE // max(len(moving), 1))
    as_far = 0
    for start in range(0, permutations, at_once):
        number = min(at_once, permutations - start)
        signs = random.integers(0, 2, size=(number, len(moving)), dtype=np.int8)
        sums = 2.0 * (signs @ moving) - moving.sum()
        as_far += int(np.count_nonzero(np.abs(sums) >= observed - tolerance))
    return PairedTest(SIGN_FLIP, (1 + as_far) / (1 + permutations))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for several tests, in their order.

    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70: the k-th smallest of m is multiplied by m - k + 1, and
    is no smaller than those before it.

    >>> holm([0.03, 0.01, 0.04])
    [0.06, 0.03, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected


def _difference(key: str, first: str, second: str, estimate: Estimate, test: PairedTest) -> Difference:
    return Difference(
        figure=key,
        first=first,
        second=second,
        difference=estimate,
        test=test.name,
        only_first=test.only_first,
        only_second=test.only_second,
        p_value=test.p_value,
        p_holm=None,
    )
