"""The examples in the docstrings hold."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from geoseek.training import evaluate

MODULES = [module.name for module in pkgutil.iter_modules(evaluate.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"geoseek.training.evaluate.{name}")
    assert doctest.testmod(module).failed == 0
