"""The hash is pinned by vectors; the fast form equals the definition; hashes and streams look random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from geoseek.sampling.hashing import hash_string_reference, hash_strings, permanent_random_numbers, stream_key
from geoseek.schemas import UsageError

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
KEY = st.integers(0, 2**64 - 1)
TOP = 2**64 - 1

VECTORS = [
    ("", 0, 0xA2772A3F9B7EDE57),
    ("", 1, 0xC923EC93B53595F9),
    ("a", 0, 0xC44FA2B0A716F195),
    ("a\0", 0, 0x2CD421E82551A38B),
    ("osv:1", 0, 0x9D7BBB81492A4241),
    ("12345678", 0, 0x05B87F36E2391696),
    ("mapillary:4711", 0, 0xB624DF6E7BF74261),
    ("geonames:2950159", TOP, 0x032813881E4C5468),
    ("Zürich/写真/📷.jpg", 42, 0x79FE1660E6FA5A96),
    ("x" * 100, 7, 0xC5E84084E4EFD910),
]
STREAM_KEYS = [0x97F05A9DE8BACA8B, 0x038F439E3175703C, 0x533EA5D8C75A764D]
NUMBERS = [0.24879497579995447, 0.3163577504570504, 0.857599943395562]


def sequential_hashes(count: int, key: int = 0) -> npt.NDArray[np.uint64]:
    return hash_strings(pa.array([f"osv:{number}" for number in range(count)]), key)


def chi_square_p(counts: npt.NDArray[np.int64]) -> float:
    expected = counts.sum() / len(counts)
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


@pytest.mark.parametrize(("text", "key", "expected"), VECTORS)
def test_vectors_are_pinned(text: str, key: int, expected: int) -> None:
    assert hash_string_reference(text, key) == expected
    assert hash_strings(pa.array([text]), key).tolist() == [expected]
    padding = [f"row {number}" for number in range(50)]
    assert hash_strings(pa.array([*padding, text, *padding]), key)[50] == expected


def test_keys_and_numbers_of_the_streams_are_pinned() -> None:
    assert [stream_key(0, "val"), stream_key(0, "loc"), stream_key(7, "cot")] == STREAM_KEYS
    assert permanent_random_numbers(np.array([0, 1, TOP], dtype=np.uint64), stream_key(0, "val")).tolist() == NUMBERS


@settings(deadline=None)
@given(st.lists(TEXT, max_size=60), KEY, st.sampled_from(["string", "large_string", "dictionary"]))
def test_the_fast_form_equals_the_definition(texts: list[str], key: int, kind: str) -> None:
    array = pa.array(texts, pa.string())
    if kind == "dictionary":
        array = array.dictionary_encode()
    elif kind == "large_string":
        array = array.cast(pa.large_string())
    assert hash_strings(array, key).tolist() == [hash_string_reference(text, key) for text in texts]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16, 17, 40])
def test_columns_of_one_length_take_the_same_values(length: int) -> None:
    texts = [(f"{number:04d}" * 10)[:length] for number in range(40)]
    expected = [hash_string_reference(text, 5) for text in texts]
    assert hash_strings(pa.array(texts), 5).tolist() == expected
    assert hash_strings(pa.array([*texts, "another length"]), 5).tolist()[:-1] == expected


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=40), st.data())
def test_slices_and_chunks_make_no_difference(texts: list[str], data: st.DataObject) -> None:
    whole = hash_strings(pa.array(texts))
    start = data.draw(st.integers(0, len(texts)))
    stop = data.draw(st.integers(start, len(texts)))
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(texts, kind)
        assert hash_strings(array.slice(start, stop - start)).tolist() == whole[start:stop].tolist()
        chunked = pa.chunked_array([array[:start], array[start:stop], array[stop:]])
        assert hash_strings(chunked).tolist() == whole.tolist()


def test_long_columns_and_long_texts_cross_the_blocks() -> None:
    texts = ["short", "x" * 3_000_000, "", "y" * 1_000_001, "é" * 70_000]
    assert hash_strings(pa.array(texts)).tolist() == [hash_string_reference(text) for text in texts]

    many = [f"{number}" * (number % 9) for number in range(40_000)]
    many[20_000] = "z" * 100_000
    hashes = hash_strings(pa.array(many))
    for row in [*range(0, 40_000, 997), 16_383, 16_384, 20_000, 32_768, 39_999]:
        assert hashes[row] == hash_string_reference(many[row])


def test_empty_columns() -> None:
    assert hash_strings(pa.array([], pa.string())).shape == (0,)
    assert hash_strings(pa.array(["a", "b"])[2:]).shape == (0,)
    assert hash_strings(pa.chunked_array([], pa.string())).shape == (0,)
    assert permanent_random_numbers(np.empty(0, dtype=np.uint64), 1).shape == (0,)


def test_other_columns_and_keys_are_refused() -> None:
    with pytest.raises(UsageError, match="int64"):
        hash_strings(pa.array([1, 2]))
    with pytest.raises(UsageError, match="dictionary"):
        hash_strings(pa.array([1, 2]).dictionary_encode())
    with pytest.raises(UsageError, match="1 of 2 ids are null"):
        hash_strings(pa.array(["a", None]))
    for key in (-1, 2**64):
        with pytest.raises(UsageError, match=str(key)):
            hash_strings(pa.array(["a"]), key)
        with pytest.raises(UsageError, match=str(key)):
            stream_key(key, "val")


def test_a_million_sequential_ids_do_not_collide_and_fill_the_range_evenly() -> None:
    hashes = sequential_hashes(1_000_000)
    assert len(np.unique(hashes)) == len(hashes)
    for shift in (0, 24, 48, 56):
        counts = np.bincount(((hashes >> np.uint64(shift)) & np.uint64(0xFF)).astype(np.int64), minlength=256)
        assert 1e-4 < chi_square_p(counts) < 1 - 1e-4


def test_numbers_are_uniform_and_strictly_inside_the_unit_interval() -> None:
    numbers = permanent_random_numbers(sequential_hashes(200_000), stream_key(1, "val"))
    assert numbers.dtype == np.float64
    counts, _ = np.histogram(numbers, bins=1000, range=(0, 1))
    assert 1e-4 < chi_square_p(counts) < 1 - 1e-4

    # The largest and the smallest number there can be: every upper bit set, and none.
    assert (TOP >> 12) / 2**52 + 0.5 / 2**52 < 1
    assert 0.5 / 2**52 > 0
    shaped = permanent_random_numbers(np.arange(6, dtype=np.uint64).reshape(2, 3), 1)
    assert shaped.shape == (2, 3)
    assert shaped.ravel().tolist() == permanent_random_numbers(np.arange(6, dtype=np.uint64), 1).tolist()


def test_streams_of_splits_and_seeds_are_independent_on_the_same_ids() -> None:
    hashes = sequential_hashes(100_001)
    keys = [stream_key(seed, split) for seed in (0, 1) for split in ("val", "loc", "cot")] + [0, 1, 2]
    streams = np.array([permanent_random_numbers(hashes, key) for key in keys])
    correlation = np.corrcoef(streams) - np.eye(len(keys))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(hashes))
    for row in streams:
        assert abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 4.5 / np.sqrt(len(hashes))
    joint, _, _ = np.histogram2d(streams[0], streams[1], bins=20, range=((0, 1), (0, 1)))
    assert 1e-4 < chi_square_p(joint.ravel().astype(np.int64)) < 1 - 1e-4


def test_hashes_under_two_keys_are_independent() -> None:
    first, second = sequential_hashes(100_000, 0), sequential_hashes(100_000, 1)
    differing = np.unpackbits((first ^ second).view(np.uint8))
    assert abs(differing.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(len(differing))
    as_numbers = np.corrcoef(first.astype(np.float64), second.astype(np.float64))[0, 1]
    assert abs(as_numbers) < 4.5 / np.sqrt(len(first))


@pytest.mark.parametrize("length", [3, 8, 16, 21])
def test_every_bit_of_an_id_flips_every_bit_of_the_hash_half_the_time(length: int) -> None:
    rng = np.random.default_rng(length)
    trials = 4000
    letters = rng.integers(0x20, 0x7F, (trials, length), dtype=np.uint8)
    before = hash_strings(pa.array([row.tobytes().decode() for row in letters]))
    for bit in rng.choice(length * 7, size=min(length * 7, 24), replace=False).tolist():
        changed = letters.copy()
        changed[:, bit // 7] ^= np.uint8(1 << bit % 7)
        after = hash_strings(pa.array([row.tobytes().decode() for row in changed]))
        flips = ((before ^ after)[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        assert np.abs(flips.mean(axis=0) - 0.5).max() < 5.5 * 0.5 / np.sqrt(trials)
