"""Which polygons belong to which country: the source's units, and the table that assigns the disputed ones."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from geoseek.geo.countries import load_countries
from geoseek.schemas import InputError, unknown_name

if TYPE_CHECKING:
    import geopandas as gpd

UNITS_PATH = Path(__file__).parent / "data" / "units.parquet"
BOUNDARIES_PATH = Path(__file__).parent / "data" / "boundaries.csv"
_COLUMNS = ("unit", "country_code")


def load_units() -> gpd.GeoDataFrame:
    """Return the cleaned units of Natural Earth 1:10m: `unit` (name), `numeric` (ISO, may be empty), `geometry`.

    Longitudes lie in -180..180, polygons that cross the antimeridian are cut there, Antarctica reaches down to -90.
    """
    import geopandas as gpd

    return gpd.read_parquet(UNITS_PATH)


def read_boundaries(path: Path | None = None) -> dict[str, str]:
    """Return unit -> country code of the shipped table, with the rows of `path` in place of its namesakes.

    An empty code leaves a unit to nobody: points there count as not on land.

    Args:
        path: CSV with columns `unit, country_code` (others, like `note`, are for the reader). Any unit may be named,
            also one that has an ISO code.

    Raises:
        InputError: The file cannot be read or lacks a column.
        UsageError: Unknown unit or country.
    """
    table = _read_table(BOUNDARIES_PATH)
    if path is None:
        return table
    import pyarrow.parquet as pq

    units = pq.read_table(UNITS_PATH, columns=["unit"])["unit"].to_pylist()
    countries = load_countries()
    for unit, code in _read_table(path).items():
        if unit not in units:
            raise unknown_name(f"unit in {path}:", unit, units)
        if code and code not in countries:
            raise unknown_name(f"country in {path}:", code, countries.codes)
        table[unit] = code
    return table


def _read_table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path} has no column {' or '.join(missing)}.",
                    hint="A boundary table is a CSV file with the columns unit, country_code and, if you like, note.",
                )
            return {row["unit"].strip(): (row["country_code"] or "").strip().upper() for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Cannot read the boundary table {path}: {error}.") from error


def unit_codes(boundaries: Path | None = None) -> dict[str, str]:
    """Return unit -> country code for every unit; empty for units that belong to nobody.

    A territory that is folded into another country (see `CountryTable.folds`) gives that country's code.

    Raises:
        InputError: `boundaries` cannot be read or lacks a column.
        UsageError: It names an unknown unit or country.
    """
    import pyarrow.parquet as pq

    countries = load_countries()
    by_number = {country.numeric: country.code for country in countries if country.numeric}
    table = read_boundaries(boundaries)
    rows = pq.read_table(UNITS_PATH, columns=["unit", "numeric"]).to_pylist()
    codes = {row["unit"]: table.get(row["unit"]) for row in rows}
    for row in rows:
        if codes[row["unit"]] is None:
            codes[row["unit"]] = by_number[row["numeric"]]
    return {unit: countries.sovereign(code) if code else "" for unit, code in codes.items()}


def load_country_polygons(boundaries: Path | None = None) -> gpd.GeoDataFrame:
    """Return one valid row per country, sorted by code: `code`, `geometry`.

    Only countries of several units are dissolved; it takes about 1 s.

    Args:
        boundaries: Boundary table that overrides rows of the shipped one, see `read_boundaries`.

    Raises:
        InputError: `boundaries` cannot be read or lacks a column.
        UsageError: It names an unknown unit or country.
    """
    import geopandas as gpd
    import shapely

    units = load_units()
    codes = units["unit"].map(unit_codes(boundaries))
    units = units.assign(code=codes)[codes != ""]
    rows = []
    for code, group in units.groupby("code", sort=True):
        areas = group.geometry.to_numpy()
        whole = areas[0] if len(areas) == 1 else shapely.union_all(areas)
        if len(areas) > 1:
            whole = shapely.make_valid(whole, method="structure", keep_collapsed=False)
        rows.append((code, whole))
    return gpd.GeoDataFrame({"code": [code for code, _ in rows]}, geometry=[area for _, area in rows], crs=units.crs)
