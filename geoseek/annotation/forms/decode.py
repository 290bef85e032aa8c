"""From a Label Studio annotation to the record: kept exactly, and every oddity noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from geoseek.annotation.forms.boxes import read_boxes
from geoseek.annotation.forms.controls import (
    CLUE_BOXES,
    CLUE_NOTE,
    FINAL_ANSWER,
    LOCATABILITY,
    MAIN_CLUES,
    REMARK,
    SCENE_TAGS,
    SCORE_STEP,
    SUB_SCORES,
    StagePart,
    stage_control,
    sub_score_control,
    tag_control,
)
from geoseek.annotation.forms.problems import Problem, ProblemNote
from geoseek.annotation.forms.provenance import read_provenance
from geoseek.annotation.forms.reading import Notes, Results, as_number
from geoseek.schemas import (
    Annotation,
    AnnotationStatus,
    ChainOfThought,
    SceneTag,
    Split,
    Stage,
    StageName,
    TagAnswer,
    Uncertainty,
)


@dataclass(frozen=True)
class TaskContext:
    """What the annotation itself does not say.

    Attributes:
        annotation_id: Id of the annotation, stable over its versions.
        version: Number of this version, from 1.
        sample_id: Id of the sample.
        split: Split of the sample.
        annotator: Pseudonym.
        config_version: Version of the labelling page it was made with; None for imports.
        handbook_version: Version of the handbook; None for imports.
        provenance: `picture` -> photo or synthetic, `draft` -> name of the model whose draft the annotator saw; any
            other key overrides what the annotation says about that field.
    """

    annotation_id: str
    version: int
    sample_id: str
    split: Split
    annotator: str
    config_version: int | None = None
    handbook_version: int | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)


def decode_annotation(raw: Mapping[str, Any], context: TaskContext) -> tuple[Annotation, tuple[ProblemNote, ...]]:
    """Turn an annotation of Label Studio's API or export into our record.

    Texts are kept as they were typed, except for white space at both ends. A stage counts only if clues, reasoning,
    conclusion and uncertainty are all there; without a complete country stage there is no chain. What cannot be part of
    the record is in the problems, with its content. Nothing in `raw` makes this raise.

    Args:
        raw: `result`, and where known `lead_time, created_at, updated_at, prediction`; the drawn examples also have
            `provenance` and `scene_tags`.
        context: What is known from elsewhere.

    Returns:
        The record with the status `submitted`, and what is odd about it.
    """
    notes = Notes()
    results = Results(raw.get("result"), notes)
    clues = {stage: results.texts(stage_control(stage, StagePart.CLUES)) for stage in StageName}
    rated = context.split is Split.VAL
    annotation = Annotation(
        id=context.annotation_id,
        version=context.version,
        sample_id=context.sample_id,
        split=context.split,
        annotator=context.annotator,
        status=AnnotationStatus.SUBMITTED,
        chain=_chain(results, clues),
        clue_boxes=read_boxes(results, clues),
        locatability_score=_score(results, rated),
        scene_tags=_tags(raw, results, rated),
        sub_scores=_sub_scores(results),
        main_clues=results.texts(MAIN_CLUES),
        note="\n".join(results.texts(REMARK)) or None,
        language=None,
        config_version=context.config_version,
        handbook_version=context.handbook_version,
        lead_time_s=_lead_time(raw, notes),
        created_at=_time(raw, "created_at", notes),
        updated_at=_time(raw, "updated_at", notes),
        provenance=read_provenance(raw, results, context.provenance, _controls_by_field()),
    )
    return annotation, tuple(notes.notes)


def _controls_by_field() -> dict[str, tuple[str, ...]]:
    stages = {f"chain.{stage.value}": tuple(stage_control(stage, part) for part in StagePart) for stage in StageName}
    return stages | {
        "chain.final_answer": (FINAL_ANSWER,),
        "clue_boxes": (CLUE_BOXES, CLUE_NOTE),
        "locatability_score": (LOCATABILITY,),
        "scene_tags": (SCENE_TAGS, *(tag_control(tag) for tag in SceneTag)),
        "sub_scores": tuple(sub_score_control(name) for name in SUB_SCORES),
        "main_clues": (MAIN_CLUES,),
        "note": (REMARK,),
    }


def _chain(results: Results, clues: Mapping[StageName, tuple[str, ...]]) -> ChainOfThought | None:
    stages = {name: _stage(results, name, clues[name]) for name in StageName}
    answer = _single(results, FINAL_ANSWER)
    if not answer:
        results.notes.add(Problem.EMPTY_FINAL_ANSWER, FINAL_ANSWER, "no final answer was given")
    country = stages[StageName.COUNTRY]
    if country is None:
        kept = {name.value: stage.model_dump(mode="json") for name, stage in stages.items() if stage}
        content = kept | ({"final_answer": answer} if answer else {})
        results.notes.add(
            Problem.NO_COUNTRY_STAGE, None, "without a complete country stage there is no chain", content or None
        )
        return None
    return ChainOfThought(
        country=country, region=stages[StageName.REGION], precise=stages[StageName.PRECISE], final_answer=answer
    )


def _stage(results: Results, name: StageName, clues: tuple[str, ...]) -> Stage | None:
    reasoning = "\n".join(results.texts(stage_control(name, StagePart.REASONING)))
    conclusion = _single(results, stage_control(name, StagePart.CONCLUSION))
    uncertainty = results.choice(stage_control(name, StagePart.UNCERTAINTY))
    parts: dict[StagePart, Any] = {
        StagePart.CLUES: clues,
        StagePart.REASONING: reasoning,
        StagePart.CONCLUSION: conclusion,
        StagePart.UNCERTAINTY: uncertainty,
    }
    missing = [part.value for part, given in parts.items() if not given]
    if uncertainty and not missing:
        return Stage(clues=clues, reasoning=reasoning, conclusion=conclusion, uncertainty=Uncertainty(uncertainty))
    if len(missing) < len(parts):
        given = {
            part.value: list(value) if part is StagePart.CLUES else value for part, value in parts.items() if value
        }
        detail = f"the {name.value} stage lacks {', '.join(missing)}"
        results.notes.add(Problem.HALF_STAGE, name.value, detail, given)
    return None


def _single(results: Results, control: str) -> str:
    entries = results.texts(control)
    if len(entries) > 1:
        results.notes.add(Problem.SEVERAL_ENTRIES, control, f"{len(entries)} entries were joined line by line")
    return "\n".join(entries)


def _score(results: Results, rated: bool) -> float | None:
    score = results.number(LOCATABILITY)
    if score is not None and score % SCORE_STEP:
        results.notes.add(
            Problem.SCORE_OUT_OF_STEPS, LOCATABILITY, f"{score:g} is not a multiple of {SCORE_STEP:g}", score
        )
        return None
    if rated and not results.of(LOCATABILITY):
        results.notes.add(Problem.MISSING_SCORE, LOCATABILITY, "the locatability rating is missing")
    return score


def _sub_scores(results: Results) -> dict[str, float]:
    scores = {name: results.number(sub_score_control(name)) for name in SUB_SCORES}
    return {name: score for name, score in scores.items() if score is not None}


def _tags(raw: Mapping[str, Any], results: Results, rated: bool) -> dict[str, str]:
    tags: dict[str, str] = {}
    for choice in results.texts(SCENE_TAGS):
        _answer(tags, results, choice, TagAnswer.YES)
    given = raw.get("scene_tags")
    if isinstance(given, Mapping):
        for tag, answer in given.items():
            _answer(tags, results, tag, answer)
    elif given is not None:
        results.notes.add(Problem.MALFORMED_RESULT, SCENE_TAGS, "`scene_tags` is not a table of tag and answer", given)
    for tag in SceneTag:
        if choice_made := results.choice(tag_control(tag)):
            tags[tag.value] = choice_made
    missing = [tag.value for tag in SceneTag if tag.value not in tags]
    if rated and missing:
        results.notes.add(Problem.MISSING_TAG, SCENE_TAGS, f"not answered: {', '.join(missing)}")
    return {tag.value: tags[tag.value] for tag in SceneTag if tag.value in tags}


def _answer(tags: dict[str, str], results: Results, tag: Any, answer: Any) -> None:
    if tag in list(SceneTag) and answer in list(TagAnswer):
        tags[str(tag)] = str(answer)
    else:
        detail = f"{tag!r}: {answer!r} is not a scene tag with yes, no or maybe"
        results.notes.add(Problem.UNKNOWN_CHOICE, SCENE_TAGS, detail, {str(tag): answer})


def _lead_time(raw: Mapping[str, Any], notes: Notes) -> float | None:
    given = raw.get("lead_time")
    seconds = as_number(given)
    if given is not None and (seconds is None or seconds < 0):
        notes.add(Problem.BAD_TIME, "lead_time", f"{given!r} is not a number of seconds", given)
        return None
    return seconds


def _time(raw: Mapping[str, Any], key: str, notes: Notes) -> str | None:
    given = raw.get(key)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError):
        notes.add(Problem.BAD_TIME, key, f"{given!r} is not an ISO 8601 time", given)
        return None
