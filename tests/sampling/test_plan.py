from __future__ import annotations

import numpy as np
import pytest

from geoseek.geo import load_countries, load_country_index
from geoseek.sampling.plan import Target, allocate_split, make_target
from geoseek.schemas import Split, UsageError
from geoseek.workspace import SampleSettings

COUNTRIES = load_countries()
CODES = load_country_index().codes


def _target(share: list[float]) -> Target:
    return Target(tuple("ABC"), np.array(share), np.ones(3, dtype=bool), {}, (), (), ())


def test_published_target_by_continent() -> None:
    """Facts: eq. 11 asks for AS 39.5, NA 17.4, EU 17.2, AF 13.8, SA 8.8, OC 3.3 percent."""
    target = make_target(SampleSettings(), COUNTRIES, CODES)
    assert target.share.sum() == pytest.approx(1)
    by_continent: dict[str, float] = {}
    for code, share in zip(target.codes, target.share, strict=True):
        continent = COUNTRIES[code].continent
        by_continent[continent] = by_continent.get(continent, 0) + 100 * share
    for continent, published in {"AS": 39.5, "NA": 17.4, "EU": 17.2, "AF": 13.8, "SA": 8.8, "OC": 3.3}.items():
        assert by_continent[continent] == pytest.approx(published, abs=0.1)
    assert target.share[CODES.index("AQ")] == 0


def test_missing_figures_are_named_with_what_they_lose() -> None:
    target = make_target(SampleSettings(), COUNTRIES, CODES)
    missing = {(entry["code"], entry["figure"]): entry["share_lost"] for entry in target.missing}
    assert missing[("GL", "roads")] > 0
    filled = make_target(SampleSettings(impute_missing={"roads": "median-density"}), COUNTRIES, CODES)
    assert not [entry for entry in filled.missing if entry["figure"] == "roads" and entry["share_lost"] > 0]
    assert {entry["code"] for entry in filled.imputed} >= {"GL"}
    greenland = CODES.index("GL")
    assert filled.share[greenland] > target.share[greenland]


def test_folded_territories_are_visible_and_counted() -> None:
    target = make_target(SampleSettings(), COUNTRIES, CODES)
    folds = {entry["code"]: entry["into"] for entry in target.folded}
    assert folds["GF"] == "FR"
    assert folds["VA"] == "IT"
    assert set(folds) & set(CODES) == set()


@pytest.mark.parametrize("only", [("FR",), ("FRA",), ("fr", "DEU")])
def test_countries_go_by_either_code(only: tuple[str, ...]) -> None:
    target = make_target(SampleSettings(countries=only), COUNTRIES, CODES)
    named = {code for code, flag in zip(CODES, target.in_scope, strict=True) if flag}
    assert named == {"FR", "DE"} if len(only) == 2 else {"FR"}
    assert target.share[~target.in_scope].sum() == 0


def test_unknown_country_lists_the_nearest() -> None:
    with pytest.raises(UsageError, match="Unknown country 'FRX'"):
        make_target(SampleSettings(countries=("FRX",)), COUNTRIES, CODES)


def test_each_split_leaves_the_later_ones_their_share() -> None:
    supply = np.array([30, 10_000, 10_000])
    sizes = {Split.VAL: 300, Split.LOC: 2000, Split.COT: 700}
    target = _target([0.5, 0.3, 0.2])
    none = np.zeros(3, dtype=np.int64)
    found = allocate_split(target, SampleSettings(), supply, supply, sizes, Split.VAL, none)
    assert found.optimum.sum() == 300
    assert found.optimum[0] == 3
    assert found.reserve[0] == 0


def test_frozen_rows_stay_and_are_topped_up() -> None:
    target, supply = _target([0.2, 0.3, 0.5]), np.array([100, 100, 100])
    frozen = np.array([40, 0, 0])
    found = allocate_split(target, SampleSettings(), supply, supply, {Split.LOC: 60}, Split.LOC, frozen)
    assert found.optimum.sum() == 100
    assert found.optimum[0] == 40
    assert found.take[0] == 0
    assert found.take.sum() == 60


def test_reserve_is_rounded_up_and_bounded_by_the_cap() -> None:
    target, supply = _target([0.5, 0.49, 0.01]), np.array([52, 1000, 1000])
    none = np.zeros(3, dtype=np.int64)
    found = allocate_split(target, SampleSettings(reserve=0.1), supply, supply, {Split.LOC: 100}, Split.LOC, none)
    assert found.optimum.tolist() == [50, 49, 1]
    assert found.reserve.tolist() == [2, 5, 1]
