from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.schemas import Prediction
from geoseek.training.infer.journal import Journal
from geoseek.training.predictions import failed_prediction


def row(name: str, error: str = "code: why") -> Prediction:
    return failed_prediction(name, error, model="m")


def answered(name: str) -> Prediction:
    return row(name).model_copy(update={"error": None, "text": "Chad\u2028\n"})


def test_rows_come_back_in_the_order_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal"
    with Journal(path, "k") as journal:
        for position in (3, 1, 2):
            journal.add(position, row(f"first {position}"))
    with Journal(path, "k") as journal:
        assert journal.done == {1, 2, 3} == journal.failed
        journal.add(2, answered("second 2"))
        journal.add(0, row("first 0"))
        assert [one.id for one in journal.predictions()] == ["first 0", "first 1", "second 2", "first 3"]
        assert journal.failed == {0, 1, 3}
    with Journal(path, "k") as journal:
        assert journal.failed == {0, 1, 3}
        assert list(journal.predictions())[2] == answered("second 2")
        journal.remove()
    assert not path.exists()


def test_journal_of_something_else_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, "one") as journal:
        journal.add(0, row("a"))
    with Journal(path, "two") as journal:
        assert not journal.done
    with Journal(path, "one") as journal:
        assert not journal.done


@given(lost=st.integers(0, 900), junk=st.binary(max_size=30))
def test_torn_end_is_cut_off(tmp_path_factory: pytest.TempPathFactory, lost: int, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    with Journal(path, "k") as journal:
        for position in range(3):
            journal.add(position, row(str(position)))
    whole = path.read_bytes()
    ends = [end + 1 for end, byte in enumerate(whole) if byte == ord("\n")]
    kept = max(len(whole) - lost, 0)
    path.write_bytes(whole[:kept] + junk.replace(b"\n", b""))
    complete = max(0, sum(end <= kept for end in ends) - 1)
    with Journal(path, "k") as journal:
        assert journal.done == set(range(complete))
        journal.add(7, row("7"))
    with Journal(path, "k") as journal:
        assert journal.done == {*range(complete), 7}


def test_zeros_after_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, "k") as journal:
        journal.add(0, row("0"))
    with path.open("ab") as file:
        file.write(b"\x00" * 500 + b"\n")
    with Journal(path, "k") as journal:
        assert journal.done == {0}
