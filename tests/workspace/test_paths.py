from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.schemas import OutputError
from geoseek.workspace import REFERENCE_FOLDERS, cache_dir, create_workspace, display_path, load_config, reference_root


def test_reference_root_holds_the_reference_workspace() -> None:
    assert (reference_root() / "geoseek.yaml").is_file()
    assert all((reference_root() / name / "README.md").is_file() for name in REFERENCE_FOLDERS)


def test_create_workspace_copies_a_working_configuration(tmp_path: Path) -> None:
    files = create_workspace(tmp_path / "new")
    assert Path("geoseek.yaml") in files
    assert Path("sampling/geoagent.yaml") in files
    assert load_config(tmp_path / "new").sample.separation_km == 1.0


def test_create_workspace_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputError, match="not empty"):
        create_workspace(tmp_path)
    create_workspace(tmp_path / "w")
    with pytest.raises(OutputError, match="already"):
        create_workspace(tmp_path / "w")


def test_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEEK_CACHE_DIR", str(tmp_path / "c"))
    assert cache_dir("a", "b") == tmp_path / "c" / "a" / "b"
    assert (tmp_path / "c" / "a" / "b").is_dir()


def test_paths_inside_the_workspace_are_shown_relative(tmp_path: Path) -> None:
    assert display_path(tmp_path / "a" / "b", tmp_path) == "a/b"
    assert display_path("/elsewhere/x", tmp_path) == "/elsewhere/x"
