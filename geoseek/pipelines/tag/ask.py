"""Ask a vision-language model about pictures: what it would cost, and what it says."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from geoseek.endpoints import ChatClient, ChatReply, ChatRequest, Endpoint, ImagePart, Message, Spent
from geoseek.media import strict_decoding
from geoseek.pipelines.curate.samples import SampleTable
from geoseek.pipelines.tag.answers import ModelAnswer, TagTask, answer_schema
from geoseek.pipelines.tag.people import SampleKey
from geoseek.pipelines.tag.pictures import PIXELS, Picture, PictureProblemError, prepare_picture
from geoseek.pipelines.tag.settings import TagRules
from geoseek.schemas import GeoSeekError, Split, TagRejectReason
from geoseek.workspace import stable_digest

_ANSWER_TOKENS = {TagTask.LOCATABILITY: 150, TagTask.SCENE_TAGS: 80}
_CHARACTERS_PER_TOKEN = 4
_FORM = 1
"""Of the requests beside their settings; another number asks everything again."""


@dataclass(frozen=True)
class Question:
    """One request to come."""

    key: SampleKey
    task: TagTask
    picture: Picture
    digest: str


@dataclass(frozen=True)
class AskPlan:
    """What is to be asked.

    Attributes:
        splits: The splits that are asked about.
        kept: Answers that are there already.
        questions: Those to come, the two about one picture after each other.
        without_picture: Samples that have none.
        prompt_tokens: Estimate: a quarter of the characters, and a token for each 28 x 28 pixels.
        completion_tokens: Estimate.
        money: Estimate; None without prices.
    """

    splits: tuple[Split, ...]
    kept: tuple[ModelAnswer, ...]
    questions: tuple[Question, ...]
    without_picture: tuple[SampleKey, ...]
    prompt_tokens: int
    completion_tokens: int
    money: float | None


class NoAnswerError(GeoSeekError):
    """A model was asked, and not one answer can be used."""


def tuned(endpoint: Endpoint, rules: TagRules) -> Endpoint:
    """Return the endpoint with the limits and prices of the settings."""
    return replace(
        endpoint,
        concurrency=rules.concurrency,
        requests_per_minute=rules.requests_per_minute,
        tokens_per_minute=rules.tokens_per_minute,
        price_in=rules.price_in,
        price_out=rules.price_out,
    )


def plan_questions(
    endpoint: Endpoint,
    rules: TagRules,
    splits: tuple[Split, ...],
    samples: SampleTable,
    pictures: Mapping[SampleKey, Picture],
    stored: Iterable[ModelAnswer],
    rated: frozenset[SampleKey],
) -> AskPlan:
    """Work out what is to be asked: both questions about every sample, but for those that are answered already.

    Args:
        endpoint: Who is asked.
        rules: How.
        splits: About which splits.
        samples: The samples that there are.
        pictures: Their pictures.
        stored: What was answered before.
        rated: Samples that are not asked about, since people have rated them.
    """
    known = {one.question: one for one in stored if one.answer is not None}
    wanted = [(split, key) for split in splits for key in sorted(samples.truth[split]) if (split, key) not in rated]
    kept: list[ModelAnswer] = []
    questions: list[Question] = []
    about = {task: _question_form(endpoint, rules, task) for task in TagTask}
    for key in wanted:
        picture = pictures.get(key)
        if picture is None:
            continue
        for task in TagTask:
            digest = stable_digest([about[task], *key, picture.sha256])
            if digest in known:
                kept.append(known[digest])
            else:
                questions.append(Question(key, task, picture, digest))
    words = {task: len(rules.prompt(task)) // _CHARACTERS_PER_TOKEN for task in TagTask}
    prompt_tokens = sum(words[one.task] + one.picture.tokens(rules.longest_side) for one in questions)
    completion_tokens = sum(_ANSWER_TOKENS[one.task] for one in questions)
    priced = rules.price_in is not None or rules.price_out is not None
    cost = prompt_tokens * (rules.price_in or 0) / 1e6 + completion_tokens * (rules.price_out or 0) / 1e6
    return AskPlan(
        splits,
        tuple(kept),
        tuple(questions),
        tuple(key for key in wanted if key not in pictures),
        prompt_tokens,
        completion_tokens,
        cost if priced else None,
    )


def ask_questions(
    plan: AskPlan, endpoint: Endpoint, rules: TagRules, cache: Path
) -> tuple[list[ModelAnswer], Spent, tuple[str, ...]]:
    """Ask what is to be asked.

    Args:
        plan: What.
        endpoint: Whom.
        rules: How.
        cache: File of replies, so that an interrupted run goes on where it stood.

    Returns:
        All answers and failures about the splits of the plan, what was spent, and what the user should know.

    Raises:
        NoAnswerError: There were questions, and not one was answered.
        OutputError: The cache cannot be written.
    """
    origin = f"model {endpoint.model}"
    failed: list[ModelAnswer] = [
        _failure(key, task, origin, "", None, TagRejectReason.MISSING_IMAGE, "it was not fetched")
        for key in plan.without_picture
        for task in TagTask
    ]
    waiting: deque[Question] = deque()

    def requests() -> Iterator[ChatRequest]:
        for one, data in _prepared(plan.questions, rules, failed, origin):
            waiting.append(one)
            yield _request(rules, one.task, data)

    client = ChatClient(endpoint, cache)
    with strict_decoding(PIXELS):
        replies = client.run_many(requests(), total=len(plan.questions), label=f"Asking {endpoint.model}")
        asked = [_answer(waiting.popleft(), origin, reply) for reply in replies]
    if plan.questions and not plan.kept and not any(one.answer for one in asked):
        _give_up([*asked, *failed])
    return [*plan.kept, *asked, *failed], client.cost, client.notes


def _give_up(failed: list[ModelAnswer]) -> None:
    first = failed[0]
    why = ": ".join(filter(None, (first.fault or (first.reason.value if first.reason else None), first.detail)))
    raise NoAnswerError(
        f"None of the {len(failed):,} questions was answered. The first one: {why}.",
        hint="Nothing was changed. Check GEOSEEK_VLM_URL, _MODEL and _KEY, and run the same command again.",
    )


def _question_form(endpoint: Endpoint, rules: TagRules, task: TagTask) -> str:
    settings = [rules.longest_side, rules.jpeg_quality, rules.temperature, rules.max_tokens]
    return stable_digest([_FORM, endpoint.describe(), rules.prompt(task), answer_schema(task), settings])


def _request(rules: TagRules, task: TagTask, picture: bytes) -> ChatRequest:
    return ChatRequest(
        (Message.user(rules.prompt(task), ImagePart(picture)),),
        schema=answer_schema(task),
        temperature=rules.temperature,
        max_tokens=rules.max_tokens,
    )


def _prepared(
    questions: Iterable[Question], rules: TagRules, failed: list[ModelAnswer], origin: str
) -> Iterator[tuple[Question, bytes]]:
    """Yield the questions with their picture; those whose picture is unusable are added to `failed` instead."""
    last: Picture | None = None
    data: bytes | PictureProblemError = b""
    for one in questions:
        if one.picture != last:
            last = one.picture
            try:
                data = prepare_picture(one.picture, longest_side=rules.longest_side, quality=rules.jpeg_quality)
            except PictureProblemError as error:
                data = error
        if isinstance(data, bytes):
            yield one, data
        else:
            failed.append(_failure(one.key, one.task, origin, one.digest, one.picture.sha256, data.reason, data.detail))


def _answer(question: Question, origin: str, reply: ChatReply) -> ModelAnswer:
    split, sample_id = question.key
    error = reply.error
    return ModelAnswer(
        sample_id=sample_id,
        split=split,
        task=question.task,
        origin=origin,
        question=question.digest,
        image_sha256=question.picture.sha256,
        answer=None if error else json.dumps(reply.data, sort_keys=True, ensure_ascii=False),
        reason=TagRejectReason.MODEL_FAILED if error else None,
        fault=error.code.value if error else None,
        detail=error.detail if error else None,
        prompt_tokens=reply.usage.prompt_tokens,
        completion_tokens=reply.usage.completion_tokens,
    )


def _failure(
    key: SampleKey,
    task: TagTask,
    origin: str,
    question: str,
    sha256: str | None,
    reason: TagRejectReason,
    detail: str | None,
) -> ModelAnswer:
    split, sample_id = key
    return ModelAnswer(
        sample_id=sample_id,
        split=split,
        task=task,
        origin=origin,
        question=question,
        image_sha256=sha256,
        answer=None,
        reason=reason,
        fault=None,
        detail=detail,
        prompt_tokens=0,
        completion_tokens=0,
    )
