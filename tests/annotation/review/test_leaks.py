"""What cannot be read off a picture is found in every script, and what can be is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.review import load_review_settings
from geoseek.annotation.review.leaks import find_leaks

SETTINGS = load_review_settings(Path(__file__).parent).leaks


def leaks(text: str) -> list[str]:
    return find_leaks(text, words=SETTINGS.words, map_hosts=SETTINGS.map_hosts)


@pytest.mark.parametrize(
    "text",
    [
        "48.8584, 2.2945",
        "(-33.8688 151.2093)",
        "48,8584; 2,2945",
        "at 41.40338,2.17403.",
        "48.8584° N",
        "N 48.8584° E 2.2945°",
        "lat 48.85 lng 2.29",
        "Latitude: 48.85",
        "48°51'30\"N 2°17'40\"E",
        "48° 51.5′ N",
        "39°54′N",
        "широта 55.75",
        "55.7558° с.ш.",
        "北纬39.9042",
        "北緯35度41分",
        "８８．１２３４，１２．３４５６",
        "٤٨٫٨٥٨٤, ٢٫٢٩٤٥",
        "४८.८५८४, २.२९४५",
        "8FW4V75V+8Q",
        "v75v+8q Paris",
        "https://www.google.com/maps/place/x",
        "maps.app.goo.gl/abc",
        "see openstreetmap.org/#map=5/51/0",
        "https://example.org/@48.85,2.29,17z",
        "geo:48.8,2.3",
        "///filled.count.soap",
        "the file is IMG_20230401_123.jpg",
        "DSC_0042",
        "photo.HEIC",
        "The EXIF says Peru",
        "by GPS",
        "found it with a reverse image  search",
        "查看元数据显示是北京",
        "メタデータによると",
        "по метаданные",
    ],
)
def test_leak_is_found(text: str) -> None:
    assert leaks(f"I think so: {text}")
    assert leaks(text)


@pytest.mark.parametrize(
    "text",
    [
        "A sign 'A 45', the plate AB12+34 and the number 0800 123 456",
        "23.5 °C in the shade, prices 3.50, 4.20 and 1,299, 2,499",
        "1.299 €, 2.499 €",
        "the sun stands at a 45° angle, so about 60° N",
        "45° N of the equator",
        "a shop with the address www.panaderia.mx and a bus of the line 66",
        "km 48.5, route 2.5, speed 50.5 km/h",
        "from 5.5 to 6.5 metres",
        "version 1.2.3.4 on 1990.12.31 at 12:30",
        "Highway N 123, E 45 motorway north",
        "P 1234 and a 30° slope east",
        "the imgur-like poster, the dsc club",
        "Гора 3.5 км к северу, дорога Р-255",
        "東3.5キロ、北5度の坂",
        "GPSX is a brand; metadatabase; biogps",
    ],
)
def test_harmless_words_are_left_alone(text: str) -> None:
    assert leaks(text) == []


def test_finding_is_quoted_once_and_whole() -> None:
    assert leaks("48.8584, 2.2945 and again 48.8584, 2.2945; GPS") == ["48.8584, 2.2945", "GPS"]


def test_coordinates_outside_the_globe_are_none() -> None:
    assert leaks("95.1234, 12.1234") == []
    assert leaks("45.1234, 190.1234") == []


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert all(isinstance(leak, str) for leak in leaks(text))


@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from([", ", " ", "; ", "/"]))
def test_any_decimal_pair_is_found(lat: float, lng: float, between: str) -> None:
    assert leaks(f"there: {lat:.5f}{between}{lng:.5f}.")


@pytest.mark.parametrize(
    "text", ["1" * 30_000, "1.1 " * 10_000, "-" * 30_000, "a.b" * 10_000, "北" * 30_000, "°1" * 15_000]
)
def test_hostile_texts_end(text: str) -> None:
    leaks(text)
