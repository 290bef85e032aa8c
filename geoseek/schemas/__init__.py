"""Records, enums, errors and reject reasons: the words that all rooms share."""

from geoseek.schemas.arrow import arrow_schema, json_schema
from geoseek.schemas.enums import RejectReason, Split
from geoseek.schemas.errors import (
    GeoSeekError,
    InputError,
    MissingExtraError,
    OutputError,
    UsageError,
    unknown_name,
)
from geoseek.schemas.media import ImageKind, ImagePair, ImageRecord, ImageReject, ImageRejectReason, Member
from geoseek.schemas.records import Candidate, Record, Reject, Sample

__all__ = [
    "Candidate",
    "GeoSeekError",
    "ImageKind",
    "ImagePair",
    "ImageRecord",
    "ImageReject",
    "ImageRejectReason",
    "InputError",
    "Member",
    "MissingExtraError",
    "OutputError",
    "Record",
    "Reject",
    "RejectReason",
    "Sample",
    "Split",
    "UsageError",
    "arrow_schema",
    "json_schema",
    "unknown_name",
]
