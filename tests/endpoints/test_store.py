from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from geoseek.endpoints.store import BlobStore
from geoseek.schemas import OutputError

WRITER = """
import sys
from pathlib import Path
from geoseek.endpoints.store import BlobStore
store = BlobStore(Path(sys.argv[1]))
for number in range(60):
    store.put({f"{sys.argv[2]} {number}": b"own", f"shared {number}": sys.argv[2].encode()})
store.close()
"""


def test_first_value_of_a_key_stays(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "new" / "store.sqlite")
    store.put({"a": b"1", "b": b"2"})
    store.put({"a": b"3"})
    store.close()
    store = BlobStore(tmp_path / "new" / "store.sqlite")
    assert store.get("a") == b"1"
    assert store.get("c") is None
    store.put({str(n): str(n).encode() for n in range(1500)})
    assert store.get_many([*(str(n) for n in range(1500)), "z"]) == {str(n): str(n).encode() for n in range(1500)}
    store.close()


@pytest.mark.slow
def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("x", "y", "z")]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    store = BlobStore(path)
    found = store.get_many([f"{name} {n}" for name in ("x", "y", "z", "shared") for n in range(60)])
    store.close()
    assert len(found) == 240


def test_a_file_that_is_no_store_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"precious notes, many of them, and no database at all" * 20)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="not a cache"):
        BlobStore(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        BlobStore(tmp_path / "file" / "store.sqlite")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store.sqlite")
    store.put({"a": b"1"})
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(OutputError, match="full"):
        store.put({"big": bytes(1_000_000)})
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.put({"b": b"2"})
    assert store.get_many(["a", "b", "big"]) == {"a": b"1", "b": b"2"}
    store.close()
