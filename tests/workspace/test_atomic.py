from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from geoseek.schemas import OutputError
from geoseek.workspace import atomic as atomic_module
from geoseek.workspace import atomic_path, exclusive, recover, transaction, write_text


def test_atomic_path_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_transaction_replaces_all_and_removes_what_is_marked(tmp_path: Path) -> None:
    for name in ("a", "b", "stale"):
        (tmp_path / name).write_text("old")
    with transaction(tmp_path) as staging:
        (staging / "a").write_text("new")
        (staging / "sub").mkdir()
        (staging / "sub" / "c").write_text("new")
        (staging / "stale.removed").touch()
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "b").read_text() == "old"
    assert (tmp_path / "sub" / "c").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "sub"]


def test_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), transaction(tmp_path) as staging:
        (staging / "a").write_text("new")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def _die_while_committing(folder: str, moves: int) -> None:
    replace = Path.replace
    done = 0

    def dying_replace(self: Path, target: Path) -> Path:
        nonlocal done
        if self.name in ("a", "b", "c"):
            if done == moves:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
        return replace(self, target)

    Path.replace = dying_replace  # type: ignore[method-assign,assignment]
    with transaction(Path(folder)) as staging:
        for name in "abc":
            (staging / name).write_text("new")


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_kill_during_the_commit_is_rolled_forward(tmp_path: Path, moves: int) -> None:
    for name in "abc":
        (tmp_path / name).write_text("old")
    process = multiprocessing.get_context("spawn").Process(target=_die_while_committing, args=(str(tmp_path), moves))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    recover(tmp_path)
    assert [(tmp_path / name).read_text() for name in "abc"] == ["new"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def _die_while_staging(folder: str) -> None:
    with transaction(Path(folder)) as staging:
        (staging / "a").write_text("new")
        os.kill(os.getpid(), signal.SIGKILL)


def test_kill_before_the_commit_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    process = multiprocessing.get_context("spawn").Process(target=_die_while_staging, args=(str(tmp_path),))
    process.start()
    process.join()
    recover(tmp_path)
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "No space left"), (errno.EROFS, "Cannot write"), (errno.ENOTDIR, "Cannot write")],
)
def test_refusals_of_the_system_become_words(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(OutputError, match=words) as caught, atomic_module.plain_os_errors(tmp_path):
        raise OSError(code, os.strerror(code), "x")
    assert caught.value.hint


def test_other_os_errors_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), atomic_module.plain_os_errors(tmp_path):
        raise OSError(errno.ECONNRESET, "reset")


def test_a_full_disk_leaves_the_old_output() -> None:
    """A real full device, not a simulated exception."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="No space left"), atomic_module.plain_os_errors(full), full.open("w") as file:
        file.write("x" * 100_000)


def test_only_one_process_holds_a_folder(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path, doing="sampling"),
        pytest.raises(OutputError, match="Another process is sampling"),
        exclusive(tmp_path, doing="sampling"),
    ):
        pass
    with exclusive(tmp_path, doing="sampling"):
        pass
