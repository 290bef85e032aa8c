"""Where a stage stands, and what is to be done with it: kept, gone on with, or trained anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from geoseek.schemas import InputError, UsageError
from geoseek.training.checkpoints import CHECKPOINT_FILE
from geoseek.training.launch.log import first_broken, read_steps
from geoseek.training.launch.request import SWIFT_FOLDER
from geoseek.training.launch.saved import final_step, is_resumable, is_whole, newest_checkpoint
from geoseek.workspace import MANIFEST_NAME, read_manifest, stable_digest, write_text

STARTED_FILE = "started.json"
_SHOWN_DIFFERENCES = 4
# With other values of these a checkpoint does not fit; or they would have no effect, because the saved state of the
# optimizer holds the old ones.
_FIXED = (
    "data",
    "start",
    "seed",
    "recipe.model",
    "recipe.template",
    "recipe.torch_dtype",
    "stage.method",
    "swift.tuner_type",
    "swift.lora_",
    "swift.target_",
    "swift.freeze_",
    "swift.modules_to_save",
    "swift.use_rslora",
    "swift.use_dora",
    "swift.quant_",
    "swift.optim",
    "swift.learning_rate",
    "swift.lr_",
    "swift.warmup_",
    "swift.weight_decay",
    "swift.adam_",
)


class Action(StrEnum):
    """What is to be done with a stage."""

    KEEP = "keep"
    FINISH = "finish"
    RESUME = "resume"
    START = "start"


@dataclass(frozen=True)
class Plan:
    """What is to be done with a stage, and why.

    Attributes:
        action: The deed; `finish`: all steps were done, only the record of it is missing.
        checkpoint: Checkpoint to keep, to record, or to go on from.
        notices: What the user should know.
        changed: Values that differ from those that the interrupted run had.
    """

    action: Action
    checkpoint: Path | None = None
    notices: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def plan_stage(folder: Path, name: str, values: Mapping[str, Any], *, resume: bool, force: bool) -> Plan:
    """Decide what is to be done with a stage. Nothing finished or half-finished is ever overwritten without `force`.

    Args:
        folder: Folder of the stage.
        name: Its name, for messages.
        values: Everything that decides the result: values of the recipe, data, start, seed.
        resume: Whether the user asked to go on.
        force: Whether the user asked to start anew.

    Raises:
        UsageError: The folder holds a stage of other values, or an interrupted one, and the user has not said what to
            do with it.
    """
    if force:
        return Plan(Action.START)
    finished = read_manifest(folder)
    if finished is not None:
        checkpoint = folder / finished["checkpoint"]["folder"]
        if not is_whole(checkpoint, finished["checkpoint"]["step"]):
            lost = f"Stage {name}: the weights of the finished stage are damaged or gone."
            return _unfinished(folder, name, values, resume=resume, notice=lost)
        if finished["key"] == stable_digest(values):
            return Plan(Action.KEEP, checkpoint)
        raise _of_other_values(folder, name, differences(finished["values"], values), "is finished, with other values")
    return _unfinished(folder, name, values, resume=resume)


def write_started(folder: Path, values: Mapping[str, Any], changed: tuple[str, ...]) -> None:
    """Record the values that a stage is being trained with, before it starts."""
    before = read_started(folder) or {}
    content = {"values": values, "changed": [*before.get("changed", ()), *changed]}
    write_text(folder / STARTED_FILE, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_started(folder: Path) -> dict[str, Any] | None:
    """Return what `write_started` wrote; None if the stage was never started.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / STARTED_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Train the stage anew with --force.") from error
    return content


def clear_stage(folder: Path) -> None:
    """Take away what an earlier run of a stage left."""
    forget_record(folder)
    (folder / STARTED_FILE).unlink(missing_ok=True)
    for path in [*folder.glob("reward*.json*"), *folder.glob("swift*.log")]:
        path.unlink()
    shutil.rmtree(folder / SWIFT_FOLDER, ignore_errors=True)


def forget_record(folder: Path) -> None:
    """Take away what marks a stage as finished."""
    for name in (MANIFEST_NAME, CHECKPOINT_FILE):
        (folder / name).unlink(missing_ok=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what differs between two nested mappings, as `name: old -> new`.

    >>> differences({"swift": {"lr": 1, "x": 2}}, {"swift": {"lr": 3, "x": 2}, "seed": 0})
    ('seed: none -> 0', 'swift.lr: 1 -> 3')
    """
    left, right = dict(_flat(old)), dict(_flat(new))
    return tuple(
        f"{name}: {_shown(left.get(name))} -> {_shown(right.get(name))}"
        for name in sorted({*left, *right})
        if left.get(name) != right.get(name)
    )


def _unfinished(folder: Path, name: str, values: Mapping[str, Any], *, resume: bool, notice: str = "") -> Plan:
    notices: tuple[str, ...] = (notice,) if notice else ()
    output = folder / SWIFT_FOLDER
    started = read_started(folder)
    # What was saved after the numbers broke is of no use.
    checkpoint = newest_checkpoint(output, before=first_broken(read_steps(output)))
    if started is None or checkpoint is None:
        return Plan(Action.START, notices=notices)
    changed = differences(started["values"], values)
    done, of = final_step(checkpoint)
    if done == of and not changed:
        return Plan(Action.FINISH, checkpoint, notices)
    if not is_resumable(checkpoint):
        only = f"Stage {name} starts anew: its checkpoint of step {done} has weights only (save_only_model)."
        return Plan(Action.START, notices=(*notices, only))
    if not resume:
        raise UsageError(
            f"Stage {name} in {folder} was interrupted at step {done} of {of}. {notice}".rstrip(),
            hint="--resume goes on from there; --force starts it anew.",
        )
    fixed = tuple(line for line in changed if line.startswith(_FIXED))
    if fixed:
        raise _of_other_values(folder, name, fixed, "was interrupted, and cannot go on with other values")
    if changed:
        notices += (f"Stage {name} goes on with other values: {_listed(changed)}.",)
    return Plan(Action.RESUME, checkpoint, notices, changed)


def _of_other_values(folder: Path, name: str, changed: tuple[str, ...], state: str) -> UsageError:
    return UsageError(
        f"Stage {name} in {folder} {state} ({_listed(changed)}).",
        hint="--output DIR trains beside it; --force trains it anew, and what is there is lost.",
    )


def _listed(changed: tuple[str, ...]) -> str:
    more = len(changed) - _SHOWN_DIFFERENCES
    return "; ".join(changed[:_SHOWN_DIFFERENCES]) + (f"; and {more} more" if more > 0 else "")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
