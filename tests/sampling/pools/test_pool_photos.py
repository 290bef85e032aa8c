from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geoseek.sampling.pools import open_pool, parse_pool, photos
from geoseek.schemas import InputError


def write_photo(path: Path, lat: float | None = 48.85, lng: float = 2.35, orientation: int | None = None) -> Path:
    exif = Image.Exif()
    if lat is not None:
        gps = {
            1: "N" if lat >= 0 else "S",
            2: (abs(lat), 0.0, 0.0),
            3: "E" if lng >= 0 else "W",
            4: (abs(lng), 0.0, 0.0),
        }
        exif[0x8825] = gps
    exif[0x8769] = {0x9003: "2014:05:26 12:56:02"}
    if orientation is not None:
        exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path, exif=exif)
    return path


def test_a_folder(tmp_path: Path, whole: Callable[..., Any]) -> None:
    write_photo(tmp_path / "b" / "2.jpg", -33.5, 151.25, orientation=6)
    write_photo(tmp_path / "a.JPG")
    write_photo(tmp_path / "b" / "1 ü🗺️.png")
    write_photo(tmp_path / "b" / "none.jpg", None)
    write_photo(tmp_path / ".hidden" / "x.jpg")
    write_photo(tmp_path / "far.jpg", 95.0)
    write_photo(tmp_path / "null.jpg", 0.0, 0.0)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 this is no photo")
    (tmp_path / "empty.jpeg").write_bytes(b"")
    (tmp_path / "notes.md").write_text("x")
    found = whole(tmp_path)
    assert found.pool.format == "photos"
    assert found.ids == ["a.JPG", "b/1 ü🗺️.png", "b/2.jpg"]
    assert found.lat == [48.85, 48.85, -33.5]
    assert {reject["source_id"]: reject["reason"] for reject in found.rejects} == {
        "b/none.jpg": "no_gps",
        "broken.jpg": "unreadable_photo",
        "empty.jpeg": "unreadable_photo",
        "far.jpg": "out_of_range",
        "null.jpg": "null_island",
    }
    assert len(found.pool.files) == len(found.rows) + len(found.rejects) == 8
    assert found.pool.file_names == (tmp_path.name,)
    assert found.fields("image", "orientation", "captured_at")[2] == {
        "source_id": "b/2.jpg",
        "image": (tmp_path / "b" / "2.jpg").as_posix(),
        "orientation": 6,
        "captured_at": "2014-05-26T12:56:02",
    }


def test_links(tmp_path: Path, whole: Callable[..., Any]) -> None:
    outside = write_photo(tmp_path / "outside" / "o.jpg")
    inside = write_photo(tmp_path / "in" / "deep" / "i.jpg")
    (tmp_path / "in" / "link.jpg").symlink_to(outside)
    (tmp_path / "in" / "folder").symlink_to(outside.parent)
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "same.jpg").symlink_to(inside)
    (tmp_path / "in" / "dead.jpg").symlink_to(tmp_path / "in" / "gone.jpg")
    found = whole(tmp_path / "in")
    assert found.ids == ["deep/i.jpg", "same.jpg"]
    assert [reject["source_id"] for reject in found.rejects] == ["dead.jpg"]
    assert "2 links that lead out of the folder were not followed" in found.pool.notices


def test_parts_and_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]) -> None:
    monkeypatch.setattr(photos, "_PHOTOS_PER_PART", 6)
    monkeypatch.setattr(photos, "_PHOTOS_PER_BATCH", 4)
    for number in range(20):
        write_photo(tmp_path / f"{number:02d}.jpg", None if number == 5 else number + 1.0)
    found = whole(tmp_path)
    assert [(part.start, part.stop) for part in found.pool.fragments()] == [(0, 6), (6, 12), (12, 18), (18, 20)]
    assert found.rows == [(0, number) for number in range(20) if number != 5]
    pool = pickle.loads(pickle.dumps(found.pool))  # noqa: S301
    rows = np.array([0, 6, 7, 19], dtype=np.int64)
    assert pool.take(0, rows, [])["source_id"].to_pylist() == ["00.jpg", "06.jpg", "07.jpg", "19.jpg"]


def test_names_that_are_not_utf8(tmp_path: Path, whole: Callable[..., Any]) -> None:
    photo = write_photo(tmp_path / "a.jpg")
    try:
        photo.rename(tmp_path / "b\udcff.jpg")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    found = whole(tmp_path)
    assert found.ids == []
    assert [(one["reason"], one["source_id"]) for one in found.rejects] == [("unreadable_photo", "b\\udcff.jpg")]


def test_a_single_photo_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="is a single photo") as caught:
        open_pool(parse_pool(str(path)))
    assert "folder" in (caught.value.hint or "")


def test_large_panoramas_do_not_disturb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Callable[..., Any]
) -> None:
    write_photo(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    assert whole(tmp_path).ids == ["a.jpg"]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert list(whole(tmp_path).reasons.values()) == ["unreadable_photo"]


def test_real_photos_of_lund(photos: Path, whole: Callable[..., Any]) -> None:
    found = whole(photos / "lund", sequence=True)
    assert found.ids == [f"{number:02d}.jpg" for number in range(1, 30)]
    assert found.rejects == []
    assert found.lat == pytest.approx([55.698] * 29, abs=0.003)
    assert found.lng == pytest.approx([13.195] * 29, abs=0.003)
    assert found.sequence == ["0F3F9BEF-DC5B-4704-9435-C18EC44702C9"] * 29
    assert {record["orientation"] for record in found.fields("orientation")} == {1}


def test_real_photos_of_berlin(photos: Path, whole: Callable[..., Any]) -> None:
    found = whole(photos / "berlin")
    assert found.ids == ["01.jpg", "02.jpg", "03.jpg"]
    assert found.lat == pytest.approx([52.519] * 3, abs=0.001)
    assert found.lng == pytest.approx([13.400] * 3, abs=0.001)


def test_real_photos_side_by_side(photos: Path, whole: Callable[..., Any]) -> None:
    found = whole(photos)
    assert len(found.ids) == 32
    assert found.ids[0] == "berlin/01.jpg"
    assert found.ids == sorted(found.ids)
