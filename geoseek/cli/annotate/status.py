"""`geoseek annotate status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.annotation.progress.status import StatusFigures
    from geoseek.schemas import Split


def status(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Only this split (val, loc, cot); repeatable. Default: all.")
    ] = None,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Write work/annotation/status.html with plots and disputes.")
    ] = True,
    server_url: Annotated[
        str | None,
        typer.Option(
            "--server-url",
            metavar="URL",
            help="Address of the workspace's own server, for links from the page to tasks.",
        ),
    ] = None,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Show how far the annotation is: per split, annotator and day.

    Reads the ledger only: run `geoseek annotate pull` first to see the work of today. Days are in UTC.

    Examples:
      geoseek annotate status

      geoseek annotate status --split cot --json --no-page
    """
    from geoseek.annotation.progress.report import STATUS_PAGE, status_lines
    from geoseek.workspace import display_path, find_workspace, set_quiet

    set_quiet(quiet or json)
    folder = find_workspace(workspace)
    target = folder / "work" / "annotation" / STATUS_PAGE if page else None
    figures = read_status(folder, o.split_names(split), page=target, server_url=server_url)
    if json:
        import json as json_module

        typer.echo(json_module.dumps(figures.to_json(), indent=1, sort_keys=True, ensure_ascii=False))
    elif not quiet:
        for line in status_lines(figures):
            typer.echo(line)
        if target is not None:
            typer.echo(f"Written to {display_path(target, Path.cwd())}", err=True)


def read_status(
    workspace: Path, splits: tuple[Split, ...] = (), *, page: Path | None = None, server_url: str | None = None
) -> StatusFigures:
    """Count what the ledger holds, and write the page if a path for it is given.

    Args:
        workspace: Folder of the workspace.
        splits: Only these; all unless given.
        page: Where to write the page; None to write none.
        server_url: Address of the workspace's own server, whose identity in the ledger is `local`.
    """
    from datetime import UTC, datetime

    from geoseek.annotation.agreement import agreement, open_existing_ledger, read_truth
    from geoseek.annotation.progress.report import render_status
    from geoseek.annotation.progress.status import build_status
    from geoseek.workspace import write_text

    with open_existing_ledger(workspace) as ledger:
        figures = build_status(ledger, now=datetime.now(UTC), splits=splits)
        if page is not None:
            from geoseek.geo import load_gazetteer

            rows = (row for row in ledger.annotations() if not splits or row.split in splits)
            compared = agreement(rows, read_truth(workspace), gazetteer=load_gazetteer())
            urls = {} if server_url is None else {"local": server_url}
            write_text(page, render_status(figures, compared, server_urls=urls))
    return figures
