"""Names as keys: one spelling for the same name in any script, with and without administrative words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from geoseek.geo.gazetteer.words import ADMIN_LATIN, ADMIN_NATIVE, CONNECTORS, PREFIXES, SUFFIXES

MAX_NAME_CHARS = 200
"""Characters of a name that are considered; the longest place name of GeoNames has about 150."""
MIN_KEY_FOR_STRIP = 2

# Letters that Unicode does not decompose, or that neighbouring alphabets write differently.
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ł": "l",
        "ħ": "h",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ŋ": "ng",
        "ə": "a",
        "ɨ": "i",
        "ŧ": "t",
        "ی": "ي",
        "ى": "ي",
        "ې": "ي",
        "ک": "ك",
        "ة": "ه",
        "ہ": "ه",
        "ھ": "ه",
        "縣": "县",
        "區": "区",
        "臺": "台",
        "ヶ": "ケ",
        "ヵ": "カ",
    }
)
_APOSTROPHES = frozenset("'’‘`´ʻʼʹʺ′ʾʿˈ")
# Marks of these classes distinguish letters (dakuten, virama) or carry vowels and tones; others are accents.
_ACCENT_CLASSES = frozenset({7, *range(10, 37), *range(200, 241)})

_SHORT = {"st": "saint", "ste": "sainte", "sankt": "saint", "sta": "santa", "sto": "santo", "mt": "mount", "ft": "fort"}
_ELISION = re.compile(r"\b(l|d|dell|all|nell|sull|un|s|n)['’](?=\w)", re.IGNORECASE)
_ELIDED = ("l", "d", "dell")
_TAG = re.compile(r"<[^<>]{0,100}>")


class _Fold(dict[int, str | None]):
    """Translation table that classifies a character when it first meets it."""

    def __missing__(self, code: int) -> str | None:
        folded = _fold_char(chr(code))
        if code <= 0xFFFF:
            self[code] = folded
        return folded


def _fold_char(char: str) -> str | None:
    if char in _APOSTROPHES:
        return None
    if ord(char) in _LETTERS:
        return str(_LETTERS[ord(char)])
    category = unicodedata.category(char)
    if category[0] == "M":
        return None if unicodedata.combining(char) in _ACCENT_CLASSES or 0xFE00 <= ord(char) <= 0xFE0F else char
    if category in ("Cf", "Cs") or char == "\u0640":
        return None
    return char if category[0] in "LN" else " "


_FOLD = _Fold()


def fold(text: str) -> list[str]:
    """Return the words of a name in one spelling: no case, no accents, no apostrophes, abbreviations written out.

    >>> fold("Saint-Étienne"), fold("St. Etienne"), fold("Sana’a")
    (['saint', 'etienne'], ['saint', 'etienne'], ['sanaa'])
    """
    text = text[:MAX_NAME_CHARS]
    if "'" in text or "’" in text:
        text = _ELISION.sub(r"\1 ", text)
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKD", text)[: 4 * MAX_NAME_CHARS].casefold()
    return [_SHORT.get(word, word) for word in text.translate(_FOLD).split()]


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(part for word in words for part in fold(word))


ADMIN_WORDS = _folded(ADMIN_LATIN) | _folded(ADMIN_NATIVE)
_SUFFIX_KEYS = tuple(sorted({"".join(fold(s)) for s in SUFFIXES}, key=lambda s: (-len(s), s)))
_PREFIX_KEYS = tuple("".join(fold(s)) for s in PREFIXES)
_LAST = frozenset(suffix[-1] for suffix in _SUFFIX_KEYS)
_FIRST = frozenset(prefix[0] for prefix in _PREFIX_KEYS)


def _strip_words(words: list[str]) -> list[str]:
    first, last = 0, len(words)
    while last - first > 1 and words[last - 1] in ADMIN_WORDS:
        last -= 1
    while last - first > 1 and words[first] in ADMIN_WORDS:
        first += 1
        if words[first] in CONNECTORS and last - first > 1:
            first += 1
            if words[first] in _ELIDED and last - first > 1:
                first += 1
    while last - first > 1 and words[first] in ("the", "al", "el"):
        first += 1
    stripped = words[first:last]
    return words if len("".join(stripped)) < MIN_KEY_FOR_STRIP else stripped


def _strip_affixes(key: str) -> str:
    if key[-1:] in _LAST:
        for suffix in _SUFFIX_KEYS:
            if key.endswith(suffix) and len(key) - len(suffix) >= MIN_KEY_FOR_STRIP:
                return key[: -len(suffix)]
    if key[:1] in _FIRST:
        for prefix in _PREFIX_KEYS:
            if key.startswith(prefix) and len(key) - len(prefix) >= MIN_KEY_FOR_STRIP:
                return key[len(prefix) :]
    return key


def make_keys(text: str) -> tuple[str, str]:
    """Return the key of a name, and the key of the name without administrative words (often the same).

    Words are joined, so that "New York" and "Newyork", "Baden-Württemberg" and "Baden Wurttemberg" agree. Time is
    bounded, as only the first `MAX_NAME_CHARS` characters count.

    >>> make_keys("Hefei City"), make_keys("合肥市"), make_keys("Province of Córdoba")
    (('hefeicity', 'hefei'), ('合肥市', '合肥'), ('provinceofcordoba', 'cordoba'))
    """
    words = fold(text)
    full = "".join(words)
    reduced = "".join(_strip_words(words)) if len(words) > 1 else full
    return (full, reduced if reduced.isascii() else _strip_affixes(reduced))


def strip_tags(text: str) -> str:
    """Return the text without short HTML or XML tags, such as a model's `<answer>`."""
    return _TAG.sub(" ", text) if "<" in text else text


def umlaut_key(text: str) -> str | None:
    """Return the key of a name with its umlauts spelt out (Düsseldorf, Duesseldorf), or None if it has none.

    >>> umlaut_key("Düsseldorf"), umlaut_key("Bonn")
    ('duesseldorf', None)
    """
    spelt = text.translate(_UMLAUTS)
    return None if spelt == text else make_keys(spelt)[0]


_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa", "Ø": "Oe"}
)


def script_of(text: str) -> str:
    """Return the script of the first letter, by the first word of its Unicode name ("LATIN", "CJK", "CYRILLIC", ...).

    >>> script_of("合肥"), script_of("Hefei"), script_of("42")
    ('CJK', 'LATIN', '')
    """
    for char in text[:MAX_NAME_CHARS]:
        if char.isalpha():
            return unicodedata.name(char, "").split(" ")[0].split("-")[0]
    return ""
