"""The answer line: `Country; Region; Place`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SEPARATOR = re.compile("[;；]")
_SPACES = re.compile(r"\s+")


def split_answer(answer: str) -> tuple[str, ...]:
    """Split an answer at semicolons, full-width ones too; parts are trimmed, empty ones at the end go.

    >>> split_answer(" China；Anhui ; Hefei;")
    ('China', 'Anhui', 'Hefei')
    >>> split_answer("Monaco; ; Monte Carlo"), split_answer(" ")
    (('Monaco', '', 'Monte Carlo'), ())
    """
    parts = [part.strip() for part in _SEPARATOR.split(answer)]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def render_answer(parts: Iterable[str]) -> str:
    """Join country, region and place to an answer, from which `split_answer` gets them back.

    A semicolon inside a part becomes a comma, and white space a single space; empty parts at the end go.

    >>> render_answer(["China", "Anhui", "Hefei; old town", ""])
    'China; Anhui; Hefei, old town'
    """
    plain = [_SPACES.sub(" ", _SEPARATOR.sub(",", part)).strip() for part in parts]
    while plain and not plain[-1]:
        plain.pop()
    return "; ".join(plain)
