from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from geoseek.media import clean_image, strip_metadata
from geoseek.schemas import InputError
from tests.media_support import MakePicture

SECRET = b"SECRET-CAMERA-4711"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf>' + SECRET + b"</rdf></x:xmpmeta>"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PROFILE_KEYS = {"JPEG": b"ICC_PROFILE", "PNG": b"iCCP", "WEBP": b"ICCP"}


def exif_block(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = SECRET.decode()
    exif[0x9286] = SECRET.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (55.0, 41.0, 53.0), 3: "E", 4: (13.0, 11.0, 42.0)})
    return exif


def pixels(data: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def shown(data: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image))


def with_everything(codec: str, orientation: int, **options: Any) -> bytes:
    noise = np.random.default_rng(5).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    buffer = io.BytesIO()
    if codec == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", SECRET.decode())
        text.add_text("Zipped", SECRET.decode() * 9, zip=True)
        text.add_itxt("Comment", SECRET.decode())
        text.add(b"tIME", bytes(7))
        text.add(b"prVt", SECRET)
        options["pnginfo"] = text
    if codec == "JPEG":
        options["comment"] = SECRET
    image.save(buffer, codec, exif=exif_block(orientation), xmp=XMP, icc_profile=PROFILE, **options)
    return buffer.getvalue()


def jpeg_with(*segments: tuple[int, bytes], after: bytes = b"", base: bytes | None = None) -> bytes:
    base = base or with_everything("JPEG", 1)
    extra = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return base[:2] + extra + base[2:] + after


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_rows": 1}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 70}),
    ],
)
def test_metadata_go_and_pixels_stay(codec: str, options: dict[str, Any], orientation: int) -> None:
    data = with_everything(codec, orientation, **options)
    assert SECRET in data
    clean = strip_metadata(data)
    assert SECRET not in clean
    assert len(clean) < len(data)
    assert np.array_equal(pixels(clean), pixels(data))
    assert np.array_equal(shown(clean), shown(data))
    with Image.open(io.BytesIO(clean)) as image:
        assert dict(image.getexif()) == ({} if orientation == 1 else {0x0112: orientation})
        assert image.info["icc_profile"] == PROFILE
        assert "xmp" not in image.info
        assert image.format == codec
        image.load()
        assert not getattr(image, "text", {})
    assert PROFILE_KEYS[codec] in clean
    assert strip_metadata(clean) == clean


def test_jpeg_segments_of_all_kinds_go() -> None:
    jfif_thumbnail = b"JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x02\x01" + SECRET[:6]
    data = jpeg_with(
        (0xE0, jfif_thumbnail),
        (0xE0, b"JFXX\x00\x10" + SECRET),
        (0xE2, b"MPF\x00" + SECRET),
        (0xED, b"Photoshop 3.0\x008BIM" + SECRET),
        (0xEC, b"Ducky" + SECRET),
        (0xFE, SECRET),
        after=b"\xff\xd8" + SECRET + b"trailing film of a motion photo",
    )
    clean = strip_metadata(data)
    assert SECRET not in clean
    assert SECRET[:6] not in clean
    assert clean.endswith(b"\xff\xd9")
    assert np.array_equal(pixels(clean), pixels(with_everything("JPEG", 1)))


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
def test_jpeg_keeps_its_colour_encoding(mode: str, picture: MakePicture) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture(3))) as image:
        image.convert(mode).save(buffer, "JPEG", quality=90, keep_rgb=mode == "RGB")
    data = buffer.getvalue()
    assert np.array_equal(pixels(strip_metadata(data)), pixels(data))


def test_jpeg_with_fill_bytes_is_understood() -> None:
    data = with_everything("JPEG", 6)
    filled = data[:2] + b"\xff\xff" + data[2:]
    assert strip_metadata(filled) == strip_metadata(data)


def test_animations_keep_all_frames(picture: MakePicture) -> None:
    frames = [Image.open(io.BytesIO(picture(n, "PNG", (40, 30)))).convert("RGB") for n in range(3)]
    for codec in ("PNG", "WEBP"):
        buffer = io.BytesIO()
        frames[0].save(buffer, codec, save_all=True, append_images=frames[1:], lossless=True, exif=exif_block(6))
        clean = strip_metadata(buffer.getvalue())
        assert SECRET not in clean
        with Image.open(io.BytesIO(clean)) as image:
            count = getattr(image, "n_frames", 1)
            assert count == 3
            image.seek(2)
            assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(frames[2]))


def test_real_photos(photos: Path) -> None:
    for path in [*sorted((photos / "lund").glob("0*.jpg"))[:3], *sorted((photos / "berlin").glob("*.jpg"))[:1]]:
        data = path.read_bytes()
        clean = strip_metadata(data)
        with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(clean)) as after:
            assert before.getexif()
            assert set(dict(after.getexif())) <= {0x0112}
            assert after.info.get("icc_profile") == before.info.get("icc_profile")
        assert np.array_equal(shown(clean), shown(data))


def test_orientation_that_only_xmp_states_is_kept() -> None:
    xmp = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><rdf tiff:Orientation="8"/></x:xmpmeta>'
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (9, 99, 9)).save(buffer, "PNG", pnginfo=_itxt("XML:com.adobe.xmp", xmp.decode()))
    clean = strip_metadata(buffer.getvalue())
    with Image.open(io.BytesIO(clean)) as image:
        assert image.getexif()[0x0112] == 8


def _itxt(key: str, text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, text)
    return info


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a" + bytes(40),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\xff\xff",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31) + b"IHDR",
        b"RIFF\xff\xff\xff\x00WEBPVP8 ",
        with_everything("JPEG", 1)[:-30],
        with_everything("PNG", 1)[:-30],
        with_everything("WEBP", 1)[:-30],
    ],
)
def test_broken_files_are_an_error_in_words(data: bytes) -> None:
    with pytest.raises(InputError):
        strip_metadata(data)


@given(
    codec=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    changes=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 20_000),
)
@settings(max_examples=150, deadline=None)
def test_damage_never_escapes_as_another_exception(codec: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(with_everything(codec, 6))
    for place, value in changes:
        data[place % len(data)] = value
    del data[max(1, cut % len(data)) :]
    with contextlib.suppress(InputError):
        strip_metadata(bytes(data))


@pytest.mark.parametrize(
    ("codec", "mode", "lossless"),
    [("TIFF", "RGB", True), ("TIFF", "CMYK", False), ("GIF", "P", True), ("BMP", "RGB", True)],
)
def test_other_formats_leave_as_png(codec: str, mode: str, lossless: bool, picture: MakePicture) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture(2, size=(50, 40)))) as image:
        options: dict[str, Any] = {"exif": exif_block()} if codec == "TIFF" else {}
        image.convert(mode).save(buffer, codec, **options)
    clean = clean_image(buffer.getvalue())
    assert (clean.mime, clean.suffix, clean.lossless) == ("image/png", ".png", lossless)
    assert SECRET not in clean.data
    if lossless:
        with Image.open(io.BytesIO(buffer.getvalue())) as image:
            expected = np.asarray(image.convert("RGB"))
        with Image.open(io.BytesIO(clean.data)) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), expected)


def test_clean_image_strips_what_can_be_stripped() -> None:
    data = with_everything("JPEG", 6)
    assert clean_image(data).data == strip_metadata(data)
    with pytest.raises(InputError):
        clean_image(b"no image")


def test_a_gigantic_picture_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError):
        strip_metadata(with_everything("JPEG", 1))


def test_png_checksums_are_right() -> None:
    clean = strip_metadata(with_everything("PNG", 3))
    place = 8
    names = []
    while place < len(clean):
        (length,) = struct.unpack_from(">I", clean, place)
        body = clean[place + 4 : place + 8 + length]
        assert struct.unpack_from(">I", clean, place + 8 + length)[0] == zlib.crc32(body)
        names.append(body[:4])
        place += 12 + length
    assert names[:2] == [b"IHDR", b"eXIf"]
    assert names[-1] == b"IEND"
