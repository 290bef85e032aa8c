"""`geoseek fetch` from a folder, as ratios to copying and hashing the same files, and to decoding them besides.

    python benchmarks/bench_fetch.py
    python benchmarks/bench_fetch.py --images 200 --runs 3

The pictures are generated (1024 x 768, about 200 kB). Every job runs in a fresh process with two threads; imports are
not timed. The search for near-duplicates is timed apart, on 100,000 hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measure import HEADER, interleaved, line, report_child

THREADS = 2
HASHES = 100_000


def make_pool(folder: Path, images: int) -> None:
    """Write pictures of smooth colours with some grain, and the sample that consists of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from geoseek.schemas import Sample, Split, arrow_schema

    rng = np.random.default_rng(0)
    rows = []
    (folder / "pool").mkdir(parents=True)
    for n in range(images):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((1024, 768), Image.Resampling.BICUBIC), dtype=np.int16)
        grain = rng.normal(0, 6, smooth.shape).astype(np.int16)
        path = folder / "pool" / f"{n:05d}.jpg"
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, "JPEG", quality=85)
        rows.append(
            Sample(
                id=f"pool:{n}", source="pool", source_id=str(n), lat=0, lng=0, image=str(path), captured_at=None,
                sequence_id=None, license=None, attribution=None, orientation=None, split=Split.LOC, rank=n + 1,
                country_code="SE", country="Sweden", continent="EU", region=None, place=None, place_distance_km=None,
                cell=0, stratum="SE", inclusion_probability=0.5, design_weight=2.0, prn=0.5,
            ).model_dump()
        )  # fmt: skip
    (folder / "samples").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(Sample)), folder / "samples" / "loc.parquet")


def copy(folder: Path, *, decode: bool) -> None:
    """Copy every file to a name made of its SHA-256, and decode it if asked."""
    from PIL import Image

    output = Path(tempfile.mkdtemp(prefix="geoseek-bench-"))

    def one(path: Path) -> None:
        data = path.read_bytes()
        (output / f"{hashlib.sha256(data).hexdigest()}.jpg").write_bytes(data)
        if decode:
            with Image.open(io.BytesIO(data)) as image:
                image.load()

    def job() -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(one, sorted((folder / "pool").iterdir())))

    report_child(job)
    shutil.rmtree(output)


def fetch(folder: Path) -> None:
    """Run a fetch without a report."""
    from geoseek.media import DownloadSettings, ExamineSettings, FetchRequest, PixelLimits, PoolFiles, run_fetch

    output = Path(tempfile.mkdtemp(prefix="geoseek-bench-"))
    request = FetchRequest(
        samples=folder / "samples",
        output=output / "images",
        splits=(),
        download=DownloadSettings("bench/1"),
        examine=ExamineSettings(PixelLimits(1, 10**8)),
        files=PoolFiles({"pool": [folder / "pool"]}, [folder]),
        workers=THREADS,
    )
    report_child(lambda: run_fetch(request))
    shutil.rmtree(output)


def search_seconds() -> float:
    """Return the time of the near-duplicate search."""
    from geoseek.media import HashTable, near_pairs

    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 2**64, HASHES, dtype=np.uint64)
    table = HashTable(coarse, rng.integers(0, 2**64, (HASHES, 4), dtype=np.uint64))
    start = time.perf_counter()
    near_pairs(table)
    return time.perf_counter() - start


def main() -> None:
    """Run as a child when asked to, else run all jobs and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", choices=["copy", "decode", "fetch"])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.child == "fetch":
        fetch(arguments.folder)
        return
    if arguments.child:
        copy(arguments.folder, decode=arguments.child == "decode")
        return
    with tempfile.TemporaryDirectory(prefix="geoseek-bench-") as name:
        make_pool(Path(name), arguments.images)
        jobs = {job: [__file__, "--child", job, "--folder", name] for job in ("copy", "decode", "fetch")}
        found = interleaved(jobs, arguments.runs)
    per_second = arguments.images / found["fetch"].seconds
    print(f"{arguments.images:,} JPEG files, {THREADS} threads, medians of {arguments.runs} runs")
    print(HEADER)
    ratio = found["fetch"].seconds / found["copy"].seconds
    print(line("fetch / copy and SHA-256", ratio, "-", good=True))
    ratio = found["fetch"].seconds / found["decode"].seconds
    print(line("fetch / copy, SHA-256 and one decode", ratio, "<= 2", ratio <= 2))
    print(line("images per second", per_second, "-", good=True))
    print(line("peak MB", found["fetch"].peak_mb, "< 500", found["fetch"].peak_mb < 500))
    seconds = search_seconds()
    print(line(f"seconds to search {HASHES:,} hashes for near-duplicates", seconds, "<= 10", seconds <= 10))


if __name__ == "__main__":
    main()
