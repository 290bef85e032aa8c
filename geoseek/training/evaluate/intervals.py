"""Intervals: the bootstrap of ratios and medians, seeded and vectorised, and Wilson's for shares of 0 or 1."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

LEAST_RESAMPLES = 500
"""Of a group of very many rows, whose intervals are narrow anyway."""
_MOST_DRAWS = 8_000_000
_DRAWS_AT_ONCE, _RESAMPLES_AT_ONCE = 200_000, 16


@dataclass(frozen=True)
class Draws:
    """Figures of all resamples; NaN where no row counts in one.

    Attributes:
        ratios: Shape (resamples, columns).
        medians: Shape (resamples, distances).
    """

    ratios: FloatArray
    medians: FloatArray


def random_of(seed: int, *names: str) -> np.random.Generator:
    """Return the random numbers of one task: the same whatever else is worked out, and in which order.

    >>> random_of(0, "band", "low").random() == random_of(0, "band", "low").random() != random_of(0, "all").random()
    True
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def resamples_for(rows: int, wanted: int) -> int:
    """Return how often a group is resampled: as wanted up to 8 million drawn rows, then less often, but 500 times.

    >>> resamples_for(3_000, 2_000), resamples_for(8_000, 2_000), resamples_for(1_000_000, 2_000)
    (2000, 1000, 500)
    """
    return min(wanted, max(LEAST_RESAMPLES, _MOST_DRAWS // max(rows, 1)))


def bootstrap(
    values: FloatArray,
    counts: BoolArray,
    distances: Sequence[FloatArray],
    *,
    resamples: int,
    random: np.random.Generator,
) -> Draws:
    """Resample rows with replacement, and work out every figure in every resample.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13. All figures see the same
    resamples, so that differences of columns are paired.

    Args:
        values: Shape (rows, columns).
        counts: Which rows count for a column; the figure is the mean of the values that do.
        distances: Columns whose median is wanted, each of shape (rows,); NaN does not count.
        resamples: How many.
        random: Random numbers.

    Cost: rows x resamples draws, 20 to 80 ns each.
    """
    if distances:  # in the order of a distance its median needs no sorting; the order of rows is of no account
        order = np.argsort(distances[0], kind="stable")
        values, counts, distances = values[order], counts[order], [column[order] for column in distances]
    different, which = np.unique(counts, axis=1, return_inverse=True)
    summands = np.concatenate([np.where(counts, values, 0.0), different], axis=1)
    orders = [_sorted_finite(column) for column in distances]
    ratios, medians = [], []
    for times in _resampled(len(values), resamples, random):
        sums = times.astype(np.float64) @ summands
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios.append(sums[:, : values.shape[1]] / sums[:, values.shape[1] :][:, which.ravel()])
        found = [_medians(times, column, order) for column, order in zip(distances, orders, strict=True)]
        medians.append(np.stack(found, axis=1) if found else np.empty((len(times), 0)))
    return Draws(np.concatenate(ratios), np.concatenate(medians))


def _resampled(rows: int, resamples: int, random: np.random.Generator) -> Iterator[IntArray]:
    """Yield how often each row is in each resample, shape (some resamples, rows)."""
    at_once = max(_RESAMPLES_AT_ONCE, _DRAWS_AT_ONCE // rows)
    for first in range(0, resamples, at_once):
        number = min(at_once, resamples - first)
        drawn = random.integers(0, rows, size=(number, rows), dtype=np.int32)
        if number > 1:
            drawn += np.arange(number, dtype=np.int32)[:, None] * np.int32(rows)
        counts = np.bincount(drawn.ravel(), minlength=number * rows)
        yield counts.reshape(number, rows)


def _sorted_finite(column: FloatArray) -> slice | IntArray:
    """Return the places of the finite values of a column in ascending order."""
    finite = int(np.count_nonzero(np.isfinite(column)))
    if np.all(column[1:finite] >= column[: max(finite - 1, 0)]) and not np.isnan(column[:finite]).any():
        return slice(0, finite)
    return np.argsort(column, kind="stable")[:finite]


def _medians(times: IntArray, column: FloatArray, order: slice | IntArray) -> FloatArray:
    """Return the median of a column in each resample; of an even number of values the mean of the two in the middle."""
    ordered = column[order]
    if not len(ordered):
        return np.full(len(times), np.nan)
    reached = np.cumsum(times[:, order], axis=1)
    total = reached[:, -1]
    lower = (reached > ((total - 1) // 2)[:, None]).argmax(axis=1)
    upper = (reached > (total // 2)[:, None]).argmax(axis=1)
    return np.where(total > 0, (ordered[lower] + ordered[upper]) / 2, np.nan)


def percentile_interval(draws: FloatArray, confidence: float) -> tuple[float, float] | None:
    """Return the interval between the percentiles of a figure's draws; None if they do not differ.

    >>> [round(end, 9) for end in percentile_interval(np.arange(101.0), 0.9)]
    [5.0, 95.0]
    """
    finite = draws[np.isfinite(draws)]
    if not len(finite) or finite.min() == finite.max():
        return None
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def wilson_interval(hits: int, rows: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share, which is sensible where none or all are hits.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209-212. By hand for 0 of 10 and z = 1.96:
    the upper end is z² / (10 + z²) = 3.8416 / 13.8416.

    >>> low, high = wilson_interval(0, 10, 0.95)
    >>> low, round(high, 4)
    (0.0, 0.2775)
    """
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share = hits / rows
    middle = share + z2 / (2 * rows)
    half = math.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2)))
    scale = 1 + z2 / rows
    # Rounding must not put the share itself outside.
    return min(share, max(0.0, (middle - half) / scale)), max(share, min(1.0, (middle + half) / scale))
