"""`geoseek infer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoseek.cli import options as o

if TYPE_CHECKING:
    from geoseek.training.infer import InferResult


def infer(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="A photo or a folder of photos. Default: the split val of the export."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split of the export: val, loc or cot.")] = None,
    data_format: Annotated[
        str | None,
        typer.Option("--data-format", metavar="NAME", help="PATH is a set of another tool (docs/formats.md)."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder that the paths of pictures in that set start from.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Folder of a run or a model, a name on a hub, or with --endpoint the server's name for it. Default: "
            "the last checkpoint of train.recipe.",
        ),
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option("--adapter", help="Folder with LoRA weights on top of the model.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="transformers|vllm|endpoint",
            help="What runs the model. Only endpoint sends pictures, to the model at GEOSEEK_VLM_URL.",
        ),
    ] = "transformers",
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="URL", help="OpenAI-compatible server; its key is GEOSEEK_VLM_KEY."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="Requests at the same time. Default: 8.")
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(
            "--question",
            metavar="sft|grpo",
            help="Which question is asked. Default: the one that the model was trained to answer; else grpo.",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option("--temperature", help="0 takes the likeliest token each time.")] = 0.0,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Share of the probability that tokens are drawn from.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", min=1, help="Longest text in tokens. Default: as in the GRPO training, else 2048."
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-pixels", help="Pictures with more pixels are made smaller. Default: as in training; else 1003520."
        ),
    ] = None,
    server_defaults: Annotated[
        bool,
        typer.Option(
            "--server-defaults", help="Send neither temperature, top_p, max_tokens nor seed; some servers want that."
        ),
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, help="Pictures at once on this machine. Default: 8; with vllm 64."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many pictures.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File of predictions. Default: below runs/, see docs.")
    ] = None,
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="Ask again where there was an error.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Ask everything anew.")] = False,
    seed: o.Seed = None,
    workspace: o.Workspace = None,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Ask a model where pictures were taken: one line of JSON for each, with its chain, answer and position.

    The model sees each picture upright and without metadata, and no file name. Every answer is kept: an interrupted run
    goes on where it stood. What cannot be read or answered becomes a row with its error.

    Examples:
      geoseek infer

      geoseek infer holiday/ --model runs/geoagent-7b

      geoseek infer --split val --engine vllm --batch-size 128

      geoseek infer --split val --endpoint http://localhost:8000 --model my-model
    """
    from geoseek.cli.settings import workspace_config, workspace_option
    from geoseek.schemas import Split, UsageError, unknown_name
    from geoseek.training.infer import EngineName, InferRequest, QuestionForm, describe_infer, run_infer
    from geoseek.workspace import set_quiet

    set_quiet(quiet or json)
    for name, value, known in (("engine", engine, EngineName), ("question", question, QuestionForm)):
        if value is not None and value not in set(known):
            raise unknown_name(name, value, [one.value for one in known])
    if path is not None and split is not None:
        raise UsageError("Both a path and a split are given.", hint="Name one of them.")
    folder, config = workspace_config(workspace)
    (chosen,) = o.split_names([split or Split.VAL.value])
    request = InferRequest(
        workspace=folder,
        path=path,
        split=chosen,
        data_format=data_format,
        images=images,
        recipe=config.train.recipe,
        model=model,
        adapter=adapter,
        engine=EngineName(engine),
        endpoint=endpoint,
        concurrency=concurrency,
        question=QuestionForm(question) if question else None,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        max_pixels=max_pixels,
        server_defaults=server_defaults,
        seed=config.seed if seed is None else seed,
        batch_size=batch_size,
        limit=limit,
        output=output,
        retry_errors=retry_errors,
        force=force,
    )
    if dry_run:
        _show_plan(describe_infer(request), json=json)
        return
    silent = quiet or json
    result = run_infer(request, announce=None if silent else lambda words: typer.echo(words, err=True))
    truth = f"--split {request.split}{workspace_option(folder)}" if path is None else None
    _show(result, truth, json=json, quiet=quiet)
    if result.figures["texts"] == 0:
        raise typer.Exit(1)


def _show_plan(words: str, *, json: bool) -> None:
    if not json:
        typer.echo(words)
        return
    import json as json_module

    parts = (line.partition(":") for line in words.splitlines())
    typer.echo(json_module.dumps({name.lower(): text.strip() for name, _, text in parts}, indent=1, ensure_ascii=False))


def _show(result: InferResult, truth: str | None, *, json: bool, quiet: bool) -> None:
    from geoseek.workspace import display_path

    shown = display_path(result.output, Path.cwd())
    if json:
        _show_json(result, shown)
        return
    figures = result.figures
    errors: dict[str, int] = figures["errors"]
    if not quiet:
        typer.echo(f"{'rows':>8}{'answers':>10}{'located':>10}{'errors':>10}")
        typer.echo(
            f"{figures['rows']:>8,}{figures['answers']:>10,}{figures['located']:>10,}{sum(errors.values()):>10,}"
        )
        for notice in result.notices:
            typer.echo(f"Note: {notice.rstrip('.')}.", err=True)
    if errors:
        codes = ", ".join(f"{code} {rows:,}" for code, rows in errors.items())
        typer.echo(f"No text for {sum(errors.values()):,} pictures: {codes}. --retry-errors asks again.", err=True)
    if quiet:
        return
    typer.echo(f"{'Up to date' if result.up_to_date else 'Written'}: {shown}, by {result.model}")
    if figures["rows"] == 1 and result.answer:
        typer.echo(f"Answer: {result.answer}")
    if truth is not None:
        typer.echo(f"Next: geoseek evaluate {shown} {truth}")


def _show_json(result: InferResult, shown: str) -> None:
    import json as json_module
    from dataclasses import asdict

    content: dict[str, Any] = {
        "output": shown,
        "model": result.model,
        "figures": result.figures,
        "asked": result.asked,
        "spent": result.spent and asdict(result.spent),
        "notices": list(result.notices),
        "up_to_date": result.up_to_date,
    }
    typer.echo(json_module.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
