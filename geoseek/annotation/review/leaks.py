"""Words that nobody can have read off the picture: coordinates, map addresses, file names, talk of metadata."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

_NUMBER = r"\d{1,3}[.]\d+"
# Hemispheres as letters (O: ouest, oeste), and as words of scripts that write them out.
_NORTH_SOUTH = r"(?:[ns]\b|north|south|с\.?\s?ш|ю\.?\s?ш|北|南)"
_EAST_WEST = r"(?:[ewo]\b|east|west|в\.?\s?д|з\.?\s?д|东|東|西)"
_HEMISPHERE = rf"(?:{_NORTH_SOUTH}|{_EAST_WEST})"
_DEGREE = r"(?:°|º|度|deg\b|degrees?\b)"
_MINUTE, _SECOND = r"(?:['′’‘´]|分|min\b)", r"(?:[\"″”“]|''|秒|sec\b)"
_AXIS = (
    r"(?:\b(?:lat|lng|lon|long)(?:itude)?s?\b|\blatitud\b|\blongitud\b|\bbreite(?:ngrad)?\b|\blänge(?:ngrad)?\b|широт\w*|долгот\w*|"
    r"[北南]?[纬緯]度?|[东東西][经經]度?|経度|위도|경도|خط\s(?:العرض|الطول))"
)

_PAIR = re.compile(
    rf"(?<![\d.,])([-+−]?\d{{1,2}}[.,]\d+)\s*{_DEGREE}?\s*{_NORTH_SOUTH}?\s*[,;/|\s]\s*"
    rf"([-+−]?\d{{1,3}}[.,]\d+)(?![\d]|[.,]\d)",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    rf"(?<![\d.]){_NUMBER}\s*{_DEGREE}\s*{_HEMISPHERE}|{_HEMISPHERE}\s*{_NUMBER}\s*{_DEGREE}"
    rf"|{_AXIS}\W{{0,4}}[-+−]?{_NUMBER}",
    re.IGNORECASE,
)
_DMS = re.compile(
    rf"(?<!\d)\d{{1,3}}\s*{_DEGREE}\s*\d{{1,2}}(?:[.]\d+)?\s*{_MINUTE}(?:\s*\d{{1,2}}(?:[.]\d+)?\s*{_SECOND})?"
    rf"|(?<!\d)\d{{1,3}}\s*{_DEGREE}\s*\d{{1,2}}(?:[.]\d+)?\s*{_HEMISPHERE}",
    re.IGNORECASE,
)
_PLUS_ALPHABET = "23456789CFGHJMPQRVWX"
_PLUS_CODE = re.compile(
    rf"(?<![\w+])(?=[{_PLUS_ALPHABET}]*\d)(?=[\d+]*[A-Z])(?:[{_PLUS_ALPHABET}]{{8}}|[{_PLUS_ALPHABET}]{{4}}|"
    rf"[{_PLUS_ALPHABET}]{{6}})\+[{_PLUS_ALPHABET}]{{2,3}}(?![\w+])",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:geo:[-+]?\d[^\s]*|///\w+\.\w+\.\w+|(?<!\S)\S{0,200}/@[-+]?\d+\.\d+,[-+]?\d+\.\d+\S*)", re.IGNORECASE
)
_FILE_NAME = re.compile(
    r"(?<![\w.%()-])[\w%()-]{1,100}\.(?:jpe?g|png|hei[cf]|webp|tiff?|gif|bmp|dng|arw|cr2|nef)(?!\w)", re.IGNORECASE
)
_CAMERA_NAME = re.compile(
    r"(?<![a-z0-9])(?:img|dsc[fn]?|pxl|gopr|mvimg|pano|dji|p)[_-]\d{4,}(?:[_-]\d+)*(?!\w)", re.IGNORECASE
)
_BY_SIGN = (
    (re.compile(r"\d"), (_DMS, _SINGLE, _PLUS_CODE, _CAMERA_NAME)),
    (re.compile(r"[/:]"), (_ADDRESS,)),
    (re.compile(r"\w\.\w"), (_FILE_NAME,)),
)
"""What a text must have at all for these to be worth looking for; most texts have none of it."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Scripts that put no space between words: there, a word is found wherever its characters stand."""
_LIKE_ASCII = str.maketrans("´º٫", "'°.")
_SHOWN = 80
_SCANNED = 20_000


def find_leaks(text: str, *, words: Sequence[str] = (), map_hosts: Sequence[str] = ()) -> list[str]:
    """Return what in a text cannot have been read off a picture, as it stands there.

    Coordinates count from three decimals on (four with a decimal comma), or as degrees and minutes; an estimate such
    as "about 60° N" does not. Digits of all scripts are understood.

    Args:
        text: What an annotator wrote; the first 20,000 characters are read.
        words: Words that betray other sources; they count as whole words, in any case.
        map_hosts: Parts of the addresses of map and picture search services.

    >>> find_leaks("Probably 48.8584, 2.2945, says the GPS", words=["gps"])
    ['48.8584, 2.2945', 'GPS']
    >>> find_leaks("A sign 'A 45', 23.5 °C, prices 3.50 and 4.20, about 60° N")
    []
    """
    plain = _ascii_digits(text[:_SCANNED])
    patterns = [pattern for sign, several in _BY_SIGN if sign.search(plain) for pattern in several]
    folded = plain.casefold()
    if any(host.casefold() in folded for host in map_hosts):
        patterns.append(_hosts(tuple(map_hosts)))
    if any(word.casefold().split()[0] in folded for word in words if word.strip()):
        patterns.append(_words(tuple(words)))
    found = [*_decimal_pairs(plain), *(match[0] for pattern in patterns for match in pattern.finditer(plain))]
    return _without_parts(match.strip()[:_SHOWN] for match in found)


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    folded = unicodedata.normalize("NFKC", text.translate(_LIKE_ASCII))
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in folded)


def _decimal_pairs(text: str) -> Iterator[str]:
    for match in _PAIR.finditer(text):
        lat, lng = (number.replace("−", "-") for number in match.groups())
        comma = "," in lat or "," in lng
        least = 4 if comma else 3
        precise = all(len(re.split("[.,]", number)[1]) >= least for number in (lat, lng))
        if precise and abs(float(lat.replace(",", "."))) <= 90 and abs(float(lng.replace(",", "."))) <= 180:
            yield match[0]


@lru_cache(maxsize=8)
def _hosts(map_hosts: tuple[str, ...]) -> re.Pattern[str]:
    hosts = "|".join(re.escape(host) for host in sorted(map_hosts, key=len, reverse=True))
    start = r"(?<![\w.-])(?:https?://)?(?:[\w-]{1,63}\.){0,4}"
    return re.compile(rf"{start}(?:{hosts})(?![\w-])\S*", re.IGNORECASE)


@lru_cache(maxsize=8)
def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    parts = []
    for word in sorted(filter(str.strip, words), key=len, reverse=True):
        plain = r"\s+".join(re.escape(part) for part in _ascii_digits(word).split())
        parts.append(plain if _UNSPACED.search(word) else rf"(?<!\w){plain}(?!\w)")
    return re.compile("|".join(parts), re.IGNORECASE)


def _without_parts(found: Iterable[str]) -> list[str]:
    """Keep the longest of findings that contain one another, each once, in their order."""
    distinct = list(dict.fromkeys(found))
    return [one for one in distinct if not any(one != other and one in other for other in distinct)]
