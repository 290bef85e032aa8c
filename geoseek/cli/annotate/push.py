"""`geoseek annotate push`."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.annotation.push.run import PushPlan, PushResult

_SHOWN = ("imported", "updated", "deleted", "unchanged", "drafts")


def push(
    split: Annotated[
        list[str] | None,
        typer.Option("--split", help="Push only this split (cot, val); repeatable. Default: annotate.splits."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="So many samples of each split in all. Default: all of them.")
    ] = None,
    overlap_share: Annotated[
        float | None,
        typer.Option("--overlap-share", min=0, max=1, help="Share of the samples that several people annotate."),
    ] = None,
    overlap: Annotated[
        int | None, typer.Option("--overlap", min=1, max=20, help="How many people annotate each of those.")
    ] = None,
    annotators: Annotated[
        str | None,
        typer.Option("--annotators", metavar="NAMES", help="Who gets new tasks, e.g. ana,ben. Default: all."),
    ] = None,
    drafts: Annotated[
        Path | None,
        typer.Option("--drafts", metavar="FILE.jsonl", help="Drafts of a model, which fill the page beforehand."),
    ] = None,
    rebalance: Annotated[
        bool,
        typer.Option("--rebalance", help="Give tasks that nobody has begun to other people, to even the loads out."),
    ] = False,
    workspace: o.Workspace = None,
    seed: o.Seed = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Give samples to annotators: one project in Label Studio per annotator and split.

    Samples are shared out evenly, over all annotators and inside every country. Pushing again changes nothing but what
    changed: new samples are added, changed pictures replaced, and tasks of samples that left are taken back unless
    somebody has begun them. Annotators see a picture without metadata under a name that leads nowhere.

    Examples:
      geoseek annotate push

      geoseek annotate push --split cot --limit 500 --overlap-share 0.2 --overlap 3

      geoseek annotate push --annotators ana,ben --drafts drafts.jsonl

      geoseek annotate push --rebalance --dry-run
    """
    from geoseek.annotation.push.run import PushRequest, plan_push, run_push
    from geoseek.annotation.server import ensure_studio
    from geoseek.workspace import find_workspace, load_config, set_quiet

    set_quiet(quiet or json)
    folder = find_workspace(workspace)
    config = load_config(folder)
    request = PushRequest(
        folder,
        splits=o.split_names(split) or config.annotate.splits,
        limit=limit,
        overlap_share=config.annotate.overlap_share if overlap_share is None else overlap_share,
        overlap=overlap or config.annotate.overlap,
        seed=config.seed if seed is None else seed,
        annotators=tuple(o.comma_list(annotators) or ()),
        drafts=drafts,
        rebalance=rebalance,
    )
    if dry_run:
        show_plan(plan_push(request), json=json)
        return
    result = run_push(request, ensure_studio(folder))
    if json:
        _print(result_json(result))
    elif not quiet:
        _show(result)
    if not json:
        warn(result.notices)


def _print(figures: dict[str, Any]) -> None:
    typer.echo(json_module.dumps(figures, indent=1, sort_keys=True, ensure_ascii=False))


def _plan_json(plan: PushPlan) -> dict[str, Any]:
    new = [{"annotator": name, "split": split, "tasks": count} for (name, split), count in sorted(plan.new.items())]
    return {"new": new, "kept": plan.kept, "retire": dict(plan.retire), "notices": plan.notices}


def result_json(result: PushResult) -> dict[str, Any]:
    """Return the figures of a push for `--json`."""
    projects = [
        {
            "annotator": one.annotator,
            "split": one.split,
            "url": one.url,
            "assigned": one.assigned,
            **asdict(one.figures),
        }
        for one in result.projects
    ]
    return {**asdict(result), "projects": projects}


def show_plan(plan: PushPlan, *, json: bool) -> None:
    """Print what a push would do."""
    if json:
        _print(_plan_json(plan))
        return
    for (name, split), count in sorted(plan.new.items()):
        typer.echo(f"{split.value} · {name}: {count:,} new tasks")
    for reason, count in sorted(plan.retire.items()):
        typer.echo(f"taken back: {count:,} ({reason})")
    typer.echo(f"{plan.kept:,} tasks stay as they are. Nothing was sent.")
    warn(plan.notices)


def _show(result: PushResult) -> None:
    width = max([len("annotator"), *(len(one.annotator) for one in result.projects)])
    typer.echo(f"{'annotator':<{width}}  split {'assigned':>9}" + "".join(f"{name:>11}" for name in _SHOWN))
    for one in result.projects:
        figures = "".join(f"{getattr(one.figures, name):>11,}" for name in _SHOWN)
        typer.echo(f"{one.annotator:<{width}}  {one.split.value:<5} {one.assigned:>9,}{figures}  {one.url}")


def warn(notices: tuple[str, ...]) -> None:
    """Say to the lead what a push noticed."""
    for notice in notices:
        typer.echo(f"Note: {notice}.", err=True)
