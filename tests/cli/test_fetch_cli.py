from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geoseek.schemas import Split
from geoseek.workspace import RUN_LOG_NAME
from tests.media_support import drawn_image, sample_row, write_rows
from tests.support import Run


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    drawn_image(seed).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def pool(workspace: Path) -> Path:
    """Return a pool of 40 photos in Sweden, of which two cannot be used, in files beside a CSV."""
    folder = workspace / "data"
    (folder / "img").mkdir(parents=True)
    places = np.random.default_rng(1).uniform([57.5, 14.0], [62.0, 15.5], (40, 2))
    with (folder / "pool.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "lat", "lng", "image_path"])
        for n, (lat, lng) in enumerate(places):
            (folder / "img" / f"{n}.jpg").write_bytes(jpeg(n) if n % 9 else b"broken")
            writer.writerow([n, f"{lat:.5f}", f"{lng:.5f}", f"img/{n}.jpg"])
    return folder / "pool.csv"


def sample(run: Run, pool: Path | str) -> None:
    arguments = ["--pool", f"mine={pool}", "--sizes", "val=6,loc=10,cot=6", "--reserve", "0.7", "--separation-km", "0"]
    done = run("sample", *arguments, "--no-report", "--quiet")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_sample_then_fetch(run: Run, workspace: Path, pool: Path) -> None:
    sample(run, "data/pool.csv")
    plan = run("fetch", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "val: 6 images: 6 from files" in plan.stdout
    assert not (workspace / "work" / "images").exists()

    done = run("fetch")
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    images = workspace / "work" / "images"
    members = pq.read_table(images / "members.parquet").to_pylist()
    assert len(members) == 22
    rejects = pq.read_table(images / "rejects.parquet").to_pylist()
    assert {row["reason"] for row in rejects} <= {"not_an_image"}
    for row in pq.read_table(images / "images.parquet").to_pylist():
        assert hashlib.sha256((images / row["path"]).read_bytes()).hexdigest() == row["sha256"]
    page = (images / "report.html").read_text()
    assert page.count("<h2>") == 6
    assert "http" not in page.replace("http-equiv", "")

    before = {path.name: path.read_bytes() for path in images.iterdir()}
    again = run("fetch", "--json")
    assert again.returncode == 0
    figures = json.loads(again.stdout)
    assert sum(split["alive"] for split in figures["splits"]) == 22
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before
    assert "Up to date" in run("fetch").stdout
    assert str(workspace) not in (images / "manifest.json").read_text()
    assert pool.exists()


@pytest.mark.slow
def test_a_folder_of_photos_that_was_named_by_its_absolute_path(run: Run, photos: Path) -> None:
    arguments = ["--sizes", "val=0,loc=4,cot=0", "--separation-km", "0", "--no-report", "--quiet"]
    assert run("sample", "--pool", photos / "lund", *arguments).returncode == 0
    done = run("fetch", "--split", "loc", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["splits"][0]["alive"], figures["formats"]) == (4, {"image/jpeg": 4})


@pytest.mark.slow
def test_another_pool_outside_the_workspace_is_found_by_the_run_log_or_named(
    run: Run, tmp_path: Path, workspace: Path
) -> None:
    """Of a pool that was given by its absolute path, the manifest keeps the name only; the log keeps the rest."""
    folder = tmp_path / "far"
    folder.mkdir()
    column = [{"bytes": jpeg(n), "path": None} for n in range(30)]
    lat = np.linspace(58, 62, 30)
    pq.write_table(
        pa.table({"id": list(range(30)), "lat": lat, "lng": lat * 0 + 15, "image": column}), folder / "x.parquet"
    )
    sample(run, folder / "x.parquet")
    assert run("fetch", "--output", tmp_path / "known").returncode == 0
    (workspace / "work" / "samples" / RUN_LOG_NAME).unlink()
    refused = run("fetch")
    assert refused.returncode == 2
    assert "folder is not known" in refused.stderr
    assert "--pool-folder mine=FOLDER" in refused.stderr
    done = run("fetch", "--pool-folder", f"mine={folder}", "--pano-views", "0", "--quiet")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_built_in_pool_has_nothing_to_fetch(run: Run, workspace: Path) -> None:
    rows = [sample_row(Split.VAL, n, None, source="geonames") for n in range(1, 4)]
    write_rows(workspace / "work" / "samples" / "val.parquet", rows)
    done = run("fetch")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing to fetch: none of the 3 rows names an image (pool geonames)" in done.stdout
    assert "nothing_to_fetch" in json.loads(run("fetch", "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "train"], "Unknown split 'train'"),
        (["--kind", "satelite"], "did you mean 'satellite'"),
        (["--kind", "mine=view"], "Unknown kind of image"),
        (["--pool-folder", "data"], "is not POOL=FOLDER"),
        (["--pool-folder", "mine=/does/not/exist"], "there is no folder"),
        (["--fov", "180"], "--fov"),
        (["--pano-views", "99"], "--pano-views"),
        ([], "There is no sample"),
    ],
)
def test_requests_that_make_no_sense(arguments: list[str], message: str, run: Run) -> None:
    done = run("fetch", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_sample_is_an_error_in_words(run: Run, workspace: Path) -> None:
    (workspace / "work" / "samples").mkdir(parents=True)
    (workspace / "work" / "samples" / "val.parquet").write_bytes(b"junk")
    done = run("fetch")
    assert done.returncode == 1
    assert "is not a sample file" in done.stderr


def test_panoramas_are_cut(run: Run, workspace: Path) -> None:
    (workspace / "data").mkdir()
    half = np.asarray(drawn_image(4, (512, 512)))
    panorama = Image.fromarray(np.hstack([half, half[:, ::-1]]))
    panorama.save(workspace / "data" / "p.png")
    row = sample_row(Split.VAL, 1, "data/p.png", source="mine")
    write_rows(workspace / "work" / "samples" / "val.parquet", [row])
    done = run("fetch", "--pool-folder", f"mine={workspace / 'data'}", "--pano-views", "4", "--fov", "90")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(workspace / "work" / "images" / "images.parquet")
    assert table["kind"].to_pylist() == ["panorama", "view", "view", "view", "view"]
