"""A demo workspace: a pool of drawn scenes at sampled places, and example annotations for some of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from geoseek.demo.annotations import annotate
from geoseek.demo.facts import place_facts
from geoseek.demo.features import Feature, Scene
from geoseek.demo.scene import draw_scene
from geoseek.schemas import UsageError
from geoseek.workspace import atomic_path, plain_os_errors, progress_bar, write_text

LICENSE = "CC0-1.0 synthetic"
ATTRIBUTION = "GeoSeek drawn scene"
NOTICE = "synthetic, drawn by GeoSeek; not a photograph"
PROVENANCE = "synthetic"
POOL_COLUMNS = (
    "id",
    "lat",
    "lng",
    "image",
    "license",
    "attribution",
    "captured_at",
)
"""Columns of `pool/pool.csv`, as `geoseek sample --pool` reads them."""

_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"'
    f' dc:description="{NOTICE}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
_QUALITY = 88
_NEEDED = ("id", "lat", "lng", "country_code", "country")


@dataclass(frozen=True)
class DemoWorkspace:
    """What was written.

    Attributes:
        pool: Table of the pool, to be given to `geoseek sample --pool demo=...`.
        annotations: The stored example annotations; None if none were asked for.
        scenes: Number of pictures.
        annotated: Number of example annotations.
    """

    pool: Path
    annotations: Path | None
    scenes: int
    annotated: int


def create_demo_workspace(
    target: Path,
    samples: pa.Table | Sequence[Mapping[str, Any]],
    *,
    seed: int = 0,
    size: tuple[int, int] = (640, 480),
    annotated: int | None = None,
    pool_name: str = "demo",
) -> DemoWorkspace:
    """Draw a scene for every sample, and write example annotations for the first of them.

    Writes `pool/images/*.jpg`, `pool/pool.csv`, `pool/scenes.jsonl` (what each scene shows, and whether a feature is a
    country fact or a regional default) and `annotation/demo-annotations.json`. Equal arguments give equal bytes.

    Args:
        target: Folder of the workspace.
        samples: Drawn samples, see `geoseek.schemas.Sample`; `id, lat, lng, country_code, country` are needed,
            `region, place, split` are used where they are there.
        seed: Seed of the drawings.
        size: Width and height of the pictures in pixels.
        annotated: How many samples get an annotation; default: all.
        pool_name: Name under which the pool will be drawn from; annotations refer to `pool_name:id`, the id that
            `geoseek sample --pool demo=pool/pool.csv` gives its rows.

    Raises:
        UsageError: There are no samples, or a column is missing.
        OutputError: The folder cannot be written.
    """
    rows: list[Mapping[str, Any]] = samples.to_pylist() if isinstance(samples, pa.Table) else list(samples)
    _check(rows)
    pool = target / "pool"
    with plain_os_errors(pool):
        (pool / "images").mkdir(parents=True, exist_ok=True)
    table, tasks, records = io.StringIO(), [], []
    writer = csv.DictWriter(table, POOL_COLUMNS, lineterminator="\n")
    writer.writeheader()
    limit = len(rows) if annotated is None else annotated
    with progress_bar(total=len(rows), label="Drawing scenes", unit="scenes") as bar:
        for number, row in enumerate(rows):
            scene = draw_sample(row, seed=seed, size=size)
            name = f"images/{number:05d}.jpg"
            with atomic_path(pool / name) as temporary:
                temporary.write_bytes(encode_jpeg(scene.image))
            writer.writerow(
                {
                    "id": row["id"],
                    "lat": repr(float(row["lat"])),
                    "lng": repr(float(row["lng"])),
                    "image": name,
                    "license": LICENSE,
                    "attribution": ATTRIBUTION,
                    "captured_at": "",
                }
            )
            records.append(json.dumps(scene_record(scene, name), ensure_ascii=False, sort_keys=True))
            if number < limit:
                tasks.append(annotate(scene, {**row, "id": f"{pool_name}:{row['id']}", "image": f"pool/{name}"}))
            bar.update()
    write_text(pool / "pool.csv", table.getvalue())
    write_text(pool / "scenes.jsonl", "".join(f"{line}\n" for line in records))
    if not tasks:
        return DemoWorkspace(pool / "pool.csv", None, len(rows), 0)
    annotations = target / "annotation" / "demo-annotations.json"
    write_text(annotations, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    return DemoWorkspace(pool / "pool.csv", annotations, len(rows), len(tasks))


def draw_sample(row: Mapping[str, Any], *, seed: int, size: tuple[int, int] = (640, 480)) -> Scene:
    """Draw the scene of a sample.

    Raises:
        UsageError: The country code is unknown.
    """
    facts = place_facts(
        str(row["country_code"]),
        float(row["lat"]),
        float(row["lng"]),
        country=str(row["country"]),
        region=row.get("region"),
        place=row.get("place"),
    )
    return draw_scene(facts, scene_id=str(row["id"]), seed=seed, size=size)


def encode_jpeg(image: Image.Image) -> bytes:
    """Encode a scene as JPEG whose comment and XMP say that it is synthetic."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, comment=NOTICE.encode(), xmp=_XMP.encode())
    return buffer.getvalue()


def scene_record(scene: Scene, image: str) -> dict[str, Any]:
    """Return what a scene shows as plain data: every visible feature with its basis and box."""
    return {
        "id": scene.scene_id,
        "image": image,
        "seed": scene.seed,
        "provenance": PROVENANCE,
        "notice": NOTICE,
        "country_code": scene.facts.country_code,
        "setting": scene.setting,
        "climate": scene.facts.climate.name,
        "features": [_plain(feature) for feature in scene.features],
    }


def _plain(feature: Feature) -> dict[str, Any]:
    return {name: value for name, value in feature.__dict__.items() if value is not None}


def _check(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise UsageError(
            "There are no samples to draw.", hint="Run `geoseek sample` first, or give at least one record."
        )
    missing = [name for name in _NEEDED if name not in rows[0]]
    if missing:
        raise UsageError(
            f"The samples have no column {', '.join(missing)}.", hint=f"Columns that are there: {', '.join(rows[0])}."
        )
