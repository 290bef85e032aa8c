"""`geoseek evaluate`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.endpoints import Endpoint
    from geoseek.schemas import Split
    from geoseek.training.evaluate import EvaluateResult, Evaluation

_COLUMNS_AT_ONCE, _CHAIN_COLUMNS = 3, 5
_HEADER_CHARS = 28


def evaluate(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Files of predictions: JSON lines of infer, or CSV. Default: what infer has written for train.recipe.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Split of the export that has the truth: val, loc or cot. Default: true positions in the CSV files "
            "themselves, else val.",
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Folder of the export. Default: export in the workspace.")
    ] = None,
    denominator: Annotated[
        str,
        typer.Option(
            "--denominator",
            metavar="all|answered",
            help="Count rows without coordinates as wrong (all), or leave them out (answered).",
        ),
    ] = "all",
    judge: Annotated[
        bool,
        typer.Option("--judge", help="Let the model at GEOSEEK_LLM_URL compare chains; it gets their text."),
    ] = False,
    chains: Annotated[
        bool, typer.Option("--chains/--no-chains", help="Compare chains of thought where there is a reference.")
    ] = True,
    chain_threshold: Annotated[
        float | None,
        typer.Option("--chain-threshold", help="Likeness from which two steps say the same. Default: 0.6."),
    ] = None,
    embedding_model: Annotated[
        str | None,
        typer.Option(
            "--embedding-model",
            metavar="NAME",
            help="Sentence model that compares chains. Default: the paper's if downloaded, else the offline one.",
        ),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option("--resamples", help="Resamples of the bootstrap. Default: 2000.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Coverage of the intervals. Default: 0.95.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the result. Default: beside the predictions, in runs/."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Work everything out anew.")] = False,
    seed: o.Seed = None,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Hold predictions against the truth: accuracies, distances, GeoScores, names, chains, each with its interval.

    Rows that the model did not answer, or whose answer is no known place, count as wrong. Several files are compared on
    the same rows. A report with plots and a map of errors is written beside the figures.

    Examples:
      geoseek evaluate

      geoseek evaluate runs/geoagent-7b/predictions/val.jsonl --split val

      geoseek evaluate runs/smoke/predictions/val.jsonl other-model.csv --split val

      geoseek evaluate other-model.csv --denominator answered --output other-model
    """
    from geoseek.cli.settings import workspace_config
    from geoseek.schemas import Split, unknown_name
    from geoseek.training.evaluate import (
        DENOMINATORS,
        EvaluateRequest,
        EvaluateSettings,
        describe_evaluate,
        run_evaluate,
    )
    from geoseek.workspace import set_quiet, validate_settings

    set_quiet(quiet or json)
    if denominator not in DENOMINATORS:
        raise unknown_name("denominator", denominator, list(DENOMINATORS))
    chosen = next(iter(o.split_names([split] if split else None)), None)
    folder, config = workspace_config(workspace)
    given = {
        "chain_threshold": chain_threshold,
        "embedding_model": embedding_model,
        "resamples": resamples,
        "confidence": confidence,
    }
    settings = {
        "denominator": denominator,
        "chains": chains,
        "seed": config.seed if seed is None else seed,
        **{name: value for name, value in given.items() if value is not None},
    }
    request = EvaluateRequest(
        workspace=folder,
        predictions=tuple(predictions or ()) or (_default_file(folder, config.train.recipe, chosen or Split.VAL),),
        split=chosen,
        export=export,
        settings=validate_settings(EvaluateSettings, settings, origin="command line"),
        judge=_judge() if judge else None,
        output=output,
    )
    if dry_run:
        _show_plan(describe_evaluate(request), json=json)
        return
    result = run_evaluate(request, force=force)
    if json:
        _show_json(result)
    elif not quiet:
        _show(result)


def _default_file(workspace: Path, recipe: str, split: Split) -> Path:
    from geoseek.schemas import UsageError
    from geoseek.training.infer import predictions_path
    from geoseek.workspace import display_path

    path = predictions_path(workspace, recipe, split)
    if not path.is_file():
        raise UsageError(
            f"There are no predictions yet: {display_path(path, Path.cwd())} is missing.",
            hint=f"Run `geoseek infer --split {split}`, or name a file: geoseek evaluate FILE.",
        )
    return path


def _judge() -> Endpoint | None:
    from geoseek.endpoints import endpoint_from_environment

    return endpoint_from_environment("GEOSEEK_LLM", required=True)


def _show_plan(words: str, *, json: bool) -> None:
    if not json:
        typer.echo(words)
        return
    import json as json_module

    typer.echo(json_module.dumps({"plan": words.splitlines()}, indent=1, ensure_ascii=False))


def _show_json(result: EvaluateResult) -> None:
    import json as json_module
    from dataclasses import asdict

    content: dict[str, Any] = {
        "output": _shown(result.folder),
        "evaluation": result.evaluation.model_dump(mode="json"),
        "spent": result.spent and asdict(result.spent),
        "up_to_date": result.up_to_date,
    }
    typer.echo(json_module.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))


def _show(result: EvaluateResult) -> None:
    from geoseek.training.evaluate import chain_table, difference_table, headline_table, outcome_table

    found = result.evaluation
    blocks = [table_lines(*table(found)) for table in (headline_table, outcome_table, difference_table)]
    for lines in (*blocks, table_lines(*chain_table(found), at_once=_CHAIN_COLUMNS)):
        if lines:
            typer.echo("\n".join([*lines, ""]))
    for line in _basis(found):
        typer.echo(line)
    # What is to be known about the tools was said when they were loaded.
    about_tools = found.notices if result.up_to_date else ()
    for notice in dict.fromkeys((*about_tools, *(words for one in found.sets for words in one.file.notices))):
        typer.echo(f"Note: {_plain(notice).rstrip('.')}.", err=True)
    if result.spent is not None:
        spent = result.spent
        typer.echo(
            f"spent in this run: {spent.requests:,} requests, {spent.prompt_tokens:,} tokens there, "
            f"{spent.completion_tokens:,} back; {spent.cached:,} replies were there already"
        )
    shown = _shown(result.folder)
    if result.up_to_date:
        typer.echo(f"Up to date: {shown} already holds this evaluation (--force works it out anew).")
    else:
        typer.echo(f"Written to {shown}; look at {shown}/report.html")


def _basis(found: Evaluation) -> Iterator[str]:
    """Yield what the figures are over, and what of each file was read."""
    from geoseek.training.evaluate import DENOMINATORS

    settings = found.settings
    denominator = DENOMINATORS[settings.denominator]
    yield f"{denominator[:1].upper()}{denominator[1:]}. Distances are over rows with coordinates."
    yield (
        f"Intervals: {100 * settings.confidence:g} %, bootstrap of rows with up to {settings.resamples:,} resamples, "
        f"seed {settings.seed}; Wilson's where all or none are right."
    )
    if found.differences:
        yield (
            "p: exact McNemar test of shares, sign-flip permutation test of means; corrected for all of them by Holm's "
            "method."
        )
    yield f"truth: {_plain(found.truth.name)}, {found.truth.rows:,} rows{_rejected(found.truth.rejected)}"
    for one in found.sets:
        left_out = one.file.read - one.file.counted
        yield (
            f"{_plain(one.file.file)}: {one.file.read:,} rows read = {one.file.counted:,} counted + "
            f"{left_out:,} rejected{_rejected(one.file.rejected)}"
        )


def _rejected(codes: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{code} {rows:,}' for code, rows in codes.items())})" if codes else ""


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], at_once: int = _COLUMNS_AT_ONCE) -> list[str]:
    """Return a table as lines: the first column to the left, the others to the right.

    Args:
        header: Names of the columns; long ones are wrapped.
        rows: Cells. No row gives no lines.
        at_once: Columns beside the first; more of them follow in a block of their own.

    >>> table_lines(["", "a", "b"], [["rows", "1,000", "2"]])
    ['          a  b', 'rows  1,000  2']
    """
    lines: list[str] = []
    for first in range(1, len(header) if rows else 0, at_once):
        shown = [0, *range(first, min(first + at_once, len(header)))]
        body = [[_plain(row[at]) for at in shown] for row in rows]
        widest = [max(len(row[at]) for row in body) for at in range(len(shown))]
        heads = [
            textwrap.wrap(_plain(header[at]), max(width, _HEADER_CHARS), break_on_hyphens=False) or [""]
            for at, width in zip(shown, widest, strict=True)
        ]
        above = [list(line) for line in zip_longest(*heads, fillvalue="")]
        widths = [max(len(row[at]) for row in above + body) for at in range(len(shown))]
        lines += [""] * bool(lines)
        lines += [_aligned(row, widths) for row in above + body]
    return lines


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def _plain(text: str) -> str:
    """Return text without what would move the cursor; names come from files."""
    return "".join(character if character.isprintable() else " " for character in text)


def _shown(folder: Path) -> str:
    from geoseek.workspace import display_path

    return display_path(folder, Path.cwd())
