"""A dataset in which nothing is wrong, for tests that damage it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.validate.datasets import write_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return the folder of a valid dataset."""
    return write_dataset(tmp_path / "export")
