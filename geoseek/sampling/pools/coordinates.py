"""Latitude and longitude: from what stands in a file to checked degrees."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geoseek.sampling.pools.base import Degrees
from geoseek.sampling.pools.columns import is_text
from geoseek.schemas import RejectReason

OK = 0
CODES: tuple[RejectReason | None, ...] = (
    None,
    RejectReason.NOT_A_POINT,
    RejectReason.MISSING_ID,
    RejectReason.MISSING_COORDINATE,
    RejectReason.NON_NUMERIC_COORDINATE,
    RejectReason.OUT_OF_RANGE,
    RejectReason.NULL_ISLAND,
)
"""Reasons that `find_problems` gives, by their code; a row with several problems gets the first of them."""

NON_NUMERIC = np.inf
MISSING = np.nan
HUGE = float(np.finfo(np.float64).max)

_PLAIN_NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{0,30})?$"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA_NUMBER = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")


def to_degrees(values: Any) -> Degrees:
    """Convert an Arrow array to float64, whatever it holds.

    Numbers in 64-bit floats are not copied. The result encodes what is not a number: NaN for a missing value (null,
    empty text, numeric NaN), infinity for something that is not a finite number, and the largest float for a number
    too large for a float.

    >>> to_degrees(pa.array(["48.85", " 2.5 ", "", "48,85", "nan"])).tolist()
    [48.85, 2.5, nan, inf, inf]
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_null(values.type):
        return np.full(len(values), MISSING)
    if is_text(values.type):
        return _parse(values)
    if values.type != pa.float64():
        values = values.cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _parse(values: Any) -> Degrees:
    try:
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return _parse_each(values)
    suspicious = ~np.isfinite(numbers)
    if suspicious.any() and (suspicious.sum() > values.null_count):
        return _parse_each(values)
    return np.asarray(numbers, dtype=np.float64)


def _parse_each(values: Any) -> Degrees:
    """Parse the plain numbers in bulk, and every other text by itself."""
    result = np.full(len(values), MISSING)
    plain = pc.fill_null(pc.match_substring_regex(values, _PLAIN_NUMBER), False).to_numpy(zero_copy_only=False)
    result[plain] = pc.cast(values.filter(pa.array(plain)), pa.float64()).to_numpy()
    others = np.flatnonzero(~plain)
    for position, text in zip(others.tolist(), values.take(pa.array(others)).to_pylist(), strict=True):
        result[position] = _parse_one(text)
    return result


def _parse_one(text: str | None) -> float:
    stripped = "" if text is None else text.strip()
    if not stripped:
        return MISSING
    if not _NUMBER.fullmatch(stripped):
        return NON_NUMERIC
    number = float(stripped)
    return number if np.isfinite(number) else HUGE


def all_fine(lat: Degrees, lng: Degrees) -> bool:
    """Return whether every position is a usable one that needs no change: four reductions and one comparison."""
    if not len(lat):
        return True
    return bool(
        lat.min() >= -90
        and lat.max() <= 90
        and lng.min() >= -180
        and lng.max() < 180
        and not ((lat == 0) & (lng == 0)).any()
    )


def find_problems(
    lat: Degrees, lng: Degrees, *, no_point: npt.NDArray[np.bool_] | None, no_id: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.int8]:
    """Return for each row `OK` or the index into `CODES` of what is wrong with it.

    Args:
        lat: Latitudes as `to_degrees` gives them, shape (n,).
        lng: Longitudes likewise.
        no_point: Where the geometry is not a point, or None.
        no_id: Where the id is empty, or None.
    """
    codes = np.zeros(len(lat), dtype=np.int8)

    def mark(where: npt.NDArray[np.bool_], reason: RejectReason) -> None:
        codes[where & (codes == OK)] = CODES.index(reason)

    if no_point is not None:
        mark(no_point, RejectReason.NOT_A_POINT)
    if no_id is not None:
        mark(no_id, RejectReason.MISSING_ID)
    mark(np.isnan(lat) | np.isnan(lng), RejectReason.MISSING_COORDINATE)
    mark(np.isinf(lat) | np.isinf(lng), RejectReason.NON_NUMERIC_COORDINATE)
    mark((np.abs(lat) > 90) | (np.abs(lng) > 180), RejectReason.OUT_OF_RANGE)
    mark((lat == 0) & (lng == 0), RejectReason.NULL_ISLAND)
    return codes


def wrap_antimeridian(lng: Degrees) -> Degrees:
    """Write longitude 180 as -180; every other value stays.

    >>> wrap_antimeridian(np.array([180.0, -180.0, 179.5])).tolist()
    [-180.0, -180.0, 179.5]
    """
    return np.where(lng == 180, -180.0, lng)


def explain(reason: RejectReason, lat: str | None, lng: str | None) -> str | None:
    """Say what exactly is wrong with a pair of coordinates, where the reason does not say it all."""
    if reason is RejectReason.MISSING_COORDINATE:
        empty = [
            name for name, text in (("lat", lat), ("lng", lng)) if text is None or text.strip().lower() in ("", "nan")
        ]
        return f"{' and '.join(empty)} empty" if empty else None
    if reason is RejectReason.NON_NUMERIC_COORDINATE:
        commas = [text for text in (lat, lng) if text and _COMMA_NUMBER.fullmatch(text)]
        return "decimal comma; write a point" if commas else None
    exchangeable = lat is not None and lng is not None and abs(_parse_one(lat)) <= 180 and abs(_parse_one(lng)) <= 90
    if reason is RejectReason.OUT_OF_RANGE and exchangeable:
        return "in range if lat and lng are exchanged"
    return None
