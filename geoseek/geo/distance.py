"""Distances on the sphere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_KM = 6371.0
"""The radius that the field's distance metrics use (arXiv 2602.12617)."""

FloatArray = npt.NDArray[np.float64]


def haversine_km(lat1: npt.ArrayLike, lng1: npt.ArrayLike, lat2: npt.ArrayLike, lng2: npt.ArrayLike) -> FloatArray:
    """Return the great-circle distance between points, broadcast against each other.

    Haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984), which stays accurate for
    small distances.

    Args:
        lat1: Latitudes in degrees.
        lng1: Longitudes in degrees.
        lat2: Latitudes in degrees.
        lng2: Longitudes in degrees.

    >>> round(float(haversine_km(52.52, 13.405, 48.8566, 2.3522)), 1)
    877.5
    """
    a1, o1, a2, o2 = (np.radians(np.asarray(value, dtype=np.float64)) for value in (lat1, lng1, lat2, lng2))
    half = np.sin((a2 - a1) / 2) ** 2 + np.cos(a1) * np.cos(a2) * np.sin((o2 - o1) / 2) ** 2
    distance: FloatArray = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return distance


def unit_vectors(lat: npt.ArrayLike, lng: npt.ArrayLike) -> FloatArray:
    """Return points as vectors on the unit sphere, shape (n, 3); straight-line order is great-circle order there."""
    phi, theta = np.radians(np.asarray(lat, dtype=np.float64)), np.radians(np.asarray(lng, dtype=np.float64))
    across = np.cos(phi)
    return np.stack([across * np.cos(theta), across * np.sin(theta), np.sin(phi)], axis=-1)


def chord_of(distance_km: npt.ArrayLike) -> FloatArray:
    """Return the straight line through the unit sphere that spans a great-circle distance (at most half the globe)."""
    angle = np.minimum(np.asarray(distance_km, dtype=np.float64) / EARTH_RADIUS_KM, np.pi)
    chord: FloatArray = 2 * np.sin(angle / 2)
    return chord


def arc_km(chord: npt.ArrayLike) -> FloatArray:
    """Return the great-circle distance that a straight line through the unit sphere spans."""
    distance: FloatArray = 2 * EARTH_RADIUS_KM * np.arcsin(np.clip(np.asarray(chord, dtype=np.float64) / 2, 0.0, 1.0))
    return distance
