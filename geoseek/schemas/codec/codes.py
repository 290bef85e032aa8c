"""What the parser says about a text: the form it found, each repair it made, why it gave up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from geoseek.schemas.annotation import ChainOfThought
from geoseek.schemas.codec.answers import split_answer
from geoseek.schemas.enums import DescribedCode

_PLACES_PER_CODE = 20


class ParseForm(StrEnum):
    """How a text presents its chain."""

    JSON = "json"
    TAGGED = "tagged"
    ANSWER = "answer"


class RepairCode(DescribedCode):
    """Everything that the tolerant parser puts right."""

    CODE_FENCE = "code_fence", "the JSON stands in a Markdown code fence"
    TEXT_AROUND = "text_around", "other text before or after was ignored"
    TAG_SPELLING = "tag_spelling", "a tag has capitals or spaces, or is called thinking"
    MISSING_TAG = "missing_tag", "an opening tag, or a whole think or answer element, is missing"
    UNCLOSED_TAG = "unclosed_tag", "a think or answer element is not closed, or closed by the wrong tag"
    SEVERAL_ANSWERS = "several_answers", "several answer elements; the last one that is not empty was taken"
    SEVERAL_CHAINS = "several_chains", "several JSON objects with a country stage; the last complete one was taken"
    JSON_IN_ANSWER = "json_in_answer", "the JSON stands in the answer element; the answer is its FinalAnswer"
    ENCODED_TWICE = "encoded_twice", "the JSON is a string that holds the JSON"
    WRAPPED = "wrapped", "the chain was inside another object or list"

    ODD_SPACE = "odd_space", "a byte order mark, or white space that JSON does not know"
    TRAILING_COMMA = "trailing_comma", "a comma too many"
    MISSING_COMMA = "missing_comma", "a comma too few"
    MISSING_BRACKET = "missing_bracket", "a bracket or brace is missing or is not the one that fits"
    UNCLOSED_JSON = "unclosed_json", "the JSON ends too early; what was there is kept"
    SINGLE_QUOTES = "single_quotes", "single quotes for double quotes"
    TYPOGRAPHIC_QUOTES = "typographic_quotes", "typographic or full-width quotes for double quotes"
    UNESCAPED_QUOTE = "unescaped_quote", "a quote inside a text was read as part of it"
    INVALID_ESCAPE = "invalid_escape", "a backslash sequence that JSON does not know"
    CONTROL_CHARACTER = "control_character", "a line break or another control character inside a text"
    UNQUOTED_TEXT = "unquoted_text", "a name or text without quotes"
    FULLWIDTH_PUNCTUATION = "fullwidth_punctuation", "a full-width comma, colon or semicolon between values"
    SEMICOLON = "semicolon", "a semicolon between values"
    PYTHON_LITERAL = "python_literal", "None, True or False for null, true or false"
    SKIPPED_TEXT = "skipped_text", "text inside the JSON that belongs nowhere was ignored"
    LONE_SURROGATE = "lone_surrogate", "half a UTF-16 pair became U+FFFD, because no file can hold it"

    KEY_SPACING = "key_spacing", "a name differs by spaces, case, hyphens or underscores"
    KEY_ALIAS = "key_alias", "another name for the same thing (RegionGuess for RegionalGuess)"
    KEY_ORDER = "key_order", "names in another order than ours"
    DUPLICATE_KEY = "duplicate_key", "a name occurs twice in one object; the last value was taken"
    UNKNOWN_KEY = "unknown_key", "a name that is none of ours was left out, with its value"
    MISPLACED_KEY = "misplaced_key", "a stage or the final answer stood inside another stage"
    STAGE_AS_TEXT = "stage_as_text", "a stage is a text; it was taken as the conclusion"
    EMPTY_STAGE = "empty_stage", "an optional stage is named and says nothing; it was left out"
    UNREADABLE_STAGE = "unreadable_stage", "an optional stage is neither an object nor a text; it was left out"
    MISSING_FIELD = "missing_field", "a field of a stage is missing or null; it was left empty"
    CLUES_AS_TEXT = "clues_as_text", "the clues are one text; it was split at line breaks and semicolons"
    EMPTY_CLUE = "empty_clue", "a clue that is null was left out"
    VALUE_AS_TEXT = "value_as_text", "a number, list or object was turned into text"
    UNCERTAINTY_CASE = "uncertainty_case", "the uncertainty is written in another way (low, medium)"
    UNCERTAINTY_UNKNOWN = "uncertainty_unknown", "the uncertainty is missing or none of ours; it was taken as High"
    FINAL_ANSWER_FROM_TAG = "final_answer_from_tag", "FinalAnswer is missing; the answer element was taken"
    FINAL_ANSWER_FROM_CONCLUSIONS = (
        "final_answer_from_conclusions",
        "FinalAnswer is missing; the conclusions were joined",
    )


class ParseFailure(DescribedCode):
    """Why a text gives no chain."""

    EMPTY = "empty", "there is no text"
    NO_JSON = "no_json", "there is no JSON object"
    NOT_AN_OBJECT = "not_an_object", "the JSON is a list, a text or a number without a chain in it"
    NO_COUNTRY_STAGE = "no_country_stage", "the JSON has no country stage"
    BAD_TYPE = "bad_type", "the country stage is neither an object nor a text"
    TOO_LONG = "too_long", "the text needs repair and is too long for it"
    TOO_DEEP = "too_deep", "lists and objects are nested too deeply"
    NOT_STRICT = "not_strict", "the text is not exactly in our form"


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair.

    Attributes:
        code: What was repaired.
        where: `character N` (from 0) in the text, or the path of the value (`RegionalGuess.Uncertainty`).
        count: 1; more in the last entry of a code that occurs more often than can be listed.
    """

    code: RepairCode
    where: str
    count: int = 1

    def __str__(self) -> str:
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        return f"{self.code} at {self.where}{more}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no chain, and what exactly was wrong."""

    code: ParseFailure
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail or self.code.description}"


@dataclass(frozen=True, slots=True)
class ParsedChain:
    """What the parser found in a text.

    Attributes:
        chain: The chain, or None.
        answer: Text of the answer element, else the final answer of the JSON, as written but trimmed; None if there
            is neither.
        form: How the text presents it.
        repairs: Everything that was put right, in the order of the codes' discovery.
        failure: Why there is no chain; None if there is one, and for a text that is only an answer.
    """

    chain: ChainOfThought | None
    answer: str | None
    form: ParseForm
    repairs: tuple[Repair, ...] = ()
    failure: Failure | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The answer as (country, region, place), as far as it goes."""
        return split_answer(self.answer or "")


class RepairLog:
    """Collects repairs; hostile input cannot make it grow without bound.

    Args:
        offset: Where the text at hand begins in the whole text, in characters.
    """

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._found: dict[RepairCode, list[Repair]] = {}
        self._more: dict[RepairCode, int] = {}

    def __contains__(self, code: RepairCode) -> bool:
        return code in self._found

    def at(self, code: RepairCode, position: int) -> None:
        """Note a repair at a position of the text at hand."""
        if code in self._more:
            self._more[code] += 1
        else:
            self.of(code, f"character {self._offset + position}")

    def of(self, code: RepairCode, where: str) -> None:
        """Note a repair of the value with that path."""
        self._add(Repair(code, where))

    def extend(self, other: RepairLog) -> None:
        """Take over the repairs of another log."""
        for repair in other.repairs():
            self._add(repair)

    def _add(self, repair: Repair) -> None:
        places = self._found.setdefault(repair.code, [])
        if len(places) == _PLACES_PER_CODE:
            self._more[repair.code] = self._more.get(repair.code, 0) + repair.count
        elif repair not in places:
            places.append(repair)

    def repairs(self) -> tuple[Repair, ...]:
        """Return what was noted, grouped by code."""
        return tuple(repair for code, places in self._found.items() for repair in self._with_more(code, places))

    def _with_more(self, code: RepairCode, places: list[Repair]) -> list[Repair]:
        last = places[-1]
        return [*places[:-1], replace(last, count=last.count + self._more.get(code, 0))]
