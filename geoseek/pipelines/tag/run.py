"""`geoseek tag`: locatability and scene tags of the samples, and how far annotators and a model agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.annotation import ledger_if_any
from geoseek.endpoints import Endpoint, Spent
from geoseek.pipelines.curate.samples import SampleTable, read_sample_table
from geoseek.pipelines.tag.answers import ModelAnswer, TagTask, current, failures, model_ratings
from geoseek.pipelines.tag.ask import AskPlan, ask_questions, plan_questions, tuned
from geoseek.pipelines.tag.combine import Combined, ScoreRange, combine_ratings, split_figures
from geoseek.pipelines.tag.compare import compare_ratings
from geoseek.pipelines.tag.figures import ModelFigures, TagFigures
from geoseek.pipelines.tag.outputs import (
    Outputs,
    is_complete,
    read_answers,
    read_figures,
    read_tag_manifest,
    write_outputs,
)
from geoseek.pipelines.tag.people import LONGEST_CLUE, LedgerRatings, SampleKey, read_ledger_ratings
from geoseek.pipelines.tag.pictures import Picture, read_pictures
from geoseek.pipelines.tag.report import render_report
from geoseek.pipelines.tag.settings import Preference, RatingSource, TagRules, load_tag_rules
from geoseek.schemas import InputError, Rating, Split, TagReject
from geoseek.workspace import exclusive, load_config, recover, stable_digest

CURATED = Path("work") / "curated"
REPLIES = Path("work") / "cache" / "replies.sqlite"
_FORM = 1
"""Of the outputs; another number makes every result stale."""


@dataclass(frozen=True)
class TagRequest:
    """What to tag; None stands for what was not said.

    Attributes:
        workspace: Folder of the workspace.
        splits: Splits whose samples are tagged; none for val.
        source: Whose ratings count; default: human.
        use: Whose rating is exported where there are both; default: `tag.use` of geoseek.yaml.
        score_range: Lowest and highest score that is kept; default: `tag.locatability_range`.
        endpoint: The model that is asked; None asks nobody, and takes the answers that are stored.
        as_last_time: What is not said is as in the last run, and its splits stay: for stages that only bring the
            result up to date.
    """

    workspace: Path
    splits: tuple[Split, ...] = ()
    source: RatingSource | None = None
    use: Preference | None = None
    score_range: ScoreRange | None = None
    endpoint: Endpoint | None = None
    as_last_time: bool = True

    @property
    def folder(self) -> Path:
        """Return the folder of the results."""
        return self.workspace / CURATED


@dataclass(frozen=True)
class TagResult:
    """What a run found.

    Attributes:
        folder: Where the results are.
        figures: Counts.
        up_to_date: The results were there already.
        spent: What the model cost in this run; None if none was asked.
        notes: What the user should know about how the model's server was used.
    """

    folder: Path
    figures: TagFigures
    up_to_date: bool
    spent: Spent | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Options:
    splits: tuple[Split, ...]
    source: RatingSource
    use: Preference
    score_range: ScoreRange | None
    require_accepted: bool

    def describe(self) -> dict[str, Any]:
        return {
            "splits": [split.value for split in self.splits],
            "source": self.source.value,
            "use": self.use.value,
            "locatability_range": self.score_range and list(self.score_range),
            "require_accepted": self.require_accepted,
        }


@dataclass(frozen=True)
class _Inputs:
    options: _Options
    given: Mapping[str, Any]
    rules: TagRules
    samples: SampleTable
    people: LedgerRatings
    pictures: Mapping[SampleKey, Picture]
    stored: tuple[ModelAnswer, ...]


def run_tag(request: TagRequest, *, force: bool = False) -> TagResult:
    """Bring the ratings of all sources together, one row per sample, and write tables, figures and report.

    Nothing is sent unless the request names an endpoint. A run that was interrupted while it asked goes on where it
    stood: every reply is stored as it comes.

    Args:
        request: What to tag.
        force: Write the results anew, even if they are there.

    Raises:
        UsageError: A setting is wrong.
        InputError: There are no samples, or a file is damaged.
        OutputError: The folder cannot be written, or another process works in it.
        NoAnswerError: The model was asked and gave no usable answer at all.
        LedgerError: The ledger cannot be used.
    """
    folder = request.folder
    with exclusive(folder, doing="tagging"):
        recover(folder)
        manifest = read_tag_manifest(folder)
        inputs = _read_inputs(request, manifest)
        answers = list(inputs.stored)
        spent: Spent | None = None
        notes: tuple[str, ...] = ()
        if request.endpoint is not None and inputs.options.source.model:
            plan, endpoint = _plan(request.endpoint, inputs), tuned(request.endpoint, inputs.rules)
            new, spent, notes = ask_questions(plan, endpoint, inputs.rules, request.workspace / REPLIES)
            answers = [*new, *(one for one in inputs.stored if one.split not in inputs.options.splits)]
        answers.sort(key=lambda one: (*_place(one.key), one.task.value))
        key = _key(inputs, answers)
        if not force and is_complete(folder, manifest, key):
            return TagResult(folder, read_figures(folder), up_to_date=True, spent=spent, notes=notes)
        outputs = _work_out(inputs, answers)
        content = {
            "stage": "tag",
            "geoseek": __version__,
            "key": key,
            "given": dict(inputs.given),
            "options": inputs.options.describe(),
            "inputs": {"samples": inputs.samples.digest(), "annotations": _people_digest(inputs.people)},
            "models": sorted({one.origin for one in answers}),
        }
        write_outputs(folder, outputs, content)
        return TagResult(folder, outputs.figures, up_to_date=False, spent=spent, notes=notes)


def describe_tag(request: TagRequest) -> tuple[str, AskPlan | None]:
    """Say in words what a run would read, ask and write; nothing is written or sent.

    Returns:
        The words, and what would be asked if an endpoint is named.

    Raises:
        UsageError: A setting is wrong.
        InputError: There are no samples, or a file is damaged.
    """
    inputs = _read_inputs(request, read_tag_manifest(request.folder))
    options = inputs.options
    lines = [
        f"{split.value}: {len(inputs.samples.truth[split]):,} samples, "
        f"{sum(key[0] is split for key in inputs.people.ratings):,} rated by annotators"
        for split in options.splits
    ]
    plan = None
    if options.source.model:
        usable = _usable(inputs, inputs.stored)
        lines.append(f"{sum(one.answer is not None for one in usable):,} answers of a model are there already")
        if request.endpoint is not None:
            plan = _plan(request.endpoint, inputs)
            lines += plan_lines(plan, request.endpoint)
    lines.append(f"exported where there are both: {options.use.value}")
    if options.score_range is not None:
        low, high = options.score_range
        lines.append(f"kept: scores from {low:g} to {high:g}")
    return "\n".join(lines), plan


def plan_lines(plan: AskPlan, endpoint: Endpoint) -> list[str]:
    """Return what is about to be sent, and an estimate of what it costs."""
    pictures = len({one.key for one in plan.questions})
    lines = [
        f"to {endpoint.url}, model {endpoint.model}: {len(plan.questions):,} requests about {pictures:,} pictures",
        f"estimated: {plan.prompt_tokens:,} tokens there and {plan.completion_tokens:,} back",
    ]
    if plan.money is not None:
        lines.append(f"at the prices of pipelines/tag.yaml: about {plan.money:,.2f}")
    if plan.without_picture:
        lines.append(f"{len(plan.without_picture):,} samples have no picture; `geoseek fetch` brings them")
    return lines


def _read_inputs(request: TagRequest, manifest: Mapping[str, Any]) -> _Inputs:
    options, given = _options(request, manifest)
    samples = read_sample_table(request.workspace)
    if not any(samples.truth.values()):
        raise InputError(
            f"There are no samples in {request.workspace}.",
            hint="Draw them with `geoseek sample`, then `geoseek fetch`.",
        )
    with ledger_if_any(request.workspace) as ledger:
        people = read_ledger_ratings(
            ledger if options.source.people else None,
            options.splits,
            samples,
            require_accepted=options.require_accepted,
        )
    return _Inputs(
        options,
        given,
        load_tag_rules(request.workspace),
        samples,
        people,
        read_pictures(request.workspace, options.splits),
        tuple(read_answers(request.folder)),
    )


def _options(request: TagRequest, manifest: Mapping[str, Any]) -> tuple[_Options, dict[str, Any]]:
    """Return the options, and those of them that were said, now or in the last run."""
    said = {
        "source": request.source and request.source.value,
        "use": request.use and request.use.value,
        "locatability_range": request.score_range and list(request.score_range),
    }
    last: dict[str, Any] = manifest.get("given", {}) if request.as_last_time else {}
    given = {**last, **{name: value for name, value in said.items() if value is not None}}
    splits = {*last.get("splits", ()), *(split.value for split in request.splits)} or {Split.VAL.value}
    given["splits"] = sorted(splits)
    settings = load_config(request.workspace).tag
    score_range = given.get("locatability_range", settings.locatability_range)
    return _Options(
        splits=tuple(split for split in Split if split.value in splits),
        source=RatingSource(given.get("source", RatingSource.HUMAN)),
        use=Preference(given.get("use", settings.use)),
        score_range=score_range and (float(score_range[0]), float(score_range[1])),
        require_accepted=settings.require_accepted,
    ), given


def _plan(endpoint: Endpoint, inputs: _Inputs) -> AskPlan:
    """Ask about every sample of val; of the other splits, about those that nobody has rated."""
    rated = frozenset(key for key in inputs.people.ratings if key[0] is not Split.VAL)
    options = inputs.options
    return plan_questions(endpoint, inputs.rules, options.splits, inputs.samples, inputs.pictures, inputs.stored, rated)


def _usable(inputs: _Inputs, answers: tuple[ModelAnswer, ...] | list[ModelAnswer]) -> list[ModelAnswer]:
    mine = [one for one in answers if one.split in inputs.options.splits]
    return current(mine, inputs.samples, inputs.pictures)


def _place(key: SampleKey) -> tuple[int, str]:
    return list(Split).index(key[0]), key[1]


def _people_digest(people: LedgerRatings) -> str:
    ratings = [
        [*key, [rating.model_dump(mode="json") for rating in some]] for key, some in sorted(people.ratings.items())
    ]
    rejects = [reject.model_dump(mode="json") for reject in people.rejects]
    return stable_digest([ratings, rejects, people.read, people.used, people.long_clues])


def _key(inputs: _Inputs, answers: list[ModelAnswer]) -> str:
    pictures = {f"{split.value} {key}": found.sha256 for (split, key), found in inputs.pictures.items()}
    return stable_digest(
        {
            "form": _FORM,
            "geoseek": __version__,
            "given": inputs.given,
            "options": inputs.options.describe(),
            "samples": inputs.samples.digest(),
            "pictures": pictures if inputs.options.source.model else None,
            "people": _people_digest(inputs.people),
            "answers": [one.model_dump(mode="json") for one in answers],
        }
    )


def _work_out(inputs: _Inputs, answers: list[ModelAnswer]) -> Outputs:
    options, people = inputs.options, inputs.people
    usable = _usable(inputs, answers) if options.source.model else []
    model = model_ratings(usable)
    found = combine_ratings(people.ratings, model, use=options.use, score_range=options.score_range)
    rated = len(people.ratings.keys() | model.keys())
    if people.read != people.used + len(people.rejects) or rated != len(found.kept) + len(found.rejects):
        raise RuntimeError("The ratings do not add up: read = kept + rejected does not hold.")
    rejects = [*people.rejects, *failures(usable), *found.rejects]
    rejects.sort(key=_reject_order)
    figures = _figures(inputs, answers, usable, model, found, rejects)
    return Outputs(found.kept, rejects, answers, figures, render_report(figures))


def _reject_order(reject: TagReject) -> tuple[int, str, str, str, str]:
    return (
        *_place((reject.split, reject.sample_id)),
        reject.reason.value,
        reject.annotation_id or "",
        reject.detail or "",
    )


def _figures(
    inputs: _Inputs,
    answers: list[ModelAnswer],
    usable: list[ModelAnswer],
    model: Mapping[SampleKey, Rating],
    found: Combined,
    rejects: list[TagReject],
) -> TagFigures:
    options, people = inputs.options, inputs.people
    pairs = {key: (people.ratings[key][0], model[key]) for key in sorted(people.ratings.keys() & model.keys())}
    stale = sum(one.split in options.splits for one in answers) - len(usable)
    return TagFigures(
        source=options.source.value,
        use=options.use.value,
        locatability_range=options.score_range,
        annotations=people.read,
        used=people.used,
        rejected=dict(sorted(Counter(reject.reason for reject in rejects).items())),
        splits=tuple(
            split_figures(split, len(inputs.samples.truth[split]), found.kept, found.rejects)
            for split in options.splits
        ),
        model=_model_figures(usable, stale) if options.source.model else None,
        agreement=compare_ratings(pairs),
        notices=tuple(_notices(inputs, usable, found)),
    )


def _model_figures(usable: list[ModelAnswer], stale: int) -> ModelFigures:
    answered = [one for one in usable if one.answer is not None]
    failed = [one for one in usable if one.reason is not None]
    return ModelFigures(
        questions=len(usable),
        answered=len(answered),
        failed=len(failed),
        stale=stale,
        names=dict(sorted(Counter(one.origin for one in answered).items())),
        faults=dict(sorted(Counter(one.fault or str(one.reason) for one in failed).items())),
        prompt_tokens=sum(one.prompt_tokens for one in usable),
        completion_tokens=sum(one.completion_tokens for one in usable),
    )


def _notices(inputs: _Inputs, usable: list[ModelAnswer], found: Combined) -> Iterator[str]:
    if inputs.people.long_clues:
        yield f"{inputs.people.long_clues:,} main clues with more than {LONGEST_CLUE:,} characters were left out"
    if failed := sum(one.reason is not None for one in usable):
        yield f"{failed:,} of {len(usable):,} questions have no answer; the same command asks them again"
    if not found.kept and not found.rejects:
        yield "nobody has rated any of these samples"
    if synthetic := sum(row.origin == "synthetic" for row in found.kept):
        yield f"{synthetic:,} exported ratings are synthetic: no person gave them"
    if inputs.options.score_range and (bare := sum(row.locatability_score is None for row in found.kept)):
        yield f"{bare:,} rated samples have no score, lie in no range, and are kept"
    tasks = Counter(one.key for one in usable if one.answer is not None)
    if half := sum(count < len(TagTask) for count in tasks.values()):
        yield f"{half:,} samples have only one of the model's two answers"
