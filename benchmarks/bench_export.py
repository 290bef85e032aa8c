"""Export fetched photos, against copying and hashing the same bytes; memory at a quarter of the photos and at all.

The photos are generated: 200 to 400 kB each, with a comment of their own, so that every file has its own hash and
metadata to be taken out. Every job runs in a fresh process with two threads; imports are not timed. The full size of
the target is `--images 20000` (6 GB, and as much again for the result).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import struct
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measure import HEADER, interleaved, line, report_child

THREADS = 2
DISTINCT = 21


def photos() -> list[bytes]:
    """Return JPEGs of 200 to 400 kB."""
    from PIL import Image

    rng = np.random.default_rng(0)
    found = []
    for height in np.linspace(520, 1040, DISTINCT).astype(int):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((1024, int(height)), Image.Resampling.BICUBIC), dtype=np.int16)
        grain = rng.normal(0, 14, smooth.shape).astype(np.int16)
        buffer = io.BytesIO()
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
        found.append(buffer.getvalue())
    return found


def make_workspace(folder: Path, images: int) -> None:
    """Write a workspace as `geoseek sample` and `geoseek fetch` leave it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from geoseek.schemas import ImageKind, ImageRecord, Member, Sample, Split, arrow_schema

    bases = photos()
    samples, records = [], []
    store = folder / "work" / "images"
    store.mkdir(parents=True)
    for n in range(images):
        comment = b"photo %09d" % n
        base = bases[n % DISTINCT]
        data = base[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + base[2:]
        digest = hashlib.sha256(data).hexdigest()
        (store / f"{digest}.jpg").write_bytes(data)
        samples.append(
            Sample(
                id=f"pool:{n}", source="pool", source_id=str(n), lat=n % 60, lng=n % 90, image=f"{n}.jpg",
                captured_at=None, sequence_id=None, license="CC-BY-4.0", attribution="somebody", orientation=None,
                split=Split.LOC, rank=n + 1, country_code="SE", country="Sweden", continent="EU", region=None,
                place=None, place_distance_km=None, cell=0, stratum="SE", inclusion_probability=0.5,
                design_weight=2.0, prn=0.5,
            ).model_dump(mode="json")
        )  # fmt: skip
        records.append(
            ImageRecord(
                id=f"pool:{n}", split=Split.LOC, view=0, kind=ImageKind.PHOTO, sha256=digest, path=f"{digest}.jpg",
                mime="image/jpeg", bytes=len(data), width=1024, height=768, orientation=1, mode="RGB", animated=False,
                phash="0" * 16, phash_fine="0" * 64, host=None, pano_heading_deg=None, view_yaw_deg=None,
                view_pitch_deg=None, view_fov_deg=None,
            ).model_dump(mode="json")
        )  # fmt: skip
    (folder / "work" / "samples").mkdir()
    tables = {
        folder / "work" / "samples" / "loc.parquet": (Sample, samples),
        store / "members.parquet": (Member, [{**row, "replaces": None} for row in samples]),
        store / "images.parquet": (ImageRecord, records),
    }
    for path, (model, rows) in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(model)), path)


def copy(folder: Path) -> None:
    """Copy every picture to a name made of its SHA-256."""
    output = Path(tempfile.mkdtemp(prefix="geoseek-bench-", dir=folder.parent))

    def one(path: Path) -> None:
        data = path.read_bytes()
        (output / hashlib.sha256(data).hexdigest()).write_bytes(data)

    def job() -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(one, sorted((folder / "work" / "images").glob("*.jpg"))))

    try:
        report_child(job)
    finally:
        shutil.rmtree(output)


def export(folder: Path) -> None:
    """Run an export."""
    from geoseek.pipelines import ExportRequest, run_export

    output = Path(tempfile.mkdtemp(prefix="geoseek-bench-", dir=folder.parent))
    request = ExportRequest(folder, output / "export", workers=THREADS)
    try:
        report_child(lambda: run_export(request))
    finally:
        shutil.rmtree(output)


def main() -> None:
    """Run as a child when asked to, else run all jobs and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", choices=["copy", "export"])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.child:
        {"copy": copy, "export": export}[arguments.child](arguments.folder)
        return
    with tempfile.TemporaryDirectory(prefix="geoseek-bench-") as name:
        quarter, whole = Path(name) / "quarter", Path(name) / "whole"
        make_workspace(quarter, arguments.images // 4)
        small = interleaved({"export": [__file__, "--child", "export", "--folder", str(quarter)]}, 1)["export"]
        shutil.rmtree(quarter)
        make_workspace(whole, arguments.images)
        size = sum(path.stat().st_size for path in (whole / "work" / "images").glob("*.jpg"))
        jobs = {job: [__file__, "--child", job, "--folder", str(whole)] for job in ("copy", "export")}
        found = interleaved(jobs, arguments.runs)
    ratio = found["export"].seconds / found["copy"].seconds
    growth = found["export"].peak_mb / small.peak_mb
    print(f"{arguments.images:,} JPEG files, {size / 1e9:.2f} GB, {THREADS} threads, medians of {arguments.runs} runs")
    print(HEADER)
    print(line("export / copy and SHA-256", ratio, "<= 2", ratio <= 2))
    print(line("MB per second", size / 1e6 / found["export"].seconds, "-", good=True))
    print(line("peak MB", found["export"].peak_mb, "-", good=True))
    print(line("peak memory, all photos / a quarter of them", growth, "<= 1.2", growth <= 1.2))


if __name__ == "__main__":
    main()
