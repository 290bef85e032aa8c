from __future__ import annotations

import doctest
import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geoseek.training.infer import pictures
from geoseek.training.infer.pictures import (
    Item,
    PictureProblemError,
    Question,
    file_of,
    fitting_size,
    load_item,
    pixels_of,
    prepared,
)
from tests.formats.exports import jpeg
from tests.training.infer.stub import png

BIG = 10**7


def photo(orientation: int = 1) -> bytes:
    """Return a JPEG with a position, a camera, a caption, and red in its stored upper left corner."""
    pixels = np.zeros((60, 90, 3), dtype=np.uint8)
    pixels[:20, :30] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "Paris, Tour Eiffel"
    exif[0x010F] = "Camera of Ana"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=exif, quality=95, comment=b"Champ de Mars")
    return buffer.getvalue()


def test_doctests() -> None:
    assert doctest.testmod(pictures).failed == 0


@pytest.mark.parametrize("max_pixels", [BIG, 1_000])
def test_sent_file_tells_nothing_but_pixels(max_pixels: int) -> None:
    original = photo()
    assert b"Eiffel" in original
    assert Image.open(io.BytesIO(original)).getexif().get_ifd(0x8825)
    sent = file_of(original, max_pixels)
    for secret in (b"Eiffel", b"Ana", b"Champ", b"Exif", b"GPS"):
        assert secret not in sent
    with Image.open(io.BytesIO(sent)) as image:
        assert not dict(image.getexif())
        assert not image.getexif().get_ifd(0x8825)
        assert image.width * image.height <= max_pixels
        assert "comment" not in image.info


def test_pixels_have_no_memory_of_their_file(tmp_path: Path) -> None:
    picture = pixels_of(photo())
    assert picture.info == {}
    assert not picture.getexif()
    assert getattr(picture, "filename", "") == ""
    assert picture.mode == "RGB"


@pytest.mark.parametrize(("orientation", "corner"), [(1, (5, 5)), (3, (85, 55)), (6, (55, 5)), (8, (5, 85))])
def test_pictures_are_turned_as_they_are_displayed(orientation: int, corner: tuple[int, int]) -> None:
    data = photo(orientation)
    for picture in (pixels_of(data), Image.open(io.BytesIO(file_of(data, BIG)))):
        red, green, blue = np.asarray(picture.convert("RGB"))[corner[1], corner[0]]
        assert red > 180
        assert max(green, blue) < 80


def test_small_upright_picture_keeps_its_pixels() -> None:
    data = jpeg(1)
    before, after = (np.asarray(Image.open(io.BytesIO(one))) for one in (data, file_of(data, BIG)))
    assert np.array_equal(before, after)
    assert file_of(data, BIG) == file_of(data, BIG)


def test_modes_and_formats_become_rgb() -> None:
    for mode, kind in (("RGBA", "PNG"), ("P", "GIF"), ("L", "TIFF"), ("CMYK", "JPEG"), ("1", "BMP")):
        buffer = io.BytesIO()
        Image.new(mode, (40, 30)).save(buffer, kind)
        assert pixels_of(buffer.getvalue()).mode == "RGB"
        assert Image.open(io.BytesIO(file_of(buffer.getvalue(), 900))).size[0] <= 40


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty: "),
        (b"<html>no</html>", "not_an_image"),
        (jpeg(0)[:400], "corrupt"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "corrupt"),
    ],
)
def test_broken_pictures_have_a_code(data: bytes, code: str) -> None:
    for prepare in (pixels_of, lambda given: file_of(given, BIG)):
        with pytest.raises(PictureProblemError, match=f"^{code}"):
            prepare(data)


def test_what_is_not_there(tmp_path: Path) -> None:
    for source in (None, tmp_path / "gone.jpg", tmp_path):
        with pytest.raises(PictureProblemError, match="missing_image: ") as caught:
            load_item(Item("a", source))
        assert str(tmp_path) not in str(caught.value)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 10**8))
def test_sizes_fit_and_are_not_enlarged(width: int, height: int, limit: int) -> None:
    new_width, new_height = fitting_size(width, height, limit)
    assert 1 <= new_width * new_height <= max(limit, 1)
    assert new_width <= width
    assert new_height <= height
    if width * height <= limit:
        assert (new_width, new_height) == (width, height)


def test_preparing_keeps_the_order_and_stays_near() -> None:
    taken: list[int] = []

    def questions() -> list[Question]:
        return [Question(n, Item(str(n), png((n + 1, 1), "red"))) for n in range(20)]

    def slow_at_first(data: bytes) -> int:
        width = pixels_of(data).width
        time.sleep(0.02 if width == 1 else 0)
        return width

    def watched() -> object:
        for question in questions():
            taken.append(question.position)
            yield question

    stream = prepared(watched(), slow_at_first, ahead=5)  # type: ignore[arg-type]
    assert next(stream)[1] == 1
    assert len(taken) == 5
    assert [picture for _, picture in stream] == list(range(2, 21))
