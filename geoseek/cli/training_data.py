"""What `geoseek train` learns from when no data is named: an export, made where it is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from geoseek.schemas import Split

DEMO = Path("work") / "demo"


def workspace_with_export(workspace: Path, splits: Iterable[Split], *, smoke: bool, quiet: bool) -> Path:
    """Return the workspace whose export is trained on; where there are pictures and no export, make it first.

    A workspace without pictures has nothing to learn from. A smoke run then takes drawn scenes: it makes the demo
    workspace of `geoseek init --demo` in `work/demo` and trains there. A killed run goes on with the next step.

    Args:
        workspace: The workspace.
        splits: Splits that will be read.
        smoke: Whether drawn scenes may stand in for pictures.
        quiet: Say nothing.
    """
    from geoseek.cli.export import export

    if all(_has_pictures(workspace / "export", split) for split in splits):
        return workspace
    if (workspace / "work" / "images" / "images.parquet").is_file():
        _say("The export is brought up to date first (geoseek export).", quiet)
        export(workspace=workspace, quiet=True)
        return workspace
    return _demo_workspace(workspace, quiet) if smoke else workspace


def _has_pictures(target: Path, split: Split) -> bool:
    from geoseek.formats import read_export
    from geoseek.schemas import InputError

    try:
        rows = read_export(target, split, columns=["image"], images=False)
        return any((row["image"] or {}).get("path") for row in rows)
    except InputError:
        return False


def _demo_workspace(workspace: Path, quiet: bool) -> Path:
    from geoseek.cli.annotate.exchange import import_annotations
    from geoseek.cli.export import export
    from geoseek.cli.fetch import fetch
    from geoseek.demo import start_demo
    from geoseek.workspace import CONFIG_NAME

    demo = workspace / DEMO
    _say(f"This workspace has no pictures: the smoke run learns from drawn scenes, in the workspace {DEMO}.", quiet)
    if (demo / "export" / "manifest.json").is_file():
        return demo
    if not (demo / CONFIG_NAME).is_file():
        unfinished = demo.with_name(".demo-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        start_demo(unfinished)
        unfinished.rename(demo)
    fetch(workspace=demo, quiet=True)
    import_annotations(demo / "annotation" / "demo-annotations.json", workspace=demo, quiet=True)
    export(workspace=demo, quiet=True)
    return demo


def _say(words: str, quiet: bool) -> None:
    if not quiet:
        typer.echo(words, err=True)
