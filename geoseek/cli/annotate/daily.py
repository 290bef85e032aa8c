"""Plain `geoseek annotate`: what a lead wants every morning, in one command."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.annotation.pull.run import PullResult
    from geoseek.annotation.push.run import PushResult
    from geoseek.annotation.review import RulesRun


def annotate(
    context: typer.Context,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Manage expert annotation on a real Label Studio server.

    Without a subcommand: makes sure there is a server, creates or updates the projects, pushes new samples, pulls
    finished work, applies the rules of the review, and prints the status and the address. Run it as often as you like.

    Examples:
      geoseek annotate

      geoseek annotate invite kestrel kestrel@example.org

      geoseek annotate push --rebalance
    """
    if context.invoked_subcommand is not None:
        return
    from geoseek.annotation.ledger import Ledger
    from geoseek.annotation.pull.run import PullRequest, run_pull
    from geoseek.annotation.push.run import PushRequest, plan_push, run_push
    from geoseek.annotation.review import refresh_flags
    from geoseek.annotation.server import ensure_studio
    from geoseek.cli.annotate import push
    from geoseek.workspace import find_workspace, load_config, set_quiet

    set_quiet(quiet or json)
    folder = find_workspace(workspace)
    config = load_config(folder)
    request = PushRequest(
        folder,
        splits=config.annotate.splits,
        overlap_share=config.annotate.overlap_share,
        overlap=config.annotate.overlap,
        seed=config.seed,
    )
    if dry_run:
        push.show_plan(plan_push(request), json=json)
        return
    pictures = _has_pictures(folder)
    if pictures:
        plan_push(request)  # fails in words before a server is started for nothing
    with ensure_studio(folder) as studio:
        url = studio.url
        pushed = run_push(request, studio) if pictures else None
        with Ledger(folder / "work" / "annotation") as ledger:
            has_projects = bool(ledger.projects(studio.identity))
        pulled = run_pull(PullRequest(folder), studio) if has_projects else None
    with Ledger(folder / "work" / "annotation") as ledger:
        rules = refresh_flags(folder, ledger)
    if json:
        typer.echo(json_module.dumps(_figures(folder, url, pushed, pulled), indent=1, sort_keys=True))
    elif not quiet:
        _show(folder, url, pushed, pulled, rules)


def _has_pictures(folder: Path) -> bool:
    """Tell whether there is something to push; having none is no fault: the built-in pool has places only.

    Raises:
        InputError: Nothing was sampled.
    """
    from geoseek.schemas import InputError

    if (folder / "work" / "images" / "members.parquet").is_file():
        return True
    if not any((folder / "work" / "samples").glob("*.parquet")):
        raise InputError(f"Nothing was sampled yet in {folder}.", hint="Run `geoseek sample`, then `geoseek fetch`.")
    return False


def _figures(folder: Path, url: str, pushed: PushResult | None, pulled: PullResult | None) -> dict[str, Any]:
    from geoseek.cli.annotate import push
    from geoseek.cli.annotate.status import read_status

    return {
        "url": url,
        "push": push.result_json(pushed) if pushed else None,
        "pull": pulled.to_json() if pulled else None,
        "status": read_status(folder).to_json(),
    }


def _show(folder: Path, url: str, pushed: PushResult | None, pulled: PullResult | None, rules: RulesRun) -> None:
    from geoseek.annotation.progress.report import STATUS_PAGE, status_lines
    from geoseek.annotation.push.run import LEAD
    from geoseek.cli.annotate import pull, push
    from geoseek.cli.annotate.status import read_status
    from geoseek.workspace import display_path

    projects = pushed.projects if pushed else ()
    imported = sum(project.figures.imported for project in projects)
    came = pull.in_words(pulled) if pulled else "nothing"
    typer.echo(f"Pushed {imported:,} new tasks to {len(projects):,} projects; pulled: {came}")
    page = folder / "work" / "annotation" / STATUS_PAGE
    for line in status_lines(read_status(folder, page=page, server_url=url)):
        typer.echo(line)
    if pushed is None:
        typer.echo(
            "Note: there are no pictures to annotate. Run `geoseek fetch`; a sample of the built-in pool has places "
            "only: draw from a pool of photos, or try `geoseek init --demo DIR`.",
            err=True,
        )
    else:
        push.warn(pushed.notices)
    if pulled:
        pull.warn(pulled, url)
    if rules.flagged:
        typer.echo(f"Note: {rules.flagged:,} annotations wait for a reviewer: `geoseek annotate review`.", err=True)
    if {project.annotator for project in projects if project.assigned} == {LEAD}:
        typer.echo(
            "Note: all tasks are the lead's. Invite annotators with `geoseek annotate invite NAME EMAIL`, then share "
            "the tasks out with `geoseek annotate push --rebalance`.",
            err=True,
        )
    typer.echo(f"Label Studio: {url}\nProgress and disputes: {display_path(page, Path.cwd())}")
