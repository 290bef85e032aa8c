"""Pictures: clean, under opaque names, uploaded once, and looked at before tasks point to them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from geoseek.annotation.projects.blind import Blinder
from geoseek.annotation.projects.pictures import PictureCheck, local_addresses, prepare_pictures, upload_pictures
from geoseek.annotation.push.subjects import Picture
from geoseek.annotation.server import Studio
from geoseek.schemas import InputError
from tests.annotation.push_server import FakeStudio
from tests.annotation.workspaces import jpeg

BLINDER = Blinder(b"secret")


def store(folder: Path, data: bytes, mime: str = "image/jpeg") -> Picture:
    sha256 = hashlib.sha256(data).hexdigest()
    folder.mkdir(exist_ok=True)
    (folder / f"{sha256}.img").write_bytes(data)
    return Picture(f"{sha256}.img", sha256, mime)


def bmp() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(buffer, "BMP")
    return buffer.getvalue()


def test_pictures_lose_their_metadata_and_their_names(tmp_path: Path) -> None:
    pictures = [store(tmp_path / "in", jpeg(1)), store(tmp_path / "in", bmp(), "image/bmp")]
    ready = prepare_pictures(tmp_path / "in", tmp_path / "out", pictures, BLINDER)
    assert not ready.rejects
    for picture, suffix in zip(pictures, (".jpg", ".png"), strict=True):
        name = ready.names[picture.sha256]
        assert name.endswith(suffix)
        assert picture.sha256[:6] not in name
        data = (tmp_path / "out" / name).read_bytes()
        assert b"Concorde" not in data
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    pictures = [store(tmp_path / "in", jpeg(number)) for number in (1, 2)]
    first = prepare_pictures(tmp_path / "in", tmp_path / "out", pictures[:1], BLINDER)
    path = tmp_path / "out" / first.names[pictures[0].sha256]
    before = path.stat().st_mtime_ns
    second = prepare_pictures(tmp_path / "in", tmp_path / "out", [*pictures, pictures[1]], BLINDER)
    assert path.stat().st_mtime_ns == before
    assert len(list((tmp_path / "out").iterdir())) == len(second.names) == 2


def test_pictures_that_cannot_be_shown_are_rejected_with_a_reason(tmp_path: Path) -> None:
    missing, changed, broken = (store(tmp_path / "in", data) for data in (jpeg(1), jpeg(2), b"\xff\xd8\xff\xe0"))
    (tmp_path / "in" / missing.file).unlink()
    (tmp_path / "in" / changed.file).write_bytes(jpeg(3))
    ready = prepare_pictures(tmp_path / "in", tmp_path / "out", [missing, changed, broken], BLINDER)
    assert not ready.names
    assert "cannot be read" in ready.rejects[missing.sha256]
    assert "changed since it was fetched" in ready.rejects[changed.sha256]
    assert broken.sha256 in ready.rejects
    assert not list((tmp_path / "out").iterdir())


def test_uploads_go_up_once_in_batches(tmp_path: Path) -> None:
    studio = FakeStudio(None)
    names = [f"{number:03d}.jpg" for number in range(230)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    found = upload_pictures(cast(Studio, studio), 7, tmp_path, names[:120])
    assert list(found) == names[:120]
    again = upload_pictures(cast(Studio, studio), 7, tmp_path, names)
    assert len(studio.uploads[7]) == 230
    assert {name: again[name] for name in names[:120]} == found
    assert studio.get_bytes(again["200.jpg"], doing="looking") == b"200.jpg"


@pytest.mark.parametrize(("count", "asked"), [(1, 1), (50, 50), (51, 20), (5000, 20)])
def test_few_pictures_are_all_looked_at_of_many_some(tmp_path: Path, count: int, asked: int) -> None:
    studio = FakeStudio(tmp_path)
    (tmp_path / "pictures").mkdir()
    names = [f"{number}.jpg" for number in range(count)]
    for name in names:
        (tmp_path / "pictures" / name).write_bytes(b"x")
    addresses = list(local_addresses(names, "pictures").values())
    check = PictureCheck(cast(Studio, studio))
    check.check([*addresses, *addresses])
    assert len(studio.looked_at) == len(set(studio.looked_at)) == asked
    assert {addresses[0], addresses[-1]} <= set(studio.looked_at)
    check.check(addresses)
    assert len(studio.looked_at) == asked


def test_a_picture_that_is_not_shown_is_an_error(tmp_path: Path) -> None:
    check = PictureCheck(cast(Studio, FakeStudio(tmp_path)))
    with pytest.raises(InputError, match="does not show the picture"):
        check.check(["/data/local-files/?d=pictures/none.jpg"])
