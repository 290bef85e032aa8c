"""The 1 degree grid in which people and candidates are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo.distance import EARTH_RADIUS_KM

ROWS, COLUMNS = 180, 360
CELLS = ROWS * COLUMNS

FloatArray = npt.NDArray[np.float64]


def cell_of(lat: npt.ArrayLike, lng: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return the number of the 1 degree cell of each point: row times 360 plus column, from the south-west corner.

    A cell owns its southern and western edge. Latitude 90 belongs to the northernmost row; longitude 180 is -180.

    Args:
        lat: Latitudes in degrees, finite, in -90..90.
        lng: Longitudes in degrees, finite, in -180..180.

    >>> cell_of([-90.0, 0.0, 90.0, 10.5], [-180.0, 0.0, 180.0, -0.5]).tolist()
    [0, 32580, 64440, 36179]
    """
    row = np.minimum(np.floor(np.asarray(lat, dtype=np.float64)) + 90, ROWS - 1)
    column = np.floor(np.asarray(lng, dtype=np.float64)) + 180
    cell: npt.NDArray[np.int32] = (row * COLUMNS + np.where(column == COLUMNS, 0, column)).astype(np.int32)
    return cell


def cell_bounds(cell: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return south, west, north, east of each cell, in degrees."""
    row, column = np.divmod(np.asarray(cell), COLUMNS)
    south, west = row - 90.0, column - 180.0
    return south, west, south + 1.0, west + 1.0


def cell_center(cell: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return latitude and longitude of the middle of each cell, in degrees.

    >>> [float(x) for x in cell_center(32580)]
    [0.5, 0.5]
    """
    south, west, _, _ = cell_bounds(cell)
    return south + 0.5, west + 0.5


def cell_area_km2(cell: npt.ArrayLike) -> FloatArray:
    """Return the area of each cell, land and water, on the sphere."""
    south, _, north, _ = cell_bounds(cell)
    return zone_area_km2(south, north, 1.0)


def zone_area_km2(south: Any, north: Any, width: Any) -> FloatArray:
    """Return the area on the sphere between two parallels, `width` degrees of longitude wide.

    Archimedes' hat-box theorem: the area of a zone is proportional to its height along the axis.
    """
    height = np.sin(np.radians(north)) - np.sin(np.radians(south))
    area: FloatArray = EARTH_RADIUS_KM**2 * np.radians(width) * height
    return area
