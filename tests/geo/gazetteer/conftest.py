"""The real gazetteer, built once per machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoseek.geo.gazetteer import Gazetteer, load_gazetteer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of this folder in one process, so that no two build the gazetteer at once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("gazetteer"))


@pytest.fixture(scope="session")
def gazetteer() -> Gazetteer:
    """Return the gazetteer of the installed sources."""
    return load_gazetteer()
