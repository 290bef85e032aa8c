"""What ms-swift logs while it trains: `logging.jsonl` as a table of steps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoseek.schemas import InputError
from geoseek.workspace import write_text

LOGGING_FILE = "logging.jsonl"
_PROGRESS = "global_step/max_steps"
# Times and memory differ from run to run; the rest of a row repeats with the seed.
_NO_METRICS = {
    _PROGRESS,
    "elapsed_time",
    "remaining_time",
    "memory(GiB)",
    "train_speed(s/it)",
    "train_runtime",
    "train_samples_per_second",
    "train_steps_per_second",
    "total_flos",
    "step_time",
    "train_loss",
}


@dataclass(frozen=True)
class Step:
    """What was logged at one step.

    Attributes:
        number: Steps done.
        of: Steps in all.
        metrics: Name -> value, as ms-swift names them; a value may be NaN.
    """

    number: int
    of: int
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_broken(self) -> bool:
        """Whether the loss is not finite, or the gradient no number; float16 skips steps with an infinite one."""
        return not math.isfinite(self.metrics.get("loss", 0.0)) or math.isnan(self.metrics.get("grad_norm", 0.0))


def parse_steps(lines: Iterable[str]) -> list[Step]:
    r"""Read the lines of `logging.jsonl`, in the order of the steps.

    A resumed run repeats the steps after its checkpoint; of equal steps the later line counts. Lines that are no step
    (the summary at the end, a torn line) are passed over.

    >>> parse_steps(['{"loss": 2.0, "global_step/max_steps": "1/2"}', '{"loss": 1.5, "global_step/max_steps": "1/2"}'])
    [Step(number=1, of=2, metrics={'loss': 1.5})]
    """
    found: dict[int, Step] = {}
    for line in lines:
        step = _step(line)
        if step is not None:
            before = found.get(step.number)
            found[step.number] = Step(step.number, step.of, {**(before.metrics if before else {}), **step.metrics})
    return [found[number] for number in sorted(found)]


def read_steps(folder: Path) -> list[Step]:
    """Return the steps that a folder's `logging.jsonl` tells of; none if it has none.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with (folder / LOGGING_FILE).open(encoding="utf-8", errors="replace") as file:
            return parse_steps(file)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"Cannot read {folder / LOGGING_FILE}: {error.strerror}.") from error


def keep_steps(folder: Path, last: int) -> None:
    """Forget what was logged after a step, and a line that a kill left half-written, before a run goes on from there.

    Raises:
        OutputError: The log cannot be written.
    """
    path = folder / LOGGING_FILE
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line for line in lines if (step := _step(line)) is not None and step.number <= last]
    write_text(path, "".join(f"{line}\n" for line in kept))


def first_broken(steps: Sequence[Step]) -> int | None:
    """Return the step from which on all that was logged is broken; None if the last step is sound.

    >>> first_broken([Step(1, 3, {"loss": math.nan}), Step(2, 3, {"loss": 1.0}), Step(3, 3, {"loss": math.nan})])
    3
    """
    found = None
    for step in reversed(steps):
        if not step.is_broken:
            break
        found = step.number
    return found


class LogFollower:
    """Reads the lines that are added to a folder's `logging.jsonl`.

    Args:
        folder: ms-swift's output folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOGGING_FILE
        self._place = self._path.stat().st_size if self._path.is_file() else 0

    def new_steps(self) -> list[Step]:
        """Return the steps that were logged since the last call; a line that is still being written waits."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                added = file.read()
        except FileNotFoundError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._place += len(whole)
        return parse_steps(whole.decode("utf-8", "replace").splitlines())


def words(step: Step) -> str:
    """Say in short where a training stands.

    >>> words(Step(3, 10, {"loss": 0.51234, "reward": 1.25, "kl": 0.001}))
    'loss 0.512, reward 1.25'
    """
    return ", ".join(f"{name} {step.metrics[name]:.3g}" for name in ("loss", "reward") if name in step.metrics)


def _step(line: str) -> Step | None:
    try:
        row: Any = json.loads(line)
        number, _, of = row[_PROGRESS].partition("/")
        return Step(int(number), int(of), {name: float(row[name]) for name in row if _is_metric(name, row[name])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_metric(name: str, value: object) -> bool:
    return name not in _NO_METRICS and isinstance(value, int | float) and not isinstance(value, bool)
