"""Pushes in child processes that a test may kill; run it as a module.

For every line `URL TOKEN WORKSPACE` on stdin it forks a process that pushes, and prints that process's number; then,
when the process has ended, its exit code. So the slow imports are done once, and the process that forks has no threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from geoseek.annotation.forms import load_form
from geoseek.annotation.push.run import PushRequest, run_push
from geoseek.annotation.server import Patience, connect
from geoseek.schemas import Split


class Children:
    """Starts such processes, one at a time."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.annotation.push_child"],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()

    def start(self, url: str, token: str, workspace: Path) -> int:
        """Start a push, and return the number of its process."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{url} {token} {workspace}\n")
        return int(self._read())

    def exit_code(self) -> int:
        """Wait for the end of the process; the code is negative if a signal ended it."""
        return int(self._read())

    def _read(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline()


def _push(url: str, token: str, workspace: str) -> None:
    patience = Patience(tries=2, first_wait_s=0.01)
    with connect(url, token, identity="local", patience=patience, say=lambda _: None) as studio:
        run_push(PushRequest(Path(workspace), (Split.COT,), overlap_share=0.25, chunk=4), studio)


def main() -> None:
    """Serve until stdin ends."""
    load_form(Path.cwd(), Split.COT)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                _push(*line.split())
            except BaseException as error:  # noqa: BLE001 - the exit code tells the test
                sys.stderr.write(f"{error}\n")
                os._exit(1)
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
