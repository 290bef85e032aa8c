"""One export for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.formats.exports import write_export


@pytest.fixture(scope="session")
def export_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished export."""
    return write_export(tmp_path_factory.mktemp("export"))
