"""One export of a complete little workspace, for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.pipelines import run_export
from tests.pipelines.export.worlds import World, full_world


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """Return the workspace and its export."""
    world = full_world(tmp_path_factory.mktemp("world"))
    run_export(world.request())
    return world, world.folder / "export"
