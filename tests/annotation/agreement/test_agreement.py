"""Figures of agreement on annotations by people whose error rates are known."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from geoseek.annotation.agreement import (
    AgreementFigures,
    SampleTruth,
    agreement,
    agreement_lines,
    open_existing_ledger,
    read_truth,
)
from geoseek.annotation.agreement.raters import MIN_TRIALS, leave_one_out
from geoseek.annotation.ledger import AnnotationState, Decision, Ledger, Verdict
from geoseek.cli.annotate.agreement import agreement as agreement_command
from geoseek.geo import Gazetteer, load_gazetteer
from geoseek.schemas import InputError, Member, Split, arrow_schema
from tests.annotation.agreement.generator import Person, World, fill_ledger, make_world

pytestmark = pytest.mark.xdist_group("gazetteer")


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return load_gazetteer()


CAREFUL = [Person(f"careful {number}") for number in range(5)]
SLOPPY = Person("sloppy", wrong=0.6, half_filled=0.5, seconds=20.0)


@pytest.fixture(scope="module")
def planted() -> World:
    return make_world([*CAREFUL, SLOPPY], samples=150, overlap=2, seed=4)


@pytest.fixture(scope="module")
def figures(planted: World, gazetteer: Gazetteer) -> AgreementFigures:
    return agreement(planted.rows, planted.truth, gazetteer=gazetteer)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, float):
        yield value


def test_people_who_never_err_agree_perfectly_in_any_language(gazetteer: Gazetteer) -> None:
    world = make_world(CAREFUL, samples=40, overlap=3, seed=1)
    found = agreement(world.rows, world.truth, gazetteer=gazetteer)
    for level in found.levels:
        assert level.same.value == level.alpha.value == level.kappa.value == 1.0, level
        assert level.clues.value == 1.0
        assert level.same.items == 40
    assert found.spread.max_km == 0.0
    assert found.score.kappa.value == found.score.alpha.value == 1.0
    assert found.score.mean_difference.value == 0.0
    assert {tag.kappa.value for tag in found.tags} == {tag.alpha_ordered.value for tag in found.tags} == {1.0}
    assert not found.disputes
    assert all(one.accuracy.value == 1.0 and not one.outlier for one in found.annotators)


def test_guessing_at_random_agrees_as_chance_would(gazetteer: Gazetteer) -> None:
    # Wrong answers are drawn from the nine other places: at a rate of 0.9 every place is as likely.
    world = make_world([Person(str(n), wrong=0.9) for n in range(6)], samples=400, overlap=3, seed=2, translate=False)
    found = agreement(world.rows, world.truth, gazetteer=gazetteer)
    precise = found.levels[2]
    assert precise.alpha.value == pytest.approx(0.0, abs=0.06)
    assert precise.kappa.value == pytest.approx(0.0, abs=0.06)
    assert not any(one.outlier for one in found.annotators)


def test_the_planted_outlier_is_found_and_nobody_else(figures: AgreementFigures) -> None:
    outliers = {one.name: one.outlier for one in figures.annotators if one.outlier}
    assert set(outliers) == {"sloppy"}
    assert set(outliers["sloppy"]) == {
        "agreement country",
        "agreement region",
        "agreement precise",
        "accuracy",
        "complete",
    }


def test_the_figures_of_an_annotator(figures: AgreementFigures, planted: World) -> None:
    sloppy = next(one for one in figures.annotators if one.name == "sloppy")
    own = [row for row in planted.rows if row.annotator == "sloppy"]
    right = 0
    for row in own:
        assert row.annotation is not None
        assert row.annotation.chain is not None
        place = planted.truth[row.sample_id]
        said = load_gazetteer().locate(row.annotation.chain.country.conclusion).country_code
        right += said == place.country_code
    assert sloppy.annotations == sloppy.shared == len(own)
    assert sloppy.accuracy.value == right / len(own)
    assert sloppy.accuracy.others == 1.0
    assert sloppy.half_filled_share == sum(bool(row.problems) for row in own) / len(own)
    assert sloppy.median_lead_time_s == 20.0
    # The others never err, so they agree with sloppy exactly where sloppy is right.
    assert sloppy.agreement["country"].value == pytest.approx(right / len(own))
    assert sloppy.agreement["country"].others == 1.0


def test_disputes_are_the_photos_where_somebody_erred(figures: AgreementFigures, planted: World) -> None:
    wrong = {
        row.sample_id
        for row in planted.rows
        if row.annotation is not None
        and row.annotation.chain is not None
        and load_gazetteer().locate(row.annotation.chain.country.conclusion).country_code
        != planted.truth[row.sample_id].country_code
    }
    disputed = {sample.sample_id for sample in figures.disputes}
    assert disputed == wrong
    distances = [sample.median_km or 0.0 for sample in figures.disputes]
    assert distances == sorted(distances, reverse=True)


def test_the_order_of_the_annotations_does_not_matter(
    figures: AgreementFigures, planted: World, gazetteer: Gazetteer
) -> None:
    rows = list(planted.rows)
    random.Random(9).shuffle(rows)  # noqa: S311 - any order will do
    assert agreement(rows, planted.truth, gazetteer=gazetteer) == figures


def test_nothing_is_ever_nan_and_all_of_it_is_json(figures: AgreementFigures, gazetteer: Gazetteer) -> None:
    for found in (figures, agreement([], {}, gazetteer=gazetteer)):
        text = json.dumps(found.to_json(), allow_nan=False)
        assert all(math.isfinite(value) for value in _numbers(json.loads(text)))


def test_no_annotations_and_single_ones_have_reasons_for_every_gap(gazetteer: Gazetteer) -> None:
    world = make_world(CAREFUL, samples=8, overlap=1, seed=3)
    for rows in ([], world.rows):
        found = agreement(rows, world.truth, gazetteer=gazetteer)
        for level in found.levels:
            for figure in (level.same, level.alpha, level.kappa, level.clues, level.clues_fuzzy, level.clues_meaning):
                assert figure.value is None
                assert figure.reason
        assert found.spread.median_km is None
        assert agreement_lines(found)


def test_only_submitted_work_counts_in_the_words_of_its_author(planted: World, gazetteer: Gazetteer) -> None:
    edited = [
        replace(row, annotation=None, replaced=row.annotation, decision=Decision(row.id, 1, Verdict.EDITED, "lead"))
        for row in planted.rows
    ]
    found = agreement(edited, planted.truth, gazetteer=gazetteer)
    assert found == agreement(planted.rows, planted.truth, gazetteer=gazetteer)
    for state in (AnnotationState.SKIPPED, AnnotationState.DELETED, AnnotationState.QUARANTINED):
        others = [replace(row, state=state) for row in planted.rows]
        assert agreement(others, planted.truth, gazetteer=gazetteer).annotations == 0


def test_of_two_annotations_of_one_photo_by_one_person_the_last_counts(planted: World, gazetteer: Gazetteer) -> None:
    row = planted.rows[0]
    assert row.annotation is not None
    later = replace(
        row,
        id="later",
        updated_at="2027-01-01T00:00:00+00:00",
        annotation=row.annotation.model_copy(update={"locatability_score": None, "scene_tags": {}, "chain": None}),
    )
    found = agreement([later, *planted.rows], planted.truth, gazetteer=gazetteer)
    assert found.annotations == len(planted.rows)
    assert found.levels[0].same.items == 149


def test_leaving_one_out_compares_with_pairs_of_the_others() -> None:
    items = [{"ana": "x", "ben": "x", "cem": "y"}, {"ben": "x", "cem": "x"}]
    shares = leave_one_out(items)
    assert (shares["ana"].value, shares["ana"].others) == (0.5, 0.5)  # ben and cem: apart once, together once
    assert (shares["cem"].value, shares["cem"].others) == (0.5, 1.0)  # 0 of 2, then 1 of 1; ana and ben agree
    assert not shares["cem"].outlier, f"fewer than {MIN_TRIALS} photos"


def test_overlap_by_meaning_is_there_when_it_can_be_had(planted: World, gazetteer: Gazetteer) -> None:
    found = agreement(
        planted.rows,
        planted.truth,
        gazetteer=gazetteer,
        encode=lambda texts: np.eye(len(texts), dtype=np.float32),
        embedding="one-hot",
    )
    assert found.embedding == "one-hot"
    assert found.levels[0].clues_meaning.value == pytest.approx(1.0)


def test_names_of_annotators_cannot_steer_the_terminal(gazetteer: Gazetteer) -> None:
    world = make_world([Person("\x1b[2Jana"), Person("ben")], samples=12, overlap=2, seed=1)
    assert "\x1b" not in "\n".join(agreement_lines(agreement(world.rows, world.truth, gazetteer=gazetteer)))


def _write_members(path: Path, world: World) -> None:
    path.parent.mkdir(parents=True)
    columns: dict[str, list[Any]] = {field.name: [None] * len(world.truth) for field in arrow_schema(Member)}
    columns["id"] = list(world.truth)
    for name in ("country_code", "lat", "lng"):
        columns[name] = [getattr(where, name) for where in world.truth.values()]
    table = pa.table({f.name: pa.array(columns[f.name], f.type) for f in arrow_schema(Member)})
    pq.write_table(table, path)


@pytest.fixture
def workspace(tmp_path: Path, planted: World) -> Path:
    (tmp_path / "geoseek.yaml").write_text("seed: 1\n")
    _write_members(tmp_path / "work" / "images" / "members.parquet", planted)
    with Ledger(tmp_path / "work" / "annotation") as ledger:
        fill_ledger(ledger, planted, open_share=0.0, seed=1)
    return tmp_path


def test_truth_is_read_from_the_members(workspace: Path, planted: World) -> None:
    assert read_truth(workspace) == planted.truth
    (workspace / "work" / "images" / "members.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"members\.parquet is not a table of samples"):
        read_truth(workspace)


def test_a_ledger_is_never_made_by_looking_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was annotated yet"):
        open_existing_ledger(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_a_table_and_json(workspace: Path) -> None:
    app = typer.Typer()
    app.command()(agreement_command)
    table = CliRunner().invoke(app, ["--workspace", str(workspace), "--no-embeddings"])
    assert table.exit_code == 0, table.output
    assert "! sloppy: names the right country in" in table.stdout
    found = CliRunner().invoke(app, ["--workspace", str(workspace), "--json", "--split", "val", "--no-embeddings"])
    figures = json.loads(found.stdout)
    assert figures["levels"][0]["level"] == "country"
    assert figures["levels"][0]["clues_meaning"] == {
        "items": 0,
        "method": None,
        "reason": "not asked for (--no-embeddings)",
        "value": None,
    }
    none = CliRunner().invoke(app, ["--workspace", str(workspace), "--json", "--split", "cot", "--no-embeddings"])
    assert json.loads(none.stdout)["annotations"] == 0


def test_samples_of_other_splits_are_other_photos(gazetteer: Gazetteer) -> None:
    world = make_world(CAREFUL[:2], samples=10, overlap=2, seed=1)
    split = [replace(row, split=Split.COT if row.annotator == "careful 0" else Split.VAL) for row in world.rows]
    assert agreement(split, world.truth, gazetteer=gazetteer).shared_items == 0


def test_truth_of_another_country_makes_every_answer_wrong(gazetteer: Gazetteer) -> None:
    world = make_world(CAREFUL, samples=20, overlap=1, seed=1)
    nowhere = {key: SampleTruth("TV", -8.5, 179.2) for key in world.truth}
    found = agreement(world.rows, nowhere, gazetteer=gazetteer)
    assert {one.accuracy.value for one in found.annotators} == {0.0}
    assert all(one.median_error_km and one.median_error_km > 1000 for one in found.annotators)
