"""Recognise equirectangular panoramas, and cut perspective views from them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from geoseek.media.decode import grey

Pixels = npt.NDArray[np.uint8]

VIEW_JPEG_QUALITY = 92
"""Quality at which views are saved, without chroma subsampling; the encoder then gives the same bytes each time."""

MAX_VIEW_SIDE = 2048
_MIN_WIDTH = 1024
_ROWS_AT_ONCE = 128
_SEAM_FACTOR, _SEAM_LEVELS = 3.0, 2.0
_XMP_VALUE = r"GPano:{name}\s*(?:=\s*[\"']|>)\s*([^\"'<]+?)\s*[\"'<]"


@dataclass(frozen=True)
class Panorama:
    """What is known about an equirectangular picture.

    Attributes:
        heading_deg: Compass heading of its centre, in [0, 360); None where it states none.
        whole: It covers the full sphere; views are cut from these only.
    """

    heading_deg: float | None
    whole: bool


def find_panorama(image: Image.Image, xmp: bytes) -> Panorama | None:
    """Return what is known of a panorama, or None if the picture is none.

    One is recognised by `GPano:ProjectionType="equirectangular"` in its XMP (Google's Photo Sphere schema), or by its
    shape: exactly twice as wide as high, at least 1024 pixels wide, and with a left edge that goes on where the
    right edge ends. The last condition keeps cropped photos of that shape out.

    Args:
        image: The picture the right way up.
        xmp: Its XMP packet.
    """
    text = xmp.decode("utf-8", "replace")
    projection = _value(text, "ProjectionType")
    if projection is not None:
        if projection.lower() != "equirectangular":
            return None
        return Panorama(_heading(text), whole=_is_whole(image, text))
    if image.width == 2 * image.height and image.width >= _MIN_WIDTH and _edges_meet(image):
        return Panorama(None, whole=True)
    return None


def _value(text: str, name: str) -> str | None:
    match = re.search(_XMP_VALUE.format(name=name), text)
    return match.group(1) if match else None


def _number(text: str, name: str) -> float | None:
    value = _value(text, name)
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _heading(text: str) -> float | None:
    heading = _number(text, "PoseHeadingDegrees")
    return None if heading is None else heading % 360.0


def _is_whole(image: Image.Image, text: str) -> bool:
    full, cropped = (
        [_number(text, prefix + side) for side in ("WidthPixels", "HeightPixels")]
        for prefix in ("FullPano", "CroppedAreaImage")
    )
    if None not in full and None not in cropped:
        return full == cropped
    return abs(image.width - 2 * image.height) <= 2


def _edges_meet(image: Image.Image) -> bool:
    """Return whether the last column differs from the first about as little as neighbours do."""
    edge = 8
    width, height = image.size
    left = np.asarray(grey(image.crop((0, 0, edge, height))), dtype=np.float64)
    right = np.asarray(grey(image.crop((width - edge, 0, width, height))), dtype=np.float64)
    seam = np.abs(left[:, 0] - right[:, -1]).mean()
    beside = np.mean([np.abs(np.diff(part, axis=1)).mean() for part in (left, right)])
    return bool(seam <= _SEAM_FACTOR * beside + _SEAM_LEVELS)


def view_yaws(count: int) -> list[float]:
    """Return the directions of evenly spread views, degrees clockwise from the panorama's centre.

    >>> view_yaws(4)
    [0.0, 90.0, 180.0, 270.0]
    """
    return [360.0 * i / count for i in range(count)]


def cut_view(panorama: Pixels, *, yaw_deg: float, pitch_deg: float, fov_deg: float, side: int) -> Pixels:
    """Project a part of a full-sphere equirectangular picture onto a plane (a rectilinear, or perspective, view).

    Longitude grows from left to right and is 0 in the middle of the picture; latitude is 90 degrees at the top edge.
    Pixel (i, j) stands for its middle. Bilinear interpolation; the picture is continued across its left and right
    edge, and repeats its first and last row beyond the poles.

    Args:
        panorama: uint8 of shape (height, width, channels), width = 2 height.
        yaw_deg: Direction of the view's middle, clockwise from the panorama's middle.
        pitch_deg: The same above the horizon.
        fov_deg: Horizontal and vertical field of view, above 0 and below 180.
        side: Width and height of the view in pixels.

    Returns:
        uint8 of shape (side, side, channels).
    """
    height, width, channels = panorama.shape
    half = math.tan(math.radians(fov_deg) / 2)
    plane = ((np.arange(side) + 0.5) / side * 2 - 1) * half
    pitch = math.radians(pitch_deg)
    view = np.empty((side, side, channels), dtype=np.uint8)
    for start in range(0, side, _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, side))
        right, down = np.meshgrid(plane, plane[rows])
        forward = math.cos(pitch) + down * math.sin(pitch)
        up = math.sin(pitch) - down * math.cos(pitch)
        longitude = np.arctan2(right, forward) + math.radians(yaw_deg)
        latitude = np.arctan2(up, np.hypot(right, forward))
        x = ((longitude / (2 * math.pi) + 0.5) * width - 0.5) % width
        y = np.clip((0.5 - latitude / math.pi) * height - 0.5, 0, height - 1)
        view[rows] = _bilinear(panorama, x, y)
    return view


def _bilinear(panorama: Pixels, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Pixels:
    height, width = panorama.shape[:2]
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    x0 %= width
    x1, y1 = (x0 + 1) % width, np.minimum(y0 + 1, height - 1)
    above = panorama[y0, x0] * (1 - fx) + panorama[y0, x1] * fx
    below = panorama[y1, x0] * (1 - fx) + panorama[y1, x1] * fx
    return np.asarray(np.rint(above * (1 - fy) + below * fy), dtype=np.uint8)


def view_side(width: int, fov_deg: float) -> int:
    """Return the side of a view that keeps the panorama's resolution in its middle, at most 2048 pixels.

    >>> view_side(4096, 90)
    1304
    """
    exact = width / math.pi * math.tan(math.radians(fov_deg) / 2)
    return max(2, min(MAX_VIEW_SIDE, round(exact / 2) * 2))


def jpeg_view(pixels: Pixels) -> bytes:
    """Encode a view as JPEG without metadata."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=VIEW_JPEG_QUALITY, subsampling=0, optimize=False)
    return buffer.getvalue()
