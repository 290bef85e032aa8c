"""Decode an image once, within limits, or say why it cannot be used."""

from __future__ import annotations

import contextlib
import functools
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from geoseek.schemas import ImageRejectReason

ORIENTATION_TAG = 0x0112
_TYPES = {
    "JPEG": ("image/jpeg", ".jpg"),
    "MPO": ("image/jpeg", ".jpg"),
    "PNG": ("image/png", ".png"),
    "WEBP": ("image/webp", ".webp"),
    "AVIF": ("image/avif", ".avif"),
    "HEIF": ("image/heic", ".heic"),
    "GIF": ("image/gif", ".gif"),
    "TIFF": ("image/tiff", ".tif"),
    "BMP": ("image/bmp", ".bmp"),
}
"""Formats that are read, by Pillow's name; none that starts other programs (EPS) or holds no photos."""

_SNIFF_BYTES = 1024
_SVG = re.compile(rb"\s*<svg[\s>]", re.IGNORECASE)
_XML = re.compile(rb"\s*(<\?xml|<!--|<!doctype svg)", re.IGNORECASE)
_MAGIC = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n|RIFF....WEBP|GIF8[79]a|II\*\0|MM\0\*|BM|....ftypavi[fs]", re.DOTALL)
_MARKUP = re.compile(rb"\s*(<!doctype|<html|<head|<body|<\?xml|<!--|[\[{])", re.IGNORECASE)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_UTF8_MARK = b"\xef\xbb\xbf"

DECODER_ERRORS = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, EOFError, OverflowError,
    MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files: whatever the bytes lead them to; there is no common base class."""


class ImageProblemError(Exception):
    """An image that cannot be used.

    Attributes:
        reason: The code.
        detail: What exactly was wrong, without paths of this machine.
    """

    def __init__(self, reason: ImageRejectReason, detail: str | None = None) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class PixelLimits:
    """How many pixels (width times height) an image may have.

    Attributes:
        smallest: Fewer are `too_small`.
        largest: More are `too_many_pixels`, found out from the header: such an image is never decoded.
    """

    smallest: int
    largest: int


@dataclass(frozen=True)
class Decoded:
    """A decoded image.

    Attributes:
        image: All pixels of the first frame, as stored: `orientation` is not applied.
        mime: Media type by content.
        suffix: File name ending that belongs to it, with the dot.
        orientation: EXIF orientation, 1 to 8.
        animated: There are more frames.
        xmp: The XMP packet, empty if there is none.
    """

    image: Image.Image
    mime: str
    suffix: str
    orientation: int
    animated: bool
    xmp: bytes


@contextlib.contextmanager
def strict_decoding(limits: PixelLimits) -> Iterator[None]:
    """Set Pillow's global switches for the time of a block: a bomb and a cut-off file are errors, warnings are silent.

    They are global to the process, hence this is entered once, before threads start.
    """
    pixels, truncated = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits.largest, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = pixels, truncated


def decode_image(data: bytes, limits: PixelLimits) -> Decoded:
    """Decode the first frame of an image completely.

    The format is found from the content; names and announced media types play no part.

    Raises:
        ImageProblemError: It is none, is damaged, or breaks the limits.
    """
    _refuse_by_first_bytes(data)
    try:
        image: Any = Image.open(BytesIO(data), formats=_readable())
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageProblemError(ImageRejectReason.TOO_MANY_PIXELS, f"more than {limits.largest}") from error
    except UnidentifiedImageError as error:
        if _MAGIC.match(data):
            raise ImageProblemError(ImageRejectReason.CORRUPT, "the header is damaged") from error
        raise ImageProblemError(ImageRejectReason.NOT_AN_IMAGE, "no known image format") from error
    except DECODER_ERRORS as error:
        raise ImageProblemError(ImageRejectReason.CORRUPT, _words(error)) from error
    mime, suffix = _TYPES[image.format]
    pixels = image.width * image.height
    shown = f"{image.width} x {image.height}"
    if pixels > limits.largest:
        raise ImageProblemError(ImageRejectReason.TOO_MANY_PIXELS, shown)
    if pixels < limits.smallest:
        raise ImageProblemError(ImageRejectReason.TOO_SMALL, shown)
    try:
        animated = mime != "image/jpeg" and bool(getattr(image, "is_animated", False))
        image.seek(0)
        orientation = orientation_of(image)
        xmp = image.info.get("xmp", b"")
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageProblemError(ImageRejectReason.TOO_MANY_PIXELS, f"more than {limits.largest}") from error
    except DECODER_ERRORS as error:
        raise ImageProblemError(ImageRejectReason.CORRUPT, _words(error)) from error
    return Decoded(image, mime, suffix, orientation, animated, xmp if isinstance(xmp, bytes) else str(xmp).encode())


def orientation_of(image: Image.Image) -> int:
    """Return the orientation of an opened image, 1 if it states none that exists; EXIF goes before XMP."""
    try:
        value = image.getexif().get(ORIENTATION_TAG)
    except DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn stored pixels the way they are displayed.

    Args:
        image: As stored.
        orientation: EXIF orientation, 1 to 8 (Exif 3.0, tag 0x0112).
    """
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(methods[orientation]) if orientation in methods else image


def grey(image: Image.Image) -> Image.Image:
    """Return an image in 8-bit grey; 16-bit and floating values are scaled, where Pillow would cut them off."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        top = 65535.0 if image.mode.startswith("I;16") else float(values.max(initial=1.0))
        scaled = np.clip(np.nan_to_num(values) * (255.0 / max(top, 255.0)), 0, 255)
        return Image.fromarray(scaled.astype(np.uint8))
    if image.mode == "LAB":
        return image.getchannel("L")
    if image.mode in ("P", "PA"):
        image = image.convert("RGB")
    return image if image.mode == "L" else image.convert("L")


def _refuse_by_first_bytes(data: bytes) -> None:
    """Name what Pillow would only call unknown."""
    if not data:
        raise ImageProblemError(ImageRejectReason.EMPTY)
    head = data[:_SNIFF_BYTES].removeprefix(_UTF8_MARK)
    if _SVG.match(head) or (_XML.match(head) and _SVG.search(head)):
        raise ImageProblemError(ImageRejectReason.UNSUPPORTED_FORMAT, "SVG")
    if _MARKUP.match(head):
        raise ImageProblemError(ImageRejectReason.NOT_AN_IMAGE, "a web page or other text")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS and not _register_plugins():
        detail = "HEIC; install pillow-heif to read it"
        raise ImageProblemError(ImageRejectReason.UNSUPPORTED_FORMAT, detail)


@functools.cache
def _register_plugins() -> bool:
    """Make HEIC readable if the plug-in is installed, and return whether it is."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return False
    register_heif_opener()
    return True


@functools.cache
def _readable() -> list[str]:
    Image.init()
    _register_plugins()
    return [name for name in _TYPES if name in Image.OPEN]


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    # Pillow's messages may quote the in-memory file with its address, which differs from run to run.
    text = re.sub(r"<_io\.BytesIO[^>]*>", "it", text)
    return text[:200] or type(error).__name__
