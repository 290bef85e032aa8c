"""What a licence says about publishing a picture: a table of patterns, and the strictest of several terms.

Nothing is granted by guesswork. A licence that matches no pattern as a whole is unknown, and an unknown licence grants
nothing. Terms that forbid derivatives allow the lossless removal of metadata: the picture itself stays as it is, and
CC 4.0 (section 2(a)(4)) never counts technical modifications as adaptations.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

LICENCES_FILE = Path(__file__).parents[1] / "data" / "licences.csv"
"""The table: one pattern per row, matched against the whole licence after `normalised`."""

_ADDRESSES = (
    (re.compile(r"(?:https?://)?(?:www\.)?creativecommons\.org/licenses/"), "cc "),
    (re.compile(r"(?:https?://)?(?:www\.)?creativecommons\.org/publicdomain/zero"), "cc0"),
    (re.compile(r"(?:https?://)?(?:www\.)?creativecommons\.org/publicdomain/mark"), "public domain mark"),
    (re.compile(r"/(?:deed|legalcode)(?:\.[a-z_-]+)?(?=\s|$)"), ""),
)
_WORDS = (
    (re.compile(r"creative commons"), "cc"),
    (re.compile(r"\battribution\b"), "by"),
    (re.compile(r"\bshare ?alike\b"), "sa"),
    (re.compile(r"\bnon ?commercial\b"), "nc"),
    (re.compile(r"\bno ?deriv(?:ative)?s?(?: works)?\b"), "nd"),
    (re.compile(r"\b(?:the|licen[cs]ed?|under|international|unported|generic|synthetic|universal|version)\b"), ""),
    (re.compile(r"\b(?:dedication|zero(?= ?1\.0)|(?<=cc0) 1\.0)\b"), ""),
    (re.compile(r"\bv(?=\d)"), ""),
)
_VERSION = re.compile(r"^(cc by(?: (?:sa|nc|nd))*)(?: (?P<version>[1-4]\.[05]))?(?: [a-z]{2})?$")
_UNKNOWN_VERSION = "version not stated"


class Permission(StrEnum):
    """Whether a licence lets the picture be passed on."""

    GRANTED = "granted"
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Terms:
    """What a licence asks for.

    Attributes:
        name: Its name in words.
        permission: Whether copies may be passed on, on the terms below.
        spdx: Its SPDX id; None if it has none.
        attribution: The author has to be named.
        share_alike: What is made of it has to carry the same licence.
        non_commercial: Only for purposes that are not commercial.
        no_derivatives: Only unchanged.
        hub_id: Its name on the Hugging Face Hub, `other` if it has none there.
        url: Its text; None if unknown.
    """

    name: str
    permission: Permission
    spdx: str | None = None
    attribution: bool = False
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    hub_id: str = "other"
    url: str | None = None

    @property
    def duties(self) -> frozenset[str]:
        """The duties in words."""
        named = {
            "attribution": self.attribution,
            "share-alike": self.share_alike,
            "non-commercial": self.non_commercial,
            "no derivatives": self.no_derivatives,
        }
        return frozenset(duty for duty, holds in named.items() if holds)


UNKNOWN = Terms("unknown licence", Permission.UNKNOWN)
GEONAMES = Terms(
    "Creative Commons Attribution 4.0",
    Permission.GRANTED,
    "CC-BY-4.0",
    attribution=True,
    hub_id="cc-by-4.0",
    url="https://creativecommons.org/licenses/by/4.0/",
)
"""Terms of the names of places and regions, which are in every row."""


def normalised(licence: str) -> str:
    """Bring the spellings of a licence together.

    >>> normalised("https://creativecommons.org/licenses/by-sa/4.0/deed.en"), normalised("CC BY-SA 4.0 International")
    ('cc by sa 4.0', 'cc by sa 4.0')
    """
    text = licence.casefold().strip()
    for pattern, short in _ADDRESSES:
        text = pattern.sub(short, text)
    text = re.sub(r"[-_/,+\s]+", " ", text)
    for pattern, short in _WORDS:
        text = pattern.sub(short, text)
    text = re.sub(r"\s+", " ", text).strip(" .")
    return text if text.startswith("cc") or not re.match(r"by\b", text) else f"cc {text}"


@functools.lru_cache(maxsize=4096)
def licence_terms(licence: str | None) -> Terms:
    """Return the terms of a licence as a pool states it.

    >>> licence_terms("CC-BY-SA-4.0").spdx, licence_terms("CC0-1.0 synthetic").permission.value
    ('CC-BY-SA-4.0', 'granted')
    >>> licence_terms("ask me").permission.value, licence_terms(None).permission.value
    ('unknown', 'unknown')
    """
    if licence is None or not licence.strip() or len(licence) > 300:
        return UNKNOWN
    text = normalised(licence)
    versioned = _VERSION.match(text)
    for pattern, row in _table():
        if pattern.fullmatch(versioned[1] if versioned else text):
            return _terms(row, versioned["version"] if versioned else None)
    return UNKNOWN


def _terms(row: dict[str, str], version: str | None) -> Terms:
    def filled(name: str) -> str | None:
        if "{version}" not in row[name]:
            return row[name] or None
        return row[name].format(version=version) if version else None

    name = row["name"]
    if "{version}" in row["spdx"]:
        name = f"{name} {version}" if version else f"{name} ({_UNKNOWN_VERSION})"
    return Terms(
        name=name,
        permission=Permission(row["redistribution"]),
        spdx=filled("spdx"),
        attribution=row["attribution"] == "yes",
        share_alike=row["share_alike"] == "yes",
        non_commercial=row["non_commercial"] == "yes",
        no_derivatives=row["no_derivatives"] == "yes",
        hub_id=filled("hub_id") or "other",
        url=filled("url"),
    )


@functools.lru_cache(maxsize=1)
def _table() -> list[tuple[re.Pattern[str], dict[str, str]]]:
    with LICENCES_FILE.open(encoding="utf-8", newline="") as file:
        return [(re.compile(row["pattern"]), row) for row in csv.DictReader(file)]


def strictest(terms: Iterable[Terms]) -> Terms:
    """Return the terms under which a set of works can be used as a whole: all duties of all of them.

    Where one of them asks for everything that the others ask for, it speaks for the set; else the set has a name of
    its own. Of several that ask for the same, the first by SPDX id.

    >>> strictest([licence_terms("CC0"), licence_terms("CC BY-SA 4.0"), licence_terms("CC BY 4.0")]).spdx
    'CC-BY-SA-4.0'
    >>> mixed = strictest([licence_terms("CC BY-SA 4.0"), licence_terms("CC BY-NC 4.0")])
    >>> mixed.hub_id, sorted(mixed.duties)
    ('other', ['attribution', 'non-commercial', 'share-alike'])
    """
    several = sorted(set(terms), key=lambda one: (one.spdx or "~", one.name))
    if not several:
        return UNKNOWN
    duties = frozenset[str]().union(*(one.duties for one in several))
    for one in several:
        if one.duties == duties:
            return one
    return Terms(
        name="mixed: " + ", ".join(one.name for one in several),
        permission=Permission.GRANTED,
        attribution="attribution" in duties,
        share_alike="share-alike" in duties,
        non_commercial="non-commercial" in duties,
        no_derivatives="no derivatives" in duties,
    )
