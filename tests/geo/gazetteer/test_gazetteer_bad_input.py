from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseek.geo.gazetteer import Gazetteer, Level, Location, load_gazetteer

ABSURD = {
    "empty": "",
    "blank": " \t\n ",
    "separators": ";;；；||,,",
    "nul": "\0",
    "nul inside": "China\0;\0Anhui; Hefei\0",
    "emoji": "🇨🇳; 🏙️; 🌆",
    "emoji around": "China 🇨🇳; Anhui; Hefei 😀",
    "right to left": "\u202eنيه; مصر\u202c",
    "surrogate": "China; \ud800; Hefei",
    "html": "<html><body onload='x()'>China; Anhui; <b>Hefei</b></body></html>",
    "open tags": "<" * 100_000,
    "megabyte": "a" * 1_000_000,
    "megabyte of separators": ";" * 1_000_000,
    "megabyte of marks": "a" + "\u0301" * 1_000_000,
    "megabyte of words": "city of " * 125_000,
    "megabyte of ligatures": "ﷺ" * 300_000,
    "sql": "'; DROP TABLE places; --",
    "path": "../../../../etc/passwd",
    "number": "12345",
    "brackets": "Hefei" + "(" * 10_000,
    "private use": "\ue000\uf8ff",
    "noncharacter": "\uffff\ufffe",
}


def _check(location: Location) -> None:
    assert (location.lat is None) == (location.lng is None) == (location.level is Level.NONE)
    if location.lat is not None and location.lng is not None:
        assert -90 <= location.lat <= 90
        assert -180 <= location.lng <= 180
        assert location.country_code
        assert location.candidates >= 1
        assert location.level.fuzzy == (location.edits > 0)


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_addresses_are_answered(gazetteer: Gazetteer, name: str) -> None:
    _check(gazetteer.locate(ABSURD[name]))
    for level in ("country", "region", "place"):
        gazetteer.same_place_name(ABSURD[name], "Hefei", level, country=ABSURD[name], region=ABSURD[name])


def test_what_can_be_read_is_read(gazetteer: Gazetteer) -> None:
    for name in ("nul inside", "emoji around", "html"):
        assert gazetteer.locate(ABSURD[name]).place == "Hefei"


def test_only_the_beginning_of_a_long_address_counts(gazetteer: Gazetteer) -> None:
    assert gazetteer.locate("China; Anhui; Hefei; " + "x" * 1_000_000).place == "Hefei"
    assert gazetteer.locate("x" * 1_000_000 + "; China; Anhui; Hefei") == gazetteer.locate("x" * 1_000_000)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80))
def test_any_text_is_answered(text: str) -> None:
    location = load_gazetteer().locate(text)
    _check(location)
    assert load_gazetteer().locate(text) == location
    assert not load_gazetteer().locate(text, allow_fuzzy=False).level.fuzzy


def _random_unicode(rng: np.random.Generator) -> str:
    codes = rng.integers(0, 0x110000, int(rng.integers(0, 60)))
    return "".join(map(chr, codes.tolist()))


def _mixed_scripts(rng: np.random.Generator) -> str:
    blocks = [
        (0x20, 0x7F),
        (0xA0, 0x250),
        (0x370, 0x600),
        (0x600, 0x780),
        (0x900, 0xE80),
        (0x3040, 0x3100),
        (0x4E00, 0x9FFF),
    ]
    low, high = blocks[int(rng.integers(len(blocks)))]
    return "".join(map(chr, rng.integers(low, high, int(rng.integers(0, 80))).tolist()))


def _broken_address(rng: np.random.Generator) -> str:
    parts = [
        "China",
        "Germany",
        "USA",
        "Georgia",
        "Anhui",
        "Bavaria",
        "CA",
        "Hefei",
        "München",
        "合肥市",
        "x",
        "",
        "of",
        "省",
        "\0",
    ]
    chosen = [parts[i] for i in rng.integers(len(parts), size=int(rng.integers(0, 9))).tolist()]
    text = [";", ", ", "；", "|", " "][int(rng.integers(5))].join(chosen)
    letters = list(text)
    for _ in range(int(rng.integers(0, 6))):
        if letters:
            letters[int(rng.integers(len(letters)))] = chr(int(rng.integers(32, 0x250)))
    return "".join(letters)


def _letters(rng: np.random.Generator) -> str:
    return "".join(map(chr, rng.integers(97, 123, int(rng.integers(1, 30))).tolist()))


@pytest.mark.slow
@pytest.mark.parametrize("make", [_random_unicode, _mixed_scripts, _broken_address, _letters])
def test_fuzzed_addresses_are_answered(gazetteer: Gazetteer, make: Callable[[np.random.Generator], str]) -> None:
    rng = np.random.default_rng(20)
    for _ in range(25_000):
        _check(gazetteer.locate(make(rng)))
