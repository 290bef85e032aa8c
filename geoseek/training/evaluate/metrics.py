"""Figures of a group of rows: accuracies, distances, GeoScores, names; each with its interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseek.training.evaluate.intervals import (
    BoolArray,
    Draws,
    FloatArray,
    bootstrap,
    percentile_interval,
    random_of,
    resamples_for,
    wilson_interval,
)
from geoseek.training.evaluate.result import FIGURES, RADII_KM, Denominator, Estimate, EvaluateSettings, Unit
from geoseek.training.evaluate.tables import RIGHT, UNKNOWN, ScoredRows

MEDIAN = "median_km"
RATIOS = tuple(key for key in FIGURES if key != MEDIAN)
"""The figures that are a mean over rows: all but the median."""

Rows = npt.NDArray[np.int64]


def geoscore_geoagent(distance_km: npt.ArrayLike) -> FloatArray:
    """Return the GeoScore 5000 * exp(-10 d / 18050) of arXiv 2602.12617, in points.

    At d = 1805 km the exponent is -1: 5000 / e.

    >>> [round(float(score), 1) for score in geoscore_geoagent([0, 1805])]
    [5000.0, 1839.4]
    """
    scores: FloatArray = 5000 * np.exp(-10 * np.asarray(distance_km, dtype=np.float64) / 18050)
    return scores


def geoscore_osv5m(distance_km: npt.ArrayLike) -> FloatArray:
    """Return the GeoScore 5000 * exp(-d / 1492.7) of OSV-5M (arXiv 2404.18873), in points.

    At d = 1492.7 km the exponent is -1: 5000 / e.

    >>> [round(float(score), 1) for score in geoscore_osv5m([0, 1492.7])]
    [5000.0, 1839.4]
    """
    scores: FloatArray = 5000 * np.exp(-np.asarray(distance_km, dtype=np.float64) / 1492.7)
    return scores


@dataclass(frozen=True)
class Columns:
    """What the figures of a set are made of.

    Attributes:
        values: Value of each row for each of `RATIOS`; shape (rows, ratios), 0 where it does not count.
        counts: Which rows count for a figure.
        distance_km: For the median; NaN where there is none.
    """

    values: FloatArray
    counts: BoolArray
    distance_km: FloatArray

    def at(self, rows: Rows) -> Columns:
        """Return the columns of some rows."""
        return Columns(self.values[rows], self.counts[rows], self.distance_km[rows])


def figure_columns(scored: ScoredRows, denominator: Denominator) -> Columns:
    """Return value and weight of every row for every figure.

    Rows without coordinates are within no radius, have 0 points and no right name, and no distance. They count,
    unless the denominator is `answered`.
    """
    distance, located = scored.distance_km, scored.predictions.located
    counting = located if denominator == "answered" else np.ones(len(distance), dtype=np.bool_)
    far = np.where(located, distance, np.inf)
    columns: dict[str, tuple[FloatArray | BoolArray, BoolArray]] = {
        f"accuracy_{radius}km": (far <= radius, counting) for radius in RADII_KM
    }
    columns["mean_km"] = (np.where(located, distance, 0.0), located)
    columns["geoscore_geoagent"] = (geoscore_geoagent(far), counting)
    columns["geoscore_osv5m"] = (geoscore_osv5m(far), counting)
    for key in ("country_name", "region_name", "place_name", "country_position"):
        check = getattr(scored, key)
        columns[key] = (check == RIGHT, counting & (check != UNKNOWN))
    values = np.stack([columns[key][0] for key in RATIOS], axis=1).astype(np.float64)
    counts = np.stack([columns[key][1] for key in RATIOS], axis=1)
    return Columns(np.where(counts, values, 0.0), counts, np.where(located, distance, np.nan))


def estimates(columns: Columns, settings: EvaluateSettings, *names: str) -> dict[str, Estimate]:
    """Return every figure with its interval.

    Args:
        columns: Of the rows of the group.
        settings: Resamples, seed, confidence.
        names: Name the group, for its random numbers.
    """
    rows = len(columns.distance_km)
    resamples = resamples_for(rows, settings.resamples)
    draws = Draws(np.empty((0, len(RATIOS))), np.empty((0, 1)))
    if rows:
        random = random_of(settings.seed, *names)
        draws = bootstrap(columns.values, columns.counts, [columns.distance_km], resamples=resamples, random=random)
    found = {MEDIAN: _median(columns.distance_km, draws.medians[:, 0], settings, resamples)}
    for at, key in enumerate(RATIOS):
        is_share = FIGURES[key].unit is Unit.SHARE
        values = columns.values[columns.counts[:, at], at]
        found[key] = mean_estimate(values, draws.ratios[:, at], settings, resamples, is_share=is_share)
    return {key: found[key] for key in FIGURES}


def mean_estimate(
    values: FloatArray, draws: FloatArray, settings: EvaluateSettings, resamples: int, *, is_share: bool
) -> Estimate:
    """Return a mean and its interval: the percentiles of its draws, for a share of 0 or 1 Wilson's."""
    rows = len(values)
    if not rows:
        return NO_ROWS
    value = float(values.mean())
    interval = percentile_interval(draws, settings.confidence)
    if is_share and value in (0.0, 1.0):
        low, high = wilson_interval(round(value * rows), rows, settings.confidence)
        return Estimate(value=value, low=low, high=high, rows=rows, method="wilson")
    return _with_interval(value, interval, rows, resamples)


NO_ROWS = Estimate(value=None, low=None, high=None, rows=0, method=None)
"""The estimate of a figure for which no row counts."""


def _median(distance_km: FloatArray, draws: FloatArray, settings: EvaluateSettings, resamples: int) -> Estimate:
    finite = distance_km[np.isfinite(distance_km)]
    if not len(finite):
        return NO_ROWS
    interval = percentile_interval(draws, settings.confidence)
    return _with_interval(float(np.median(finite)), interval, len(finite), resamples)


def _with_interval(value: float, interval: tuple[float, float] | None, rows: int, resamples: int) -> Estimate:
    if interval is None:
        return Estimate(value=value, low=None, high=None, rows=rows, method=None)
    low, high = interval
    return Estimate(value=value, low=low, high=high, rows=rows, method="bootstrap", resamples=resamples)


def accuracy_curve(distance_km: FloatArray, rows: int, radii_km: Iterable[float]) -> list[tuple[float, float]]:
    """Return the share of the rows within each radius; nothing if no row counts.

    Args:
        distance_km: Distances; NaN is within no radius.
        rows: Rows that count.
        radii_km: The radii.

    >>> accuracy_curve(np.array([1.0, 30.0, np.nan, 900.0]), 4, [1, 25, 1000])
    [(1, 0.25), (25, 0.25), (1000, 0.75)]
    """
    if not rows:
        return []
    ordered = np.sort(distance_km[np.isfinite(distance_km)])
    return [(radius, int(np.searchsorted(ordered, radius, side="right")) / rows) for radius in radii_km]
