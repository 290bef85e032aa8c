"""The accuracy that the documentation states, held by a smaller draw of the same addresses."""

from __future__ import annotations

import pytest

from geoseek.geo.gazetteer import Gazetteer, Level, Location, load_gazetteer
from geoseek.geo.gazetteer.evaluation import FAMILIES, HELD_OUT, Case, FamilyResult, TestSet, score

PER_FAMILY = 2000
LEAST_NEAR = {
    "exact": 0.96,
    "with admin2": 0.99,
    "alternate name": 0.95,
    "native script": 0.96,
    "abbreviated region": 0.95,
    "administrative words": 0.96,
    "reversed": 0.95,
    "one typo": 0.92,
    "two typos": 0.85,
    "typo in region": 0.93,
    "typo in country": 0.93,
    "region missing": 0.85,
    "ambiguous with region": 0.80,
    "ambiguous without region": 0.20,
    "held out": 0.15,
    "held out with admin2": 0.60,
}
MOST_WRONG_COUNTRY = 0.001


@pytest.fixture(scope="module")
def results(gazetteer: Gazetteer) -> dict[str, FamilyResult]:
    tests = TestSet(PER_FAMILY, seed=11)
    known = [case for case in tests.cases if case.family not in HELD_OUT]
    unknown = [case for case in tests.cases if case.family in HELD_OUT]
    located = gazetteer.locate_many([case.address for case in known])
    located += load_gazetteer(tests.held_out).locate_many([case.address for case in unknown])
    return {result.family: result for result in score([*known, *unknown], located)}


@pytest.mark.slow
def test_every_family_is_full(results: dict[str, FamilyResult]) -> None:
    assert list(results) == list(FAMILIES)
    assert {result.count for result in results.values()} == {PER_FAMILY}


@pytest.mark.slow
@pytest.mark.parametrize("family", LEAST_NEAR)
def test_share_within_25_km(results: dict[str, FamilyResult], family: str) -> None:
    assert results[family].near >= LEAST_NEAR[family]


@pytest.mark.slow
def test_wrong_country_is_rare(results: dict[str, FamilyResult]) -> None:
    for family, result in results.items():
        # A typing error can turn a country's name into another's (Niger, Nigeria).
        assert result.wrong_country <= (0.005 if family == "typo in country" else MOST_WRONG_COUNTRY), family
        assert result.unanswered <= 0.001, family


@pytest.mark.slow
def test_levels_are_honest(results: dict[str, FamilyResult]) -> None:
    assert results["exact"].fuzzy == 0
    assert results["one typo"].fuzzy > 0.85
    assert results["held out"].fuzzy < 0.10
    assert results["ambiguous without region"].ambiguous > 0.80


def test_score_measures_each_family() -> None:
    cases = [
        Case("exact", "a", 0.0, 0.0, "DE"),
        Case("exact", "b", 0.0, 0.0, "DE"),
        Case("held out", "c", 0.0, 0.0, "DE"),
    ]
    answers = [
        Location(0.1, 0.0, Level.PLACE, "DE", candidates=2),
        Location(9.0, 0.0, Level.PLACE_FUZZY, "FR", candidates=1, edits=1),
        Location(None, None, Level.NONE),
    ]
    exact, held_out = score(cases, answers)
    assert (exact.count, exact.near, exact.wrong_country, exact.fuzzy, exact.ambiguous) == (2, 0.5, 0.5, 0.5, 0.5)
    assert held_out.unanswered == 1
    assert held_out.median_km == float("inf")
    assert held_out.wrong_country == 0
