from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from geoseek.geo import CountryIndex, haversine_km, load_country_index
from geoseek.geo.coast import Coast, coast_pieces

FloatArray = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def index() -> CountryIndex:
    return load_country_index()


def test_points_on_land_are_at_home(index: CountryIndex) -> None:
    lat, lng = np.array([52.52, -16.8]), np.array([13.405, -179.97])
    country, distance_km = index.nearest(lat, lng, 10)
    assert [index.codes[i] for i in country] == ["DE", "FJ"]
    assert distance_km.tolist() == [0, 0]


def test_offshore_points_join_the_nearest_country_within_the_tolerance(index: CountryIndex) -> None:
    lat, lng = np.array([54.45, 0.0, 36.0]), np.array([12.2, 0.0, -5.6])
    country, distance_km = index.nearest(lat, lng, 20)
    assert [index.codes[i] if i >= 0 else None for i in country] == ["DE", None, "ES"]
    assert 0 < distance_km[0] < 20
    assert np.isinf(distance_km[1])
    closer, _ = index.nearest(lat, lng, 0.5)
    assert closer.tolist() == [-1, -1, -1]


def dense_coast(index: CountryIndex) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int16]]:
    """The coast as points at most 0.004 degrees apart: 0.4 km."""
    ends = index._arrays["ends"][index._arrays["coast_segment"]]
    steps = np.maximum(np.ceil(np.abs(ends[:, 2:] - ends[:, :2]).max(axis=1) / 0.004), 1).astype(int)
    row = np.repeat(np.arange(len(ends)), steps + 1)
    first = np.cumsum(steps + 1) - (steps + 1)
    share = ((np.arange(len(row)) - first[row]) / steps[row])[:, None]
    points = ends[row, :2] + share * (ends[row, 2:] - ends[row, :2])
    return points[:, 1], points[:, 0], index._arrays["coast_owner"][row]


@pytest.mark.slow
def test_equals_brute_force_also_at_poles_and_antimeridian(index: CountryIndex) -> None:
    rng = np.random.default_rng(5)
    lat_c, lng_c, owner = dense_coast(index)
    boxes = [
        (-90, 90, -180, 180),
        (-20, -14, 176, 180),
        (-20, -14, -180, -176),
        (68, 73, 175, 180),
        (79, 90, -180, 180),
    ]
    boxes += [(-79, -60, -180, 180), (35, 37, -7, -4)]
    for south, north, west, east in boxes:
        lat, lng = rng.uniform(south, north, 40), rng.uniform(west, east, 40)
        offshore = index.locate(lat, lng)[0] < 0
        lat, lng = lat[offshore], lng[offshore]
        country, distance_km = index.nearest(lat, lng, 200)
        for i in range(len(lat)):
            band = np.abs(lat_c - lat[i]) < 2.0
            all_km = haversine_km(lat[i], lng[i], lat_c[band], lng_c[band])
            if not len(all_km):
                assert country[i] == -1
                continue
            best = all_km.min()
            if best > 200.2:
                assert country[i] == -1
            elif best < 199.8:
                assert distance_km[i] == pytest.approx(best, rel=1e-3, abs=0.05)
                ties = owner[band][all_km < best + 0.2]
                assert country[i] in ties


def test_the_answer_does_not_depend_on_company(index: CountryIndex) -> None:
    rng = np.random.default_rng(9)
    lat, lng = rng.uniform(30, 60, 3000), rng.uniform(-20, 30, 3000)
    country, distance_km = index.nearest(lat, lng, 100)
    order = rng.permutation(len(lat))[:500]
    again, again_km = index.nearest(lat[order], lng[order], 100)
    assert np.array_equal(country[order], again)
    assert np.array_equal(distance_km[order], again_km)


def test_a_tie_goes_to_the_first_country() -> None:
    meeting = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, -1.0, 0.0, 0.0]])
    lat, lng = np.zeros(1), np.array([0.05])
    for owner in ([3, 1], [1, 3]):
        country, distance_km = Coast(coast_pieces(meeting, np.array(owner, dtype=np.int16))).nearest(lat, lng, 50)
        assert country.tolist() == [1]
        assert distance_km[0] == pytest.approx(haversine_km(0, 0, 0, 0.05))


def test_no_coast() -> None:
    coast = Coast(coast_pieces(np.empty((0, 4)), np.empty(0, dtype=np.int16)))
    assert coast.nearest(np.zeros(1), np.zeros(1), 200)[0].tolist() == [-1]


@pytest.mark.parametrize("max_km", [0.0, 2.0, 10.0, 25.0, 60.0])
def test_the_country_alone_is_that_of_the_nearest_coast(index: CountryIndex, max_km: float) -> None:
    rng = np.random.default_rng(8)
    lat_c, lng_c, _ = dense_coast(index)
    near = rng.integers(0, len(lat_c), 20_000)
    lat = np.clip(lat_c[near] + rng.normal(0, 0.1, len(near)), -90, 90)
    lng = (lng_c[near] + rng.normal(0, 0.15, len(near)) + 180) % 360 - 180
    sea = index.locate(lat, lng)[0] < 0
    lat, lng = lat[sea], lng[sea]
    country, _ = index.nearest(lat, lng, max_km)
    assert np.array_equal(index.nearest_coast(lat, lng, max_km), country)
