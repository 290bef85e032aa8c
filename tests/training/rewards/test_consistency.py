from __future__ import annotations

import doctest
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.geo import Gazetteer
from geoseek.schemas import ChainOfThought, StageName
from geoseek.training.predictions import shared_gazetteer
from geoseek.training.rewards import agent, consistency, log, spec
from geoseek.training.rewards.consistency import (
    StageCheck,
    judge,
    length_factor,
    same_conclusion,
    stage_checks,
    stage_questions,
)
from geoseek.training.rewards.settings import GeoConsistencySettings
from tests.training.rewards.chains import TRUTH, chain


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return shared_gazetteer()


def settings(**changes: Any) -> GeoConsistencySettings:
    return GeoConsistencySettings(**changes)


@pytest.mark.parametrize("module", [agent, consistency, log, spec])
def test_doctests(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


@given(
    st.integers(0, 10_000),
    st.integers(0, 500),
    st.integers(1, 500),
    st.floats(min_value=1e-9, max_value=1e12, allow_nan=False),
)
def test_a_length_factor_is_a_share_for_any_settings(characters: int, short: int, long: int, steepness: float) -> None:
    given_settings = settings(short_chars=short, long_chars=long, steepness=steepness)
    factor = length_factor(characters, given_settings)
    assert 0 <= factor <= 1
    assert factor <= length_factor(characters + 1, given_settings) or short > long


def test_a_stage_is_shown_with_earlier_conclusions_and_never_with_its_own() -> None:
    asked = stage_questions(chain("Peru", "Cusco", "Pisac"))
    assert [question.stage for question in asked.values()] == list(StageName)
    assert asked[StageName.PRECISE].earlier == ((StageName.COUNTRY, "Peru"), (StageName.REGION, "Cusco"))
    for name, question in asked.items():
        own = {"country": "Peru", "region": "Cusco", "precise": "Pisac"}[name.value]
        sent = str(agent.agent_request(question).messages)
        assert own not in sent
        assert question.reasoning in sent
        assert all(earlier in sent for _, earlier in question.earlier)


def test_the_truth_is_wanted_or_the_own_conclusion() -> None:
    own = stage_checks(chain("Chile", None, "Pisac"), TRUTH, settings(against="own"))
    assert [(name, check.wanted, check.above) for name, check in own.items()] == [
        (StageName.COUNTRY, "Chile", ()),
        (StageName.PRECISE, "Pisac", ("Chile",)),
    ]
    true = stage_checks(chain("Chile", "Puno", "Pisac"), TRUTH, settings(against="truth"))
    assert [(check.wanted, check.above) for check in true.values()] == [
        ("Peru", ()),
        ("Cusco", ("Peru",)),
        ("Ollantaytambo", ("Peru", "Cusco")),
    ]


def test_the_stages_keep_their_weights_when_the_region_is_left_out() -> None:
    checks = stage_checks(chain("Peru", None, "Pisac"), TRUTH, settings())
    assert {name: check.weight for name, check in checks.items()} == {StageName.COUNTRY: 0.1, StageName.PRECISE: 0.3}


@pytest.mark.parametrize(
    ("given_chain", "changes", "asked"),
    [
        (chain(reasoning="x" * 89), {}, []),
        (chain(reasoning=f"  {'x' * 89}\n"), {}, []),
        (chain(reasoning="x" * 90), {}, list(StageName)),
        (chain(country=" "), {}, [StageName.REGION, StageName.PRECISE]),
        (chain(), {"stage_weights": (0.0, 1.0, 0.0)}, [StageName.REGION]),
        (chain(reasoning="x" * 300), {"short_chars": 400, "long_chars": 500}, []),
    ],
)
def test_what_can_earn_nothing_is_not_asked(
    given_chain: ChainOfThought, changes: dict[str, Any], asked: list[StageName]
) -> None:
    checks = stage_checks(given_chain, TRUTH, settings(**changes))
    assert [name for name, check in checks.items() if check.question is not None] == asked


@pytest.mark.parametrize(
    ("said", "wanted", "above", "level", "same"),
    [
        ("Germany", "Deutschland", (), "country", True),
        ("德国", "germany", (), "country", True),
        ("USA", "United States of America", (), "country", True),
        ("Germany or Austria", "Germany", (), "country", False),
        ("", "Germany", (), "country", False),
        ("Peru", "Chile", (), "country", False),
        ("Bayern", "Bavaria", ("Germany",), "region", True),
        ("Bavaria, Germany", "Bavaria", ("Germany",), "region", True),
        ("Germany; Bavaria", "Bayern", ("Deutschland",), "region", True),
        ("Saxony, Germany", "Bavaria, Germany", ("Germany",), "region", False),
        ("Germany", "Bavaria", ("Germany",), "region", False),
        ("Guangdong Province", "广东", ("China",), "region", True),
        ("Munich", "München", ("Germany", "Bavaria"), "precise", True),
        ("Marienplatz, Munich", "Munich", ("Germany", "Bavaria"), "precise", True),
        ("深圳市", "Shenzhen", ("China", "Guangdong"), "precise", True),
        ("Nuremberg", "Munich", ("Germany", "Bavaria"), "precise", False),
        ("Shenzhen, Guangdong", "Guangdong, Dongguan", ("China", "Guangdong"), "precise", False),
        ("The old mill", "the  Old Mill", ("Germany", "Bavaria"), "precise", True),
        ("Upper Qwertz", "Lower Qwertz", ("Germany", "Bavaria"), "precise", False),
    ],
)
def test_names_of_one_place_are_the_same_in_any_script(
    gazetteer: Gazetteer, said: str, wanted: str, above: tuple[str, ...], level: str, same: bool
) -> None:
    for one, other in ((said, wanted), (wanted, said)):
        check = StageCheck(None, other, above, 1.0, 1.0)
        assert same_conclusion(one, check, StageName(level), gazetteer) is same


def test_a_completion_earns_its_weights_times_its_factors(gazetteer: Gazetteer) -> None:
    checks = stage_checks(chain("Peru", "Cusco", "Pisac", reasoning="x" * 145), TRUTH, settings())
    said = {StageName.COUNTRY: "Perú", StageName.REGION: "Puno", StageName.PRECISE: "Pisac"}
    value, details = judge(checks, said, gazetteer)
    assert math.isclose(value, 0.1 * 0.5 + 0.3 * 0.5)
    assert details["stages"]["region"] == {"agent": "Puno", "wanted": "Cusco", "agrees": False, "factor": 0.5}
    assert judge(checks, {}, gazetteer)[0] == 0.0


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(list(StageName)))
def test_any_words_can_be_compared(said: str, wanted: str, level: StageName) -> None:
    check = StageCheck(None, wanted, ("Peru",), 1.0, 1.0)
    assert same_conclusion(said, check, level, shared_gazetteer()) in (True, False)
