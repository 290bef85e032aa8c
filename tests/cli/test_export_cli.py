"""`geoseek export` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.schemas import Split
from tests.pipelines.export.worlds import World, full_world
from tests.support import Run


@pytest.mark.slow
def test_val_after_a_sample_alone(run: Run, workspace: Path) -> None:
    assert run("sample", "--split", "val", "--sizes", "val=30", "--no-report").returncode == 0
    done = run("export", "--split", "val")
    assert done.returncode == 0, done.stderr
    assert "Written to export" in done.stdout
    rows = pq.read_table(workspace / "export" / "data" / "val" / "validation-00000-of-00001.parquet").to_pylist()
    assert len(rows) == 30
    assert {row["image"] for row in rows} == {None}
    again = run("export", "--split", "val")
    assert "Up to date" in again.stdout


def test_table_json_and_quiet(run: Run, workspace: Path) -> None:
    full_world(workspace)
    shown = run("export", "--split", "loc")
    assert shown.stdout.splitlines()[1].split()[:5] == ["loc", "9", "9", "9", "0"]
    figures = json.loads(run("export", "--json").stdout)
    assert figures["splits"]["cot"]["rows"] == 7
    assert figures["splits"]["val"]["by_band"] == {"extremely low": 2, "low": 1, "moderate": 2, "unlocatable": 1}
    assert run("export", "--quiet").stdout == ""


def test_dry_run_writes_nothing(run: Run, workspace: Path) -> None:
    full_world(workspace)
    done = run("export", "--dry-run")
    assert "loc: 9 of 9 rows" in done.stdout
    assert not (workspace / "export").exists()


def test_modes_and_settings_of_the_workspace(run: Run, workspace: Path) -> None:
    World(workspace).draw(Split.LOC, 2).fetch()
    (workspace / "geoseek.yaml").write_text("seed: 3\nexport: {title: Roads, authors: [A. Person], images: none}\n")
    assert run("export").returncode == 0
    assert (workspace / "export" / "README.md").read_text().count("# Roads") == 1
    assert run("export", "--images", "reference", "--output", "other").returncode == 0
    (first, _) = pq.read_table(workspace / "other" / "data" / "loc" / "train-00000-of-00001.parquet").to_pylist()
    assert first["image"]["path"].startswith("https://example.org/")


def test_wrong_words(run: Run, workspace: Path) -> None:
    full_world(workspace)
    wrong = run("export", "--images", "inside")
    assert wrong.returncode == 2
    assert "images is 'inside'" in wrong.stderr
    assert run("export", "--split", "test").returncode == 2


def test_another_tools_files(run: Run, workspace: Path) -> None:
    full_world(workspace)
    done = run("export", "--split", "cot", "--format", "swift-sft")
    assert done.returncode == 0, done.stderr
    assert list((workspace / "export-swift-sft").rglob("*.jsonl"))
    wrong = run("export", "--format", "swift-stf")
    assert wrong.returncode == 2
    assert "swift-sft" in wrong.stderr


@pytest.mark.slow
def test_demo_goes_all_the_way_to_a_dataset(run: Run, workspace: Path, tmp_path: Path) -> None:
    import datasets

    here = ("--workspace", "demo", "--quiet")
    assert run("init", "--demo", "demo", "--quiet").returncode == 0
    assert run("fetch", *here).returncode == 0
    imported = run("annotate", "import", "demo/annotation/demo-annotations.json", *here)
    assert imported.returncode == 0, imported.stderr
    done = run("export", "--workspace", "demo")
    assert done.returncode == 0, done.stderr
    assert "curated first" in done.stderr
    folder = workspace / "demo" / "export"
    for name, rows in (("val", 30), ("loc", 120), ("cot", 60)):
        (loaded,) = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path)).values()
        assert loaded.num_rows == rows
        assert set(loaded["picture"]) == {"synthetic"}
    assert "**Drawn material.** 210 of 210" in (folder / "README.md").read_text(encoding="utf-8")
    assert "Up to date" in run("export", "--workspace", "demo").stdout
