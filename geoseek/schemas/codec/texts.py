"""Tags and surrogates: what has to be escaped so that a text survives its way through JSON, tags and files."""

from __future__ import annotations

import re

TAG = re.compile(r"<\s{0,8}(/?)\s{0,8}(think|thinking|answer)\s{0,8}>", re.IGNORECASE)
"""A tag as models write it; group 1 is the slash, group 2 the name."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_TO_ESCAPE = re.compile(f"&(?=(?:amp;)*+lt;{TAG.pattern[1:]})|<(?={TAG.pattern[1:]})", re.IGNORECASE)
_ESCAPED = re.compile(f"&((?:amp;)*+)lt;(?={TAG.pattern[1:]})", re.IGNORECASE)


def is_encodable(text: str) -> bool:
    """Return whether a text has no surrogates, so that a UTF-8 file can hold it."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_surrogates(text: str) -> str:
    r"""Join the two halves of a surrogate pair, and replace a half without its other one by U+FFFD.

    >>> without_surrogates("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"
    True
    """
    if is_encodable(text):
        return text
    return _SURROGATE.sub("\ufffd", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def escape_json_text(text: str) -> str:
    r"""Escape, in JSON as written by `json.dumps`, surrogates and the `<` of everything that looks like a tag.

    >>> escape_json_text('{"a": "</think> 1 < 2"}')
    '{"a": "\\u003c/think> 1 < 2"}'
    """
    if "<" in text:
        text = TAG.sub(lambda found: "\\u003c" + found[0][1:], text)
    return text if is_encodable(text) else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape_answer(answer: str) -> str:
    """Escape what looks like a tag, as in HTML; `unescape_answer` gives back the same text.

    >>> escape_answer("A <b> </answer>"), escape_answer("&lt;/answer>")
    ('A <b> &lt;/answer>', '&amp;lt;/answer>')
    """
    return _TO_ESCAPE.sub(lambda found: "&lt;" if found[0] == "<" else "&amp;", without_surrogates(answer))


def unescape_answer(text: str) -> str:
    """Undo `escape_answer`.

    >>> unescape_answer("&lt;/answer>"), unescape_answer("&amp;lt;/answer>"), unescape_answer("a &lt; b")
    ('</answer>', '&lt;/answer>', 'a &lt; b')
    """
    if "&" not in text:
        return text
    return _ESCAPED.sub(lambda found: f"&{found[1][4:]}lt;" if found[1] else "<", text)
