"""Ask a model where pictures were taken: from the request to the file of predictions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.endpoints import Endpoint, Spent
from geoseek.media import strict_decoding
from geoseek.schemas import Decoding, OutputError, Prediction, Split, UsageError
from geoseek.training.checkpoints import PIXELS_PER_TOKEN, Checkpoint
from geoseek.training.data import EXPORT_FOLDER
from geoseek.training.infer.endpoint import EndpointEngine, named_endpoint
from geoseek.training.infer.engine import Engine, EngineName, Outcome, QuestionForm
from geoseek.training.infer.inputs import InputSet, photo_input, set_input, split_input
from geoseek.training.infer.journal import Journal
from geoseek.training.infer.outputs import Predictions
from geoseek.training.infer.pictures import PIXELS, Question
from geoseek.training.infer.target import Target, endpoint_target, local_target
from geoseek.training.predictions import failed_prediction, prediction_of
from geoseek.workspace import TrainSettings, display_path, exclusive, installed_versions, stable_digest

DEFAULT_MAX_PIXELS = 1280 * PIXELS_PER_TOKEN
"""For models that say nothing themselves: 1,280 visual tokens of Qwen2.5-VL."""

DEFAULT_MAX_TOKENS = 2048
LEAST_MAX_PIXELS = 4 * PIXELS_PER_TOKEN
DEFAULT_BATCH = {EngineName.TRANSFORMERS: 8, EngineName.VLLM: 64}
_STAGE = "infer"
_JOURNAL, _REPLIES = "answers.jsonl", "replies.sqlite"
_PACKAGES = ("torch", "torchvision", "transformers", "peft", "ms-swift", "vllm", "pillow")


@dataclass(frozen=True)
class InferRequest:
    """What is to be located, by which model, and how.

    Attributes:
        workspace: The workspace.
        path: A photo, a folder of photos, or with `data_format` a set of another tool; None for a split.
        split: Split of the export, where there is no path.
        data_format: Format of the set at `path`.
        images: Folder that the paths of pictures in that set start from.
        recipe: Recipe whose run is asked unless `model` says otherwise.
        model: Folder of a run or a model, name on a hub, or a server's name for its model.
        adapter: LoRA weights for it.
        engine: What runs the model.
        endpoint: Address of a server; implies the engine `endpoint`.
        concurrency: Requests at the same time.
        question: sft or grpo; None for the one that the model was trained to answer, else grpo.
        temperature: 0 for the likeliest token each time.
        top_p: Share of the probability that tokens are drawn from; None for the model's own default.
        max_tokens: Longest text in tokens; None for what the model was trained with, else `DEFAULT_MAX_TOKENS`.
        max_pixels: Pictures with more are made smaller; None for what the model was trained with.
        server_defaults: Send neither temperature, top_p, max_tokens nor seed to a server.
        seed: Seed of the draw; used if the temperature is above 0.
        batch_size: Pictures at once; None for the engine's default.
        limit: Only the first so many pictures.
        output: File of predictions; None for the place that follows from the model.
        retry_errors: Ask again where the last run met an error.
        force: Ask everything anew.
    """

    workspace: Path
    path: Path | None = None
    split: Split = Split.VAL
    data_format: str | None = None
    images: Path | None = None
    recipe: str = TrainSettings().recipe
    model: str | None = None
    adapter: Path | None = None
    engine: EngineName = EngineName.TRANSFORMERS
    endpoint: str | None = None
    concurrency: int | None = None
    question: QuestionForm | None = None
    temperature: float = 0.0
    top_p: float | None = None
    max_tokens: int | None = None
    max_pixels: int | None = None
    server_defaults: bool = False
    seed: int = 0
    batch_size: int | None = None
    limit: int | None = None
    output: Path | None = None
    retry_errors: bool = False
    force: bool = False

    @property
    def sends_pictures(self) -> bool:
        """Return whether pictures leave this machine (or go to a server on it)."""
        return self.endpoint is not None or self.engine is EngineName.ENDPOINT


@dataclass(frozen=True)
class InferResult:
    """What came of it.

    Attributes:
        output: The file of predictions.
        model: Name of the model.
        figures: Counts of the whole file: rows, texts, chains, answers, located, levels, errors by code.
        asked: Pictures asked about in this run; 0 if it was up to date.
        spent: What was used of a server in this run.
        notices: What the user should know.
        up_to_date: The file held exactly this already.
    """

    output: Path
    model: str
    figures: dict[str, Any]
    asked: int
    spent: Spent | None
    notices: tuple[str, ...]
    up_to_date: bool = False

    @property
    def answer(self) -> str | None:
        """Return the answer about the first picture."""
        return next(Predictions(self.output).rows()).answer


@dataclass(frozen=True)
class _Plan:
    request: InferRequest
    engine: EngineName
    target: Target
    inputs: InputSet
    form: QuestionForm
    decoding: Decoding
    output: Path

    @property
    def batch_size(self) -> int:
        return self.request.batch_size or DEFAULT_BATCH.get(self.engine, 1)

    @cached_property
    def content(self) -> dict[str, Any]:
        """What the predictions follow from; no time, no place of this machine."""
        return {
            "stage": _STAGE,
            "geoseek": __version__,
            "model": self.target.identity,
            "engine": self.engine.value,
            "question": self.form.value,
            "decoding": self.decoding.model_dump(mode="json"),
            "input": {"what": self.inputs.words, "rows": len(self.inputs.ids), "digest": self.inputs.digest()},
        }


def run_infer(request: InferRequest, *, announce: Callable[[str], object] | None = None) -> InferResult:
    """Ask a model where pictures were taken, and write its predictions in the order of the pictures.

    An interrupted run goes on where it stood, if model, question, decoding and pictures are the same. A picture that
    cannot be read or answered becomes a row with its error. Nothing happens if the file holds exactly this already.

    Args:
        request: What is asked.
        announce: Gets the words of `describe_infer` before a model is asked.

    Raises:
        MissingExtraError: A local model is asked, and torch or ms-swift is not installed.
        UsageError: The request cannot be carried out.
        InputError: The pictures or the model cannot be read.
        InferStoppedError: The model cannot be asked (on); what was answered is kept.
        OutputError: The file cannot be written.
    """
    plan = _plan(request, checking_packages=True)
    partial = plan.output.with_name(f".{plan.output.stem}.partial")
    key = stable_digest(plan.content)
    file = Predictions(plan.output)
    with exclusive(partial, doing="locating pictures"):
        before = None if request.force else file.manifest()
        if not request.force:
            file.check_is_ours()
        finished = before is not None and before["key"] == key and file.is_as_written(before)
        if before is not None and finished and not (request.retry_errors and before["figures"]["errors"]):
            return InferResult(
                plan.output, plan.target.name, before["figures"], 0, None, plan.inputs.notices, up_to_date=True
            )
        if request.force:
            _forget(partial)
        with Journal(partial / _JOURNAL, key) as journal:
            if finished and not journal.done:
                for position, prediction in enumerate(file.rows()):
                    journal.add(position, prediction)
            wanted = _open_places(plan, journal)
            if wanted and announce is not None:
                announce(_in_words(plan))
            engine = _ask(plan, wanted, journal, partial) if wanted else None
            figures = file.write(journal.predictions(), {**plan.content, "key": key, "versions": _versions(plan)})
            journal.remove()
        _forget(partial)
    spent, notes = (engine.spent, engine.notes) if engine is not None else (None, ())
    return InferResult(plan.output, plan.target.name, figures, len(wanted), spent, (*plan.inputs.notices, *notes))


def describe_infer(request: InferRequest) -> str:
    """Return in words what `run_infer` would do; nothing is written or sent, and no model is loaded."""
    return _in_words(_plan(request, checking_packages=False))


def _in_words(plan: _Plan) -> str:
    decoding, model = plan.decoding, plan.target.model
    where = f"at {model.url}, {model.concurrency} at once" if isinstance(model, Endpoint) else f"by {plan.engine.value}"
    if not isinstance(model, Endpoint):
        where += f", {plan.batch_size} at once"
    drawn = {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "max_tokens": decoding.max_tokens,
        "seed": decoding.seed,
    }
    given = ", ".join(f"{name} {value:g}" for name, value in drawn.items() if value is not None)
    return "\n".join(
        (
            f"Input:    {plan.inputs.words}",
            f"Model:    {plan.target.name}, {where}",
            f"Question: {plan.form.value}; pictures upright, without metadata, up to {decoding.max_pixels:,} pixels",
            f"Decoding: {given or 'as the server does by default'}",
            f"Output:   {display_path(plan.output, plan.request.workspace)}",
            *(f"Note: {notice}." for notice in plan.inputs.notices),
        )
    )


def _plan(request: InferRequest, *, checking_packages: bool) -> _Plan:
    engine = EngineName.ENDPOINT if request.sends_pictures else request.engine
    _check(request, engine)
    target = _target(request, engine, checking_packages=checking_packages)
    inputs = _inputs(request)
    decoding = _decoding(request, target.model)
    output = request.output or target.folder / f"{inputs.name}.jsonl"
    return _Plan(request, engine, target, inputs, request.question or target.form, decoding, output)


def _check(request: InferRequest, engine: EngineName) -> None:
    limits = {
        "--temperature": (request.temperature, 0, 10),
        "--top-p": (request.top_p, 1e-6, 1),
        "--max-tokens": (request.max_tokens, 1, 1_000_000),
        "--max-pixels": (request.max_pixels, LEAST_MAX_PIXELS, PIXELS.largest),
        "--batch-size": (request.batch_size, 1, 100_000),
        "--concurrency": (request.concurrency, 1, 10_000),
        "--limit": (request.limit, 1, 10**12),
    }
    for option, (value, low, high) in limits.items():
        if value is not None and not low <= value <= high:
            raise UsageError(f"{option} is {value:g}.", hint=f"Expected a number from {low:g} to {high:g}.")
    if request.output is not None and request.output.is_dir():
        raise UsageError(
            f"{request.output} is a folder.", hint=f"Name a file: --output {request.output / 'predictions.jsonl'}"
        )
    if request.data_format is not None and request.path is None:
        raise UsageError("--data-format is given without a path.", hint="Name the file or folder of the set.")
    remote = engine is EngineName.ENDPOINT
    if remote and request.adapter is not None:
        raise UsageError("An adapter cannot be sent to a server.", hint="Leave out --adapter, or run the model here.")
    if request.server_defaults and not remote:
        raise UsageError("--server-defaults is for models behind an address.", hint="Add --endpoint URL.")


def _target(request: InferRequest, engine: EngineName, *, checking_packages: bool) -> Target:
    if engine is EngineName.ENDPOINT:
        endpoint = named_endpoint(request.endpoint, request.model)
        if request.concurrency is not None:
            endpoint = replace(endpoint, concurrency=request.concurrency)
        return endpoint_target(request.workspace, endpoint)
    if checking_packages:
        from geoseek.training.infer.local import require_packages

        require_packages(engine)
    return local_target(request.workspace, request.recipe, request.model, request.adapter)


def _inputs(request: InferRequest) -> InputSet:
    if request.path is None:
        found = split_input(request.workspace / EXPORT_FOLDER, request.split)
    elif request.data_format is not None:
        found = set_input(request.path, request.data_format, request.images)
    else:
        found = photo_input(request.path)
    return found if request.limit is None else found.first(request.limit)


def _decoding(request: InferRequest, model: Checkpoint | Endpoint) -> Decoding:
    trained = model if isinstance(model, Checkpoint) else None
    max_pixels = request.max_pixels or (trained and trained.max_pixels) or DEFAULT_MAX_PIXELS
    if request.server_defaults:
        return Decoding(temperature=None, top_p=None, max_tokens=None, max_pixels=max_pixels, seed=None)
    return Decoding(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_tokens or (trained and trained.max_tokens) or DEFAULT_MAX_TOKENS,
        max_pixels=max_pixels,
        seed=request.seed if request.temperature > 0 else None,
    )


def _open_places(plan: _Plan, journal: Journal) -> frozenset[int]:
    """Return the places of the input that the journal has no row for, or is to get a better one for."""
    again = journal.failed if plan.request.retry_errors else frozenset()
    return frozenset(range(len(plan.inputs.ids))) - (journal.done - again)


def _ask(plan: _Plan, wanted: frozenset[int], journal: Journal, partial: Path) -> Engine:
    questions = (Question(place, item) for place, item in enumerate(plan.inputs.items()) if place in wanted)
    engine = _open(plan, partial)
    with strict_decoding(PIXELS), closing(engine.outcomes(questions, len(wanted))) as outcomes:
        for outcome in outcomes:
            journal.add(outcome.question.position, _prediction(plan, outcome))
    missing = wanted - journal.done
    if missing:
        raise OutputError(
            f"{len(missing):,} of {len(wanted):,} pictures got no row: the input changed meanwhile.",
            hint="Run the same command again.",
        )
    return engine


def _open(plan: _Plan, partial: Path) -> Engine:
    model = plan.target.model
    if isinstance(model, Endpoint):
        return EndpointEngine(model, plan.form, plan.decoding, partial / _REPLIES)
    from geoseek.training.infer.local import LocalEngine

    return LocalEngine(model, plan.engine, plan.form, plan.decoding, plan.batch_size)


def _prediction(plan: _Plan, outcome: Outcome) -> Prediction:
    key, model, decoding = outcome.question.item.id, plan.target.name, plan.decoding
    if outcome.text is None:
        return failed_prediction(key, outcome.error or "no text", model=model, decoding=decoding)
    # Half a character, which JSON can carry and UTF-8 cannot.
    text = outcome.text.encode("utf-8", "replace").decode("utf-8")
    return prediction_of(key, text, model=model, decoding=decoding)


def _versions(plan: _Plan) -> dict[str, str]:
    return {} if plan.engine is EngineName.ENDPOINT else installed_versions(_PACKAGES)


def _forget(partial: Path) -> None:
    """Delete what an unfinished run left; the lock stays, others may wait for it."""
    for path in partial.iterdir():
        if path.name != ".lock":
            path.unlink()
