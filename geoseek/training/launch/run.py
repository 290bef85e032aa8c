"""Run a training: rows, preflight, every stage through ms-swift, curves and manifest."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geoseek.training.checkpoints import CHECKPOINT_FILE, Checkpoint
from geoseek.training.data import StageData, data_file, prepare_data
from geoseek.training.launch.failures import TrainingFailedError, TrainingInterruptedError
from geoseek.training.launch.log import read_steps
from geoseek.training.launch.nodes import node_rank, stages_to_join
from geoseek.training.launch.request import CURVES_PICTURE, StageOutcome, TrainRequest, TrainResult
from geoseek.training.launch.stage import StageRun, call_swift, command_of, run_stage
from geoseek.training.launch.start import build_model, checkpoint_of, planned_start, stage_before, start_of
from geoseek.training.launch.state import Action, Plan, plan_stage
from geoseek.training.preflight import (
    Finding,
    Machine,
    PreflightRequest,
    Severity,
    probe_machine,
    run_preflight,
    stop_on_errors,
)
from geoseek.training.recipes import TINY_MODEL
from geoseek.workspace import display_path, exclusive, read_manifest, write_manifest, write_run_log

_WAIT_S = 60.0
_RUNS_SWIFT = (Action.START, Action.RESUME)


def run_train(request: TrainRequest) -> TrainResult:
    """Train the stages of a recipe one after the other, each from the checkpoint of the one before.

    A finished stage whose values, rows and start are unchanged is kept. On other machines of a cluster than the first
    (`NODE_RANK` above 0) only ms-swift is run, in step with the first one, which must share the folder.

    Raises:
        UsageError: A stage that the recipe does not have, or one that was interrupted or finished with other values;
            or the folder holds something else.
        InputError: There are no rows to learn from.
        PreflightError: Something that would make the training fail.
        TrainingFailedError: ms-swift failed.
        TrainingInterruptedError: The user ended it.
        OutputError: The folder cannot be written, or another training works in it.
    """
    names = request.selected()
    rank = node_rank(os.environ)
    if rank:
        return _join(request, names, rank)
    request.check_output()
    with exclusive(request.output, doing="training"):
        _let_earlier_processes_end(request)
        data = {name: _rows(request, name) for name in names}
        plans = {name: _planned(request, name, data[name]) for name in names}
        notices = [notice for plan in plans.values() for notice in plan.notices]
        todo = [name for name, plan in plans.items() if plan.action in _RUNS_SWIFT]
        machine = None
        if todo:
            machine = probe_machine(os.environ)
            notices += _look_ahead(request, {name: data[name] for name in todo}, machine)
        for notice in notices:
            request.say(f"Note: {notice}")
        try:
            outcomes = [_run(request, name, data[name]) for name in names]
        except (TrainingFailedError, TrainingInterruptedError):
            _draw(request)
            raise
        picture = _close(request, outcomes, machine)
    return TrainResult(request.output, tuple(outcomes), picture, tuple(notices))


def _join(request: TrainRequest, names: Sequence[str], rank: int) -> TrainResult:
    """Run ms-swift beside the first machine's."""
    request.say(f"Machine {rank}: waiting for the first machine in {request.output}.")
    for name, resume_from in stages_to_join(request.output, names):
        request.say(f"Machine {rank}: stage {name}.")
        rows = data_file(request.recipe.stages[name], request.data_folder(name))
        command = command_of(request, name, rows, start_of(request, name), resume_from)
        call_swift(request, name, command, lambda: None, rank=rank)
    return TrainResult(request.output, (), None, ())


def _let_earlier_processes_end(request: TrainRequest) -> None:
    """Wait until ms-swift of a killed run writes no more, before its checkpoints are looked at."""
    for name in request.recipe.stages:
        if request.folder(name).is_dir():
            with exclusive(request.folder(name), doing="still ending a killed training", wait_s=_WAIT_S):
                pass


def _rows(request: TrainRequest, name: str) -> StageData:
    request.say(f"Rows of stage {name}.")
    return prepare_data(request.recipe.stages[name], request.source, request.data_folder(name))


def _planned(request: TrainRequest, name: str, data: StageData) -> Plan:
    will_be_trained = stage_before(request, name) in request.selected()
    start = planned_start(request, name) if will_be_trained else start_of(request, name)
    run = StageRun(request, name, data, start)
    return plan_stage(run.folder, name, run.values(), resume=request.resume, force=request.force)


def _look_ahead(request: TrainRequest, data: Mapping[str, StageData], machine: Machine) -> list[str]:
    """Run the preflight; return its warnings and what was left out of the rows."""
    first = next(iter(data))
    before = stage_before(request, first)
    start = Checkpoint.read(request.folder(before)) if before is not None else None
    findings = run_preflight(
        PreflightRequest(
            workspace=request.workspace,
            recipe=request.recipe,
            data=data,
            output=request.output,
            start=start,
            machine=machine,
        )
    )
    stop_on_errors(findings)
    warnings = [_words(finding) for finding in findings if finding.severity is Severity.WARNING]
    request.say(f"Preflight: {len(findings)} checks, {len(warnings)} warnings.")
    left_out = [
        f"Stage {name}: {rows.rows:,} of {rows.read:,} rows are used; left out: "
        + ", ".join(f"{code} {count:,}" for code, count in rows.rejected.items())
        for name, rows in data.items()
        if rows.rejected
    ]
    return [*left_out, *warnings]


def _words(finding: Finding) -> str:
    about = "" if finding.stage is None else f"Stage {finding.stage}: "
    return f"{about}{finding.message} {finding.remedy or ''}".rstrip()


def _run(request: TrainRequest, name: str, data: StageData) -> StageOutcome:
    if request.recipe.model == TINY_MODEL and stage_before(request, name) is None:
        build_model(request, data.file, data.fingerprint)
    run = StageRun(request, name, data, start_of(request, name))
    plan = plan_stage(run.folder, name, run.values(), resume=request.resume, force=request.force)
    if plan.action in _RUNS_SWIFT:
        verb = "goes on" if plan.action is Action.RESUME else "starts"
        log = display_path(run.folder / "swift.log", Path.cwd())
        request.say(f"Stage {name} {verb}: {data.rows:,} rows. ms-swift's output: {log}")
        _forget_checkpoint(request, name)
    outcome = run_stage(run, plan)
    if plan.action is not Action.KEEP or not (request.output / CHECKPOINT_FILE).is_file():
        checkpoint_of(request, name, run.start, outcome.checkpoint, request.output).write(request.output)
    return outcome


def _forget_checkpoint(request: TrainRequest, name: str) -> None:
    """Take away the run's checkpoint if it names weights that are about to be replaced."""
    path = request.output / CHECKPOINT_FILE
    if path.is_file() and Checkpoint.read(request.output).stage == name:
        path.unlink()


def _close(request: TrainRequest, outcomes: Sequence[StageOutcome], machine: Machine | None) -> Path | None:
    """Draw the curves and write the manifest of the run, unless both are there; return the picture."""
    finished = {name: manifest for name in request.recipe.stages if (manifest := read_manifest(request.folder(name)))}
    content = {"recipe": request.recipe.model_dump(mode="json"), "seed": request.seed, "stages": finished}
    picture: Path | None = request.output / CURVES_PICTURE
    if machine is not None or content != read_manifest(request.output):
        picture = _draw(request)
        write_manifest(request.output, content)
    if machine is not None:
        write_run_log(request.output, _log_of(request, outcomes, machine))
    return picture if picture is not None and picture.is_file() else None


def _draw(request: TrainRequest) -> Path | None:
    # Drawing takes a second to import, and a dry run does without.
    from geoseek.training.launch.curves import write_curves

    steps = {name: read_steps(request.swift_output(name)) for name in request.recipe.stages}
    return write_curves(request.output, f"Training {request.recipe.name}", steps)


def _log_of(request: TrainRequest, outcomes: Sequence[StageOutcome], machine: Machine) -> dict[str, Any]:
    return {
        "workspace": str(request.workspace),
        "source": str(request.source.path),
        "output": str(request.output),
        "machine": {
            "name": platform.node(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "gpus": [gpu.name for gpu in machine.gpus],
            "cuda": machine.cuda,
        },
        "stages": {outcome.name: {"state": outcome.state, "steps": outcome.steps} for outcome in outcomes},
    }
