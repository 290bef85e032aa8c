"""From the bytes of an image to what is known about it: decoded once, hashed, stored, cut into views."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from geoseek.media.decode import DECODER_ERRORS, Decoded, ImageProblemError, PixelLimits, decode_image, grey, upright
from geoseek.media.panorama import Panorama, cut_view, find_panorama, jpeg_view, view_side, view_yaws
from geoseek.media.perceptual import PerceptualHash, perceptual_hash
from geoseek.schemas import ImageKind, ImageRejectReason
from geoseek.workspace import plain_os_errors


@dataclass(frozen=True)
class ExamineSettings:
    """What is asked of an image, and what is made of it.

    Attributes:
        limits: Pixels that it may have.
        pano_views: Views to cut from each full-sphere panorama; 0 for none.
        fov_deg: Field of view of these.
    """

    limits: PixelLimits
    pano_views: int = 0
    fov_deg: float = 90.0


@dataclass(frozen=True)
class StoredFile:
    """A picture in the image folder.

    Attributes:
        path: File name.
        sha256: SHA-256, hex.
        mime: Media type.
        bytes: Size.
        width: Pixels across, upright.
        height: Pixels down, upright.
        phash: Perceptual hash.
    """

    path: str
    sha256: str
    mime: str
    bytes: int
    width: int
    height: int
    phash: PerceptualHash


@dataclass(frozen=True)
class View:
    """A view cut from a panorama."""

    file: StoredFile
    yaw_deg: float
    pitch_deg: float
    fov_deg: float


@dataclass(frozen=True)
class Picture:
    """An image that can be used.

    Attributes:
        file: The file as it came, every byte of it.
        kind: photo, panorama or satellite.
        orientation: EXIF orientation of the file.
        mode: Pillow's name of its pixel format.
        animated: It has more frames than the first.
        pano_heading_deg: Compass heading of a panorama's centre.
        views: Views cut from it.
    """

    file: StoredFile
    kind: ImageKind
    orientation: int
    mode: str
    animated: bool
    pano_heading_deg: float | None
    views: tuple[View, ...]


@dataclass(frozen=True)
class Failure:
    """An image that cannot be used.

    Attributes:
        reason: The code.
        detail: What exactly was wrong.
        attempts: Requests made for it.
    """

    reason: ImageRejectReason
    detail: str | None
    attempts: int = 0


Outcome = Picture | Failure


def examine(data: bytes, folder: Path, settings: ExamineSettings, kind: ImageKind | None = None) -> Picture:
    """Check an image by decoding it, and store it, and its views, under the SHA-256 of their bytes.

    Args:
        data: The file.
        folder: Where images are stored.
        settings: What is asked of it.
        kind: What it is, where that is known beforehand; None to find out (`find_panorama`).

    Raises:
        ImageProblemError: It cannot be used; nothing is stored.
    """
    decoded = decode_image(data, settings.limits)
    try:
        image = upright(decoded.image, decoded.orientation)
        panorama = _panorama(image, decoded, kind)
        phash = perceptual_hash(image)
        cuts = list(_cut_views(image, settings)) if panorama and panorama.whole else []
    except DECODER_ERRORS as error:
        # Pillow cannot convert every pixel format to every other.
        raise ImageProblemError(ImageRejectReason.UNSUPPORTED_FORMAT, f"pixels as {decoded.image.mode}") from error
    return Picture(
        file=_store(data, folder, decoded.mime, decoded.suffix, image.size, phash),
        kind=kind or (ImageKind.PANORAMA if panorama else ImageKind.PHOTO),
        orientation=decoded.orientation,
        mode=decoded.image.mode,
        animated=decoded.animated,
        pano_heading_deg=panorama.heading_deg if panorama else None,
        views=tuple(_store_view(cut, folder, settings.fov_deg) for cut in cuts),
    )


def _panorama(image: Image.Image, decoded: Decoded, kind: ImageKind | None) -> Panorama | None:
    if kind not in (None, ImageKind.PANORAMA):
        return None
    found = find_panorama(image, decoded.xmp)
    if found is None and kind is ImageKind.PANORAMA:
        return Panorama(None, whole=abs(image.width - 2 * image.height) <= 2)
    return found


@dataclass(frozen=True)
class _Cut:
    """A view that is not stored yet."""

    data: bytes
    side: int
    yaw_deg: float
    phash: PerceptualHash


def _cut_views(image: Image.Image, settings: ExamineSettings) -> Iterator[_Cut]:
    if not settings.pano_views:
        return
    plain = grey(image).convert("RGB") if image.mode.startswith(("I", "F")) else image.convert("RGB")
    pixels = np.asarray(plain)
    side = view_side(image.width, settings.fov_deg)
    for yaw in view_yaws(settings.pano_views):
        view = cut_view(pixels, yaw_deg=yaw, pitch_deg=0.0, fov_deg=settings.fov_deg, side=side)
        yield _Cut(jpeg_view(view), side, yaw, perceptual_hash(Image.fromarray(view)))


def _store_view(cut: _Cut, folder: Path, fov_deg: float) -> View:
    file = _store(cut.data, folder, "image/jpeg", ".jpg", (cut.side, cut.side), cut.phash)
    return View(file, cut.yaw_deg, 0.0, fov_deg)


def _store(
    data: bytes, folder: Path, mime: str, suffix: str, size: tuple[int, int], phash: PerceptualHash
) -> StoredFile:
    digest = hashlib.sha256(data).hexdigest()
    target = folder / f"{digest}{suffix}"
    if not is_stored(target, len(data)):
        # Two samples may have the same picture, and be stored by two threads at once.
        temporary = folder / f".{digest}.{os.getpid()}.{threading.get_ident()}.tmp"
        with plain_os_errors(target):
            try:
                temporary.write_bytes(data)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    return StoredFile(target.name, digest, mime, len(data), *size, phash)


def is_stored(path: Path, size: int) -> bool:
    """Return whether a file is there in full size; its name is its digest, so that nothing else can be in it."""
    try:
        return path.stat().st_size == size and path.is_file()
    except OSError:
        return False


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files of a run that was killed."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def failure_of(error: ImageProblemError) -> Failure:
    """Return the outcome that stands for a problem."""
    return Failure(error.reason, error.detail)
