"""Run ms-swift in processes that end with this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from geoseek.schemas import OutputError
from geoseek.workspace import plain_os_errors

GUARD = Path(__file__).with_name("guard.py")
POLL_S = 0.5
GRACE_S = 10.0
_LOCKED_EXIT = 75


def run_guarded(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    lock: Path,
    log: Path,
    watch: Callable[[], None],
    poll_s: float = POLL_S,
    grace_s: float = GRACE_S,
) -> int:
    """Run a command to its end and return its exit code; 128 + N if signal N ended it.

    Everything that it prints is appended to `log`. It and all that it starts are ended when this function is left by
    an exception (Ctrl-C among them), and when this process is killed: `geoseek.training.launch.guard`.

    Args:
        command: Program and arguments.
        env: The whole environment.
        lock: File that is locked until the last of the processes is gone.
        log: Where its output goes.
        watch: Called about twice a second while it runs; an exception from it ends the command.
        poll_s: Time between the calls.
        grace_s: Time the processes have to end by themselves when they are interrupted.

    Raises:
        OutputError: Processes of an earlier run still hold the lock, or the log cannot be written.
    """
    guarded = [sys.executable, "-P", str(GUARD), str(lock), str(log), str(grace_s), *command]
    with plain_os_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        guard = subprocess.Popen(  # noqa: S603
            guarded, stdin=subprocess.PIPE, env=dict(env), start_new_session=True
        )
    try:
        while (code := _wait(guard, poll_s)) is None:
            watch()
    finally:
        if guard.stdin is not None:
            guard.stdin.close()
        guard.wait()
    if code == _LOCKED_EXIT:
        raise OutputError(
            f"Processes of an earlier run still hold {lock}.",
            hint="Wait until they have ended, or end them; then run the same command again.",
        )
    return code


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
