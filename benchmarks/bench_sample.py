"""The draw: 20,000 of millions of candidates, as ratios to a plain read and to the naive geopandas pipeline.

    python benchmarks/bench_sample.py            # 5 M against all baselines, 20 M against 5 M
    python benchmarks/bench_sample.py --rows 500000 --runs 3

Every job runs in a fresh process; imports are not timed, loading the country index and the gazetteer is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import HEADER, interleaved, line, report_child
from pools import parquet_pool

SIZE = 20_000


def draw(pool: str, *, check: bool) -> None:
    """Run `geoseek sample --split loc` on a pool, the report off."""
    import pandas as pd  # noqa: F401 - pyarrow imports it when it first sees a list; imports are not timed

    from geoseek.sampling import SampleRequest, run_sample
    from geoseek.schemas import Split
    from geoseek.workspace import SampleSettings

    output = Path(tempfile.mkdtemp(prefix="geoseek-bench-"))
    settings = SampleSettings(pools=(f"bench={pool}",), sizes={Split.LOC: SIZE}, assume_unique_ids=not check)
    request = SampleRequest(settings, seed=1, splits=(Split.LOC,), output=output, explicit_sizes=True, report=False)
    report_child(lambda: run_sample(request))
    shutil.rmtree(output)


def read(pool: str) -> None:
    """Read id, lat and lng with one thread: the floor of any method."""
    import pyarrow.parquet as pq

    columns = ["id", "latitude", "longitude"]
    report_child(
        lambda: [pq.read_table(p, columns=columns, use_threads=False) for p in sorted(Path(pool).glob("*.parquet"))]
    )


def naive(pool: str) -> None:
    """What a notebook would do: sjoin with the same polygons, then groupby.sample in each (country, cell)."""
    import geopandas as gpd
    import numpy as np
    import pandas as pd

    from geoseek.geo import load_country_polygons

    output = Path(tempfile.mkdtemp(prefix="geoseek-bench-"))

    def job() -> None:
        table = pd.read_parquet(pool)
        points = gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table.longitude, table.latitude), crs=4326)
        joined = gpd.sjoin(points, load_country_polygons(), predicate="within")
        joined["cell"] = np.floor(joined.latitude) * 360 + np.floor(joined.longitude)
        drawn = joined.groupby(["code", "cell"]).sample(frac=SIZE / len(joined), random_state=1)
        drawn.drop(columns="geometry").to_parquet(output / "loc.parquet")

    report_child(job)
    shutil.rmtree(output)


def main() -> None:
    """Run as a child when asked to, else run all jobs and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-naive", action="store_true")
    parser.add_argument("--child", choices=["make", "read", "naive", "draw", "check"])
    parser.add_argument("--pool")
    arguments = parser.parse_args()
    if arguments.child:
        jobs = {
            "make": lambda: parquet_pool(arguments.rows),
            "read": lambda: read(arguments.pool),
            "naive": lambda: naive(arguments.pool),
            "draw": lambda: draw(arguments.pool, check=False),
            "check": lambda: draw(arguments.pool, check=True),
        }
        jobs[arguments.child]()
        return
    me = str(Path(__file__))
    for rows in (arguments.rows, 4 * arguments.rows):
        subprocess.run([sys.executable, me, "--child", "make", "--rows", str(rows)], check=True)
    small, large = parquet_pool(arguments.rows), parquet_pool(4 * arguments.rows)
    jobs = {
        "read": [me, "--child", "read", "--pool", str(small)],
        "draw": [me, "--child", "draw", "--pool", str(small)],
        "draw 4x": [me, "--child", "draw", "--pool", str(large)],
    }
    if not arguments.no_naive:
        jobs["naive"] = [me, "--child", "naive", "--pool", str(small)]
    found = interleaved(jobs, arguments.runs)
    checked = interleaved(
        {name: [me, "--child", "check", "--pool", str(pool)] for name, pool in (("1x", small), ("4x", large))}, 1
    )
    print(f"{arguments.rows:,} and {4 * arguments.rows:,} candidates, {SIZE:,} drawn, medians of {arguments.runs} runs")
    print(HEADER)
    ratio = found["draw"].seconds / found["read"].seconds
    print(line("draw / single-thread read of id, lat, lng", ratio, "<= 5", ratio <= 5))
    growth = found["draw 4x"].seconds / found["draw"].seconds
    print(line("time of 4 x the candidates / time", growth, "<= 4.5", growth <= 4.5))
    for name, base, big in (
        ("unique ids assumed", found["draw"], found["draw 4x"]),
        ("duplicate check", checked["1x"], checked["4x"]),
    ):
        print(line(f"peak MB at 4 x the candidates, {name}", big.peak_mb, "< 700", big.peak_mb < 700))
        rise = big.peak_mb / base.peak_mb
        print(line(f"peak at 4 x / peak, {name}", rise, "<= 1.2", rise <= 1.2))
    if "naive" in found:
        slow = found["naive"]
        faster, leaner = slow.seconds / found["draw"].seconds, slow.peak_mb / found["draw"].peak_mb
        print(line("naive sjoin + groupby.sample: times slower", faster, ">= 20", faster >= 20))
        print(line("naive: times the memory", leaner, ">= 6", leaner >= 6))


if __name__ == "__main__":
    main()
