from __future__ import annotations

import doctest
import io
import math

import numpy as np
import pytest
from PIL import Image

from geoseek.reporting import DARK, LIGHT, Curve, curves, curves_png


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.size


def colours(png: bytes) -> set[tuple[int, ...]]:
    with Image.open(io.BytesIO(png)) as picture:
        return {tuple(pixel) for pixel in np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()}


def loss(steps: int) -> Curve:
    numbers = range(1, steps + 1)
    return Curve("loss", list(numbers), [2 / step for step in numbers], [0.1] * steps)


def test_examples_in_the_docs() -> None:
    assert doctest.testmod(curves).failed == 0


def test_equal_figures_give_equal_bytes() -> None:
    assert curves_png("run", [("sft", [loss(9)])]) == curves_png("run", [("sft", [loss(9)])])
    assert curves_png("run", [("sft", [loss(9)])]) != curves_png("run", [("sft", [loss(10)])])


def test_blocks_grow_downwards_and_empty_ones_are_left_out() -> None:
    one = size(curves_png("run", [("sft", [loss(9)] * 4)]))
    two = size(curves_png("run", [("sft", [loss(9)] * 4), ("none", []), ("grpo", [loss(9)] * 5)]))
    assert two[0] == one[0]
    assert two[1] > 2 * one[1]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_line_has_the_colour_of_its_series(theme: type) -> None:
    red, green, blue = (int(LIGHT.series[2][place : place + 2], 16) for place in (1, 3, 5))
    with_it = colours(curves_png("run", [("sft", [Curve("kl", [1, 2], [0.0, 1.0], series=2)])]))
    assert any(abs(r - red) + abs(g - green) + abs(b - blue) < 12 for r, g, b in with_it)


@pytest.mark.parametrize("steps", [1, 500])
@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e300])
def test_any_value_can_be_drawn(steps: int, value: float) -> None:
    curve = Curve("loss", list(range(steps)), [value] * steps, [value] * steps)
    assert size(curves_png("a" * 500, [("b\n" * 90, [curve])]))[0] > 500


def test_nothing_to_draw() -> None:
    assert size(curves_png("run", []))[1] > 0
