"""`geoseek annotate serve` and `stop`: the workspace's own Label Studio."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from geoseek.cli import options as o


def serve(
    host: Annotated[
        str | None,
        typer.Option("--host", help="Address to listen on; 0.0.0.0 lets other machines in, unencrypted. [127.0.0.1]"),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: the last one, or a free one.")
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", metavar="https://HOST", help="Address of a TLS proxy that stands before it."),
    ] = None,
    workspace: o.Workspace = None,
    quiet: o.Quiet = False,
) -> None:
    """Run a Label Studio for this workspace until Ctrl-C.

    The first run installs Label Studio into an environment of its own (minutes). Database, pictures, log and password
    are in work/annotation/server of the workspace; --host, --port and --public-url are remembered. Not needed if
    GEOSEEK_LABEL_STUDIO_URL and GEOSEEK_LABEL_STUDIO_TOKEN name an existing server.

    Examples:
      geoseek annotate serve

      geoseek annotate serve --port 9000

      geoseek annotate serve --public-url https://label.example.org
    """
    from geoseek.annotation.server import serve as run_server
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet)
    run_server(find_workspace(workspace), host=host, port=port, public_url=public_url)


def stop(workspace: o.Workspace = None, json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Stop the Label Studio of this workspace, also one that other commands started in the background.

    Examples:
      geoseek annotate stop
    """
    from geoseek.annotation.server import stop_server
    from geoseek.workspace import find_workspace

    stopped = stop_server(find_workspace(workspace))
    if json:
        typer.echo(json_module.dumps({"stopped": stopped}))
    elif not quiet:
        typer.echo("Label Studio has stopped." if stopped else "Label Studio was not running.")
