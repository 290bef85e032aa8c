"""The picture of a row as it is published: the fetched bytes without metadata, or where it can be had."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from geoseek.media import clean_image
from geoseek.pipelines.export.licences import Permission, licence_terms
from geoseek.pipelines.export.request import ImageMode
from geoseek.schemas import ExportRejectReason, InputError

_SECRET_WORDS = ("token", "key", "secret", "signature", "sig", "password", "credential", "auth", "session")


@dataclass(frozen=True)
class PublishedPicture:
    """The picture of a row.

    Attributes:
        data: The file; None where only the reference is published.
        path: `<sha256>.<ext>`, or the address where it can be had; None if neither.
        sha256: Of `data`; where there is none, of the fetched file, if it was fetched.
    """

    data: bytes | None
    path: str | None
    sha256: str | None


@dataclass(frozen=True)
class PictureFault:
    """Why a picture cannot be published."""

    reason: ExportRejectReason
    detail: str


def is_embedded(mode: ImageMode, licence: str | None) -> bool:
    """Return whether a picture with this licence goes into the files."""
    return mode is ImageMode.EMBED and licence_terms(licence).permission is Permission.GRANTED


def publish_picture(
    folder: Path, sample: dict[str, Any], image: dict[str, Any] | None, mode: ImageMode
) -> PublishedPicture | PictureFault:
    """Return the picture of a row, ready to be published.

    Args:
        folder: Where the fetched pictures lie.
        sample: The Sample record.
        image: The ImageRecord; None if there is none.
        mode: What is asked for.
    """
    fetched = None if image is None else str(image["sha256"])
    if image is None or not is_embedded(mode, sample["license"]):
        address = None if mode is ImageMode.NONE else public_address(sample["image"])
        return PublishedPicture(None, address, fetched)
    try:
        data = (folder / image["path"]).read_bytes()
    except FileNotFoundError:
        return PictureFault(ExportRejectReason.MISSING_IMAGE, image["path"])
    except OSError as error:
        return PictureFault(ExportRejectReason.MISSING_IMAGE, f"{image['path']}: {error.strerror}")
    found = hashlib.sha256(data).hexdigest()
    if found != fetched:
        return PictureFault(ExportRejectReason.CHANGED_IMAGE, f"{image['path']} has the SHA-256 {found}")
    try:
        clean = clean_image(data)
    except InputError as error:
        return PictureFault(ExportRejectReason.UNREADABLE_IMAGE, error.message)
    if not clean.lossless and licence_terms(sample["license"]).no_derivatives:
        return PublishedPicture(None, public_address(sample["image"]), fetched)
    digest = found if clean.data == data else hashlib.sha256(clean.data).hexdigest()
    return PublishedPicture(clean.data, f"{digest}{clean.suffix}", digest)


def public_address(image: str | None) -> str | None:
    """Return the address of an image if it may be published: http(s), without anything that looks like a credential.

    >>> public_address("https://example.org/a.jpg?size=2"), public_address("photos/a.jpg")
    ('https://example.org/a.jpg?size=2', None)
    >>> public_address("https://example.org/a.jpg?access_token=abc") is None
    True
    """
    try:
        parts = urlsplit(image or "")
        names = [name.casefold() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return None
    return None if any(word in name for name in names for word in _SECRET_WORDS) else image
