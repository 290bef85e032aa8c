"""The command line: registration of the verbs, and one place where exceptions become words."""

from __future__ import annotations

import os
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from geoseek import __version__
from geoseek.cli import (
    annotate,
    audit,
    curate,
    doctor,
    evaluate,
    export,
    fetch,
    infer,
    init,
    publish,
    sample,
    tag,
    train,
    validate,
)

# Typer ships click under a private name since 0.26; its public exceptions lead to the base class in every version.
_ClickException: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)


class _Group(TyperGroup):
    """Runs a verb and turns what it raises into two or three lines and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; see `explain` for the exit codes."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, _ClickException):
            raise
        except KeyboardInterrupt:
            typer.echo("\nInterrupted. Nothing half-written was left; the same command goes on from here.", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(1) from None
        except Exception as error:  # noqa: BLE001 - the last line of defence between a user and a traceback
            raise typer.Exit(explain(error)) from None


def explain(error: Exception) -> int:
    """Print an exception in words to stderr and return the exit code: 2 for usage, 1 for failure.

    With `GEOSEEK_DEBUG=1` the traceback is printed first.
    """
    from geoseek.schemas import GeoSeekError

    if os.environ.get("GEOSEEK_DEBUG") == "1":
        traceback.print_exception(error)
    if isinstance(error, GeoSeekError):
        typer.secho(f"Error: {error.message}", err=True, fg=typer.colors.RED)
        if error.hint:
            typer.echo(error.hint, err=True)
        return error.exit_code
    kind = type(error).__name__
    typer.secho(f"Error: {kind}: {error}", err=True, fg=typer.colors.RED)
    typer.echo("This is a fault of GeoSeek or of a package it uses. GEOSEEK_DEBUG=1 shows where.", err=True)
    return 1


app = typer.Typer(
    name="geoseek",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a pool of geotagged street-level photos to a dataset that teaches a model where a picture was taken.",
)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("sample")(sample.sample)
app.command("fetch")(fetch.fetch)
app.command("audit")(audit.audit)
app.command("curate")(curate.curate)
app.command("tag")(tag.tag)
app.command("export")(export.export)
app.command("validate")(validate.validate)
app.command("publish")(publish.publish)
app.command("train")(train.train)
app.command("infer")(infer.infer)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(annotate.app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"geoseek {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the console script."""
    app()
