from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoseek.geo.gazetteer import build, store
from geoseek.geo.gazetteer.store import read_arrays, write_arrays
from geoseek.schemas import OutputError

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "numbers": np.arange(1000, dtype=np.int32),
    "floats": np.linspace(0, 1, 77),
    "empty": np.zeros(0, dtype=np.uint8),
    "hashes": np.array([0, 2**64 - 1], dtype=np.uint64),
}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.bin", ARRAYS)
    found = read_arrays(tmp_path / "a.bin")
    assert found is not None
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.bin", ARRAYS)
    write_arrays(tmp_path / "b.bin", dict(reversed(ARRAYS.items())))
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


def test_a_damaged_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    assert read_arrays(path) is None
    write_arrays(path, ARRAYS)
    whole = path.read_bytes()
    for broken in (b"", b"GEOSEEK", whole[:40], whole[:-1], whole[: len(whole) // 2], b"x" * len(whole)):
        path.write_bytes(broken)
        assert read_arrays(path) is None
    rng = np.random.default_rng(0)
    for at in rng.integers(13, len(whole), 50).tolist():
        flipped = bytearray(whole)
        flipped[at] ^= 0x41
        path.write_bytes(bytes(flipped))
        found = read_arrays(path)
        # A flipped byte of the padding after the header is harmless; any other must be noticed.
        assert found is None or all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Collection[int]]:
    """Replace the build by a fast one, and return the list of its calls."""
    calls: list[Collection[int]] = []

    def fake(advance: Callable[[], object], exclude: Collection[int] = ()) -> dict[str, np.ndarray[Any, Any]]:
        calls.append(exclude)
        advance()
        return ARRAYS

    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(build, "build_arrays", fake)
    monkeypatch.setattr(store, "_loaded", {})
    monkeypatch.setattr(store, "Gazetteer", dict)
    return calls


def test_built_once_and_kept(builds: list[Collection[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.load_gazetteer()
    assert store.load_gazetteer() is first
    monkeypatch.setattr(store, "_loaded", {})
    assert store.load_gazetteer() is not first
    assert builds == [[]]


def test_excluded_places_have_a_file_of_their_own(builds: list[Collection[int]], tmp_path: Path) -> None:
    store.load_gazetteer()
    assert store.load_gazetteer({3, 1}) is store.load_gazetteer([1, 3])
    assert builds == [[], [1, 3]]
    assert len(list(tmp_path.glob("gazetteer/*.bin"))) == 2


def test_damaged_cache_is_built_again(
    builds: list[Collection[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.load_gazetteer()
    (path,) = tmp_path.glob("gazetteer/*.bin")
    path.write_bytes(path.read_bytes()[:100])
    monkeypatch.setattr(store, "_loaded", {})
    store.load_gazetteer()
    assert len(builds) == 2
    assert read_arrays(path) is not None


def test_threads_share_one_build(builds: list[Collection[int]]) -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(store.load_gazetteer())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert len({id(gazetteer) for gazetteer in found}) == 1


def test_unwritable_cache_says_what_to_do(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="GEOSEEK_CACHE_DIR"):
        write_arrays(blocker / "a.bin", ARRAYS)


def test_importing_the_room_imports_no_source() -> None:
    code = "import sys, geoseek.geo; print(sorted({'babel', 'pycountry', 'geopy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
