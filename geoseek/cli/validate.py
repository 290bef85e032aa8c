"""`geoseek validate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.pipelines import ValidateResult


def validate(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The dataset. Default: export/ in the workspace.")
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Examples shown per check.")] = 5,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads that decode pictures. Default: all cores.")
    ] = None,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Read a finished export again, and check everything that can be checked.

    Schema, counts, names of files, checksums, every picture (it decodes, it is the one named, it carries no metadata,
    its licence grants redistribution), every text (no coordinates, addresses, file names, e-mail addresses), separation
    of the splits, card, Croissant metadata, citation. The exit code is 1 if there is an error; warnings do not count.

    Examples:
      geoseek validate

      geoseek validate export --json > findings.json
    """
    from geoseek.pipelines import run_validate, validate_request
    from geoseek.schemas import UsageError
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet or json)
    try:
        home = find_workspace(workspace)
    except UsageError:
        # A dataset can be validated anywhere; a workspace only adds its word lists and its ledger.
        if folder is None or workspace is not None:
            raise
        home = None
    target = folder or (home or Path()) / "export"
    request = validate_request(target, home, examples=examples, workers=workers or os.cpu_count() or 1)
    result = run_validate(request)
    if json:
        import json as json_module

        typer.echo(json_module.dumps(result.to_json(), indent=1, ensure_ascii=False))
    elif not quiet:
        show(result)
    if not result.is_valid:
        if quiet and not json:
            show(result, err=True)
        raise typer.Exit(1)


def show(result: ValidateResult, *, err: bool = False) -> None:
    """Print what was read and what was found, grouped by check.

    Args:
        result: What was found.
        err: Print to stderr.
    """
    from geoseek.pipelines import Severity

    for split, figures in result.figures.items():
        said = f"{figures['rows']:,} rows in {figures['files']:,} files, {figures['pictures']:,} pictures"
        references = f", {figures['references']:,} by address" if figures["references"] else ""
        typer.echo(f"{split:<5} {said}{references}", err=err)
    for check, count in result.counts.items():
        colour = typer.colors.RED if check.severity is Severity.ERROR else typer.colors.YELLOW
        typer.echo("", err=err)
        typer.secho(f"{check.severity.value}  {check.value}  {count:,}", fg=colour, err=err)
        typer.echo(f"  {check.description}", err=err)
        for finding in result.examples[check]:
            typer.echo(f"  - {finding.place}: {finding.value}", err=err)
        more = count - len(result.examples[check])
        if more:
            typer.echo(f"  - {more:,} more", err=err)
    for sentence in result.skipped:
        typer.echo(f"Note: {sentence}", err=True)
    errors, warnings = result.number(Severity.ERROR), result.number(Severity.WARNING)
    typer.echo(f"{'Valid' if result.is_valid else 'Not valid'}: {errors:,} errors, {warnings:,} warnings.", err=err)
