"""`geoseek annotate agreement`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.annotation.agreement.clues import Encode


def agreement(
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Only this split (val, loc, cot); repeatable. Default: all.")
    ] = None,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings/--no-embeddings", help="Compare clues by meaning too, if an embedding model is installed."
        ),
    ] = True,
    workspace: o.Workspace = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Show how far annotators agree with each other, and with where the photos were taken.

    Names are equal if the gazetteer says so (Munich, München). What a figure means: docs/agreement.md.

    Examples:
      geoseek annotate agreement

      geoseek annotate agreement --split val --json > agreement.json
    """
    from geoseek.annotation.agreement import agreement as compare
    from geoseek.annotation.agreement import agreement_lines, open_existing_ledger, read_truth
    from geoseek.geo import load_gazetteer
    from geoseek.workspace import find_workspace, set_quiet

    set_quiet(quiet or json)
    folder = find_workspace(workspace)
    wanted = set(o.split_names(split))
    encode, model, why_not = _embeddings() if embeddings else (None, None, "not asked for (--no-embeddings)")
    with open_existing_ledger(folder) as ledger:
        rows = (row for row in ledger.annotations() if not wanted or row.split in wanted)
        figures = compare(
            rows,
            read_truth(folder),
            gazetteer=load_gazetteer(),
            encode=encode,
            embedding=model,
            no_embedding=why_not,
        )
    if json:
        import json as json_module

        typer.echo(json_module.dumps(figures.to_json(), indent=1, sort_keys=True, ensure_ascii=False))
    elif not quiet:
        for line in agreement_lines(figures):
            typer.echo(line)


def _embeddings() -> tuple[Encode | None, str | None, str]:
    """Return what encodes clues, the name of its model, and why there is none."""
    from geoseek.endpoints import embedder

    found = embedder()
    if found is None:
        return None, None, "no embedding model is installed"
    return found.encode, found.name, ""
