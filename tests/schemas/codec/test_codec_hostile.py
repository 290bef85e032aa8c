from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geoseek.schemas.codec import ParsedChain, ParseFailure, parse_chain, render_json, render_record
from geoseek.schemas.codec.codes import RepairLog
from geoseek.schemas.codec.reader import RepairingReader
from tests.schemas.codec.chains import CHAINS, NASTY

PIECES = st.sampled_from(
    (
        *NASTY,
        *(
            "[",
            "]",
            ",",
            ":",
            "：",
            "，",
            "“",
            "”",
            "‘",
            "’",
            "\ud800",
            "\udc00",
            "\\u",
            "\\x4",
            "\\",
            "<think>",
            "- ",
            "1e9",
            "-",
        ),
        *('{"CountryIdentification": ', '"Clues": [', '"Reasoning": "', "'Conclusion': '", '"Uncertainty": "Low"', "}"),
        *("RegionGuess: ", '"FinalAnswer": "x; y"', "None", "NaN", "true", "```", "\u3000", "0", "answer: "),
    )
)
SOUP = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)
JSON_OBJECTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(NASTY),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


def check(parsed: ParsedChain) -> None:
    assert (parsed.chain is None) or (parsed.failure is None)
    assert parsed.chain is not None or parsed.failure is not None or parsed.answer is not None
    if parsed.chain is not None:
        text = render_json(parsed.chain)
        text.encode()
        again = parse_chain(text, strict=True)
        assert again.chain == parsed.chain
        assert again.repairs == ()


@given(SOUP, st.booleans())
@example("<answer></answer>", True)
@example('"{"', False)
@example("{" + "9" * 5000 + ":1}", False)
@example('{"CountryIdentification": ' + "9" * 5000 + "}", False)
def test_soup_never_raises(text: str, strict: bool) -> None:
    check(parse_chain(text, strict=strict))


@given(CHAINS, st.lists(st.tuples(st.integers(0, 2000), PIECES, st.integers(0, 3)), min_size=1, max_size=6))
def test_damaged_chains_never_raise(chain: object, damage: list[tuple[int, str, int]]) -> None:
    text = render_json(chain)  # type: ignore[arg-type]
    for at, piece, removed in damage:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + removed :]
    check(parse_chain(text))


@given(JSON_OBJECTS)
def test_any_json_object_never_raises(document: dict[str, object]) -> None:
    check(parse_chain(json.dumps(document)))
    check(parse_chain(json.dumps({"CountryIdentification": document, "FinalAnswer": document})))


@given(JSON_OBJECTS, st.none() | st.integers(0, 3), st.booleans())
def test_repairing_reader_reads_json_as_the_decoder_does(
    document: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    log = RepairLog()
    value, end = RepairingReader(text, log).read_object(0)
    assert log.repairs() == ()
    assert end == len(text)
    assert repr(value) == repr(json.loads(text))


SHAPES = (
    *(
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        "\\",
        ",",
        ":",
        "<",
        "&",
        "\n",
        "；",
        "0",
        "\ud800",
        "\u3000",
        "``",
        "{}",
        "[]",
        "“",
        "＂",
    ),
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "&amp;",
        "&lt;/answer>",
        '{"',
        '{"a":',
        '{"a":1}',
        '{"a":[',
        '[{"a":',
    ),
    *(
        '{"a":"',
        '\\"',
        "\\u",
        "\\ud83d",
        '","',
        '", "a" ',
        '",     ',
        '" :',
        '["x":',
        '"\n',
        "{'",
        "{“",
        "{ ",
        "'\"",
        "a: ",
    ),
    *('{"CountryIdentification":', '{"CountryIdentification":{}}', '"CountryIdentification": ', "<answer>a</answer>"),
)
BEGINNINGS = ("", '{"CountryIdentification": {"Clues": [', '{"CountryIdentification": {"Reasoning": "')
SMALL, FACTOR = 15_000, 16


def seconds(shape: str, beginning: str, size: int) -> float:
    text = (beginning + shape * (size // len(shape) + 1))[:size]
    start = time.process_time()
    check(parse_chain(text))
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.parametrize("beginning", BEGINNINGS, ids=["bare", "in a list", "in a text"])
@pytest.mark.parametrize("shape", SHAPES, ids=ascii)
def test_time_grows_with_the_length_only(shape: str, beginning: str) -> None:
    """Sixteen times the text: a quadratic step would take 256 times as long; noise gets a factor of eight, thrice."""
    ratios = (
        seconds(shape, beginning, SMALL * FACTOR) / max(seconds(shape, beginning, SMALL), 0.004) for _ in range(3)
    )
    assert any(ratio < 8 * FACTOR for ratio in ratios)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["{", '"', "\\", "<think>", '{"a":1}', "</answer>"])
def test_a_megabyte_of_hostile_text_is_answered(shape: str) -> None:
    check(parse_chain((shape * (1_000_000 // len(shape) + 1))[:1_000_000]))


def test_a_megabyte_of_text_in_a_chain_comes_back() -> None:
    words = '{"<script>" </think> \\ \x00 شارع 東京 😀 ' * 25_000
    record = {"clues": [words], "reasoning": words, "conclusion": "x", "uncertainty": "Low"}
    text = json.dumps(
        {"CountryIdentification": {key.title(): value for key, value in record.items()}, "FinalAnswer": "x"}
    )
    parsed = parse_chain(text)
    assert parsed.repairs == ()
    assert parsed.chain is not None
    assert render_record(parsed.chain)["country"] == record


def test_deep_nesting_is_refused_at_any_depth_of_the_caller() -> None:
    for depth in (65, 200, 990, 5000, 200_000):
        for opening in ("[", '{"a":'):
            parsed = parse_chain('{"CountryIdentification": {"Clues": ' + opening * depth)
            assert parsed.failure is not None
            assert parsed.failure.code is ParseFailure.TOO_DEEP


def test_numbers_out_of_range_are_text() -> None:
    parsed = parse_chain('{"CountryIdentification": {"Clues": [1e999, NaN, ' + "9" * 5000 + "]}}")
    assert parsed.chain is not None
    assert [len(clue) for clue in parsed.chain.country.clues] == [8, 3, 5000]
    assert math.isinf(float(parsed.chain.country.clues[0]))
