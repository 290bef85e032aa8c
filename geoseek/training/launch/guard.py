"""Stands between `geoseek train` and ms-swift, so that no process of a training outlives the command that started it.

Run as a program of its own: `python -P guard.py LOCK LOG GRACE_S COMMAND...`. It starts the command, and waits for it
or for the end of its own standard input, which comes when the parent closes it or dies, however it dies. Then it ends
the command and everything that it started, also processes that went into sessions of their own as torchrun's workers
do: SIGINT, then SIGTERM, then SIGKILL. Until all of them are gone it holds LOCK, so the next run waits for them.

It imports nothing of GeoSeek: it must start in an instant and outlive any fault there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from filelock import FileLock, Timeout

LOCKED_EXIT = 75
STOPPED_EXIT = 130
LOCK_WAIT_S = 60.0
_POLL_S = 0.1
_SETTLE_S = 2.0
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: Sequence[str]) -> int:
    """Run a command under guard and return its exit code; 128 + N if signal N ended it."""
    lock_path, log_path, grace_s, *command = arguments
    lock = FileLock(lock_path, timeout=LOCK_WAIT_S)
    try:
        lock.acquire()
    except Timeout:
        return LOCKED_EXIT
    _adopt_orphans()
    with Path(log_path).open("ab") as log, lock:
        child = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        stopped = _wait(child)
        end_descendants(float(grace_s) if stopped else _SETTLE_S)
    if stopped:
        return STOPPED_EXIT
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def end_descendants(grace_s: float) -> None:
    """End every process that this one has started, directly or not.

    Args:
        grace_s: Time that they have after SIGINT, and again half of it after SIGTERM, before they are killed.
    """
    for signal_number, wait_s in ((signal.SIGINT, grace_s), (signal.SIGTERM, grace_s / 2)):
        _signal_all(signal_number)
        deadline = time.monotonic() + wait_s
        while _living() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    while _living():
        _signal_all(signal.SIGKILL)
        time.sleep(_POLL_S)


def _wait(child: subprocess.Popen[bytes]) -> bool:
    """Wait for the child, or for the end of standard input; return whether it was the latter."""
    while child.poll() is None:
        ready, _, _ = select.select([0], [], [], _POLL_S)
        if ready and not os.read(0, 1024):
            return child.poll() is None
    return False


def _living() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)
            else:
                found.append(process)
    return found


def _signal_all(signal_number: signal.Signals) -> None:
    for process in _living():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)


def _adopt_orphans() -> None:
    """Have Linux hand orphaned descendants to this process; elsewhere those are not found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
