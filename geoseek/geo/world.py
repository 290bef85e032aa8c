"""Country outlines that are light enough to be drawn."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo.boundaries import UNITS_PATH, load_country_polygons, unit_codes
from geoseek.workspace import atomic_path, cache_dir, file_fingerprint, stable_digest

TOLERANCE_DEG = 0.1
_VERSION = 1

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outline:
    """One polygon of a country.

    Attributes:
        code: Country.
        rings: The outer ring, then the holes; each has shape (n, 2): lng, lat in degrees, closed.
    """

    code: str
    rings: tuple[FloatArray, ...]


def load_world(boundaries: Path | None = None, tolerance_deg: float = TOLERANCE_DEG) -> tuple[Outline, ...]:
    """Return simplified outlines of all countries, for maps; made once, then read from the user's cache.

    Islands smaller than a square of `tolerance_deg` are left out, except a country's largest.

    Args:
        boundaries: Boundary table that overrides rows of the shipped one, see `read_boundaries`.
        tolerance_deg: Largest distance of a simplified line from the true one, in degrees.

    Raises:
        InputError: `boundaries` cannot be read or lacks a column.
        UsageError: It names an unknown unit or country.
        OutputError: The cache cannot be written.
    """
    key = stable_digest([_VERSION, tolerance_deg, file_fingerprint(UNITS_PATH), unit_codes(boundaries)])
    path = cache_dir("world") / f"{key[:24]}.npz"
    arrays = _read(path)
    if arrays is None:
        arrays = _simplify(boundaries, tolerance_deg)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    rings = np.split(arrays["points"], arrays["ring_first"][1:])
    first = [*arrays["polygon_first"].tolist(), len(rings)]
    return tuple(
        Outline(str(code), tuple(rings[first[i] : first[i + 1]])) for i, code in enumerate(arrays["polygon_code"])
    )


def _read(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("points", "ring_first", "polygon_first", "polygon_code")}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _simplify(boundaries: Path | None, tolerance_deg: float) -> dict[str, npt.NDArray[Any]]:
    import shapely

    countries = load_country_polygons(boundaries)
    parts, owner = shapely.get_parts(countries.geometry.to_numpy(), return_index=True)
    area = shapely.area(parts)
    order = np.lexsort((-area, owner))
    parts, owner, area = parts[order], owner[order], area[order]
    largest = np.append(True, owner[1:] != owner[:-1])
    kept = largest | (area >= tolerance_deg**2)
    polygons, owner = shapely.simplify(parts[kept], tolerance_deg, preserve_topology=True), owner[kept]
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    return {
        "points": points,
        "ring_first": np.searchsorted(ring, np.arange(len(rings))),
        "polygon_first": np.searchsorted(polygon, np.arange(len(polygons))),
        "polygon_code": countries["code"].to_numpy(dtype=str)[owner],
    }
