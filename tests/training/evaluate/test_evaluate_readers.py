"""Files of predictions and truth: what is understood, what is rejected, and that nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseek.schemas import InputError
from geoseek.training.evaluate import Outcome, PredictionSet, Tools, TruthTable, read_predictions, read_truth_files
from geoseek.training.evaluate.delimited import assign_roles
from geoseek.training.evaluate.tables import OUTCOMES
from tests.training.evaluate.tables import PLACES, chain, prediction, truth_of


def read(path: Path, truth: TruthTable, tools: Tools) -> PredictionSet:
    return read_predictions(path, truth, where=path.name, gazetteer=tools.gazetteer)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def outcomes(found: PredictionSet) -> list[str]:
    return [OUTCOMES[code].value for code in found.outcome]


def reasons(found: PredictionSet) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason.value) for reject in found.rejects]


def test_json_lines_of_infer(tmp_path: Path, tools: Tools) -> None:
    unlocated = {"lat": None, "lng": None, "level": "none"}
    rows = [
        prediction(3, answer="Atlantis", **unlocated),
        prediction(0, chain=chain("France")),
        prediction(1, answer=None, failure="no_json", **unlocated),
        prediction(2, answer=None, text=None, error="timeout", **unlocated),
    ]
    path = write(tmp_path / "val.jsonl", *(row.model_dump_json() for row in rows))
    truth = truth_of(5, with_chain=True)
    found = read(path, truth, tools)
    assert outcomes(found) == ["located", "unparsable", "error", "unlocatable", "missing"]
    assert found.lat[0] == PLACES[0][4]
    assert np.isnan(found.lat[1:]).all()
    assert found.models == ("stub",)
    assert list(found.chains) == [0]
    assert (found.read, found.counted, len(found.rejects)) == (4, 4, 0)
    assert found.outcomes() == dict.fromkeys((outcome.value for outcome in Outcome), 1)


def test_bad_lines_are_rejected_with_their_reason(tmp_path: Path, tools: Tools) -> None:
    good = prediction(0).model_dump_json()
    strange = prediction(0).model_dump()
    path = tmp_path / "val.jsonl"
    path.write_bytes(
        b"\n".join(
            [
                good.encode(),
                good.encode(),
                b"",
                b'{"id": "pool:00001"',
                b"\xff\xfe",
                json.dumps(strange | {"id": "elsewhere:1"}).encode(),
                json.dumps(strange | {"id": ""}).encode(),
                json.dumps(strange | {"mood": "good"}).encode(),
            ]
        )
    )
    found = read(path, truth_of(2), tools)
    assert reasons(found) == [
        (2, "duplicate_id"),
        (4, "malformed_row"),
        (5, "malformed_row"),
        (6, "not_in_truth"),
        (7, "missing_id"),
        (8, "malformed_row"),
    ]
    assert found.read == found.counted + len(found.rejects) == 7
    assert "mood" in str(found.rejects[-1].detail)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_positions(tmp_path: Path, tools: Tools, delimiter: str) -> None:
    lines = ["ID,Latitude,Lon", "pool:00000,48.9,2.4", "pool:00001, 31.8 ,117.2", "pool:00002,91,0", "pool:00003,,"]
    path = write(tmp_path / "other.csv", *(line.replace(",", delimiter) for line in lines))
    found = read(path, truth_of(5), tools)
    assert outcomes(found) == ["located", "located", "unlocatable", "unparsable", "missing"]
    assert (found.lat[1], found.lng[1]) == (31.8, 117.2)
    assert found.level_counts() == {"coordinates": 2}
    assert not found.has_answers
    assert any("line 4" in notice for notice in found.notices)


def test_csv_of_answers_and_texts(tmp_path: Path, tools: Tools) -> None:
    path = write(
        tmp_path / "other.csv",
        "image_id,prediction",
        'pool:00000,"Paris, France"',
        "pool:00001,中国；安徽省；合肥市",
        "pool:00002,Nowhere at all",
        "pool:00003,",
    )
    found = read(path, truth_of(4), tools)
    assert outcomes(found) == ["located", "located", "unlocatable", "unparsable"]
    assert found.lat[1] == pytest.approx(31.86, abs=0.2)
    texts = write(tmp_path / "texts.csv", "id,text", 'pool:00000,"<think>hm</think> <answer> Peru; ; Lima </answer>"')
    assert read(texts, truth_of(1), tools).answers == ["Peru; ; Lima"]


def test_a_position_in_the_file_comes_before_that_of_the_answer(tmp_path: Path, tools: Tools) -> None:
    path = write(tmp_path / "other.csv", "id,answer,lat,lng", "pool:00000,Peru; ; Lima,48.8,2.3", "pool:00001,Peru,,")
    found = read(path, truth_of(2), tools)
    assert (found.lat[0], found.answers[0], found.levels[0]) == (48.8, "Peru; ; Lima", "coordinates")
    assert found.levels[1] == "country"
    assert any("predicted position" in notice for notice in found.notices)


def test_half_a_position_is_none(tmp_path: Path, tools: Tools) -> None:
    path = write(tmp_path / "other.csv", "id,answer,pred_lat,true_lng", "pool:00000,Peru,1.5,2")
    found = read(path, truth_of(1), tools)
    assert (found.levels, found.answers) == (["country"], ["Peru"])
    with pytest.raises(InputError, match="no column lat and lng"):
        assign_roles(["id", "lat"], where="a.csv")


def test_rows_of_the_wrong_length_and_over_several_lines(tmp_path: Path, tools: Tools) -> None:
    path = write(
        tmp_path / "other.csv", "id,answer", 'pool:00000,"Chad\n\nAbéché"', "pool:00001,Peru,Lima", "pool:00002,Peru"
    )
    found = read(path, truth_of(3), tools)
    assert reasons(found) == [(5, "malformed_row")]
    assert outcomes(found) == ["located", "missing", "located"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("sampel_id,lat,lng", "'sample_id'"),
        ("id,latt,lng", "'lat'"),
        ("id,anser", "'answer'"),
        ("id", "lat and lng, or answer"),
        ("48.1,2.3", "no column id"),
    ],
)
def test_missing_columns_are_named_with_the_nearest(header: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        assign_roles(header.split(","), where="other.csv")
    assert words in str(caught.value)


def test_plain_positions_beside_predicted_ones_are_the_truth() -> None:
    roles = assign_roles(["id", "lat", "lng", "pred_lat", "pred_lon", "country"], where="a.csv")
    assert roles.column == {"id": 0, "lat": 3, "lng": 4, "true_lat": 1, "true_lng": 2, "true_country": 5}
    assert "true position" in roles.notices[0]
    assert not assign_roles(["id", "lat", "lng", "country"], where="a.csv").has_truth


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"x", "none of .jsonl"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"id,answer\n", "has no rows"),
        ("a.csv", b"id,answer\nother:1,Peru\n", "'pool:00000'"),
        ("a.csv", b"id,answer\n\xff\xff,Peru\n", "not UTF-8"),
        ("a.jsonl", b"\n\n", "has no rows"),
        ("a.jsonl", b"null\n", "line 1"),
    ],
)
def test_files_without_a_row_that_counts(tmp_path: Path, tools: Tools, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name, truth_of(1), tools)
    assert words in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path, tools: Tools) -> None:
    with pytest.raises(InputError, match="no file"):
        read(tmp_path / "none.jsonl", truth_of(1), tools)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    lines=st.lists(
        st.binary(max_size=40) | st.sampled_from([b"pool:00000,1,2", b'"pool:00000', b"pool:00001,nan,inf"])
    ),
    suffix=st.sampled_from(["csv", "jsonl"]),
)
def test_whatever_the_bytes_every_row_is_counted_or_rejected(
    tmp_path: Path, tools: Tools, lines: list[bytes], suffix: str
) -> None:
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(b"\n".join([b"id,lat,lng" if suffix == "csv" else b"", *lines]))
    try:
        found = read(path, truth_of(2), tools)
    except InputError:
        return
    assert found.read == found.counted + len(found.rejects)
    assert np.isfinite(found.lat[found.located]).all()


def test_truth_in_the_columns_of_the_files(tmp_path: Path, tools: Tools) -> None:
    first = write(
        tmp_path / "a.csv",
        "id,lat,lng,true_lat,true_lng,country,city",
        "b,1,1,48.86,2.35,France,Paris",
        "a,1,1,31.8,117.2,,",
        "c,1,1,95,0,,",
        "a,1,1,31.8,117.2,,",
    )
    second = write(
        tmp_path / "b.csv", "id,lat,lng,gt_lat,gt_lon", "b,2,2,48.86,2.35", "a,2,2,0,0", "d,2,2,-12.05,-77.03"
    )
    truth = read_truth_files([(first, "a.csv"), (second, "b.csv")], gazetteer=tools.gazetteer, index=tools.index)
    assert truth.ids == ["a", "b", "d"]
    assert truth.country_code == ["CN", "FR", "PE"]
    assert truth.country == ["China", "France", "Peru"]
    assert truth.place == ["", "Paris", ""]
    assert [(reject.file, reject.line, reject.reason.value) for reject in truth.rejects] == [
        ("a.csv", 4, "bad_truth"),
        ("a.csv", 5, "duplicate_id"),
        ("b.csv", 3, "bad_truth"),
    ]


def test_truth_that_is_not_there(tmp_path: Path, tools: Tools) -> None:
    plain = write(tmp_path / "a.csv", "id,lat,lng", "b,1,1")
    with pytest.raises(InputError, match="no columns with the true position"):
        read_truth_files([(plain, "a.csv")], gazetteer=tools.gazetteer, index=tools.index)
    empty = write(tmp_path / "b.csv", "id,answer,true_lat,true_lng", "b,Peru,,")
    with pytest.raises(InputError, match="no row with a true position"):
        read_truth_files([(empty, "b.csv")], gazetteer=tools.gazetteer, index=tools.index)
