from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipelines.validate.datasets import rows, write_checksums, write_dataset
from tests.support import Run


@pytest.mark.slow
def test_valid_export(run: Run, workspace: Path) -> None:
    write_dataset(workspace / "export")
    done = run("validate")
    assert done.returncode == 0, done.stderr
    assert "loc   6 rows in 2 files, 6 pictures" in done.stdout
    assert "Valid: 0 errors, 0 warnings." in done.stdout
    assert "Note: Capture sequences" in done.stderr


@pytest.mark.slow
def test_findings(run: Run, workspace: Path, tmp_path: Path) -> None:
    several = rows()
    for split_rows in several.values():
        for row in split_rows:
            row["license"] = "ask me"
    folder = write_dataset(tmp_path / "elsewhere", several)
    (folder / "notes.txt").write_text("?")

    done = run("validate", folder, "--examples", 2)
    assert done.returncode == 1
    assert "error  licence  15" in done.stdout
    assert "'ask me': unknown" in done.stdout
    assert "13 more" in done.stdout
    assert "warning  unlisted_file  1" in done.stdout
    assert "Not valid: 15 errors, 1 warnings." in done.stdout

    done = run("validate", folder, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert not found["valid"]
    assert found["checks"]["licence"]["severity"] == "error"
    example = found["checks"]["licence"]["examples"][0]
    assert example["file"] == "data/val/validation-00000-of-00002.parquet"
    assert (example["row"], example["id"]) == (0, "pool:0")

    done = run("validate", folder, "--quiet")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "licence" in done.stderr


@pytest.mark.slow
def test_outside_of_a_workspace(run: Run, workspace: Path) -> None:
    (workspace / "geoseek.yaml").unlink()
    folder = write_dataset(workspace / "downloaded")
    (folder / "NOTES.md").write_text("by hand")
    write_checksums(folder)
    assert run("validate", "downloaded").returncode == 0
    done = run("validate")
    assert done.returncode == 2
    assert "geoseek.yaml" in done.stderr


@pytest.mark.slow
def test_no_export(run: Run, workspace: Path) -> None:
    done = run("validate")
    assert done.returncode == 1
    assert "There is no folder" in done.stderr
    assert "geoseek export" in done.stderr
