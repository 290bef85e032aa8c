"""Rebuild `geoseek/geo/data/units.parquet`: Natural Earth's 1:10m countries, mended for planar tests.

    python scripts/build_polygons.py                    # fetches world-atlas 2.0.2 with `npm pack`
    python scripts/build_polygons.py --source countries-10m.json

The source is TopoJSON stitched across the antimeridian. Read as planar coordinates, Russia, Fiji and Antarctica cover
half the world, and a fifth of the features is invalid. Here the rings are unwrapped, the ring that winds round the
pole is closed along it, polygons are cut at ±180 degrees, made valid, and freed of what they share with a neighbour.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon, box

PACKAGE = "world-atlas@2.0.2"
MEMBER = "package/countries-10m.json"
OUTPUT = Path(__file__).parent.parent / "geoseek" / "geo" / "data" / "units.parquet"
# Held by one state and counted with another by every figure and place name used here: their own units, so that the
# boundary table can say to whom they go. The box (lng, lat of two corners) takes whole parts, or cuts.
CARVED_OUT = {
    "Crimea": ("Russia", (32.4, 44.3, 36.65, 46.3)),
    "W. Sahara (Moroccan-held)": ("Morocco", (-18.0, 20.0, -8.6, 27.662)),
}
WORLDS = {turn: box(-180 + 360 * turn, -90, 180 + 360 * turn, 90) for turn in (-1, 0, 1)}
Ring = NDArray[np.float64]


def fetch_topology() -> dict[str, Any]:
    """Fetch the package from the npm registry and return its 1:10m topology."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile(MEMBER)
            if member is None:
                raise SystemExit(f"{MEMBER} is not in {PACKAGE}.")
            topology: dict[str, Any] = json.load(member)
    return topology


def decode_arcs(topology: dict[str, Any]) -> list[Ring]:
    """Turn quantised, delta-coded arcs into degrees; the first and last column are exactly -180 and 180."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    last_column = round(360 / scale[0])
    arcs = []
    for arc in topology["arcs"]:
        steps = np.cumsum(np.array(arc), axis=0)
        points = steps * scale + translate
        points[steps[:, 0] == last_column, 0] = 180.0
        arcs.append(points)
    return arcs


def stitch(ring: list[int], arcs: list[Ring]) -> Ring:
    """Join the arcs of one ring; a negative index means the arc `~index` backwards."""
    pieces = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in ring]
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])


def unwrap(ring: Ring) -> Ring:
    """Make longitudes continuous; close a ring that winds round a pole along that pole."""
    out = ring.copy()
    out[:, 0] = np.unwrap(ring[:, 0], period=360)
    if abs(out[-1, 0] - out[0, 0]) > 180:
        pole = np.copysign(90.0, ring[:, 1].mean())
        out = np.vstack([out, [out[-1, 0], pole], [out[0, 0], pole], out[:1]])
    return out


def valid(geometry: shapely.Geometry) -> shapely.Geometry:
    """Mend self-intersections, and keep areas only."""
    return shapely.make_valid(geometry, method="structure", keep_collapsed=False)


def shift(geometry: shapely.Geometry, lng: float) -> shapely.Geometry:
    """Move a geometry east by so many degrees."""
    return shapely.transform(geometry, lambda points: points + np.array([lng, 0.0]))


def snap_longitudes(geometry: shapely.Geometry, step: float) -> shapely.Geometry:
    """Undo the rounding of a shift by 360 degrees, which would part a border from the neighbour's."""

    def snap(points: Ring) -> Ring:
        exact = np.rint((points[:, 0] + 180) / step) * step - 180
        exact[exact > 180 - step / 2] = 180.0
        out = points.copy()
        out[:, 0] = np.where(np.abs(exact - points[:, 0]) < 1e-9, exact, points[:, 0])
        return out

    return shapely.transform(geometry, snap)


def polygon_parts(rings: list[Ring], step: float) -> list[Polygon]:
    """Return the planar polygons, inside ±180 degrees, of one source polygon."""
    if len(rings[0]) < 4:
        return []
    if all(np.abs(np.diff(ring[:, 0])).max() <= 180 for ring in rings):
        return [Polygon(rings[0], [ring for ring in rings[1:] if len(ring) > 3])]
    whole = valid(Polygon(unwrap(rings[0])))
    for ring in rings[1:]:
        hole = valid(Polygon(unwrap(ring)))
        turns = round((whole.centroid.x - hole.centroid.x) / 360)
        whole = whole.difference(shift(hole, 360.0 * turns))
    parts = [snap_longitudes(shift(whole.intersection(world), -360.0 * turn), step) for turn, world in WORLDS.items()]
    return [part for area in parts for part in shapely.get_parts(area) if isinstance(part, Polygon) and part.area > 0]


def decode_units(topology: dict[str, Any]) -> gpd.GeoDataFrame:
    """Return one valid row per named feature that has an area."""
    arcs = decode_arcs(topology)
    step = topology["transform"]["scale"][0]
    rows = []
    for feature in topology["objects"]["countries"]["geometries"]:
        polygons = [feature["arcs"]] if feature["type"] == "Polygon" else feature["arcs"]
        parts = [part for rings in polygons for part in polygon_parts([stitch(ring, arcs) for ring in rings], step)]
        area = valid(MultiPolygon(parts))
        name = feature["properties"]["name"]
        if area.is_empty:
            print(f"  {name}: too small for the source's resolution, left out")
            continue
        rows.append({"unit": name, "numeric": feature.get("id", ""), "geometry": area})
    return gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326").sort_values("unit", ignore_index=True)


def carve_out(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give the areas of `CARVED_OUT` their own rows."""
    rows = units.set_index("unit")
    for name, (holder, corners) in CARVED_OUT.items():
        whole, clip = rows.geometry[holder], box(*corners)
        islands = [part for part in shapely.get_parts(whole) if clip.contains(part)]
        area = MultiPolygon(islands) if islands else valid(whole.intersection(clip))
        rows.loc[name] = ["", area]
        rows.loc[holder, "geometry"] = valid(whole.difference(area))
        print(f"  {name}: {rows.geometry[name].area:.3g} square degrees carved out of {holder}")
    return rows.sort_index().reset_index()


def cut_overlaps(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Take what two units share from the larger one, so that no point has two countries."""
    areas = units.geometry.to_numpy().copy()
    sizes = shapely.area(areas)
    pairs = shapely.STRtree(areas).query(areas, predicate="overlaps")
    pairs = pairs[:, pairs[0] < pairs[1]]
    for i, j in pairs.T:
        shared = shapely.area(shapely.intersection(areas[i], areas[j]))
        larger, smaller = (i, j) if sizes[i] >= sizes[j] else (j, i)
        rest = valid(shapely.difference(areas[larger], areas[smaller]))
        print(f"  {units.unit[i]} / {units.unit[j]}: {shared:.3g} square degrees taken from {units.unit[larger]}")
        areas[larger] = MultiPolygon([p for p in shapely.get_parts(rest) if isinstance(p, Polygon)])
    return units.set_geometry(gpd.GeoSeries(areas, crs=units.crs))


def main() -> None:
    """Read, mend and write the polygons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="countries-10m.json of world-atlas 2.0.2; fetched if not given")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    topology = json.loads(arguments.source.read_text(encoding="utf-8")) if arguments.source else fetch_topology()
    units = cut_overlaps(carve_out(decode_units(topology)))
    units["geometry"] = units.geometry.normalize()
    if not (units.is_valid.all() and units.unit.is_unique):
        raise SystemExit("The mended polygons are not valid, or two units share a name.")
    units.to_parquet(arguments.output, index=False, compression="zstd")
    vertices = int(shapely.get_num_coordinates(units.geometry.to_numpy()).sum())
    print(
        f"{len(units)} units, {vertices} vertices, {arguments.output.stat().st_size / 1e6:.1f} MB: {arguments.output}"
    )


if __name__ == "__main__":
    main()
