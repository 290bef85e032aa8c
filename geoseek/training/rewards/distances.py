"""Rewards by distance: how far the answer's place lies from the true position."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from geoseek.geo import Location, haversine_km
from geoseek.training.rewards.base import SHARED, Details, Resources, RewardBatch, Truth, read_completion, shown
from geoseek.training.rewards.settings import GeoSpatialSettings, GreDistanceSettings

_SPATIAL, _GRE = GeoSpatialSettings(), GreDistanceSettings()


def geo_spatial(
    completions: Sequence[str],
    truth: Sequence[Truth],
    settings: GeoSpatialSettings = _SPATIAL,
    resources: Resources = SHARED,
) -> RewardBatch:
    """Reward answers near the true position (R_spa of arXiv 2602.12617, section 5.1).

    The answer is located by the gazetteer, offline. The paper drops the last part of an address that is not found and
    tries again; the gazetteer falls back to the region and the country by itself. Where it knows the country only, the
    country's centroid counts, as it would with an online geocoder. The released script locates the true answer too;
    here the row's own position counts, and its names only where it has none.

    Args:
        completions: Texts of the model.
        truth: One row per completion.
        settings: Scale and cutoff.
        resources: The gazetteer.

    Returns:
        `spatial_reward` of the distance, 0 where there is no answer or it is not found. The details have answer,
        level, lat, lng, distance_km, and problem where there is one.
    """
    return _by_distance(
        completions,
        truth,
        resources,
        lambda distance_km: spatial_reward(distance_km, settings.scale_km, settings.cutoff_km),
    )


def gre_distance(
    completions: Sequence[str],
    truth: Sequence[Truth],
    settings: GreDistanceSettings = _GRE,
    resources: Resources = SHARED,
) -> RewardBatch:
    """Reward answers near the true position with the formula of GRE (arXiv 2505.18700).

    Args:
        completions: Texts of the model.
        truth: One row per completion.
        settings: Scale; the paper gives none.
        resources: The gazetteer.

    Returns:
        `gre_distance_reward` of the distance; zeros and details as in `geo_spatial`.
    """
    return _by_distance(
        completions, truth, resources, lambda distance_km: gre_distance_reward(distance_km, settings.theta_km)
    )


def spatial_reward(distance_km: float, scale_km: float = 200.0, cutoff_km: float | None = None) -> float:
    """Return `exp(-D / scale)`, and 0 from the cutoff on.

    The paper has a scale of 200 km and no cutoff (arXiv 2602.12617, section 5.1); its released script has one at
    2,000 km.

    A distance of 200 ln 2 = 138.63 km is worth one half, 200 km are worth 1/e:

    >>> round(spatial_reward(200 * math.log(2)), 6), round(spatial_reward(200), 6)
    (0.5, 0.367879)
    >>> spatial_reward(0), spatial_reward(2000, cutoff_km=2000)
    (1.0, 0.0)
    """
    if cutoff_km is not None and distance_km >= cutoff_km:
        return 0.0
    return math.exp(-distance_km / scale_km)


def gre_distance_reward(distance_km: float, theta_km: float = 200.0) -> float:
    """Return `2 / (1 + exp(D / theta))`.

    The form is that of GRE (arXiv 2505.18700); theta was never published, and 200 km is our choice.

    At D = theta ln 3 it is 2 / (1 + 3):

    >>> gre_distance_reward(0), round(gre_distance_reward(200 * math.log(3)), 6)
    (1.0, 0.5)
    >>> gre_distance_reward(20_000, theta_km=0.001)
    0.0
    """
    falling = math.exp(-distance_km / theta_km)  # the same formula, in a form that does not overflow
    return 2 * falling / (1 + falling)


def _by_distance(
    completions: Sequence[str], truth: Sequence[Truth], resources: Resources, worth: Callable[[float], float]
) -> RewardBatch:
    rows, ends = [], []
    for completion, true in zip(completions, truth, strict=True):
        answer = read_completion(completion).answer or ""
        place, position = resources.locate(answer), true.position(resources.locate)
        rows.append(_details(answer, place, position))
        ends.append((place.lat, place.lng, *(position or (None, None))))
    distances_km = haversine_km(*np.array(ends, dtype=np.float64).reshape(-1, 4).T).tolist()
    return RewardBatch.of(_valued(seen, km, worth) for seen, km in zip(rows, distances_km, strict=True))


def _details(answer: str, place: Location, position: tuple[float, float] | None) -> Details:
    seen: Details = {"answer": shown(answer), "level": place.level.value, "lat": place.lat, "lng": place.lng}
    if not answer.strip():
        seen["problem"] = "no_answer"
    elif not place.found:
        seen["problem"] = "not_located"
    elif position is None:
        seen["problem"] = "no_true_position"
    return seen


def _valued(seen: Details, distance_km: float, worth: Callable[[float], float]) -> tuple[float, Details]:
    if "problem" in seen:
        return 0.0, {**seen, "distance_km": None}
    return worth(distance_km), {**seen, "distance_km": round(distance_km, 3)}
