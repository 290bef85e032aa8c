"""What is true of a place and can be seen from its streets: side of driving, paint, plates, writing, climate.

The tables under `data/` were compiled by hand. A cell of `countries.csv` is a country fact; an empty cell takes the
default of the country's region (`regions.yaml`), and the record of a scene says which of both a feature is.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from geoseek.demo.climate import Climate, climate_at
from geoseek.demo.fonts import can_render
from geoseek.schemas import InputError, unknown_name

COUNTRY_FACT = "country fact"
REGIONAL_DEFAULT = "regional default"

_DATA = Path(__file__).parent / "data"
_VISIBLE = ("center_line", "edge_line", "plate", "direction_sign", "warning_sign", "stop_text", "pole")
_NO_TEXT = "-"


@dataclass(frozen=True)
class Language:
    """A written language as it stands on signs.

    Attributes:
        code: Key of `languages.yaml`.
        name: English name of the language.
        script: English name of the script.
        font: Key of `geoseek.demo.fonts`.
        words: Written form -> what the shop is, in English.
        streets: Names of streets.
    """

    code: str
    name: str
    script: str
    font: str
    words: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]


@dataclass(frozen=True)
class Plate:
    """How licence plates look; colours are keys of `geoseek.demo.canvas.COLORS`."""

    name: str
    front: str
    rear: str
    text: str
    band: str | None
    top: str | None
    shape: str


@dataclass(frozen=True)
class PlaceFacts:
    """Everything that a scene of one place may show.

    Attributes:
        country_code: ISO 3166-1 alpha-2.
        country: English name.
        region: First-level administrative name, if known.
        place: Name of the nearest place, if known; it may stand on a direction sign.
        lat: Degrees, WGS 84.
        lng: Degrees, WGS 84.
        driving_side: "left" or "right".
        languages: Written languages, the most frequent first; never empty.
        region_label: Words for the part of the world whose defaults are used.
        houses: Styles of building, the most frequent first.
        center_line: "white" or "yellow".
        edge_line: "white" or "yellow".
        plate: Licence plates.
        direction_sign: Ground colour of direction signs on ordinary roads.
        warning_sign: red_triangle, yellow_triangle, yellow_triangle_black or yellow_diamond.
        stop_text: What stands on a stop sign; None where it has no text.
        stop_font: Font of that text.
        pole: wood, concrete or steel.
        climate: Climate zone.
        basis: Name of a field -> "country fact" or "regional default".
    """

    country_code: str
    country: str
    region: str | None
    place: str | None
    lat: float
    lng: float
    driving_side: str
    languages: tuple[Language, ...]
    region_label: str
    houses: tuple[str, ...]
    center_line: str
    edge_line: str
    plate: Plate
    direction_sign: str
    warning_sign: str
    stop_text: str | None
    stop_font: str
    pole: str
    climate: Climate
    basis: Mapping[str, str]


@functools.lru_cache(maxsize=1)
def _countries() -> dict[str, dict[str, str]]:
    with (_DATA / "countries.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


@functools.lru_cache(maxsize=3)
def _yaml(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((_DATA / name).read_text(encoding="utf-8"))
    return content


@functools.lru_cache(maxsize=1)
def load_languages() -> dict[str, Language]:
    """Return all written languages by code, whether or not this machine's Pillow can shape them."""
    return {
        code: Language(
            code, row["name"], row["script"], row["font"], tuple(row["words"].items()), tuple(row["streets"])
        )
        for code, row in _yaml("languages.yaml").items()
    }


def country_codes() -> tuple[str, ...]:
    """Return the codes of all territories in the table of facts."""
    return tuple(_countries())


def place_facts(
    country_code: str,
    lat: float,
    lng: float,
    *,
    country: str = "",
    region: str | None = None,
    place: str | None = None,
) -> PlaceFacts:
    """Collect what a scene at this place may show.

    Args:
        country_code: ISO 3166-1 alpha-2.
        lat: Degrees, WGS 84, -90..90.
        lng: Degrees, WGS 84, -180..180.
        country: English name; default: the code.
        region: First-level administrative name.
        place: Nearest named place.

    Raises:
        UsageError: The code is not in the table.
        InputError: The coordinates are outside their range.

    >>> facts = place_facts("JP", 35.7, 139.7)
    >>> facts.driving_side, facts.languages[0].script, facts.basis["center_line"]
    ('left', 'Japanese', 'country fact')
    """
    if country_code not in _countries():
        raise unknown_name("country code", country_code, country_codes())
    if not (-90 <= lat <= 90 and -180 <= lng <= 180):
        raise InputError(f"{lat}, {lng} is not a position.", hint="Latitude -90..90, longitude -180..180 degrees.")
    row = _countries()[country_code]
    defaults = {**_yaml("regions.yaml")["_default"], **_yaml("regions.yaml")[row["region"]]}
    chosen = {name: row[name] or defaults[name] for name in _VISIBLE}
    basis = {name: COUNTRY_FACT if row[name] else REGIONAL_DEFAULT for name in _VISIBLE}
    basis |= {"driving_side": COUNTRY_FACT, "languages": COUNTRY_FACT, "houses": REGIONAL_DEFAULT}
    every = load_languages()
    native = [every[code] for code in row["languages"].split(";")]
    languages = tuple(language for language in native if can_render(language.font, language.script)) or (every["en"],)
    stop, stop_font = _stop_text(chosen["stop_text"], languages)
    return PlaceFacts(
        country_code=country_code,
        country=country or country_code,
        region=region,
        place=place,
        lat=lat,
        lng=lng,
        driving_side=row["side"],
        languages=languages,
        region_label=defaults["label"],
        houses=tuple(defaults["houses"]),
        center_line=chosen["center_line"],
        edge_line=chosen["edge_line"],
        plate=Plate(chosen["plate"], **_yaml("plates.yaml")[chosen["plate"]]),
        direction_sign=chosen["direction_sign"],
        warning_sign=chosen["warning_sign"],
        stop_text=stop,
        stop_font=stop_font,
        pole=chosen["pole"],
        climate=climate_at(lat, lng),
        basis=basis,
    )


def _stop_text(text: str, languages: tuple[Language, ...]) -> tuple[str | None, str]:
    """Return the text of the stop sign and its font; no text where the script cannot be shaped here."""
    if text == _NO_TEXT:
        return None, "dejavu"
    if text.isascii():
        return text, "dejavu"
    return (text, languages[0].font) if languages[0].script != "Latin" else (None, "dejavu")
