"""Answers that are data: asking for JSON, finding it in the answer, checking it, asking for its repair."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from geoseek.endpoints.faults import EndpointFault, EndpointFaultCode, one_line
from geoseek.endpoints.messages import Message
from geoseek.schemas import UsageError

_END_OF_THOUGHTS = "</think>"
_OPENING = re.compile(r'\{\s*["}]|\[\s*(?:["\[\]{\d-]|true|false|null)')
_QUOTED_CHARACTERS = 20_000


class ReplyFormat(StrEnum):
    """Ways to ask for JSON, from the one that binds a server most to the one that all understand."""

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    PROMPT = "prompt"

    @property
    def weaker(self) -> ReplyFormat | None:
        """Return the next one to try; None after the last."""
        ranked = list(ReplyFormat)
        place = ranked.index(self) + 1
        return ranked[place] if place < len(ranked) else None


def format_fields(reply_format: ReplyFormat, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request's body that ask for JSON in this way.

    >>> format_fields(ReplyFormat.JSON_OBJECT, {})
    {'response_format': {'type': 'json_object'}}
    """
    if reply_format is ReplyFormat.PROMPT:
        return {}
    if reply_format is ReplyFormat.JSON_OBJECT:
        return {"response_format": {"type": "json_object"}}
    named = {"name": "answer", "schema": schema, "strict": is_closed(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def is_closed(schema: Any) -> bool:
    """Return whether every object of a schema requires all its properties and allows no others.

    Servers refuse `strict` for any other schema.

    >>> closed = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    >>> is_closed(closed), is_closed({"type": "array", "items": {"type": "object", "properties": {"a": {}}}})
    (True, False)
    """
    if isinstance(schema, list):
        return all(is_closed(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        every = set(schema.get("properties", {})) == set(schema.get("required", []))
        if not every or schema.get("additionalProperties") is not False:
            return False
    return all(is_closed(part) for part in schema.values())


def schema_in_words(schema: Mapping[str, Any]) -> str:
    """Return the instruction that stands in for a schema where the server takes none."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with JSON that fits the following JSON Schema, and with nothing else.\n{text}"


def with_instruction(messages: tuple[Message, ...], instruction: str) -> tuple[Message, ...]:
    """Append an instruction to the first message of the user; some servers allow no second system message.

    >>> with_instruction((Message.system("Be brief."), Message.user("Where?")), "Use JSON.")[1].parts
    ('Where?', 'Use JSON.')
    """
    for place, message in enumerate(messages):
        if message.role == "user":
            asked = Message("user", (*message.parts, instruction))
            return (*messages[:place], asked, *messages[place + 1 :])
    return (*messages, Message.user(instruction))


def repair_turns(text: str, problem: EndpointFault) -> tuple[Message, Message]:
    """Return the turns that show the model its answer and what is wrong with it."""
    wanted = "Answer once more: the corrected JSON, complete, and nothing else."
    return (
        Message.assistant(text[:_QUOTED_CHARACTERS]),
        Message.user(f"This answer cannot be used, because {problem.detail}. {wanted}"),
    )


class SchemaCheck:
    """Finds the JSON of an answer and holds it against a schema.

    Raises:
        UsageError: The schema itself is wrong.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(dict(schema))
        except SchemaError as error:
            raise UsageError(f"The JSON Schema of a request is wrong: {one_line(error.message)}.") from error
        # A registry of its own, since the default one would fetch references from the network.
        self._validator = Draft202012Validator(dict(schema), registry=Registry())

    def read(self, text: str) -> tuple[Any, EndpointFault | None]:
        """Return the data in an answer, or None and what is wrong."""
        try:
            data = find_json(text)
        except ValueError as error:
            return None, EndpointFault(EndpointFaultCode.NOT_JSON, one_line(str(error)))
        try:
            found = best_match(self._validator.iter_errors(data))
        except RecursionError:
            return None, EndpointFault(EndpointFaultCode.SCHEMA_VIOLATION, "it is nested too deeply")
        except Unresolvable as error:
            raise UsageError(
                f"The JSON Schema of a request refers to {error.ref!r}, which it does not hold."
            ) from error
        if found is not None:
            detail = one_line(f"at {found.json_path}: {found.message}")
            return None, EndpointFault(EndpointFaultCode.SCHEMA_VIOLATION, detail)
        return data, None


def find_json(text: str) -> Any:
    """Return the longest JSON object or array of an answer, whatever stands around it; thoughts are passed over.

    The inside of a broken object is not taken for the answer. Costs linear time.

    Raises:
        ValueError: There is none, or it is broken, not finite, or nested too deeply.

    >>> find_json('<think>{"a": 0}?</think>See [1]: ```json {"a": [1]} ```')
    {'a': [1]}
    """
    # Some servers cut the opening tag off; in an answer that begins with JSON, the closing one is part of the data.
    thoughtful = _END_OF_THOUGHTS in text and not text.lstrip().startswith(("{", "["))
    answer = text.partition(_END_OF_THOUGHTS)[2] if thoughtful else text
    longest, found, end = 0, None, 0
    while opening := _OPENING.search(answer, end):
        try:
            data, end = _DECODER.raw_decode(answer, opening.start())
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise ValueError("its JSON is nested too deeply") from None
        except UnicodeEncodeError:
            raise ValueError("its JSON holds half a surrogate pair") from None
        except ValueError as error:
            raise ValueError(f"its JSON is broken: {error}") from error
        if end - opening.start() > longest:
            longest, found = end - opening.start(), data
    if found is None:
        raise ValueError("it holds no JSON object")
    return found


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_not_finite)
