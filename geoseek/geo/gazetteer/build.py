"""From the sources to the arrays of a gazetteer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseek.geo.countries import load_countries
from geoseek.geo.distance import unit_vectors
from geoseek.geo.gazetteer.kinds import (
    ADMIN1,
    ADMIN2,
    CODE,
    COUNTRY,
    HISTORIC,
    IMPLIED,
    KNOWN_PLACE,
    KNOWN_POPULATION,
    KNOWN_REGION,
    MAIN,
    PLACE,
    REGION,
    SHORTENED,
)
from geoseek.geo.gazetteer.names import make_keys, umlaut_key
from geoseek.geo.gazetteer.regions import Regions, Unit, join_regions
from geoseek.geo.gazetteer.sources import (
    CountryAlias,
    SourcePlace,
    read_admin_rows,
    read_country_aliases,
    read_country_names,
    read_places,
    read_region_aliases,
    read_subdivisions,
)
from geoseek.geo.gazetteer.table import table_arrays

BUILD_STEPS = 6
# A name counts with the population of its place; one that is not the main name, or is without its administrative word,
# must belong to a place this many powers of ten larger to win.
_PENALTY = {"main": 0.0, "other": 1.5, "reduced": 1.5, "reduced other": 3.0}
_MIN_FUZZY = 5
_RANK_STEP = 10.0  # more than any population weighs
_COUNTRY_WEIGHT = {"hand": 10_000, "iso": 1_000, "geonames": 1_000, "en": 1_000, "code": 500}
_CENTROID_STEPS = 40

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass
class _Rows:
    """Rows of the name table while they are collected."""

    keys: list[str]
    entities: list[int]
    scores: list[float]
    ranks: list[int]

    def add(self, key: str, entity: int, score: float, rank: int = MAIN) -> None:
        self.keys.append(key)
        self.entities.append(entity)
        self.scores.append(score)
        self.ranks.append(rank)


def build_arrays(advance: Callable[[], object], exclude: Collection[int] = ()) -> Arrays:
    """Read the sources and return everything that a `Gazetteer` holds; about 25 s and 1 GB.

    Args:
        advance: Called after each of `BUILD_STEPS` steps.
        exclude: GeoNames ids of places to leave out (of names and of centroids), for measuring.
    """
    left_out = frozenset(exclude)
    places = [place for place in read_places() if place.id not in left_out]
    advance()
    regions = join_regions(places, list(read_admin_rows()), read_subdivisions(), read_region_aliases())
    advance()
    country_names = list(read_country_names())
    codes = sorted({place.country for place in places} | {code for code, _, _ in country_names})
    number = {code: position for position, code in enumerate(codes)}
    rows = _Rows([], [], [], [])
    country_keys = _country_rows(rows, country_names, read_country_aliases(), number, regions)
    advance()
    population = np.array([max(place.population, 0) for place in places], dtype=np.int64)
    unit_population = _sum_by_unit(regions, population)
    region_keys = _region_rows(rows, regions.units, unit_population)
    fuzzy = _place_rows(rows, places, regions)
    advance()
    arrays = table_arrays(
        rows.keys,
        np.array(rows.entities, dtype=np.int32),
        np.array(rows.scores, dtype=np.float32),
        np.array(rows.ranks, dtype=np.uint8),
    )
    advance()
    arrays |= _text("fuzzy", [key for key, _ in fuzzy[0]])
    arrays["fuzzy_place"] = np.array([place for _, place in fuzzy[0]], dtype=np.int32)
    arrays["fuzzy_first"] = fuzzy[1]
    country_keys.sort(key=_by_length)
    arrays |= _text("country_key", [key for key, _ in country_keys])
    arrays["country_key_country"] = np.array([country for _, country in country_keys], dtype=np.int32)
    region_keys.sort(key=lambda entry: (regions.units[entry[1]].country, *_by_length(entry)))
    arrays |= _text("region_key", [key for key, _ in region_keys])
    arrays["region_key_unit"] = np.array([unit for _, unit in region_keys], dtype=np.int32)
    edges = [regions.units[unit].country for _, unit in region_keys]
    arrays["region_key_first"] = np.searchsorted(edges, [*codes, "~"]).astype(np.int32)
    arrays |= _place_arrays(places, regions, number, population)
    arrays |= _unit_arrays(places, regions, number, unit_population)
    arrays |= _country_arrays(places, codes, number, country_names, population)
    advance()
    return arrays


def _by_length(entry: tuple[str, int]) -> tuple[int, str, int]:
    return len(entry[0]), *entry


def _text(name: str, values: Sequence[str]) -> Arrays:
    """Return strings as one UTF-8 block and where each begins; each ends with a line feed."""
    encoded = [value.replace("\n", " ").encode("utf-8", "replace") + b"\n" for value in values]
    ends = np.cumsum([0, *(len(value) for value in encoded)])
    return {f"{name}_text": np.frombuffer(b"".join(encoded), dtype=np.uint8), f"{name}_start": ends.astype(np.int32)}


def _country_rows(
    rows: _Rows,
    names: Sequence[tuple[str, str, str]],
    aliases: Sequence[CountryAlias],
    number: dict[str, int],
    regions: Regions,
) -> list[tuple[str, int]]:
    """Give each country key to the country that most languages, or a stronger source, mean by it."""
    full: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    reduced: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    units = {(unit.country, unit.code): position for position, unit in enumerate(regions.units) if unit.kind == ADMIN1}
    for alias in aliases:
        for name in alias.names:
            key = make_keys(name)[0]
            full[key][alias.country] += _COUNTRY_WEIGHT["hand"]
            if alias.admin1 and (alias.country, alias.admin1) in units:
                rows.add(IMPLIED + key, units[alias.country, alias.admin1], 0.0)
    for code, source, name in names:
        weight = _COUNTRY_WEIGHT.get(source, 1)
        key, short = make_keys(name)
        full[key][code] += weight
        if source != "code":
            reduced[short][code] += weight
    fuzzy = []
    for key in sorted(set(full) | set(reduced)):
        votes = full.get(key) or reduced[key]
        if key:
            best = min(votes, key=lambda code: (-votes[code], code))
            rows.add(COUNTRY + key, number[best], 0.0)
            if len(key) >= _MIN_FUZZY and key.isascii() and votes[best] >= _COUNTRY_WEIGHT["en"]:
                fuzzy.append((key, number[best]))
    return fuzzy


def _region_rows(rows: _Rows, units: Sequence[Unit], population: npt.NDArray[np.float64]) -> list[tuple[str, int]]:
    """Add the names of regions; the first level goes before former regions, these before the second level."""
    order = {ADMIN1: 0.0, HISTORIC: -100.0, ADMIN2: -200.0}
    fuzzy = set()
    for position, unit in enumerate(units):
        best: dict[str, tuple[float, int]] = {}
        size = order[unit.kind] + float(np.log10(population[position] + 1))
        for name, kind in unit.names.items():
            key, short = make_keys(name)
            ranked = [(key, kind), (short, SHORTENED), (umlaut_key(name), kind)]
            for text, rank in ranked:
                if text:
                    best[text] = max(best.get(text, (-1e9, 0)), (size - _RANK_STEP * (kind + rank), rank))
            if unit.kind != ADMIN2 and kind != CODE:
                fuzzy |= {(text, position) for text in (key, short) if len(text) >= _MIN_FUZZY and text.isascii()}
        for text, (score, rank) in sorted(best.items()):
            rows.add(REGION + unit.country + text, position, score, rank)
            if unit.kind != ADMIN2 and rank != CODE:
                rows.add(KNOWN_REGION + text, position, score, rank)
    return sorted(fuzzy)


def _place_rows(
    rows: _Rows, places: Sequence[SourcePlace], regions: Regions
) -> tuple[list[tuple[str, int]], npt.NDArray[np.int32]]:
    """Add the names of places.

    Returns:
        The keys that may be matched with typing errors, by first-level unit, and where each unit's begin.
    """
    by_unit: list[list[tuple[str, int]]] = [[] for _ in regions.units]
    for position, place in enumerate(places):
        size = float(np.log10(max(place.population, 0) + 1))
        best: dict[str, float] = {}
        whole: set[str] = set()
        tolerant: set[str] = set()
        for name in (place.name, *place.names):
            main = name == place.name
            key, short = make_keys(name)
            whole.add(key)
            kinds = [(key, "main" if main else "other"), (short, "reduced" if main else "reduced other")]
            if spelt := umlaut_key(name):
                whole.add(spelt)
                kinds.append((spelt, "main" if main else "other"))
            for text, kind in kinds:
                if text:
                    best[text] = max(best.get(text, -1e9), size - _PENALTY[kind])
            # Lower-case names are automatic transliterations, too far from what anybody writes to be matched roughly.
            if main or (place.population >= KNOWN_POPULATION and name[:1].isupper()):
                tolerant |= {text for text in (key, short) if len(text) >= _MIN_FUZZY and text.isascii()}
        for text, score in sorted(best.items()):
            rank = MAIN if text in whole else SHORTENED
            rows.add(PLACE + place.country + text, position, score, rank)
            if place.population >= KNOWN_POPULATION:
                rows.add(KNOWN_PLACE + text, position, score, rank)
        unit = int(regions.admin1[position])
        if unit >= 0:
            by_unit[unit].extend((text, position) for text in sorted(tolerant))
    for entries in by_unit:
        entries.sort(key=_by_length)
    first = np.cumsum([0, *(len(entries) for entries in by_unit)]).astype(np.int32)
    return [entry for entries in by_unit for entry in entries], first


def _memberships(regions: Regions) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs (place, unit) of all units, composed ones included."""
    place, unit = [], []
    for column in (regions.admin1, regions.historic, regions.admin2):
        held = np.flatnonzero(column >= 0)
        place.append(held)
        unit.append(column[held].astype(np.int64))
    for position, entry in enumerate(regions.units):
        if entry.members:
            held = np.flatnonzero(np.isin(regions.admin1, entry.members))
            place.append(held)
            unit.append(np.full(len(held), position))
    return np.concatenate(place), np.concatenate(unit)


def _sum_by_unit(regions: Regions, population: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    place, unit = _memberships(regions)
    return np.bincount(unit, population[place], len(regions.units)).astype(np.float64)


def centroids(
    lat: npt.NDArray[np.float64],
    lng: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
    groups: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return for each group the member nearest to the weighted geometric median of its members.

    The geometric median minimises the weighted mean distance, so that outliers hardly move it; it is found with
    Weiszfeld's iteration (Tohoku Math. J. 43, 1937) on the unit sphere, which knows no antimeridian. Taking the nearest
    member keeps the answer on land, at a settlement.

    Returns:
        Latitudes and longitudes, shape (groups,); NaN for an empty group.
    """
    points = unit_vectors(lat, lng)

    def mean(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        summed = np.stack([np.bincount(group, weights * points[:, axis], groups) for axis in range(3)], axis=1)
        length = np.linalg.norm(summed, axis=1, keepdims=True)
        result: npt.NDArray[np.float64] = summed / np.where(length > 0, length, 1.0)
        return result

    center = mean(weight)
    for _ in range(_CENTROID_STEPS):
        gap = np.linalg.norm(points - center[group], axis=1)
        center = mean(weight / np.maximum(gap, 1e-5))
    gap = np.linalg.norm(points - center[group], axis=1)
    order = np.lexsort((np.arange(len(group)), gap, group))
    found, first = np.unique(group[order], return_index=True)
    middle_lat, middle_lng = np.full(groups, np.nan), np.full(groups, np.nan)
    middle_lat[found], middle_lng[found] = lat[order[first]], lng[order[first]]
    return middle_lat, middle_lng


def _weights(population: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the weight of a place in a centroid: the root of its population, between places and people."""
    return np.sqrt(population.astype(np.float64) + 500.0)


def _place_arrays(
    places: Sequence[SourcePlace], regions: Regions, number: dict[str, int], population: npt.NDArray[np.int64]
) -> Arrays:
    return {
        **_text("place_name", [place.name for place in places]),
        "place_lat": np.array([place.lat for place in places]),
        "place_lng": np.array([place.lng for place in places]),
        "place_country": np.array([number[place.country] for place in places], dtype=np.int32),
        "place_admin1": regions.admin1,
        "place_historic": regions.historic,
        "place_admin2": regions.admin2,
        "place_population": population.astype(np.int32),
        "place_id": np.array([place.id for place in places], dtype=np.int32),
    }


def _unit_arrays(
    places: Sequence[SourcePlace], regions: Regions, number: dict[str, int], population: npt.NDArray[np.float64]
) -> Arrays:
    place, unit = _memberships(regions)
    lat, lng = np.array([p.lat for p in places]), np.array([p.lng for p in places])
    weight = _weights(np.array([max(p.population, 0) for p in places], dtype=np.int64))
    middle_lat, middle_lng = centroids(lat[place], lng[place], weight[place], unit, len(regions.units))
    members = [entry.members for entry in regions.units]
    return {
        **_text("unit_name", [entry.name for entry in regions.units]),
        "unit_lat": middle_lat,
        "unit_lng": middle_lng,
        "unit_kind": np.array([entry.kind for entry in regions.units], dtype=np.int32),
        "unit_parent": np.array([entry.parent for entry in regions.units], dtype=np.int32),
        "unit_population": population,
        "unit_country": np.array([number[entry.country] for entry in regions.units], dtype=np.int32),
        "unit_members": np.array([member for entry in members for member in entry], dtype=np.int32),
        "unit_members_first": np.cumsum([0, *(len(entry) for entry in members)]).astype(np.int32),
    }


def _country_arrays(
    places: Sequence[SourcePlace],
    codes: Sequence[str],
    number: dict[str, int],
    names: Sequence[tuple[str, str, str]],
    population: npt.NDArray[np.int64],
) -> Arrays:
    table = load_countries()
    shown = {code: name for code, source, name in reversed(names) if source in ("iso", "geonames")}
    group = np.array([number[place.country] for place in places], dtype=np.int64)
    lat, lng = np.array([p.lat for p in places]), np.array([p.lng for p in places])
    middle_lat, middle_lng = centroids(lat, lng, _weights(population), group, len(codes))
    return {
        **_text("country_code", list(codes)),
        **_text("country_name", [table[code].name if code in table else shown.get(code, code) for code in codes]),
        "country_lat": middle_lat,
        "country_lng": middle_lng,
    }
