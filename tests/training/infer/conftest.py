"""A workspace with an export, and a server that says where its pictures were taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoints.stub_server import ChatServer
from tests.formats.exports import write_export
from tests.training.infer.stub import locate


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "geoseek.yaml").write_text("seed: 3\n")
    write_export(folder / "export")
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for prefix in ("GEOSEEK_VLM", "GEOSEEK_LLM"):
        for name in ("URL", "MODEL", "KEY", "KEY_FILE"):
            monkeypatch.delenv(f"{prefix}_{name}", raising=False)
    running = ChatServer()
    running.usual = locate
    yield running
    running.close()
