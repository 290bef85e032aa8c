from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseek.geo import NearbyIndex, haversine_km

FloatArray = npt.NDArray[np.float64]


def scattered(
    rng: np.random.Generator, count: int, around: tuple[float, float], spread: float
) -> tuple[FloatArray, FloatArray]:
    lat = np.clip(around[0] + rng.normal(0, spread, count), -90, 90)
    lng = (around[1] + rng.normal(0, spread, count) / max(np.cos(np.radians(around[0])), 0.01) + 180) % 360 - 180
    return lat, lng


def brute_force(lat: FloatArray, lng: FloatArray, ref_lat: FloatArray, ref_lng: FloatArray) -> FloatArray:
    nearest: FloatArray = haversine_km(lat[:, None], lng[:, None], ref_lat, ref_lng).min(axis=1)
    return nearest


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.0, 0.0), (0.0, 180.0), (60.0, -179.9), (89.9, 10.0), (-89.99, 180.0), (-33.0, 151.0)]),
    st.sampled_from([0.0, 0.3, 1.0, 25.0, 200.0, 3000.0]),
)
def test_equals_brute_force(seed: int, around: tuple[float, float], radius_km: float) -> None:
    rng = np.random.default_rng(seed)
    spread = max(radius_km, 1.0) / 111
    refs, points = scattered(rng, 60, around, spread * 3), scattered(rng, 300, around, spread * 3)
    points = np.append(points[0], refs[0][:5]), np.append(points[1], refs[1][:5])
    index = NearbyIndex(*refs)
    expected = brute_force(*points, *refs)
    found = index.nearest_km(*points, radius_km)
    assert np.array_equal(index.within(*points, radius_km), found <= radius_km)
    near = expected <= radius_km
    assert np.array_equal(np.isfinite(found), near)
    assert found[near] == pytest.approx(expected[near], abs=1e-9)


def test_whole_globe_and_no_references() -> None:
    lat, lng = np.array([0.0, 90.0, -90.0]), np.array([0.0, 0.0, 180.0])
    index = NearbyIndex(np.array([10.0]), np.array([-170.0]))
    assert index.within(lat, lng, 20_020).all()
    assert not index.within(lat, lng, 0).any()
    assert not NearbyIndex(np.empty(0), np.empty(0)).within(lat, lng, 20_020).any()
    assert len(index.nearest_km(np.empty(0), np.empty(0), 5)) == 0


def test_a_point_on_a_reference_is_at_no_distance() -> None:
    lat, lng = np.array([45.1, -90.0]), np.array([180.0, 33.0])
    assert NearbyIndex(lat, lng).nearest_km(lat, np.array([-180.0, 5.0]), 0.001).tolist() == pytest.approx(
        [0, 0], abs=1e-6
    )
