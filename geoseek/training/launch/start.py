"""What a stage starts from: the model of the recipe, or the checkpoint of the stage before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from geoseek.schemas import UsageError
from geoseek.training.checkpoints import ADAPTER_CONFIG, CHECKPOINT_FILE, Checkpoint
from geoseek.training.launch.request import MODEL_FOLDER, TrainRequest
from geoseek.training.launch.saved import weights_digest
from geoseek.training.recipes import TINY_MODEL
from geoseek.training.tiny import TINY_TEMPLATE, build_tiny, texts_of
from geoseek.workspace import installed_versions, read_manifest, stable_digest, write_manifest

_MAKES_TINY = ("geoseek", "torch", "transformers", "tokenizers")
NOT_YET = "not trained yet"


@dataclass(frozen=True)
class Start:
    """What a stage starts from.

    Attributes:
        model: Folder or hub name of the whole model.
        adapter: Folder of the adapter on top of it, if any.
        digest: Stands for the weights; of a model on a hub, its name.
    """

    model: str
    adapter: str | None
    digest: str


def start_of(request: TrainRequest, stage: str) -> Start:
    """Return what a stage starts from.

    Raises:
        UsageError: The stage before has not been trained.
    """
    before = stage_before(request, stage)
    if before is None:
        return _of_model(request)
    folder = request.folder(before)
    if not (folder / CHECKPOINT_FILE).is_file():
        raise UsageError(
            f"Stage {stage} starts from the checkpoint of stage {before}, which {folder} does not have.",
            hint=f"Train {before} first: leave out --stage, or give --stage {before} too.",
        )
    found = Checkpoint.read(folder)
    trained = Path(found.adapter or found.model)
    return Start(found.model, found.adapter, weights_digest(trained))


def planned_start(request: TrainRequest, stage: str) -> Start:
    """Return what a stage will start from, as far as it is known before the stages before it are trained."""
    before = stage_before(request, stage)
    if before is None or (request.folder(before) / CHECKPOINT_FILE).is_file():
        return start_of(request, stage)
    trained = str(request.swift_output(before) / "checkpoint-LAST")
    if request.recipe.stages[before].trains_adapter:
        return Start(planned_start(request, before).model, trained, NOT_YET)
    return Start(trained, None, NOT_YET)


def stage_before(request: TrainRequest, stage: str) -> str | None:
    """Return the stage before one in the recipe; None for the first."""
    names = list(request.recipe.stages)
    place = names.index(stage)
    return names[place - 1] if place else None


def build_model(request: TrainRequest, rows: Path, fingerprint: str) -> None:
    """Build the tiny model of a run from the words of its rows, unless it is there.

    Args:
        request: The run.
        rows: File of the rows that its first stage learns from.
        fingerprint: Stands for their content.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    folder = request.output / MODEL_FOLDER
    qwen_ids = request.recipe.template != TINY_TEMPLATE
    made_from = {
        "seed": request.seed,
        "texts": fingerprint,
        "qwen_ids": qwen_ids,
        "versions": installed_versions(_MAKES_TINY),
    }
    if read_manifest(folder) == made_from and (folder / "config.json").is_file():
        return
    request.say("Building the tiny model.")
    (folder / "manifest.json").unlink(missing_ok=True)
    build_tiny(folder, seed=request.seed, texts=texts_of(rows), qwen_ids=qwen_ids)
    write_manifest(folder, made_from)


def checkpoint_of(request: TrainRequest, stage: str, start: Start, trained: Path, folder: Path) -> Checkpoint:
    """Describe a finished stage's model for those that load it.

    Args:
        request: The run.
        stage: The stage.
        start: What it started from.
        trained: Folder of its last checkpoint.
        folder: Where the description will lie; paths are relative to it.
    """
    recipe = request.recipe
    is_adapter = (trained / ADAPTER_CONFIG).is_file()
    return Checkpoint(
        model=_relative(start.model, request, folder) if is_adapter else _relative(str(trained), request, folder),
        adapter=_relative(str(trained), request, folder) if is_adapter else None,
        model_type=recipe.model_type,
        template=recipe.template,
        torch_dtype=recipe.torch_dtype,
        max_pixels=recipe.max_pixels(stage),
        max_tokens=length
        if isinstance(length := recipe.stages[stage].swift.get("max_completion_length"), int)
        else None,
        recipe=recipe.name,
        stage=stage,
        question="sft" if recipe.stages[stage].data == "swift-sft" else "grpo",
    )


def _of_model(request: TrainRequest) -> Start:
    name = request.recipe.model
    folder = request.output / MODEL_FOLDER if name == TINY_MODEL else request.workspace / Path(name).expanduser()
    if folder.is_dir():
        return Start(str(folder.resolve()), None, weights_digest(folder))
    if name == TINY_MODEL:
        return Start(str(folder.resolve()), None, NOT_YET)
    return Start(name, None, stable_digest({"hub": name}))


def _relative(path: str, request: TrainRequest, folder: Path) -> str:
    """Return a path as seen from a folder, if both lie in the run or the workspace; a name on a hub unchanged."""
    if not Path(path).is_dir():
        return path
    roots = (request.output.resolve(), request.workspace.resolve())
    inside = any(Path(path).resolve().is_relative_to(root) and folder.resolve().is_relative_to(root) for root in roots)
    return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix() if inside else path
