from __future__ import annotations

import doctest
import os
from pathlib import Path

import pytest

from geoseek.schemas import InputError, LocRecord, Split, UsageError
from geoseek.training.infer import inputs
from geoseek.training.infer.inputs import photo_input, set_input, split_input
from geoseek.training.infer.pictures import PictureProblemError, load_item
from tests.formats.exports import jpeg, loc_record, write_split


def test_doctests() -> None:
    assert doctest.testmod(inputs).failed == 0


def test_folder_in_the_order_of_paths(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    for name in ("b.JPG", "a/z.jpg", "a/東京.png", ".hidden.jpg", "_x/c.jpg", "notes.txt", "Ärger 1.webp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(1))
    found = photo_input(folder)
    assert found.ids == ("a/z.jpg", "a/東京.png", "b.JPG", "Ärger 1.webp")
    assert [item.id for item in found.items()] == list(found.ids)
    assert found.notices == ("1 files that are no photos were passed over",)
    assert found.name.startswith("photos-holiday-")
    assert str(tmp_path) not in found.words


def test_links_in_a_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "in", tmp_path / "out"
    for place in (folder, elsewhere):
        place.mkdir()
    (elsewhere / "secret.jpg").write_bytes(jpeg(1))
    (folder / "real.jpg").write_bytes(jpeg(2))
    (folder / "inside.jpg").symlink_to(folder / "real.jpg")
    (folder / "leaves.jpg").symlink_to(elsewhere / "secret.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "gone.jpg")
    (folder / "loop").symlink_to(folder)
    found = photo_input(folder)
    assert found.ids == ("dangling.jpg", "inside.jpg", "real.jpg")
    assert found.notices == ("2 links to folders or out of the folder were passed over",)
    dangling = next(iter(found.items()))
    with pytest.raises(PictureProblemError, match="missing_image"):
        load_item(dangling)


def test_file_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        (tmp_path / name).write_bytes(jpeg(1))
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    found = photo_input(tmp_path)
    assert found.ids == ("caf\\xe9.jpg",)
    assert load_item(next(iter(found.items()))) == jpeg(1)


def test_single_photo(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(jpeg(1))
    found = photo_input(tmp_path / "x.jpg")
    assert found.ids == ("x.jpg",)
    assert "x.jpg" in found.words


def test_digest_follows_content_and_not_place(tmp_path: Path) -> None:
    digests = []
    for folder, seed in (("one", 1), ("two", 1), ("three", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(jpeg(seed))
        digests.append(photo_input(tmp_path / folder).digest())
    assert digests[0] == digests[1] != digests[2]
    assert photo_input(tmp_path / "one").name != photo_input(tmp_path / "two").name


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no photo or folder"):
        photo_input(tmp_path / "gone")
    with pytest.raises(InputError, match="holds no photos"):
        photo_input(tmp_path)


def test_split(workspace: Path) -> None:
    found = split_input(workspace / "export", Split.LOC)
    assert found.name == "loc"
    items = list(found.items())
    assert tuple(item.id for item in items) == found.ids
    sources = {item.id: item.source for item in items}
    assert sources["pool:loc-3"] is None
    assert sources["pool:loc-1"] == jpeg(1)
    with pytest.raises(InputError, match="holds no split"):
        split_input(workspace / "elsewhere", Split.VAL)


def test_split_without_any_picture(tmp_path: Path) -> None:
    write_split(tmp_path, Split.LOC, [loc_record(n, reference=True) for n in range(2)], LocRecord)
    with pytest.raises(InputError, match="holds no pictures") as caught:
        split_input(tmp_path, Split.LOC)
    assert "--images embed" in str(caught.value)


def test_first_rows_have_a_name_and_digest_of_their_own(workspace: Path) -> None:
    whole = split_input(workspace / "export", Split.VAL)
    part = whole.first(2)
    assert (part.name, part.ids) == ("val-first2", whole.ids[:2])
    assert [item.id for item in part.items()] == list(part.ids)
    assert part.digest() != whole.digest()
    assert whole.first(100) is whole


def test_set_of_another_tool(workspace: Path) -> None:
    from geoseek.formats import write_format

    write_format("gre-cot", workspace / "export", workspace / "gre", [Split.COT])
    found = set_input(workspace / "gre", "gre-cot")
    assert len(found.ids) == 5
    assert all(isinstance(item.source, bytes) for item in found.items())
    with pytest.raises(UsageError, match="format"):
        set_input(workspace / "gre", "gre-kot")
