from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.geo.gazetteer.kinds import ADMIN1, ADMIN2, CODE, HISTORIC, MAIN
from geoseek.geo.gazetteer.regions import Regions, join_regions
from geoseek.geo.gazetteer.sources import (
    AdminRow,
    RegionAlias,
    SourcePlace,
    Subdivision,
    read_country_aliases,
    read_places,
    read_region_aliases,
    read_subdivisions,
)
from geoseek.schemas import InputError


def _place(number: int, name: str, lat: float, lng: float, admin1: str) -> SourcePlace:
    return SourcePlace(number, name, lat, lng, "XX", admin1, 1000, ())


PLACES = [
    _place(1, "Alpha", 0.0, 0.0, "01"),
    _place(2, "Beta", 0.5, 0.0, "01"),
    _place(3, "Gamma", 5.0, 0.0, "02"),
    _place(4, "Delta", 5.02, 0.0, "02"),
    _place(5, "Epsilon", 9.0, 0.0, "03"),
    _place(6, "Zeta", 9.5, 0.0, "03"),
    _place(7, "Eta", 20.0, 0.0, "04"),
    _place(8, "Theta", 30.0, 0.0, ""),
]
ROWS = [
    AdminRow(0.0, 0.0, "Alpha", "Nordland Sheng", "Upper", "XX"),
    AdminRow(0.5, 0.0, "Beta", "Nordland Sheng", "Lower", "XX"),
    AdminRow(5.0, 0.0, "Gamma", "Sudland", "Middle", "XX"),
    AdminRow(9.0, 0.0, "Epsilon", "Old West", "", "XX"),
    AdminRow(9.5, 0.0, "Zeta", "Westmark", "", "XX"),
    AdminRow(9.6, 0.0, "Not a place", "Westmark", "", "XX"),
]
SUBDIVISIONS = [
    Subdivision("XX", "NL", "Nordland", "Province", None, ("北国省",)),
    Subdivision("XX", "SL", "Südland [South]", "Province", None, ()),
    Subdivision("XX", "UP", "Upper", "District", "NL", ("上",)),
    Subdivision("XX", "ET", "Something else", "Province", None, ("他",)),
]


@pytest.fixture(scope="module")
def regions() -> Regions:
    aliases = [
        RegionAlias("XX", ("04",), "ET", ("Etaland", "ETA")),
        RegionAlias("XX", ("01", "02"), "", ("Union",)),
        RegionAlias("XX", ("99",), "", ("Nowhere",)),
    ]
    return join_regions(PLACES, ROWS, SUBDIVISIONS, aliases)


def _names(regions: Regions, place: int, kind: int) -> dict[str, int]:
    column = {ADMIN1: regions.admin1, HISTORIC: regions.historic, ADMIN2: regions.admin2}[kind]
    return regions.units[int(column[place])].names if column[place] >= 0 else {}


def test_codes_get_names_by_vote_and_from_iso(regions: Regions) -> None:
    names = _names(regions, 0, ADMIN1)
    assert names["Nordland Sheng"] == MAIN
    assert "北国省" in names
    assert names["NL"] == CODE


def test_brackets_hold_another_name(regions: Regions) -> None:
    assert {"Südland", "South"} <= set(_names(regions, 2, ADMIN1))


def test_second_level_is_joined_and_inferred_from_the_nearest_row(regions: Regions) -> None:
    assert "上" in _names(regions, 0, ADMIN2)
    assert _names(regions, 3, ADMIN2) == _names(regions, 2, ADMIN2)
    assert _names(regions, 4, ADMIN2) == {}


def test_hand_made_rows_name_units_take_iso_names_and_compose_regions(regions: Regions) -> None:
    assert set(_names(regions, 6, ADMIN1)) == {"Etaland", "ETA", "Something else", "他", "ET"}
    union = next(unit for unit in regions.units if unit.name == "Union")
    assert union.kind == HISTORIC
    assert [regions.units[member].code for member in union.members] == ["01", "02"]
    assert not any(unit.name == "Nowhere" for unit in regions.units)


def test_place_without_a_code_has_no_region(regions: Regions) -> None:
    assert regions.admin1[7] == -1


def test_every_unit_has_a_name_to_show(regions: Regions) -> None:
    assert all(unit.name for unit in regions.units)


@pytest.mark.parametrize("reader", [read_region_aliases, read_country_aliases])
@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "country,admin1\nXX\n"])
def test_broken_alias_table_is_named(tmp_path: Path, content: str, reader: object) -> None:
    path = tmp_path / "aliases.csv"
    path.write_text(content, encoding="utf-8")
    assert callable(reader)
    if content:
        with pytest.raises(InputError, match=r"aliases\.csv"):
            reader(path)
    else:
        assert reader(path) == []


def test_missing_alias_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        read_region_aliases(tmp_path / "none.csv")


@pytest.mark.slow
def test_shipped_aliases_name_codes_that_exist() -> None:
    known = {(place.country, place.admin1) for place in read_places()}
    iso = {(entry.country, entry.code) for entry in read_subdivisions()}
    for alias in read_region_aliases():
        assert alias.names[0], alias
        assert all((alias.country, code) in known for code in alias.admin1), alias
        assert not alias.iso or (alias.country, alias.iso) in iso, alias
    for country in read_country_aliases():
        assert not country.admin1 or (country.country, country.admin1) in known, country
