"""The arrays of a built gazetteer as things to ask: countries, units and places by name, and names by number."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseek.geo.gazetteer.address import Part
from geoseek.geo.gazetteer.fuzzy import KeyCache, Keys
from geoseek.geo.gazetteer.kinds import ADMIN1, ADMIN2, COUNTRY, IMPLIED, KNOWN_PLACE, KNOWN_REGION, PLACE, REGION
from geoseek.geo.gazetteer.table import NameTable

_CODE_CHARS = 2


def _is_code(text: str) -> bool:
    """Whether a text is written like a code: CA, U.K., but neither "ca" nor "N/A"."""
    letters = text.replace(".", "")
    return letters.isalpha() and letters.isupper()


class Texts:
    """Strings in one block."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> None:
        self._text = arrays[f"{name}_text"].data
        self._start = arrays[f"{name}_start"].data

    def __getitem__(self, number: int) -> str:
        return bytes(self._text[self._start[number] : self._start[number + 1] - 1]).decode()

    def span(self, first: int, last: int) -> list[str]:
        """Return strings `first` to `last`, without the last."""
        return bytes(self._text[self._start[first] : self._start[last]]).decode().split("\n")[:-1]

    def __len__(self) -> int:
        return len(self._start) - 1


class GazetteerData:
    """Look-ups by key; all answers are numbers of countries, units or places, the best first.

    Args:
        arrays: What `build_arrays` returns.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._table = NameTable(*(arrays[f"table_{name}"].data for name in ("hash", "entity", "bucket", "rank")))
        self.place_name = Texts(arrays, "place_name")
        unit_name = Texts(arrays, "unit_name")
        self.unit_name = unit_name.span(0, len(unit_name))
        country_code, country_name = Texts(arrays, "country_code"), Texts(arrays, "country_name")
        self.codes = country_code.span(0, len(country_code))
        self.country_names = country_name.span(0, len(country_name))
        self.number = {code: number for number, code in enumerate(self.codes)}
        self.place_lat, self.place_lng = arrays["place_lat"], arrays["place_lng"]
        (
            self.place_country,
            self.place_admin1,
            self.place_historic,
            self.place_admin2,
            self.place_population,
            self.place_id,
        ) = (arrays[f"place_{n}"].data for n in ("country", "admin1", "historic", "admin2", "population", "id"))
        self.unit_lat, self.unit_lng, self.unit_kind, self.unit_parent, self.unit_population, self.unit_country = (
            arrays[f"unit_{n}"].data for n in ("lat", "lng", "kind", "parent", "population", "country")
        )
        self.country_lat, self.country_lng = arrays["country_lat"].data, arrays["country_lng"].data
        self._historic = arrays["place_historic"]
        self._members, self._members_first = arrays["unit_members"], arrays["unit_members_first"].data
        self._fuzzy, self._fuzzy_place = Texts(arrays, "fuzzy"), arrays["fuzzy_place"].data
        self._fuzzy_first = arrays["fuzzy_first"].data
        self._region_key, self._region_unit = Texts(arrays, "region_key"), arrays["region_key_unit"].data
        self._region_first = arrays["region_key_first"].data
        self._country_key, self._country_of_key = (
            Texts(arrays, "country_key"),
            arrays["country_key_country"].data,
        )
        self._country_keys: Keys | None = None
        self._places = KeyCache(self._load_place_keys)
        self._regions = KeyCache(self._load_region_keys)
        self.country_of = lru_cache(maxsize=4096)(self._country_of)
        self.units_of = lru_cache(maxsize=16384)(self._units_of)
        self.first_level = lru_cache(maxsize=4096)(self._first_level)
        self.scope_of = lru_cache(maxsize=4096)(self._scope_of)

    def _find(self, prefix: str, part: Part) -> list[int]:
        found = self._table.find(prefix + part.full)
        if not found and part.reduced != part.full:
            found = self._table.find(prefix + part.reduced)
        return found

    def meant(self, prefix: str, part: Part) -> set[int]:
        """Return the entities that a name means, by the best standing that it has."""
        return set(self._table.find_strict(prefix + part.full) or self._table.find_strict(prefix + part.reduced))

    def _country_of(self, part: Part) -> tuple[int, int] | None:
        """Return the country of a name and the unit that the name implies (-1: none), or None."""
        if len(part.full) <= _CODE_CHARS and part.full.isascii() and not _is_code(part.text):
            return None
        found = self._find(COUNTRY, part)
        if not found:
            return None
        implied = self._table.find(IMPLIED + part.full)
        return found[0], implied[0] if implied else -1

    def _units_of(self, country: int, part: Part) -> tuple[int, ...]:
        """Return the units of a name: those of the first level and former ones, or else those of the second."""
        units = self._find(REGION + self.codes[country], part)
        upper = [unit for unit in units if self.unit_kind[unit] != ADMIN2]
        return tuple(upper or units)

    def second_level(self, country: int, part: Part) -> list[int]:
        """Return the second-level units of a name."""
        units = self._find(REGION + self.codes[country], part)
        return [unit for unit in units if self.unit_kind[unit] == ADMIN2]

    def places_of(self, country: int, part: Part) -> list[int]:
        """Return the places of a name."""
        return self._find(PLACE + self.codes[country], part)

    def known_units(self, part: Part) -> list[int]:
        """Return the first-level units of a name in all countries."""
        return self._find(KNOWN_REGION, part)

    def known_places(self, part: Part) -> list[int]:
        """Return the larger places of a name in all countries."""
        return self._find(KNOWN_PLACE, part)

    def _scope_of(self, units: tuple[int, ...]) -> frozenset[int]:
        """Return the units and the members of composed ones."""
        scope = set(units)
        for unit in units:
            scope.update(self._members_of(unit))
        return frozenset(scope)

    def _members_of(self, unit: int) -> list[int]:
        members: list[int] = self._members[self._members_first[unit] : self._members_first[unit + 1]].tolist()
        return members

    def inside(self, place: int, scope: frozenset[int]) -> bool:
        """Whether a place lies in one of the units."""
        return (
            self.place_admin1[place] in scope
            or self.place_historic[place] in scope
            or self.place_admin2[place] in scope
        )

    def _first_level(self, unit: int) -> tuple[int, ...]:
        """Return the first-level units that a unit lies in or covers."""
        kind = self.unit_kind[unit]
        if kind == ADMIN1:
            return (unit,)
        if kind == ADMIN2:
            return (self.unit_parent[unit],)
        members = self._members_of(unit)
        if not members:
            held = np.flatnonzero(self._historic == unit)
            members = sorted({self.place_admin1[place] for place in held.tolist()} - {-1})
        return tuple(members)

    def near_places(self, key: str, scope: frozenset[int]) -> tuple[int, list[int]]:
        """Return the number of typing errors and the places of the scope that a key is nearest to."""
        best: tuple[int, list[int]] = (0, [])
        upper = {first for unit in scope for first in self.first_level(unit)}
        for unit in sorted(upper):
            edits, places = self._places.get(unit).near(key)
            inner = places if unit in scope else [place for place in places if self.inside(place, scope)]
            if inner and (not best[1] or edits < best[0]):
                best = (edits, inner)
            elif inner and edits == best[0]:
                best = (edits, best[1] + inner)
        return best[0], sorted(best[1], key=lambda place: (-self.place_population[place], self.place_id[place]))

    def near_units(self, country: int, key: str) -> tuple[int, list[int]]:
        """Return the number of typing errors and the first-level units that a key is nearest to."""
        edits, units = self._regions.get(country).near(key)
        return edits, sorted(units, key=lambda unit: (self.unit_kind[unit], -self.unit_population[unit], unit))

    def near_country(self, key: str) -> tuple[int, list[int]]:
        """Return the number of typing errors and the countries that a key is nearest to."""
        if self._country_keys is None:
            names = self._country_key.span(0, len(self._country_key))
            self._country_keys = Keys(names, self._country_of_key.tolist())
        return self._country_keys.near(key)

    def _load_place_keys(self, unit: int) -> Keys:
        first, last = self._fuzzy_first[unit], self._fuzzy_first[unit + 1]
        return Keys(self._fuzzy.span(first, last), self._fuzzy_place[first:last].tolist())

    def _load_region_keys(self, country: int) -> Keys:
        first, last = self._region_first[country], self._region_first[country + 1]
        return Keys(self._region_key.span(first, last), self._region_unit[first:last].tolist())
