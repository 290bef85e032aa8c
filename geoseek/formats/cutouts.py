"""Pictures made of a picture: previews, cutouts around clues, and pictures turned the way they are displayed."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from geoseek.formats.codes import FormatRejectReason, RowFault
from geoseek.media import ImageProblemError, PixelLimits, decode_image, orientation_of, upright
from geoseek.schemas import ClueBox, EmbeddedImage

PREVIEW_PIXELS = 1_000_000
_LIMITS = PixelLimits(smallest=1, largest=500_000_000)
_QUALITY, _HIGH_QUALITY = 85, 95
_SMALLEST_SIDE = 8


@dataclass(frozen=True)
class Cutout:
    """A part of a picture.

    Attributes:
        box: The box around it.
        pixels: (x1, y1, x2, y2) in pixels of the whole picture as displayed.
        image: The part, as JPEG.
    """

    box: ClueBox
    pixels: tuple[int, int, int, int]
    image: EmbeddedImage


def preview(data: bytes) -> bytes:
    """Return a picture as JPEG with at most `PREVIEW_PIXELS` pixels; a JPEG that is small enough stays as it is.

    Raises:
        RowFault: It cannot be decoded.
    """
    image, is_jpeg = _upright(data)
    pixels = image.width * image.height
    if pixels <= PREVIEW_PIXELS:
        return data if is_jpeg else _jpeg(image)
    factor = math.sqrt(PREVIEW_PIXELS / pixels)
    return _jpeg(image.resize((max(1, int(image.width * factor)), max(1, int(image.height * factor)))))


def cut_out(data: bytes, boxes: Iterable[ClueBox]) -> Iterator[Cutout]:
    """Yield the parts of a picture in boxes; boxes of a few pixels are passed over.

    Raises:
        RowFault: The picture cannot be decoded.
    """
    wanted = tuple(boxes)
    if not wanted:
        return
    image, _ = _upright(data)
    for box in wanted:
        x1, x2 = (_pixel(x, image.width) for x in (box.x, box.x + box.w))
        y1, y2 = (_pixel(y, image.height) for y in (box.y, box.y + box.h))
        if x2 - x1 >= _SMALLEST_SIDE and y2 - y1 >= _SMALLEST_SIDE:
            part = _jpeg(image.crop((x1, y1, x2, y2)))
            named = EmbeddedImage(bytes=part, path=f"{hashlib.sha256(part).hexdigest()}.jpg")
            yield Cutout(box, (x1, y1, x2, y2), named)


def turned_upright(image: EmbeddedImage) -> EmbeddedImage:
    """Return a picture for tools that do not know EXIF orientation; one that needs no turning stays as it is.

    Raises:
        RowFault: It cannot be decoded.
    """
    if image.bytes is None or not _may_be_turned(image.bytes):
        return image
    turned, is_plain = _upright(image.bytes)
    if is_plain:
        return image
    data = _jpeg(turned, _HIGH_QUALITY)
    return EmbeddedImage(bytes=data, path=f"{hashlib.sha256(data).hexdigest()}.jpg")


def _may_be_turned(data: bytes) -> bool:
    """Whether the header, which costs little to read, states an orientation."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return orientation_of(image) != 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RowFault(FormatRejectReason.UNREADABLE_IMAGE, str(error).partition("<")[0].strip()) from None


def _pixel(percent: float, size: int) -> int:
    return round(min(max(percent, 0.0), 100.0) / 100 * size)


def _upright(data: bytes) -> tuple[Any, bool]:
    """Return a picture as displayed, and whether its file is a JPEG that needs no turning."""
    try:
        decoded = decode_image(data, _LIMITS)
    except ImageProblemError as error:
        raise RowFault(FormatRejectReason.UNREADABLE_IMAGE, str(error)) from None
    is_plain = decoded.mime == "image/jpeg" and decoded.orientation == 1
    return upright(decoded.image, decoded.orientation), is_plain


def _jpeg(image: Any, quality: int = _QUALITY) -> bytes:
    target = io.BytesIO()
    image.convert("RGB").save(target, "JPEG", quality=quality)
    return target.getvalue()
