"""Answers of a model to notes: asked for once, kept with the result, used again without asking."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from geoseek.endpoints import ChatClient, Endpoint, EndpointFaultCode, Spent
from geoseek.pipelines.curate.model import note_key, note_request
from geoseek.pipelines.curate.settings import StandardiseRules
from geoseek.schemas import GeoSeekError, InputError
from geoseek.workspace import atomic_path

ANSWERS_FILE = "answers.jsonl"
_HOPELESS = {
    EndpointFaultCode.UNAUTHORIZED,
    EndpointFaultCode.NO_CREDIT,
    EndpointFaultCode.NOT_FOUND,
    EndpointFaultCode.UNREACHABLE,
}
"""Faults that all notes meet: worth an error of their own if no note got through."""


@dataclass(frozen=True)
class Answer:
    """What a model said about a note.

    Attributes:
        key: Hash of the note and of all that it was asked with.
        model: The model's name.
        data: The three stages.
        prompt_tokens: As counted by the server.
        completion_tokens: The same.
    """

    key: str
    model: str
    data: Mapping[str, Any]
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Asked:
    """What asking has brought.

    Attributes:
        answers: Key of the note -> answer.
        faults: Key of the note -> why there is no answer.
        spent: On this run.
        notes: What the user should know about the server.
    """

    answers: dict[str, Answer]
    faults: dict[str, str]
    spent: Spent
    notes: tuple[str, ...]


def read_answers(folder: Path) -> dict[str, Answer]:
    """Return the answers that the last run kept.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / ANSWERS_FILE
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        answers = [Answer(**json.loads(line)) for line in lines if line]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Delete it and ask again.") from error
    return {answer.key: answer for answer in answers}


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write answers as JSON Lines, by key."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for answer in sorted(answers, key=lambda one: one.key):
            file.write(json.dumps(asdict(answer), ensure_ascii=False, sort_keys=True) + "\n")


def ask(texts: Sequence[str], endpoint: Endpoint, rules: StandardiseRules, cache: Path) -> Asked:
    """Ask a model about notes; answers that came before a `kill -9` are in the cache and not asked for again.

    Args:
        texts: The notes.
        endpoint: Who is asked.
        rules: The prompt and the limits.
        cache: File of replies.

    Raises:
        GeoSeekError: Nobody answered anything, for a reason that all notes share.
        OutputError: The cache cannot be written.
    """
    limited = replace(
        endpoint,
        concurrency=rules.concurrency,
        requests_per_minute=rules.requests_per_minute,
        price_in=rules.price_in,
        price_out=rules.price_out,
    )
    cache.parent.mkdir(parents=True, exist_ok=True)
    client = ChatClient(limited, cache)
    answers: dict[str, Answer] = {}
    faults: dict[str, str] = {}
    hopeless = None
    replies = client.run_many((note_request(text, rules) for text in texts), total=len(texts), label="Standardising")
    for text, reply in zip(texts, replies, strict=True):
        key = note_key(text, rules)
        if reply.error is None:
            usage = reply.usage
            answers[key] = Answer(key, endpoint.model, reply.data, usage.prompt_tokens, usage.completion_tokens)
            continue
        faults[key] = str(reply.error)
        hopeless = reply.error if reply.error.code in _HOPELESS else hopeless
    if hopeless is not None and not answers:
        raise GeoSeekError(
            f"The model has not answered: {hopeless}.",
            hint="Check GEOSEEK_LLM_URL, _MODEL and _KEY, or leave --standardise endpoint out. Nothing was changed.",
        )
    return Asked(answers, faults, client.cost, client.notes)
