"""Several machines: the first plans, records and draws; the others run ms-swift beside it, stage by stage.

They share the file system of the run. While a stage of the first machine (`NODE_RANK` 0) runs, a note in the run's
folder says which, and from which checkpoint; the others wait for it and join. So the first machine is started first.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from geoseek.schemas import InputError, UsageError
from geoseek.training.command import machine_count
from geoseek.workspace import write_text

NOTE_FILE = "cluster.json"
POLL_S = 2.0
LONGEST_WAIT_S = 3600.0
_RANK = "NODE_RANK"


def node_rank(environ: Mapping[str, str]) -> int:
    """Return the number of this machine in a cluster; 0 for the first or only one.

    Raises:
        UsageError: `NODE_RANK` is no number.

    >>> node_rank({}), node_rank({"NODE_RANK": "3"})
    (0, 3)
    """
    given = environ.get(_RANK, "0").strip() or "0"
    if not given.isdecimal():
        raise UsageError(f"{_RANK} is {given!r}.", hint="Set it to 0 on the first machine, 1 on the second, and so on.")
    return int(given)


@contextlib.contextmanager
def joined(output: Path, stage: str, resume_from: Path | None) -> Iterator[None]:
    """Let the other machines join a stage while the block runs; does nothing where there are none."""
    if machine_count(os.environ) == 1:
        yield
        return
    path = output / NOTE_FILE
    folder = None if resume_from is None else os.path.relpath(resume_from, output)
    write_text(path, json.dumps({"stage": stage, "resume_from": folder}) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def stages_to_join(
    output: Path, names: Sequence[str], *, poll_s: float = POLL_S, longest_wait_s: float = LONGEST_WAIT_S
) -> Iterator[tuple[str, Path | None]]:
    """Yield the stages that the first machine runs, as (name, checkpoint to go on from), each when it starts.

    Ends after the last of them, or when the first machine has not started another one for a while.

    Args:
        output: Folder of the run.
        names: Stages that were asked for, in order.
        poll_s: Time between two looks.
        longest_wait_s: How long to wait for the first stage; a tenth of it for every further one.

    Raises:
        InputError: The first machine never started a stage.
    """
    seen: list[str] = []
    while not seen or names.index(seen[-1]) + 1 < len(names):
        found = _wait(output, set(seen), poll_s, longest_wait_s / 10 if seen else longest_wait_s)
        if found is None and not seen:
            raise InputError(
                f"The first machine has started no stage in {output}.",
                hint="Start it first, with NODE_RANK=0, NNODES and the same command; all machines share this folder.",
            )
        if found is None or found[0] not in names:
            return
        seen.append(found[0])
        yield found


def _wait(output: Path, seen: set[str], poll_s: float, longest_s: float) -> tuple[str, Path | None] | None:
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            note = json.loads((output / NOTE_FILE).read_text(encoding="utf-8"))
            if note["stage"] not in seen:
                return note["stage"], None if note["resume_from"] is None else output / note["resume_from"]
        time.sleep(poll_s)
    return None
