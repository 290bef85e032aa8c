"""Address to coordinates and back, and whether two names mean the same, offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoseek.geo.distance import arc_km, unit_vectors
from geoseek.geo.gazetteer.address import MAX_PARTS, Part, inner_parts, make_part, split_address
from geoseek.geo.gazetteer.data import GazetteerData
from geoseek.geo.gazetteer.kinds import ADMIN2, KNOWN_PLACE, KNOWN_REGION, PLACE, REGION
from geoseek.geo.gazetteer.location import NOWHERE, Description, Level, Location

NameLevel = Literal["country", "region", "place"]

_MEMO = 4_096
_MAX_GUESSED_COUNTRIES = 8
_NEIGHBOURS = 64
# Latin letters that a name needs to be looked up in all countries: two are rather an abbreviation than Å or Y.
_MIN_BARE = 3
_ANCHOR_POPULATION = 50_000
# For each number of parts, where to look for the country: first, last, between.
_ORDERS = [tuple(dict.fromkeys((0, n - 1, *range(1, n - 1)))) if n else () for n in range(MAX_PARTS + 1)]


@dataclass(slots=True)
class _Reading:
    """One way to read an address: in this country, with these parts as regions and place.

    Attributes:
        country: Number of the country.
        parts: The parts other than the country's, from general to specific.
        edits: Typing errors so far.
        implied: Unit that the country's name implies; -1 for none.
        scope: Units that the place must lie in; empty if no region was recognised.
        narrower: Second-level units inside the scope.
        explained: Parts that were recognised, countries included.
    """

    country: int
    parts: list[Part]
    edits: int = 0
    implied: int = -1
    units: tuple[int, ...] = ()
    scope: frozenset[int] = frozenset()
    narrower: tuple[int, ...] = ()
    region_at: int = -1
    narrower_at: list[int] = field(default_factory=list)
    explained: int = 1

    @property
    def above(self) -> list[Part]:
        """The parts that may be the region: all but the last, unless it is the only one."""
        return self.parts[:-1] or self.parts


class Gazetteer:
    """Countries, regions and settlements of the world, by any of their names.

    Made by `load_gazetteer`. Safe to share between threads.

    Args:
        arrays: What `build_arrays` returns.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._data = GazetteerData(arrays)
        self._remembered = lru_cache(maxsize=_MEMO)(self._locate)

    def locate(self, address: str, *, allow_fuzzy: bool = True) -> Location:
        """Return the coordinates of an address; never raises for any text, and takes bounded time.

        "Country; Region; Place" is expected, with more parts between region and place if they are known; missing
        parts, the reverse order, commas, other scripts and administrative words are understood. In this order: exact
        country, exact region (or one with a typing error), exact place in the region, place with a typing error in
        it, centroid of the second-level unit, of the region, of the country.

        Args:
            address: Any text; the first 2,000 characters count.
            allow_fuzzy: Whether to assume typing errors. Without, the answer falls back to the next coarser level.

        Cost: about 30 µs if exact, 0.5 ms with a typing error; repeated addresses are remembered.
        """
        return self._remembered(address, allow_fuzzy) if len(address) <= 500 else self._locate(address, allow_fuzzy)

    def locate_many(self, addresses: Sequence[str], *, allow_fuzzy: bool = True) -> list[Location]:
        """Return the location of each address; equal addresses are looked up once."""
        known: dict[str, Location] = {}
        for address in addresses:
            if address not in known:
                known[address] = self.locate(address, allow_fuzzy=allow_fuzzy)
        return [known[address] for address in addresses]

    def _locate(self, address: str, allow_fuzzy: bool) -> Location:
        parts = split_address(address)
        if not parts:
            return NOWHERE
        best: tuple[int, Location] | None = None
        for reading in self._readings(parts):
            location = self._resolve(reading, allow_fuzzy)
            # On a tie the later one is the territory inside the country named first (China; Hong Kong).
            if best is None or reading.explained >= best[0]:
                best = (reading.explained, location)
            if reading.region_at >= 0:
                break
        if allow_fuzzy and (best is None or best[0] < len(parts)) and self._data.country_of(parts[0]) is None:
            for reading in self._guessed_country(parts):
                location = self._resolve(reading, allow_fuzzy)
                if best is None or reading.explained > best[0]:
                    best = (reading.explained, location)
        return best[1] if best else self._without_country(parts, allow_fuzzy)

    def _readings(self, parts: list[Part]) -> Iterator[_Reading]:
        """Yield a reading for each part that names a country: the first part, the last, those between."""
        count = len(parts)
        seen = set()
        for at in _ORDERS[count]:
            found = self._data.country_of(parts[at])
            if found is None or found[0] in seen:
                continue
            seen.add(found[0])
            rest = parts[:at] + parts[at + 1 :]
            if at == count - 1 and count > 1:
                rest.reverse()
            yield _Reading(found[0], rest, implied=found[1])

    def _guessed_country(self, parts: list[Part]) -> list[_Reading]:
        """Return readings with a typing error in the country, if something else in the address supports it."""
        data = self._data
        readings: list[_Reading] = []
        for at in dict.fromkeys((0, len(parts) - 1)):
            if data.country_of(parts[at]) is not None:
                continue
            edits, countries = data.near_country(parts[at].full)
            rest = parts[1:] if at == 0 else parts[-2::-1]
            readings.extend(
                _Reading(country, list(rest), edits=edits)
                for country in countries[:_MAX_GUESSED_COUNTRIES]
                if not rest or any(data.units_of(country, part) or data.places_of(country, part) for part in rest)
            )
        return readings

    def _without_country(self, parts: list[Part], allow_fuzzy: bool) -> Location:
        """Read an address that names no country by the first-level regions and larger places of all countries."""
        data = self._data
        hits: dict[int, int] = {}
        for part in parts:
            if len(part.full) < _MIN_BARE and part.full.isascii():
                continue
            for unit in data.known_units(part):
                hits.setdefault(data.unit_country[unit], 0)
            for place in data.known_places(part):
                country = data.place_country[place]
                hits[country] = max(hits.get(country, 0), data.place_population[place])
        best: tuple[tuple[int, int, int], Location] | None = None
        for country in sorted(hits, key=lambda number: (-hits[number], number))[:_MAX_GUESSED_COUNTRIES]:
            for order in (parts, parts[::-1]) if len(parts) > 1 else (parts,):
                reading = _Reading(country, list(order), explained=0)
                location = self._resolve(reading, allow_fuzzy)
                rank = (reading.explained, hits[country], -location.edits)
                if location.level not in (Level.COUNTRY, Level.COUNTRY_FUZZY) and (best is None or rank > best[0]):
                    best = (rank, location)
        if best is None:
            return NOWHERE
        return replace(best[1], candidates=max(best[1].candidates, len(hits)))

    def _resolve(self, reading: _Reading, allow_fuzzy: bool) -> Location:
        """Return the finest unit of a reading, and note in it what was recognised."""
        self._find_regions(reading, allow_fuzzy)
        single = len(reading.parts) == 1
        if single and reading.region_at == 0 and self._data.unit_kind[reading.units[0]] != ADMIN2:
            return self._unit(reading)
        for at in range(len(reading.parts) - 1, -1, -1):
            if at == reading.region_at and not single:
                continue
            if at in reading.narrower_at:
                break
            found = self._exact_place(reading, reading.parts[at])
            if found is None and allow_fuzzy and at == len(reading.parts) - 1:
                found = self._near_place(reading, reading.parts[at])
            if found is not None:
                reading.explained += 1
                return found
        if reading.units:
            return self._unit(reading)
        return self._country(reading)

    def _find_regions(self, reading: _Reading, allow_fuzzy: bool) -> None:
        """Find the region among the parts, and second-level units below it."""
        parts = reading.parts
        if reading.implied >= 0:
            reading.units = (reading.implied,)
        elif parts:
            self._exact_region(reading)
        if not reading.units and len(parts) > 1:
            self._swapped_region(reading)
        if not reading.units and allow_fuzzy and parts:
            self._near_region(reading)
        if not reading.units:
            self._anchor(reading)
            return
        if len(parts) == 1 and self._data.unit_kind[reading.units[0]] == ADMIN2:
            return  # "Italy; Siena": rather the city than its province, which is the fall-back
        reading.scope = self._data.scope_of(reading.units)
        for at, part in enumerate(parts[:-1]):
            if at != reading.region_at:
                self._narrow(reading, at, part)

    def _exact_region(self, reading: _Reading) -> None:
        for at, part in enumerate(reading.above):
            units = self._data.units_of(reading.country, part)
            if units:
                self._set_region(reading, units, at)
                return

    def _swapped_region(self, reading: _Reading) -> None:
        """Find the region in the last part, if the part before it is a place there, or it cannot be a place itself."""
        data, last = self._data, reading.parts[-1]
        units = tuple(u for u in data.units_of(reading.country, last) if data.unit_kind[u] != ADMIN2)
        if not units:
            return
        scope = data.scope_of(units)
        before = data.places_of(reading.country, reading.parts[-2])
        if any(data.inside(place, scope) for place in before) or not data.places_of(reading.country, last):
            self._set_region(reading, units, len(reading.parts) - 1)

    def _near_region(self, reading: _Reading) -> None:
        for at, part in enumerate(reading.above):
            if self._data.places_of(reading.country, part):
                continue
            for key in part.keys:
                edits, units = self._data.near_units(reading.country, key)
                if units:
                    self._set_region(reading, tuple(units[:1]), at)
                    reading.edits += edits
                    return

    def _anchor(self, reading: _Reading) -> None:
        """Where a town stands in place of the region ("China; Hefei; Shushan"), look for the place in its region."""
        data = self._data
        for part in reading.parts[:-1]:
            places = data.places_of(reading.country, part)
            if places and data.place_population[places[0]] >= _ANCHOR_POPULATION:
                reading.scope = frozenset({data.place_admin1[places[0]]})
                return

    @staticmethod
    def _set_region(reading: _Reading, units: tuple[int, ...], at: int) -> None:
        reading.units, reading.region_at = units, at
        reading.explained += 1

    def _narrow(self, reading: _Reading, at: int, part: Part) -> None:
        upper = {first for unit in reading.units for first in self._data.first_level(unit)}
        inner = [u for u in self._data.second_level(reading.country, part) if self._data.unit_parent[u] in upper]
        if inner:
            reading.narrower += tuple(inner)
            reading.narrower_at.append(at)
            reading.explained += 1

    def _exact_place(self, reading: _Reading, part: Part) -> Location | None:
        places = self._fitting(reading, part)
        if places:
            return self._place(reading, places, part)
        for inner in inner_parts(part):
            places = self._fitting(reading, inner)
            if places:
                return self._place(reading, places, inner)
        return None

    def _fitting(self, reading: _Reading, part: Part) -> list[int]:
        """Return the places of that name in the region, and in its second-level unit if one is given."""
        data, scope = self._data, reading.scope
        places = data.places_of(reading.country, part)
        if not scope:
            return places
        places = [place for place in places if data.inside(place, scope)]
        if len(reading.units) > 1 and len(places) > 1:
            first = data.scope_of(reading.units[:1])
            places = [place for place in places if data.inside(place, first)] or places
        return self._prefer_narrower(reading, places)

    def _prefer_narrower(self, reading: _Reading, places: list[int]) -> list[int]:
        """Keep the places in the second-level unit, or else those of which no such unit is known."""
        if not reading.narrower or not places:
            return places
        admin2 = self._data.place_admin2
        inside = [place for place in places if admin2[place] in reading.narrower]
        return inside or [place for place in places if admin2[place] < 0]

    def _near_place(self, reading: _Reading, part: Part) -> Location | None:
        if not reading.scope:
            return None
        scope = frozenset(reading.narrower) or reading.scope
        for key in part.keys:
            edits, places = self._data.near_places(key, scope)
            if places:
                reading.edits += edits
                return self._place(reading, places, part)
        return None

    def _place(self, reading: _Reading, places: Sequence[int], part: Part) -> Location:
        data, best = self._data, places[0]
        unit = data.place_admin1[best]
        return Location(
            float(data.place_lat[best]),
            float(data.place_lng[best]),
            Level.PLACE_FUZZY if reading.edits else Level.PLACE,
            data.codes[reading.country],
            data.unit_name[unit] if unit >= 0 else "",
            data.place_name[best],
            part.text,
            len(places),
            reading.edits,
            data.place_id[best],
        )

    def _unit(self, reading: _Reading) -> Location:
        data = self._data
        units = reading.narrower or reading.units
        best = units[0]
        second = data.unit_kind[best] == ADMIN2
        level = Level.REGION_FUZZY if reading.edits else Level.ADMIN2 if second else Level.REGION
        parent = data.unit_parent[best] if second else best
        at = reading.narrower_at[0] if reading.narrower else reading.region_at
        return Location(
            data.unit_lat[best],
            data.unit_lng[best],
            level,
            data.codes[reading.country],
            data.unit_name[parent],
            data.unit_name[best] if second else "",
            reading.parts[at].text if at >= 0 else "",
            len(units),
            reading.edits,
        )

    def _country(self, reading: _Reading) -> Location:
        data = self._data
        lat, lng = data.country_lat[reading.country], data.country_lng[reading.country]
        if lat != lat:  # no settlement is known there (Bouvet Island, Antarctica)
            return replace(NOWHERE, country_code=data.codes[reading.country])
        level = Level.COUNTRY_FUZZY if reading.edits else Level.COUNTRY
        code = data.codes[reading.country]
        return Location(lat, lng, level, code, candidates=1, edits=reading.edits)

    @cached_property
    def _vectors(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(unit_vectors(self._data.place_lat, self._data.place_lng))

    def describe(self, lat: float, lng: float, *, country_code: str | None = None) -> Description:
        """Return the names of the settlement nearest to a point (the first call takes 0.2 s).

        Args:
            lat: Latitude in degrees.
            lng: Longitude in degrees.
            country_code: Only settlements of this country, as a border's other side may be nearer.

        Raises:
            UsageError: The point is not on the globe, or the country has no settlement.
        """
        from geoseek.schemas import UsageError

        if not (-90 <= lat <= 90 and -180 <= lng <= 180):
            raise UsageError(f"No such point: {lat}, {lng}.", hint="Latitudes lie in ±90°, longitudes in ±180°.")
        data = self._data
        point = unit_vectors(lat, lng)
        gaps, places = self._vectors.query(point, k=_NEIGHBOURS)
        if country_code is not None:
            wanted = data.number.get(country_code, -1)
            inside = [i for i, place in enumerate(places.tolist()) if data.place_country[place] == wanted]
            if inside:
                gaps, places = gaps[inside], places[inside]
            else:
                places = np.flatnonzero(np.asarray(data.place_country) == wanted)
                if not len(places):
                    raise UsageError(f"No settlement of {country_code!r} is known.", hint="Give an ISO alpha-2 code.")
                near = unit_vectors(data.place_lat[places], data.place_lng[places])
                gaps = np.linalg.norm(near - point, axis=1)
                places = places[[int(np.argmin(gaps))]]
                gaps = np.array([gaps.min()])
        best, country = int(places[0]), data.place_country[int(places[0])]
        unit = data.place_admin1[best]
        return Description(
            data.codes[country],
            data.country_names[country],
            data.unit_name[unit] if unit >= 0 else "",
            data.place_name[best],
            float(arc_km(gaps[0])),
        )

    def same_place_name(
        self, a: str, b: str, level: NameLevel, *, country: str | None = None, region: str | None = None
    ) -> bool:
        """Whether two names mean the same country, region or place, in any script, with or without "Province".

        Names that both are known mean the same if one unit has both; if one is unknown, they must be the same up to
        case, accents and administrative words.

        Args:
            a: A name.
            b: Another.
            level: What both name.
            country: Name or code of the country that both lie in; needed to tell regions and places of several
                countries apart.
            region: Name of the region that both lie in; only for places.

        Raises:
            UsageError: No such level.
        """
        from geoseek.schemas import unknown_name

        first, second = make_part(a), make_part(b)
        if level not in ("country", "region", "place"):
            raise unknown_name("level", level, ("country", "region", "place"))
        if not first.full or not second.full:
            return False
        if first.full == second.full:
            return True
        found = self._meant(first, level, country, region), self._meant(second, level, country, region)
        if found[0] and found[1]:
            return not found[0].isdisjoint(found[1])
        return first.reduced == second.reduced

    def _meant(self, part: Part, level: NameLevel, country: str | None, region: str | None) -> set[int]:
        """Return the units of a name."""
        data = self._data
        if level == "country":
            found = data.country_of(part)
            return set() if found is None else {found[0]}
        inside = data.country_of(make_part(country)) if country is not None else None
        if inside is None:
            return data.meant(KNOWN_REGION if level == "region" else KNOWN_PLACE, part)
        code = data.codes[inside[0]]
        if level == "region":
            return data.meant(REGION + code, part)
        places = data.meant(PLACE + code, part)
        scope = data.scope_of(data.units_of(inside[0], make_part(region))) if region else frozenset[int]()
        return {place for place in places if data.inside(place, scope)} if scope else places
