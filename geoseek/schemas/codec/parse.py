"""From text to a chain: exactly our form by the straight way, everything else by the tolerant one."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain as joined
from typing import Any

from geoseek.schemas.annotation import ChainOfThought
from geoseek.schemas.codec.answers import render_answer
from geoseek.schemas.codec.codes import Failure, ParsedChain, ParseFailure, ParseForm, RepairCode, RepairLog
from geoseek.schemas.codec.documents import (
    Document,
    Element,
    decode,
    decode_pairs,
    find_documents,
    note_text_around,
    split_at_tags,
)
from geoseek.schemas.codec.reader import TooDeepError
from geoseek.schemas.codec.shape import exact_chain, final_answer_of, find_chains, read_chain
from geoseek.schemas.codec.texts import TAG, is_encodable, unescape_answer, without_surrogates

MAX_REPAIR_CHARS = 4_000_000
"""Longest text that is repaired; a longer one must be in our form."""
MAX_BARE_ANSWER_CHARS = 300

_SOLUTION = re.compile(r"</think>\s*+<answer>(.*)</answer>\Z", re.DOTALL)
_ANSWER_LABEL = re.compile(r"(?:final )?answer\s{0,8}[:：]\s{0,8}", re.IGNORECASE)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_NAMED_REPAIRS = 3


def parse_chain(text: str, *, strict: bool = False) -> ParsedChain:
    r"""Parse what a model or a file says: the JSON of a chain, its tagged form, or an answer alone.

    Never raises for any text; the time grows with the length of the text only.

    Args:
        text: JSON, `<think>JSON</think> <answer>...</answer>`, `<answer>...</answer>` or a bare answer of one line.
        strict: Refuse everything that would need a repair; the repairs then say where the text deviates.

    >>> parsed = parse_chain("```json\n{'CountryIdentification': {'Conclusion': 'Chad',}}\n```")
    >>> parsed.chain.country.conclusion, parsed.answer
    ('Chad', 'Chad')
    >>> sorted({str(repair.code) for repair in parsed.repairs})[:4]
    ['code_fence', 'final_answer_from_conclusions', 'missing_field', 'single_quotes']
    >>> parse_chain("<answer> China; Anhui; Hefei </answer>").parts
    ('China', 'Anhui', 'Hefei')
    """
    parsed = _parse_exactly(text)
    if parsed is None:
        try:
            parsed = _parse_tolerantly(text)
        except (TooDeepError, RecursionError):
            parsed = ParsedChain(None, None, ParseForm.JSON, failure=Failure(ParseFailure.TOO_DEEP))
    return _refuse_repairs(parsed, bare=TAG.match(text.lstrip()) is None) if strict else parsed


def _refuse_repairs(parsed: ParsedChain, *, bare: bool) -> ParsedChain:
    if parsed.failure is not None:
        return parsed
    detail = ""
    if parsed.repairs:
        detail = "; ".join(map(str, parsed.repairs[:_NAMED_REPAIRS]))
        more = len(parsed.repairs) - _NAMED_REPAIRS
        detail += f"; {more} more" if more > 0 else ""
    elif bare and parsed.form is ParseForm.ANSWER and parsed.answer != render_answer(parsed.parts):
        detail = "the answer is not written as `Country; Region; Place`"
    return replace(parsed, chain=None, failure=Failure(ParseFailure.NOT_STRICT, detail)) if detail else parsed


def _parse_exactly(text: str) -> ParsedChain | None:
    """Return the chain of a text in exactly our form; None for all other texts."""
    bare = text.strip()
    if bare.startswith("{"):
        pairs, end = decode_pairs(bare, 0)
        chain = exact_chain(pairs) if end == len(bare) else None
        answer, form = None, ParseForm.JSON
    elif bare.startswith("<think>{"):
        pairs, end = decode_pairs(bare, len("<think>"))
        solution = _SOLUTION.match(bare, end)
        if solution is None or ("<" in solution[1] and TAG.search(solution[1])):
            return None
        chain = exact_chain(pairs)
        answer, form = unescape_answer(solution[1].strip()), ParseForm.TAGGED
    else:
        return None
    if chain is None or _has_surrogates(text, chain):
        return None
    return ParsedChain(chain, chain.final_answer.strip() if answer is None else answer, form)


def _has_surrogates(text: str, chain: ChainOfThought) -> bool:
    """Whether halves of surrogate pairs are in a text or, as escapes that met no other half, in its chain."""
    if not is_encodable(text):
        return True
    if "\\" not in text or not _SURROGATE_ESCAPE.search(text):
        return False
    texts = [chain.final_answer]
    for stage in chain.stages().values():
        texts.extend((*stage.clues, stage.reasoning, stage.conclusion))
    return not is_encodable("".join(texts))


def _parse_tolerantly(text: str) -> ParsedChain:
    if not text.strip():
        return ParsedChain(None, None, ParseForm.ANSWER, failure=Failure(ParseFailure.EMPTY))
    if len(text) > MAX_REPAIR_CHARS:
        detail = f"{len(text):,} characters; at most {MAX_REPAIR_CHARS:,} are repaired"
        return ParsedChain(None, None, ParseForm.JSON, failure=Failure(ParseFailure.TOO_LONG, detail))
    log = RepairLog()
    if not is_encodable(text):
        log.of(RepairCode.LONE_SURROGATE, "the text")
        text = without_surrogates(text)
    return _Text(text, log).parse()


class _Text:
    """A text that is not in our form, its elements and its JSON."""

    def __init__(self, text: str, log: RepairLog) -> None:
        self._text = text
        self._log = log
        whole = Element("outside", 0, len(text))
        json = find_documents(text, whole) if isinstance(decode(text), dict | list) else []
        self._elements = [whole] if json else split_at_tags(text, log)
        self._documents = json or list(
            joined.from_iterable(find_documents(text, element) for element in self._elements)
        )
        self._kinds = {element.kind for element in self._elements}

    def parse(self) -> ParsedChain:
        answer = self._answer()
        candidates = self._candidates()
        failure = None
        for document, found, wrapped in candidates:
            attempt = RepairLog()
            given = None if document.element.kind == "answer" else answer
            chain = read_chain(found, attempt, given)
            if isinstance(chain, ChainOfThought):
                self._note_circumstances(document, wrapped=wrapped, several=len(candidates) > 1)
                self._log.extend(document.log)
                self._log.extend(attempt)
                return self._result(chain, chain.final_answer.strip() if given is None else given, None)
            failure = failure or chain
        return self._without_chain(answer, failure)

    def _answer(self) -> str | None:
        """Return the text of the last answer element that is not empty."""
        found = [self._inside(element).strip() for element in self._elements if element.kind == "answer"]
        filled = [at for at, answer in enumerate(found) if answer]
        if len(found) > 1:
            taken = filled[-1] if filled else 0
            self._log.of(RepairCode.SEVERAL_ANSWERS, f"answer {taken + 1} of {len(found)}")
        if not found:
            return None
        return unescape_answer(found[filled[-1]]) if filled else ""

    def _candidates(self) -> list[tuple[Document, dict[str, Any], bool]]:
        """Return the objects with a country stage, the one to be taken first."""
        found = [(document, *pair) for document in self._documents for pair in find_chains(document.value)]
        found.reverse()
        found.sort(key=lambda entry: (entry[0].element.kind == "answer", not entry[0].complete))
        return found

    def _note_circumstances(self, document: Document, *, wrapped: bool, several: bool) -> None:
        """Note what surrounds the object that was taken."""
        log, home = self._log, document.element
        if several:
            log.at(RepairCode.SEVERAL_CHAINS, document.start)
        if wrapped:
            log.at(RepairCode.WRAPPED, document.start)
        if home.kind == "answer":
            log.at(RepairCode.JSON_IN_ANSWER, document.start)
        elif self._kinds != {"outside"}:
            if home.kind != "think":
                log.of(RepairCode.MISSING_TAG, "<think>")
            if "answer" not in self._kinds:
                log.of(RepairCode.MISSING_TAG, "<answer>")
        note_text_around(self._text[home.start : document.start], home.start, log)
        note_text_around(self._text[document.end : home.end], document.end, log)
        self._note_other_text(home)

    def _note_other_text(self, home: Element | None) -> None:
        for element in self._elements:
            if element is not home and element.kind != "answer":
                note_text_around(self._inside(element), element.start, self._log)

    def _without_chain(self, answer: str | None, failure: Failure | None) -> ParsedChain:
        objects = [document.value for document in self._documents if isinstance(document.value, dict)]
        if answer is None:
            answer = next((found for value in reversed(objects) if (found := final_answer_of(value))), None)
        if failure is not None:
            return self._result(None, answer, failure)
        if objects:
            return self._result(None, answer, Failure(ParseFailure.NO_COUNTRY_STAGE))
        if self._documents:
            return self._result(None, answer, Failure(ParseFailure.NOT_AN_OBJECT))
        if self._kinds == {"outside"}:
            return self._bare_answer()
        if answer is None or "think" in self._kinds:
            return self._result(None, answer, Failure(ParseFailure.NO_JSON))
        self._note_other_text(None)
        return ParsedChain(None, answer, ParseForm.ANSWER, self._log.repairs())

    def _bare_answer(self) -> ParsedChain:
        line = self._text.strip()
        label = _ANSWER_LABEL.match(line)
        answer = line[label.end() :] if label else line
        if len(answer) > MAX_BARE_ANSWER_CHARS or len(answer.splitlines()) != 1 or "{" in answer:
            return ParsedChain(None, None, ParseForm.JSON, self._log.repairs(), Failure(ParseFailure.NO_JSON))
        if label:
            self._log.at(RepairCode.TEXT_AROUND, 0)
        return ParsedChain(None, answer, ParseForm.ANSWER, self._log.repairs())

    def _result(self, chain: ChainOfThought | None, answer: str | None, failure: Failure | None) -> ParsedChain:
        form = ParseForm.JSON if self._kinds == {"outside"} else ParseForm.TAGGED
        return ParsedChain(chain, answer, form, self._log.repairs(), failure)

    def _inside(self, element: Element) -> str:
        return self._text[element.start : element.end]
