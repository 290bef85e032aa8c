"""`geoseek annotate pull`."""

from __future__ import annotations

import json as json_module
import time
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.annotation.pull.compare import Difference
    from geoseek.annotation.pull.run import PullRequest, PullResult
    from geoseek.annotation.server import Studio

_SHOWN_REMARKS = 20
_COLUMNS = ("new", "changed", "deleted", "unchanged", "skipped", "quarantined", "half_filled")


def pull(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Pull only this split (val, loc, cot); repeatable.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything again, not only what changed since the last pull.")
    ] = False,
    keep_pulling: Annotated[bool, typer.Option("--watch", help="Keep pulling until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=1, help="Seconds between two pulls of --watch.")] = 60.0,
    check: Annotated[
        bool, typer.Option("--check", help="Then compare the ledger with the server; exit code 1 if they differ.")
    ] = False,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Bring finished work from Label Studio into the ledger.

    Only what changed since the last pull is read; edits, deletions and skipped tasks are seen, and every version is
    kept. Work by somebody else than the annotator of a project is kept, but set aside. A pull that was interrupted is
    taken up by the next one; pulling twice changes nothing.

    Examples:
      geoseek annotate pull

      geoseek annotate pull --watch --every 300

      geoseek annotate pull --full --check --json
    """
    from geoseek.annotation.pull.run import PullRequest
    from geoseek.annotation.server import ensure_studio
    from geoseek.schemas import UsageError
    from geoseek.workspace import find_workspace, set_quiet

    if keep_pulling and check:
        raise UsageError("--watch and --check do not go together.", hint="Stop watching, then run `pull --check`.")
    set_quiet(quiet or json or keep_pulling)
    folder = find_workspace(workspace)
    request = PullRequest(folder, full=full, splits=o.split_names(split))
    with ensure_studio(folder) as studio:
        if keep_pulling:
            _watch(request, studio, every, json=json, quiet=quiet)
        else:
            _pull_once(request, studio, check=check, json=json, quiet=quiet)


def _pull_once(request: PullRequest, studio: Studio, *, check: bool, json: bool, quiet: bool) -> None:
    from geoseek.annotation.ledger import Ledger
    from geoseek.annotation.pull.compare import compare
    from geoseek.annotation.pull.run import run_pull

    result = run_pull(request, studio)
    differences: list[Difference] = []
    if check:
        with Ledger(request.workspace / "work" / "annotation") as ledger:
            differences = compare(studio, ledger)
    if json:
        found = [{"kind": one.kind, "project": one.project, "what": one.what} for one in differences]
        figures = result.to_json() | ({"differences": found} if check else {})
        typer.echo(json_module.dumps(figures, indent=1, sort_keys=True))
    elif not quiet:
        _show(result)
        if check and not differences:
            typer.echo("The ledger holds exactly what the server holds.")
    if not json:
        warn(result, studio.page_url)
        for one in differences:
            typer.echo(f"Difference in project {one.project}: {one.what}: {one.kind.description}.", err=True)
    if differences:
        raise typer.Exit(1)


def _watch(request: PullRequest, studio: Studio, every: float, *, json: bool, quiet: bool) -> None:
    from geoseek.annotation.pull.run import watch

    typer.echo(f"Pulling from {studio.url} every {every:g} s; Ctrl-C ends it.", err=True)
    try:
        for result in watch(request, studio, every_s=every, stop=lambda: False):
            if json:
                typer.echo(json_module.dumps(result.to_json(), sort_keys=True))
            elif result.failure:
                typer.echo(f"{time.strftime('%H:%M:%S')} nothing pulled: {result.failure}", err=True)
            elif result.changes and not quiet:
                typer.echo(f"{time.strftime('%H:%M:%S')} {in_words(result)}")
                warn(result, studio.page_url)
    except KeyboardInterrupt:
        typer.echo("\nStopped. What was pulled is in the ledger.", err=True)


def in_words(result: PullResult) -> str:
    """Say in a few words what a pull brought."""
    sums = {name: sum(getattr(row, name) for row in result.projects) for name in _COLUMNS}
    if not result.changes:
        return "nothing new"
    return ", ".join(f"{number:,} {name.replace('_', '-')}" for name, number in sums.items() if number)


def _show(result: PullResult) -> None:
    rows = [row for row in result.projects if row.new or row.changed or row.deleted]
    if not rows:
        typer.echo("Up to date: nothing changed on the server since the last pull.")
        return
    heads = [name.replace("_", "-") for name in _COLUMNS]
    width = max(len("annotator"), *(len(row.annotator) for row in rows))
    typer.echo(f"{'annotator':<{width}}  split  " + "  ".join(f"{head:>11}" for head in heads))
    for row in rows:
        figures = "  ".join(f"{getattr(row, name):>11,}" for name in _COLUMNS)
        typer.echo(f"{row.annotator:<{width}}  {row.split:<5}  {figures}")


def warn(result: PullResult, url: str) -> None:
    """Tell the lead what needs a look.

    Args:
        result: What a pull brought.
        url: Address of the server, for links to the tasks.
    """
    for row in result.projects:
        if row.gone:
            typer.echo(
                f"Warning: project {row.project} of {row.annotator} ({row.split}) is no longer on the server. Its "
                "annotations stay in the ledger; `geoseek annotate push` makes the project again.",
                err=True,
            )
        for task in sorted(row.unknown_tasks):
            where = f"{url}/projects/{row.project}/data?task={task}"
            typer.echo(f"Warning: GeoSeek did not push this task; what is said there is not kept: {where}", err=True)
    remarks = [remark for row in result.projects for remark in row.remarks]
    for remark in remarks[:_SHOWN_REMARKS]:
        where = f" {url}/projects/{remark.project}/data?task={remark.task}" if remark.task else ""
        words = f"{remark.annotator}, {remark.sample_id}: {remark.code}: {remark.detail}"
        # The details repeat what people typed; a terminal would obey control characters in it.
        typer.echo("Note: " + "".join(c if c.isprintable() else "\ufffd" for c in words) + f".{where}", err=True)
    if len(remarks) > _SHOWN_REMARKS:
        typer.echo(f"Note: {len(remarks) - _SHOWN_REMARKS:,} more notes; all with --json or `status`.", err=True)
