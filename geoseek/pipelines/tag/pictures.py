"""Pictures as a model gets to see them: without metadata, upright, and no larger than needed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from geoseek.media import ImageProblemError, PixelLimits, clean_image, decode_image, strip_metadata, upright
from geoseek.schemas import InputError, Split, TagRejectReason
from geoseek.workspace import recover

PIXELS = PixelLimits(smallest=1, largest=200_000_000)
"""What is decoded; `geoseek fetch` has refused larger pictures already."""

_SENT_AS_THEY_ARE = ("image/jpeg", "image/png", "image/webp")
_COLUMNS = ["id", "split", "view", "sha256", "path", "width", "height"]
_PATCH_PX = 28


@dataclass(frozen=True)
class Picture:
    """The fetched picture of a sample.

    Attributes:
        file: Where it lies.
        sha256: Of the file.
        width: Pixels as displayed.
        height: Pixels as displayed.
    """

    file: Path
    sha256: str
    width: int
    height: int

    def tokens(self, longest_side: int) -> int:
        """Estimate the tokens of the picture as it is sent: one for each 28 x 28 pixels, as Qwen2.5-VL counts."""
        scale = min(1.0, longest_side / max(self.width, self.height))
        return math.ceil(self.width * scale / _PATCH_PX) * math.ceil(self.height * scale / _PATCH_PX)


class PictureProblemError(Exception):
    """A picture cannot be shown to the model."""

    def __init__(self, reason: TagRejectReason, detail: str | None) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


def read_pictures(workspace: Path, splits: Iterable[Split]) -> dict[tuple[Split, str], Picture]:
    """Return the fetched pictures of some splits, in the order of the table; empty where nothing was fetched.

    Raises:
        InputError: The table of pictures is not what `geoseek fetch` writes.
    """
    folder = workspace / "work" / "images"
    path = folder / "images.parquet"
    if folder.is_dir():
        recover(folder)
    if not path.exists():
        return {}
    try:
        rows = pq.read_table(path, columns=_COLUMNS).select(_COLUMNS).to_pylist()
    except (pa.ArrowException, KeyError, OSError) as error:
        raise InputError(f"{path} is not a table of pictures: {error}.", hint="Run `geoseek fetch`.") from error
    wanted = {split.value for split in splits}
    return {
        (Split(row["split"]), row["id"]): Picture(folder / row["path"], row["sha256"], row["width"], row["height"])
        for row in rows
        if row["view"] == 0 and row["split"] in wanted
    }


def prepare_picture(picture: Picture, *, longest_side: int, quality: int) -> bytes:
    """Return the bytes that are sent: the same bytes for the same file and settings.

    A file that is small and upright is sent as it is, without its metadata; others are decoded and written as JPEG.

    Raises:
        PictureProblemError: It is gone, is another one than was fetched, or cannot be read.
    """
    try:
        data = picture.file.read_bytes()
    except OSError as error:
        raise PictureProblemError(TagRejectReason.MISSING_IMAGE, error.strerror) from error
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise PictureProblemError(TagRejectReason.CHANGED_IMAGE, picture.file.name)
    try:
        decoded = decode_image(data, PIXELS)
        small = max(decoded.image.size) <= longest_side
        if small and decoded.orientation == 1 and decoded.mime in _SENT_AS_THEY_ARE and not decoded.animated:
            return clean_image(data).data
        return _as_jpeg(upright(decoded.image, decoded.orientation), longest_side, quality)
    except (ImageProblemError, InputError) as error:
        raise PictureProblemError(TagRejectReason.UNREADABLE_IMAGE, str(error)) from error


def _as_jpeg(image: Image.Image, longest_side: int, quality: int) -> bytes:
    image = image.convert("RGB")
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    # Pillow carries comments and more over from the file that was decoded.
    return strip_metadata(buffer.getvalue())
