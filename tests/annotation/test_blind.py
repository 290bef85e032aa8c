"""Opaque names and the secret they are made from."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.ledger import Purpose
from geoseek.annotation.projects.blind import SECRET_NAME, Blinder, open_blinder
from geoseek.schemas import InputError, Split

Name = tuple[str, Split, str, int, Purpose]
names = st.tuples(
    st.text(max_size=8),
    st.sampled_from(list(Split)),
    st.text(max_size=8),
    st.integers(1, 3),
    st.sampled_from(list(Purpose)),
)


def key(blinder: Blinder, name: Name) -> str:
    sample, split, annotator, round_, purpose = name
    return blinder.task_key(sample, split, annotator, round_=round_, purpose=purpose)


@given(names, names)
def test_keys_are_equal_only_for_equal_tasks(one: Name, other: Name) -> None:
    blinder = Blinder(b"secret")
    assert (key(blinder, one) == key(blinder, other)) == (one == other)


@given(names)
def test_keys_are_opaque_and_of_one_workspace(name: Name) -> None:
    found = key(Blinder(b"one"), name)
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")
    assert found != key(Blinder(b"other"), name)


def test_names_of_tasks_pictures_and_projects_never_meet() -> None:
    blinder = Blinder(b"secret")
    digest = "0" * 64
    picture = blinder.picture_name(digest, ".jpg")
    assert picture.endswith(".jpg")
    assert digest[:8] not in picture
    mark = blinder.project_mark(Purpose.ANNOTATE, Split.COT, "ana")
    task = blinder.task_key("", Split.COT, "ana", purpose=Purpose.ANNOTATE)
    assert len({picture.removesuffix(".jpg"), mark, task}) == 3


def test_the_secret_is_made_once_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    first = open_blinder(tmp_path / "annotation", create=True)
    path = tmp_path / "annotation" / SECRET_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = open_blinder(tmp_path / "annotation", create=True)
    assert first.picture_name("a", "") == again.picture_name("a", "")
    assert [entry.name for entry in path.parent.iterdir()] == [SECRET_NAME]


def test_a_secret_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    open_blinder(tmp_path, create=True)
    (tmp_path / SECRET_NAME).chmod(0o644)
    open_blinder(tmp_path, create=False)
    assert stat.S_IMODE((tmp_path / SECRET_NAME).stat().st_mode) == 0o600


def test_a_lost_secret_is_an_error_where_tasks_depend_on_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        open_blinder(tmp_path, create=False)


@pytest.mark.parametrize("text", ["", "00", "not hexadecimal"])
def test_a_damaged_secret_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / SECRET_NAME).write_text(text)
    with pytest.raises(InputError, match="damaged"):
        open_blinder(tmp_path, create=True)
