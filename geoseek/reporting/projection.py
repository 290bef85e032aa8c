"""Equal Earth: an equal-area world map projection, forward and inverse.

Šavrič, Patterson and Jenny (2018), The Equal Earth map projection, International Journal of Geographical Information
Science 33(3), equations 5 to 9. Coordinates come out on the unit sphere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
_M = np.sqrt(3.0) / 2.0


def _y(theta: Floats) -> Floats:
    t2 = theta * theta
    t6 = t2 * t2 * t2
    return np.asarray(theta * (_A1 + _A2 * t2 + t6 * (_A3 + _A4 * t2)))


def _dy(theta: Floats) -> Floats:
    t2 = theta * theta
    t6 = t2 * t2 * t2
    return np.asarray(_A1 + 3 * _A2 * t2 + t6 * (7 * _A3 + 9 * _A4 * t2))


def equal_earth(lat: npt.ArrayLike, lng: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Project degrees to the plane (unit sphere): `x` within ±X_MAX, `y` within ±Y_MAX.

    >>> x, y = equal_earth([0.0], [180.0])
    >>> round(float(x[0]), 4), float(y[0])
    (2.7066, 0.0)
    """
    phi, lam = np.radians(np.asarray(lat, dtype=np.float64)), np.radians(np.asarray(lng, dtype=np.float64))
    theta = np.arcsin(_M * np.sin(phi))
    return np.asarray(lam * np.cos(theta) / (_M * _dy(theta))), _y(theta)


def equal_earth_inverse(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return latitude and longitude in degrees of points of the plane; NaN outside the map.

    Newton's method on the one-dimensional equation for theta; `y` within the map converges in a few steps.
    """
    px, py = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    # theta depends on y alone: a column of y against a row of x is solved once per row.
    theta = py / _A1
    for _ in range(12):
        theta = np.clip(theta - (_y(theta) - py) / _dy(theta), -np.pi / 3, np.pi / 3)
    lat = np.degrees(np.arcsin(np.clip(np.sin(theta) / _M, -1.0, 1.0)))
    lng = px * np.degrees(_M * _dy(theta) / np.cos(theta))
    outside = (np.abs(py) > Y_MAX) | (np.abs(lng) > 180.0 + 1e-9)
    return np.where(outside, np.nan, lat), np.where(outside, np.nan, lng)


def great_circle(
    start: tuple[float, float], end: tuple[float, float], longest_deg: float = 2.0
) -> tuple[Floats, Floats]:
    """Return points along the shortest way between two positions, (lat, lng) in degrees.

    Spherical linear interpolation. Where the way crosses ±180 it is cut there: both ends of the cut lie on the edge of
    the map, with NaN between them. Of antipodes one of the many ways is taken.

    Args:
        start: Latitude and longitude.
        end: Latitude and longitude.
        longest_deg: Longest step.

    >>> lat, lng = great_circle((0, 0), (0, 90), longest_deg=45)
    >>> [round(float(value), 6) for value in lat], [round(float(value), 6) for value in lng]
    ([0.0, 0.0, 0.0], [0.0, 45.0, 90.0])
    """
    first, last = _unit_vector(start), _unit_vector(end)
    across = last - (first @ last) * first
    if np.linalg.norm(across) < _NO_DIRECTION:
        across = np.cross(first, np.eye(3)[np.argmin(np.abs(first))])
    across /= np.linalg.norm(across)
    angle = float(np.arctan2(np.linalg.norm(np.cross(first, last)), first @ last))
    steps = max(1, int(np.ceil(np.degrees(angle) / longest_deg - 1e-9)))
    turned = np.linspace(0.0, angle, steps + 1)[:, None]
    return _cut_at_edge(np.cos(turned) * first + np.sin(turned) * across)


_NO_DIRECTION = 1e-12


def _unit_vector(position: tuple[float, float]) -> Floats:
    lat, lng = np.radians(position)
    return np.array([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)])


def _cut_at_edge(way: Floats) -> tuple[Floats, Floats]:
    """Return the positions of points on the unit sphere, shape (n, 3), cut where neighbours lie across ±180."""
    x, y, z = way.T
    lat, lng = np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))
    for at in np.flatnonzero(np.abs(np.diff(lng)) > 180)[::-1]:
        before, after = way[at], way[at + 1]
        crossing = before + before[1] / (before[1] - after[1]) * (after - before)
        edge = np.degrees(np.arctan2(crossing[2], abs(crossing[0])))
        side = np.copysign(180.0, lng[at])
        lat = np.insert(lat, at + 1, [edge, np.nan, edge])
        lng = np.insert(lng, at + 1, [side, np.nan, -side])
    return lat, lng


X_MAX = float(equal_earth(0.0, 180.0)[0])
Y_MAX = float(equal_earth(90.0, 0.0)[1])
"""Half the width and half the height of the map on the unit sphere."""
