from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support import Run


@pytest.fixture
def coordinates(workspace: Path) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"LAT": rng.uniform(46, 48, 500), "LON": rng.uniform(1, 4, 500)})
    table.to_csv(workspace / "set.csv", index=False)
    return table


@pytest.mark.slow
def test_a_csv_of_coordinates_is_enough(run: Run, coordinates: pd.DataFrame, workspace: Path) -> None:
    done = run("audit", "set.csv", "--json")
    assert done.returncode == 0, done.stderr
    (split,) = json.loads(done.stdout)["splits"]
    assert (split["split"], split["size"]) == ("set", 500)
    france = next(stratum for stratum in split["strata"] if stratum["code"] == "FR")
    assert france["achieved"] == 500
    assert split["tv_to_target"] == pytest.approx(1 - france["target_share"], abs=1e-9)
    assert split["tv_best"] is None
    folder = workspace / "work" / "audit" / "set"
    assert {"report.html", "balance.json", "manifest.json", "rejects.parquet"} <= {p.name for p in folder.iterdir()}


def test_nearness_to_a_benchmark_is_measured(run: Run, coordinates: pd.DataFrame, workspace: Path) -> None:
    """The benchmark is every tenth point of the set, moved north by 3 km: within 5 km, not within 1 km of those."""
    benchmark = coordinates.iloc[::10].assign(LAT=lambda t: t["LAT"] + 3 / 111.195)
    benchmark.to_csv(workspace / "bench.csv", index=False)
    done = run("audit", "mine=set.csv", "--against", "bench.csv", "--no-report", "--json")
    assert done.returncode == 0, done.stderr
    (near,) = json.loads(done.stdout)["against"]
    assert (near["file"], near["split"]) == ("bench.csv", "mine")
    assert near["within_1_km"] < near["within_5_km"]
    assert 0.1 <= near["within_5_km"] < near["within_25_km"] <= 1.0


def test_two_sets_are_compared_in_words(run: Run, coordinates: pd.DataFrame, workspace: Path) -> None:
    coordinates.head(100).to_csv(workspace / "other.csv", index=False)
    done = run("audit", "set.csv", "other.csv", "--no-report")
    assert done.returncode == 0, done.stderr
    assert "set" in done.stdout
    assert "other" in done.stdout
    assert "Europe" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "--columns"), ("", "empty"), ("lat,lng\n-45,-120\n", "usable position")],
)
def test_what_cannot_be_audited_is_explained(run: Run, workspace: Path, text: str, words: str) -> None:
    (workspace / "bad.csv").write_text(text)
    done = run("audit", "bad.csv")
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (workspace / "work" / "audit" / "bad" / "report.html").exists()
