"""Generated images, drawn samples, and a server on loopback."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from geoseek.schemas import Split
from tests.media_support import Draw, ImageServer, MakePicture, drawn_image, sample_row, write_rows


@pytest.fixture
def server() -> Iterator[ImageServer]:
    server = ImageServer()
    yield server
    server.close()


@pytest.fixture
def picture() -> MakePicture:
    def make(seed: int, codec: str = "JPEG", size: tuple[int, int] = (320, 240), **options: Any) -> bytes:
        buffer = io.BytesIO()
        drawn_image(seed, size).save(buffer, codec, **options)
        return buffer.getvalue()

    return make


@pytest.fixture
def draw() -> Draw:
    """Write a sample: images of drawn and of reserve rows per split, all in one country, ranks in order."""

    def make(
        folder: Path,
        rows: Mapping[Split, Sequence[str | None]],
        reserve: Mapping[Split, Sequence[str | None]] | None = None,
    ) -> Path:
        spare = []
        for split, images in rows.items():
            drawn = [sample_row(split, n, image, source="pool") for n, image in enumerate(images, start=1)]
            write_rows(folder / f"{split.value}.parquet", drawn)
            more = enumerate((reserve or {}).get(split, ()), start=len(images) + 1)
            spare += [sample_row(split, n, image, source="pool") for n, image in more]
        write_rows(folder / "reserve.parquet", spare)
        return folder

    return make
