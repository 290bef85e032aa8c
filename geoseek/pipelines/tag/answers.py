"""What a model answered: kept as it came, one row per question, so that no later run has to ask again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field

from geoseek.pipelines.curate.samples import SampleTable
from geoseek.pipelines.tag.people import SampleKey, tags_with, tidy_clues
from geoseek.pipelines.tag.pictures import Picture
from geoseek.schemas import Rating, Record, SceneTag, Split, SubScores, TagAnswer, TagReject, TagRejectReason

SCORES = [step / 2 for step in range(21)]
"""Every score there is. As an enumeration, which more servers understand than `multipleOf`."""

_CLUES, _PARTS, _SCORE = "main_clues", "sub_scores", "locatability_score"


class TagTask(StrEnum):
    """The two questions about a picture; each is a request of its own, so that neither answer colours the other."""

    LOCATABILITY = "locatability"
    SCENE_TAGS = "scene_tags"


class ModelAnswer(Record):
    """The answer to one question about one picture, or why there is none."""

    sample_id: str = Field(description="id of the sample")
    split: Split = Field(description="split of the sample")
    task: TagTask = Field(description="locatability or scene_tags")
    origin: str = Field(description="`model NAME`")
    question: str = Field(description="hash of all that was asked: server, model, prompt, settings, picture")
    image_sha256: str | None = Field(description="SHA-256 of the picture as fetched; null if there is none")
    answer: str | None = Field(description="the answer as JSON; null if there is none")
    reason: TagRejectReason | None = Field(description="why there is no answer")
    fault: str | None = Field(description="code of the endpoint's fault")
    detail: str | None = Field(description="what exactly was wrong")
    prompt_tokens: int = Field(description="as counted by the server")
    completion_tokens: int = Field(description="as counted by the server")

    @property
    def key(self) -> SampleKey:
        """Return the sample."""
        return self.split, self.sample_id


def answer_schema(task: TagTask) -> dict[str, Any]:
    """Return the JSON Schema of an answer: closed, every property required, as servers demand it for strict answers.

    The score comes last: what a model has written before is what it can build on.
    """
    if task is TagTask.SCENE_TAGS:
        return _closed(
            {tag.value: {"type": "string", "enum": [answer.value for answer in TagAnswer]} for tag in SceneTag}
        )
    score = {"type": "number", "enum": SCORES}
    return _closed(
        {
            _CLUES: {"type": "array", "items": {"type": "string"}},
            _PARTS: _closed(dict.fromkeys(SubScores.model_fields, score)),
            _SCORE: score,
        }
    )


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def model_rating(answers: Sequence[ModelAnswer]) -> Rating | None:
    """Return the rating that the answers about one sample make up; None if there is none."""
    data = {one.task: json.loads(one.answer) for one in answers if one.answer is not None}
    if not data:
        return None
    about = data.get(TagTask.LOCATABILITY, {})
    score = about.get(_SCORE)
    tags = {SceneTag(tag): TagAnswer(said) for tag, said in data.get(TagTask.SCENE_TAGS, {}).items()}
    return Rating(
        origin=answers[0].origin,
        raters=1,
        locatability_score=None if score is None else float(score),
        scene_tags=tags_with(tags, TagAnswer.YES),
        scene_tags_maybe=tags_with(tags, TagAnswer.MAYBE),
        scene_tags_no=tags_with(tags, TagAnswer.NO),
        sub_scores=SubScores(**about.get(_PARTS, {})),
        main_clues=tidy_clues(about.get(_CLUES, ())),
    )


def model_ratings(answers: Iterable[ModelAnswer]) -> dict[SampleKey, Rating]:
    """Return the ratings of all samples about which there is an answer."""
    by_sample: dict[SampleKey, list[ModelAnswer]] = {}
    for one in answers:
        by_sample.setdefault(one.key, []).append(one)
    found = {key: model_rating(some) for key, some in by_sample.items()}
    return {key: rating for key, rating in found.items() if rating is not None}


def failures(answers: Iterable[ModelAnswer]) -> list[TagReject]:
    """Return the questions without an answer."""
    return [
        TagReject(
            sample_id=one.sample_id,
            split=one.split,
            origin=one.origin,
            annotation_id=None,
            reason=one.reason,
            fault=one.fault,
            detail=f"{one.task.value}: {one.detail}" if one.detail else one.task.value,
        )
        for one in answers
        if one.reason is not None
    ]


def current(
    answers: Iterable[ModelAnswer], samples: SampleTable, pictures: Mapping[SampleKey, Picture]
) -> list[ModelAnswer]:
    """Return the answers about samples that are still there, with the picture that they had."""
    found = []
    for one in answers:
        picture = pictures.get(one.key)
        if samples.find(*one.key) and one.image_sha256 == (picture and picture.sha256):
            found.append(one)
    return found
