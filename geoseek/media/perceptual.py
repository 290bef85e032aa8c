"""Perceptual hashes, and pairs of images whose hashes are near."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from geoseek.media.decode import grey

Words = npt.NDArray[np.uint64]

COARSE_BITS = 6
"""Images are compared further only if their 64-bit hashes differ in at most so many bits."""

FINE_BITS = 24
"""Images are near-duplicates if, besides, their 256-bit hashes differ in at most so many bits.

Measured on the 32 real photos beside the checkout (docs/fetching.md): recompressed and resized copies differ in at
most 4 bits, those cropped by 1 % on each side in at most 22; the nearest two different frames of one walk in 76.
"""

_SIDE = 64
_COARSE, _FINE = 8, 16
_NOISE = 1e-6
_FINE_WORDS = _FINE * _FINE // 64
_CANDIDATES_AT_ONCE = 1 << 22


def _dct_rows() -> npt.NDArray[np.float64]:
    """Return the first rows of the orthonormal DCT-II matrix."""
    k, n = np.arange(_FINE)[:, None], np.arange(_SIDE)[None, :]
    rows = np.cos(np.pi * k * (2 * n + 1) / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, dtype=np.float64)


_DCT = _dct_rows()


@dataclass(frozen=True)
class PerceptualHash:
    """Hash of what an image looks like.

    Attributes:
        coarse: 64 bits, as 16 hexadecimal digits.
        fine: 256 bits, as 64 hexadecimal digits.
    """

    coarse: str
    fine: str


def perceptual_hash(image: Image.Image) -> PerceptualHash:
    """Hash an image that is the right way up.

    A bit says whether one of the lowest-frequency coefficients of the discrete cosine transform of the picture, at
    64 x 64 grey pixels, lies above their median (Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010, section 3.2.1). The lowest 8 x 8 give the coarse hash, the lowest 16 x 16 the fine one.
    """
    small = grey(image).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    pixels = np.asarray(small, dtype=np.float64)
    coefficients = _DCT @ pixels @ _DCT.T
    return PerceptualHash(_bits(coefficients[:_COARSE, :_COARSE]), _bits(coefficients))


def _bits(coefficients: npt.NDArray[np.float64]) -> str:
    flat = coefficients.ravel()
    # Without the margin, the bits of a picture of one colour would be rounding noise, which differs between machines.
    return np.packbits(flat > np.median(flat[1:]) + _NOISE).tobytes().hex()


@dataclass(frozen=True)
class HashTable:
    """Hashes of many images, one row each.

    Attributes:
        coarse: uint64 of shape (n,).
        fine: uint64 of shape (n, 4).
    """

    coarse: Words
    fine: Words

    @classmethod
    def of(cls, hashes: list[PerceptualHash]) -> HashTable:
        """Build the table of some hashes, in their order."""
        coarse = b"".join(bytes.fromhex(one.coarse) for one in hashes)
        fine = b"".join(bytes.fromhex(one.fine) for one in hashes)
        return cls(np.frombuffer(coarse, dtype=">u8").astype(np.uint64),
                   np.frombuffer(fine, dtype=">u8").astype(np.uint64).reshape(-1, _FINE_WORDS))  # fmt: skip

    def __len__(self) -> int:
        return len(self.coarse)


@dataclass(frozen=True)
class NearPairs:
    """Pairs of rows of two hash tables.

    Attributes:
        left: Row in the first table.
        right: Row in the second.
        distance: Bits in which the fine hashes differ.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int64]


def near_pairs(left: HashTable, right: HashTable | None = None, *, fine_bits: int = FINE_BITS) -> NearPairs:
    """Find all pairs of near-duplicates.

    Two 64-bit hashes that differ in at most 6 bits agree in at least one of 7 bands of bits (pigeonhole), so only
    rows that share a band are compared. Exact; time grows with the number of rows that share a band, about n^2 / 500
    word operations for hashes that are spread out.

    Args:
        left: First table.
        right: Second table; None for the pairs inside the first, each once, with the smaller row left.
        fine_bits: Largest distance.

    Returns:
        The pairs, sorted by left, then right.
    """
    other = left if right is None else right
    found: list[npt.NDArray[np.int64]] = [np.empty((0, 2), dtype=np.int64)]
    for shift, width in _bands():
        mask = np.uint64((1 << width) - 1)
        ours, theirs = ((table.coarse >> np.uint64(shift)) & mask for table in (left, other))
        found += _band_pairs(ours, theirs, left, other, fine_bits, inside=right is None)
    pairs = np.unique(np.concatenate(found), axis=0)
    return NearPairs(pairs[:, 0], pairs[:, 1], _fine_distance(left, other, pairs))


def _bands() -> list[tuple[int, int]]:
    """Return (shift, width) of COARSE_BITS + 1 bands that cover 64 bits."""
    edges = [64 * i // (COARSE_BITS + 1) for i in range(COARSE_BITS + 2)]
    return [(low, high - low) for low, high in itertools.pairwise(edges)]


def _band_pairs(
    ours: Words, theirs: Words, left: HashTable, other: HashTable, fine_bits: int, *, inside: bool
) -> list[npt.NDArray[np.int64]]:
    """Return the near pairs among rows with equal keys, in blocks of bounded memory."""
    order = np.argsort(theirs, kind="stable")
    keys = theirs[order]
    first, last = np.searchsorted(keys, ours, "left"), np.searchsorted(keys, ours, "right")
    ends = np.cumsum(last - first)
    found, start = [], 0
    while start < len(ours):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + _CANDIDATES_AT_ONCE, "right")), start + 1)
        count = (last - first)[start:stop]
        a = np.repeat(np.arange(start, stop), count)
        within = np.arange(len(a)) - np.repeat(np.cumsum(count) - count, count)
        b = order[np.repeat(first[start:stop], count) + within]
        if inside:
            a, b = a[a < b], b[a < b]
        near = _popcount(left.coarse[a] ^ other.coarse[b]) <= COARSE_BITS
        pairs = np.column_stack([a[near], b[near]]).astype(np.int64)
        found.append(pairs[_fine_distance(left, other, pairs) <= fine_bits])
        start = stop
    return found


def _fine_distance(left: HashTable, other: HashTable, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    differing = _popcount(left.fine[pairs[:, 0]] ^ other.fine[pairs[:, 1]])
    return np.asarray(differing.sum(axis=1), dtype=np.int64)


def _popcount(words: Words) -> npt.NDArray[np.int64]:
    """Count the bits that are set (Warren, Hacker's Delight, 2nd ed., section 5-1); numpy 1 has no function for it."""
    words = words - ((words >> np.uint64(1)) & np.uint64(0x5555555555555555))
    words = (words & np.uint64(0x3333333333333333)) + ((words >> np.uint64(2)) & np.uint64(0x3333333333333333))
    words = (words + (words >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((words * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)
