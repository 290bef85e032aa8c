from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from geoseek.media import PhotoMetadata, read_photo_metadata
from geoseek.media.exif import gps_position
from geoseek.schemas import InputError

PARIS = {1: "N", 2: (48.0, 51.0, 0.0), 3: "E", 4: (2.0, 21.0, 0.0)}


def photo(
    path: Path, gps: dict[int, Any] | None = None, taken: dict[int, Any] | None = None, **main: Any
) -> PhotoMetadata:
    exif = Image.Exif()
    for name, value in main.items():
        exif[int(name.removeprefix("tag_"))] = value
    if gps is not None:
        exif[0x8825] = gps
    if taken is not None:
        exif[0x8769] = taken
    Image.new("RGB", (8, 6)).save(path, exif=exif.tobytes())
    return read_photo_metadata(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(
    ("north", "east", "lat", "lng"),
    [("N", "E", 48.85, 2.35), ("S", "E", -48.85, 2.35), ("N", "W", 48.85, -2.35), ("S", "W", -48.85, -2.35)],
)
def test_hemispheres(north: str, east: str, lat: float, lng: float, suffix: str, tmp_path: Path) -> None:
    found = photo(tmp_path / f"a.{suffix}", {**PARIS, 1: north, 3: east})
    assert found.no_position is None
    assert (found.lat, found.lng) == pytest.approx((lat, lng), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({1: None}, "no N/S reference"),
        ({3: None}, "no E/W reference"),
        ({1: "E"}, "no N/S reference"),
        ({1: "\x00"}, "no N/S reference"),
        ({2: None}, "no latitude"),
        ({4: None}, "no longitude"),
        ({2: (IFDRational(1, 0), 0.0, 0.0)}, "latitude is not a number"),
        ({4: (2.0, IFDRational(0, 0), 0.0)}, "longitude is not a number"),
        ({2: ()}, "latitude is not a number"),
        ({2: (1.0, 2.0, 3.0, 4.0)}, "latitude is not a number"),
        ({2: ("x",)}, "latitude is not a number"),
    ],
)
def test_what_is_no_position(change: dict[int, Any], reason: str) -> None:
    tags = {tag: value for tag, value in {**PARIS, **change}.items() if value is not None}
    assert gps_position(tags) == reason


def test_zero_denominators_written_to_a_file(tmp_path: Path) -> None:
    broken = (IFDRational(48, 1), IFDRational(0, 0), IFDRational(0, 1))
    found = photo(tmp_path / "a.jpg", {**PARIS, 2: broken})
    assert (found.lat, found.lng, found.no_position) == (None, None, "latitude is not a number")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({1: b"s\x00", 2: (33.5,), 3: "west", 4: 151.25}, (-33.5, -151.25)),
        ({2: (-33.5,), 4: (-151.0, 15.0)}, (-33.5, -151.25)),
        ({1: "N", 2: (95.0, 0.0, 0.0), 3: "E", 4: (200.0, 0.0, 0.0)}, (95.0, 200.0)),
    ],
)
def test_unusual_but_clear(tags: dict[int, Any], expected: tuple[float, float]) -> None:
    assert gps_position(tags) == expected


@given(st.floats(0, 90), st.sampled_from("NS"), st.floats(0, 180), st.sampled_from("EW"))
def test_degrees_minutes_seconds_come_back(lat: float, north: str, lng: float, east: str) -> None:
    def parts(value: float) -> tuple[float, float, float]:
        minutes, degrees = math.modf(value)
        seconds, whole = math.modf(minutes * 60)
        return degrees, whole, seconds * 60

    found = gps_position({1: north, 2: parts(lat), 3: east, 4: parts(lng)})
    assert not isinstance(found, str)
    assert found[0] == pytest.approx(lat * (1 if north == "N" else -1), abs=1e-9)
    assert found[1] == pytest.approx(lng * (1 if east == "E" else -1), abs=1e-9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int, tmp_path: Path) -> None:
    assert photo(tmp_path / "a.jpg", PARIS, tag_274=orientation).orientation == orientation


def test_orientation_out_of_range_is_unknown(tmp_path: Path) -> None:
    assert photo(tmp_path / "a.jpg", PARIS, tag_274=9).orientation is None
    assert photo(tmp_path / "b.jpg", PARIS).orientation is None


@pytest.mark.parametrize(
    ("taken", "gps", "expected"),
    [
        ({0x9003: "2014:05:26 12:56:02"}, {}, "2014-05-26T12:56:02"),
        (
            {0x9003: "2014:05:26 12:56:02", 0x9011: "+02:00", 0x9291: "384"},
            {},
            "2014-05-26T12:56:02.384+02:00",
        ),
        ({0x9003: "2014:05:26 12:56:02", 0x9011: "nonsense", 0x9291: "x"}, {}, "2014-05-26T12:56:02"),
        ({0x9003: "0000:00:00 00:00:00", 0x9004: "2014:05:26 12:56:02"}, {}, "2014-05-26T12:56:02"),
        ({0x9003: "    :  :     :  :  "}, {}, None),
        ({}, {7: (10.0, 56.0, 2.0), 29: "2014:05:26"}, "2014-05-26T10:56:02Z"),
        ({}, {7: (10.0, 56.0, 2.0)}, None),
        ({}, {7: (99.0, 56.0, 2.0), 29: "2014:05:26"}, None),
    ],
)
def test_capture_time(taken: dict[int, Any], gps: dict[int, Any], expected: str | None, tmp_path: Path) -> None:
    assert photo(tmp_path / "a.jpg", {**PARIS, **gps}, taken).captured_at == expected


def test_mapillary_sequence(tmp_path: Path) -> None:
    description = json.dumps({"MAPSequenceUUID": "abc", "MAPLatitude": "1"})
    assert photo(tmp_path / "a.jpg", PARIS, tag_270=description).sequence_id == "abc"
    for other in ("{broken", "A street", '{"MAPSequenceUUID": 5}', "[1]"):
        assert photo(tmp_path / "b.jpg", PARIS, tag_270=other).sequence_id is None


def test_a_photo_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (2, 2)).save(path)
    assert read_photo_metadata(path) == PhotoMetadata(None, None, None, None, None, "no latitude")


@given(st.binary(max_size=200))
def test_rubbish_is_an_input_error(rubbish: bytes) -> None:
    import tempfile
    import warnings

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        for content in (rubbish, b"\xff\xd8" + rubbish, b"\x89PNG\r\n\x1a\n" + rubbish, b"II*\x00" + rubbish):
            path.write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with pytest.raises(InputError, match=r"a\.jpg is not a photo"):
                    read_photo_metadata(path)


@given(st.data())
def test_damaged_exif_is_never_a_crash(data: st.DataObject) -> None:
    import tempfile
    import warnings

    exif = Image.Exif()
    exif[0x8825] = PARIS
    exif[0x8769] = {0x9003: "2014:05:26 12:56:02"}
    raw = bytearray(exif.tobytes())
    for position in data.draw(st.lists(st.integers(6, len(raw) - 1), min_size=1, max_size=6)):
        raw[position] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "a.jpg"
        Image.new("RGB", (8, 6)).save(path, exif=bytes(raw))
        try:
            found = read_photo_metadata(path)
        except InputError:
            return
        assert (found.lat is None) == (found.lng is None) == (found.no_position is not None)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_photo_metadata(tmp_path / "gone.jpg")


def test_real_photo(photos: Path) -> None:
    found = read_photo_metadata(photos / "lund" / "01.jpg")
    assert found.lat == pytest.approx(55.698167, abs=1e-5)
    assert found.lng == pytest.approx(13.195389, abs=1e-5)
    assert found.orientation == 1
