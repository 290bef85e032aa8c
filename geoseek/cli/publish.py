"""`geoseek publish`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.pipelines import PublishPlan, PublishResult


def publish(
    repo: Annotated[str, typer.Option("--repo", metavar="ORG/NAME", help="Dataset repository on the Hub.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The dataset. Default: export/ in the workspace.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it. Default: private.")] = False,
    revision: Annotated[str, typer.Option("--revision", metavar="BRANCH", help="Branch to publish on.")] = "main",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; carry the plan out.")] = False,
    workspace: o.Workspace = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; send and change nothing.")] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Publish a finished export on the Hugging Face Hub: private unless you say --public.

    Validates first and refuses a dataset with errors. Shows what would be created, sent and deleted, and asks. Sends
    the files that SHA256SUMS names and nothing else, and makes them visible by one commit. What was interrupted goes
    on; what is there already is not sent again. The token comes from HF_TOKEN or `hf auth login`; HF_ENDPOINT names
    another Hub.

    Examples:
      geoseek publish --repo my-lab/street-level --dry-run

      geoseek publish --repo my-lab/street-level --public --yes
    """
    from geoseek.cli.validate import show
    from geoseek.pipelines import InvalidExportError, PublishRequest, hub_access, run_publish, validate_request
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet or json)
    home = find_workspace(workspace)
    request = PublishRequest(
        validate_request(folder or home / "export", home, workers=os.cpu_count() or 1),
        hub_access(repo, revision),
        public,
    )

    def confirm(plan: PublishPlan) -> bool:
        return _confirm(plan, dry_run=dry_run, yes=yes, shown=not (json or (quiet and yes)))

    try:
        result = run_publish(request, confirm)
    except InvalidExportError as error:
        show(error.result, err=True)
        raise
    if json:
        import json as json_module

        typer.echo(json_module.dumps(result.to_json(), indent=1, ensure_ascii=False))
    elif not quiet:
        _show(result, dry_run=dry_run)


def _confirm(plan: PublishPlan, *, dry_run: bool, yes: bool, shown: bool) -> bool:
    """Show the plan and ask; without a terminal to ask at, only --yes agrees."""
    from geoseek.pipelines import plan_lines
    from geoseek.schemas import UsageError

    if shown:
        typer.echo("\n".join(plan_lines(plan)), err=not dry_run)
    if dry_run or yes:
        return not dry_run
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "There is no terminal to ask at, and nothing was sent.",
            hint="Look at the plan with --dry-run, then say --yes.",
        )
    return typer.confirm("Publish this?", default=False, err=True)


def _show(result: PublishResult, *, dry_run: bool) -> None:
    from geoseek.pipelines import Outcome

    for remark in result.remarks:
        typer.echo(f"Note: {remark}", err=True)
    if result.outcome is Outcome.UP_TO_DATE:
        typer.echo(f"Up to date: {result.url} holds this dataset already.")
    elif result.outcome is Outcome.PUBLISHED:
        typer.echo(f"Published: {result.url}")
    else:
        typer.echo("Dry run: nothing was sent." if dry_run else "Nothing was sent.")
