"""`geoseek sample`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o
from geoseek.cli.settings import override, workspace_config

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from geoseek.sampling import SampleRequest, SampleResult
    from geoseek.schemas import Split


def sample(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Draw only this split (val, loc, cot); repeatable.")
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option("--pool", metavar="[NAME=]PATH[:SHARE]", help="Pool to draw from, or geonames; repeatable."),
    ] = None,
    weights: o.Weights = None,
    sizes: Annotated[
        str | None, typer.Option("--sizes", metavar="val=N,loc=N,cot=N", help="Rows per split; they must fit the pool.")
    ] = None,
    design: Annotated[
        Path | None, typer.Option("--design", help="Design file (YAML), e.g. one of the workspace's sampling/ folder.")
    ] = None,
    countries: o.Countries = None,
    exclude: o.Exclude = None,
    min_per_country: Annotated[
        int | None, typer.Option("--min-per-country", min=0, help="Rows for every country that has so many candidates.")
    ] = None,
    max_share: Annotated[
        float | None, typer.Option("--max-share", help="Largest fraction of a split that one country may hold.")
    ] = None,
    reserve: Annotated[
        float | None,
        typer.Option("--reserve", min=0, help="Extra ranked rows per country, as a fraction. Default: 0.1."),
    ] = None,
    separation_km: Annotated[
        float | None,
        typer.Option("--separation-km", min=0, help="No loc or cot row this near to a val row. Default: 1."),
    ] = None,
    avoid: Annotated[
        list[str] | None,
        typer.Option("--avoid", metavar="FILE[:KM]", help="Keep loc and cot away from a benchmark; repeatable."),
    ] = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", help="Folder of an earlier sample: keep its rows, only top up.")
    ] = None,
    columns: o.Columns = None,
    encoding: o.Encoding = None,
    assume_unique_ids: Annotated[
        bool | None, typer.Option("--assume-unique-ids", help="Skip the check for duplicate ids.")
    ] = None,
    impute_missing: o.Impute = None,
    population_raster: o.Raster = None,
    boundaries: o.Boundaries = None,
    offshore_tolerance_km: o.Tolerance = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the result. Default: work/samples.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Reading threads. Default: all cores.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Dask scheduler that reads the pools instead.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Draw the balance report.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Draw again even if the result is up to date.")] = False,
    seed: o.Seed = None,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Draw a stratified, bias-aware sample from any pool of geotagged photos.

    Countries get rows in proportion to roads, population and land area; inside a country, 1 degree cells in
    proportion to the logarithm of their population.

    Examples:
      geoseek sample --weights population,area,roads

      geoseek sample --pool osv=data/osv5m/*.parquet:0.6 --pool mine=photos/:0.4 --sizes val=500,loc=4000,cot=1000

      geoseek sample --split loc --avoid im2gps3k.csv:1
    """
    from geoseek.sampling import SampleRequest, parse_weights, run_sample, terminal_table
    from geoseek.schemas import Split
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    folder, config = workspace_config(workspace)
    given = {
        "pools": pool,
        "weights": None if weights is None else parse_weights(weights),
        "sizes": None if sizes is None else {**config.sample.sizes, **_sizes(sizes)},
        "countries": o.comma_list(countries),
        "exclude": _exclude(exclude, countries),
        "min_per_country": min_per_country,
        "max_share": max_share,
        "reserve": reserve,
        "separation_km": separation_km,
        "avoid": avoid,
        "columns": o.comma_pairs(columns, "--columns"),
        "encoding": encoding,
        "assume_unique_ids": assume_unique_ids,
        "impute_missing": o.comma_pairs(impute_missing, "--impute-missing"),
        "population_raster": population_raster,
        "boundaries": boundaries,
        "offshore_tolerance_km": offshore_tolerance_km,
    }
    request = SampleRequest(
        settings=override(config.sample, given, design=design),
        seed=config.seed if seed is None else seed,
        splits=o.split_names(split) or tuple(Split),
        output=output or folder / "work" / "samples",
        explicit_sizes=sizes is not None,
        previous=previous,
        workers=workers or os.cpu_count() or 1,
        report=report,
        workspace=folder,
    )
    if dry_run:
        _show_plan(request)
        return
    with _executor(scheduler) as executor:
        result = run_sample(request, force=force, executor=executor)
    if json:
        import json as json_module

        typer.echo(json_module.dumps(result.report.to_json(), indent=1, sort_keys=True))
    elif not quiet:
        typer.echo(terminal_table(result.report))
        _show_end(result, request)


def _exclude(exclude: str | None, countries: str | None) -> list[str] | None:
    """Let `--countries` alone mean just these countries, whatever the design leaves out."""
    return [] if exclude is None and countries is not None else o.comma_list(exclude)


def _sizes(text: str) -> dict[Split, int]:
    from geoseek.schemas import Split, UsageError, unknown_name

    pairs = o.comma_pairs(text, "--sizes") or {}
    for name, value in pairs.items():
        if name not in set(Split):
            raise unknown_name("split in --sizes", name, list(Split))
        if not value.isdigit():
            raise UsageError(f"--sizes {name}={value}: not a number of rows.", hint="Use whole numbers, 0 or more.")
    return {Split(name): int(value) for name, value in pairs.items()}


@contextlib.contextmanager
def _executor(address: str | None) -> Iterator[Executor | None]:
    """Yield an executor on a Dask cluster for the time of a draw; None without an address."""
    if address is None:
        yield None
        return
    from geoseek.sampling import cluster_executor

    with cluster_executor(address) as executor:
        yield executor


def _show_plan(request: SampleRequest) -> None:
    from geoseek.sampling import describe_request

    typer.echo(describe_request(request))


def _show_end(result: SampleResult, request: SampleRequest) -> None:
    from geoseek.workspace import display_path

    shown = display_path(request.output, Path.cwd())
    for notice in result.report.notices:
        typer.echo(f"Note: {notice}", err=True)
    if result.up_to_date:
        typer.echo(f"Up to date: {shown} already holds this sample (--force draws it again).")
    else:
        typer.echo(f"Written to {shown}" + (f"; look at {shown}/report.html" if request.report else ""))
