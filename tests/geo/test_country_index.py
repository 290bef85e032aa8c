from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseek.geo import CountryIndex, cell_of, load_countries, load_country_index, load_country_polygons
from geoseek.geo.country_index_store import build_arrays

FloatArray = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def index() -> CountryIndex:
    return load_country_index()


@pytest.fixture(scope="module")
def polygons() -> npt.NDArray[np.object_]:
    areas: npt.NDArray[np.object_] = load_country_polygons().geometry.to_numpy()
    return areas


def codes_at(index: CountryIndex, *points: tuple[float, float]) -> list[str | None]:
    lat, lng = np.array(points).T
    return [index.codes[i] if i >= 0 else None for i in index.locate(lat, lng)[0]]


def by_shapely(polygons: npt.NDArray[np.object_], lat: FloatArray, lng: FloatArray) -> npt.NDArray[np.int16]:
    """The first polygon that holds each point, as the spatial join of GeoPandas finds it."""
    point, area = shapely.STRtree(polygons).query(shapely.points(lng, lat), predicate="within")
    found = np.full(len(lat), -1, dtype=np.int16)
    found[point[::-1]] = area[::-1]
    return found


def boundary_distance(polygons: npt.NDArray[np.object_], lat: FloatArray, lng: FloatArray) -> FloatArray:
    """Degrees to the nearest boundary of any polygon."""
    lines = shapely.boundary(polygons)
    distance: FloatArray = shapely.STRtree(lines).query_nearest(
        shapely.points(lng, lat), all_matches=False, return_distance=True
    )[1]
    return distance


@pytest.mark.parametrize(
    ("lat", "lng", "code"),
    [
        (52.52, 13.405, "DE"),
        (48.8566, 2.3522, "FR"),
        (40.7, -74.1, "US"),
        (64.8, -147.7, "US"),
        (19.7, -155.5, "US"),
        (-16.8, -179.97, "FJ"),
        (-17.8, 178.0, "FJ"),
        (66.5, -175.0, "RU"),
        (66.0, 178.0, "RU"),
        (71.1, 180.0, "RU"),
        (71.1, -180.0, "RU"),
        (41.9031, 12.4534, "IT"),
        (43.94, 12.46, "SM"),
        (-29.6, 27.5, "LS"),
        (-28.0, 27.5, "ZA"),
        (16.25, -61.6, "FR"),
        (4.9, -52.4, "FR"),
        (78.2, 15.6, "NO"),
        (-10.5, 105.65, "AU"),
        (42.6, 21.0, "XK"),
        (35.3, 33.6, "CY"),
        (45.2, 34.3, "UA"),
        (24.0, -14.0, "EH"),
        (9.6, 44.1, "SO"),
        (-90.0, 0.0, "AQ"),
        (-90.0, 180.0, "AQ"),
        (-85.0, -180.0, "AQ"),
        (90.0, 0.0, None),
        (0.0, 0.0, None),
        (0.0, -180.0, None),
        (42.0, 51.0, None),
    ],
)
def test_known_points(index: CountryIndex, lat: float, lng: float, code: str | None) -> None:
    assert codes_at(index, (lat, lng)) == [code]


def test_agrees_with_shapely_anywhere(index: CountryIndex, polygons: npt.NDArray[np.object_]) -> None:
    rng = np.random.default_rng(7)
    lat, lng = rng.uniform(-90, 84, 40_000), rng.uniform(-180, 180, 40_000)
    country, cell = index.locate(lat, lng)
    assert np.array_equal(country, by_shapely(polygons, lat, lng))
    assert np.array_equal(cell, cell_of(lat, lng))


@pytest.mark.parametrize("scale", [1e-2, 1e-4, 1e-7, 1e-10])
def test_agrees_with_shapely_beside_boundaries(
    index: CountryIndex, polygons: npt.NDArray[np.object_], scale: float
) -> None:
    rng = np.random.default_rng(11)
    ends = index._arrays["ends"]
    ends = ends[rng.choice(len(ends), 15_000, replace=False)]
    along = rng.uniform(0, 1, (len(ends), 1))
    points = ends[:, :2] + along * (ends[:, 2:] - ends[:, :2]) + rng.normal(0, scale, (len(ends), 2))
    lng, lat = np.clip(points[:, 0], -179.9999, 179.9999), np.clip(points[:, 1], -89.9999, 90)
    differ = np.flatnonzero(index.locate(lat, lng)[0] != by_shapely(polygons, lat, lng))
    if len(differ):
        assert boundary_distance(polygons, lat[differ], lng[differ]).max() < 1e-12


def test_points_level_with_vertices_and_reference_points(
    index: CountryIndex, polygons: npt.NDArray[np.object_]
) -> None:
    """The awkward case of every crossing test: the path runs exactly through the end of a segment."""
    rng = np.random.default_rng(13)
    ends = index._arrays["ends"]
    picked = ends[rng.choice(len(ends), 8_000, replace=False)]
    shift = rng.uniform(-0.008, 0.008, len(picked))
    for lng, lat in ((picked[:, 0] + shift, picked[:, 1]), (picked[:, 0], picked[:, 1] + shift)):
        inside = (np.abs(lng) < 180) & (np.abs(lat) < 90)
        lat, lng = lat[inside], lng[inside]
        differ = np.flatnonzero(index.locate(lat, lng)[0] != by_shapely(polygons, lat, lng))
        if len(differ):
            assert boundary_distance(polygons, lat[differ], lng[differ]).max() < 1e-12


def test_a_border_point_belongs_to_one_of_its_neighbours(index: CountryIndex) -> None:
    arrays = index._arrays
    land_borders = np.setdiff1d(np.arange(len(arrays["ends"])), arrays["coast_segment"])
    ends = arrays["ends"][land_borders]
    ends = ends[(np.abs(ends[:, [0, 2]]) < 180).all(axis=1) & (np.abs(ends[:, [1, 3]]) < 90).all(axis=1)]
    middle = (ends[:, :2] + ends[:, 2:]) / 2
    country, _ = index.locate(middle[:, 1], middle[:, 0])
    assert (country >= 0).all()
    again, _ = index.locate(middle[::-1, 1], middle[::-1, 0])
    assert np.array_equal(country, again[::-1])


def test_the_result_does_not_depend_on_chunks(index: CountryIndex) -> None:
    rng = np.random.default_rng(3)
    lat, lng = rng.uniform(-60, 75, 700_000), rng.uniform(-180, 180, 700_000)
    country, cell = index.locate(lat, lng)
    parts = [index.locate(lat[a : a + 77_777], lng[a : a + 77_777]) for a in range(0, len(lat), 77_777)]
    assert np.array_equal(country, np.concatenate([part[0] for part in parts]))
    assert np.array_equal(cell, np.concatenate([part[1] for part in parts]))
    strided, _ = index.locate(np.stack([lat, lng])[:, ::2][0], np.stack([lat, lng], axis=1)[::2, 1])
    assert np.array_equal(strided, country[::2])


def test_no_points(index: CountryIndex) -> None:
    country, cell = index.locate(np.empty(0), np.empty(0))
    assert (len(country), len(cell)) == (0, 0)
    assert (country.dtype.name, cell.dtype.name) == ("int16", "int32")
    assert [len(a) for a in index.nearest(np.empty(0), np.empty(0), 10)] == [0, 0]


def test_land_areas_match_the_table(index: CountryIndex) -> None:
    measured = np.bincount(index.land_country, index.land_km2, minlength=len(index.codes))
    stated = load_countries().folded_figures("area", index.codes)
    assert (measured > 0).all()
    for code, tolerance in {"US": 0.05, "RU": 0.05, "CN": 0.02, "BR": 0.03, "AU": 0.01, "FR": 0.02, "EH": 0.02}.items():
        i = index.codes.index(code)
        assert measured[i] == pytest.approx(stated[i], rel=tolerance), code
    assert np.bincount(index.land_cell, index.land_km2).max() < 12_400


def test_land_is_measured_without_bias(index: CountryIndex, polygons: npt.NDArray[np.object_]) -> None:
    for code in ("DE", "ID", "CH", "MT"):
        i = index.codes.index(code)
        equal_area = shapely.transform(
            polygons[i], lambda p: np.stack([np.radians(p[:, 0]), np.sin(np.radians(p[:, 1]))], axis=1) * 6371.0
        )
        assert index.land_km2[index.land_country == i].sum() == pytest.approx(equal_area.area, rel=0.02), code


def build(polygons: list[shapely.Geometry]) -> CountryIndex:
    codes = tuple(f"{i:02d}" for i in range(len(polygons)))
    return CountryIndex(codes, "test", build_arrays(np.array(polygons, dtype=object), lambda: None))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.02, 0.3, 8.0]))
def test_agrees_with_shapely_on_any_polygons(seed: int, size: float) -> None:
    """Triangles of a random partition, some with a hole that another fills, at any scale and on cell edges."""
    rng = np.random.default_rng(seed)
    centre = rng.integers(-60, 60, 2)
    points = centre + np.round(rng.uniform(-size, size, (14, 2)), rng.integers(2, 5))
    triangles = [t for t in shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(points))) if t.area > 0]
    if len(triangles) < 2:
        return
    areas = [shapely.union_all(triangles[::2]), shapely.union_all(triangles[1::2])]
    island = shapely.affinity.scale(triangles[0], 0.3, 0.3) if triangles[0].area > 1e-9 else None
    if island is not None:
        areas = [areas[0].difference(island), areas[1], island]
    grid = build(areas)
    lng, lat = centre[:, None] + rng.uniform(-1.2 * size, 1.2 * size, (2, 4000))
    differ = grid.locate(lat, lng)[0] != by_shapely(np.array(areas, dtype=object), lat, lng)
    near = boundary_distance(np.array(areas, dtype=object), lat[differ], lng[differ]) if differ.any() else np.zeros(1)
    assert near.max() < 1e-12


def test_overlapping_polygons_give_the_first_country() -> None:
    large, small = shapely.box(0.1, 0.1, 4.1, 4.1), shapely.box(1.1, 1.1, 2.1, 2.1)
    inside = (np.array([1.5, 3.0, 1.1005]), np.array([1.5, 3.0, 1.5]))
    assert build([large, small]).locate(*inside)[0].tolist() == [0, 0, 0]
    assert build([small, large]).locate(*inside)[0].tolist() == [0, 1, 0]
