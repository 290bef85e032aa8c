"""`geoseek annotate import`, `export` and `restore`."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from geoseek.cli import options as o


def import_annotations(
    file: Annotated[Path, typer.Argument(help="Label Studio JSON, our JSON Lines, or a CSV or JSON Lines of notes.")],
    format_: Annotated[
        str | None,
        typer.Option("--format", help="label-studio, records or notes. Default: told from the name and first row."),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option("--annotator", help="Pseudonym for all of it. Default: what the file says.")
    ] = None,
    provenance: Annotated[
        str | None,
        typer.Option("--provenance", help="Who wrote it: human, rule, synthetic or 'model NAME'. Default: human."),
    ] = None,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Bring annotations of another tool into the ledger.

    A sample is found by its id, by its image (as the pool names it, by file name or by content), or by its position.
    Notes are tables with the columns image, text, lat, lng; `geoseek curate` standardises them later. What does not fit
    is written to work/annotation/rejects/ with a reason. Importing a file twice changes nothing.

    Examples:
      geoseek annotate import annotation/demo-annotations.json

      geoseek annotate import notes.csv --annotator club-lyon
    """
    from geoseek.annotation import ImportFormat, ImportRequest, import_file
    from geoseek.schemas import UsageError, unknown_name
    from geoseek.workspace import display_path, find_workspace, set_quiet

    set_quiet(quiet or json)
    if format_ is not None and format_ not in set(ImportFormat):
        raise unknown_name("format", format_, list(ImportFormat))
    known = ("human", "rule", "synthetic")
    if provenance is not None and provenance not in known and not provenance.startswith("model "):
        raise UsageError(
            f"--provenance {provenance!r} is not allowed.", hint=f"Allowed: {', '.join(known)}, 'model NAME'."
        )
    folder = find_workspace(workspace)
    kind = None if format_ is None else ImportFormat(format_)
    result = import_file(ImportRequest(folder, file, kind, annotator, provenance))
    rejects = None if result.rejects is None else display_path(result.rejects, folder)
    if json:
        typer.echo(json_module.dumps(asdict(result) | {"rejects": rejects}, indent=1))
    elif not quiet:
        typer.echo(
            f"{result.read:,} read = {result.new:,} new + {result.changed:,} changed + {result.unchanged:,} unchanged "
            f"+ {result.rejected:,} rejected"
        )
        for reason, number in result.reasons.items():
            typer.echo(f"  {reason}: {number:,}")
        for code, number in result.problems.items():
            typer.echo(f"Note: {number:,} with {code}.", err=True)
    if rejects and not json:
        typer.echo(f"The rejected entries are in {rejects}.", err=True)


def export_annotations(
    file: Annotated[Path, typer.Argument(help="FILE.jsonl for our records, FILE.json for Label Studio.")],
    split: Annotated[list[str] | None, typer.Option("--split", help="Only this split; repeatable.")] = None,
    accepted: Annotated[bool, typer.Option("--accepted", help="Only what a reviewer accepted.")] = False,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the last version of every annotation to a file, under pseudonyms.

    Examples:
      geoseek annotate export annotations.jsonl

      geoseek annotate export for-label-studio.json --split cot --accepted
    """
    from geoseek.annotation import ExportRequest, export_file
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet or json)
    request = ExportRequest(find_workspace(workspace), file, o.split_names(split), accepted)
    counts = export_file(request)
    if json:
        typer.echo(json_module.dumps(counts, indent=1))
    elif not quiet:
        left_out = counts.pop("left_out", 0)
        words = ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "no annotations"
        typer.echo(f"{words} written to {file}")
        if left_out:
            typer.echo(f"Note: {left_out:,} free-text notes have no form in Label Studio; use FILE.jsonl.", err=True)


def restore_ledger(
    backup: Annotated[
        str | None, typer.Argument(help="File name in work/annotation/backups. Default: the newest.")
    ] = None,
    workspace: o.Workspace = None,
    quiet: o.Quiet = False,
) -> None:
    """Put a backup in the place of a damaged ledger; the old file is moved aside.

    The next `geoseek annotate pull --full` brings what came to the server after the backup.
    """
    from geoseek.annotation import LEDGER_NAME, restore
    from geoseek.workspace import exclusive, find_workspace

    folder = find_workspace(workspace) / "work" / "annotation"
    with exclusive(folder, doing="restoring the ledger"):
        used, old = restore(folder / LEDGER_NAME, backup)
    if not quiet:
        kept = f"; the old ledger is now {old.name}" if old else ""
        typer.echo(f"Restored {used.name}{kept}. Now run: geoseek annotate pull --full")
