from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from geoseek.schemas import Uncertainty
from geoseek.schemas.codec import (
    MAX_REPAIR_CHARS,
    ParseFailure,
    ParseForm,
    RepairCode,
    parse_chain,
    render_json,
    render_record,
    render_tagged,
)
from tests.schemas.codec.chains import example_chain

CHAIN = example_chain()
CLEAN = render_json(CHAIN)
TAGGED = render_tagged(CHAIN)
HALF = CLEAN[: CLEAN.index(', "RegionalGuess"')]

SAME_CHAIN: dict[str, tuple[str, set[RepairCode]]] = {
    "code fence": (f"```json\n{CLEAN}\n```", {RepairCode.CODE_FENCE}),
    "text around": (f"Sure! {CLEAN} I hope it helps.", {RepairCode.TEXT_AROUND}),
    "braces in the text before": (f"{{as you asked}} {CLEAN}", {RepairCode.TEXT_AROUND}),
    "trailing commas": (CLEAN.replace('"}', '",}').replace("]", ",]"), {RepairCode.TRAILING_COMMA}),
    "missing commas": (CLEAN.replace('", "', '"\n"'), {RepairCode.MISSING_COMMA}),
    "Python literal": (repr(json.loads(CLEAN)), {RepairCode.SINGLE_QUOTES}),
    "single quotes, unescaped": (
        CLEAN.replace('"', "'"),
        {RepairCode.SINGLE_QUOTES, RepairCode.UNESCAPED_QUOTE},
    ),
    "full-width punctuation": (
        CLEAN.replace('", "', '"，"').replace('": ', '"：').replace('}, "', '}；"'),
        {RepairCode.FULLWIDTH_PUNCTUATION},
    ),
    "semicolons": (CLEAN.replace('}, "', '}; "'), {RepairCode.SEMICOLON}),
    "spaces and case of names": (CLEAN.replace("RegionalGuess", " Regional_guess "), {RepairCode.KEY_SPACING}),
    "alias": (CLEAN.replace("RegionalGuess", "RegionGuess"), {RepairCode.KEY_ALIAS}),
    "order of names": (json.dumps(dict(reversed(json.loads(CLEAN).items()))), {RepairCode.KEY_ORDER}),
    "unknown name": (CLEAN.replace("{", '{"Confidence": 3, ', 1), {RepairCode.UNKNOWN_KEY}),
    "repeated name": (CLEAN.replace("{", '{"FinalAnswer": "x", ', 1), {RepairCode.DUPLICATE_KEY, RepairCode.KEY_ORDER}),
    "uncertainty in other words": (
        CLEAN.replace('"Low"', '"low"').replace("Moderate", "Medium"),
        {RepairCode.UNCERTAINTY_CASE},
    ),
    "empty stage": (
        CLEAN.replace('"FinalAnswer"', '"PreciseLocalization": null, "FinalAnswer"'),
        {RepairCode.EMPTY_STAGE},
    ),
    "unreadable stage": (
        CLEAN.replace('"FinalAnswer"', '"PreciseLocalization": 7, "FinalAnswer"'),
        {RepairCode.UNREADABLE_STAGE},
    ),
    "brace missing after a stage": (
        CLEAN.replace('"Moderate"}', '"Moderate"') + "}",
        {RepairCode.MISPLACED_KEY},
    ),
    "brace missing at the end": (CLEAN[:-1], {RepairCode.UNCLOSED_JSON}),
    "brace missing at the start": (CLEAN[1:], {RepairCode.MISSING_BRACKET}),
    "bracket missing": (CLEAN.replace('fields"]', 'fields"'), {RepairCode.MISSING_BRACKET}),
    "wrapped": (json.dumps({"output": [json.loads(CLEAN)]}), {RepairCode.WRAPPED}),
    "encoded twice": (json.dumps(CLEAN), {RepairCode.ENCODED_TWICE}),
    "our record": (
        json.dumps({key: value for key, value in render_record(CHAIN).items() if value}),
        {RepairCode.KEY_ALIAS, RepairCode.KEY_SPACING},
    ),
    "final answer missing": (
        CLEAN.replace(', "FinalAnswer": "Bulgaria; Plovdiv"', ""),
        {RepairCode.FINAL_ANSWER_FROM_CONCLUSIONS},
    ),
    "byte order mark": ("\ufeff" + CLEAN, {RepairCode.TEXT_AROUND}),
    "odd spaces": (CLEAN.replace("{", "{\u00a0"), {RepairCode.ODD_SPACE}),
    "several chains": (
        CLEAN.replace("Bulgaria", "Chad") + "\n" + CLEAN,
        {RepairCode.SEVERAL_CHAINS, RepairCode.TEXT_AROUND},
    ),
    "a complete chain before half of one": (
        CLEAN + "\n" + HALF,
        {RepairCode.SEVERAL_CHAINS, RepairCode.TEXT_AROUND},
    ),
    "opening think missing": (TAGGED.removeprefix("<think>"), {RepairCode.MISSING_TAG}),
    "closing think missing": (TAGGED.replace("</think>", ""), {RepairCode.UNCLOSED_TAG}),
    "closing answer missing": (TAGGED.removesuffix("</answer>"), {RepairCode.UNCLOSED_TAG}),
    "think missing": (TAGGED.replace("<think>", "").replace("</think>", ""), {RepairCode.MISSING_TAG}),
    "answer missing": (f"<think>{CLEAN}</think>", {RepairCode.MISSING_TAG}),
    "tags in another spelling": (
        TAGGED.replace("<think>", "<Thinking>").replace("</think>", "</ thinking >"),
        {RepairCode.TAG_SPELLING},
    ),
    "several answers": (
        TAGGED.replace("<answer>", "<answer> Chad </answer> <answer>"),
        {RepairCode.SEVERAL_ANSWERS},
    ),
    "JSON in the answer": (
        f"<think>Let me see.</think><answer>{CLEAN}</answer>",
        {RepairCode.JSON_IN_ANSWER, RepairCode.TEXT_AROUND},
    ),
    "free thoughts, then JSON": (
        f"<think>Let me see.</think>{CLEAN}",
        {RepairCode.MISSING_TAG, RepairCode.TEXT_AROUND},
    ),
    "final answer only in the element": (
        TAGGED.replace(', "FinalAnswer": "Bulgaria; Plovdiv"', ""),
        {RepairCode.FINAL_ANSWER_FROM_TAG},
    ),
    "names without quotes": (
        CLEAN.replace('"Clues"', "Clues").replace('"FinalAnswer"', "FinalAnswer"),
        {RepairCode.UNQUOTED_TEXT},
    ),
}


@pytest.mark.parametrize(("text", "codes"), SAME_CHAIN.values(), ids=SAME_CHAIN.keys())
def test_repair_gives_the_same_chain_and_says_what_was_done(text: str, codes: set[RepairCode]) -> None:
    parsed = parse_chain(text)
    assert parsed.chain == CHAIN
    assert parsed.answer == "Bulgaria; Plovdiv"
    assert parsed.failure is None
    assert {repair.code for repair in parsed.repairs} == codes
    strict = parse_chain(text, strict=True)
    assert strict.chain is None
    assert strict.failure is not None
    assert strict.failure.code is ParseFailure.NOT_STRICT
    assert str(strict.repairs[0]) in strict.failure.detail


def changed(old: str, new: str) -> str:
    assert old in CLEAN
    return CLEAN.replace(old, new)


COUNTRY_CHANGES: dict[str, tuple[str, RepairCode, Callable[[], tuple[str, object]]]] = {
    "inner quotes": (
        changed("It's Cyrillic", 'The sign says "стоп", it is Cyrillic'),
        RepairCode.UNESCAPED_QUOTE,
        lambda: ("reasoning", 'The sign says "стоп", it is Cyrillic, and the plates have a blue band.'),
    ),
    "raw line break": (
        changed("Cyrillic, and", "Cyrillic,\nand"),
        RepairCode.CONTROL_CHARACTER,
        lambda: ("reasoning", "It's Cyrillic,\nand the plates have a blue band."),
    ),
    "invalid escape": (
        changed("a blue band", r"a 5\% blue band"),
        RepairCode.INVALID_ESCAPE,
        lambda: ("reasoning", r"It's Cyrillic, and the plates have a 5\% blue band."),
    ),
    "clues as a text": (
        changed('["yellow rear plates", "a sign in Bulgarian"]', r'"- yellow plates\n- a sign；poles"'),
        RepairCode.CLUES_AS_TEXT,
        lambda: ("clues", ("yellow plates", "a sign", "poles")),
    ),
    "null among the clues": (
        changed('"yellow rear plates"', "null"),
        RepairCode.EMPTY_CLUE,
        lambda: ("clues", ("a sign in Bulgarian",)),
    ),
    "number among the clues": (
        changed('"yellow rear plates"', "12"),
        RepairCode.VALUE_AS_TEXT,
        lambda: ("clues", ("12", "a sign in Bulgarian")),
    ),
    "clues without quotes": (
        changed('["yellow rear plates", "a sign in Bulgarian"]', "[yellow plates, a sign]"),
        RepairCode.UNQUOTED_TEXT,
        lambda: ("clues", ("yellow plates", "a sign")),
    ),
    "clues missing": (
        changed('"Clues": ["yellow rear plates", "a sign in Bulgarian"], ', ""),
        RepairCode.MISSING_FIELD,
        lambda: ("clues", ()),
    ),
    "clues an object": (
        changed('["yellow rear plates", "a sign in Bulgarian"]', "{}"),
        RepairCode.VALUE_AS_TEXT,
        lambda: ("clues", ("{}",)),
    ),
    "None": (
        changed('"Conclusion": "Bulgaria"', '"Conclusion": None'),
        RepairCode.PYTHON_LITERAL,
        lambda: ("conclusion", ""),
    ),
    "uncertainty missing": (
        changed(', "Uncertainty": "Low"', ""),
        RepairCode.UNCERTAINTY_UNKNOWN,
        lambda: ("uncertainty", Uncertainty.HIGH),
    ),
    "uncertainty between two": (
        changed('"Low"', '"low to high"'),
        RepairCode.UNCERTAINTY_UNKNOWN,
        lambda: ("uncertainty", Uncertainty.HIGH),
    ),
    "a typographic quote": (
        changed('"Conclusion": "Bulgaria"', "“Conclusion”: “Bulgaria”"),
        RepairCode.TYPOGRAPHIC_QUOTES,
        lambda: ("conclusion", "Bulgaria"),
    ),
    "text where a name should be": (
        changed('], "Reasoning"', '], /* so */ "Reasoning"'),
        RepairCode.SKIPPED_TEXT,
        lambda: ("conclusion", "Bulgaria"),
    ),
}


@pytest.mark.parametrize(("text", "code", "expected"), COUNTRY_CHANGES.values(), ids=COUNTRY_CHANGES.keys())
def test_repaired_value_is_the_intended_one(
    text: str, code: RepairCode, expected: Callable[[], tuple[str, object]]
) -> None:
    parsed = parse_chain(text)
    field, value = expected()
    assert parsed.chain is not None
    assert getattr(parsed.chain.country, field) == value
    assert code in {repair.code for repair in parsed.repairs}
    assert parsed.chain.region == CHAIN.region
    assert parsed.chain.final_answer == CHAIN.final_answer


@pytest.mark.parametrize("cut", range(len(CLEAN)))
def test_what_was_there_before_the_cut_is_kept(cut: int) -> None:
    parsed = parse_chain(CLEAN[:cut])
    if parsed.chain is None:
        assert parsed.failure is not None
        assert cut < CLEAN.index('"Clues"') + len('"Clues":')
        return
    assert RepairCode.UNCLOSED_JSON in {repair.code for repair in parsed.repairs}
    country, region = parsed.chain.country, parsed.chain.region
    assert CHAIN.country.reasoning.startswith(country.reasoning)
    assert CHAIN.country.conclusion.startswith(country.conclusion)
    assert all(whole.startswith(part) for whole, part in zip(CHAIN.country.clues, country.clues, strict=False))
    if cut >= len(HALF):
        assert country == CHAIN.country
    if region is not None and CHAIN.region is not None:
        assert CHAIN.region.reasoning.startswith(region.reasoning)
        assert CHAIN.region.conclusion.startswith(region.conclusion)


FAILURES = {
    "": ParseFailure.EMPTY,
    " \n\u3000": ParseFailure.EMPTY,
    "I see a road.\nIt could be anywhere.": ParseFailure.NO_JSON,
    "{": ParseFailure.NO_JSON,
    "[1, 2]": ParseFailure.NOT_AN_OBJECT,
    '{"FinalAnswer": "Chad"}': ParseFailure.NO_COUNTRY_STAGE,
    '{"a": {"b": 1}}': ParseFailure.NO_COUNTRY_STAGE,
    '{"CountryIdentification": {}}': ParseFailure.NO_COUNTRY_STAGE,
    '{"CountryIdentification": 5, "FinalAnswer": "Chad"}': ParseFailure.BAD_TYPE,
    '{"a":' * 500: ParseFailure.TOO_DEEP,
    "<think>no JSON</think><answer>Chad</answer>": ParseFailure.NO_JSON,
    "x" * (MAX_REPAIR_CHARS + 1): ParseFailure.TOO_LONG,
}


@pytest.mark.parametrize(("text", "code"), FAILURES.items(), ids=list(FAILURES.values()))
def test_failure_has_a_code(text: str, code: ParseFailure) -> None:
    parsed = parse_chain(text)
    assert parsed.chain is None
    assert parsed.failure is not None
    assert parsed.failure.code is code
    assert parsed.answer == ("Chad" if "Chad" in text else None)


def test_an_answer_alone_is_no_failure() -> None:
    for text, codes in {
        "Chad; Borkou": set[RepairCode](),
        "<answer> Chad; Borkou </answer>": set(),
        "Final answer: Chad; Borkou": {RepairCode.TEXT_AROUND},
        "So it is <answer>Chad; Borkou</answer>": {RepairCode.TEXT_AROUND},
    }.items():
        parsed = parse_chain(text)
        assert (parsed.form, parsed.answer, parsed.failure) == (ParseForm.ANSWER, "Chad; Borkou", None)
        assert {repair.code for repair in parsed.repairs} == codes


def test_strict_takes_a_bare_answer_as_we_write_it_only() -> None:
    assert parse_chain("Chad; Borkou", strict=True).failure is None
    failure = parse_chain("Chad;Borkou", strict=True).failure
    assert failure is not None
    assert failure.code is ParseFailure.NOT_STRICT


def test_a_cut_conclusion_is_not_mixed_with_the_next_name() -> None:
    parsed = parse_chain(CLEAN[: CLEAN.index('"Uncertainty"') + 6])
    assert parsed.chain is not None
    assert parsed.chain.country.conclusion == "Bulgaria"


def test_repairs_name_places_and_do_not_grow_without_bound() -> None:
    parsed = parse_chain('{"CountryIdentification": {"Clues": ["a"' + ",," * 500 + '"b"]}}')
    commas = [repair for repair in parsed.repairs if repair.code is RepairCode.TRAILING_COMMA]
    assert commas[0].where == "character 41"
    assert len(commas) == 20
    assert sum(repair.count for repair in commas) == 999
    assert str(commas[-1]).endswith("and 979 more")


def test_every_code_is_explained_in_the_docs() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "codec.md").read_text(encoding="utf-8")
    for code in (*RepairCode, *ParseFailure):
        assert f"| `{code}` | {code.description} |" in page
