"""`geoseek audit`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from geoseek.cli import options as o
from geoseek.cli.settings import override, workspace_config


def audit(
    files: Annotated[
        list[str], typer.Argument(metavar="[NAME=]FILE...", help="Sets of coordinates, in any pool format.")
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", metavar="FILE", help="Benchmark to measure nearness to; repeatable."),
    ] = None,
    weights: o.Weights = None,
    countries: o.Countries = None,
    exclude: o.Exclude = None,
    columns: o.Columns = None,
    encoding: o.Encoding = None,
    impute_missing: o.Impute = None,
    population_raster: o.Raster = None,
    boundaries: o.Boundaries = None,
    offshore_tolerance_km: o.Tolerance = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the report. Default: work/audit/NAME.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Draw the balance report.")] = True,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Report the geographic balance of an existing dataset; a CSV of coordinates is enough.

    Examples:
      geoseek audit osv5m-train.csv

      geoseek audit loc=export/loc.csv val=export/val.csv --against im2gps3k.csv
    """
    from geoseek.sampling import AuditRequest, parse_pool, parse_weights, run_audit, terminal_table
    from geoseek.workspace import display_path, set_quiet

    set_quiet(quiet or json)
    folder, config = workspace_config(workspace)
    given = {
        "weights": None if weights is None else parse_weights(weights),
        "countries": o.comma_list(countries),
        "exclude": o.comma_list(exclude),
        "columns": o.comma_pairs(columns, "--columns"),
        "encoding": encoding,
        "impute_missing": o.comma_pairs(impute_missing, "--impute-missing"),
        "population_raster": population_raster,
        "boundaries": boundaries,
        "offshore_tolerance_km": offshore_tolerance_km,
    }
    request = AuditRequest(
        files=tuple(files),
        settings=override(config.sample, given),
        against=tuple(against or ()),
        output=output or folder / "work" / "audit" / "+".join(parse_pool(text).name for text in files),
        workers=os.cpu_count() or 1,
        report=report,
    )
    found = run_audit(request)
    if json:
        import json as json_module

        typer.echo(json_module.dumps(found.to_json(), indent=1, sort_keys=True))
    elif not quiet:
        typer.echo(terminal_table(found))
        for notice in found.notices:
            typer.echo(f"Note: {notice}", err=True)
        shown = display_path(request.output, Path.cwd())
        typer.echo(f"Written to {shown}" + (f"; look at {shown}/report.html" if report else ""))
