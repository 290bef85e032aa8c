from __future__ import annotations

import doctest
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoseek.cli import evaluate as module
from geoseek.cli.evaluate import table_lines
from tests.endpoints.stub_server import ChatServer, say
from tests.formats.exports import write_export
from tests.support import Run
from tests.training.evaluate.tables import chain, prediction

ROWS = 4
QUICK = ("--no-chains", "--resamples", "100")


def write_predictions(path: Path, *, shift_deg: float = 0.0, with_chain: bool = False, model: str = "stub") -> Path:
    """Write predictions of the export's split val, the last of them unlocatable."""
    rows = []
    for n in range(ROWS):
        row = prediction(n, id=f"pool:val-{n}", answer="Chad", lat=10.25 + n + shift_deg, lng=-20.5 + n, model=model)
        if n == ROWS - 1:
            row = row.model_copy(update={"answer": "Atlantis", "lat": None, "lng": None, "level": "none"})
        if with_chain:
            row = row.model_copy(update={"chain": chain("Chad")})
        rows.append(row.model_dump_json())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def file(workspace: Path) -> Path:
    write_export(workspace / "export")
    return write_predictions(workspace / "runs" / "cpu-smoke" / "predictions" / "val.jsonl")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    running = ChatServer()
    monkeypatch.setenv("GEOSEEK_LLM_URL", running.url)
    monkeypatch.setenv("GEOSEEK_LLM_MODEL", "stub-judge")
    monkeypatch.setenv("GEOSEEK_LLM_KEY", "secret-of-the-stub")
    yield running
    running.close()


def cells(stdout: str, label: str) -> list[str]:
    (line,) = (line for line in stdout.splitlines() if line.startswith(label))
    return line.removeprefix(label).split()


def test_examples_in_the_docs() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.slow
def test_short_form_takes_the_predictions_of_the_recipe(workspace: Path, file: Path, run: Run) -> None:
    done = run("evaluate", *QUICK)
    assert done.returncode == 0, done.stderr
    assert cells(done.stdout, "within 25 km")[:2] == ["75.0", "%"]
    assert cells(done.stdout, "median distance")[:2] == ["0.0", "km"]
    assert cells(done.stdout, "GeoScore 5000·exp(-d / 1492.7)")[0] == "3,750"
    assert cells(done.stdout, "unlocatable") == ["1"]
    assert "what has no coordinates counts as wrong" in done.stdout
    assert "seed 3;" in done.stdout  # that of the workspace
    assert "4 rows read = 4 counted + 0 rejected" in done.stdout
    assert "look at runs/cpu-smoke/evaluation-val/report.html" in done.stdout
    report = (workspace / "runs" / "cpu-smoke" / "evaluation-val" / "report.html").read_text()
    assert "<h1>stub on val</h1>" in report
    again = run("evaluate", *QUICK)
    assert "Up to date: runs/cpu-smoke/evaluation-val" in again.stdout
    assert again.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-1]


@pytest.mark.slow
def test_rows_without_coordinates_are_left_out_only_by_name(file: Path, run: Run) -> None:
    done = run("evaluate", *QUICK, "--denominator", "answered")
    assert cells(done.stdout, "within 25 km")[:2] == ["100.0", "%"]
    assert "Denominator answered" in done.stdout
    assert "evaluation-val-answered" in done.stdout
    wrong = run("evaluate", "--denominator", "answred")
    assert wrong.returncode == 2
    assert "answered" in wrong.stderr


@pytest.mark.slow
def test_several_files_stand_side_by_side(workspace: Path, file: Path, run: Run) -> None:
    other = write_predictions(workspace / "other.jsonl", shift_deg=5, model="far-off")
    done = run("evaluate", file, other, "--split", "val", *QUICK, "-o", "both")
    assert done.returncode == 0, done.stderr
    assert cells(done.stdout.partition("minus")[0], "within 25 km")[0] == "75.0"
    assert "far-off minus stub" in done.stdout
    assert "-75.0 points" in done.stdout
    assert "Holm" in done.stdout
    assert "other.jsonl: 4 rows read" in done.stdout
    assert (workspace / "both" / "report.html").is_file()


def test_csv_with_its_own_truth_needs_no_export(workspace: Path, run: Run) -> None:
    rows = ["id,lat,lng,true_lat,true_lng", "a,1,2,1,2", "b,9,9,1,200", "c,5,5,5,5.1"]
    (workspace / "other.csv").write_text("\n".join(rows))
    done = run("evaluate", "other.csv", *QUICK)
    assert done.returncode == 0, done.stderr
    assert cells(done.stdout, "within 25 km")[:2] == ["100.0", "%"]
    assert "other.csv, 2 rows (bad_truth 1)" in done.stdout
    assert "country right by name" not in done.stdout


@pytest.mark.slow
def test_json_is_all_of_stdout(file: Path, run: Run) -> None:
    done = run("evaluate", *QUICK, "--json", "--seed", "7", "--confidence", "0.9")
    found = json.loads(done.stdout)
    assert found["output"] == "runs/cpu-smoke/evaluation-val"
    assert found["evaluation"]["settings"] == {
        "denominator": "all",
        "resamples": 100,
        "confidence": 0.9,
        "seed": 7,
        "chains": False,
        "chain_threshold": 0.6,
        "embedding_model": None,
    }
    assert found["evaluation"]["sets"][0]["overall"]["estimates"]["accuracy_25km"]["value"] == 0.75
    assert not found["up_to_date"]
    assert json.loads(run("evaluate", *QUICK, "--json", "--seed", "7", "--confidence", "0.9").stdout)["up_to_date"]


@pytest.mark.slow
def test_dry_run_and_quiet(workspace: Path, file: Path, run: Run) -> None:
    planned = run("evaluate", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "written to:" in planned.stdout
    assert json.loads(run("evaluate", "--dry-run", "--json").stdout)["plan"] == planned.stdout.splitlines()
    assert not (workspace / "runs" / "cpu-smoke" / "evaluation-val").exists()
    done = run("evaluate", *QUICK, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (workspace / "runs" / "cpu-smoke" / "evaluation-val" / "evaluation.json").is_file()


@pytest.mark.slow
def test_judge_is_named_by_the_environment(workspace: Path, file: Path, server: ChatServer, run: Run) -> None:
    write_predictions(file, with_chain=True)
    server.usual = say(json.dumps({"supported_steps_of_a": [1], "supported_steps_of_b": [1]}))
    planned = run("evaluate", "--judge", "--dry-run")
    assert "stub-judge" in planned.stdout
    assert not server.asked
    done = run("evaluate", "--judge", "--resamples", "100")
    assert done.returncode == 0, done.stderr
    assert "spent in this run:" in done.stdout
    assert server.asked
    everything = done.stdout + done.stderr + (workspace / "runs/cpu-smoke/evaluation-val/report.html").read_text()
    assert "secret-of-the-stub" not in everything
    assert "judge stub-judge" in everything


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate",), "geoseek infer --split val"),
        (("evaluate", "--split", "loc"), "geoseek infer --split loc"),
        (("evaluate", "--split", "vla"), "did you mean 'val'?"),
        (("evaluate", "a.csv", "--judge"), "GEOSEEK_LLM_URL"),
        (("evaluate", "a.csv", "--resamples", "5"), "resamples"),
        (("evaluate", "a.csv", "--confidence", "1"), "confidence"),
        (("evaluate", "a.csv", "a.csv"), "twice"),
    ],
)
def test_what_is_wrong_is_said(
    workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    for name in ("GEOSEEK_LLM_URL", "GEOSEEK_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    (workspace / "a.csv").write_text("id,lat,lng,true_lat,true_lng\na,1,2,1,2\n")
    done = run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_file_that_is_not_there(workspace: Path, run: Run) -> None:
    done = run("evaluate", "gone.jsonl")
    assert done.returncode == 1
    assert "gone.jsonl" in done.stderr


def test_many_columns_come_in_blocks_and_long_names_in_lines() -> None:
    name = "an organisation/a model with a very long name indeed"
    lines = table_lines(["", name, "b", "c", "d\x1b[2J"], [["rows", "1", "2", "3", "4"]])
    assert [line.split()[0] for line in lines if line.startswith("rows")] == ["rows", "rows"]
    assert max(map(len, lines)) <= 60
    assert " ".join("".join(lines).split()).count("very long") == 1
    assert all(line.isprintable() for line in lines)


def test_table_without_rows_has_no_lines() -> None:
    assert table_lines(["", "a"], []) == []
