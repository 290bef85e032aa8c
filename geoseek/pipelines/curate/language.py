"""Whether words are in the expected language, as far as the script and the annotation itself tell.

Languages that share a script are told apart by what the annotation says about itself, not from the words.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from babel import Locale, UnknownLocaleError
from babel.core import get_global

_JAPANESE = "JAPANESE"
"""Stands for the scripts of Japanese: kana, and Chinese characters among them."""
_SCRIPTS = {
    "Arab": {"ARABIC"},
    "Armn": {"ARMENIAN"},
    "Beng": {"BENGALI"},
    "Cyrl": {"CYRILLIC"},
    "Deva": {"DEVANAGARI"},
    "Ethi": {"ETHIOPIC"},
    "Geor": {"GEORGIAN"},
    "Grek": {"GREEK"},
    "Gujr": {"GUJARATI"},
    "Guru": {"GURMUKHI"},
    "Hang": {"HANGUL"},
    "Hans": {"CJK"},
    "Hant": {"CJK"},
    "Hebr": {"HEBREW"},
    "Jpan": {_JAPANESE},
    "Khmr": {"KHMER"},
    "Knda": {"KANNADA"},
    "Kore": {"HANGUL"},
    "Laoo": {"LAO"},
    "Latn": {"LATIN"},
    "Mlym": {"MALAYALAM"},
    "Mong": {"MONGOLIAN"},
    "Mymr": {"MYANMAR"},
    "Orya": {"ORIYA"},
    "Sinh": {"SINHALA"},
    "Taml": {"TAMIL"},
    "Telu": {"TELUGU"},
    "Thaa": {"THAANA"},
    "Thai": {"THAI"},
    "Tibt": {"TIBETAN"},
}
"""ISO 15924 code -> how the Unicode names of its letters begin."""
_FEWEST_LETTERS = 10
_KANA_SHARE = 0.1
"""Chinese characters among so many kana are Japanese."""
_LEAST_SHARE = 0.5
"""Quoted signs may be in any script; a text is in a script if at least half of its letters are."""


def known_language(tag: str) -> bool:
    """Return whether a BCP 47 tag names a known language.

    >>> known_language("pt-BR"), known_language("klingonese")
    (True, False)
    """
    try:
        Locale.parse(tag.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError):
        return False
    return True


def language_fault(texts: Iterable[str], *, expected: str, declared: str | None) -> str | None:
    """Return why texts are not in the expected language, or None.

    Args:
        texts: What was written.
        expected: BCP 47 tag.
        declared: What the annotation says its language is, if anything.

    >>> language_fault(["Правостороннее движение, кириллица"], expected="en", declared=None)
    '100 % of the letters are cyrillic'
    >>> language_fault(["Circulation à droite, bornes blanches"], expected="en", declared="fr")
    "the annotation says 'fr'"
    >>> language_fault(["A sign reads 東京"], expected="en", declared="en-GB")
    """
    if declared and _primary(declared) != _primary(expected):
        return f"the annotation says {declared!r}"
    wanted = _SCRIPTS.get(_script(expected))
    counts = _count_scripts(texts)
    if wanted is None or counts.total() < _FEWEST_LETTERS:
        return None
    if sum(counts[script] for script in wanted) / counts.total() >= _LEAST_SHARE:
        return None
    script, number = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return f"{100 * number / counts.total():.0f} % of the letters are {script.lower()}"


def _count_scripts(texts: Iterable[str]) -> Counter[str]:
    counts = Counter(script for text in texts for char in text if (script := _script_of(char)))
    kana = counts["HIRAGANA"] + counts["KATAKANA"]
    if kana and kana >= _KANA_SHARE * (kana + counts["CJK"]):
        counts[_JAPANESE] = kana + counts["CJK"]
        for part in ("HIRAGANA", "KATAKANA", "CJK"):
            del counts[part]
    return counts


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()


def _script(tag: str) -> str:
    """Return the script of a language, its usual one where the tag names none."""
    locale = Locale.parse(tag.replace("_", "-"), sep="-")
    if locale.script:
        return str(locale.script)
    likely = get_global("likely_subtags")
    full = likely.get(str(locale)) or likely.get(locale.language) or ""
    return next((part for part in str(full).split("_") if len(part) == 4), "")


def _script_of(char: str) -> str | None:
    return unicodedata.name(char, " ").split()[0] if char.isalpha() else None
