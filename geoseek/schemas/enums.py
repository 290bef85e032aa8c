"""Closed vocabularies of the records."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Split(StrEnum):
    """A part of the dataset; members are drawn in the order in which they are declared here."""

    VAL = "val"
    LOC = "loc"
    COT = "cot"


class DescribedCode(StrEnum):
    """A code that carries its sentence: members are declared as `NAME = "code", "sentence"`."""

    description: str

    def __new__(cls, value: str, description: str = "") -> Self:
        """Attach the description to the string value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member


class RejectReason(DescribedCode):
    """Why a row that was read is not in the frame. `read = kept + rejected` holds for every run."""

    MALFORMED_ROW = "malformed_row", "the row cannot be parsed (number of fields, broken JSON)"
    MISSING_ID = "missing_id", "the file has an id column, but this row's id is empty"
    MISSING_COORDINATE = "missing_coordinate", "latitude or longitude is empty"
    NON_NUMERIC_COORDINATE = "non_numeric_coordinate", "latitude or longitude is not a finite number"
    OUT_OF_RANGE = "out_of_range", "latitude outside -90..90 or longitude outside -180..180 degrees"
    NULL_ISLAND = "null_island", "exactly 0, 0: a placeholder for an unknown position"
    NOT_A_POINT = "not_a_point", "the geometry is not a point"
    UNREADABLE_PHOTO = "unreadable_photo", "the file is not a photo that can be decoded"
    NO_GPS = "no_gps", "the photo carries no GPS position"
    NOT_ON_LAND = "not_on_land", "farther from every country than the offshore tolerance"
    DUPLICATE_ID = "duplicate_id", "another row has the same id and a smaller (lat, lng, image)"
