"""Exports as `geoseek export` leaves them, written from the record models."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from geoseek.schemas import (
    ChainOfThought,
    ClueBox,
    CotRecord,
    EmbeddedImage,
    LocatabilityBand,
    LocRecord,
    Record,
    SceneTag,
    Split,
    Stage,
    StageName,
    SubScores,
    Uncertainty,
    ValRecord,
    arrow_schema,
    render_answer,
    render_json,
    render_solution,
)
from tests.media_support import drawn_image

PLACES = (("France", "FR", "Alsace", "Colmar"), ("Chad", "TD", "Ouaddaï", "Abéché"), ("日本", "JP", None, None))
ADDRESS = "https://example.org/far-away.jpg"
_FILES = {Split.COT: "train", Split.LOC: "train", Split.VAL: "validation"}


def jpeg(seed: int, size: tuple[int, int] = (96, 72), *, position: bool = False) -> bytes:
    """Return a JPEG, with a GPS position in its EXIF if asked for."""
    exif = Image.Exif()
    if position:
        exif.get_ifd(0x8825)[1] = "N"
        exif[0x010F] = "Camera of Ana"
    buffer = io.BytesIO()
    drawn_image(seed, size).save(buffer, "JPEG", **({"exif": exif} if position else {}))
    return buffer.getvalue()


def embedded(data: bytes) -> EmbeddedImage:
    return EmbeddedImage(bytes=data, path=f"{hashlib.sha256(data).hexdigest()}.jpg")


def chain_of(country: str, final: str) -> ChainOfThought:
    stage = Stage(
        clues=("a sign: “<image> </think>”", "left-hand traffic"),
        reasoning='He said "north"; 北 <script>alert(1)</script>',
        conclusion=country,
        uncertainty=Uncertainty.MODERATE,
    )
    return ChainOfThought(country=stage, final_answer=final)


def common(split: Split, n: int, *, reference: bool = False) -> dict[str, Any]:
    country, code, region, place = PLACES[n % len(PLACES)]
    data = jpeg(n)
    image = EmbeddedImage(bytes=None, path=ADDRESS) if reference else embedded(data)
    return {
        "id": f"pool:{split.value}-{n}",
        "image": image,
        "image_sha256": hashlib.sha256(data).hexdigest(),
        "width": 96,
        "height": 72,
        "picture": "photo",
        "lat": 10.25 + n,
        "lng": -20.5 + n,
        "country_code": code,
        "country": country,
        "continent": "EU",
        "region": region,
        "place": place,
        "place_distance_km": 1.5,
        "solution": render_solution(render_answer([country, region or "", place or ""])),
        "source": "pool",
        "source_id": f"{split.value}-{n}",
        "captured_at": None,
        "license": "CC0-1.0",
        "attribution": "Ana",
        "stratum": code,
        "inclusion_probability": 0.5,
        "design_weight": 2.0,
    }


def loc_record(n: int, *, reference: bool = False) -> LocRecord:
    return LocRecord(**common(Split.LOC, n, reference=reference))


def cot_record(n: int) -> CotRecord:
    fields = common(Split.COT, n)
    chain = chain_of(fields["country"], "; ".join(filter(None, (fields["country"], fields["region"]))))
    boxes = (ClueBox(stage=StageName.COUNTRY, clue_index=1, x=10, y=10, w=50, h=50, note=None),) if n == 0 else ()
    return CotRecord(
        **fields,
        chain=chain,
        cot=render_json(chain),
        clue_boxes=boxes,
        language="en",
        annotator="ana",
        reviewed=True,
        config_version=1,
        handbook_version=None,
        warnings=(),
        origins=(),
    )


def val_record(n: int) -> ValRecord:
    fields = common(Split.VAL, n)
    score = None if n == 3 else 2.5 * n
    return ValRecord(
        **fields,
        locatability_score=score,
        locatability_band=None if score is None else LocatabilityBand.of(score),
        scene_tags=(SceneTag.SIGN, SceneTag.MOUNTAINS_AND_RIVERS) if n else (),
        scene_tags_maybe=(SceneTag.WEATHER,),
        sub_scores=SubScores(image_clarity=7.0),
        main_clues=("sign",),
        ratings=(),
        chain=chain_of(fields["country"], fields["country"]) if n == 1 else None,
        origins=(),
    )


def write_split(folder: Path, split: Split, rows: list[Any], model: type[Record], shards: int = 1) -> None:
    target = folder / "data" / split.value
    target.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        part = [row.model_dump(mode="python") for row in rows[number::shards]]
        name = f"{_FILES[split]}-{number:05d}-of-{shards:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(part, schema=arrow_schema(model)), target / name)


def write_export(folder: Path) -> Path:
    """Write an export of 5 rows of cot, 4 of loc (one of them by reference) in two files, and 4 of val."""
    write_split(folder, Split.COT, [cot_record(n) for n in range(5)], CotRecord)
    write_split(folder, Split.LOC, [loc_record(n, reference=n == 3) for n in range(4)], LocRecord, shards=2)
    write_split(folder, Split.VAL, [val_record(n) for n in range(4)], ValRecord)
    return folder
