"""A fresh workspace, and a server that stands in for a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoints.stub_server import ChatServer
from tests.pipelines.tag.world import TagWorld, rater


@pytest.fixture
def world(tmp_path: Path) -> TagWorld:
    """Return a workspace with an empty ledger."""
    return TagWorld(tmp_path / "workspace")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """Return a server that answers both questions."""
    running = ChatServer()
    running.usual = rater()
    yield running
    running.close()
