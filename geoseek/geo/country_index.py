"""Which country holds a point: exact, for millions of points a second.

A point's cell is found by arithmetic in a grid of 1 degree, 3 minutes and 1 minute. Nearly all cells lie inside one
country, or at sea, and answer at once. In the others the path from the cell's reference point to the point is followed,
north-south and then east-west, and every boundary segment that it crosses switches the countries that it bounds off or
on.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo.cells import COLUMNS, ROWS
from geoseek.geo.coast import Coast
from geoseek.geo.country_index_build import FINE, MIDDLE, NOBODY, reference_points
from geoseek.geo.ragged import ragged

# Large enough that threads seldom wait for the interpreter's lock, small enough for a shared cache.
_CHUNK = 1 << 17
_THREADED_FROM = 1 << 18
# For each set of owners, how far to shift an owner list so that its first member comes last.
_SHIFT = np.array([0] + [8 * ((held & -held).bit_length() - 1) for held in range(1, 256)], dtype=np.uint64)

FloatArray = npt.NDArray[np.float64]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]


_MIDDLE_DIAGONAL_KM = 7.9
"""Diagonal of a middle cell (3 minutes) at the equator, 7.87 km, rounded up."""


class CountryIndex:
    """A grid over the countries' polygons, made by `load_country_index`.

    Attributes:
        codes: ISO alpha-2 codes, sorted; country numbers in results index into it.
        key: Digest of polygons, boundary table and algorithm.
        land_country: Country of each (country, 1 degree cell) pair that has land, sorted by country, then cell.
        land_cell: Cell of each pair.
        land_km2: Land of each pair on the sphere, measured on the grid: cells of 1 minute that a boundary crosses (3.4
            km² at the equator) are sampled at four points.
    """

    def __init__(self, codes: tuple[str, ...], key: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.codes = codes
        self.key = key
        self.land_country: Int16Array = arrays["land_country"]
        self.land_cell: Int32Array = arrays["land_cell"]
        self.land_km2: FloatArray = arrays["land_km2"]
        self._arrays = arrays
        self._top: Int32Array = arrays["top"]
        self._middle: Int32Array = arrays["middle"]
        self._fine: Int32Array = arrays["fine"]
        self._coast: Coast | None = None
        self._coast_lock = threading.Lock()

    def locate(
        self, lat: npt.ArrayLike, lng: npt.ArrayLike, *, threads: int | None = None
    ) -> tuple[Int16Array, Int32Array]:
        """Return the country of each point, or -1, and its 1 degree cell (see `cell_of`).

        Exact for the polygons off their boundary lines. A point on the line between two countries belongs to one of
        them, on a coast line to the land or to the sea, always in the same way. The result does not depend on how the
        points are split into calls. About 30 ns a point and core.

        Args:
            lat: Latitudes in degrees, finite, in -90..90; shape (n,).
            lng: Longitudes in degrees, finite, in -180..180; 180 is -180.
            threads: Threads for large inputs; by default one per core, up to four. The result is the same.
        """
        y, x = np.ascontiguousarray(lat, dtype=np.float64), np.ascontiguousarray(lng, dtype=np.float64)
        country, cell = np.empty(len(y), dtype=np.int16), np.empty(len(y), dtype=np.int32)

        def work(bounds: tuple[int, int]) -> None:
            for first in range(*bounds, _CHUNK):
                part = slice(first, min(first + _CHUNK, bounds[1]))
                self._locate(y[part], x[part], country[part], cell[part])

        workers = threads or min(4, os.cpu_count() or 1)
        if len(y) < _THREADED_FROM or workers == 1:
            work((0, len(y)))
        else:
            size = -(-len(y) // (workers * 4))
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, [(a, min(a + size, len(y))) for a in range(0, len(y), size)]))
        return country, cell

    def _locate(self, lat: FloatArray, lng: FloatArray, country: Int16Array, cell: Int32Array) -> None:
        """Fill `country` and `cell` for one chunk, small enough that its temporaries stay in the processor's cache."""
        if len(lng) and lng.max() >= 180.0:
            lng = np.where(lng == 180.0, -180.0, lng)
        row, column = np.floor(lat), np.floor(lng)
        np.minimum(row, ROWS // 2 - 1, out=row)
        number = row * COLUMNS
        number += column
        number += (ROWS // 2) * COLUMNS + COLUMNS // 2
        np.copyto(cell, number, casting="unsafe")
        # Within the 1 degree cell, in middle cells. The minimum catches latitude 90 and what rounds up to a full cell.
        np.subtract(lat, row, out=row)
        row *= MIDDLE
        np.subtract(lng, column, out=column)
        column *= MIDDLE
        middle_row, middle_column = row.astype(np.int32), column.astype(np.int32)
        np.minimum(middle_row, MIDDLE - 1, out=middle_row)
        np.minimum(middle_column, MIDDLE - 1, out=middle_column)
        position = middle_row * np.int32(MIDDLE)
        position += middle_column
        position += self._top.take(cell, mode="wrap")
        code = self._middle.take(position, mode="wrap")
        np.copyto(country, code, casting="unsafe")
        touched = np.flatnonzero(code < NOBODY)
        if not len(touched):
            return
        position = np.int32(-2) - code.take(touched)
        position *= FINE
        position += _part(row, middle_row, touched)
        position *= FINE
        position += _part(column, middle_column, touched)
        code = self._fine.take(position, mode="wrap")
        undecided = np.flatnonzero(code < NOBODY)
        points = touched.take(undecided)
        code[undecided] = resolve(self._arrays, -2 - code.take(undecided), lat.take(points), lng.take(points))
        country[touched] = code

    def nearest(self, lat: npt.ArrayLike, lng: npt.ArrayLike, max_km: float) -> tuple[Int16Array, FloatArray]:
        """Return the nearest country within `max_km` and the distance in km; -1 and inf where there is none.

        A point on land gets its own country and 0. The first call of a process builds a search tree (about 0.5 s);
        then about 5 µs a point.

        Args:
            lat: Latitudes in degrees, finite, in -90..90; shape (n,).
            lng: Longitudes in degrees, finite, in -180..180.
            max_km: Largest distance.
        """
        y, x = np.asarray(lat, dtype=np.float64), np.asarray(lng, dtype=np.float64)
        country, _ = self.locate(y, x)
        distance_km = np.zeros(len(y))
        offshore = np.flatnonzero(country == NOBODY)
        if len(offshore):
            country[offshore], distance_km[offshore] = self._coast_lines().nearest(y[offshore], x[offshore], max_km)
        return country, distance_km

    def nearest_coast(self, lat: FloatArray, lng: FloatArray, max_km: float) -> Int16Array:
        """Return the country that `nearest` gives to points at sea, without the distance: about 1 µs a point.

        A point in a middle cell that a coast crosses is at most the cell's diagonal away from it; where all coasts
        around belong to one country, that settles most points without a search.

        Args:
            lat: Latitudes in degrees of points that `locate` gave to nobody; shape (n,).
            lng: Longitudes in degrees.
            max_km: Largest distance.
        """
        coast = self._coast_lines()
        country = coast.sole_owner(lat, lng, max_km)
        if max_km < _MIDDLE_DIAGONAL_KM:
            country[:] = NOBODY
        else:
            country[~self._is_crossed(lat, lng)] = NOBODY
        left = np.flatnonzero(country == NOBODY)
        if len(left):
            country[left] = coast.country(lat[left], lng[left], max_km)
        return country

    def _is_crossed(self, lat: FloatArray, lng: FloatArray) -> npt.NDArray[np.bool_]:
        """Return whether the middle cell of each point is crossed by a boundary."""
        row, column = np.floor(lat * MIDDLE).astype(np.int64), np.floor(lng * MIDDLE).astype(np.int64)
        row, column = np.minimum(row + 90 * MIDDLE, 180 * MIDDLE - 1), (column + 180 * MIDDLE) % (360 * MIDDLE)
        cell = row // MIDDLE * COLUMNS + column // MIDDLE
        inner = row % MIDDLE * MIDDLE + column % MIDDLE
        crossed: npt.NDArray[np.bool_] = self._middle[self._top[cell] + inner] < NOBODY
        return crossed

    def warm_up(self) -> None:
        """Build the search tree of the coasts (about 0.2 s) now, e.g. while the first rows are being read."""
        self._coast_lines()

    def _coast_lines(self) -> Coast:
        with self._coast_lock:
            if self._coast is None:
                self._coast = Coast(self._arrays)
        return self._coast


def resolve(
    arrays: dict[str, npt.NDArray[Any]], cell: npt.NDArray[Any], lat: FloatArray, lng: FloatArray
) -> Int16Array:
    """Return the country of points in fine cells that a boundary touches.

    The path leads from the cell's reference point along its meridian to the point's parallel, and along that to the
    point. A segment is crossed if its ends lie on different sides of the leg's line, and the leg's ends on different
    sides of the segment. Both legs use the same side for the corner, and the meridian keeps clear of all vertices:
    so rounding at the corner cancels, and only a point within rounding of a boundary can fall on either side. What lies
    exactly on a line or level with a vertex is treated as if it lay a little north of it.

    Args:
        arrays: The arrays of the index.
        cell: Touched fine cell of each point; shape (n,).
        lat: Latitudes; shape (n,).
        lng: Longitudes; shape (n,).
    """
    if not len(cell):
        return np.empty(0, dtype=np.int16)
    first = arrays["cell_first"].take(cell)
    point, step = ragged(arrays["cell_first"].take(cell + 1) - first)
    entry = first.take(point) + step
    x0, y0, x1, y1 = arrays["ends"].take(arrays["cell_segment"].take(entry), axis=0).T
    x_cell, y_cell = reference_points(arrays["cell_number"].take(cell), arrays["reference"].take(cell))
    x, y, x_ref, y_ref = (values.take(point) for values in (lng, lat, x_cell, y_cell))
    run, rise = x1 - x0, y1 - y0
    height, offset = (y - y0) * run, (x_ref - x0) * rise
    corner = height >= offset
    crossed = ((y0 <= y) != (y1 <= y)) & (corner != (height >= (x - x0) * rise))
    crossed ^= ((x0 <= x_ref) != (x1 <= x_ref)) & (corner != ((y_ref - y0) * run >= offset))
    bits = arrays["cell_bits"].take(entry)
    bits *= crossed
    starts = np.flatnonzero(step == 0)
    held = np.bitwise_xor.reduceat(bits, starts) ^ arrays["reference_bits"].take(cell)
    listed = arrays["owner_sets"].take(arrays["cell_owners"].take(cell)) >> _SHIFT.take(held)
    return np.where(held > 0, (listed & np.uint64(0xFF)).astype(np.int16) - 1, NOBODY).astype(np.int16)


def _part(place: FloatArray, whole: Int32Array, chosen: npt.NDArray[np.intp]) -> Int32Array:
    """Return the fine row (or column) within the middle cell of the chosen points."""
    rest = place.take(chosen)
    rest -= whole.take(chosen)
    rest *= FINE
    part = rest.astype(np.int32)
    return np.minimum(part, FINE - 1, out=part)
