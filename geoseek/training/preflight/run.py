"""Look at everything that a training needs, before minutes are spent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from geoseek.training.checkpoints import Checkpoint
from geoseek.training.data import StageData
from geoseek.training.preflight.findings import Finding
from geoseek.training.preflight.gpus import check_gpus
from geoseek.training.preflight.machine import Machine, probe_machine
from geoseek.training.preflight.memory import check_memory
from geoseek.training.preflight.packages import check_packages
from geoseek.training.preflight.rows import RowFigures, check_rows
from geoseek.training.preflight.services import check_agent, check_embedding
from geoseek.training.preflight.shapes import shape_of
from geoseek.training.preflight.storage import check_disk, check_output
from geoseek.training.preflight.weights import Start, find_model
from geoseek.training.recipes import Recipe


@dataclass(frozen=True)
class PreflightRequest:
    """What is to be trained.

    Attributes:
        workspace: Folder that a relative `model` starts from.
        recipe: The recipe.
        data: Rows of every stage that will run, in order.
        output: Folder of the run.
        start: Checkpoint that the first of these stages starts from; None for the model of the recipe.
        environment: Replaces the process's environment.
        machine: Replaces a look at this machine.
    """

    workspace: Path
    recipe: Recipe
    data: Mapping[str, StageData]
    output: Path
    start: Checkpoint | None = None
    environment: Mapping[str, str] | None = None
    machine: Machine | None = None


def run_preflight(request: PreflightRequest) -> list[Finding]:
    """Return what was found; `stop_on_errors` turns errors among them into an exception.

    Costs some seconds: torch and the sentence model are imported in processes of their own, every row is read, a
    sample of the pictures is decoded, and the agent is asked one question.
    """
    recipe, stages = request.recipe, tuple(request.data)
    outside = os.environ if request.environment is None else request.environment
    environment = {**outside, **recipe.env}
    machine = request.machine or probe_machine(environment)
    findings: list[Finding] = list(check_packages(recipe, stages, machine))
    findings += check_gpus(recipe, stages, machine, environment)
    start = _start(request)
    shape = shape_of(start.model, find_model(start, request.workspace, environment, findings))
    for name in stages:
        stage, figures = recipe.stages[name], RowFigures()
        findings += check_rows(recipe, name, request.data[name], figures)
        findings += check_memory(recipe, name, shape, figures, machine)
        variables = {**environment, **stage.env}
        findings += check_embedding(name, stage, variables)
        findings += check_agent(name, stage, variables)
    findings += check_output(request.output)
    rows = {name: one.rows for name, one in request.data.items()}
    findings += check_disk(recipe, stages, shape, rows, request.output)
    return findings


def _start(request: PreflightRequest) -> Start:
    use_hf = all(request.recipe.stages[name].swift.get("use_hf") is not False for name in request.data)
    if request.start is None:
        return Start(request.recipe.model, use_hf=use_hf)
    return Start(request.start.model, request.start.adapter, use_hf=use_hf)
