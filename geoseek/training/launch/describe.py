"""What a training would do: the exact calls of ms-swift."""

from __future__ import annotations

from geoseek.training.data import data_file
from geoseek.training.launch.request import TrainRequest
from geoseek.training.launch.stage import command_of
from geoseek.training.launch.start import NOT_YET, planned_start
from geoseek.training.recipes import swift_arguments


def describe_train(request: TrainRequest) -> str:
    """Return the calls of ms-swift, with their environment, as text for a shell; nothing is written or started.

    Needs neither ms-swift nor torch nor an export.

    Raises:
        UsageError: A stage that the recipe does not have.
    """
    recipe = request.recipe
    parts = [f"# Recipe {recipe.name}: {recipe.description}"]
    for name in request.selected():
        stage = recipe.stages[name]
        start = planned_start(request, name)
        call = command_of(request, name, data_file(stage, request.data_folder(name)), start).shell()
        lines = [f"# Stage {name}: {stage.method} on {stage.split.value} from {request.source.path}, as {stage.data}."]
        if start.digest == NOT_YET:
            lines.append("# What it starts from is not there yet; its path is what it will be (LAST: the last step).")
        parts.append("\n".join([*lines, call]))
    if any(swift_arguments(recipe.stages[name].method) is None for name in request.selected()):
        parts.append("# ms-swift is not installed, so the names under `swift:` were not checked.")
    return "\n\n".join([*parts, "# Nothing was written or started."])
