"""Is there room for the checkpoints, and may they be written?"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from geoseek.training.preflight.findings import Check, Finding, fault, ok, warning
from geoseek.training.preflight.shapes import ModelShape
from geoseek.training.preflight.values import DTYPE_BYTES, number, switched_on, whole
from geoseek.training.recipes import Recipe, StageRecipe

_GB = 10**9
_OPTIMIZER_BYTES = 12
_ADAPTER_BYTES = 4
_ROWS_PER_STEP = 16
"""What ms-swift accumulates gradients up to where a recipe does not say."""


def check_output(output: Path) -> Iterator[Finding]:
    """Try whether a file can be written into the folder of the run, or into the folder that it will be made in."""
    folder = _existing(output)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        words = f"Nothing can be written to {folder.name}: {error.strerror}."
        yield fault(Check.OUTPUT, words, "Choose another folder with --output, or change its permissions.")
    else:
        yield ok(Check.OUTPUT, f"{output.name} can be written.")


def check_disk(
    recipe: Recipe, stages: Sequence[str], shape: ModelShape | None, rows: Mapping[str, int], output: Path
) -> Iterator[Finding]:
    """Yield whether the checkpoints of the stages fit on the disk, as far as the size of the model is known.

    A checkpoint holds the weights that are trained, and unless `save_only_model` is set the state of Adam, 12 bytes per
    weight (arXiv 1910.02054). Up to `save_total_limit` of them are kept at a time, and one more while it is written.
    """
    if shape is None:
        return
    free = shutil.disk_usage(_existing(output)).free
    needed = sum(checkpoint_bytes(recipe, name, shape) * kept_checkpoints(recipe, name, rows[name]) for name in stages)
    words = f"checkpoints take about {needed / _GB:.1f} GB (an estimate); {free / _GB:.0f} GB are free."
    if needed > free:
        remedy = (
            "Free some space, choose another disk with --output, or set save_total_limit=1 or save_only_model=true."
        )
        yield warning(Check.DISK, f"The {words}", remedy)
    else:
        yield ok(Check.DISK, f"The {words}")


def checkpoint_bytes(recipe: Recipe, stage_name: str, shape: ModelShape) -> int:
    """Return the size of one checkpoint of a stage."""
    stage = recipe.stages[stage_name]
    if stage.trains_adapter:
        trained, weight = shape.lora_parameters(whole(stage, "lora_rank")), _ADAPTER_BYTES
    else:
        trained, weight = shape.parameters, DTYPE_BYTES[recipe.torch_dtype]
    return trained * (weight + (0 if switched_on(stage, "save_only_model") else _OPTIMIZER_BYTES))


def kept_checkpoints(recipe: Recipe, stage_name: str, rows: int) -> int:
    """Return how many checkpoints of a stage lie on the disk at most."""
    stage = recipe.stages[stage_name]
    limit = whole(stage, "save_total_limit")
    saves = _saves(stage, _steps(recipe, stage, rows))
    return max(min(saves, limit + 1) if limit > 0 else saves, 1)


def _steps(recipe: Recipe, stage: StageRecipe, rows: int) -> int:
    if number(stage, "max_steps") > 0:
        return whole(stage, "max_steps")
    completions = number(stage, "num_generations") if stage.method == "grpo" else 1
    at_once = max(number(stage, "per_device_train_batch_size") * max(recipe.gpus, 1), 1)
    accumulated = number(stage, "gradient_accumulation_steps") or math.ceil(_ROWS_PER_STEP / at_once)
    samples = rows * number(stage, "num_train_epochs") * completions
    return math.ceil(samples / (at_once * accumulated))


def _saves(stage: StageRecipe, steps: int) -> int:
    every = number(stage, "save_steps")
    if stage.swift.get("save_strategy") == "epoch":
        return math.ceil(number(stage, "num_train_epochs"))
    if every <= 0:
        return 1
    return math.ceil(1 / every) if every < 1 else math.ceil(steps / every)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
