"""The evaluation as a whole, on tables: groups, names, positions, and what it does not depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoseek.schemas import UsageError
from geoseek.training.evaluate import (
    EvaluateSettings,
    Evaluation,
    Outcome,
    PredictionSet,
    Tools,
    TruthTable,
    chain_table,
    difference_table,
    evaluate,
    headline_table,
    outcome_table,
    read_predictions,
    truth_table,
)
from geoseek.training.evaluate.names import check_names, check_positions
from geoseek.training.evaluate.tables import RIGHT, UNKNOWN, WRONG
from tests.training.evaluate.tables import PLACES, prediction, true_row, truth_of

SETTINGS = EvaluateSettings(resamples=200)
ROWS = 48


def predictions(folder: Path, tools: Tools, truth: TruthTable, name: str = "one", seed: int = 0) -> PredictionSet:
    """Return a set of which a fourth names the right country only, an eighth is unparsable, and one row is missing."""
    rows = []
    random = np.random.default_rng(seed)
    for n in random.permutation(ROWS - 1).tolist():
        row = prediction(n)
        if n % 8 == 1:
            row = prediction(n, answer=None, lat=None, lng=None, level="none", failure="no_json")
        elif n % 4 == seed:
            place = tools.gazetteer.locate(true_row(n).country)
            row = prediction(n, answer=true_row(n).country, lat=place.lat, lng=place.lng, level=place.level.value)
        rows.append(row.model_dump_json())
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(rows))
    return replace(read_predictions(path, truth, where=path.name, gazetteer=tools.gazetteer), name=name)


@pytest.fixture
def evaluation(tmp_path: Path, tools: Tools) -> Evaluation:
    truth = truth_of(ROWS)
    sets = [predictions(tmp_path, tools, truth, name, seed) for seed, name in enumerate(("one", "two"))]
    return evaluate(sets, truth, SETTINGS, tools).evaluation


def test_every_row_has_one_outcome_in_every_grouping(evaluation: Evaluation) -> None:
    for one in evaluation.sets:
        for groups in ((one.overall,), one.bands, one.continents, one.countries):
            assert sum(group.rows for group in groups) == ROWS
            assert all(sum(group.outcomes.values()) == group.rows for group in groups)
        assert one.overall.outcomes[Outcome.MISSING] == 1
        assert one.overall.outcomes[Outcome.UNPARSABLE] == ROWS // 8


def test_groups_have_their_names_and_order(evaluation: Evaluation) -> None:
    first = evaluation.sets[0]
    assert [group.name for group in first.bands] == ["low", "high", "not rated"]
    assert [(group.name, group.rows) for group in first.tags] == [("sign", 32), ("weather", 16)]
    assert {group.label for group in first.continents} == {"Africa", "Asia", "Europe", "South America"}
    assert {group.label for group in first.countries} == {country for _, country, *_ in PLACES}


def test_shares_of_names_are_those_that_were_planted(evaluation: Evaluation) -> None:
    found = evaluation.sets[0].overall.estimates
    unparsable, missing, country_only = ROWS // 8, 1, ROWS // 4
    located = ROWS - unparsable - missing
    assert found["country_name"].value == pytest.approx(located / ROWS)
    assert found["place_name"].value == pytest.approx((located - country_only) / ROWS)
    assert found["country_position"].value == pytest.approx(located / ROWS)
    assert evaluation.sets[0].levels == {"country": country_only, "place": located - country_only}


def test_the_other_denominator_shows_in_every_figure(tmp_path: Path, tools: Tools) -> None:
    truth = truth_of(ROWS)
    answered = SETTINGS.model_copy(update={"denominator": "answered"})
    found = evaluate([predictions(tmp_path, tools, truth)], truth, answered, tools).evaluation.sets[0]
    located = ROWS - ROWS // 8 - 1
    assert found.overall.estimates["accuracy_2500km"].rows == located
    assert found.overall.estimates["country_name"].value == 1.0
    assert found.curve[-1].share == 1.0


def test_curve_and_worst_rows_go_with_the_figures(evaluation: Evaluation) -> None:
    one = evaluation.sets[0]
    shares = [point.share for point in one.curve]
    assert shares == sorted(shares)
    assert shares[-1] == 1 - (ROWS // 8 + 1) / ROWS
    errors = [row.distance_km for row in one.worst]
    assert errors == sorted(errors, reverse=True)
    assert one.worst[0].answer in {country for _, country, *_ in PLACES}


def test_figures_do_not_depend_on_other_sets_or_on_the_order_of_rows(tmp_path: Path, tools: Tools) -> None:
    shuffled = truth_table("val", [true_row(n) for n in reversed(range(ROWS))])
    truth = truth_of(ROWS)
    assert list(shuffled.ids) == list(truth.ids)
    one, two = (predictions(tmp_path, tools, truth, name, seed) for seed, name in enumerate(("one", "two")))
    alone = evaluate([one], truth, SETTINGS, tools).evaluation
    assert alone.sets == evaluate([two, one], truth, SETTINGS, tools).evaluation.sets[1:]
    assert alone.differences == ()
    other_seed = evaluate([one], truth, SETTINGS.model_copy(update={"seed": 1}), tools).evaluation
    assert other_seed.sets[0].overall.estimates["mean_km"].low != alone.sets[0].overall.estimates["mean_km"].low
    assert other_seed.sets[0].overall.estimates["mean_km"].value == alone.sets[0].overall.estimates["mean_km"].value


def test_sets_without_answers_have_no_names(tmp_path: Path, tools: Tools) -> None:
    path = tmp_path / "positions.csv"
    path.write_text("id,lat,lng\npool:00000,48.9,2.3\n")
    truth = truth_of(4)
    found = read_predictions(path, truth, where=path.name, gazetteer=tools.gazetteer)
    figures = evaluate([found], truth, SETTINGS, tools).evaluation.sets[0].overall.estimates
    assert figures["country_name"].value is None
    assert figures["country_position"].value == 0.25


def test_nothing_to_evaluate(tools: Tools, tmp_path: Path) -> None:
    truth = truth_of(ROWS)
    with pytest.raises(UsageError):
        evaluate([], truth, SETTINGS, tools)
    one = predictions(tmp_path, tools, truth)
    with pytest.raises(UsageError):
        evaluate([one, one], truth, SETTINGS, tools)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("中国；安徽省；合肥市", (RIGHT, RIGHT, RIGHT)),
        ("Китай; Аньхой; Хэфэй", (RIGHT, RIGHT, RIGHT)),
        ("China; ; Hefei", (RIGHT, RIGHT, RIGHT)),
        ("China; Anhui", (RIGHT, RIGHT, WRONG)),
        ("Japan; Anhui; Hefei", (WRONG, WRONG, WRONG)),
        ("", (WRONG, WRONG, WRONG)),
        (None, (WRONG, WRONG, WRONG)),
    ],
)
def test_names_match_in_any_script(tools: Tools, answer: str | None, expected: tuple[int, ...]) -> None:
    truth = truth_table("val", [true_row(1)])
    assert tuple(int(codes[0]) for codes in check_names(tools.gazetteer, truth, [answer])) == expected


def test_names_that_the_truth_lacks_are_not_held_against_anyone(tools: Tools) -> None:
    truth = truth_table("val", [true_row(0)._replace(region="", place="")])
    found = [int(codes[0]) for codes in check_names(tools.gazetteer, truth, ["France; Île-de-France; Paris"])]
    assert found == [RIGHT, UNKNOWN, UNKNOWN]


def test_positions_in_the_country_at_its_coast_and_at_sea(tools: Tools) -> None:
    rows = [true_row(0)._replace(id=str(n)) for n in range(4)]
    truth = truth_table("val", [*rows, true_row(0)._replace(id="4", country_code="")])
    said = PredictionSet(
        "one",
        "one.csv",
        np.zeros(5, dtype=np.int8),
        np.array([48.0, 43.27, 45.0, 40.4, 48.0]),  # inland, 5 km off Marseille, Atlantic, Madrid, no true country
        np.array([3.0, 5.32, -20.0, -3.7, 3.0]),
        [None] * 5,
        [""] * 5,
    )
    assert check_positions(tools.index, truth, said).tolist() == [RIGHT, RIGHT, WRONG, WRONG, UNKNOWN]


def test_tables_for_the_terminal(evaluation: Evaluation) -> None:
    header, rows = headline_table(evaluation)
    assert header == ["", "one", "two"]
    assert rows[0][0] == "within 1 km"
    assert rows[0][1].endswith(")")
    header, rows = outcome_table(evaluation)
    assert [row[0] for row in rows] == [outcome.value for outcome in Outcome]
    header, rows = difference_table(evaluation)
    assert header == ["", "two minus one"]
    assert any("p = " in row[1] for row in rows)
    assert chain_table(evaluation)[1] == []
