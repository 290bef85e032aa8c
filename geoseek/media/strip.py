"""Take the metadata out of image files without touching their pixels.

What stays is what decoding and display need: the colour profile, and an EXIF block of one tag where the picture has to
be turned. Everything that is not known to be needed goes: positions, times, cameras, serial numbers, captions,
thumbnails, edit histories, private blocks, and whatever follows the end of the picture.

Sources: ITU-T T.81 annex B (JPEG markers), JFIF 1.02, CIPA DC-007 (MPO), ICC.1 annex B.4; PNG specification, third
edition; RFC 9649 (WebP).
"""

from __future__ import annotations

import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from geoseek.media.decode import DECODER_ERRORS, ORIENTATION_TAG, orientation_of, upright
from geoseek.schemas import InputError

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset([
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"CgBI", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV",
    b"cLLI", b"sBIT", b"bKGD", b"hIST", b"pHYs", b"acTL", b"fcTL", b"fdAT",
])  # fmt: skip
_WEBP_KEPT = frozenset([b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])
_WEBP_FRAME_KEPT = frozenset([b"VP8 ", b"VP8L", b"ALPH"])
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04
_ANMF_HEADER = 16

_SOI, _EOI, _SOS, _COM, _TEM = 0xD8, 0xD9, 0xDA, 0xFE, 0x01
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_RESTARTS = range(0xD0, 0xD8)
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JFIF, _ICC, _ADOBE = b"JFIF\x00", b"ICC_PROFILE\x00", b"Adobe"
_JFIF_BYTES = 14

_WARNINGS = threading.Lock()


@dataclass(frozen=True)
class CleanImage:
    """An image file without metadata.

    Attributes:
        data: The file.
        mime: Its media type.
        suffix: Its file name ending, with the dot.
        lossless: The decoded pixels are those of the original; false only where the format had to be left
            (`clean_image`) and the new one has no such pixels (CMYK, floating point).
    """

    data: bytes
    mime: str
    suffix: str
    lossless: bool


def strip_metadata(data: bytes) -> bytes:
    """Remove the metadata of a JPEG, PNG or WebP file; the compressed pixels are copied as they are.

    Doing it again changes nothing. The orientation that remains is the one that Pillow reads (EXIF, else XMP).

    Args:
        data: A complete file.

    Raises:
        InputError: It is a file of another format (see `clean_image`), or its structure is broken.
    """
    kind = _container(data)
    if kind is None:
        raise InputError(
            "This is no JPEG, PNG or WebP file: its metadata cannot be taken out without decoding it.",
            hint="Use clean_image(), which writes other formats anew as PNG.",
        )
    try:
        orientation = _orientation(data)
        if kind == "image/jpeg":
            return _strip_jpeg(data, orientation)
        return _strip_png(data, orientation) if kind == "image/png" else _strip_webp(data, orientation)
    except (IndexError, struct.error) as error:
        raise InputError(f"The {kind} file is cut off or damaged.") from error


def clean_image(data: bytes) -> CleanImage:
    """Return any readable image without metadata, as it may leave the workspace.

    JPEG, PNG and WebP stay what they are (`strip_metadata`). Of other formats, the first frame is written as PNG,
    turned upright, with its colour profile.

    Raises:
        InputError: It cannot be read.
    """
    suffixes = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
    kind = _container(data)
    if kind is not None:
        return CleanImage(strip_metadata(data), kind, suffixes[kind], lossless=True)
    try:
        with Image.open(BytesIO(data)) as image:
            image.seek(0)
            profile = image.info.get("icc_profile")
            pixels: Image.Image = upright(image.copy(), orientation_of(image))
            same = pixels.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
            if not same:
                # The profile of CMYK pixels would be wrong for the RGB ones.
                profile = None
                pixels = pixels.convert("RGBA" if "A" in pixels.mode or "a" in pixels.mode else "RGB")
            pixels.info.clear()
            buffer = BytesIO()
            pixels.save(buffer, "PNG", icc_profile=profile)
    except (*DECODER_ERRORS, Image.DecompressionBombError) as error:
        raise InputError(f"The image cannot be read: {type(error).__name__}.") from error
    return CleanImage(strip_metadata(buffer.getvalue()), "image/png", ".png", lossless=same)


def _container(data: bytes) -> str | None:
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == _PNG_SIGNATURE:
        return "image/png"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _orientation(data: bytes) -> int:
    try:
        # Pillow warns of odd metadata, which are about to go. The filters of warnings are global, hence the lock.
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data)) as image:
                return orientation_of(image)
    except (*DECODER_ERRORS, Image.DecompressionBombError) as error:
        raise InputError(f"The header of the image cannot be read: {type(error).__name__}.") from error


def minimal_exif(orientation: int) -> bytes:
    """Return the TIFF structure of an EXIF block with the orientation and nothing else.

    >>> len(minimal_exif(6))
    26
    """
    header = b"MM\x00*" + struct.pack(">I", 8)
    entry = struct.pack(">HHIHH", ORIENTATION_TAG, 3, 1, orientation, 0)
    return header + struct.pack(">H", 1) + entry + struct.pack(">I", 0)


def _strip_jpeg(data: bytes, orientation: int) -> bytes:
    kept, others = [b"\xff\xd8"], []
    jfif = None
    for marker, content in _jpeg_parts(data):
        if marker == _APP0 and content[4:9] == _JFIF:
            jfif = jfif or content
        elif _is_needed_segment(marker, content):
            others.append(content)
    if jfif is not None:
        kept.append(_without_thumbnail(jfif))
    if orientation != 1:
        body = b"Exif\x00\x00" + minimal_exif(orientation)
        kept.append(struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body)
    return b"".join([*kept, *others])


def _is_needed_segment(marker: int, content: bytes) -> bool:
    if marker == _APP2:
        return content[4:].startswith(_ICC)
    if marker == _APP14:
        # It says how the colours are encoded; without it, CMYK and RGB files would be decoded wrongly.
        return content[4:].startswith(_ADOBE)
    return not (_APP0 <= marker <= _APP15 or marker == _COM)


def _without_thumbnail(segment: bytes) -> bytes:
    body = segment[4 : 4 + _JFIF_BYTES - 2] + b"\x00\x00"
    return segment[:2] + struct.pack(">H", len(body) + 2) + body


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, bytes) from after SOI to EOI; a scan's bytes go with its SOS marker, filler bytes are dropped."""
    position = 2
    while True:
        if data[position] != 0xFF:
            raise InputError(f"The JPEG file is damaged at byte {position}: a marker is missing.")
        while data[position] == 0xFF:
            position += 1
        marker = data[position]
        position += 1
        if marker == _EOI:
            yield marker, b"\xff\xd9"
            return
        if marker in _RESTARTS or marker in (_TEM, _SOI):
            continue
        (length,) = struct.unpack_from(">H", data, position)
        stop = position + length
        if length < 2 or stop > len(data):
            raise InputError(f"The JPEG file is cut off at byte {position}.")
        if marker == _SOS:
            stop = _scan_end(data, stop)
        yield marker, bytes((0xFF, marker)) + data[position:stop]
        position = stop


def _scan_end(data: bytes, position: int) -> int:
    """Return where the entropy-coded bytes end: at the first marker that is no restart and no stuffed zero."""
    marker = _SCAN_END.search(data, position)
    if marker is None:
        raise InputError("The JPEG file has no end: it is cut off.")
    return marker.start()


def _strip_png(data: bytes, orientation: int) -> bytes:
    kept = [_PNG_SIGNATURE]
    position = len(_PNG_SIGNATURE)
    while True:
        (length,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        stop = position + 12 + length
        if stop > len(data):
            raise InputError(f"The PNG file is cut off at byte {position}.")
        if name in _PNG_KEPT:
            kept.append(data[position:stop])
        if name == b"IHDR" and orientation != 1:
            kept.append(_png_chunk(b"eXIf", minimal_exif(orientation)))
        if name == b"IEND":
            return b"".join(kept)
        position = stop


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _strip_webp(data: bytes, orientation: int) -> bytes:
    kept: list[tuple[bytes, bytes]] = []
    (size,) = struct.unpack_from("<I", data, 4)
    if 8 + size > len(data):
        raise InputError("The WebP file is cut off.")
    for name, body in _riff_chunks(data[12 : 8 + size]):
        if name == b"VP8X":
            flags = body[0] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG)
            body = bytes((flags | (_WEBP_EXIF_FLAG if orientation != 1 else 0),)) + body[1:]
        if name == b"ANMF":
            inner = [pair for pair in _riff_chunks(body[_ANMF_HEADER:]) if pair[0] in _WEBP_FRAME_KEPT]
            body = body[:_ANMF_HEADER] + _riff(inner)
        if name in _WEBP_KEPT:
            kept.append((name, body))
    # Only the extended form has an EXIF chunk, so that a file with an orientation begins with VP8X.
    if orientation != 1:
        kept.append((b"EXIF", minimal_exif(orientation)))
    content = b"WEBP" + _riff(kept)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        stop = position + 8 + length
        if stop > len(data):
            raise InputError("The WebP file is cut off or damaged.")
        yield data[position : position + 4], data[position + 8 : stop]
        position = stop + length % 2


def _riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2) for name, body in chunks)
