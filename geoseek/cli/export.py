"""`geoseek export`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.pipelines import ExportRequest, ExportResult


def export(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Export only this split (val, loc, cot); repeatable.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            metavar="MODE",
            help="Pictures in the files (embed), by their address (reference), or not at all (none). Default: embed.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Then write the files of another tool from it (docs/formats.md), to --output.",
        ),
    ] = None,
    shard_mb: Annotated[
        int | None, typer.Option("--shard-mb", min=1, help="Size of a Parquet file in megabytes. Default: 500.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the dataset. Default: export; with --format, export-NAME."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads that read pictures. Default: all cores.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write everything anew.")] = False,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the splits as a dataset: Parquet files with pictures, a card, Croissant metadata, checksums.

    Chains and ratings are brought up to date first (curate, tag), without a model and without sending anything. A
    picture goes into the files only if its licence grants redistribution, and never with its metadata.

    Examples:
      geoseek export

      geoseek export --split val

      geoseek export --images reference --output export-by-address

      geoseek export --format swift-sft --output swift
    """
    from geoseek.cli.settings import workspace_config
    from geoseek.formats import find_format, write_format
    from geoseek.pipelines import ExportRequest, describe_export, run_export
    from geoseek.workspace import ExportSettings, set_quiet, validate_settings

    set_quiet(quiet or json)
    if format is not None:
        find_format(format)
    folder, config = workspace_config(workspace)
    given = {name: value for name, value in {"images": images, "shard_mb": shard_mb}.items() if value is not None}
    request = ExportRequest(
        workspace=folder,
        output=output if output and format is None else folder / "export",
        splits=o.split_names(split),
        settings=validate_settings(ExportSettings, {**config.export.model_dump(), **given}, origin="command line"),
        workers=workers or os.cpu_count() or 1,
    )
    target = output or folder / f"export-{format}"
    if dry_run:
        typer.echo(describe_export(request))
        if format is not None:
            typer.echo(f"Then, from that, {format} into {target}.")
        return
    result = run_export(request, force=force)
    written = None if format is None else write_format(format, request.output, target, request.splits, force=force)
    if json:
        import json as json_module

        content: dict[str, Any] = {"splits": result.figures, "up_to_date": result.up_to_date, "notices": result.notices}
        if written is not None:
            content["format"] = written.figures
        typer.echo(json_module.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
    elif not quiet:
        _show(result, request)
        if written is not None:
            state = "Up to date" if written.up_to_date else "Written"
            typer.echo(f"{state}: {format} in {target} ({', '.join(written.files[:5]) or 'no files'})")


def _show(result: ExportResult, request: ExportRequest) -> None:
    from geoseek.workspace import display_path

    typer.echo(f"{'split':<6}{'read':>9}{'exported':>10}{'pictures':>10}{'by address':>12}{'files':>7}{'MB':>9}")
    for name, figures in result.figures.items():
        places = figures.get("pictures", {})
        typer.echo(
            f"{name:<6}{figures['read']:>9,}{figures['rows']:>10,}{places.get('embedded', 0):>10,}"
            f"{places.get('reference', 0):>12,}{figures['files']:>7,}{figures['bytes'] / 1e6:>9,.1f}"
        )
        if figures["rejected"]:
            codes = ", ".join(f"{code} {rows:,}" for code, rows in figures["rejected"].items())
            typer.echo(f"{'':<6}left out: {codes}")
    for notice in result.notices:
        typer.echo(f"Note: {notice}", err=True)
    shown = display_path(request.output, Path.cwd())
    if result.up_to_date:
        typer.echo(f"Up to date: {shown} already holds this export (--force writes it anew).")
    else:
        typer.echo(f"Written to {shown}; look at {shown}/README.md")
