"""A server per test, and no proxy between it and the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endpoints.stub_server import ChatServer


@pytest.fixture
def server() -> Iterator[ChatServer]:
    running = ChatServer()
    yield running
    running.close()
