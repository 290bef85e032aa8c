"""`geoseek init --demo`, and on through fetch."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.demo import fonts as fonts_module
from geoseek.demo import start_demo
from geoseek.schemas import MissingExtraError
from geoseek.workspace import RUN_LOG_NAME
from tests.support import Run

# One process makes the workspace that these tests share.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo workspace")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "workspace"
    made = start_demo(folder)
    assert (made.scenes, made.annotated) == (240, 90)
    return folder


def test_sample_pictures_and_annotations_belong_together(demo: Path) -> None:
    samples = [
        row for name in ("val", "cot") for row in pq.read_table(demo / f"work/samples/{name}.parquet").to_pylist()
    ]
    tasks = json.loads((demo / "annotation" / "demo-annotations.json").read_text())
    assert [row["id"] for row in samples] == [task["data"]["id"] for task in tasks]
    for row, task in zip(samples, tasks, strict=True):
        assert (demo / task["data"]["image"]).is_file()
        assert (demo / "pool" / row["image"]).is_file()
    scenes = [json.loads(line) for line in (demo / "pool" / "scenes.jsonl").read_text().splitlines()]
    assert {scene["provenance"] for scene in scenes} == {"synthetic"}


def test_two_demo_workspaces_are_byte_identical(demo: Path, tmp_path: Path) -> None:
    start_demo(tmp_path / "again")
    files = {p.relative_to(demo) for p in demo.rglob("*") if p.is_file() and p.name not in {".lock", RUN_LOG_NAME}}
    for name in sorted(files):
        if "images" not in name.parts[:2] or name.parts[0] == "pool":
            assert (demo / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_fetch_goes_on_from_there(demo: Path, run: Run) -> None:
    done = run("fetch", "--workspace", demo)
    assert done.returncode == 0, done.stderr
    images = pq.read_table(demo / "work" / "images" / "images.parquet")
    assert images.num_rows == 210
    assert all((demo / "work" / "images" / Path(path).name).is_file() for path in images["path"].to_pylist())
    assert run("sample", "--workspace", demo).stdout.count("Up to date") == 1


def test_an_existing_folder_is_left_alone(demo: Path, run: Run) -> None:
    done = run("init", "--demo", demo)
    assert done.returncode == 1
    assert (demo / "geoseek.yaml").is_file()


def test_missing_fonts_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts_module, "font_path", lambda _key: None)
    with pytest.raises(MissingExtraError) as caught:
        start_demo(tmp_path / "x")
    assert "geoseek[demo]" in (caught.value.hint or "")
    assert not (tmp_path / "x").exists()
