"""The records that travel between the stages, declared once.

Arrow schemas, JSON Schemas and the tables in the docs are derived from these models (`geoseek.schemas.arrow`), so a
column name, its unit and its meaning are written in one place only.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from geoseek.schemas.enums import Split

Int32 = Annotated[int, "int32"]
"""An integer that is stored in 32 bits."""


class Record(BaseModel):
    """Base of all records: immutable, and closed to names that are not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Candidate(Record):
    """One photo (or place) that a pool offers."""

    id: str = Field(description="`source:source_id`; stable across runs and machines")
    source: str = Field(description="name of the pool")
    source_id: str = Field(description="id inside the pool; derived from position and image where the pool has none")
    lat: float = Field(description="latitude in degrees, WGS 84, -90..90")
    lng: float = Field(description="longitude in degrees, WGS 84, -180 <= lng < 180")
    image: str | None = Field(description="path, URL, or `FILE.parquet#column=NAME&row=N` for an embedded image")
    captured_at: str | None = Field(description="capture time as ISO 8601; without an offset where the source has none")
    sequence_id: str | None = Field(description="capture sequence (one drive, one walk) inside the source")
    license: str | None = Field(description="licence of the image as the source states it")
    attribution: str | None = Field(description="whom to credit")
    orientation: Int32 | None = Field(description="EXIF orientation 1..8 of a photo file; null elsewhere")


class Sample(Candidate):
    """A candidate that was drawn into a split."""

    split: Split = Field(description="val, loc or cot")
    rank: Int32 = Field(description="order of selection inside (split, stratum), from 1; reserve rows go on counting")
    country_code: str = Field(description="ISO 3166-1 alpha-2 of the country whose polygon holds the point")
    country: str = Field(description="English name of the country")
    continent: str = Field(description="AF, AS, EU, NA, OC, SA or AN")
    region: str | None = Field(description="first-level administrative name near the point, from GeoNames")
    place: str | None = Field(description="nearest named place in the same country, from GeoNames")
    place_distance_km: float | None = Field(description="great-circle distance to that place in kilometres")
    cell: Int32 = Field(description="1 degree cell: (floor(lat) + 90) * 360 + floor(lng) + 180")
    stratum: str = Field(description="sampling stratum; equals country_code")
    inclusion_probability: float = Field(
        description="probability that the design draws this row into its split, given the frame"
    )
    design_weight: float = Field(description="1 / inclusion_probability")
    prn: float = Field(description="permanent random number in (0, 1): hash of (seed, split, id)")


class Reject(Record):
    """A row that was read and left out, with the reason."""

    source: str = Field(description="name of the pool")
    file: str = Field(description="file inside the pool")
    row: int = Field(description="0-based row in that file (data rows; the header does not count)")
    reason: str = Field(description="code out of RejectReason")
    source_id: str | None = Field(description="id as read, if there was one")
    lat: str | None = Field(description="latitude as read")
    lng: str | None = Field(description="longitude as read")
    detail: str | None = Field(description="what exactly was wrong, where the code does not say it all")
