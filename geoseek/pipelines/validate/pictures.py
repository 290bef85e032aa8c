"""Look at one published picture: it decodes, it is the one that is named, and it says nothing about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from geoseek.media import (
    ImageProblemError,
    PerceptualHash,
    PixelLimits,
    decode_image,
    perceptual_hash,
    strip_metadata,
    upright,
)
from geoseek.pipelines.export.licences import Permission, licence_terms
from geoseek.pipelines.export.pictures import public_address
from geoseek.pipelines.validate.codes import ExportCheck
from geoseek.schemas import InputError

LIMITS = PixelLimits(1, 1_000_000_000)
"""Wider than any setting of `geoseek fetch`: whether a picture is too large was decided there."""

_TURNED = (5, 6, 7, 8)
Fault = tuple[ExportCheck, str]


@dataclass(frozen=True)
class PictureCheck:
    """What came out for the picture of one row.

    Attributes:
        faults: What is wrong with it.
        looks: Its perceptual hash; None without a picture that decodes.
    """

    faults: tuple[Fault, ...]
    looks: PerceptualHash | None


def check_picture(row: Mapping[str, Any]) -> PictureCheck:
    """Check the picture of a row, its licence and its address; call inside `strict_decoding(LIMITS)`.

    Args:
        row: A LocRecord as plain values, with the bytes.
    """
    image = row["image"] or {"bytes": None, "path": None}
    data, path = image["bytes"], image["path"]
    if data is None:
        wrong = path is not None and public_address(path) is None
        return PictureCheck(((ExportCheck.IMAGE_ADDRESS, repr(path)),) if wrong else (), None)
    faults = [*_licence_faults(row), *_hash_faults(row, data, path), *_metadata_faults(data)]
    try:
        decoded = decode_image(data, LIMITS)
    except ImageProblemError as problem:
        return PictureCheck((*faults, (ExportCheck.UNDECODABLE_IMAGE, str(problem))), None)
    width, height = decoded.image.size
    shown = (height, width) if decoded.orientation in _TURNED else (width, height)
    if shown != (row["width"], row["height"]):
        said = f"{row['width']} x {row['height']}"
        faults.append((ExportCheck.IMAGE_SIZE, f"{shown[0]} x {shown[1]}, the row says {said}"))
    return PictureCheck(tuple(faults), perceptual_hash(upright(decoded.image, decoded.orientation)))


def _licence_faults(row: Mapping[str, Any]) -> Iterator[Fault]:
    terms = licence_terms(row["license"])
    if terms.permission is not Permission.GRANTED:
        yield ExportCheck.LICENCE, f"{row['license']!r}: {terms.permission.value}"
    elif terms.attribution and not (row["attribution"] or "").strip():
        yield ExportCheck.ATTRIBUTION, f"{row['license']!r}"


def _hash_faults(row: Mapping[str, Any], data: bytes, path: str | None) -> Iterator[Fault]:
    found = hashlib.sha256(data).hexdigest()
    if found != row["image_sha256"]:
        yield ExportCheck.IMAGE_HASH, f"SHA-256 {found}, image_sha256 is {row['image_sha256']}"
    elif (path or "").partition(".")[0] != found:
        yield ExportCheck.IMAGE_HASH, f"the picture is called {path!r}, its SHA-256 is {found}"


def _metadata_faults(data: bytes) -> Iterator[Fault]:
    # Removing metadata from a file that has none gives the file itself.
    try:
        clean = strip_metadata(data)
    except InputError as error:
        yield ExportCheck.IMAGE_METADATA, f"cannot be ruled out: {error.message}"
        return
    if clean != data:
        yield ExportCheck.IMAGE_METADATA, f"{len(data) - len(clean):,} bytes too many"
