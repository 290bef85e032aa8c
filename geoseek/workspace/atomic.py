"""Writes that either happen as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from geoseek.schemas import OutputError

_STAGING = ".staging"
_COMMIT = "COMMIT"


@contextlib.contextmanager
def plain_os_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into an `OutputError` that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if full:
            raise OutputError(
                f"No space left while writing {target}.",
                hint="Nothing was changed. Free some space, or choose another folder, and run the same command again.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
            raise OutputError(
                f"Cannot write to {target}: {error.strerror}.",
                hint="Check the permissions of the folder, or choose another one with --output.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise OutputError(
                f"Cannot write to {target}: {error.strerror} ({error.filename}).",
                hint="A file stands where a folder is needed, or the reverse. Move it away or choose another place.",
            ) from error
        raise


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it when the block ends without an exception.

    Raises:
        OutputError: The folder cannot be written, or the disk is full. The old file, if any, is untouched.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with plain_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(folder: Path, *, doing: str, wait_s: float = 0) -> Iterator[None]:
    """Hold a folder for one process; the lock ends with the process, however it ends.

    Args:
        folder: What to hold; made if it is not there.
        doing: What whoever holds it is doing, for the error.
        wait_s: How long to wait for another process.

    Raises:
        OutputError: Another process holds it, or the folder cannot be written.
    """
    with plain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=wait_s)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"Another process is {doing} in {folder}.", hint="Wait until it has finished, or choose another folder."
            ) from error
    try:
        yield
    finally:
        lock.release()


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file atomically, with Unix line ends on every system."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def recover(folder: Path) -> None:
    """Finish a commit that was interrupted after its point of no return; forget one that was not.

    Every reader and writer of a transactional folder calls this first.
    """
    staging = folder / _STAGING
    if not staging.is_dir():
        return
    with plain_os_errors(folder):
        if (staging / _COMMIT).is_file():
            _roll_forward(folder, staging)
        else:
            shutil.rmtree(staging)


def _roll_forward(folder: Path, staging: Path) -> None:
    for name in (staging / _COMMIT).read_text(encoding="utf-8").splitlines():
        action, _, relative = name.partition(" ")
        target = folder / relative
        if action == "remove":
            target.unlink(missing_ok=True)
        elif (staging / relative).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / relative).replace(target)
    shutil.rmtree(staging)


@contextlib.contextmanager
def transaction(folder: Path) -> Iterator[Path]:
    """Yield a staging folder whose files all replace their namesakes in `folder`, or none does.

    The list of files is written to a commit marker by one rename; from then on an interrupted commit is finished by
    the next `recover`. Before that, an exception or a `kill -9` leaves `folder` as it was. To remove a file with the
    commit, leave an empty `NAME.removed` in the staging folder.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    staging = folder / _STAGING
    recover(folder)
    with plain_os_errors(folder):
        staging.mkdir(parents=True)
        try:
            yield staging
            lines = []
            for path in sorted(p for p in staging.rglob("*") if p.is_file()):
                relative = path.relative_to(staging).as_posix()
                removed = relative.removesuffix(".removed")
                lines.append(f"remove {removed}" if removed != relative else f"replace {relative}")
            marker = staging / f"{_COMMIT}.tmp"
            with marker.open("w", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(lines))
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        marker.replace(staging / _COMMIT)
        _roll_forward(folder, staging)
