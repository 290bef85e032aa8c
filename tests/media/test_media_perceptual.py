from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from geoseek.media import FINE_BITS, HashTable, PerceptualHash, near_pairs, perceptual_hash
from geoseek.media.perceptual import COARSE_BITS

Change = Callable[[Image.Image], Image.Image]


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, part: float) -> Image.Image:
    x, y = round(image.width * part), round(image.height * part)
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES: dict[str, Change] = {
    "the same": lambda image: image,
    "quality 90": lambda image: recompressed(image, 90),
    "quality 20": lambda image: recompressed(image, 20),
    "half size": lambda image: scaled(image, 0.5),
    "a quarter": lambda image: scaled(image, 0.25),
    "one and a half": lambda image: scaled(image, 1.5),
    "half size, quality 60": lambda image: recompressed(scaled(image, 0.5), 60),
    "thumbnail": lambda image: image.resize((160, 120)),
    "grey": lambda image: image.convert("L"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "1 % cropped": lambda image: cropped(image, 0.01),
}


@pytest.fixture(scope="module")
def frames(photos: Path) -> list[Image.Image]:
    """Return the walk around a building in Lund, and three photos of Berlin, at half their size."""
    files = [*sorted((photos / "lund").glob("*.jpg")), *sorted((photos / "berlin").glob("*.jpg"))]
    found = []
    for file in files:
        with Image.open(file) as image:
            found.append(ImageOps.exif_transpose(image).convert("RGB"))
    return found


@pytest.fixture(scope="module")
def hashes(frames: list[Image.Image]) -> list[PerceptualHash]:
    return [perceptual_hash(frame) for frame in frames]


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_copies_are_found_and_nothing_else(
    change: Change, frames: list[Image.Image], hashes: list[PerceptualHash]
) -> None:
    copies = [perceptual_hash(change(frame)) for frame in frames]
    found = near_pairs(HashTable.of(hashes), HashTable.of(copies))
    assert found.left.tolist() == found.right.tolist() == list(range(len(frames)))


@pytest.mark.slow
def test_overlapping_frames_are_different_pictures(hashes: list[PerceptualHash]) -> None:
    assert len(near_pairs(HashTable.of(hashes)).left) == 0
    loose = near_pairs(HashTable.of(hashes), fine_bits=2 * FINE_BITS)
    assert len(loose.left) == 0


def random_table(rng: np.random.Generator, rows: int, bits: int) -> HashTable:
    """Return hashes that lie near each other often: few seeds with a few bits changed."""

    def flipped(words: npt.NDArray[np.uint64], most: int) -> npt.NDArray[np.uint64]:
        flat = words.reshape(rows, max(1, words.size // max(rows, 1))).copy()
        for row in flat:
            for bit in rng.integers(0, 64 * flat.shape[1], rng.integers(0, most + 1)):
                row[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        return flat.reshape(words.shape)

    seeds = rng.integers(0, 3, rows)
    coarse = rng.integers(0, 2**64, 3, dtype=np.uint64)[seeds]
    fine = rng.integers(0, 2**64, (3, 4), dtype=np.uint64)[seeds]
    return HashTable(flipped(coarse, bits), flipped(fine, 4 * bits))


def brute_force(left: HashTable, right: HashTable) -> list[tuple[int, int, int]]:
    def differing(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> int:
        return sum(int(x ^ y).bit_count() for x, y in zip(np.atleast_1d(a), np.atleast_1d(b), strict=True))

    found = []
    for i in range(len(left)):
        for j in range(len(right)):
            fine = differing(left.fine[i], right.fine[j])
            if differing(left.coarse[i], right.coarse[j]) <= COARSE_BITS and fine <= FINE_BITS:
                found.append((i, j, fine))
    return found


@given(seed=st.integers(0, 2**32), rows=st.integers(0, 25), others=st.integers(0, 25), bits=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_pairs_are_those_of_a_full_comparison(seed: int, rows: int, others: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = random_table(rng, rows, bits), random_table(rng, others, bits)
    found = near_pairs(left, right)
    assert list(zip(found.left, found.right, found.distance, strict=True)) == brute_force(left, right)
    inside = near_pairs(left)
    expected = [pair for pair in brute_force(left, left) if pair[0] < pair[1]]
    assert list(zip(inside.left, inside.right, inside.distance, strict=True)) == expected


def test_pairs_are_found_across_memory_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_table(np.random.default_rng(3), 60, 3)
    whole = near_pairs(table)
    monkeypatch.setattr("geoseek.media.perceptual._CANDIDATES_AT_ONCE", 7)
    parts = near_pairs(table)
    assert len(whole.left) > 0
    assert np.array_equal(np.column_stack([whole.left, whole.right]), np.column_stack([parts.left, parts.right]))


@pytest.mark.slow
def test_a_hundred_thousand_hashes_are_searched() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 2**64, 100_000, dtype=np.uint64)
    fine = rng.integers(0, 2**64, (100_000, 4), dtype=np.uint64)
    coarse[7], fine[7] = coarse[99_999] ^ np.uint64(0b101), fine[99_999]
    found = near_pairs(HashTable(coarse, fine))
    assert (found.left.tolist(), found.right.tolist(), found.distance.tolist()) == ([7], [99_999], [0])


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (13, 99, 200)])
def test_one_colour_has_no_noise_in_its_hash(colour: tuple[int, int, int]) -> None:
    found = perceptual_hash(Image.new("RGB", (300, 200), colour))
    assert found.coarse in ("8" + 15 * "0", 16 * "0")


def test_a_hash_survives_the_round_trip_through_text() -> None:
    one = PerceptualHash("00000000000000ff", "f" * 64)
    table = HashTable.of([one])
    assert table.coarse.tolist() == [255]
    assert table.fine.tolist() == [[2**64 - 1] * 4]
