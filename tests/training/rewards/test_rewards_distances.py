"""The rewards by distance."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.training.rewards import Truth, geo_spatial, gre_distance, gre_distance_reward, spatial_reward
from geoseek.training.rewards.settings import GeoSpatialSettings, GreDistanceSettings

PARIS = Truth(lat=48.85341, lng=2.3488, solution="<answer>France; Île-de-France; Paris</answer>")
KM = st.floats(0, 20_038)
SCALE = st.floats(1e-6, 1e6)


def test_answers_near_the_truth_earn_more() -> None:
    said = [
        "<answer>France; Île-de-France; Paris</answer>",
        "<answer>法国；法兰西岛；巴黎</answer>",
        "<answer>France; Île-de-France; Versailles</answer>",
        "<answer>France</answer>",
        "<answer>Japan; Tokyo; Shibuya</answer>",
    ]
    batch = geo_spatial(said, [PARIS] * len(said))
    values = [value or 0.0 for value in batch.values]
    assert values[0] == pytest.approx(1.0, abs=0.01)
    assert values[1] == values[0]
    assert values == sorted(values, reverse=True)
    assert [seen["level"] for seen in batch.details][:4] == ["place", "place", "place", "country"]
    for value, seen in zip(values, batch.details, strict=True):
        assert value == pytest.approx(math.exp(-seen["distance_km"] / 200), rel=1e-4)


def test_what_cannot_be_scored_is_zero_with_a_reason() -> None:
    said = ["", "<answer>qwxz</answer>", "<answer>France; Île-de-France; Paris</answer>"]
    batch = geo_spatial(said, [PARIS, PARIS, Truth(solution="<answer>Nowhereland</answer>")])
    assert batch.values == [0.0, 0.0, 0.0]
    assert [seen["problem"] for seen in batch.details] == ["no_answer", "not_located", "no_true_position"]
    assert [seen["distance_km"] for seen in batch.details] == [None, None, None]


def test_names_of_the_truth_serve_where_it_has_no_coordinates() -> None:
    (value,) = geo_spatial(["France; Île-de-France; Paris"], [Truth(lat=math.nan, solution=PARIS.solution)]).values
    assert value == 1.0


def test_parameters_count() -> None:
    said = ["<answer>Japan; Tokyo; Shibuya</answer>"]
    (near,) = geo_spatial(said, [PARIS], GeoSpatialSettings(scale_km=20_000)).values
    (cut,) = geo_spatial(said, [PARIS], GeoSpatialSettings(scale_km=20_000, cutoff_km=2_000)).values
    (gre,) = gre_distance(said, [PARIS], GreDistanceSettings(theta_km=20_000)).values
    (far,) = gre_distance(said, [PARIS]).values
    assert near is not None
    assert gre is not None
    assert far is not None
    assert 0.5 < near < 0.7
    assert cut == 0.0
    assert 0.7 < gre < 0.8
    assert far < 1e-15


def test_an_empty_batch_is_an_empty_batch() -> None:
    assert geo_spatial([], []).values == []


@given(KM, SCALE)
def test_formulas_stay_in_bounds(distance_km: float, scale_km: float) -> None:
    assert 0 <= spatial_reward(distance_km, scale_km) <= 1
    assert 0 <= gre_distance_reward(distance_km, scale_km) <= 1


@given(KM, KM, SCALE)
def test_formulas_never_rise_with_distance(one: float, two: float, scale_km: float) -> None:
    near, far = sorted((one, two))
    assert spatial_reward(near, scale_km) >= spatial_reward(far, scale_km)
    assert gre_distance_reward(near, scale_km) >= gre_distance_reward(far, scale_km)


@given(st.floats(0, 10_000), st.floats(1, 10_000))
def test_gre_form_equals_the_paper_where_that_does_not_overflow(distance_km: float, theta_km: float) -> None:
    if distance_km / theta_km < 700:
        expected = 2 / (1 + math.exp(distance_km / theta_km))
        assert gre_distance_reward(distance_km, theta_km) == pytest.approx(expected, rel=1e-9)
