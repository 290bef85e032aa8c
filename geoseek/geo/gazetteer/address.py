"""Addresses as parts: "Country; Region; Place", in any script and with any of the usual separators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from geoseek.geo.gazetteer.names import MAX_NAME_CHARS, make_keys, strip_tags

MAX_ADDRESS_CHARS = 2000
"""Characters of an address that are considered."""
MAX_PARTS = 8

_STRONG = re.compile(r"[;；؛\n|]")
_WEAK = re.compile(r"[,，、،]")
_INNER = re.compile(r"[,，、،()（）\[\]/]")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part of an address: as written, its key, and the key without administrative words.

    Compared by identity, which is fast: `make_part` gives the same object for the same text while it is remembered.
    """

    text: str
    full: str
    reduced: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys to look up, the exact one first."""
        return (self.full,) if self.full == self.reduced else (self.full, self.reduced)


def make_part(text: str) -> Part:
    """Return a name as a part; only its first `MAX_NAME_CHARS` characters are kept."""
    return _remembered_part(text[:MAX_NAME_CHARS])


@lru_cache(maxsize=8192)
def _remembered_part(text: str) -> Part:
    return Part(text, *make_keys(text))


def split_address(address: str) -> list[Part]:
    """Return the parts of an address, without empty ones.

    Semicolons (also full-width and Arabic ones), bars and line feeds separate; where there is none, commas do.

    >>> [part.full for part in split_address("中国；安徽省；合肥市")]
    ['中国', '安徽省', '合肥市']
    >>> [part.full for part in split_address("Hefei, Anhui, China")]
    ['hefei', 'anhui', 'china']
    """
    text = strip_tags(address[:MAX_ADDRESS_CHARS])
    parts = _parts(_STRONG.split(text))
    return parts if len(parts) > 1 else _parts(_WEAK.split(text))


def _parts(pieces: list[str]) -> list[Part]:
    parts: list[Part] = []
    for piece in pieces:
        part = make_part(piece.strip())
        if part.full:
            parts.append(part)
            if len(parts) == MAX_PARTS:
                break
    return parts


def inner_parts(part: Part) -> list[Part]:
    """Return what commas, brackets and slashes separate inside a part; nothing if there are none.

    >>> [inner.full for inner in inner_parts(make_part("Hefei (合肥), Shushan"))]
    ['hefei', '合肥', 'shushan']
    """
    pieces = [piece.strip() for piece in _INNER.split(part.text)]
    if len(pieces) < 2:
        return []
    inner = [make_part(piece) for piece in pieces[:MAX_PARTS]]
    return [piece for piece in inner if piece.full]
