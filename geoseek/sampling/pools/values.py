"""Ids, texts, times and orientations: from what stands in a file to what stands in the records."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geoseek.sampling.pools.base import Degrees
from geoseek.sampling.pools.columns import is_text

_WHOLE_NUMBER = r"^(-?[0-9]+)\.0+$"
_EXIF_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?")
_SPACED_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_COMPACT_TIME = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")
_EPOCH = re.compile(r"\d{9,10}|\d{12,13}|\d{15,16}")
_EXACT_FLOAT = 2.0**53


def as_text(values: Any, *, untyped: bool = False) -> Any:
    """Return an Arrow array as strings, so that one value is one string whatever type a file gives it.

    Whole numbers in floats lose their `.0`; in files without types (CSV) so does text such as `123.0`. Empty values
    become null. Strings are passed on without a copy.

    >>> as_text(pa.array([123.0, 0.5, None])).to_pylist()
    ['123', '0.5', None]
    >>> as_text(pa.array(["123.0", "007", ""]), untyped=True).to_pylist()
    ['123', '007', None]
    """
    if isinstance(values, pa.ExtensionArray):
        text = pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
        return _null_empty(text)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_string_view(kind):
        values = values.cast(pa.large_string())
    elif not is_text(kind):
        values = _number_text(values)
    values = _null_empty(values)
    if untyped and pc.any(pc.ends_with(values, ".0")).as_py():
        values = pc.replace_substring_regex(values, _WHOLE_NUMBER, r"\1")
    return values


def _number_text(values: Any) -> Any:
    kind = values.type
    if pa.types.is_floating(kind):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        whole = np.isfinite(numbers) & (numbers == np.trunc(numbers)) & (np.abs(numbers) < _EXACT_FLOAT)
        if whole.all():
            return pa.array(numbers.astype(np.int64)).cast(pa.string())
        texts = [_float_text(number) for number in values.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return values.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if value is None else _bytes_text(value) for value in values.to_pylist()], pa.string())
    return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())


def _float_text(number: float | None) -> str | None:
    if number is None or number != number:
        return None
    if abs(number) < _EXACT_FLOAT and number == int(number):
        return str(int(number))
    return repr(number)


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _null_empty(values: Any) -> Any:
    empty = empty_texts(values)
    return values if empty is None else pc.if_else(pa.array(empty), pa.scalar(None, values.type), values)


def empty_texts(values: Any) -> npt.NDArray[np.bool_] | None:
    """Return where an Arrow string array holds the empty string; None if nowhere (the common case, and cheap)."""
    if not len(values):
        return None
    width = np.int64 if pa.types.is_large_string(values.type) else np.int32
    offsets = np.frombuffer(values.buffers()[1], dtype=width)[values.offset : values.offset + len(values) + 1]
    empty = offsets[1:] == offsets[:-1]
    if not empty.any():
        return None
    if values.null_count:
        empty &= values.is_valid().to_numpy(zero_copy_only=False)
    return empty if empty.any() else None


def derive_ids(lat: Degrees, lng: Degrees, images: Sequence[str | None]) -> Any:
    """Give rows without an id one that depends on their content only, not on their place in the file.

    16 hexadecimal digits of BLAKE2b (8-byte digest) over lat and lng as little-endian float64 and the image text as
    UTF-8 (empty if there is none).

    >>> derive_ids(np.array([48.85]), np.array([2.35]), ["a.jpg"]).to_pylist()
    ['5cc3664d32bcdcc5']
    """
    pack = struct.Struct("<dd").pack
    # Adding zero turns -0.0 into 0.0, so that both spellings of one position give one id.
    pairs = zip((lat + 0.0).tolist(), (lng + 0.0).tolist(), images, strict=True)
    texts = [
        hashlib.blake2b(pack(one_lat, one_lng) + (image or "").encode(), digest_size=8).hexdigest()
        for one_lat, one_lng, image in pairs
    ]
    return pa.array(texts, pa.string())


def as_times(values: Any) -> Any:
    """Return capture times as ISO 8601 text where they are recognised, as they are where not.

    Recognised: timestamps and dates, epoch seconds, milli- and microseconds (numbers or digits; UTC, written with
    `Z`), EXIF's `YYYY:MM:DD HH:MM:SS`, `YYYY-MM-DD HH:MM:SS` and `YYYYMMDDHHMMSS`. Small numbers, such as a year, stay.

    >>> as_times(pa.array(["2014:05:26 12:56:02", "1401108962384", "May 2014", ""])).to_pylist()
    ['2014-05-26T12:56:02', '2014-05-26T12:56:02.384Z', 'May 2014', None]
    """
    if pa.types.is_timestamp(values.type):
        return pa.array([_timestamp_text(scalar) for scalar in values], pa.string())
    return pa.array([None if text is None else _time_text(text) for text in as_text(values).to_pylist()], pa.string())


def _timestamp_text(scalar: Any) -> str | None:
    if not scalar.is_valid:
        return None
    unit, zone = scalar.type.unit, scalar.type.tz
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(scalar.value, per_second)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return str(scalar.value)
    fraction = f".{rest:0{len(str(per_second)) - 1}d}".rstrip("0").rstrip(".") if rest else ""
    return moment.replace(tzinfo=None).isoformat() + fraction + ("Z" if zone else "")


def _time_text(text: str) -> str:
    stripped = text.strip()
    if match := _EXIF_TIME.fullmatch(stripped):
        year, month, day, time, zone = match.groups()
        return _if_valid(f"{year}-{month}-{day}T{time}{zone or ''}", text)
    if match := _SPACED_TIME.fullmatch(stripped):
        date, time, fraction, zone = match.groups()
        return _if_valid(f"{date}T{time}{(fraction or '').rstrip('0').rstrip('.')}{zone or ''}", text)
    if match := _COMPACT_TIME.fullmatch(stripped):
        year, month, day, hour, minute, second = match.groups()
        return _if_valid(f"{year}-{month}-{day}T{hour}:{minute}:{second}", text)
    if _EPOCH.fullmatch(stripped):
        scale = 1 if len(stripped) <= 10 else 10**3 if len(stripped) <= 13 else 10**6
        return _epoch_text(int(stripped), scale)
    return text


def _epoch_text(value: int, scale: int) -> str:
    seconds, rest = divmod(value, scale)
    fraction = f".{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + fraction + "Z"


def _if_valid(iso: str, otherwise: str) -> str:
    try:
        datetime.fromisoformat(iso)
    except ValueError:
        return otherwise
    return iso


def as_orientation(values: Any) -> Any:
    """Return EXIF orientations 1 to 8 as 32-bit integers; anything else is null."""
    texts = as_text(values, untyped=True).to_pylist()
    known = {str(number): number for number in range(1, 9)}
    return pa.array([None if text is None else known.get(text.strip()) for text in texts], pa.int32())
