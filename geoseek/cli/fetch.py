"""`geoseek fetch`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.media import FetchFigures, FetchRequest, FetchResult
    from geoseek.schemas import ImageKind
    from geoseek.workspace import WorkspaceConfig


def fetch(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Fetch only this split (val, loc, cot); repeatable.")
    ] = None,
    min_pixels: Annotated[
        int, typer.Option("--min-pixels", min=0, help="Reject images with fewer pixels (width x height).")
    ] = 50_176,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", min=1, help="Reject images with more pixels, without decoding them.")
    ] = 100_000_000,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=1, help="Reject images with more bytes.")] = 64
    * 1024
    * 1024,
    pano_views: Annotated[
        int, typer.Option("--pano-views", min=0, max=36, help="Cut so many views from each panorama. Default: none.")
    ] = 0,
    fov: Annotated[float, typer.Option("--fov", min=10, max=150, help="Field of view of these in degrees.")] = 90.0,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="[POOL=]KIND",
            help="What the images (of one pool) are: photo, panorama or satellite. Default: found out. Repeatable.",
        ),
    ] = None,
    near_duplicate_bits: Annotated[
        int | None,
        typer.Option(
            "--near-duplicate-bits",
            min=0,
            max=64,
            help="Largest difference of near-duplicates, out of 256. Default: 24.",
        ),
    ] = None,
    pool_folder: Annotated[
        list[str] | None,
        typer.Option(
            "--pool-folder", metavar="POOL=FOLDER", help="Files of this pool may lie in this folder; repeatable."
        ),
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also ask hosts with a private or loopback address.")
    ] = False,
    per_host: Annotated[int, typer.Option("--per-host", min=1, help="Downloads from one host at the same time.")] = 4,
    connections: Annotated[int, typer.Option("--connections", min=1, help="Downloads at the same time.")] = 32,
    tries: Annotated[int, typer.Option("--tries", min=1, max=20, help="Requests for one image at most.")] = 4,
    backoff: Annotated[
        float, typer.Option("--backoff", min=0, help="Seconds before the second try; doubles with each further one.")
    ] = 1.0,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for one request.")] = 60.0,
    user_agent: Annotated[
        str | None, typer.Option("--user-agent", help="How to introduce oneself to servers; name a contact.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option("--samples", help="Folder of the sample. Default: work/samples.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the images. Default: work/images.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads that decode. Default: all cores.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the report.")] = True,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for images whose server failed.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Forget everything and fetch again.")] = False,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Fetch the images of the sample, check them, and replace those that are dead.

    Every image is decoded once; what is dead, damaged, too small or a copy is replaced by the next reserve row of the
    same split and country. A run that was interrupted goes on where it stood.

    Examples:
      geoseek fetch

      geoseek fetch --split val --min-pixels 200000 --user-agent "my-project/1 (me@example.org)"

      geoseek fetch --pano-views 4 --fov 90 --kind tiles=satellite
    """
    from geoseek import __version__
    from geoseek.annotation.push.subjects import read_rejected_samples
    from geoseek.cli.settings import workspace_config
    from geoseek.media import (
        FINE_BITS,
        DownloadSettings,
        ExamineSettings,
        FetchRequest,
        PixelLimits,
        PoolFiles,
        describe_fetch,
        run_fetch,
    )
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    folder, config = workspace_config(workspace)
    source = samples or folder / "work" / "samples"
    request = FetchRequest(
        samples=source,
        output=output or folder / "work" / "images",
        splits=o.split_names(split),
        download=DownloadSettings(
            user_agent=user_agent or f"geoseek/{__version__} (dataset builder)",
            connections=connections,
            per_host=per_host,
            tries=tries,
            backoff_s=backoff,
            timeout_s=timeout,
            idle_s=min(timeout, 20.0),
            max_bytes=max_bytes,
            allow_private=allow_private,
        ),
        examine=ExamineSettings(PixelLimits(min_pixels, max_pixels), pano_views, fov),
        files=PoolFiles(_pool_folders(config, source, folder, pool_folder or ()), (Path.cwd(), folder)),
        kinds=_kinds(kind or ()),
        fine_bits=FINE_BITS if near_duplicate_bits is None else near_duplicate_bits,
        photo_pools=_photo_pools(source),
        given_back=read_rejected_samples(folder),
        workers=workers or os.cpu_count() or 1,
    )
    if dry_run:
        typer.echo(describe_fetch(request))
        return
    result = run_fetch(request, render=_render if report else None, force=force, retry_failed=retry_failed)
    if json:
        import json as json_module

        figures = result.figures.to_json() if result.figures else {"nothing_to_fetch": result.nothing}
        typer.echo(json_module.dumps(figures, indent=1, sort_keys=True))
    elif not quiet:
        _show(result, request, report=report)


def _render(figures: FetchFigures) -> str:
    from geoseek.cli.fetch_report import render_fetch_report

    return render_fetch_report(figures)


def _kinds(texts: Iterable[str]) -> dict[str, ImageKind]:
    """Read `KIND` and `POOL=KIND`; the empty pool name stands for all pools."""
    from geoseek.schemas import ImageKind, unknown_name

    known = [ImageKind.PHOTO, ImageKind.PANORAMA, ImageKind.SATELLITE]
    kinds = {}
    for text in texts:
        pool, _, name = text.rpartition("=")
        if name not in known:
            raise unknown_name("kind of image", name, [kind.value for kind in known])
        kinds[pool] = ImageKind(name)
    return kinds


def _pool_folders(
    config: WorkspaceConfig, samples: Path, workspace: Path, given: Iterable[str]
) -> Mapping[str, list[Path]]:
    """Return in which folders the files of each pool may lie: what the configuration, the sample and the user say."""
    from geoseek.media import pool_folder
    from geoseek.sampling import parse_pool
    from geoseek.schemas import UsageError
    from geoseek.workspace import read_run_log

    folders: dict[str, list[Path]] = {}
    drawn_from = [f"{name}={path}" for name, path in read_run_log(samples).get("pools", {}).items()]
    for text in (*config.sample.pools, *drawn_from):
        spec = parse_pool(text)
        for base in (Path.cwd(), workspace):
            found = None if spec.path == "geonames" else pool_folder(str(base / spec.path))
            if found is not None and found not in folders.setdefault(spec.name, []):
                folders[spec.name].append(found)
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise UsageError(
                f"--pool-folder {text!r} is not POOL=FOLDER.", hint="Example: --pool-folder osv=data/osv5m"
            )
        if not Path(path).is_dir():
            raise UsageError(f"--pool-folder {text!r}: there is no folder {path}.", hint="Name a folder that exists.")
        folders.setdefault(name, []).append(Path(path))
    return {name: paths for name, paths in folders.items() if paths}


def _photo_pools(samples: Path) -> frozenset[str]:
    from geoseek.workspace import read_manifest

    pools = (read_manifest(samples) or {}).get("pools", [])
    return frozenset(pool["name"] for pool in pools if pool.get("format") == "photos")


def _show(result: FetchResult, request: FetchRequest, *, report: bool) -> None:
    from geoseek.cli.fetch_report import terminal_lines
    from geoseek.workspace import display_path

    if result.figures is None:
        typer.echo(result.nothing)
        return
    for line in terminal_lines(result.figures):
        typer.echo(line)
    for notice in result.figures.notices:
        typer.echo(f"Note: {notice}.", err=True)
    shown = display_path(request.output, Path.cwd())
    if result.up_to_date:
        typer.echo(f"Up to date: {shown} already holds these images (--retry-failed asks again for those that failed).")
    else:
        typer.echo(f"Written to {shown}" + (f"; look at {shown}/report.html" if report else ""))
