from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.geo import CELLS, EARTH_RADIUS_KM, cell_area_km2, cell_bounds, cell_center, cell_of, haversine_km

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


@given(LATITUDES, LONGITUDES)
def test_a_point_lies_in_its_cell(lat: float, lng: float) -> None:
    south, west, north, east = (float(edge) for edge in cell_bounds(cell_of(lat, lng)))
    assert south <= lat < north or lat == north == 90
    assert west <= lng < east or (lng == 180 and west == -180)


def test_corners() -> None:
    lat = [-90.0, -90.0, 90.0, 90.0, -1e-300, 89.99999999999999]
    lng = [-180.0, 180.0, 180.0, 179.999, -1e-300, -180.0]
    assert cell_of(lat, lng).tolist() == [0, 0, 64440, 64799, 89 * 360 + 179, 64440]
    assert cell_of(lat, lng).dtype == np.int32


def test_centers_round_trip() -> None:
    cells = np.arange(CELLS)
    assert np.array_equal(cell_of(*cell_center(cells)), cells)


def test_areas_sum_to_the_globe() -> None:
    assert cell_area_km2(np.arange(CELLS)).sum() == pytest.approx(4 * math.pi * EARTH_RADIUS_KM**2)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_haversine_is_a_symmetric_distance(lat1: float, lng1: float, lat2: float, lng2: float) -> None:
    distance = float(haversine_km(lat1, lng1, lat2, lng2))
    assert 0 <= distance <= math.pi * EARTH_RADIUS_KM * (1 + 1e-12)
    assert distance == pytest.approx(float(haversine_km(lat2, lng2, lat1, lng1)), abs=1e-9)


def test_known_distances() -> None:
    quarter = math.pi / 2 * EARTH_RADIUS_KM
    assert haversine_km([0, 0, 90], [0, 0, 50], [0, 90, -90], [90, 0, 7]) == pytest.approx(
        [quarter, quarter, 2 * quarter]
    )
    assert float(haversine_km(0, 179.5, 0, -179.5)) == pytest.approx(math.radians(1) * EARTH_RADIUS_KM)
