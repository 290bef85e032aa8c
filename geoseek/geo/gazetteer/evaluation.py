"""How accurate the gazetteer is: a seeded set of addresses with known coordinates, and its measures.

Most addresses are made of names that the gazetteer was built from, so that their figures are upper bounds. The held-out
families are the honest ones: their places are left out of names and centroids.
"""

from __future__ import annotations

import string
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geoseek.geo.countries import load_countries
from geoseek.geo.distance import haversine_km
from geoseek.geo.gazetteer.kinds import CODE
from geoseek.geo.gazetteer.location import Location
from geoseek.geo.gazetteer.names import make_keys, script_of
from geoseek.geo.gazetteer.regions import Unit, join_regions
from geoseek.geo.gazetteer.sources import (
    SourcePlace,
    read_admin_rows,
    read_places,
    read_region_aliases,
    read_subdivisions,
)

NEAR_KM = 25.0
FAMILIES = {
    "exact": "Country; Region; Place, main names",
    "with admin2": "the same with the second-level unit between region and place",
    "alternate name": "another name of the place, in any script",
    "native script": "all three names in the country's own non-Latin script",
    "abbreviated region": "the region as its ISO 3166-2 code (MN, NSW, SP)",
    "administrative words": "“City” and the like added to the place, “Province” and the like to the region",
    "reversed": "Place, Region, Country",
    "one typo": "one typing error in the place",
    "two typos": "two typing errors in the place",
    "typo in region": "one typing error in the region",
    "typo in country": "one typing error in the country",
    "region missing": "Country; Place",
    "place missing": "Country; Region",
    "country only": "Country",
    "ambiguous with region": "the place's name occurs more than once in its country",
    "ambiguous without region": "the same, Country; Place",
    "held out": "Country; Region; Place; the gazetteer does not know the place",
    "held out with admin2": "the same with the second-level unit",
}
"""The families of addresses, and what they hold."""
HELD_OUT = ("held out", "held out with admin2")
_PLACE_WORDS = ("{} City", "City of {}", "{} Town", "{} Municipality", "Municipality of {}")
_REGION_WORDS = ("{} Province", "Province of {}", "{} State", "{} Region", "{} Prefecture")
_MIN_TYPO = 5
_MIN_TWO_TYPOS = 10


@dataclass(frozen=True)
class Case:
    """An address and where it is."""

    family: str
    address: str
    lat: float
    lng: float
    country_code: str


@dataclass(frozen=True)
class FamilyResult:
    """What a gazetteer made of a family of addresses.

    Attributes:
        family: Its name.
        count: Addresses.
        median_km: Median distance; an address without an answer counts as infinitely far.
        near: Share within `NEAR_KM`.
        wrong_country: Share answered with another country.
        unanswered: Share without coordinates.
        fuzzy: Share answered at a fuzzy level.
        ambiguous: Share flagged as ambiguous.
    """

    family: str
    count: int
    median_km: float
    near: float
    wrong_country: float
    unanswered: float
    fuzzy: float
    ambiguous: float


def type_wrongly(name: str, edits: int, rng: np.random.Generator) -> str:
    """Return a name with that many typing errors: a letter dropped, added, replaced, or swapped with the next."""
    for _ in range(edits):
        at = int(rng.integers(1, len(name)))
        letter = string.ascii_lowercase[int(rng.integers(26))]
        kind = int(rng.integers(4))
        if kind == 0:
            name = name[:at] + name[at + 1 :]
        elif kind == 1:
            name = name[:at] + letter + name[at:]
        elif kind == 2:
            name = name[:at] + letter + name[at + 1 :]
        elif at + 1 < len(name):
            name = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        else:
            name = name[:-2] + name[-1] + name[-2]
    return name


class TestSet:
    """The cases of all families.

    Args:
        per_family: Addresses in each family.
        seed: Seed of the choice of places and of the typing errors.
    """

    __test__ = False

    def __init__(self, per_family: int, seed: int) -> None:
        self._places = list(read_places())
        self._regions = join_regions(self._places, list(read_admin_rows()), read_subdivisions(), read_region_aliases())
        self._native = _native_country_names()
        self._names = {country.code: country.name for country in load_countries()}
        self._shared = _shared_names(self._places)
        self.held_out: list[int] = []
        self.cases: list[Case] = []
        for number, (family, make) in enumerate(self._makers().items()):
            rng = np.random.default_rng([seed, number])
            self.cases.extend(self._draw(family, make, per_family, rng))

    def _draw(
        self, family: str, make: Callable[[int, np.random.Generator], str | None], count: int, rng: np.random.Generator
    ) -> list[Case]:
        cases: list[Case] = []
        for position in rng.permutation(len(self._places)).tolist():
            place = self._places[position]
            unit = self._unit(position)
            if unit is None or place.country not in self._names or not make_keys(place.name)[0]:
                continue
            address = make(position, rng)
            if address is not None:
                cases.append(Case(family, address, place.lat, place.lng, place.country))
                if family in HELD_OUT:
                    self.held_out.append(place.id)
                if len(cases) == count:
                    break
        return cases

    def _unit(self, position: int) -> Unit | None:
        number = int(self._regions.admin1[position])
        unit = self._regions.units[number] if number >= 0 else None
        return unit if unit is not None and unit.names else None

    def _join(self, position: int, *, country: str = "", region: str = "", place: str = "", between: str = "") -> str:
        source = self._places[position]
        unit = self._unit(position)
        parts = [country or self._names[source.country], region or (unit.name if unit else ""), between]
        return "; ".join(part for part in [*parts, place or source.name] if part)

    def _makers(self) -> dict[str, Callable[[int, np.random.Generator], str | None]]:
        return {
            "exact": lambda p, _: self._join(p),
            "with admin2": lambda p, _: self._with_admin2(p),
            "alternate name": self._alternate,
            "native script": self._in_native_script,
            "abbreviated region": self._abbreviated,
            "administrative words": self._with_words,
            "reversed": lambda p, _: (
                ", ".join(reversed(self._join(p).split("; "))) if "," not in self._join(p) else None
            ),
            "one typo": lambda p, rng: self._typo(p, 1, rng),
            "two typos": lambda p, rng: self._typo(p, 2, rng),
            "typo in region": self._region_typo,
            "typo in country": self._country_typo,
            "region missing": lambda p, _: f"{self._names[self._places[p].country]}; {self._places[p].name}",
            "place missing": lambda p, _: self._join(p).rsplit("; ", 1)[0],
            "country only": lambda p, _: self._names[self._places[p].country],
            "ambiguous with region": lambda p, _: self._join(p) if self._is_shared(p) else None,
            "ambiguous without region": lambda p, _: (
                f"{self._names[self._places[p].country]}; {self._places[p].name}" if self._is_shared(p) else None
            ),
            "held out": lambda p, _: self._join(p),
            "held out with admin2": lambda p, _: self._with_admin2(p),
        }

    def _reversed(self, position: int) -> str | None:
        address = self._join(position)
        return None if "," in address else ", ".join(reversed(address.split("; ")))

    def _with_admin2(self, position: int) -> str | None:
        unit = int(self._regions.admin2[position])
        return self._join(position, between=self._regions.units[unit].name) if unit >= 0 else None

    def _alternate(self, position: int, rng: np.random.Generator) -> str | None:
        place = self._places[position]
        # Airport codes are listed among the names; nobody writes them in an address.
        others = [n for n in place.names if n != place.name and not (len(n) == 3 and n.isupper()) and make_keys(n)[0]]
        return self._join(position, place=others[int(rng.integers(len(others)))]) if others else None

    def _in_native_script(self, position: int, rng: np.random.Generator) -> str | None:
        place, unit = self._places[position], self._unit(position)
        country = self._native.get(place.country)
        if country is None or unit is None:
            return None
        script = script_of(country)
        regions = [name for name, kind in sorted(unit.names.items()) if kind != CODE and script_of(name) == script]
        names = [name for name in place.names if script_of(name) == script]
        if not regions or not names:
            return None
        region = regions[int(rng.integers(len(regions)))]
        return self._join(position, country=country, region=region, place=names[int(rng.integers(len(names)))])

    def _abbreviated(self, position: int, _: np.random.Generator) -> str | None:
        unit = self._unit(position)
        codes = sorted(name for name, kind in unit.names.items() if kind == CODE) if unit else []
        return self._join(position, region=codes[0]) if codes else None

    def _with_words(self, position: int, rng: np.random.Generator) -> str | None:
        unit = self._unit(position)
        if unit is None:
            return None
        region = _REGION_WORDS[int(rng.integers(len(_REGION_WORDS)))].format(unit.name)
        place = _PLACE_WORDS[int(rng.integers(len(_PLACE_WORDS)))].format(self._places[position].name)
        return self._join(position, region=region, place=place)

    def _typo(self, position: int, edits: int, rng: np.random.Generator) -> str | None:
        name = self._places[position].name
        if len(make_keys(name)[0]) < (_MIN_TYPO if edits == 1 else _MIN_TWO_TYPOS):
            return None
        return self._join(position, place=type_wrongly(name, edits, rng))

    def _region_typo(self, position: int, rng: np.random.Generator) -> str | None:
        unit = self._unit(position)
        if unit is None or len(make_keys(unit.name)[0]) < _MIN_TYPO:
            return None
        return self._join(position, region=type_wrongly(unit.name, 1, rng))

    def _country_typo(self, position: int, rng: np.random.Generator) -> str | None:
        name = self._names[self._places[position].country]
        return self._join(position, country=type_wrongly(name, 1, rng)) if len(name) >= _MIN_TYPO else None

    def _is_shared(self, position: int) -> bool:
        place = self._places[position]
        return (place.country, make_keys(place.name)[0]) in self._shared


def _shared_names(places: Sequence[SourcePlace]) -> set[tuple[str, str]]:
    counts = Counter((place.country, make_keys(place.name)[0]) for place in places)
    return {key for key, count in counts.items() if count > 1}


def _native_country_names() -> dict[str, str]:
    """Return the own name of each country whose first official language is not written in Latin script."""
    from babel.core import Locale, UnknownLocaleError
    from babel.languages import get_official_languages

    found = {}
    for country in load_countries():
        for language in get_official_languages(country.code, de_facto=True)[:1]:
            try:
                name = Locale.parse(language).territories.get(country.code, "")
            except (ValueError, UnknownLocaleError):
                continue
            if script_of(name) not in ("LATIN", ""):
                found[country.code] = name
    return found


def score(cases: Sequence[Case], locations: Sequence[Location]) -> list[FamilyResult]:
    """Return the measures of each family, in the order of `FAMILIES`."""
    grouped: dict[str, list[tuple[Case, Location]]] = defaultdict(list)
    for case, location in zip(cases, locations, strict=True):
        grouped[case.family].append((case, location))
    results = []
    for family in FAMILIES:
        pairs = grouped.get(family)
        if not pairs:
            continue
        truth = np.array([(case.lat, case.lng) for case, _ in pairs])
        answer = np.array([(np.nan, np.nan) if a.lat is None else (a.lat, a.lng) for _, a in pairs], dtype=np.float64)
        distance = haversine_km(truth[:, 0], truth[:, 1], answer[:, 0], answer[:, 1])
        distance = np.where(np.isnan(distance), np.inf, distance)
        results.append(
            FamilyResult(
                family,
                len(pairs),
                float(np.median(distance)),
                float(np.mean(distance <= NEAR_KM)),
                float(np.mean([a.found and a.country_code != case.country_code for case, a in pairs])),
                float(np.mean([not a.found for _, a in pairs])),
                float(np.mean([a.level.fuzzy for _, a in pairs])),
                float(np.mean([a.ambiguous for _, a in pairs])),
            )
        )
    return results
