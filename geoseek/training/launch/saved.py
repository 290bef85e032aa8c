"""Checkpoints that ms-swift has saved: which are whole, and which is the newest."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from geoseek.training.checkpoints import WEIGHTS, is_whole_safetensors, model_files
from geoseek.workspace import stable_digest

_NAME = re.compile(r"checkpoint-(\d+)")
_STATE = "trainer_state.json"
_ZIPPED = (".pt", ".pth", ".bin")
_OPTIMIZER = ("optimizer*", "global_step*", "pytorch_model_fsdp*")


def newest_checkpoint(output: Path, *, before: int | None = None) -> Path | None:
    """Return the newest whole checkpoint; None if there is none.

    Args:
        output: ms-swift's output folder.
        before: Only one of an earlier step than this.
    """
    return next(
        (
            folder
            for step, folder in _checkpoints(output)
            if (before is None or step < before) and is_whole(folder, step)
        ),
        None,
    )


def drop_checkpoints(output: Path, *, after: int) -> None:
    """Delete the checkpoints after a step: torn ones, and those of numbers that broke."""
    for step, folder in _checkpoints(output):
        if step > after:
            shutil.rmtree(folder)


def is_resumable(checkpoint: Path) -> bool:
    """Return whether a checkpoint has the state of its optimizer."""
    return _has_any(checkpoint, _OPTIMIZER)


def is_whole(folder: Path, step: int) -> bool:
    """Return whether every file of a checkpoint was written to its end.

    The trainer's state is written last, so without it the folder is a torn one; the other files are looked at too,
    because deleting an old checkpoint can be interrupted as well. Costs a few reads per file, whatever its size.
    """
    return (
        _state_step(folder) == step
        and _has_any(folder, WEIGHTS)
        and all(_is_readable(path) for path in folder.rglob("*") if path.is_file())
        and all((folder / name).is_file() for name in _shards(folder))
    )


def final_step(folder: Path) -> tuple[int, int]:
    """Return the step of a whole checkpoint, and at which step its training was to end."""
    state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    return int(state["global_step"]), int(state["max_steps"])


def weights_digest(folder: Path) -> str:
    """Return one digest of all that decides the answers of a model or adapter."""
    return stable_digest(model_files(folder))


def _checkpoints(output: Path) -> list[tuple[int, Path]]:
    found = []
    for folder in output.glob("checkpoint-*"):
        match = _NAME.fullmatch(folder.name)
        if match and folder.is_dir():
            found.append((int(match[1]), folder))
    return sorted(found, reverse=True)


def _state_step(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / _STATE).read_text(encoding="utf-8"))["global_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _has_any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _shards(folder: Path) -> Iterator[str]:
    for index in folder.glob("*.index.json"):
        content = json.loads(index.read_text(encoding="utf-8"))
        yield from set(content.get("weight_map", {}).values())


def _is_readable(path: Path) -> bool:
    """Check what a format tells about its own length: safetensors in front, zip at the end, JSON by parsing."""
    try:
        if path.suffix == ".safetensors":
            return is_whole_safetensors(path)
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return path.suffix not in _ZIPPED or zipfile.is_zipfile(path)
