"""From a chain to text: the JSON of the SFT answer, the tagged form of GRPO, plain records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from geoseek.schemas.annotation import ChainOfThought, Stage
from geoseek.schemas.codec.names import FIELD_KEYS, FINAL_ANSWER_KEY, STAGE_KEYS
from geoseek.schemas.codec.texts import escape_answer, escape_json_text
from geoseek.schemas.errors import InputError


def render_json(chain: ChainOfThought, *, indent: int | None = None) -> str:
    r"""Return the JSON of the SFT answer; stages that are not there are left out.

    Tags in the texts are escaped (`\u003c/think>`), so that the JSON can stand between tags. So are surrogates, so that
    every file can hold it.

    Args:
        chain: The chain.
        indent: Spaces per level; None writes one line.
    """
    document: dict[str, Any] = {
        STAGE_KEYS[name]: {key: getattr(stage, field) for field, key in FIELD_KEYS.items()}
        for name, stage in chain.stages().items()
    }
    document[FINAL_ANSWER_KEY] = chain.final_answer
    return escape_json_text(json.dumps(document, ensure_ascii=False, indent=indent))


def render_solution(answer: str) -> str:
    """Return the answer element, as in the `solution` column and after the chain in the GRPO form.

    Surrounding white space is not kept.

    >>> render_solution("China; Anhui; Hefei")
    '<answer> China; Anhui; Hefei </answer>'
    """
    return f"<answer> {escape_answer(answer.strip())} </answer>"


def render_tagged(chain: ChainOfThought, answer: str | None = None) -> str:
    """Return the GRPO form: `<think>JSON</think> <answer> Country; Region; Place </answer>`.

    Args:
        chain: The chain.
        answer: Text of the answer element; without it, the chain's final answer.
    """
    return f"<think>{render_json(chain)}</think> {render_solution(chain.final_answer if answer is None else answer)}"


def render_record(chain: ChainOfThought) -> dict[str, Any]:
    """Return the chain as plain lists, texts and None under our field names: a row of a table."""
    return chain.model_dump(mode="json")


def parse_record(record: Mapping[str, Any]) -> ChainOfThought:
    """Return the chain of a plain record; the reverse of `render_record`.

    Args:
        record: Our field names; absent stages may be None or missing, and the clues any sequence (a NumPy array, as
            pandas reads them).

    Raises:
        InputError: The record is not a chain; the message names the fields.
    """
    try:
        return ChainOfThought.model_validate({name: _plain_stage(value) for name, value in record.items()})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InputError(
            f"This record is not a chain of thought: {faults}.",
            hint=f"It takes {', '.join(ChainOfThought.model_fields)}; each stage {', '.join(Stage.model_fields)}.",
        ) from None


def _plain_stage(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    clues = value.get("clues")
    if not isinstance(clues, Iterable) or isinstance(clues, str | bytes | Mapping):
        return value
    return {**value, "clues": tuple(clues)}
