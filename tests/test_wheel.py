"""The wheel holds all that an installed package needs, and stays small."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT_BYTES = 25_000_000


@pytest.mark.slow
def test_wheel_is_small_complete_and_makes_a_workspace(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < LIMIT_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for path in (ROOT / "geoseek").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    assert not [name for name in names if not name.startswith("geoseek")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    code = (
        "import geoseek, sys; print(geoseek.__file__); sys.argv = ['geoseek', 'init', 'w']\n"
        "from geoseek.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert str(tmp_path / "site") in done.stdout
    assert (tmp_path / "w" / "sampling" / "geoagent.yaml").is_file()
    assert (tmp_path / "w" / "schemas" / "sample.schema.json").is_file()
