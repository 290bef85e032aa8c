"""Run the real command line in a process of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import Run


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a fresh workspace with default settings."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "geoseek.yaml").write_text("seed: 3\n")
    return folder


@pytest.fixture
def run(workspace: Path) -> Run:
    """Return a function that runs `geoseek ARGUMENTS` inside the workspace."""

    def call(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
        environment.pop("GEOSEEK_DEBUG", None)
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [sys.executable, "-m", "geoseek", *map(str, arguments)],
            cwd=workspace,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=300,
            **options,
        )
        return done

    return call
