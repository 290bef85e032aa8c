"""A 64-bit hash of ids, and the permanent random numbers that are drawn from it.

The draw must not depend on row order, batches, workers or library versions, so the hash is ours. It is fast and well
mixed, not cryptographic: whoever can choose ids freely can also choose their hashes.

Definition, all arithmetic modulo 2**64 (`hash_string_reference` is the same in plain Python):

    GOLDEN = 0x9E3779B97F4A7C15
    mix(z):  z ^= z >> 30;  z *= 0xBF58476D1CE4E5B9;  z ^= z >> 27;  z *= 0x94D049BB133111EB;  z ^= z >> 31
    whiten, step = mix(key + GOLDEN), mix(key + 2 * GOLDEN)
    state = mix(whiten + length * GOLDEN)                     length: bytes of the UTF-8 text
    for each 8-byte word (little-endian, the last one padded with zeros; an empty text has one zero word):
        state = mix(state ^ word) + step
    hash = state

`mix` is the finaliser of SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014; constants: D. Stafford's Mix13). It is a bijection, so texts of one length up to 8 bytes never collide. The key
enters before and after every word, hence whether two texts collide under one key says nothing about another key: two
keys make a 128-bit hash.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geoseek.schemas import UsageError

UInt64Array = npt.NDArray[np.uint64]
ByteArray = npt.NDArray[np.uint8]
IndexArray = npt.NDArray[np.int64]
OffsetArray = npt.NDArray[np.int32] | npt.NDArray[np.int64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLIER_1 = 0xBF58476D1CE4E5B9
_MULTIPLIER_2 = 0x94D049BB133111EB

# Temporaries of one block fit into a core's second-level cache and bound the memory, whatever the length of the column.
_BLOCK_ROWS = 1 << 14
_BLOCK_BYTES = 1 << 20
# For this few rows, a word costs less in plain Python than a round of numpy calls (a few ids, each kilobytes long).
_FEW_ROWS = 12

_WORD = np.dtype("<u8")
_KEEP_BYTES = np.array([(1 << (8 * kept)) - 1 for kept in range(9)], dtype=np.uint64)


def hash_strings(array: pa.Array | pa.ChunkedArray, key: int = 0) -> UInt64Array:
    """Hash a column of texts; equal to `hash_string_reference` on every row.

    The Arrow type (string, large_string, dictionary of either) and the cutting into chunks make no
    difference. Memory beyond the result is bounded by the longest text plus a few MB.

    Args:
        array: Texts without nulls.
        key: 0 <= key < 2**64.

    Returns:
        uint64, shape `(len(array),)`.

    Raises:
        UsageError: The column does not hold texts, holds nulls, or the key is out of range.

    >>> [hex(h) for h in hash_strings(pa.array(["", "osv:1"])).tolist()]
    ['0xa2772a3f9b7ede57', '0x9d7bbb81492a4241']
    """
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    whiten, step = _key_words(key)
    hashes = np.empty(len(array), dtype=np.uint64)
    done = 0
    for chunk in chunks:
        offsets, data = _text_buffers(chunk)
        for start, stop in _blocks(offsets):
            _hash_block(offsets[start : stop + 1], data, whiten, step, out=hashes[done + start : done + stop])
        done += len(chunk)
    return hashes


def hash_string_reference(text: str, key: int = 0) -> int:
    """Hash one text: the definition of the hash in plain Python.

    Args:
        text: Any text.
        key: 0 <= key < 2**64.

    Raises:
        UsageError: The key is out of range.

    >>> hex(hash_string_reference("osv:1"))
    '0x9d7bbb81492a4241'
    >>> hash_string_reference("osv:1", key=1) == hash_string_reference("osv:1")
    False
    """
    data = text.encode()
    whiten, step = _key_words(key)
    return _absorb(_mix_int(whiten + len(data) * _GOLDEN), data or b"\0", step)


def stream_key(seed: int, label: str) -> int:
    """Return the key of the stream of random numbers that belongs to a seed and a label (the split's name).

    Raises:
        UsageError: The seed is not in 0 .. 2**64 - 1.

    >>> stream_key(7, "val") != stream_key(7, "loc") != stream_key(8, "loc")
    True
    """
    return hash_string_reference(label, key=seed)


def permanent_random_numbers(id_hash: UInt64Array, key: int) -> npt.NDArray[np.float64]:
    """Turn hashes of ids into the stream's uniform numbers, one per id for good.

    u = (z + 0.5) / 2**52, where z is the upper 52 bits of mix(mix(id_hash + k1) ^ k2), k1 = mix(key + GOLDEN) and
    k2 = mix(key + 2 * GOLDEN). 52 bits, not 53: `z + 0.5` is then exact, so that u never rounds to 1. Two rounds
    with the key before each make the streams of two keys unrelated, also on the same ids.

    Args:
        id_hash: uint64, any shape, from `hash_strings` with the default key.
        key: From `stream_key`.

    Returns:
        float64 strictly inside (0, 1), the shape of `id_hash`.

    Raises:
        UsageError: The key is out of range.

    >>> bool((np.abs(permanent_random_numbers(np.arange(3, dtype=np.uint64), key=1) - 0.5) < 0.5).all())
    True
    """
    before, between = (np.uint64(word) for word in _key_words(key))
    flat = np.ascontiguousarray(id_hash, dtype=np.uint64).reshape(-1)
    numbers = np.empty(flat.shape, dtype=np.float64)
    for start in range(0, len(flat), _BLOCK_ROWS):
        bits = flat[start : start + _BLOCK_ROWS] + before
        spare = np.empty_like(bits)
        _mix(bits, spare)
        bits ^= between
        _mix(bits, spare)
        bits >>= np.uint64(12)
        np.multiply(bits.astype(np.float64) + 0.5, 2.0**-52, out=numbers[start : start + len(bits)])
    return numbers.reshape(np.shape(id_hash))


def _key_words(key: int) -> tuple[int, int]:
    if not 0 <= key <= _MASK:
        raise UsageError(f"{key} is not a seed or hash key.", hint="Allowed: 0 to 18446744073709551615 (2**64 - 1).")
    return _mix_int(key + _GOLDEN), _mix_int(key + 2 * _GOLDEN)


def _mix_int(z: int) -> int:
    z &= _MASK
    z = ((z ^ (z >> 30)) * _MULTIPLIER_1) & _MASK
    z = ((z ^ (z >> 27)) * _MULTIPLIER_2) & _MASK
    return z ^ (z >> 31)


def _absorb(state: int, data: bytes, step: int) -> int:
    for at in range(0, len(data), 8):
        state = (_mix_int(state ^ int.from_bytes(data[at : at + 8], "little")) + step) & _MASK
    return state


def _mix(z: UInt64Array, spare: UInt64Array) -> None:
    """Apply `mix` in place; `spare` is scratch space of the same shape."""
    np.right_shift(z, np.uint64(30), out=spare)
    z ^= spare
    z *= np.uint64(_MULTIPLIER_1)
    np.right_shift(z, np.uint64(27), out=spare)
    z ^= spare
    z *= np.uint64(_MULTIPLIER_2)
    np.right_shift(z, np.uint64(31), out=spare)
    z ^= spare


def _text_buffers(array: pa.Array) -> tuple[OffsetArray, ByteArray]:
    """Return the offsets (n + 1 of them, absolute) and the bytes of an Arrow array of texts, without a copy."""
    plain = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (pa.types.is_string(plain) or pa.types.is_large_string(plain)):
        raise UsageError(f"Cannot hash a column of type {array.type}.", hint="Cast the ids to string first.")
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.large_string())
    if array.null_count:
        raise UsageError(f"{array.null_count} of {len(array)} ids are null.", hint="Reject rows without an id first.")
    if len(array) == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    _, offset_buffer, data_buffer = array.buffers()
    width = np.dtype(np.int64 if pa.types.is_large_string(array.type) else np.int32)
    offsets = np.frombuffer(offset_buffer, width, count=len(array) + 1, offset=array.offset * width.itemsize)
    data = np.zeros(0, dtype=np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    return offsets, data


def _blocks(offsets: OffsetArray) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of at most `_BLOCK_ROWS` rows and `_BLOCK_BYTES` bytes, at least one row each."""
    rows = len(offsets) - 1
    start = 0
    while start < rows:
        stop = min(start + _BLOCK_ROWS, rows)
        if offsets[stop] - offsets[start] > _BLOCK_BYTES:
            limit = int(offsets[start]) + _BLOCK_BYTES
            room = int(np.searchsorted(offsets[start : stop + 1], limit, side="right")) - 1
            stop = start + max(room, 1)
        yield start, stop
        start = stop


def _hash_block(offsets: OffsetArray, data: ByteArray, whiten: int, step: int, out: UInt64Array) -> None:
    first, last = int(offsets[0]), int(offsets[-1])
    # A word is read at any byte, also at the last one: eight spare bytes keep the read inside the buffer.
    text = np.zeros(last - first + 8, dtype=np.uint8)
    text[: last - first] = data[first:last]
    begin = offsets[:-1].astype(np.int64) - first
    length = np.diff(offsets).astype(np.int64)
    if len(out) <= _FEW_ROWS:
        for row in range(len(out)):
            out[row] = _mix_int(whiten + int(length[row]) * _GOLDEN)
            _absorb_rest(text, int(begin[row]), int(length[row]), step, out[row : row + 1])
    elif length.min() == length.max():
        out[:] = np.uint64(_mix_int(whiten + int(length[0]) * _GOLDEN))
        _absorb_even(text, int(length[0]), step, out)
    else:
        np.multiply(length.astype(np.uint64), np.uint64(_GOLDEN), out=out)
        out += np.uint64(whiten)
        _mix(out, np.empty_like(out))
        _absorb_ragged(text, begin, length, step, out)


def _absorb_even(text: ByteArray, length: int, step: int, out: UInt64Array) -> None:
    """Absorb texts of one length: word by word through a strided view, about twice as fast as a gather."""
    spare = np.empty_like(out)
    for at in range(0, max(length, 1), 8):
        words: UInt64Array = np.ndarray(out.shape, _WORD, text.data, offset=at, strides=(length,)).astype(np.uint64)
        if length < at + 8:
            words &= _KEEP_BYTES[length - at]
        out ^= words
        _mix(out, spare)
        out += np.uint64(step)


def _absorb_ragged(text: ByteArray, begin: IndexArray, length: IndexArray, step: int, out: UInt64Array) -> None:
    """Absorb texts of several lengths; a row leaves the loop after its last word."""
    word_at: UInt64Array = np.ndarray(len(text) - 7, _WORD, text.data, strides=(1,))
    active = np.arange(len(out))
    state = out.copy()
    at = 0
    while len(active) > _FEW_ROWS:
        words = word_at[begin[active] + at].astype(np.uint64, copy=False)
        words &= _KEEP_BYTES[np.minimum(length[active] - at, 8)]
        state ^= words
        _mix(state, words)
        state += np.uint64(step)
        at += 8
        going_on = length[active] > at
        if not going_on.all():
            out[active[~going_on]] = state[~going_on]
            active, state = active[going_on], state[going_on]
    out[active] = state
    for row in active.tolist():
        _absorb_rest(text, int(begin[row]) + at, int(length[row]) - at, step, out[row : row + 1])


def _absorb_rest(text: ByteArray, begin: int, length: int, step: int, out: UInt64Array) -> None:
    out[0] = _absorb(int(out[0]), text[begin : begin + length].tobytes() or b"\0", step)
