"""The rows of a published dataset."""

from __future__ import annotations

from pydantic import Field

from geoseek.schemas.annotation import ChainOfThought, ClueBox, LocatabilityBand, SceneTag
from geoseek.schemas.curated import FieldOrigin, Rating, SubScores
from geoseek.schemas.enums import DescribedCode, Split
from geoseek.schemas.records import Int32, Record

FileContent = bytes


class EmbeddedImage(Record):
    """An image as Hugging Face's Image feature stores it."""

    bytes: FileContent | None = Field(
        description="the file, without metadata; null where only the reference is published"
    )
    path: str | None = Field(description="`<sha256>.<ext>`, or the address where the image can be had; null if neither")


class LocRecord(Record):
    """A row of the split loc: a picture and where it was taken."""

    id: str = Field(description="`source:source_id`; stable across runs and machines")
    image: EmbeddedImage | None = Field(description="the picture; null in exports without images")
    image_sha256: str | None = Field(
        description="SHA-256 (hex) of the published bytes; where none are, of the fetched ones"
    )
    width: Int32 | None = Field(description="pixels across, as displayed")
    height: Int32 | None = Field(description="pixels down, as displayed")
    picture: str | None = Field(
        description="photo, panorama, view or satellite; synthetic for drawn material; null where there is none"
    )
    lat: float = Field(description="latitude in degrees, WGS 84")
    lng: float = Field(description="longitude in degrees, WGS 84")
    country_code: str = Field(description="ISO 3166-1 alpha-2")
    country: str = Field(description="English name of the country")
    continent: str = Field(description="AF, AS, EU, NA, OC, SA or AN")
    region: str | None = Field(description="first-level administrative name, from GeoNames")
    place: str | None = Field(description="nearest named place in the same country, from GeoNames")
    place_distance_km: float | None = Field(description="great-circle distance to that place in kilometres")
    solution: str = Field(description="`<answer> Country; Region; Place </answer>`")
    source: str = Field(description="name of the pool")
    source_id: str = Field(description="id inside the pool")
    captured_at: str | None = Field(description="capture time as ISO 8601")
    license: str | None = Field(description="licence of the image as the source states it")
    attribution: str | None = Field(description="whom to credit")
    stratum: str = Field(description="sampling stratum; equals country_code")
    inclusion_probability: float = Field(description="probability that the design draws this row, given the frame")
    design_weight: float = Field(description="1 / inclusion_probability")


class CotRecord(LocRecord):
    """A row of the split cot: a picture, where it was taken, and why."""

    chain: ChainOfThought = Field(description="the chain of thought")
    cot: str = Field(description="the chain as the JSON that a model learns to write")
    clue_boxes: tuple[ClueBox, ...] = Field(description="boxes around clues, percent of the picture as displayed")
    language: str | None = Field(description="language of the words as BCP 47, where known")
    annotator: str = Field(description="pseudonym")
    reviewed: bool = Field(description="a reviewer accepted or edited it")
    config_version: Int32 | None = Field(description="version of the labelling page; null for imports")
    handbook_version: Int32 | None = Field(description="version of the handbook; null for imports")
    warnings: tuple[str, ...] = Field(description="codes of checks that only warn")
    origins: tuple[FieldOrigin, ...] = Field(description="who wrote what")


class ValRecord(LocRecord):
    """A row of the split val: a picture to be located, how hard that is, and what is to be seen."""

    locatability_score: float | None = Field(description="0..10 in halves; null where nobody rated")
    locatability_band: LocatabilityBand | None = Field(description="band of the score")
    scene_tags: tuple[SceneTag, ...] = Field(description="tags answered with yes")
    scene_tags_maybe: tuple[SceneTag, ...] = Field(description="tags answered with maybe")
    sub_scores: SubScores = Field(description="parts of the rating, 0..10 each")
    main_clues: tuple[str, ...] = Field(description="the clues that decide the locatability")
    ratings: tuple[Rating, ...] = Field(description="what each source said")
    chain: ChainOfThought | None = Field(description="a reference chain of thought, where there is one")
    origins: tuple[FieldOrigin, ...] = Field(description="who wrote what")


class ExportRejectReason(DescribedCode):
    """Why a row is not in the export. `read = kept + rejected` holds for every split."""

    MISSING_IMAGE = "missing_image", "the picture was fetched and is no longer there"
    CHANGED_IMAGE = "changed_image", "the picture is no longer the one that was fetched (SHA-256)"
    UNREADABLE_IMAGE = "unreadable_image", "the metadata cannot be taken out of the picture"
    NO_CHAIN = "no_chain", "a row of cot that nobody has annotated, or whose annotation `geoseek curate` left out"
    NO_SAMPLE = "no_sample", "a chain of thought or a rating without a row that is exported"
    OUT_OF_RANGE = "out_of_range", "the locatability lies outside of the range that was asked for"


class ExportReject(Record):
    """A row that was read for the export and left out."""

    id: str = Field(description="id of the sample")
    split: Split = Field(description="val, loc or cot")
    reason: ExportRejectReason = Field(description="code out of ExportRejectReason")
    detail: str | None = Field(description="what exactly was wrong")
