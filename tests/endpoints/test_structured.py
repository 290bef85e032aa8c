from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.endpoints.faults import EndpointFaultCode
from geoseek.endpoints.messages import Message
from geoseek.endpoints.structured import ReplyFormat, SchemaCheck, find_json, is_closed, with_instruction
from geoseek.schemas import UsageError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"score": {"type": "number", "minimum": 0, "maximum": 10}, "note": {"$ref": "#/$defs/note"}},
    "required": ["score", "note"],
    "additionalProperties": False,
    "$defs": {"note": {"type": "string"}},
}
GOOD = {"score": 4.5, "note": "a { brace and a ] bracket"}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half a surrogate pair is refused on purpose.
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values), st.booleans(), st.sampled_from([None, 2]))
def test_data_survive_fences_thoughts_and_chatter(data: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(data, ensure_ascii=ascii_only, indent=indent)
    assert find_json(text) == data
    assert find_json(f'<think>maybe {{"x": 1}}</think>\nHere it is:\n```json\n{text}\n```\nAnything else?') == data


@given(st.text(st.sampled_from('{}[]",:0 \\untrue<think/>é\ud800')))
def test_no_text_makes_the_search_fail_in_another_way(text: str) -> None:
    try:
        found = find_json(text)
    except ValueError:
        return
    assert isinstance(found, (dict, list))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON"),
        ("It is in Peru.", "no JSON"),
        ('{"a": {"b": 1}, "c": ', "broken"),
        ('[{"a": 1}, {"a": 2', "broken"),
        ('{"a": NaN}', "NaN"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a":' * 100_000, "deep"),
        ("[" * 1_000_000, "deep"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        find_json(text)


def test_thoughts_are_no_answer_even_without_their_opening_tag() -> None:
    assert find_json('First {"a": "a long guess"}, but no.</think>{"a": "b"}') == {"a": "b"}
    assert find_json('{"</think>": 1}') == {"</think>": 1}


def test_the_longest_json_is_the_answer() -> None:
    assert find_json('As [1] and [2] say: {"a": 1, "b": [2]}. See also {}') == {"a": 1, "b": [2]}


@pytest.mark.parametrize("text", ["[1]" * 50_000, "{ " * 500_000, "</think>" * 100_000, '{"' * 500_000])
def test_a_megabyte_of_beginnings_is_read_in_time(text: str) -> None:
    # Quadratic search would not end within the patience of any test runner.
    try:
        find_json(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017


def test_check_tells_where_the_answer_leaves_the_schema() -> None:
    check = SchemaCheck(SCHEMA)
    assert check.read(json.dumps(GOOD)) == (GOOD, None)
    data, fault = check.read('{"score": 11, "note": "x"}')
    assert data is None
    assert fault is not None
    assert fault.code is EndpointFaultCode.SCHEMA_VIOLATION
    assert "$.score" in fault.detail
    _, fault = check.read("no")
    assert fault is not None
    assert fault.code is EndpointFaultCode.NOT_JSON


def test_a_wrong_schema_is_the_callers_error() -> None:
    with pytest.raises(UsageError, match="JSON Schema"):
        SchemaCheck({"type": "thing"})
    with pytest.raises(UsageError, match="refers to"):
        SchemaCheck({"$ref": "http://127.0.0.1:9/schema.json"}).read("{}")


def test_only_closed_schemas_are_sent_as_strict() -> None:
    assert is_closed(SCHEMA)
    assert not is_closed({**SCHEMA, "required": ["score"]})
    assert not is_closed({**SCHEMA, "additionalProperties": True})
    assert not is_closed({"anyOf": [SCHEMA, {"type": "object"}]})


def test_formats_weaken_in_order() -> None:
    assert ReplyFormat.JSON_SCHEMA.weaker is ReplyFormat.JSON_OBJECT
    assert ReplyFormat.JSON_OBJECT.weaker is ReplyFormat.PROMPT
    assert ReplyFormat.PROMPT.weaker is None


def test_instruction_joins_the_question_not_the_later_turns() -> None:
    turns = (Message.system("s"), Message.user("q"), Message.assistant("a"), Message.user("again"))
    changed = with_instruction(turns, "as JSON")
    assert changed[1] == Message.user("q", "as JSON")
    assert (changed[0], *changed[2:]) == (turns[0], *turns[2:])
    assert with_instruction((Message.system("s"),), "as JSON")[1] == Message.user("as JSON")
