"""Positions out of geometries: WKB, WKT, GeoJSON, GeoParquet's point structs; other reference systems to WGS 84."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geoseek.sampling.pools.base import Degrees
from geoseek.sampling.pools.columns import is_text
from geoseek.sampling.pools.coordinates import HUGE, MISSING, to_degrees
from geoseek.schemas import InputError

_POINT_WKB_BYTES = 21
_LITTLE_ENDIAN_POINT = np.frombuffer(b"\x01\x01\x00\x00\x00", dtype=np.uint8)


@dataclass(frozen=True)
class Points:
    """Positions of a batch of geometries.

    Attributes:
        lat: Latitudes in degrees, NaN where the geometry is null or empty, shape (n,).
        lng: Longitudes likewise.
        no_point: Where the geometry is something else than a point; None if that is nowhere so.
        kinds: What it is instead, by row.
    """

    lat: Degrees
    lng: Degrees
    no_point: npt.NDArray[np.bool_] | None
    kinds: dict[int, str]


def to_points(values: Any, crs: str | None) -> Points:
    """Read the positions of an Arrow array of geometries.

    Args:
        values: WKB (binary), WKT or GeoJSON (text; a bare `[lng, lat]` too), `struct<x, y>`, or lists `[lng, lat]`.
        crs: Reference system of the coordinates; None for WGS 84. Axis order is always x (easting, longitude), y.
    """
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    kind = values.type
    kinds: dict[int, str] = {}
    if pa.types.is_struct(kind) and kind.get_field_index("x") >= 0 and kind.get_field_index("y") >= 0:
        fields = values.flatten()
        x, y = (to_degrees(fields[kind.get_field_index(name)]) for name in ("x", "y"))
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        fast = _plain_points(values)
        x, y = fast if fast is not None else _from_shapes(values.to_pylist(), _wkb_shape, kinds)
    elif is_text(kind):
        x, y = _from_shapes(values.to_pylist(), _text_shape, kinds)
    else:
        x, y = _from_shapes(values.to_pylist(), _object_shape, kinds)
    lat, lng = (y, x) if crs is None else _reproject(x, y, crs)
    no_point = None
    if kinds:
        no_point = np.zeros(len(values), dtype=np.bool_)
        no_point[list(kinds)] = True
    return Points(lat, lng, no_point, kinds)


def foreign_crs(crs: Any, where: str) -> str | None:
    """Return a reference system in a form that pickles, or None if it is WGS 84 longitude and latitude.

    Args:
        crs: Whatever pyproj understands: an authority code, WKT, PROJJSON as a dictionary; None for WGS 84.
        where: The file, for messages.

    Raises:
        InputError: pyproj cannot read it.
    """
    if crs is None:
        return None
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        system = CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError(
            f"{where}: its coordinate reference system cannot be read: {error}.",
            hint="Write the file again in WGS 84 (EPSG:4326).",
        ) from error
    wgs84 = (CRS.from_epsg(4326), CRS.from_user_input("OGC:CRS84"))
    if any(system.equals(known, ignore_axis_order=True) for known in wgs84):
        return None
    authority = system.to_authority(min_confidence=100)
    return ":".join(authority) if authority else str(system.to_wkt())


@functools.cache
def _transformer(crs: str) -> Callable[[Degrees, Degrees], tuple[Degrees, Degrees]]:
    from pyproj import Transformer

    transform: Callable[[Degrees, Degrees], tuple[Degrees, Degrees]]
    transform = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform
    return transform


def _reproject(x: Degrees, y: Degrees, crs: str) -> tuple[Degrees, Degrees]:
    missing = np.isnan(x) | np.isnan(y)
    # pyproj takes an array of one for a point, in a way that NumPy deprecates; a list is always an array to it.
    given = (x, y) if len(x) > 1 else (x.tolist(), y.tolist())
    lng, lat = (np.array(axis, dtype=np.float64) for axis in _transformer(crs)(*given))
    for axis in (lat, lng):
        axis[~np.isfinite(axis)] = HUGE
        axis[missing] = MISSING
    return lat, lng


def _plain_points(values: Any) -> tuple[Degrees, Degrees] | None:
    """Read an array in which every value is a little-endian 2-D point, without a loop; None if it is not so."""
    if values.null_count or not len(values) or pa.types.is_binary_view(values.type):
        return None
    width = np.int64 if pa.types.is_large_binary(values.type) else np.int32
    _, offset_buffer, data = values.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=width)[values.offset : values.offset + len(values) + 1]
    if data is None or (np.diff(offsets) != _POINT_WKB_BYTES).any():
        return None
    start, stop = int(offsets[0]), int(offsets[-1])
    table = np.frombuffer(data, dtype=np.uint8)[start:stop].reshape(-1, _POINT_WKB_BYTES)
    if (table[:, :5] != _LITTLE_ENDIAN_POINT).any():
        return None
    axes = np.ascontiguousarray(table[:, 5:]).view("<f8").astype(np.float64, copy=False)
    return axes[:, 0].copy(), axes[:, 1].copy()


def _from_shapes(
    values: list[Any], parse: Callable[[Any], tuple[float, float] | str], kinds: dict[int, str]
) -> tuple[Degrees, Degrees]:
    x, y = np.full(len(values), MISSING), np.full(len(values), MISSING)
    for row, value in enumerate(values):
        if value is None:
            continue
        found = parse(value)
        if isinstance(found, str):
            kinds[row] = found
        else:
            x[row], y[row] = found
    return x, y


def _shape(parsed: Any) -> tuple[float, float] | str:
    if parsed is None:
        return "geometry that cannot be read"
    if parsed.geom_type != "Point":
        return str(parsed.geom_type)
    return (MISSING, MISSING) if parsed.is_empty else (parsed.x, parsed.y)


def _wkb_shape(value: bytes) -> tuple[float, float] | str:
    import shapely

    return _shape(shapely.from_wkb(value, on_invalid="ignore"))


def _text_shape(value: str) -> tuple[float, float] | str:
    stripped = value.strip()
    if not stripped:
        return MISSING, MISSING
    if stripped[0] in "{[":
        try:
            return _object_shape(json.loads(stripped))
        except (ValueError, RecursionError):
            return "geometry that cannot be read"
    import shapely

    return _shape(shapely.from_wkt(stripped, on_invalid="ignore"))


def _object_shape(value: Any) -> tuple[float, float] | str:
    """Read a GeoJSON geometry, or a bare position `[lng, lat]` (GeoJSON's order, RFC 7946)."""
    if isinstance(value, dict):
        if value.get("type", "Point") != "Point":
            return str(value["type"])[:40]
        value = value.get("coordinates")
        if value is None:
            return MISSING, MISSING
    if not isinstance(value, list | tuple) or not all(
        isinstance(axis, int | float) and not isinstance(axis, bool) for axis in value
    ):
        return "geometry that cannot be read"
    if not value:
        return MISSING, MISSING
    if not 2 <= len(value) <= 4:
        return "geometry that cannot be read"
    try:
        return float(value[0]), float(value[1])
    except OverflowError:
        return HUGE, HUGE
