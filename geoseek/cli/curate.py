"""`geoseek curate`."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.pipelines import CurateResult


def curate(
    standardise: Annotated[
        str | None,
        typer.Option(
            "--standardise",
            metavar="off|rules|endpoint",
            help="Bring free text into stages: not at all, by rules, or by the model at GEOSEEK_LLM_URL, which gets "
            "the text. Default: as the last run did, without sending anything; at first, rules.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Do it again, even if nothing changed.")] = False,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Choose one annotation per sample, bring it into the standard form, and check it.

    Reads the ledger, writes work/curated/: cot.parquet, rejects.parquet with a reason for each annotation left out, and
    report.html. What follows from each check is set in pipelines/curate.yaml.

    Examples:
      geoseek curate

      geoseek curate --json | jq .reasons

      GEOSEEK_LLM_URL=http://localhost:8000 GEOSEEK_LLM_MODEL=my-model geoseek curate --standardise endpoint
    """
    from geoseek.pipelines import CurateRequest, Standardise, describe_curate, run_curate
    from geoseek.schemas import unknown_name
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet or json)
    if standardise is not None and standardise not in set(Standardise):
        raise unknown_name("way to standardise", standardise, list(Standardise))
    request = CurateRequest(
        workspace=find_workspace(workspace),
        standardise=None if standardise is None else Standardise(standardise),
    )
    if dry_run:
        typer.echo(describe_curate(request))
        return
    result = run_curate(request, force=force)
    if json:
        figures = result.figures.model_dump(mode="json")
        typer.echo(json_module.dumps(figures | {"up_to_date": result.up_to_date}, indent=1, ensure_ascii=False))
    elif not quiet:
        _show(result)


def _show(result: CurateResult) -> None:
    from geoseek.pipelines import curate_lines

    for line in curate_lines(result.figures):
        typer.echo(line)
    for remark in (*result.figures.remarks, *result.notices):
        typer.echo(f"Note: {remark}", err=True)
    if result.spent is not None:
        spent = result.spent
        cost = "" if spent.money is None else f", {spent.money:,.4f} at the prices in pipelines/curate.yaml"
        typer.echo(
            f"Model: {spent.requests:,} requests, {spent.cached:,} from the cache, {spent.prompt_tokens:,} + "
            f"{spent.completion_tokens:,} tokens{cost}",
            err=True,
        )
    state = "Up to date" if result.up_to_date else "Written"
    typer.echo(f"{state}: work/curated; look at work/curated/report.html", err=True)
