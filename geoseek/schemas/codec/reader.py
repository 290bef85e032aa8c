"""JSON as models write it: read what is there, note every repair, in one pass over the text.

The standard decoder goes first; this reader gets what it refuses. For valid JSON (names up to 200 characters) both give
the same. Every look ahead is bounded, and so is the depth, so that time grows with the length of the text only.
"""

from __future__ import annotations

import re
from typing import Any

from geoseek.schemas.codec.codes import RepairCode, RepairLog

MAX_DEPTH = 64
_LONGEST_NUMBER = 300

_PLAIN_SPACE = re.compile(r"[ \t\n\r]*+")
_ANY_SPACE = re.compile(r"[\s\ufeff\u200b]*+")
_QUOTED_NAME = (
    r'"(?:[^"\\]|\\.){0,200}+"'
    r"|'(?:[^'\\]|\\.){0,200}+'"
    r"|[“”„＂][^“”„＂\"]{0,200}+[“”＂\"]"
    r"|[‘’][^‘’']{0,200}+[‘’']"
)
_COLON = r"\s{0,200}+[:：]"
_NAME = re.compile(rf"(?P<quoted>{_QUOTED_NAME}){_COLON}|(?P<bare>[^\W\d][\w \-]{{0,63}}+){_COLON}", re.DOTALL)
_COLON_NEXT = re.compile(_COLON)
_SEPARATORS = ",，;；、"
_SEPARATOR_CODES = {
    "，": RepairCode.FULLWIDTH_PUNCTUATION,
    "；": RepairCode.FULLWIDTH_PUNCTUATION,
    "、": RepairCode.FULLWIDTH_PUNCTUATION,
    ";": RepairCode.SEMICOLON,
}
_CLOSING = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“", "＂": "＂", "‘": "’", "’": "’"}
_QUOTES = "".join(_CLOSING)
_RUN = {closing: re.compile(rf"[^{closing}\\\x00-\x1f]*+") for closing in set(_CLOSING.values())}
_GAP = r"\s{0,200}+"
_AFTER_MEMBER = re.compile(
    rf"{_GAP}(?:\Z|[}}\]]|```|(?:{_QUOTED_NAME}){_COLON}"
    rf"|[{_SEPARATORS}]{_GAP}(?:\Z|[}}\],]|(?:{_QUOTED_NAME}){_COLON}|[^\W\d]\w{{0,63}}+{_COLON}"
    rf"|[{_QUOTES}][\w ]{{0,64}}+[{_QUOTES}]?{_GAP}\Z))",
    re.DOTALL,
)
_AFTER_ITEM = re.compile(
    rf"[^\S\n]{{0,200}}+(?:\Z|[}}\]:：]|```|\n{_GAP}[{_QUOTES}\]}}]"
    rf"|{_GAP}[{_SEPARATORS}]{_GAP}(?:\Z|[{_QUOTES}\[\]{{}},\d-]|(?:null|true|false|None|True|False|NaN|Infinity)\b))"
)
_BARE = re.compile(rf"[^{_SEPARATORS}}}\]\n]*+")
_JUNK = re.compile(rf"[^{_SEPARATORS}}}\]\n{_QUOTES}]*+")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*+)\Z", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?\Z", re.ASCII)
_LITERALS = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}
_PYTHON_LITERALS = {"None": None, "True": True, "False": False}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_HEX4 = re.compile(r"[0-9A-Fa-f]{4}")
_HEX2 = re.compile(r"[0-9A-Fa-f]{2}")


class TooDeepError(Exception):
    """Lists and objects are nested more deeply than `MAX_DEPTH`."""


class RepairingReader:
    """Reads one object out of a text.

    Args:
        text: The text.
        log: Takes the repairs, by position in the text.
    """

    def __init__(self, text: str, log: RepairLog) -> None:
        self._text = text
        self._log = log
        self._objects = 0
        self._arrays = 0

    def read_object(self, brace: int) -> tuple[dict[str, Any] | None, int]:
        """Read the object whose brace opens at a position.

        Returns:
            The object and the position after it; None and the position after the brace if what follows it is not the
            beginning of an object.

        Raises:
            TooDeepError: Nested too deeply.
        """
        inside = self._skip_space(brace + 1)
        if not self._text.startswith("}", inside) and not _NAME.match(self._text, inside):
            return None, brace + 1
        return self._object(brace + 1)

    def read_members(self, first: int) -> tuple[dict[str, Any], int]:
        """Read an object whose opening brace is missing, from its first name on.

        Raises:
            TooDeepError: Nested too deeply.
        """
        return self._object(first)

    def _skip_space(self, at: int) -> int:
        plain = _PLAIN_SPACE.match(self._text, at).end()  # type: ignore[union-attr]
        end = _ANY_SPACE.match(self._text, plain).end()  # type: ignore[union-attr]
        if end > plain:
            self._log.at(RepairCode.ODD_SPACE, plain)
        return end

    def _object(self, at: int) -> tuple[dict[str, Any], int]:
        self._objects += 1
        self._check_depth()
        found: dict[str, Any] = {}
        separated = True
        while True:
            at = self._skip_space(at)
            char = self._text[at : at + 1]
            if char == "}" or not char:
                at = self._end(at, char, separated=separated and bool(found))
                break
            if char == "]":
                self._log.at(RepairCode.MISSING_BRACKET, at)
                if self._arrays:
                    break
                at += 1
            elif char in _SEPARATORS:
                at = self._separator(at, char, separated=separated)
                separated = True
            else:
                at = self._member(at, found, separated=separated)
                separated = False
        self._objects -= 1
        return found, at

    def _member(self, at: int, found: dict[str, Any], *, separated: bool) -> int:
        name = _NAME.match(self._text, at)
        if name is None:
            self._log.at(RepairCode.SKIPPED_TEXT, at)
            return _JUNK.match(self._text, at + 1).end()  # type: ignore[union-attr]
        if not separated:
            self._log.at(RepairCode.MISSING_COMMA, at)
        key = self._name(name)
        value, at = self._value(self._skip_space(name.end()), _AFTER_MEMBER)
        if key in found:
            self._log.at(RepairCode.DUPLICATE_KEY, name.start())
        found[key] = value
        return at

    def _name(self, name: re.Match[str]) -> str:
        if name[0].endswith("："):
            self._log.at(RepairCode.FULLWIDTH_PUNCTUATION, name.end() - 1)
        if name["quoted"] is None:
            self._log.at(RepairCode.UNQUOTED_TEXT, name.start())
            return name["bare"].strip()
        self._note_quotes(name["quoted"][0], name.start())
        start, end = name.span("quoted")
        pieces: list[str] = []
        at = start + 1
        while at < end - 1:
            at = self._piece(at, pieces, name["quoted"][-1])
        return "".join(pieces)

    def _array(self, at: int) -> tuple[list[Any], int]:
        self._arrays += 1
        self._check_depth()
        items: list[Any] = []
        separated, comma = True, at
        while True:
            at = self._skip_space(at)
            char = self._text[at : at + 1]
            if char == "]" or not char:
                at = self._end(at, char, separated=separated and bool(items))
                break
            if char == "}":
                self._log.at(RepairCode.MISSING_BRACKET, at)
                if self._objects:
                    break
                at += 1
            elif char in _SEPARATORS:
                comma = at
                at = self._separator(at, char, separated=separated)
                separated = True
            else:
                start = at
                value, at = self._value(at, _AFTER_ITEM)
                if self._objects and char in _QUOTES and _COLON_NEXT.match(self._text, at):
                    self._log.at(RepairCode.MISSING_BRACKET, start)
                    at = comma if items and separated else start
                    break
                if not separated:
                    self._log.at(RepairCode.MISSING_COMMA, start)
                items.append(value)
                separated = False
        self._arrays -= 1
        return items, at

    def _end(self, at: int, char: str, *, separated: bool) -> int:
        """Note what is wrong with the end of an object or list; return the position after it."""
        if not char:
            self._log.at(RepairCode.UNCLOSED_JSON, at)
        elif separated:
            self._log.at(RepairCode.TRAILING_COMMA, at)
        return at + len(char)

    def _separator(self, at: int, char: str, *, separated: bool) -> int:
        if separated:
            self._log.at(RepairCode.TRAILING_COMMA, at)
        if char in _SEPARATOR_CODES:
            self._log.at(_SEPARATOR_CODES[char], at)
        return at + 1

    def _check_depth(self) -> None:
        if self._objects + self._arrays > MAX_DEPTH:
            raise TooDeepError

    def _value(self, at: int, after: re.Pattern[str]) -> tuple[Any, int]:
        char = self._text[at : at + 1]
        if char == "{":
            return self._object(at + 1)
        if char == "[":
            return self._array(at + 1)
        if char and char in _QUOTES:
            return self._string(at, after)
        return self._unquoted(at)

    def _unquoted(self, at: int) -> tuple[Any, int]:
        end = _BARE.match(self._text, at).end()  # type: ignore[union-attr]
        word = self._text[at:end].strip()
        if len(word) < _LONGEST_NUMBER and _NUMBER.match(word):
            return int(word) if _INTEGER.match(word) else float(word), end
        if word in _LITERALS:
            return _LITERALS[word], end
        self._log.at(RepairCode.PYTHON_LITERAL if word in _PYTHON_LITERALS else RepairCode.UNQUOTED_TEXT, at)
        return _PYTHON_LITERALS.get(word, word or None), end

    def _note_quotes(self, quote: str, at: int) -> None:
        if quote == "'":
            self._log.at(RepairCode.SINGLE_QUOTES, at)
        elif quote != '"':
            self._log.at(RepairCode.TYPOGRAPHIC_QUOTES, at)

    def _string(self, at: int, after: re.Pattern[str]) -> tuple[str, int]:
        """Read a text; a quote ends it only if what follows can follow a text."""
        quote = self._text[at]
        self._note_quotes(quote, at)
        closing, pieces = _CLOSING[quote], list[str]()
        at += 1
        while at < len(self._text):
            if self._text[at] == closing:
                if after.match(self._text, at + 1):
                    return "".join(pieces), at + 1
                self._log.at(RepairCode.UNESCAPED_QUOTE, at)
            at = self._piece(at, pieces, closing)
        self._log.at(RepairCode.UNCLOSED_JSON, at)
        return "".join(pieces), at

    def _piece(self, at: int, pieces: list[str], closing: str) -> int:
        """Append the next piece of a text: an escape, a single special character or a run of others."""
        char = self._text[at]
        if char == "\\":
            return self._escape(at, pieces)
        if char == closing or char < " ":
            if char != closing:
                self._log.at(RepairCode.CONTROL_CHARACTER, at)
            pieces.append(char)
            return at + 1
        run = _RUN[closing].match(self._text, at) if closing in _RUN else None
        end = run.end() if run else at + 1
        pieces.append(self._text[at:end])
        return end

    def _escape(self, at: int, pieces: list[str]) -> int:
        char = self._text[at + 1 : at + 2]
        if char in _ESCAPES and char:
            pieces.append(_ESCAPES[char])
            return at + 2
        if char == "u" and (code := self._unit(at)) is not None:
            low = self._unit(at + 6) if 0xD800 <= code < 0xDC00 else None
            if low is not None and 0xDC00 <= low < 0xE000:
                pieces.append(chr(0x10000 + ((code - 0xD800) << 10) + low - 0xDC00))
                return at + 12
            pieces.append(chr(code))
            return at + 6
        self._log.at(RepairCode.INVALID_ESCAPE, at)
        if char == "x" and (byte := _HEX2.match(self._text, at + 2)):
            pieces.append(chr(int(byte[0], 16)))
            return at + 4
        if char == "'" or char == "\n":
            pieces.append(char)
            return at + 2
        pieces.append("\\")
        return at + 1

    def _unit(self, at: int) -> int | None:
        """Return the UTF-16 unit whose escape stands at a position."""
        digits = _HEX4.match(self._text, at + 2) if self._text.startswith("\\u", at) else None
        return int(digits[0], 16) if digits else None
