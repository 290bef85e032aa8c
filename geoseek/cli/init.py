"""`geoseek init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoseek.cli import options as o


def init(
    folder: Annotated[Path, typer.Argument(help="New or empty folder for the workspace.")],
    demo: Annotated[
        bool, typer.Option("--demo", help="With a small pool of drawn street scenes, a sample of it, and annotations.")
    ] = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a workspace: copy the reference configuration, designs and schemas into a new folder.

    Examples:
      geoseek init my-dataset && cd my-dataset && geoseek sample

      geoseek init --demo try-it && cd try-it && geoseek fetch
    """
    from geoseek.workspace import create_workspace, set_quiet

    set_quiet(quiet)
    if demo:
        from geoseek.demo import start_demo

        made = start_demo(folder)
        words = f"{made.scenes} drawn scenes, {made.annotated} example annotations, and a sample"
        step = f"Next: cd {folder} && geoseek fetch"
    else:
        words = f"{len(create_workspace(folder))} files"
        step = f"Next: look at {folder / 'geoseek.yaml'}, then run `geoseek sample` there."
    if not quiet:
        typer.echo(f"Workspace made in {folder}: {words}.")
        typer.echo(step)
