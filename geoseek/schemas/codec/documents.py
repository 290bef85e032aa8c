"""Where the parts of a text are: the think and answer elements, and the JSON objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any

from geoseek.schemas.codec.codes import RepairCode, RepairLog
from geoseek.schemas.codec.reader import RepairingReader
from geoseek.schemas.codec.shape import RepeatedNames
from geoseek.schemas.codec.texts import TAG

_FIRST_NAME = re.compile(r"""["'“]?country[ _]?identification["'”]?\s{0,8}[:：]""", re.IGNORECASE)
_FENCE = re.compile(r"```[A-Za-z]{0,12}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedNames(pairs)


_DECODER = JSONDecoder(object_pairs_hook=_object)
_PAIRS_DECODER = JSONDecoder(object_pairs_hook=tuple)


@dataclass(frozen=True, slots=True)
class Element:
    """A stretch of the text: inside `think`, inside `answer`, or `outside` both."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON value in the text, with the repairs that it took to read it."""

    element: Element
    value: Any
    start: int
    end: int
    log: RepairLog

    @property
    def complete(self) -> bool:
        """Whether the JSON did not end too early."""
        return RepairCode.UNCLOSED_JSON not in self.log


def decode(text: str) -> Any:
    """Decode a text that is JSON; else return None (as for `null`, in which there is no chain either)."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def decode_pairs(text: str, at: int) -> tuple[Any, int]:
    """Decode the JSON that begins at a position, its objects as tuples of (name, value): the fast way to see repeats.

    Returns:
        The value and the position after it; None and the same position if there is no JSON.
    """
    try:
        return _PAIRS_DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at


def split_at_tags(text: str, log: RepairLog) -> list[Element]:
    """Split a text into its elements, in their order; elements that are missing a tag are repaired."""
    elements: list[Element] = []
    kind, start = "outside", 0
    for tag in TAG.finditer(text):
        closes, name = tag[1] == "/", tag[2].casefold().replace("thinking", "think")
        if tag[0] != f"<{tag[1]}{name}>":
            log.at(RepairCode.TAG_SPELLING, tag.start())
        if kind == "outside":
            if closes:
                log.at(RepairCode.MISSING_TAG, start)
            elements.append(Element(name if closes else kind, start, tag.start()))
        else:
            if not (closes and name == kind):
                log.at(RepairCode.UNCLOSED_TAG, tag.start())
            elements.append(Element(kind, start, tag.start()))
        kind, start = "outside" if closes else name, tag.end()
    if kind != "outside":
        log.at(RepairCode.UNCLOSED_TAG, len(text))
    elements.append(Element(kind, start, len(text)))
    return elements


def find_documents(text: str, element: Element) -> list[Document]:
    """Return the JSON values of an element: the whole of it, or every object in it.

    Raises:
        TooDeepError: Nested too deeply.
    """
    inside = text[element.start : element.end]
    if inside.lstrip()[:1] in ("{", "[", '"'):
        whole = _whole(inside, element)
        if whole is not None:
            return [whole]
    brace = inside.find("{")
    first_name = _FIRST_NAME.search(inside, 0, len(inside) if brace < 0 else brace)
    if first_name is not None:
        log = RepairLog(element.start)
        log.at(RepairCode.MISSING_BRACKET, first_name.start())
        value, end = RepairingReader(inside, log).read_members(first_name.start())
        return [Document(element, value, element.start + first_name.start(), element.start + end, log)]
    return _objects(inside, element, brace)


def _whole(inside: str, element: Element) -> Document | None:
    value, log = decode(inside), RepairLog(element.start)
    if isinstance(value, str):
        value = decode(value)
        log.at(RepairCode.ENCODED_TWICE, 0)
    return Document(element, value, element.start, element.end, log) if isinstance(value, dict | list) else None


def _objects(inside: str, element: Element, brace: int) -> list[Document]:
    found: list[Document] = []
    first = True
    while brace >= 0:
        log = RepairLog(element.start)
        value, end = _decode_at(inside, brace) if first else (None, brace)
        if value is None:
            value, end = RepairingReader(inside, log).read_object(brace)
        if value is not None:
            found.append(Document(element, value, element.start + brace, element.start + end, log))
        brace, first = inside.find("{", end), False
    return found


def _decode_at(text: str, at: int) -> tuple[Any, int]:
    """Decode the JSON that begins at a position.

    Only for the first object of a text: on failure the decoder counts the lines before it, which for every brace of a
    long text would take time that grows with the square of its length.
    """
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at


def note_text_around(text: str, position: int, log: RepairLog) -> None:
    """Note a code fence, and other text, that stands around the JSON."""
    rest = _FENCE.sub("", text)
    if rest != text:
        log.at(RepairCode.CODE_FENCE, position)
    if rest.strip():
        log.at(RepairCode.TEXT_AROUND, position)
