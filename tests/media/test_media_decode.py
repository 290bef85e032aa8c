from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from geoseek.media import ExamineSettings, ImageProblemError, PixelLimits, decode_image, strict_decoding, upright
from geoseek.media.decode import grey
from geoseek.media.examine import examine
from geoseek.schemas import ImageKind, ImageRejectReason
from tests.media_support import MakePicture, drawn_image

LIMITS = PixelLimits(smallest=100, largest=1_000_000)


def encoded(image: Image.Image, codec: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, codec, **options)
    return buffer.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    across = np.linspace(0, 255, size[0]).astype(np.uint8)
    pixels = np.broadcast_to(across[None, :, None], (size[1], size[0], 3))
    return Image.fromarray(np.ascontiguousarray(pixels)).convert(mode)


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose header promises that size, with next to no data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


SIXTEEN_BIT = Image.fromarray(np.linspace(0, 65535, 1200).astype(np.uint16).reshape(30, 40))


@pytest.mark.parametrize(
    ("data", "mime", "suffix", "mode"),
    [
        (encoded(gradient(), "JPEG"), "image/jpeg", ".jpg", "RGB"),
        (encoded(gradient("L"), "JPEG"), "image/jpeg", ".jpg", "L"),
        (encoded(gradient("CMYK"), "JPEG"), "image/jpeg", ".jpg", "CMYK"),
        (encoded(gradient(), "JPEG", progressive=True), "image/jpeg", ".jpg", "RGB"),
        (encoded(gradient("RGBA"), "PNG"), "image/png", ".png", "RGBA"),
        (encoded(gradient("P"), "PNG"), "image/png", ".png", "P"),
        (encoded(SIXTEEN_BIT, "PNG"), "image/png", ".png", "I;16"),
        (encoded(SIXTEEN_BIT, "TIFF"), "image/tiff", ".tif", "I;16"),
        (encoded(gradient(), "WEBP"), "image/webp", ".webp", "RGB"),
        (encoded(gradient(), "BMP"), "image/bmp", ".bmp", "RGB"),
    ],
)
def test_formats_are_found_by_content(data: bytes, mime: str, suffix: str, mode: str) -> None:
    found = decode_image(data, LIMITS)
    assert (found.mime, found.suffix, found.image.mode) == (mime, suffix, mode)
    assert (found.image.size, found.orientation, found.animated) == ((40, 30), 1, False)


@pytest.mark.parametrize("codec", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_counts(codec: str) -> None:
    data = encoded(gradient(), codec, save_all=True, append_images=[gradient().rotate(180)], lossless=True)
    found = decode_image(data, LIMITS)
    assert found.animated
    assert np.asarray(found.image.convert("L"))[0, 0] < 20


JPEG = encoded(gradient(), "JPEG", quality=95)
HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(12)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ImageRejectReason.EMPTY),
        (b"<!DOCTYPE html><html><body>Not found<svg></svg>", ImageRejectReason.NOT_AN_IMAGE),
        (b"  <html>", ImageRejectReason.NOT_AN_IMAGE),
        (b'{"error": "quota"}', ImageRejectReason.NOT_AN_IMAGE),
        (b"plain text", ImageRejectReason.NOT_AN_IMAGE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ImageRejectReason.NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ImageRejectReason.UNSUPPORTED_FORMAT),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg>", ImageRejectReason.UNSUPPORTED_FORMAT),
        (HEIC, ImageRejectReason.UNSUPPORTED_FORMAT),
        (JPEG[: len(JPEG) // 2], ImageRejectReason.CORRUPT),
        (JPEG[:20], ImageRejectReason.CORRUPT),
        (encoded(gradient(), "PNG")[:-40], ImageRejectReason.CORRUPT),
        (encoded(gradient(), "WEBP")[:-20], ImageRejectReason.CORRUPT),
        (encoded(gradient(size=(9, 9)), "PNG"), ImageRejectReason.TOO_SMALL),
        (png_of_size(1001, 1000), ImageRejectReason.TOO_MANY_PIXELS),
        (png_of_size(60_000, 60_000), ImageRejectReason.TOO_MANY_PIXELS),
        (png_of_size(900, 900), ImageRejectReason.CORRUPT),
    ],
)
def test_what_cannot_be_used_has_a_code(data: bytes, reason: ImageRejectReason) -> None:
    with strict_decoding(LIMITS), pytest.raises(ImageProblemError) as caught:
        decode_image(data, LIMITS)
    assert caught.value.reason is reason
    assert "0x" not in (caught.value.detail or "")


def test_a_bomb_is_refused_without_the_switches_too() -> None:
    with pytest.raises(ImageProblemError, match="too_many_pixels"):
        decode_image(png_of_size(5000, 5000), LIMITS)


def test_pillows_switches_are_put_back() -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with strict_decoding(LIMITS):
            assert LIMITS.largest == Image.MAX_IMAGE_PIXELS
            assert not ImageFile.LOAD_TRUNCATED_IMAGES
        assert ImageFile.LOAD_TRUNCATED_IMAGES
    finally:
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_what_viewers_show(orientation: int, picture: MakePicture) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = picture(1, exif=exif)
    found = decode_image(data, LIMITS)
    with Image.open(io.BytesIO(data)) as image:
        shown = ImageOps.exif_transpose(image)
    assert found.orientation == orientation
    assert np.array_equal(np.asarray(upright(found.image, found.orientation)), np.asarray(shown))


def test_an_impossible_orientation_is_none(picture: MakePicture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert decode_image(picture(1, exif=exif), LIMITS).orientation == 1


def test_grey_keeps_the_range_of_16_bits() -> None:
    values = np.asarray(grey(SIXTEEN_BIT)).ravel()
    assert values[0] == 0
    assert values[-1] == 255
    assert (np.diff(values.astype(int)) >= 0).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F"])
def test_pictures_of_every_pixel_format_are_hashed_and_cut(mode: str, tmp_path: Path) -> None:
    wide = drawn_image(3, (1024, 512))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        wide = ImageCms.profileToProfile(wide, *profiles, outputMode="LAB") or wide
    else:
        wide = wide.convert("L").convert(mode) if mode in ("LA", "I", "F", "1") else wide.convert(mode)
    data = encoded(wide, "TIFF")
    views = ExamineSettings(PixelLimits(1, 10**7), pano_views=2)
    try:
        found = examine(data, tmp_path, views, ImageKind.PANORAMA)
    except ImageProblemError as error:
        problem = error
    else:
        assert len(found.views) == 2
        return
    assert (mode, problem.reason) == ("LAB", ImageRejectReason.UNSUPPORTED_FORMAT)
    assert not list(tmp_path.iterdir())


@given(
    codec=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_damage_gives_a_picture_or_a_code(codec: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(encoded(gradient(), codec))
    for place, value in changes:
        data[place % len(data)] = value
    if cut % 3 == 0:
        del data[cut % len(data) :]
    with strict_decoding(LIMITS), contextlib.suppress(ImageProblemError):
        found = decode_image(bytes(data), LIMITS)
        assert found.image.width * found.image.height <= LIMITS.largest
