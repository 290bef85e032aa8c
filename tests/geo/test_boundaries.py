from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from geoseek.geo import load_country_polygons, load_units, read_boundaries
from geoseek.geo.boundaries import BOUNDARIES_PATH, unit_codes
from geoseek.schemas import InputError, UsageError


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_units_are_valid_and_lie_in_range() -> None:
    units = load_units()
    assert units.is_valid.all()
    assert units["unit"].is_unique
    assert units.total_bounds[[0, 1, 2]].tolist() == [-180.0, -90.0, 180.0]
    widths = units.bounds["maxx"] - units.bounds["minx"]
    crossing = {"Antarctica", "Russia", "Fiji", "United States of America", "New Zealand", "Kiribati", "France"}
    assert set(units["unit"][widths > 300]) <= crossing | {"U.S. Minor Outlying Is."}


def test_units_do_not_overlap_beyond_slivers() -> None:
    areas = load_units().geometry.to_numpy()
    pairs = shapely.STRtree(areas).query(areas, predicate="intersects")
    left, right = pairs[:, pairs[0] < pairs[1]]
    shared = shapely.area(shapely.intersection(areas[left], areas[right]))
    assert shared.max() < 1e-12


def test_every_unit_has_a_country_or_is_left_to_nobody_on_purpose() -> None:
    codes = unit_codes()
    nobody = {unit for unit, code in codes.items() if not code}
    assert nobody == {"Scarborough Reef", "Spratly Is."}
    units = load_units()
    without_number = set(units["unit"][units["numeric"] == ""])
    assert without_number <= read_boundaries().keys(), "every unit without an ISO code is in the table"


def test_every_row_of_the_table_has_a_note() -> None:
    lines = BOUNDARIES_PATH.read_text(encoding="utf-8").splitlines()[1:]
    assert all(line.rstrip('"').rpartition(",")[2].strip('" ') for line in lines)


def test_a_user_table_replaces_only_its_rows(tmp_path: Path) -> None:
    mine = table(tmp_path / "mine.csv", "unit,country_code\nKosovo,RS\n")
    before, after = unit_codes(), unit_codes(mine)
    assert {unit for unit in before if before[unit] != after[unit]} == {"Kosovo"}
    assert after["Kosovo"] == "RS"


def test_a_folded_code_gives_its_sovereign(tmp_path: Path) -> None:
    mine = table(tmp_path / "mine.csv", "unit,country_code,note\nIndian Ocean Ter.,cx,mine\n")
    assert unit_codes(mine)["Indian Ocean Ter."] == "AU"


def test_wrong_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'Kosovo'"):
        read_boundaries(table(tmp_path / "a.csv", "unit,country_code\nKosova,RS\n"))
    with pytest.raises(UsageError, match=r"Unknown country in .*'QQ'"):
        read_boundaries(table(tmp_path / "b.csv", "unit,country_code\nKosovo,QQ\n"))
    with pytest.raises(InputError, match="has no column country_code"):
        read_boundaries(table(tmp_path / "c.csv", "unit,code\nKosovo,RS\n"))
    with pytest.raises(InputError, match="Cannot read the boundary table"):
        read_boundaries(tmp_path / "absent.csv")


def test_dissolved_countries_are_valid_and_sorted() -> None:
    countries = load_country_polygons()
    codes = countries["code"].tolist()
    assert codes == sorted(set(codes))
    assert countries.is_valid.all()
    units = load_units().set_index("unit").drop(["Scarborough Reef", "Spratly Is."])
    assert shapely.area(countries.geometry.to_numpy()).sum() == pytest.approx(
        shapely.area(units.geometry.to_numpy()).sum()
    )
