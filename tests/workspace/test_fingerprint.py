from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from geoseek.schemas import InputError
from geoseek.workspace import file_fingerprint, installed_versions, read_manifest, stable_digest, write_manifest
from geoseek.workspace import fingerprint as module


def test_small_files_are_hashed_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_fingerprint(path) == {"bytes": 3, "scheme": "sha256", "digest": hashlib.sha256(b"abc").hexdigest()}


def test_large_files_are_sampled_from_first_to_last_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_FILE_LIMIT_BYTES", 1000)
    path = tmp_path / "x"
    content = bytearray(3_000_000)
    path.write_bytes(content)
    before = file_fingerprint(path)
    assert before["scheme"] == "sha256-blocks"
    for position in (0, len(content) - 1):
        changed = bytearray(content)
        changed[position] = 1
        path.write_bytes(changed)
        assert file_fingerprint(path) != before


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing"):
        file_fingerprint(tmp_path / "nothing")


def test_digest_ignores_dictionary_order() -> None:
    assert stable_digest({"a": 1, "b": [2]}) == stable_digest({"b": [2], "a": 1})


def test_manifest_round_trip_is_byte_stable(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"b": 1, "a": {"z": "é", "y": 2}})
    first = (tmp_path / "manifest.json").read_bytes()
    write_manifest(tmp_path, {"a": {"y": 2, "z": "é"}, "b": 1})
    assert (tmp_path / "manifest.json").read_bytes() == first
    assert read_manifest(tmp_path) == {"a": {"y": 2, "z": "é"}, "b": 1}
    assert read_manifest(tmp_path / "none") is None


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_broken_manifest_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as caught:
        read_manifest(tmp_path)
    assert "Delete it" in (caught.value.hint or "")


def test_versions_leave_out_what_is_not_installed() -> None:
    assert set(installed_versions(["numpy", "no-such-distribution"])) == {"numpy"}
