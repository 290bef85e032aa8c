"""Names that are right, in any script."""

from __future__ import annotations

import pytest

from geoseek.training.names import TrueNames, name_hits
from geoseek.training.predictions import shared_gazetteer

MUNICH = TrueNames("Germany", "Bavaria", "Munich", "DE")
PORTLAND = TrueNames("United States", "Maine", "Portland", "US")
NEW_YORK = TrueNames("United States", "New York", "New York City", "US")
WASHINGTON = TrueNames("United States", "District of Columbia", "Washington", "US")


@pytest.mark.parametrize(
    ("answer", "truth", "level"),
    [
        ("Germany; Bavaria; Munich", MUNICH, "place"),
        ("德国；巴伐利亚；慕尼黑", MUNICH, "place"),
        ("Германия; Бавария; Мюнхен", MUNICH, "place"),
        ("Munich, Bavaria, Germany", MUNICH, "place"),
        ("GERMANY; BAYERN; MÜNCHEN", MUNICH, "place"),
        ("Germany; Munich", MUNICH, "place"),
        ("Munich", MUNICH, "place"),
        ("Germany; Bavaria; Munich Marienplatz", MUNICH, "place"),
        ("Germany; Bayern; Marienplatz (München)", MUNICH, "place"),
        ("Germany; Bavaria; Augsburg", MUNICH, "region"),
        ("Germany; Hesse; Munich", MUNICH, "country"),
        ("Germany", MUNICH, "country"),
        ("France; Île-de-France; Paris", MUNICH, "none"),
        ("", MUNICH, "none"),
        (" ; ; ", MUNICH, "none"),
        ("USA; Maine; Portland", PORTLAND, "place"),
        ("USA; Oregon; Portland", PORTLAND, "country"),
        ("USA; Maine; South Portland", PORTLAND, "region"),
        ("USA; New York; Buffalo", NEW_YORK, "region"),
        ("USA; New York", NEW_YORK, "region"),
        ("USA; New York; New York", NEW_YORK, "place"),
        ("USA; Washington; Spokane", WASHINGTON, "country"),
        ("USA; Georgia; Atlanta", TrueNames("Georgia", "", "Tbilisi", "GE"), "none"),
        ("Japan; Aichi; Nagoya", TrueNames("Japan", "Chūbu", "Nagoya", "JP"), "place"),
        ("Singapore; Singapore; Orchard Road", TrueNames("Singapore", "", "Singapore", "SG"), "place"),
        ("Germany; Bavaria; Munich", TrueNames(), "none"),
        ("Germany; Bavaria; Munich", TrueNames(country="Germany"), "country"),
        ("Germany; Bavaria; Munich", TrueNames(country_code="DE"), "country"),
    ],
)
def test_finest_level(answer: str, truth: TrueNames, level: str) -> None:
    assert name_hits(answer, truth, shared_gazetteer()).level == level


def test_a_hit_implies_those_above() -> None:
    hits = name_hits("Germany; Munich", MUNICH, shared_gazetteer())
    assert (hits.country, hits.region, hits.place) == (True, True, True)


@pytest.mark.parametrize(("answer", "level"), [("Germany; Berlin", "place"), ("Germany; Berlin; Berlin", "place")])
def test_a_city_state_is_place_and_region(answer: str, level: str) -> None:
    truth = TrueNames("Germany", "Berlin", "Berlin", "DE")
    assert name_hits(answer, truth, shared_gazetteer()).level == level


def test_a_typing_error_is_no_hit() -> None:
    truth = TrueNames("China", "Anhui", "Hefei", "CN")
    assert name_hits("China; Anhuii", truth, shared_gazetteer()).level == "country"
