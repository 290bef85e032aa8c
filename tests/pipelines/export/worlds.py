"""Workspaces as the earlier stages leave them, written from the record models."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pydantic import BaseModel

from geoseek.pipelines import ExportRequest
from geoseek.schemas import (
    ChainOfThought,
    CuratedChain,
    FieldOrigin,
    ImageKind,
    ImageRecord,
    LocatabilityBand,
    Member,
    Rating,
    Sample,
    SceneTag,
    Split,
    Stage,
    SubScores,
    TaggedSample,
    TagReject,
    TagRejectReason,
    Uncertainty,
    arrow_schema,
)
from geoseek.workspace import ExportSettings
from tests.media_support import drawn_image

CC0, BY_SA, UNKNOWN = "CC0-1.0", "CC BY-SA 4.0", "ask the photographer"
_PLACES = (("France", "FR", "EU"), ("Chad", "TD", "AF"), ("Japan", "JP", "AS"))


def photo(seed: int, *, size: tuple[int, int] = (96, 72), comment: bytes = b"taken by Ana") -> bytes:
    """Return a JPEG with EXIF (camera, position) and a comment."""
    exif = Image.Exif()
    exif[0x010F] = "Camera of Ana"
    exif.get_ifd(0x8825)[1] = "N"
    buffer = io.BytesIO()
    drawn_image(seed, size).save(buffer, "JPEG", exif=exif, comment=comment)
    return buffer.getvalue()


def chain(word: str = "street sign", answer: str = "France; Alsace; Colmar") -> ChainOfThought:
    stage = Stage(
        clues=(word, "licence plate"),
        reasoning=f"The {word} says so.",
        conclusion=answer.split(";")[0],
        uncertainty=Uncertainty.LOW,
    )
    return ChainOfThought(country=stage, final_answer=answer)


@dataclass
class World:
    """A workspace under construction; `ids` are the samples of each split in the order of the draw."""

    folder: Path
    ids: dict[Split, list[str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def draw(
        self,
        split: Split,
        count: int,
        *,
        licences: Sequence[str | None] = (CC0,),
        image: str | None = "https://example.org/{n}.jpg",
        **columns: Any,
    ) -> World:
        """Write the sample of a split."""
        rows = []
        for n in range(count):
            country, code, continent = _PLACES[n % len(_PLACES)]
            key = f"{split.value}-{n}"
            row = Sample(
                id=f"pool:{key}",
                source="pool",
                source_id=key,
                lat=10.0 + n % 60,
                lng=2.0 + n % 90,
                image=None if image is None else image.format(n=n),
                captured_at=None,
                sequence_id=None,
                license=licences[n % len(licences)],
                attribution=f"photographer {n % 4}",
                orientation=None,
                split=split,
                rank=n + 1,
                country_code=code,
                country=country,
                continent=continent,
                region="Alsace",
                place="Colmar",
                place_distance_km=1.5,
                cell=1,
                stratum=code,
                inclusion_probability=0.5,
                design_weight=2.0,
                prn=0.5,
            )
            rows.append(row.model_copy(update=columns))
        self.samples += rows
        self.ids[split] = [row.id for row in rows]
        write(self.folder / "work" / "samples" / f"{split.value}.parquet", Sample, rows)
        return self

    def fetch(self, *, size: tuple[int, int] = (96, 72), pictures: Mapping[str, bytes] | None = None) -> World:
        """Write a picture for every sample drawn so far."""
        images = self.folder / "work" / "images"
        images.mkdir(parents=True)
        records = []
        for seed, sample in enumerate(self.samples):
            data = (pictures or {}).get(sample.id) or photo(seed, size=size)
            digest = hashlib.sha256(data).hexdigest()
            (images / f"{digest}.jpg").write_bytes(data)
            records.append(
                ImageRecord(
                    id=sample.id,
                    split=sample.split,
                    view=0,
                    kind=ImageKind.PHOTO,
                    sha256=digest,
                    path=f"{digest}.jpg",
                    mime="image/jpeg",
                    bytes=len(data),
                    width=size[0],
                    height=size[1],
                    orientation=1,
                    mode="RGB",
                    animated=False,
                    phash="0" * 16,
                    phash_fine="0" * 64,
                    host=None,
                    pano_heading_deg=None,
                    view_yaw_deg=None,
                    view_pitch_deg=None,
                    view_fov_deg=None,
                )
            )
        write(images / "images.parquet", ImageRecord, records)
        members = [Member(**sample.model_dump(), replaces=None) for sample in self.samples]
        write(images / "members.parquet", Member, members)
        return self

    def curate(self, chains: Mapping[str, ChainOfThought]) -> World:
        """Write the curated chains; the split is told by the id."""
        rows = [
            CuratedChain(
                sample_id=key,
                split=split_of(key),
                annotation_id=f"file:{key}",
                annotation_version=1,
                annotator="ana",
                reviewed=True,
                chain=found,
                clue_boxes=(),
                language="en",
                config_version=1,
                handbook_version=None,
                warnings=(),
                origins=(FieldOrigin(field="chain.country", origin="human"),),
            )
            for key, found in chains.items()
        ]
        write(self.folder / "work" / "curated" / "cot.parquet", CuratedChain, rows)
        return self

    def annotate_all(self) -> World:
        """Write a chain for every sample of cot and val."""
        keys = [key for split in (Split.COT, Split.VAL) for key in self.ids.get(split, ())]
        return self.curate({key: chain() for key in keys})

    def rate(self, scores: Mapping[str, float]) -> World:
        """Write ratings."""
        rows = []
        for key, score in scores.items():
            tags = (SceneTag.SIGN, SceneTag.PLANTS)
            rating = Rating(
                origin="human",
                raters=2,
                locatability_score=score,
                scene_tags=tags,
                scene_tags_maybe=(SceneTag.WEATHER,),
                sub_scores=SubScores(image_clarity=7.0),
                main_clues=("sign",),
            )
            shared = {name: getattr(rating, name) for name in Rating.model_fields.keys() & TaggedSample.model_fields}
            band = LocatabilityBand.of(score)
            rows.append(
                TaggedSample(sample_id=key, split=split_of(key), locatability_band=band, ratings=(rating,), **shared)
            )
        write(self.folder / "work" / "curated" / "tags.parquet", TaggedSample, rows)
        return self

    def leave_out(self, keys: Sequence[str], file: str) -> World:
        """Write samples whose locatability is out of range."""
        rows = [
            TagReject(
                sample_id=key,
                split=split_of(key),
                origin="human",
                annotation_id=None,
                reason=TagRejectReason.OUT_OF_RANGE,
                fault=None,
                detail="score 0, range 3..9",
            )
            for key in keys
        ]
        write(self.folder / "work" / "curated" / file, TagReject, rows)
        return self

    def request(self, *splits: Split, output: str = "export", **settings: Any) -> ExportRequest:
        """Return a request for this workspace."""
        return ExportRequest(self.folder, self.folder / output, splits, ExportSettings(**settings))


def split_of(key: str) -> Split:
    return Split(key.removeprefix("pool:").split("-")[0])


def full_world(folder: Path) -> World:
    """Return a workspace with all splits, pictures, chains and ratings."""
    world = World(folder).draw(Split.VAL, 6).draw(Split.LOC, 9).draw(Split.COT, 7).fetch().annotate_all()
    return world.rate({key: 1.5 * n for n, key in enumerate(world.ids[Split.VAL])})


def write(path: Path, model: type[BaseModel], rows: Sequence[BaseModel]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [row.model_dump(mode="json") for row in rows]
    pq.write_table(pa.Table.from_pylist(content, schema=arrow_schema(model)), path)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of everything in a folder but the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
