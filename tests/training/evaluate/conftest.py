"""The tools of an evaluation, loaded once."""

from __future__ import annotations

import pytest

from geoseek.geo import load_country_index
from geoseek.training.evaluate import Tools
from geoseek.training.predictions import shared_gazetteer


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools(shared_gazetteer(), load_country_index())
