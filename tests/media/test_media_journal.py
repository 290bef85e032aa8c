from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.media import ExamineSettings, PixelLimits
from geoseek.media.examine import Failure, examine, remove_leftovers
from geoseek.media.journal import JOURNAL_NAME, Journal, JournalKey
from geoseek.schemas import ImageRejectReason
from tests.media_support import MakePicture

SETTINGS = ExamineSettings(PixelLimits(1, 10_000_000))
GONE = Failure(ImageRejectReason.HTTP_STATUS, "404", 1)
DAMAGED = Failure(ImageRejectReason.CORRUPT, None)


def key(name: str, settings: str = "s") -> JournalKey:
    return JournalKey(name, settings)


def test_outcomes_come_back(tmp_path: Path, picture: MakePicture) -> None:
    pano = picture(1, "PNG", (1024, 512))
    found = examine(pano, tmp_path, ExamineSettings(PixelLimits(1, 10**7), 2, 90.0))
    with Journal(tmp_path) as journal:
        journal.add(key("a"), found)
        journal.add(key("b"), GONE)
    with Journal(tmp_path) as journal:
        assert journal.recall(key("a")) == found
        assert journal.recall(key("b")) == GONE
        assert journal.recall(key("a", "other")) is None
        assert journal.stored("a") == tmp_path / found.file.path
        (tmp_path / found.file.path).write_bytes(b"cut off")
        assert journal.stored("a") is None


@pytest.mark.parametrize("tail", [b'{"reference":"c","sett', b"\x00\x00\x00", b'{"half": 1}'])
def test_a_line_that_was_cut_off_is_cut_away(tail: bytes, tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(key("a"), GONE)
    path = tmp_path / JOURNAL_NAME
    before = path.read_bytes()
    path.write_bytes(before + tail)
    with Journal(tmp_path) as journal:
        assert path.read_bytes() == before
        journal.add(key("b"), DAMAGED)
    with Journal(tmp_path) as journal:
        assert (journal.recall(key("a")), journal.recall(key("b"))) == (GONE, DAMAGED)


def test_lines_of_nonsense_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_text('[]\n{"key": 1}\nnonsense\n{"reference":"a","settings":"s","picture":{}}\n')
    with Journal(tmp_path) as journal:
        assert journal.recall(key("a")) is None


def test_rewriting_sorts(tmp_path: Path) -> None:
    contents = []
    for order in ("abc", "cab"):
        folder = tmp_path / order
        folder.mkdir()
        with Journal(folder) as journal:
            for name in order:
                journal.add(key(name), GONE)
            journal.add(key("a"), DAMAGED)
            journal.rewrite()
            journal.add(key("d"), GONE)
        contents.append((folder / JOURNAL_NAME).read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].count(b"\n") == 4


def test_what_may_have_passed_is_forgotten_on_request(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(key("a"), GONE)
        journal.add(key("b"), DAMAGED)
        assert journal.forget_transient() == 1
        assert (journal.recall(key("a")), journal.recall(key("b"))) == (None, DAMAGED)


def test_what_depends_on_folders_and_options_is_not_kept(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(key("a"), Failure(ImageRejectReason.FORBIDDEN_ADDRESS, None))
        assert journal.recall(key("a")) is not None
        journal.rewrite()
    with Journal(tmp_path) as journal:
        assert journal.recall(key("a")) is None


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".abc.123.456.tmp").write_bytes(b"half")
    (tmp_path / "kept.txt").write_bytes(b"whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_equal_pictures_are_stored_once(tmp_path: Path, picture: MakePicture) -> None:
    one, two = (examine(picture(1), tmp_path, SETTINGS) for _ in range(2))
    assert one == two
    assert [path.name for path in tmp_path.iterdir()] == [one.file.path]
    assert (tmp_path / one.file.path).read_bytes() == picture(1)
