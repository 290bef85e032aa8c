"""Which model answers, and by which name and fingerprint its predictions are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek.endpoints import Endpoint
from geoseek.schemas import InputError, Split, UsageError
from geoseek.training.checkpoints import ADAPTER_CONFIG, CHECKPOINT_FILE, RUNS, Checkpoint, model_files, run_folder
from geoseek.training.infer.engine import QuestionForm
from geoseek.training.infer.inputs import slug
from geoseek.workspace import display_path

_CONFIG = "config.json"
_PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Target:
    """A model to be asked.

    Attributes:
        name: What predictions call it.
        model: Checkpoint or endpoint.
        form: The question that it is asked unless the user wants the other one.
        folder: Where its predictions go by default.
        identity: What decides its answers, for the manifest.
    """

    name: str
    model: Checkpoint | Endpoint
    form: QuestionForm
    folder: Path
    identity: dict[str, Any]


def predictions_path(workspace: Path, recipe: str, split: Split) -> Path:
    """Return where the last checkpoint of a recipe leaves its predictions about a split, unless told otherwise.

    >>> predictions_path(Path(), "cpu-smoke", Split.VAL).as_posix()
    'runs/cpu-smoke/predictions/val.jsonl'
    """
    return run_folder(workspace, recipe) / _PREDICTIONS / f"{split.value}.jsonl"


def endpoint_target(workspace: Path, endpoint: Endpoint) -> Target:
    """Return a model behind an address."""
    return Target(
        endpoint.model,
        endpoint,
        QuestionForm.GRPO,
        _foreign_folder(workspace, endpoint.model),
        {"endpoint": endpoint.describe()},
    )


def local_target(workspace: Path, recipe: str, model: str | None, adapter: Path | None) -> Target:
    """Return a model on this machine.

    Args:
        workspace: The workspace.
        recipe: Recipe whose run is taken if no model is named.
        model: Folder of a run, a stage or a model, or a name on a hub.
        adapter: Folder with LoRA weights on top of it; those of a run are replaced.

    Raises:
        UsageError: The model or adapter does not exist.
        InputError: The run has not finished a stage, or a folder holds no model.
    """
    run = run_folder(workspace, recipe) if model is None else Path(model)
    if adapter is not None and not (adapter / ADAPTER_CONFIG).is_file():
        raise UsageError(f"{adapter} holds no adapter ({ADAPTER_CONFIG}).", hint="Name a folder with LoRA weights.")
    if model is None or (run / CHECKPOINT_FILE).is_file():
        found = Checkpoint.read(run)
        _check_weights(found, run)
        name, folder = f"{found.recipe}/{found.stage}", run / _PREDICTIONS
    else:
        found = _foreign(model)
        name = Path(model).resolve().name if Path(model).is_dir() else model
        folder = _foreign_folder(workspace, name)
    if adapter is not None:
        found = found.model_copy(update={"adapter": str(adapter.resolve())})
        name, folder = f"{name}+{adapter.resolve().name}", folder / slug(adapter.resolve().name)
    return Target(name, found, QuestionForm(found.question), folder, _identity(found, workspace))


def _check_weights(found: Checkpoint, run: Path) -> None:
    """Check that folders of a run are there: the name of one that is gone would be looked for on a hub."""
    lost = [found.adapter] if found.adapter is not None and not Path(found.adapter).is_dir() else []
    if not Path(found.model).is_dir() and not _is_hub_name(found.model):
        lost.append(found.model)
    if lost:
        raise InputError(
            f"The weights of {run} are gone: there is no folder {lost[0]}.",
            hint="Run `geoseek train` again, or name another model with --model.",
        )


def _is_hub_name(name: str) -> bool:
    """Return whether a name has the form OWNER/MODEL, and is no folder of a run.

    >>> [_is_hub_name(name) for name in ("Qwen/Qwen2.5-VL-7B", "../model", "swift/checkpoint-6", "grpo/swift/last")]
    [True, False, False, False]
    """
    return re.fullmatch(r"(?!\.|swift/checkpoint-)[^/~]+/[^/]+", name) is not None


def _foreign(model: str) -> Checkpoint:
    path = Path(model)
    if path.is_dir():
        if not (path / _CONFIG).is_file():
            is_adapter = (path / ADAPTER_CONFIG).is_file()
            raise InputError(
                f"{path} holds no model: there is neither {CHECKPOINT_FILE} nor {_CONFIG}.",
                hint="It is an adapter: give it with --adapter, and --model with the model that it belongs to."
                if is_adapter
                else "Name a run of `geoseek train`, a folder with a model, or a name on a hub.",
            )
    elif path.exists() or model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise UsageError(
            f"{model} is neither a folder with a model nor a name on a hub.",
            hint="Names on a hub have the form OWNER/MODEL. For a model behind an address, add --endpoint URL.",
        )
    return Checkpoint(
        model=str(path.resolve()) if path.is_dir() else model,
        adapter=None,
        model_type=None,
        template=None,
        torch_dtype=None,
        max_pixels=None,
        recipe="",
        stage="",
        question=QuestionForm.GRPO.value,
    )


def _foreign_folder(workspace: Path, name: str) -> Path:
    return workspace / RUNS / _PREDICTIONS / slug(name)


def _identity(checkpoint: Checkpoint, workspace: Path) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for part in ("model", "adapter"):
        place = getattr(checkpoint, part)
        if place is None or not Path(place).is_dir():
            parts[part] = place
        else:
            inside = Path(place).resolve().is_relative_to(workspace.resolve())
            shown = display_path(place, workspace) if inside else Path(place).name
            parts[part] = {"folder": shown, "files": model_files(Path(place))}
    kept = checkpoint.model_dump(include={"model_type", "template", "torch_dtype", "recipe", "stage"})
    return {**parts, **kept}
