from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseek.geo.gazetteer import Gazetteer, load_gazetteer
from geoseek.geo.gazetteer.lookup import NameLevel
from geoseek.schemas import UsageError


@pytest.mark.parametrize(
    ("a", "b", "level", "country"),
    [
        ("Anhui", "Anhui Province", "region", "China"),
        ("Anhui", "安徽省", "region", "CN"),
        ("Anhui Province", "安徽", "region", "中国"),
        ("Anhui", "安徽省", "region", None),
        ("Bavaria", "Bayern", "region", "Germany"),
        ("Commonwealth of Virginia", "Virginia", "region", "US"),
        ("MN", "Minnesota", "region", "US"),
        ("NSW", "New South Wales", "region", "Australia"),
        ("East Java", "Jawa Timur", "region", "Indonesia"),
        ("Kyoto Prefecture", "京都府", "region", "Japan"),
        ("Sverdlovskaya oblast", "Свердловская область", "region", "Russia"),
        ("Hefei", "合肥市", "place", "China"),
        ("Munich", "München", "place", "Germany"),
        ("Kyiv", "Киев", "place", "Ukraine"),
        ("Saint-Étienne", "St Etienne", "place", "France"),
        ("Unknown Ville", "unknown ville", "place", "France"),
        ("Xyzzy City", "Xyzzy", "place", "Germany"),
        ("Germany", "Deutschland", "country", None),
        ("Germany", "ドイツ", "country", None),
        ("UK", "Great Britain", "country", None),
        ("England", "United Kingdom", "country", None),
        ("Ivory Coast", "Côte d'Ivoire", "country", None),
        ("Republic of Korea", "South Korea", "country", None),
    ],
)
def test_names_of_one_unit_are_the_same(
    gazetteer: Gazetteer, a: str, b: str, level: NameLevel, country: str | None
) -> None:
    assert gazetteer.same_place_name(a, b, level, country=country)
    assert gazetteer.same_place_name(b, a, level, country=country)


@pytest.mark.parametrize(
    ("a", "b", "level", "country"),
    [
        ("Anhui", "Hunan", "region", "China"),
        ("Kansas", "Kansas City", "place", "United States"),
        ("Kyiv City", "Kyiv Oblast", "region", "Ukraine"),
        ("Kansas", "Arkansas", "region", "United States"),
        ("Lower Saxony", "Saxony", "region", "Germany"),
        ("Shanxi", "Shaanxi", "region", "China"),
        ("Hefei", "Hefe", "place", "China"),
        ("Niger", "Nigeria", "country", None),
        ("Congo", "DR Congo", "country", None),
        ("North Korea", "South Korea", "country", None),
        ("Guinea", "Equatorial Guinea", "country", None),
        ("Georgia", "United States", "country", None),
        ("", "", "country", None),
        ("!?", "!?", "place", "China"),
        ("Germany", "", "country", None),
    ],
)
def test_names_of_different_units_differ(
    gazetteer: Gazetteer, a: str, b: str, level: NameLevel, country: str | None
) -> None:
    assert not gazetteer.same_place_name(a, b, level, country=country)
    assert not gazetteer.same_place_name(b, a, level, country=country)


def test_region_tells_namesakes_apart(gazetteer: Gazetteer) -> None:
    assert gazetteer.same_place_name("Frankfurt", "Frankfurt am Main", "place", country="DE", region="Hesse")
    assert not gazetteer.same_place_name("Frankfurt an der Oder", "Frankfurt am Main", "place", country="DE")


def test_unknown_level_is_named(gazetteer: Gazetteer) -> None:
    with pytest.raises(UsageError, match="region"):
        gazetteer.same_place_name("a", "b", "regoin", country="CN")  # type: ignore[arg-type]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["country", "region", "place"]))
def test_equality_is_symmetric_and_reflexive_for_any_text(a: str, b: str, level: NameLevel) -> None:
    gazetteer = load_gazetteer()
    assert gazetteer.same_place_name(a, b, level) == gazetteer.same_place_name(b, a, level)
    assert gazetteer.same_place_name(a, a, level) == any(char.isalnum() for char in "".join(_words(a)))


def _words(text: str) -> list[str]:
    from geoseek.geo.gazetteer.names import fold

    return fold(text)
