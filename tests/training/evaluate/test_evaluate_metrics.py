"""Figures of a group: what counts, what is wrong, and what is shown with it."""

from __future__ import annotations

import numpy as np
import pytest

from geoseek.training.evaluate import FIGURES, RADII_KM, EvaluateSettings, Unit
from geoseek.training.evaluate.metrics import estimates, figure_columns
from geoseek.training.evaluate.result import Denominator, Estimate
from tests.training.evaluate.tables import ends, scored_rows

SETTINGS = EvaluateSettings(resamples=500)


def figures(distances: list[float | None], denominator: Denominator = "all") -> dict[str, Estimate]:
    return estimates(figure_columns(scored_rows(distances), denominator), SETTINGS, "all")


def test_a_radius_includes_its_end() -> None:
    found = figures([float(radius) for radius in RADII_KM])
    assert [found[f"accuracy_{radius}km"].value for radius in RADII_KM] == [0.2, 0.4, 0.6, 0.8, 1.0]
    beyond = figures([np.nextafter(25.0, 26.0), 0.0])
    assert beyond["accuracy_25km"].value == 0.5


def test_rows_without_coordinates_are_wrong_and_have_no_distance() -> None:
    found = figures([0.0, None, 100.0, None])
    assert found["accuracy_200km"].value == 0.5
    assert found["accuracy_200km"].rows == 4
    assert found["geoscore_osv5m"].value == pytest.approx((5000 + 5000 * np.exp(-100 / 1492.7)) / 4)
    assert (found["mean_km"].value, found["mean_km"].rows) == (50.0, 2)
    assert (found["median_km"].value, found["median_km"].rows) == (50.0, 2)


def test_the_named_variant_leaves_them_out() -> None:
    found = figures([0.0, None, 100.0, None], "answered")
    assert (found["accuracy_25km"].value, found["accuracy_25km"].rows) == (0.5, 2)
    assert found["geoscore_geoagent"].value == pytest.approx((5000 + 5000 * np.exp(-1000 / 18050)) / 2)
    assert found["mean_km"] == figures([0.0, 100.0])["mean_km"].model_copy(
        update={name: getattr(found["mean_km"], name) for name in ("low", "high")}
    )


def test_every_figure_is_there_in_its_order() -> None:
    assert list(figures([1.0])) == list(FIGURES)
    assert {figure.unit for figure in FIGURES.values()} == set(Unit)


def test_a_group_without_rows_has_no_figures() -> None:
    found = figures([None], "answered")
    assert {estimate.value for estimate in found.values()} == {None}
    assert {estimate.rows for estimate in found.values()} == {0}


def test_shares_of_all_or_none_have_wilsons_interval() -> None:
    found = figures([10.0] * 8)
    assert (found["accuracy_1km"].method, found["accuracy_1km"].value, found["accuracy_1km"].low) == ("wilson", 0, 0)
    assert found["accuracy_25km"].low == pytest.approx(1 - found["accuracy_1km"].high)  # type: ignore[operator]
    assert found["mean_km"].low is None


def test_intervals_hold_the_value_and_say_how_they_were_made() -> None:
    distances = [float(km) for km in np.random.default_rng(0).exponential(500, 200)]
    for key, estimate in figures([*distances, None, None]).items():
        if estimate.value is None:
            assert key in ("country_name", "region_name", "place_name", "country_position")
        elif estimate.method == "bootstrap":
            low, high = ends(estimate)
            assert low < estimate.value < high
            assert estimate.resamples == 500


def test_the_name_of_the_group_decides_its_random_numbers() -> None:
    columns = figure_columns(scored_rows([float(km) for km in range(0, 4000, 40)]), "all")
    assert estimates(columns, SETTINGS, "band", "low") == estimates(columns, SETTINGS, "band", "low")
    other = estimates(columns, SETTINGS, "band", "high")
    assert other["mean_km"].low != estimates(columns, SETTINGS, "band", "low")["mean_km"].low
