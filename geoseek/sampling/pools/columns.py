"""Which column of a file is which field: the names used in the field of image geolocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pyarrow as pa

from geoseek.schemas import InputError, unknown_name

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "lat": (
        "lat", "latitude", "gps_lat", "gps_latitude", "gpslatitude", "image_lat", "gt_lat", "true_lat", "geo_lat",
        "lat_deg", "decimallatitude", "maplatitude", "y",
    ),
    "lng": (
        "lng", "lon", "longitude", "long", "gps_lng", "gps_lon", "gps_long", "gps_longitude", "gpslongitude",
        "image_lng", "image_lon", "gt_lng", "gt_lon", "true_lng", "true_lon", "geo_lng", "geo_lon", "lng_deg",
        "lon_deg", "decimallongitude", "maplongitude", "x",
    ),
    "geometry": ("geometry", "computed_geometry", "geom", "wkb_geometry", "the_geom", "wkb", "wkt", "coordinates"),
    "id": (
        "source_id", "id", "img_id", "image_id", "imageid", "photoid", "photo_id", "panoid", "pano_id", "panorama_id",
        "image_key", "key", "sample_id", "uuid", "geonameid", "fid",
    ),
    "image": (
        "image", "image_url", "img_url", "imageurl", "thumb_original_url", "thumb_2048_url", "thumb_1024_url",
        "downloadurl", "download_url", "photo_url", "url", "image_path", "img_path", "path", "file_path", "filepath",
        "file_name", "filename", "img", "photo", "jpg", "thumb_256_url", "thumbnail_url",
    ),
    "captured_at": (
        "captured_at", "datetaken", "date_taken", "taken_at", "datetime_original", "datetimeoriginal", "capture_time",
        "capture_date", "timestamp", "datetime", "date",
    ),
    "sequence_id": (
        "sequence_id", "sequence", "sequence_key", "sequenceid", "sequence_uuid", "seq_id", "skey", "seq",
        "trajectory_id", "drive_id",
    ),
    "license": ("license", "licence", "licensename", "license_name", "licence_name", "license_url", "licenseurl"),
    "attribution": (
        "attribution", "author", "credit", "creator", "photographer", "owner_name", "ownername", "owner",
        "usernickname", "username", "user_name", "user",
    ),
    "orientation": ("orientation", "exif_orientation"),
}  # fmt: skip
"""For every field the column names that are recognised, in order of preference; case does not matter.

Sources: OSV-5M (`id, latitude, longitude, thumb_original_url, captured_at, sequence`), MP-16 and Im2GPS
(`IMG_ID, LAT, LON`), Mapillary's API (`id, computed_geometry, thumb_1024_url, sequence`), YFCC100M (`photoid, latitude,
longitude, downloadurl, datetaken, licensename, usernickname`), GeoComp and map games (`panoid, lat, lng`).
"""

MAPPABLE = tuple(COLUMN_NAMES)
"""The names that stand left of the equals sign in `--columns lat=...`."""

_HOW = "Name them, for example: --columns lat=NAME,lng=NAME,id=NAME"


@dataclass(frozen=True)
class Roles:
    """The columns of one file by field.

    Attributes:
        column: Field name (a key of `COLUMN_NAMES`) to column name in the file.
        notices: Remarks for the user about how they were recognised.
    """

    column: dict[str, str]
    notices: tuple[str, ...] = ()

    def get(self, field: str) -> str | None:
        """Return the column of a field, or None."""
        return self.column.get(field)


def known_names() -> frozenset[str]:
    """Return all recognised column names, in lower case."""
    return frozenset(name for names in COLUMN_NAMES.values() for name in names)


def check_fields(explicit: Mapping[str, str]) -> None:
    """Check the left side of `--columns`.

    Raises:
        UsageError: A field that does not exist, with the nearest one that does.
    """
    for field in explicit:
        if field not in COLUMN_NAMES:
            raise unknown_name("field in --columns", field, MAPPABLE)


def assign_roles(
    columns: Mapping[str, Any], explicit: Mapping[str, str], *, where: str, declared_geometry: str | None = None
) -> Roles:
    """Decide which column gives which field.

    What `--columns` says comes first. For the position, then: the geometry that the format declares, columns for
    latitude and longitude, any other geometry column. Where several columns fit a field, the one that stands first
    in `COLUMN_NAMES` is taken, and a notice says which others would have fitted.

    Args:
        columns: Column names of the file and their Arrow types (None: not known).
        explicit: Field to column name, from `--columns`.
        where: The file, for messages.
        declared_geometry: The geometry column of a geographic format.

    Raises:
        InputError: A column named in `--columns` is not there, no columns with coordinates, or of a wrong type.

    >>> assign_roles({"IMG_ID": None, "LAT": None, "LON": None}, {}, where="mp16.csv").column
    {'lat': 'LAT', 'lng': 'LON', 'id': 'IMG_ID'}
    """
    found = {field: _named(name, columns, field, where) for field, name in explicit.items()}
    ambiguous = {}
    for field, names in COLUMN_NAMES.items():
        if field in found:
            continue
        fitting = _fitting(names, columns, nested=field in ("lat", "lng"))
        if fitting:
            found[field] = fitting[0]
        if len(fitting) > 1:
            others = ", ".join(repr(name) for name in fitting[1:])
            ambiguous[field] = (
                f"{field} is read from column {fitting[0]!r}; {others} would fit as well (--columns {field}=NAME)"
            )
    notices = _settle_position(found, explicit, declared_geometry, columns, where)
    ordered = {field: found[field] for field in COLUMN_NAMES if field in found}
    return Roles(ordered, (*(text for field, text in ambiguous.items() if field in ordered), *notices))


def _named(name: str, columns: Mapping[str, Any], field: str, where: str) -> str:
    if name in columns:
        return name
    folded = [column for column in columns if column.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0]
    close = get_close_matches(name, list(columns), n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    raise InputError(f"{where} has no column {name!r} (wanted as {field}){guess}", hint=f"Columns: {_listed(columns)}.")


def _fitting(names: Sequence[str], columns: Mapping[str, Any], *, nested: bool) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(column.casefold(), []).append(column)
    fitting = [column for name in names if len(name) > 1 for column in by_name.get(name, [])]
    if nested and not fitting:
        last_parts: dict[str, list[str]] = {}
        for column in columns:
            if "." in column:
                last_parts.setdefault(column.casefold().rpartition(".")[2], []).append(column)
        fitting = [column for name in names if len(name) > 1 for column in last_parts.get(name, [])]
    return fitting or [column for name in names if len(name) == 1 for column in by_name.get(name, [])]


def _settle_position(
    found: dict[str, str],
    explicit: Mapping[str, str],
    declared: str | None,
    columns: Mapping[str, Any],
    where: str,
) -> list[str]:
    """Leave either lat and lng or geometry in `found`."""
    asked_for_columns = "lat" in explicit or "lng" in explicit
    if declared is not None and not asked_for_columns and "geometry" not in explicit:
        found["geometry"] = declared
    has_pair = "lat" in found and "lng" in found
    geometry = found.get("geometry")
    if geometry is not None and not asked_for_columns and (declared or "geometry" in explicit or not has_pair):
        pair = [found.pop(field) for field in ("lat", "lng") if field in found]
        if has_pair:
            return [
                f"positions are read from the geometry {geometry!r}; columns {pair[0]!r} and {pair[1]!r} are not used"
            ]
        return []
    found.pop("geometry", None)
    if not has_pair:
        raise _no_coordinates([field for field in ("lat", "lng") if field not in found], columns, where)
    for field in ("lat", "lng"):
        _check_coordinate_type(columns[found[field]], found[field], field, where)
    if found["lat"] == found["lng"]:
        raise InputError(f"{where}: lat and lng are both read from column {found['lat']!r}.", hint=_HOW)
    return []


def _no_coordinates(missing: Sequence[str], columns: Mapping[str, Any], where: str) -> InputError:
    near = []
    for field in missing:
        folded = {column.casefold(): column for column in columns}
        for name in COLUMN_NAMES[field]:
            close = get_close_matches(name, list(folded), n=1, cutoff=0.75) if len(name) > 1 else []
            if close:
                near.append(f"{field}={folded[close[0]]}")
                break
    hint = f"Perhaps: --columns {','.join(near)}" if near else _HOW
    if columns and all(_is_number(column) for column in list(columns)[:2]):
        hint = "The first line seems to hold data; put a line with column names above it."
    wanted = " and ".join({"lat": "latitude", "lng": "longitude"}[field] for field in missing)
    return InputError(f"{where} has no column for {wanted}. Columns: {_listed(columns)}.", hint=hint)


def _check_coordinate_type(kind: Any, column: str, field: str, where: str) -> None:
    value_type = kind.value_type if kind is not None and pa.types.is_dictionary(kind) else kind
    types = pa.types
    if (
        value_type is None
        or types.is_floating(value_type)
        or types.is_integer(value_type)
        or types.is_decimal(value_type)
        or types.is_null(value_type)
        or is_text(value_type)
    ):
        return
    raise InputError(f"{where}: column {column!r}, read as {field}, holds {kind}, not degrees.", hint=_HOW)


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type holds strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _listed(columns: Mapping[str, Any], limit: int = 40) -> str:
    names = [repr(name) if "," in name or name != name.strip() or not name else name for name in columns]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_coarse(kind: Any) -> bool:
    """Return whether an Arrow type is a float of fewer than 64 bits."""
    return kind is not None and bool(pa.types.is_float32(kind) or pa.types.is_float16(kind))
