"""`geoseek sample` through the real command line: the flow, then what users get wrong."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from geoseek.cli.main import app
from tests.support import Run


def _candidates(rows: int = 3000, seed: int = 0, prefix: str = "p") -> pd.DataFrame:
    """Scatter candidates over France, Germany and Italy."""
    rng = np.random.default_rng(seed)
    centers = np.array([(47.0, 2.5), (51.0, 10.0), (43.0, 12.5)])[rng.integers(0, 3, rows)]
    position = centers + rng.uniform(-0.8, 0.8, (rows, 2))
    return pd.DataFrame({"id": [f"{prefix}{i}" for i in range(rows)], "lat": position[:, 0], "lng": position[:, 1]})


@pytest.fixture
def pool(workspace: Path) -> Path:
    path = workspace / "pool.csv"
    _candidates().to_csv(path, index=False)
    return path


SMALL = ("--sizes", "val=20,loc=100,cot=50")


def test_main_line_with_a_pool_writes_everything(run: Run, pool: Path, workspace: Path) -> None:
    done = run("sample", "--weights", "population,area,roads", "--pool", pool, *SMALL)
    assert done.returncode == 0, done.stderr
    folder = workspace / "work" / "samples"
    names = {path.name for path in folder.iterdir()}
    assert {"val.parquet", "loc.parquet", "cot.parquet", "reserve.parquet", "rejects.parquet"} <= names
    assert {"manifest.json", "balance.json", "report.html", "map.png"} <= names
    assert pq.read_metadata(folder / "loc.parquet").num_rows == 100
    assert "loc" in done.stdout
    assert "report.html" in done.stdout
    again = run("sample", "--weights", "population,area,roads", "--pool", pool, *SMALL)
    assert "Up to date" in again.stdout


def test_json_is_all_there_is_on_stdout(run: Run, pool: Path) -> None:
    done = run("sample", "--pool", pool, *SMALL, "--no-report", "--json")
    figures = json.loads(done.stdout)
    assert [split["size"] for split in figures["splits"]] == [20, 100, 50]
    assert figures["read"] == 3000


def test_quiet_is_silent(run: Run, pool: Path) -> None:
    done = run("sample", "--pool", pool, *SMALL, "--no-report", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")


def test_dry_run_writes_nothing(run: Run, pool: Path, workspace: Path) -> None:
    done = run("sample", "--pool", f"mine={pool}", *SMALL, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "mine: csv" in done.stdout
    assert not (workspace / "work").exists()


def test_pools_of_the_workspace_are_found_from_anywhere(run: Run, pool: Path, workspace: Path) -> None:
    (workspace / "geoseek.yaml").write_text("sample:\n  pools: [pool.csv]\n  sizes: {val: 5, loc: 10, cot: 5}\n")
    deeper = workspace / "a" / "b"
    deeper.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "geoseek", "sample", "--no-report"],
        cwd=deeper,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (workspace / "work" / "samples" / "loc.parquet").exists()


def _bad_inputs(folder: Path) -> dict[str, tuple[tuple[str, ...], int, str]]:
    good = _candidates(50)
    (folder / "empty.csv").touch()
    (folder / "header.csv").write_text("id,lat,lng\n")
    (folder / "latin.csv").write_bytes("id,lat,lng,name\n1,48.1,2.1,Orl\xe9ans\n".encode("latin-1"))
    good.rename(columns={"lat": "a", "lng": "b"}).to_csv(folder / "nocoord.csv", index=False)
    good.to_parquet(folder / "whole.parquet")
    (folder / "cut.parquet").write_bytes((folder / "whole.parquet").read_bytes()[:-500])
    good.assign(lat=1e300, lng=-1e300).to_csv(folder / "huge.csv", index=False)
    good.to_csv(folder / "good.csv", index=False)
    (folder / "file").touch()
    size = ("--sizes", "val=1,loc=1,cot=1")
    return {
        "empty file": (("--pool", "empty.csv"), 1, "empty"),
        "header only": (("--pool", "header.csv"), 1, "header.csv"),
        "wrong encoding": (("--pool", "latin.csv", *size), 1, "--encoding"),
        "truncated parquet": (("--pool", "cut.parquet"), 1, "cut.parquet"),
        "no coordinate columns": (("--pool", "nocoord.csv"), 1, "--columns"),
        "huge coordinates": (("--pool", "huge.csv", *size), 2, "0 candidates"),
        "no such pool": (("--pool", "nowhere.csv"), 1, "nowhere.csv"),
        "more than the pool": (("--pool", "good.csv", "--sizes", "loc=500"), 2, "rows are asked for"),
        "all sizes zero": (("--pool", "good.csv", "--sizes", "val=0,loc=0,cot=0"), 2, "Nothing to draw"),
        "negative size": (("--pool", "good.csv", "--sizes", "loc=-5"), 2, "loc=-5"),
        "negative weight": (("--pool", "good.csv", "--weights", "roads=-1,area=2"), 2, "roads"),
        "weights sum to 0": (("--pool", "good.csv", "--weights", "roads=0,area=0"), 2, "0"),
        "unknown weight": (("--pool", "good.csv", "--weights", "raods"), 2, "area, population, roads"),
        "unknown split": (("--pool", "good.csv", "--split", "train"), 2, "val"),
        "unknown country": (("--pool", "good.csv", "--countries", "FRX"), 2, "FRX"),
        "no country left": (("--pool", "good.csv", "--countries", "FR", "--exclude", "FR"), 2, "No country"),
        "country without candidates": (("--pool", "good.csv", "--countries", "JP", *size), 2, "0 candidates"),
        "infeasible minimum": (
            ("--pool", "good.csv", "--sizes", "val=1,loc=4,cot=1", "--min-per-country", "3", "--no-report"),
            2,
            "min-per-country",
        ),
        "infeasible share": (
            ("--pool", "good.csv", "--sizes", "val=2,loc=10,cot=2", "--max-share", "0.1", "--no-report"),
            2,
            "max-share",
        ),
        "output is a file": (("--pool", "good.csv", *size, "--output", "file"), 1, "file"),
        "unknown imputation": (("--pool", "good.csv", "--impute-missing", "roads=magic"), 2, "median-density"),
        "pool shares above 1": (("--pool", "a=good.csv:0.7", "--pool", "b=good.csv:0.7"), 2, "1.4"),
        "two pools of one name": (("--pool", "good.csv", "--pool", "good.csv"), 2, "called 'good'"),
        "unreadable design": (("--design", "none.yaml"), 1, "none.yaml"),
        "bad distance": (("--pool", "good.csv", "--avoid", "good.csv:-3"), 2, "--avoid"),
    }


def test_bad_input_is_explained(workspace: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    monkeypatch.chdir(workspace)
    for case, (arguments, code, words) in _bad_inputs(workspace).items():
        with subtests.test(case):
            done = CliRunner().invoke(app, ["sample", *arguments])
            assert done.exit_code == code, done.output
            assert "Traceback" not in done.stderr
            assert words in " ".join(done.stderr.split())
            assert not list(workspace.glob("work/samples/*.parquet"))


def test_ids_that_are_numbers_in_one_file_and_text_in_another(run: Run, workspace: Path) -> None:
    frame = _candidates(400)
    (workspace / "mixed").mkdir()
    frame.iloc[:200].assign(id=range(200)).to_parquet(workspace / "mixed" / "a.parquet")
    frame.iloc[200:].assign(id=[str(i) for i in range(200, 400)]).to_parquet(workspace / "mixed" / "b.parquet")
    done = run("sample", "--pool", "mixed", "--sizes", "val=5,loc=40,cot=5", "--no-report", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] == 400
    ids = pq.read_table(workspace / "work" / "samples" / "loc.parquet")["source_id"].to_pylist()
    assert all(identity.isdigit() for identity in ids)


def test_antimeridian_and_poles(run: Run, workspace: Path) -> None:
    rows = [("fiji-e", -16.8, 179.95), ("fiji-w", -16.8, -179.95), ("line", 66.5, 180.0), ("line2", 66.5, -180.0)]
    rows += [("north", 90.0, 0.0), ("south", -90.0, 0.0)]
    pd.DataFrame(rows, columns=["id", "lat", "lng"]).to_csv(workspace / "edge.csv", index=False)
    arguments = ("--pool", "edge.csv", "--sizes", "val=0,loc=4,cot=0", "--no-report", "--json")
    done = run("sample", *arguments)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["read"], figures["kept"], figures["rejects"]) == (6, 5, {"not_on_land": 1})
    table = pq.read_table(workspace / "work" / "samples" / "loc.parquet").to_pandas().set_index("source_id")
    assert table.loc[["fiji-e", "fiji-w", "line", "line2"], "country_code"].tolist() == ["FJ", "FJ", "RU", "RU"]
    assert (table["lng"] < 180).all()


@pytest.mark.slow
def test_markup_in_ids_and_names_is_escaped(run: Run, workspace: Path) -> None:
    frame = _candidates(60)
    frame["id"] = [f"<script>alert({i})</script>" for i in range(60)]
    frame.to_csv(workspace / "x.csv", index=False)
    done = run("sample", "--pool", "x.csv", "--sizes", "val=5,loc=20,cot=5")
    assert done.returncode == 0, done.stderr
    assert "<script" not in (workspace / "work" / "samples" / "report.html").read_text()
    ids = pq.read_table(workspace / "work" / "samples" / "loc.parquet")["source_id"].to_pylist()
    assert all(identity.startswith("<script>") for identity in ids)


@pytest.mark.slow
def test_a_file_size_limit_leaves_the_old_output(run: Run, pool: Path, workspace: Path) -> None:
    """A write that the system refuses in the middle, for real."""
    assert run("sample", "--pool", pool, *SMALL, "--no-report").returncode == 0
    before = {p.name: p.read_bytes() for p in (workspace / "work" / "samples").iterdir()}

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = run("sample", "--pool", pool, *SMALL, "--seed", "9", "--no-report", preexec_fn=limit)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert {p.name: p.read_bytes() for p in (workspace / "work" / "samples").iterdir() if p.is_file()} == before


def test_unwritable_output_is_explained(run: Run, pool: Path) -> None:
    done = run("sample", "--pool", pool, *SMALL, "--output", "/proc/geoseek")
    assert done.returncode == 1
    assert "Cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def _start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "geoseek", "sample", *arguments],
        cwd=workspace,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


@pytest.mark.slow
def test_interrupt_leaves_no_output_and_the_rerun_finishes(run: Run, workspace: Path) -> None:
    (workspace / "parts").mkdir()
    for number in range(30):
        _candidates(20_000, number, prefix=f"{number}-").to_csv(workspace / "parts" / f"{number:02d}.csv", index=False)
    arguments = ("--pool", "parts", *SMALL, "--no-report", "--workers", "1")
    process = _start(workspace, *arguments)
    samples = workspace / "work" / "samples"
    while process.poll() is None and not list(samples.glob(".frame-*/part-*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in words
    assert "Traceback" not in words
    assert not list(samples.glob("*.parquet"))
    assert run("sample", *arguments).returncode == 0
    assert pq.read_metadata(samples / "loc.parquet").num_rows == 100


def _result(folder: Path) -> dict[str, bytes]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return {name: (folder / name).read_bytes() for name in ("manifest.json", *manifest["outputs"])}


@pytest.mark.slow
def test_kill_9_anywhere_then_rerun_gives_the_same_bytes(run: Run, workspace: Path) -> None:
    """25 kills at random moments: after each, the output is absent or whole, and the rerun's bytes never differ."""
    (workspace / "parts").mkdir()
    for number in range(8):
        _candidates(20_000, number, prefix=f"{number}-").to_csv(workspace / "parts" / f"{number}.csv", index=False)
    arguments = ("--pool", "parts", *SMALL, "--no-report")
    start = time.monotonic()
    assert run("sample", *arguments, "--output", "whole").returncode == 0
    duration = time.monotonic() - start
    whole = {
        p.name: p.read_bytes()
        for p in (workspace / "whole").iterdir()
        if p.suffix == ".parquet" or p.name == "manifest.json"
    }
    rng = np.random.default_rng(5)
    for trial in range(25):
        process = _start(workspace, *arguments, "--output", "killed", *(("--force",) if trial % 2 else ()))
        time.sleep(rng.uniform(0.1, 1.0) * duration)
        process.kill()
        process.communicate()
    assert run("sample", *arguments, "--output", "killed").returncode == 0
    killed = {
        p.name: p.read_bytes()
        for p in (workspace / "killed").iterdir()
        if p.suffix == ".parquet" or p.name == "manifest.json"
    }
    assert killed == whole
