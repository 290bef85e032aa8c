"""`geoseek train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.training.launch import StageOutcome, TrainResult

_SHOWN_FIGURES = ("loss", "token_acc", "reward", "reward_std", "kl", "grad_norm")


def train(
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME", help="A name in training/, or a file. Default: train.recipe."),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option("--stage", metavar="NAME", help="Run only this stage (sft, grpo, or its name); repeatable."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe; repeatable."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Learn from this instead of the workspace's export.")
    ] = None,
    data_format: Annotated[
        str | None,
        typer.Option("--data-format", metavar="NAME", help="Format of --data (docs/formats.md). Default: an export."),
    ] = None,
    data_images: Annotated[
        Path | None, typer.Option("--data-images", help="Folder that the paths of the pictures in --data start from.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run. Default: runs/RECIPE.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train anew; what the folder holds of these stages is lost.")
    ] = False,
    on_agent_error: Annotated[
        str | None,
        typer.Option(
            "--on-agent-error",
            metavar="zero|skip|fail",
            help="When the agent of geo_consistency cannot be reached: reward 0, leave the reward out, or stop. "
            "Default: as the recipe says (stop).",
        ),
    ] = None,
    seed: o.Seed = None,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train a model on the export with ms-swift: supervised fine-tuning, then GRPO with geographic rewards.

    Recipes are YAML files in training/. Before anything long starts, packages, GPUs, rows, pictures, endpoints and disk
    are looked at. A finished stage is kept if nothing that it depends on has changed.

    Examples:
      geoseek train

      geoseek train --recipe geoagent-7b --dry-run

      geoseek train --recipe single-gpu --stage sft --set sft.learning_rate=2e-5

      geoseek train --resume

      geoseek train --data gre/train.json --data-format gre-cot --stage sft
    """
    from geoseek.cli.settings import workspace_config
    from geoseek.cli.training_data import workspace_with_export
    from geoseek.schemas import UsageError, unknown_name
    from geoseek.training.checkpoints import run_folder
    from geoseek.training.data import DataSource
    from geoseek.training.launch import TrainRequest, describe_train, run_train, with_agent_policy
    from geoseek.training.recipes import TINY_MODEL, load_recipe
    from geoseek.training.rewards import AgentPolicy
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    folder, config = workspace_config(workspace)
    if data is None and (data_format or data_images):
        raise UsageError(
            "--data-format and --data-images say more about --data.", hint="Name the set with --data PATH."
        )
    loaded = load_recipe(recipe or config.train.recipe, folder, tuple(set_ or ()))
    if on_agent_error is not None:
        policies = get_args(AgentPolicy)
        if on_agent_error not in policies:
            raise unknown_name("value of --on-agent-error", on_agent_error, policies)
        loaded = with_agent_policy(loaded, cast("AgentPolicy", on_agent_error))
    if data is None and not dry_run:
        splits = [of.split for name, of in loaded.stages.items() if not stage or {name, of.method} & set(stage)]
        folder = workspace_with_export(folder, splits, smoke=loaded.model == TINY_MODEL, quiet=quiet or json)
    request = TrainRequest(
        workspace=folder,
        recipe=loaded,
        source=DataSource.of_workspace(folder) if data is None else DataSource(data, data_format, data_images),
        output=output or run_folder(folder, loaded.name),
        seed=config.seed if seed is None else seed,
        stages=tuple(stage or ()),
        resume=resume,
        force=force,
        say=_quiet if quiet or json else _say,
    )
    if dry_run:
        typer.echo(describe_train(request))
        return
    result = run_train(request)
    if json:
        import json as json_module

        typer.echo(json_module.dumps(_figures(result), indent=1, sort_keys=True, ensure_ascii=False))
    elif not quiet:
        _show(result, folder)


def _say(words: str) -> None:
    typer.echo(words, err=True)


def _quiet(_: str) -> None:
    """Say nothing."""


def _figures(result: TrainResult) -> dict[str, Any]:
    return {
        "output": str(result.output),
        "up_to_date": result.up_to_date,
        "curves": None if result.curves is None else str(result.curves),
        "notices": list(result.notices),
        "stages": {
            stage.name: {
                "state": stage.state,
                "rows": stage.rows,
                "steps": stage.steps,
                "first": dict(stage.first),
                "last": dict(stage.last),
                "checkpoint": str(stage.checkpoint),
            }
            for stage in result.stages
        },
    }


def _show(result: TrainResult, workspace: Path) -> None:
    from geoseek.cli.settings import workspace_option
    from geoseek.workspace import display_path

    here = Path.cwd()
    if not result.stages:
        typer.echo("This machine's part is done; the first machine has the result.")
        return
    for stage in result.stages:
        typer.echo(f"{stage.name}: {stage.state}, {stage.rows:,} rows, {stage.steps:,} steps")
        for line in _table(stage):
            typer.echo(f"  {line}")
        typer.echo(f"  checkpoint: {display_path(stage.checkpoint, here)}")
    if result.curves is not None:
        typer.echo(f"Curves: {display_path(result.curves, here)}; TensorBoard: {display_path(result.output, here)}")
    typer.echo(f"Model: {display_path(result.output, here)}/checkpoint.json")
    typer.echo(f"Next: geoseek infer --split val{workspace_option(workspace)}")


def _table(stage: StageOutcome) -> list[str]:
    rewards = [name for name in stage.last if name.startswith("rewards/") and name.endswith("/mean")]
    shown = [name for name in (*_SHOWN_FIGURES[:4], *rewards, *_SHOWN_FIGURES[4:]) if name in stage.last]
    lines = []
    for name in shown:
        label = name.removeprefix("rewards/").removesuffix("/mean")
        first = f"{stage.first[name]:>10.4g}" if name in stage.first else f"{'-':>10}"
        lines.append(f"{label:<20}{first} -> {stage.last[name]:<10.4g}".rstrip())
    return lines
