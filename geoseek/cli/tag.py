"""`geoseek tag`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.endpoints import Endpoint
    from geoseek.pipelines import TagResult


def tag(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Tag this split (val, loc, cot); repeatable. Default: val.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--source",
            metavar="human|endpoint|both",
            help="Whose ratings count: the annotators', a model's, or both. Only endpoint and both send pictures.",
        ),
    ] = "human",
    use: Annotated[
        str | None,
        typer.Option(
            "--use", metavar="human|model", help="Whose rating is exported where there are both. Default: geoseek.yaml."
        ),
    ] = None,
    locatability_range: Annotated[
        str | None,
        typer.Option(
            "--locatability-range",
            metavar="LOW:HIGH",
            help="Keep samples whose score lies in this range, both ends included. Default: geoseek.yaml, else all.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write the results anew.")] = False,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Give samples their locatability and scene tags, from annotators, from a vision-language model, or from both.

    The model is the one that GEOSEEK_VLM_URL and GEOSEEK_VLM_MODEL name (else GEOSEEK_LLM_...). Pictures are sent to it
    without metadata, and only with --source endpoint or both. Every answer is kept: an interrupted run goes on where it
    stood, and no question is paid for twice.

    Examples:
      geoseek tag

      geoseek tag --source both --dry-run

      geoseek tag --split val --source both --use model --locatability-range 3:9
    """
    from geoseek.cli.settings import workspace_config
    from geoseek.pipelines import Preference, RatingSource, TagRequest, describe_tag, run_tag
    from geoseek.schemas import unknown_name
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    for name, value, known in (("source", source, list(RatingSource)), ("rating", use, list(Preference))):
        if value is not None and value not in known:
            raise unknown_name(name, value, [one.value for one in known])
    folder, _ = workspace_config(workspace)
    wanted = RatingSource(source)
    request = TagRequest(
        folder,
        splits=o.split_names(split),
        source=wanted,
        use=Preference(use) if use else None,
        score_range=score_range(locatability_range),
        endpoint=_endpoint() if wanted.model else None,
        as_last_time=False,
    )
    if dry_run:
        _show_plan(*describe_tag(request), json=json)
        return
    if request.endpoint is not None and not quiet:
        typer.echo(describe_tag(request)[0], err=True)
    _show(run_tag(request, force=force), json=json, quiet=quiet)


def score_range(text: str | None) -> tuple[float, float] | None:
    """Read `LOW:HIGH`; None stays None.

    Raises:
        UsageError: It is something else, or no range inside of 0..10.

    >>> score_range("3:9")
    (3.0, 9.0)
    """
    from geoseek.schemas import UsageError

    if text is None:
        return None
    low, colon, high = text.partition(":")
    try:
        limits = float(low), float(high)
    except ValueError:
        limits = (1.0, 0.0)
    if not colon or not 0 <= limits[0] <= limits[1] <= 10:
        raise UsageError(
            f"--locatability-range {text!r} is no range of scores.",
            hint="Write LOW:HIGH between 0 and 10, such as 3:9.",
        )
    return limits


def _endpoint() -> Endpoint:
    from geoseek.endpoints import endpoint_from_environment
    from geoseek.schemas import UsageError

    found = endpoint_from_environment("GEOSEEK_VLM") or endpoint_from_environment("GEOSEEK_LLM")
    if found is None:
        raise UsageError(
            "No vision-language model is named.",
            hint="Set GEOSEEK_VLM_URL and GEOSEEK_VLM_MODEL, and GEOSEEK_VLM_KEY if the server wants one.",
        )
    return found


def _show_plan(words: str, plan: Any, *, json: bool) -> None:
    if not json:
        typer.echo(words)
        return
    import json as json_module

    asked = plan and {
        "requests": len(plan.questions),
        "already_answered": len(plan.kept),
        "prompt_tokens": plan.prompt_tokens,
        "completion_tokens": plan.completion_tokens,
        "money": plan.money,
    }
    typer.echo(json_module.dumps({"model": asked}, indent=1, sort_keys=True))


def _show(result: TagResult, *, json: bool, quiet: bool) -> None:
    from pathlib import Path

    from geoseek.pipelines import tag_lines
    from geoseek.workspace import display_path

    if json:
        import json as json_module
        from dataclasses import asdict

        spent = result.spent and asdict(result.spent)
        figures = {**result.figures.model_dump(mode="json"), "spent": spent, "up_to_date": result.up_to_date}
        typer.echo(json_module.dumps(figures, indent=1, sort_keys=True))
        return
    if quiet:
        return
    for line in tag_lines(result.figures):
        typer.echo(line)
    if result.spent is not None:
        typer.echo(_spent_words(result))
    for notice in (*result.figures.notices, *result.notes):
        typer.echo(f"Note: {notice.rstrip('.')}.", err=True)
    shown = display_path(result.folder, Path.cwd())
    if result.up_to_date:
        typer.echo(f"Up to date: {shown} already holds these ratings.")
    else:
        typer.echo(f"Written to {shown}; look at {shown}/tags-report.html")


def _spent_words(result: TagResult) -> str:
    spent = result.spent
    if spent is None:
        return ""
    words = (
        f"spent in this run: {spent.requests:,} requests, {spent.prompt_tokens:,} tokens there, "
        f"{spent.completion_tokens:,} back; {spent.cached:,} replies were there already"
    )
    return words if spent.money is None else f"{words}; {spent.money:,.2f} at the prices of pipelines/tag.yaml"
