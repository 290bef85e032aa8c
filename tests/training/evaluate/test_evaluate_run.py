"""`run_evaluate`: from files to files, all or none, and the same every time."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.endpoints import Endpoint
from geoseek.schemas import InputError, OutputError, Split, SubScores, UsageError, ValRecord
from geoseek.training.evaluate import EvaluateRequest, EvaluateSettings, describe_evaluate, run_evaluate
from geoseek.training.evaluate import run as run_module
from tests.endpoints.stub_server import ChatServer, say
from tests.formats.exports import common, write_split
from tests.training.evaluate.tables import chain, prediction, true_row

ROWS = 12
SETTINGS = EvaluateSettings(resamples=100, chains=False)
FILES = {"evaluation.json", "rows.parquet", "rejects.csv", "report.html", "manifest.json", "run-log.json"}


def val_record(n: int) -> ValRecord:
    row = true_row(n)
    names = ("id", "lat", "lng", "country_code", "country", "region", "place")
    return ValRecord(
        **{**common(Split.VAL, n), **{name: getattr(row, name) for name in names}},
        locatability_score=5.0,
        locatability_band=row.band,
        scene_tags=row.tags,
        scene_tags_maybe=(),
        sub_scores=SubScores(),
        main_clues=(),
        ratings=(),
        chain=chain(row.country, row.region, row.place) if n % 2 else None,
        origins=(),
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace with an export, and the predictions of a run."""
    (tmp_path / "geoseek.yaml").touch()
    write_split(tmp_path / "export", Split.VAL, [val_record(n) for n in range(ROWS)], ValRecord, shards=2)
    target = tmp_path / "runs" / "smoke" / "predictions" / "val.jsonl"
    target.parent.mkdir(parents=True)
    target.write_text("".join(f"{prediction(n, chain=chain('Chad')).model_dump_json()}\n" for n in range(ROWS - 1)))
    return tmp_path


def request(workspace: Path, *files: Path, **changed: object) -> EvaluateRequest:
    chosen = files or (workspace / "runs" / "smoke" / "predictions" / "val.jsonl",)
    return EvaluateRequest(workspace, chosen, **{"settings": SETTINGS, **changed})  # type: ignore[arg-type]


def other_model(folder: Path, name: str = "other.csv", truth: bool = False) -> Path:
    path = folder / name
    rows = ["id,answer" + (",true_lat,true_lng,country" if truth else "")]
    for n in range(ROWS):
        row = true_row(n)
        rows.append(f"{row.id},{row.country}" + (f",{row.lat},{row.lng},{row.country}" if truth else ""))
    path.write_text("\n".join([*rows, "elsewhere:7,Peru" + (",,," if truth else "")]))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("run-log.json", ".lock")}


def test_writes_figures_rows_rejects_and_report(workspace: Path) -> None:
    found = run_evaluate(request(workspace))
    assert found.folder == workspace / "runs" / "smoke" / "evaluation-val"
    assert {path.name for path in found.folder.iterdir()} >= FILES
    assert found.evaluation.sets[0].name == "stub"
    assert found.evaluation.truth.rows == ROWS
    rows = pq.read_table(found.folder / "rows.parquet").to_pylist()
    assert [row["outcome"] for row in rows] == ["located"] * (ROWS - 1) + ["missing"]
    assert rows[0]["distance_km"] == 0.0
    assert rows[0]["place_name"] is True
    assert rows[-1]["distance_km"] is None
    manifest = (found.folder / "manifest.json").read_text()
    assert str(workspace) not in manifest + (found.folder / "evaluation.json").read_text()
    assert json.loads(manifest)["truth"]["name"] == "val"


def test_a_second_run_changes_nothing(workspace: Path) -> None:
    folder = run_evaluate(request(workspace)).folder
    before = contents(folder)
    again = run_evaluate(request(workspace))
    assert again.up_to_date
    assert contents(folder) == before
    forced = run_evaluate(request(workspace), force=True)
    assert not forced.up_to_date
    assert contents(folder) == before
    assert forced.evaluation == again.evaluation


@pytest.mark.parametrize("change", ["predictions", "settings", "truth", "damage"])
def test_a_change_makes_it_stale(workspace: Path, change: str) -> None:
    folder = run_evaluate(request(workspace)).folder
    settings = SETTINGS
    if change == "predictions":
        path = workspace / "runs" / "smoke" / "predictions" / "val.jsonl"
        path.write_text("".join(f"{prediction(n).model_dump_json()}\n" for n in range(3)))
    elif change == "truth":
        write_split(workspace / "export", Split.VAL, [val_record(n) for n in range(ROWS)], ValRecord, shards=1)
        for path in (workspace / "export" / "data" / "val").glob("*-of-00002.parquet"):
            path.unlink()
    elif change == "settings":
        settings = SETTINGS.model_copy(update={"seed": 5})
    else:
        (folder / "rows.parquet").write_bytes(b"")
    assert not run_evaluate(request(workspace, settings=settings)).up_to_date


def test_several_files_are_compared(workspace: Path) -> None:
    own = workspace / "runs" / "smoke" / "predictions" / "val.jsonl"
    found = run_evaluate(request(workspace, own, other_model(workspace)))
    assert found.folder.name == "evaluation-smoke-val-vs-other-val"
    assert found.folder.parent == workspace / "runs"
    assert [one.name for one in found.evaluation.sets] == ["stub", "other.csv"]
    assert {one.second for one in found.evaluation.differences} == {"other.csv"}
    with (found.folder / "rejects.csv").open(encoding="utf-8") as file:
        rejects = list(csv.DictReader(file))
    assert [(row["file"], row["line"], row["id"], row["reason"]) for row in rejects] == [
        ("other.csv", str(ROWS + 2), "elsewhere:7", "not_in_truth")
    ]


def test_any_model_with_its_own_truth(workspace: Path) -> None:
    path = other_model(workspace, truth=True)
    found = run_evaluate(request(workspace, path))
    assert found.evaluation.truth.name == "other.csv"
    assert found.evaluation.truth.rejected == {"bad_truth": 1}
    assert found.evaluation.sets[0].overall.estimates["country_name"].value == 1.0
    against_val = run_evaluate(request(workspace, path, split=Split.VAL))
    assert against_val.evaluation.truth.name == "val"
    assert against_val.folder != found.folder


def test_the_named_denominator_has_a_folder_of_its_own(workspace: Path) -> None:
    answered = SETTINGS.model_copy(update={"denominator": "answered"})
    found = run_evaluate(request(workspace, settings=answered))
    assert found.folder.name == "evaluation-val-answered"
    assert found.evaluation.sets[0].overall.estimates["accuracy_1km"].rows == ROWS - 1


def test_sets_of_the_same_model_are_told_apart_by_their_files(workspace: Path) -> None:
    own = workspace / "runs" / "smoke" / "predictions" / "val.jsonl"
    (own.parent / "again.jsonl").write_bytes(own.read_bytes())
    found = run_evaluate(request(workspace, own, own.parent / "again.jsonl"))
    assert [one.name for one in found.evaluation.sets] == [
        "runs/smoke/predictions/val.jsonl",
        "runs/smoke/predictions/again.jsonl",
    ]


def test_requests_that_cannot_be_carried_out(workspace: Path, tmp_path: Path) -> None:
    own = workspace / "runs" / "smoke" / "predictions" / "val.jsonl"
    with pytest.raises(UsageError, match="twice"):
        run_evaluate(request(workspace, own, own))
    with pytest.raises(UsageError, match="no file"):
        run_evaluate(EvaluateRequest(workspace, ()))
    with pytest.raises(InputError, match="no split cot"):
        run_evaluate(request(workspace, split=Split.COT))
    with pytest.raises(OutputError, match="not written by this command"):
        run_evaluate(request(workspace, output=workspace / "export"))


def test_a_failure_leaves_the_result_before(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_evaluate(request(workspace)).folder
    before = contents(folder)

    def fails(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("geoseek.training.evaluate.outputs._write_rows", fails)
    with pytest.raises(OutputError, match="No space"):
        run_evaluate(request(workspace), force=True)
    assert contents(folder) == before


def test_an_interrupted_first_run_does_not_block_the_next(workspace: Path) -> None:
    staging = workspace / "runs" / "smoke" / "evaluation-val" / ".staging"
    staging.mkdir(parents=True)
    (staging / "evaluation.json").write_text("{")
    assert not run_evaluate(request(workspace)).up_to_date
    assert not staging.exists()


def test_a_judge_is_asked_once_and_its_cost_is_told(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ChatServer()
    server.usual = say(json.dumps({"supported_steps_of_a": [1], "supported_steps_of_b": []}))
    try:
        judge = Endpoint(server.url, "judge-1", "secret-key", max_retries=0, backoff_s=0)
        asked = request(workspace, judge=judge, settings=EvaluateSettings(resamples=100))
        found = run_evaluate(asked)
        again = run_evaluate(asked, force=True)
    finally:
        server.close()
    chains = found.evaluation.sets[0].chains
    assert chains is not None
    assert (chains.matched_by, chains.threshold, chains.judged) == ("judge judge-1", None, ROWS // 2 - 1)
    assert found.spent is not None
    assert again.spent is not None
    assert 0 < found.spent.requests <= ROWS // 2 - 1
    assert again.spent.requests == 0
    assert again.evaluation == found.evaluation
    written = b"".join(path.read_bytes() for path in found.folder.iterdir() if path.is_file())
    assert b"secret-key" not in written


def test_dry_run_writes_nothing(workspace: Path) -> None:
    judge = Endpoint("http://127.0.0.1:1", "judge-1", "secret-key")
    words = describe_evaluate(request(workspace, judge=judge, settings=EvaluateSettings()))
    assert "judge-1" in words
    assert "secret-key" not in words
    assert "the split val" in words
    assert not (workspace / "runs" / "smoke" / "evaluation-val").exists()


def test_chains_are_left_out_in_words_without_a_model(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "find_spec", lambda _: None)
    found = run_evaluate(request(workspace, settings=EvaluateSettings(resamples=100)))
    assert found.evaluation.sets[0].chains is None
    assert "geoseek[embeddings]" in found.evaluation.notices[0]


@pytest.mark.slow
def test_chains_are_compared_by_the_installed_model(workspace: Path) -> None:
    found = run_evaluate(request(workspace, settings=EvaluateSettings(resamples=100)))
    chains = found.evaluation.sets[0].chains
    assert chains is not None
    assert (chains.rows, chains.with_chain) == (ROWS // 2, ROWS // 2 - 1)
    # Clue and reasoning agree in every stage that the model has; it concludes "Chad" throughout.
    assert chains.stages["region"].recall.value == 0.0
    assert chains.stages["country"].precision.value is not None
    assert chains.stages["country"].precision.value >= 2 / 3 * (ROWS // 2 - 1) / (ROWS // 2)
    again = run_evaluate(request(workspace, settings=EvaluateSettings(resamples=100)), force=True)
    assert again.evaluation == found.evaluation
