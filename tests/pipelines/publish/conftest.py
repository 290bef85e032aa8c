"""A Hub on loopback, and a dataset to publish there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from tests.pipelines.publish.hub_server import HubServer
from tests.pipelines.validate.datasets import write_dataset


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Return a running Hub without repositories; huggingface_hub waits for nothing, and does not use xet."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    # Its validator takes longer than everything else, and is tested with `validate`.
    monkeypatch.setitem(sys.modules, "mlcroissant", None)
    server = HubServer()
    yield server
    server.close()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return the folder of a valid dataset."""
    return write_dataset(tmp_path / "export")
