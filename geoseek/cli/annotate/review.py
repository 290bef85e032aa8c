"""`geoseek annotate review`: the queue, decisions, and the adjudication of disputes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoseek.cli import options as o
from geoseek.cli.annotate.review_words import card_lines, print_json, queue_lines, summary, visible

if TYPE_CHECKING:
    from geoseek.annotation.ledger import Ledger, StoredAnnotation
    from geoseek.annotation.review import Outcome, PulledVerdicts, RulesRun

app = typer.Typer(
    name="review",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Look at annotations that a rule put in the queue; accept, reject or edit them; settle disputes.",
)

By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who decides. Default: annotate.reviewer of geoseek.yaml."),
]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="As the queue shows them; the beginning is enough.")
]
OneId = Annotated[str, typer.Argument(metavar="ID", help="As the queue shows it; the beginning is enough.")]


@app.callback()
def queue(
    context: typer.Context,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="CODE", help="Only what this rule found; repeatable.")
    ] = None,
    annotator: Annotated[str | None, typer.Option("--annotator", metavar="NAME", help="Only this annotator's.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Show so many at most; 0: all.")] = 30,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List what the rules of annotation/review.yaml found, the gravest first.

    Examples:
      geoseek annotate review

      geoseek annotate review --rule leak --rule wrong_country

      geoseek annotate review show 3fa9c1

      geoseek annotate review accept --clean
    """
    if context.invoked_subcommand is not None:
        return
    from geoseek.annotation.review import Handles, Rule, review_queue
    from geoseek.schemas import unknown_name
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    for code in rule or ():
        if code not in set(Rule):
            raise unknown_name("rule", code, [known.value for known in Rule])
    folder = _workspace(workspace)
    with _ledger(folder) as ledger:
        run = _refresh(folder, ledger)
        rows = list(ledger.annotations())
    handles = Handles(rows)
    waiting = [
        row
        for row in review_queue(rows)
        if (annotator is None or row.annotator == annotator)
        and (not rule or any(note.code in rule for note in row.flags))
    ]
    shown = waiting[:limit] if limit else waiting
    if json:
        print_json([summary(row, handles) for row in shown])
        return
    if quiet:
        return
    for line in queue_lines(shown, handles):
        typer.echo(line)
    hidden = len(waiting) - len(shown)
    if hidden:
        typer.echo(f"... and {hidden:,} more (--limit 0 shows all)")
    _say_run(run)


@app.command()
def show(
    annotation: OneId,
    record: Annotated[
        bool, typer.Option("--record", help="Print the bare record as JSON: change it, and give it to `review edit`.")
    ] = False,
    workspace: o.Workspace = None,
    json: o.Json = False,
) -> None:
    """Show an annotation, what the rules found, and what was decided.

    Examples:
      geoseek annotate review show 3fa9c1

      geoseek annotate review show 3fa9c1 --record > mine.json
    """
    from geoseek.annotation.review import Handles
    from geoseek.schemas import UsageError

    with _ledger(_workspace(workspace)) as ledger:
        rows = list(ledger.annotations())
        handles = Handles(rows)
        row = handles.find(annotation, ledger)
    if record:
        if row.annotation is None:
            raise UsageError(f"{annotation} holds no words: it is {row.state.value}.", hint="Reject it.")
        print_json(row.annotation.model_dump(mode="json"))
    elif json:
        words = row.annotation.model_dump(mode="json") if row.annotation else None
        print_json({**summary(row, handles), "annotation": words})
    else:
        beside = [other for other in rows if other.sample_id == row.sample_id and other.id != row.id]
        for line in card_lines(row, beside, handles):
            typer.echo(line)


@app.command()
def accept(
    annotations: Ids = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Accept everything that no rule found anything about.")
    ] = False,
    by: By = None,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Accept annotations as they stand.

    Examples:
      geoseek annotate review accept 3fa9c1 b00d12

      geoseek annotate review accept --clean --by carla
    """
    from geoseek.annotation.review import accept as accept_annotations
    from geoseek.annotation.review import clean_annotations
    from geoseek.schemas import UsageError

    if clean == bool(annotations):
        raise UsageError("Name annotations, or say --clean.", hint="Example: geoseek annotate review accept 3fa9c1")
    folder = _workspace(workspace)
    with _ledger(folder) as ledger:
        if clean:
            _refresh(folder, ledger)
        rows = list(ledger.annotations())
        chosen = clean_annotations(rows) if clean else _find(rows, annotations or (), ledger)
        if dry_run:
            typer.echo(f"{_count(len(chosen))} would be accepted.")
            return
        outcomes = accept_annotations(ledger, chosen, reviewer=_reviewer(folder, by))
    _report(outcomes, rows, "accepted", json=json, quiet=quiet, each=not clean)


@app.command()
def reject(
    annotations: Ids = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What was wrong.")] = "",
    to: Annotated[
        str,
        typer.Option(
            "--to", help="queue: the sample is annotated again; reserve: the next reserve row takes its place."
        ),
    ] = "queue",
    by: By = None,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Reject annotations, with the reason; the next `annotate push` acts on it.

    Examples:
      geoseek annotate review reject 3fa9c1 --reason "coordinates in the reasoning"

      geoseek annotate review reject 3fa9c1 --reason "the picture shows a tunnel" --to reserve
    """
    from geoseek.annotation.review import reject as reject_annotations
    from geoseek.schemas import UsageError, unknown_name

    if not annotations:
        raise UsageError("No annotation is named.", hint="`geoseek annotate review` lists the queue.")
    if to not in ("queue", "reserve"):
        raise unknown_name("destination", to, ("queue", "reserve"))
    folder = _workspace(workspace)
    with _ledger(folder) as ledger:
        rows = list(ledger.annotations())
        chosen = _find(rows, annotations, ledger)
        outcomes = reject_annotations(
            ledger, chosen, reviewer=_reviewer(folder, by), reason=reason, to="queue" if to == "queue" else "reserve"
        )
    _report(outcomes, rows, f"rejected, to the {to}", json=json, quiet=quiet)


@app.command()
def edit(
    annotation: OneId,
    file: Annotated[Path, typer.Option("--file", metavar="FILE.json", help="The record, or a chain alone, as JSON.")],
    by: By = None,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Accept an annotation with other words; what the annotator wrote stays in the ledger.

    Examples:
      geoseek annotate review show 3fa9c1 --record > mine.json

      geoseek annotate review edit 3fa9c1 --file mine.json
    """
    from geoseek.annotation.review import edit as edit_annotation

    changes = _read_record(file)
    folder = _workspace(workspace)
    with _ledger(folder) as ledger:
        rows = list(ledger.annotations())
        (chosen,) = _find(rows, [annotation], ledger)
        outcome = edit_annotation(ledger, chosen, changes, reviewer=_reviewer(folder, by), origin=str(file))
    _report([outcome], rows, "accepted as edited", json=json, quiet=quiet)


@app.command()
def push(
    overlapping: Annotated[
        bool,
        typer.Option("--overlapping", help="Also put up samples whose annotations agree, to choose the better one."),
    ] = False,
    by: By = None,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Put samples in dispute into an adjudication project of Label Studio: the competing chains side by side.

    Verdicts that are there are read first. Pushing again changes nothing but what changed.

    Examples:
      geoseek annotate review push

      geoseek annotate review push --overlapping --by carla
    """
    from geoseek.annotation.review import count_disputes, push_disputes
    from geoseek.annotation.server import ensure_studio
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    folder = _workspace(workspace)
    reviewer = _reviewer(folder, by)
    with _ledger(folder) as ledger:
        if dry_run:
            disputes = count_disputes(folder, ledger, overlapping=overlapping)
            typer.echo(f"{disputes:,} sample{'' if disputes == 1 else 's'} in dispute")
            return
    with ensure_studio(folder) as studio:
        pushed = push_disputes(folder, studio, reviewer=reviewer, overlapping=overlapping)
    if json:
        print_json(asdict(pushed))
        return
    _warn(pushed.verdicts)
    if pushed.without_picture:
        typer.echo(
            f"Note: {len(pushed.without_picture):,} samples in dispute have no picture here: "
            f"{visible(', '.join(pushed.without_picture[:5]))}",
            err=True,
        )
    if quiet:
        return
    if pushed.verdicts.settled:
        typer.echo(_settled_line(pushed.verdicts))
    typer.echo(
        f"{pushed.disputes:,} in dispute, {pushed.waiting:,} wait for a verdict: {pushed.imported:,} new, "
        f"{pushed.updated:,} updated, {pushed.taken_back:,} taken back"
    )
    for url in pushed.urls:
        typer.echo(url)


@app.command()
def pull(workspace: o.Workspace = None, json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Read the verdicts of the adjudication: the winner is accepted, the others are rejected, own text is an edit.

    Examples:
      geoseek annotate review pull
    """
    from geoseek.annotation.review import pull_verdicts
    from geoseek.annotation.server import ensure_studio
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    folder = _workspace(workspace)
    _ledger(folder).close()
    with ensure_studio(folder) as studio:
        verdicts = pull_verdicts(folder, studio)
    if json:
        print_json(asdict(verdicts))
        return
    _warn(verdicts)
    if not quiet:
        typer.echo(_settled_line(verdicts))


def _settled_line(verdicts: PulledVerdicts) -> str:
    return (
        f"{verdicts.settled:,} disputes settled: {verdicts.accepted:,} accepted, {verdicts.edited:,} replaced by the "
        f"reviewer's own text, {verdicts.rejected:,} rejected"
    )


def _warn(verdicts: PulledVerdicts) -> None:
    for sample, reason in verdicts.unsettled.items():
        typer.echo(f"Note: {visible(sample)}: {visible(reason)}", err=True)
    if verdicts.quarantined:
        typer.echo(
            f"Note: {verdicts.quarantined:,} verdicts by somebody else than the reviewer do not count.", err=True
        )
    for number in verdicts.gone:
        typer.echo(f"Note: the adjudication project {number} is no longer on the server.", err=True)


def _workspace(workspace: Path | None) -> Path:
    from geoseek.workspace import find_workspace

    return find_workspace(workspace)


def _ledger(folder: Path) -> Ledger:
    from geoseek.annotation.agreement import open_existing_ledger

    return open_existing_ledger(folder)


def _refresh(folder: Path, ledger: Ledger) -> RulesRun:
    from geoseek.annotation.review import refresh_flags

    return refresh_flags(folder, ledger)


def _reviewer(folder: Path, by: str | None) -> str:
    from geoseek.schemas import UsageError
    from geoseek.workspace import load_config

    name = load_config(folder).annotate.reviewer if by is None else by.strip()
    if not name:
        raise UsageError("The name of the reviewer is empty.", hint="Give one with --by NAME.")
    return name


def _find(rows: Iterable[StoredAnnotation], texts: Iterable[str], ledger: Ledger) -> list[StoredAnnotation]:
    from geoseek.annotation.review import Handles

    handles = Handles(rows)
    return list({row.id: row for row in (handles.find(text, ledger) for text in texts)}.values())


def _read_record(file: Path) -> dict[str, Any]:
    import json as json_module

    from geoseek.schemas import InputError

    try:
        content = json_module.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}.", hint="`review show ID --record` prints the form.") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} holds no record.", hint="`review show ID --record` prints the form.")
    return content


def _count(number: int) -> str:
    return f"{number:,} annotation{'' if number == 1 else 's'}"


def _report(
    outcomes: list[Outcome],
    rows: Iterable[StoredAnnotation],
    done: str,
    *,
    json: bool,
    quiet: bool,
    each: bool = True,
) -> None:
    """Say what became of each decision, and which had been taken before."""
    from geoseek.annotation.review import Handles

    handles = Handles(rows)
    if json:
        print_json(
            [
                {"id": outcome.row.id, "handle": handles.short(outcome.row), "changed": outcome.changed}
                for outcome in outcomes
            ]
        )
        return
    if quiet:
        return
    for outcome in outcomes if each else ():
        name = f"{handles.short(outcome.row)} ({outcome.row.annotator}, {outcome.row.sample_id})"
        before = ""
        if outcome.before is not None:
            verdict, when = outcome.before.verdict.value, (outcome.before.decided_at or "")[:16]
            before = f" had been {verdict} by {outcome.before.reviewer} on {when} UTC"
        if not outcome.changed:
            typer.echo(visible(f"{name}{before}; nothing to do"))
        else:
            typer.echo(visible(f"{name}{before + '; now' if before else ''} {done}"))
    if not each:
        typer.echo(f"{_count(sum(outcome.changed for outcome in outcomes))} {done}")


def _say_run(run: RulesRun) -> None:
    found = ", ".join(f"{rule.value} {count:,}" for rule, count in run.by_rule.items())
    typer.echo(
        f"{run.checked:,} without a decision, {run.flagged:,} in the queue{f': {found}' if found else ''}", err=True
    )
    if run.without_truth:
        typer.echo(
            f"Note: {_count(run.without_truth)} of samples that are not in this workspace: their country was not "
            "compared.",
            err=True,
        )
