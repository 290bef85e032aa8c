from __future__ import annotations

import doctest

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from geoseek.geo import haversine_km
from geoseek.reporting import equal_earth, equal_earth_inverse, great_circle, projection
from geoseek.reporting.projection import X_MAX, Y_MAX

lats = st.floats(-90, 90)
lngs = st.floats(-180, 180)


def test_agrees_with_proj() -> None:
    lat, lng = (a.ravel() for a in np.meshgrid(np.linspace(-90, 90, 37), np.linspace(-179, 179, 41)))
    expected_x, expected_y = pyproj.Proj("+proj=eqearth +R=1")(lng, lat)
    x, y = equal_earth(lat, lng)
    np.testing.assert_allclose(x, expected_x, atol=1e-9)
    np.testing.assert_allclose(y, expected_y, atol=1e-9)


@given(lats, lngs)
def test_inverse_undoes_the_projection(lat: float, lng: float) -> None:
    x, y = equal_earth(lat, lng)
    assert abs(float(x)) <= X_MAX + 1e-12
    assert abs(float(y)) <= Y_MAX + 1e-12
    back_lat, back_lng = equal_earth_inverse(x * (1 - 1e-13), y * (1 - 1e-13))
    assert float(back_lat) == pytest.approx(lat, abs=1e-4)
    assert float(back_lng) == pytest.approx(lng, abs=1e-4)


def test_outside_the_map_is_nan() -> None:
    lat, lng = equal_earth_inverse([X_MAX, 0.0, -X_MAX], [Y_MAX * 0.9, Y_MAX * 1.01, 0.0])
    assert np.isnan(lat[:2]).all()
    assert np.isnan(lng[:2]).all()
    assert lng[2] == pytest.approx(-180)


def test_areas_are_kept() -> None:
    """One degree of longitude between two parallels has the same area on the map as on the unit sphere."""
    for south, north in ((0.0, 10.0), (50.0, 60.0), (80.0, 89.0)):
        lat = np.linspace(south, north, 2001)
        x, y = equal_earth(lat, np.full(lat.size, 1.0))
        on_map = float(trapezoid(x, y))
        on_sphere = np.radians(1.0) * (np.sin(np.radians(north)) - np.sin(np.radians(south)))
        assert on_map == pytest.approx(on_sphere, rel=1e-5)


def test_examples_in_the_docs() -> None:
    assert doctest.testmod(projection).failed == 0


positions = st.tuples(lats, lngs)


@given(positions, positions)
def test_great_circle_is_the_shortest_way_in_small_steps(start: tuple[float, float], end: tuple[float, float]) -> None:
    lat, lng = great_circle(start, end)
    assert haversine_km(lat[0], lng[0], *start) == pytest.approx(0, abs=1e-3)
    assert haversine_km(lat[-1], lng[-1], *end) == pytest.approx(0, abs=1e-3)
    seen = np.isfinite(lat)
    steps_km = haversine_km(lat[seen][:-1], lng[seen][:-1], lat[seen][1:], lng[seen][1:])
    assert float(np.max(steps_km, initial=0.0)) <= 2.01 * 111.3
    assert float(np.sum(steps_km)) == pytest.approx(float(haversine_km(*start, *end)), rel=1e-6, abs=1e-3)


@given(positions, positions)
def test_great_circle_never_crosses_the_map_on_its_way_round(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    lat, lng = great_circle(start, end)
    with np.errstate(invalid="ignore"):
        assert not np.any(np.abs(np.diff(lng)) > 180)
    for at in np.flatnonzero(np.isnan(lng)):
        assert {lng[at - 1], lng[at + 1]} == {-180.0, 180.0}
        assert lat[at - 1] == lat[at + 1]


def test_antipodes_have_a_way() -> None:
    lat, lng = great_circle((0, 0), (0, 180))
    assert np.isfinite(lat).all()
    assert abs(lng[-1]) == pytest.approx(180)
