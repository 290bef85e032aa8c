"""Processes end with the one that started them: at Ctrl-C, at `kill -9`, and when the command leaves others behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from geoseek.schemas import OutputError
from geoseek.training.launch import process
from geoseek.training.launch.process import run_guarded
from geoseek.training.launch.run import run_train
from tests.training.launch.fake_swift import ORPHAN
from tests.training.launch.test_launch_run import Asked, Faults

_RUNS = """
import sys
from functools import partial
from pathlib import Path
from geoseek.training.data import DataSource
from geoseek.training.launch import TrainRequest, run, stage
from geoseek.training.preflight import Machine
from geoseek.training.recipes import load_recipe
stage.run_guarded = partial(stage.run_guarded, grace_s=1)
run.probe_machine = lambda _: Machine(torch=None)
run.run_preflight = lambda _: []
place = Path(sys.argv[1])
request = TrainRequest(place, load_recipe("small", place), DataSource.of_workspace(place), place / "runs" / "small", 3)
try:
    run.run_train(request)
except BaseException as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(getattr(error, "exit_code", 1))
"""
_HOLDS = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print(1, flush=True)
sys.stdin.read()
"""
_LEAVES_A_CHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], start_new_session=True)
"""


def nothing() -> None:
    """Watch nothing."""


def until(true: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def stands_still(path: Path) -> bool:
    size = path.stat().st_size
    time.sleep(0.4)
    return path.stat().st_size == size


def started(place: Path, alive: Path) -> subprocess.Popen[str]:
    """Start a run that hangs after its fourth step, with a child that ignores every signal it can."""
    running = subprocess.Popen([sys.executable, "-c", _RUNS, str(place)], stdout=subprocess.PIPE, text=True)
    until(alive.exists)
    return running


def test_exit_code_and_output(tmp_path: Path) -> None:
    log = tmp_path / "log" / "said.txt"
    command = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"]
    code = run_guarded(command, env=os.environ, lock=tmp_path / ".lock", log=log, watch=nothing)
    assert code == 7
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_a_signal_is_told_from_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert run_guarded(command, env=os.environ, lock=tmp_path / ".lock", log=tmp_path / "log", watch=nothing) == 137


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    alive = tmp_path / "alive.txt"
    command = [sys.executable, "-c", _LEAVES_A_CHILD, ORPHAN, str(alive)]
    assert run_guarded(command, env=os.environ, lock=tmp_path / ".lock", log=tmp_path / "log", watch=nothing) == 0
    assert not alive.exists() or stands_still(alive)


def test_a_watch_that_raises_ends_it(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ValueError("enough")

    command = [sys.executable, "-c", ORPHAN, str(tmp_path / "alive.txt")]
    with pytest.raises(ValueError, match="enough"):
        run_guarded(command, env=os.environ, lock=tmp_path / ".lock", log=tmp_path / "log", watch=refuse, grace_s=0.2)
    assert not (tmp_path / "alive.txt").exists() or stands_still(tmp_path / "alive.txt")


def test_a_held_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = tmp_path / "guard.py"
    impatient.write_text(process.GUARD.read_text().replace("LOCK_WAIT_S = 60.0", "LOCK_WAIT_S = 0.2"))
    monkeypatch.setattr(process, "GUARD", impatient)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HOLDS,
            str(tmp_path / ".lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        with pytest.raises(OutputError, match="an earlier run still hold"):
            run_guarded(["true"], env=os.environ, lock=tmp_path / ".lock", log=tmp_path / "log", watch=nothing)
    finally:
        holder.communicate()


def test_ctrl_c_ends_everything_and_says_how_to_go_on(place: Path, asked: Asked, fake_swift: Faults) -> None:
    fake_swift("hang:4")
    alive = asked().swift_output("sft") / "alive.txt"
    running = started(place, alive)
    running.send_signal(signal.SIGINT)
    words, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "TrainingInterruptedError: Interrupted in stage sft." in words
    assert "--resume goes on from there" in words
    assert "checkpoint-2" in words
    assert stands_still(alive)


def test_after_kill_9_nothing_writes_on_and_resume_goes_on(place: Path, asked: Asked, fake_swift: Faults) -> None:
    fake_swift("hang:4")
    alive = asked().swift_output("sft") / "alive.txt"
    running = started(place, alive)
    running.kill()
    running.communicate()
    fake_swift("")
    # It waits until the processes of the killed run are gone.
    result = run_train(asked(resume=True))
    assert [stage.state for stage in result.stages] == ["resumed", "trained"]
    assert stands_still(alive)
    lines = (asked().swift_output("sft") / "logging.jsonl").read_text().splitlines()
    steps = [json.loads(line).get("global_step/max_steps") for line in lines]
    assert steps == [*(f"{step}/6" for step in range(1, 7)), None]
