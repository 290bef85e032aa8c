"""A fresh workspace with a ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.curate.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return an empty world of eight cot and two val samples."""
    return World(tmp_path / "workspace")
