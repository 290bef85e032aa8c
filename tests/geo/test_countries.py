from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoseek.geo import CONTINENT_NAMES, FIGURES, impute_missing, load_countries
from geoseek.geo.boundaries import unit_codes
from geoseek.schemas import InputError, UsageError

COEFFICIENTS = {"roads": 0.5, "population": 0.2, "area": 0.3}


def continent_shares() -> dict[str, float]:
    table = load_countries()
    share = np.zeros(len(table))
    for name, coefficient in COEFFICIENTS.items():
        figure = np.nan_to_num(table.folded_figures(name))
        figure[table.codes.index("AQ")] = 0
        share += 100 * coefficient * figure / figure.sum()
    shares = dict.fromkeys(CONTINENT_NAMES, 0.0)
    for country, value in zip(table, share, strict=True):
        shares[country.continent] += float(value)
    return shares


def test_every_iso_territory_and_kosovo_has_a_row() -> None:
    table = load_countries()
    assert len(table) == 250
    assert sum(bool(country.numeric) for country in table) == 249
    assert table["XK"].numeric == ""
    assert list(table.codes) == sorted(table.codes)
    assert all(len(country.alpha3) == 3 and len(country.numeric) in (0, 3) for country in table)
    assert all(country.name == country.name.strip() != "" for country in table)


def test_eq_11_asks_for_the_documented_share_of_each_continent() -> None:
    expected = {"AS": 39.5, "NA": 17.4, "EU": 17.2, "AF": 13.8, "SA": 8.8, "OC": 3.3, "AN": 0.0}
    assert continent_shares() == pytest.approx(expected, abs=0.1)


def test_a_missing_figure_is_nan_and_a_stated_zero_is_zero() -> None:
    table = load_countries()
    roads, population = table.figures("roads"), table.figures("population")
    assert np.isnan(roads[table.codes.index("GL")])
    assert np.isnan(table.figures("area")[table.codes.index("SS")])
    assert roads[table.codes.index("PN")] == 0
    assert population[table.codes.index("BV")] == 0
    assert not np.isnan(population).any()


def test_every_figure_names_its_source() -> None:
    for country in load_countries():
        assert bool(country.land_area_source) == (country.land_area_km2 is not None)
        assert bool(country.road_source) == (country.road_km is not None)
        assert country.population_source.startswith("GeoNames")


def test_western_sahara_is_counted_once() -> None:
    table = load_countries()
    morocco, sahara = table["MA"].land_area_km2, table["EH"].land_area_km2
    assert morocco is not None
    assert sahara is not None
    assert morocco + sahara == 716_300


def test_folding_moves_figures_and_loses_nothing() -> None:
    table = load_countries()
    for name in FIGURES:
        before, after = table.figures(name), table.folded_figures(name)
        assert np.nansum(after) == pytest.approx(np.nansum(before))
        for country in table.folds():
            assert after[table.codes.index(country.code)] == 0
    norway = table.folded_figures("roads", ["NO"])[0]
    assert norway == table["NO"].figure("roads") + table["SJ"].figure("roads")


def test_exactly_the_territories_without_a_polygon_are_folded() -> None:
    table = load_countries()
    folded = {country.code for country in table.folds()}
    drawn = {code for code in unit_codes().values() if code}
    assert folded == set(table.codes) - drawn
    assert all(country.folded_into in drawn for country in table.folds())


def test_unknown_figures_and_methods_are_named() -> None:
    table = load_countries()
    with pytest.raises(UsageError, match="did you mean 'roads'"):
        table.figures("raods")
    with pytest.raises(UsageError, match="Unknown imputation method 'mean'"):
        impute_missing(table, {"roads": "mean"})
    with pytest.raises(UsageError, match="Unknown figure"):
        impute_missing(table, {"cars": "median-density"})


def test_imputation_fills_what_is_missing_and_nothing_else() -> None:
    table = load_countries()
    filled, report = impute_missing(table, {"roads": "median-density"})
    codes = {entry["code"] for entry in report}
    assert {"GL", "EH", "WF"} <= codes
    assert not codes & {"GP", "RE", "AX", "AQ"}, "these are counted elsewhere, or out of scope"
    for country in table:
        if country.code not in codes:
            assert filled[country.code] == country
    assert all(filled[entry["code"]].road_km == entry["value"] >= 0 for entry in report)


def test_a_large_empty_country_is_not_given_the_road_density_of_small_islands() -> None:
    filled, _ = impute_missing(load_countries(), {"roads": "median-density"})
    assert 100 < filled["GL"].figure("roads") < 2000


def test_a_table_without_a_column_or_with_a_word_for_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "countries.csv"
    path.write_text("code,name\nFR,France\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column alpha3"):
        load_countries(path)
    shipped = Path(__file__).parents[2] / "geoseek" / "geo" / "data" / "countries.csv"
    broken = tmp_path / "broken.csv"
    broken.write_text(shipped.read_text(encoding="utf-8").replace("77006", "many"), encoding="utf-8")
    with pytest.raises(InputError, match="row 2: population is 'many'"):
        load_countries(broken)
