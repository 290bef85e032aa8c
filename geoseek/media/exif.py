"""What the metadata of a photo says about where, when and which way up it was taken.

Tags follow Exif 3.0 (CIPA DC-008-2023): GPSLatitudeRef 1, GPSLatitude 2, GPSLongitudeRef 3, GPSLongitude 4,
GPSTimeStamp 7, GPSDateStamp 29; Orientation 0x0112; DateTimeOriginal 0x9003, DateTimeDigitized 0x9004,
OffsetTimeOriginal 0x9011, OffsetTimeDigitized 0x9012, SubSecTimeOriginal 0x9291, SubSecTimeDigitized 0x9292.
Mapillary's uploaders keep the capture sequence as JSON in ImageDescription 0x010E.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from geoseek.schemas import InputError

PHOTO_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif",
)  # fmt: skip
"""File name endings (in lower case) of what counts as a photo in a folder, whether or not Pillow can decode it."""

_GPS_LATITUDE, _GPS_LONGITUDE = (1, 2), (3, 4)
_GPS_TIME, _GPS_DATE = 7, 29
_ORIENTATION, _DESCRIPTION = 0x0112, 0x010E
_TAKEN = ((0x9003, 0x9011, 0x9291), (0x9004, 0x9012, 0x9292))
_SIGN = {"N": 1, "S": -1, "E": 1, "W": -1}
_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d)")
_OFFSET = re.compile(r"[+-]\d\d:\d\d|Z")
_SEQUENCE_KEYS = ("MAPSequenceUUID", "MAPSequenceID")


@dataclass(frozen=True)
class PhotoMetadata:
    """What a photo says about itself.

    Attributes:
        lat: Latitude in degrees as stored (it may be out of range); None without a usable position.
        lng: Longitude in degrees likewise.
        orientation: EXIF orientation, 1 to 8; None where there is none or it is another number.
        captured_at: Capture time as ISO 8601; with an offset only where the photo states one.
        sequence_id: Capture sequence, where an uploader left one.
        no_position: Why there is no position; None if there is one.
    """

    lat: float | None
    lng: float | None
    orientation: int | None
    captured_at: str | None
    sequence_id: str | None
    no_position: str | None


def read_photo_metadata(path: Path) -> PhotoMetadata:
    """Read the metadata of a photo; its pixels are not decoded.

    Raises:
        InputError: Pillow does not recognise the file, or its header is broken.
    """
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            main, taken, gps = (
                dict(exif),
                dict(exif.get_ifd(ExifTags.IFD.Exif)),
                dict(exif.get_ifd(ExifTags.IFD.GPSInfo)),
            )
    # Pillow's parsers raise whatever the bytes lead them to; there is no common base class.
    except (
        OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, EOFError, OverflowError,
        MemoryError, RuntimeError, struct.error, Image.DecompressionBombError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).replace(repr(str(path)), "it").replace(str(path), "it").split())
        raise InputError(f"{path.name} is not a photo that can be read: {reason or type(error).__name__}.") from error
    position = gps_position(gps)
    return PhotoMetadata(
        lat=None if isinstance(position, str) else position[0],
        lng=None if isinstance(position, str) else position[1],
        orientation=_orientation(main.get(_ORIENTATION)),
        captured_at=_taken_at(taken) or _gps_time(gps),
        sequence_id=_sequence(main.get(_DESCRIPTION)),
        no_position=position if isinstance(position, str) else None,
    )


def gps_position(gps: Mapping[int, Any]) -> tuple[float, float] | str:
    """Return (lat, lng) in degrees out of the tags of the GPS directory, or why there is none.

    A value without its N/S or E/W reference is not used: half the world would be guessed wrong. A negative value needs
    none.

    >>> gps_position({1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0)})
    (-33.86, 151.2)
    >>> gps_position({2: (33.0, 51.0, 36.0), 4: (151.0, 12.0, 0.0)})
    'no N/S reference'
    """
    found = []
    for (reference_tag, value_tag), allowed in ((_GPS_LATITUDE, "NS"), (_GPS_LONGITUDE, "EW")):
        name = "latitude" if allowed == "NS" else "longitude"
        if value_tag not in gps:
            return f"no {name}"
        degrees = _degrees(gps[value_tag])
        if degrees is None:
            return f"{name} is not a number"
        reference = _text(gps.get(reference_tag)).upper()[:1]
        if degrees >= 0:
            if not reference or reference not in allowed:
                return f"no {'/'.join(allowed)} reference"
            degrees *= _SIGN[reference]
        found.append(degrees)
    return found[0], found[1]


def _degrees(value: Any) -> float | None:
    """Return degrees out of degrees, minutes and seconds (the last two may be absent); None if not finite."""
    parts = value if isinstance(value, tuple | list) else (value,)
    if not 1 <= len(parts) <= 3:
        return None
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not all(math.isfinite(number) for number in numbers):
        return None
    size = math.fsum(abs(number) / 60**power for power, number in enumerate(numbers))
    return -size if numbers[0] < 0 else size


def _orientation(value: Any) -> int | None:
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def _taken_at(taken: Mapping[int, Any]) -> str | None:
    for time_tag, offset_tag, fraction_tag in _TAKEN:
        time = _iso(_text(taken.get(time_tag)))
        if time is None:
            continue
        fraction = _text(taken.get(fraction_tag))
        offset = _text(taken.get(offset_tag))
        return (
            time
            + (f".{fraction}" if fraction.isascii() and fraction.isdigit() else "")
            + (offset if _OFFSET.fullmatch(offset) else "")
        )
    return None


def _gps_time(gps: Mapping[int, Any]) -> str | None:
    """Return the GPS clock's time, which is UTC."""
    date, clock = _text(gps.get(_GPS_DATE)), gps.get(_GPS_TIME)
    if not isinstance(clock, tuple) or len(clock) != 3:
        return None
    try:
        hours, minutes, seconds = (int(float(part)) for part in clock)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    time = _iso(f"{date} {hours:02d}:{minutes:02d}:{seconds:02d}")
    return f"{time}Z" if time else None


def _iso(text: str) -> str | None:
    match = _TIME.match(text)
    if match is None:
        return None
    iso = "{}-{}-{}T{}".format(*match.groups())
    try:
        datetime.fromisoformat(iso)
    except ValueError:
        return None
    return iso


def _sequence(description: Any) -> str | None:
    text = _text(description)
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    values = [found.get(key) for key in _SEQUENCE_KEYS] if isinstance(found, dict) else []
    return next((value for value in values if isinstance(value, str) and value), None)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.strip("\x00 \t\r\n") if isinstance(value, str) else ""
