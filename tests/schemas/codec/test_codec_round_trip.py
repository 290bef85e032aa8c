from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.schemas import ChainOfThought, InputError, Stage, Uncertainty
from geoseek.schemas.codec import (
    ParsedChain,
    ParseFailure,
    ParseForm,
    RepairCode,
    parse_chain,
    parse_record,
    render_answer,
    render_json,
    render_record,
    render_solution,
    render_tagged,
    split_answer,
)
from tests.schemas.codec.chains import CHAINS, TEXTS, example_chain


@given(CHAINS, st.none() | st.integers(0, 4), st.booleans())
def test_json_comes_back_without_repair(chain: ChainOfThought, indent: int | None, strict: bool) -> None:
    text = render_json(chain, indent=indent)
    assert parse_chain(text, strict=strict) == ParsedChain(chain, chain.final_answer.strip(), ParseForm.JSON)
    assert json.loads(text)["FinalAnswer"] == chain.final_answer


@given(CHAINS, st.none() | TEXTS, st.booleans())
def test_tagged_form_comes_back_without_repair(chain: ChainOfThought, answer: str | None, strict: bool) -> None:
    expected = (chain.final_answer if answer is None else answer).strip()
    parsed = parse_chain(render_tagged(chain, answer), strict=strict)
    assert parsed == ParsedChain(chain, expected, ParseForm.TAGGED)


@given(TEXTS, st.booleans())
def test_answer_element_comes_back(answer: str, strict: bool) -> None:
    parsed = parse_chain(render_solution(answer), strict=strict)
    assert (parsed.form, parsed.repairs) == (ParseForm.ANSWER, ()) or "{" in answer
    assert parsed.answer == answer.strip()


@given(CHAINS)
def test_record_comes_back(chain: ChainOfThought) -> None:
    record = render_record(chain)
    assert parse_record(record) == chain
    assert parse_record(json.loads(json.dumps(record))) == chain
    assert set(record) == set(ChainOfThought.model_fields)


def test_the_written_form_is_the_documented_one() -> None:
    assert render_tagged(example_chain(), "Bulgaria; Plovdiv; Asenovgrad") == (
        '<think>{"CountryIdentification": {"Clues": ["yellow rear plates", "a sign in Bulgarian"], '
        '"Reasoning": "It\'s Cyrillic, and the plates have a blue band.", "Conclusion": "Bulgaria", '
        '"Uncertainty": "Low"}, "RegionalGuess": {"Clues": ["tobacco fields"], '
        '"Reasoning": "Tobacco grows in the south.", "Conclusion": "Plovdiv", "Uncertainty": "Moderate"}, '
        '"FinalAnswer": "Bulgaria; Plovdiv"}</think> <answer> Bulgaria; Plovdiv; Asenovgrad </answer>'
    )


def test_record_takes_arrays_and_lacks_no_stage_that_is_none() -> None:
    record = render_record(example_chain())
    record["country"]["clues"] = np.array(record["country"]["clues"], dtype=object)
    del record["precise"]
    assert parse_record(record) == example_chain()


@pytest.mark.parametrize("clues", ["one text", None, [1]])
def test_bad_record_names_the_field(clues: object) -> None:
    record = render_record(example_chain())
    record["country"]["clues"] = clues
    with pytest.raises(InputError, match=r"country\.clues"):
        parse_record(record)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=10), max_size=4))
def test_answer_parts_settle_after_one_rendering(parts: list[str]) -> None:
    answer = render_answer(parts)
    assert render_answer(split_answer(answer)) == answer
    assert len(split_answer(answer)) <= len(parts)


def test_answer_is_split_at_both_semicolons() -> None:
    assert split_answer("中国；安徽 ; 合肥") == ("中国", "安徽", "合肥")
    assert parse_chain("<answer>中国；安徽；合肥</answer>").parts == ("中国", "安徽", "合肥")
    assert render_answer(["Chad", "", ""]) == "Chad"
    assert split_answer(render_answer(["Monaco", "", "Monte Carlo"])) == ("Monaco", "", "Monte Carlo")


@pytest.mark.parametrize("strict", [False, True])
def test_surrogates_leave_as_escapes_and_return_as_replacement(strict: bool) -> None:
    stage = Stage(clues=("a\ud83d\ude00b",), reasoning="x\ud800y", conclusion="", uncertainty=Uncertainty.LOW)
    chain = ChainOfThought(country=stage, final_answer="Ja\udfffpan")
    for text in (render_json(chain), render_tagged(chain)):
        text.encode()
        parsed = parse_chain(text, strict=strict)
        if strict:
            assert parsed.failure is not None
            assert parsed.failure.code is ParseFailure.NOT_STRICT
            assert "CountryIdentification.Reasoning" in parsed.failure.detail
        else:
            assert parsed.chain is not None
            assert parsed.chain.country.clues == ("a😀b",)
            assert parsed.chain.country.reasoning == "x\ufffdy"
            assert {repair.code for repair in parsed.repairs} == {RepairCode.LONE_SURROGATE}


def test_escaped_pairs_are_no_repair() -> None:
    text = json.dumps(json.loads(render_json(example_chain()).replace("tobacco", "😀")))
    parsed = parse_chain(text, strict=True)
    assert parsed.repairs == ()
    assert parsed.chain is not None
    assert parsed.chain.region is not None
    assert parsed.chain.region.clues == ("😀 fields",)
