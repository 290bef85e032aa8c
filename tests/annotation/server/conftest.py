"""A stub server, and connections to it that do not really sleep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.annotation.server.stub import Stub, stub_server


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Return a server that answers as told."""
    with stub_server() as server:
        yield server
