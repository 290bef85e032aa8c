"""Pictures as a model gets to see them: upright, without metadata and names."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image

from geoseek.media import ImageProblemError, PixelLimits, clean_image, decode_image, strip_metadata, upright
from geoseek.schemas import ImageRejectReason, InputError

PIXELS = PixelLimits(smallest=1, largest=200_000_000)
"""What is decoded; pictures with more pixels become rows with an error."""

_SENT_AS_THEY_ARE = ("image/jpeg", "image/png", "image/webp")
_JPEG_QUALITY = 92
_THREADS = 4

_Picture = TypeVar("_Picture")


class PictureProblemError(Exception):
    """A picture cannot be shown to a model; the text is what its row says."""


@dataclass(frozen=True)
class Item:
    """A picture to be located.

    Attributes:
        id: Id of the sample, or path of the photo relative to what was given.
        source: Its bytes, the file that holds them, or None where there is only an address.
    """

    id: str
    source: bytes | Path | None = field(repr=False)


@dataclass(frozen=True)
class Question:
    """An item and its place in the input, counted from 0."""

    position: int
    item: Item


def load_item(item: Item) -> bytes:
    """Return the file of an item as it is.

    Raises:
        PictureProblemError: There is none, or it cannot be read.
    """
    if isinstance(item.source, bytes):
        return item.source
    if item.source is None:
        raise PictureProblemError("missing_image: the input holds no picture of this row, at most its address")
    try:
        return item.source.read_bytes()
    except OSError as error:
        raise PictureProblemError(f"missing_image: {error.strerror}") from error


def pixels_of(data: bytes) -> Image.Image:
    """Return a picture as pixels alone: RGB, turned as it is displayed; nothing of its file is left.

    Raises:
        PictureProblemError: It is no picture, is damaged, or is too large.
    """
    try:
        decoded = decode_image(data, PIXELS)
        picture = upright(decoded.image, decoded.orientation).convert("RGB")
    except (ImageProblemError, OSError, ValueError) as error:
        raise _problem(error) from error
    bare = Image.new("RGB", picture.size)
    bare.paste(picture)
    return bare


def file_of(data: bytes, max_pixels: int) -> bytes:
    """Return a picture as the file that is sent to a server: the same bytes for the same picture.

    A small upright JPEG, PNG or WebP keeps its compressed pixels and loses its metadata; others become JPEG.

    Args:
        data: The file.
        max_pixels: Width times height of the result at most.

    Raises:
        PictureProblemError: It is no picture, is damaged, or is too large.
    """
    try:
        decoded = decode_image(data, PIXELS)
        small = decoded.image.width * decoded.image.height <= max_pixels
        if small and decoded.orientation == 1 and decoded.mime in _SENT_AS_THEY_ARE and not decoded.animated:
            return clean_image(data).data
        picture = upright(decoded.image, decoded.orientation).convert("RGB")
        picture = picture.resize(fitting_size(*picture.size, max_pixels), Image.Resampling.LANCZOS)
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        # Pillow carries comments and more over from the file that was decoded.
        return strip_metadata(buffer.getvalue())
    except (ImageProblemError, InputError, OSError, ValueError) as error:
        raise _problem(error) from error


def _problem(error: Exception) -> PictureProblemError:
    if isinstance(error, ImageProblemError):
        return PictureProblemError(f"{error.reason.value}: {error.detail or error.reason.description}")
    return PictureProblemError(f"{ImageRejectReason.CORRUPT.value}: {error}")


def fitting_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """Return the size of a picture in the same shape with at most `max_pixels` pixels.

    >>> fitting_size(4000, 3000, 120_000), fitting_size(40, 30, 120_000), fitting_size(10_000, 1, 100)
    ((400, 300), (40, 30), (100, 1))
    """
    scale = math.sqrt(max_pixels / (width * height))
    if scale >= 1:
        return width, height
    low, high = sorted((width, height))
    low = max(1, math.floor(low * scale))
    high = min(max(1, math.floor(high * scale)), max_pixels // low)
    return (low, high) if width < height else (high, low)


def prepared(
    questions: Iterable[Question], prepare: Callable[[bytes], _Picture], *, ahead: int
) -> Iterator[tuple[Question, _Picture | PictureProblemError]]:
    """Yield questions with their pictures in the same order; threads prepare the next ones meanwhile.

    Args:
        questions: What is to be asked.
        prepare: `pixels_of`, or `file_of` with a limit.
        ahead: Pictures that are in memory at most.
    """

    def work(question: Question) -> _Picture | PictureProblemError:
        try:
            return prepare(load_item(question.item))
        except PictureProblemError as error:
            return error

    waiting: deque[tuple[Question, Future[_Picture | PictureProblemError]]] = deque()
    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for question in questions:
                waiting.append((question, threads.submit(work, question)))
                if len(waiting) >= ahead:
                    first, picture = waiting.popleft()
                    yield first, picture.result()
            while waiting:
                first, picture = waiting.popleft()
                yield first, picture.result()
        finally:
            for _, left in waiting:
                left.cancel()
