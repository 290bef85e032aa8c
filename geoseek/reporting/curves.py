"""Curves of a training: small panels in rows, one block per stage, all against the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from geoseek.reporting.images import png_from_pixels, rendered
from geoseek.reporting.palette import LIGHT, Theme
from geoseek.reporting.plots import DPI, STYLE, shortened

_COLUMNS = 4
_PANEL_WIDTH_IN, _PANEL_HEIGHT_IN = 3.1, 1.9
_TITLE_IN, _BLOCK_IN, _FOOT_IN = 0.5, 0.2, 0.1
_SMOOTHED_FROM = 60
_WINDOWS = 25

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One quantity over the steps of a stage.

    Attributes:
        name: Title of its panel.
        steps: Steps, ascending.
        values: One per step; what is not finite leaves a gap and is counted in the panel.
        spread: Standard deviation, drawn as a band around the values; None if there is none.
        series: Index of its colour in `Theme.series`.
    """

    name: str
    steps: Sequence[int]
    values: Sequence[float]
    spread: Sequence[float] | None = None
    series: int = 0


def curves_png(title: str, blocks: Sequence[tuple[str, Sequence[Curve]]], theme: Theme = LIGHT) -> bytes:
    """Draw the curves of a training.

    Long curves are drawn pale, with their running mean over 1/25 of the steps in full colour.

    Args:
        title: Title of the picture.
        blocks: Name and curves of each stage, from top to bottom.
        theme: Colours.

    Returns:
        A PNG; equal figures give equal bytes.
    """
    shown = [(name, curves) for name, curves in blocks if curves]
    rows = [-(-len(curves) // _COLUMNS) for _, curves in shown]
    columns = max((min(_COLUMNS, len(curves)) for _, curves in shown), default=1)
    columns = max(columns, 2)
    width = columns * _PANEL_WIDTH_IN + 0.2
    height = _TITLE_IN + sum(_BLOCK_IN + count * _PANEL_HEIGHT_IN for count in rows) + _FOOT_IN
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, facecolor=theme.surface)
        _text(figure, 0.15, height - 0.27, shortened(title, 28 * columns), theme.ink, 12)
        top = height - _TITLE_IN
        for (name, curves), count in zip(shown, rows, strict=True):
            _text(figure, 0.15, top - 0.1, shortened(name, 30 * columns), theme.accent, 10)
            for place, curve in enumerate(curves):
                row, column = divmod(place, _COLUMNS)
                bottom = top - _BLOCK_IN - (row + 1) * _PANEL_HEIGHT_IN
                _panel(figure, (column * _PANEL_WIDTH_IN + 0.1, bottom), curve, theme)
            top -= _BLOCK_IN + count * _PANEL_HEIGHT_IN
        return png_from_pixels(rendered(figure)[..., :3].copy())


def running_mean(values: Floats, window: int) -> Floats:
    """Return the mean over a window centred on each value, narrower at the ends; what is not finite is left out.

    >>> running_mean(np.array([0.0, 3.0, 6.0, np.nan]), 3).tolist()
    [1.5, 3.0, 4.5, 6.0]
    """
    finite = np.isfinite(values)
    total = np.convolve(np.where(finite, values, 0.0), np.ones(window), "same")
    count = np.convolve(finite.astype(float), np.ones(window), "same")
    mean: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean


def _panel(figure: Figure, corner: tuple[float, float], curve: Curve, theme: Theme) -> None:
    width, height = figure.get_size_inches()
    left, bottom = corner
    axes = figure.add_axes(
        ((left + 0.5) / width, (bottom + 0.42) / height, (_PANEL_WIDTH_IN - 0.65) / width, 1.2 / height)
    )
    colour = theme.series[curve.series % len(theme.series)]
    steps = np.asarray(curve.steps, dtype=float)
    values = np.asarray(curve.values, dtype=float)
    seen = np.where(np.isfinite(values), values, np.nan)
    is_long = len(steps) >= _SMOOTHED_FROM
    window = len(steps) // _WINDOWS | 1 if is_long else 1
    middle = running_mean(seen, window)
    if curve.spread is not None:
        spread = np.nan_to_num(running_mean(np.asarray(curve.spread, dtype=float), window))
        axes.fill_between(steps, middle - spread, middle + spread, color=colour, alpha=0.16, linewidth=0)
    if is_long:
        axes.plot(steps, seen, color=colour, linewidth=0.7, alpha=0.3)
    dots: dict[str, Any] = {} if is_long else {"marker": "o", "markersize": 2.6, "markeredgewidth": 0}
    axes.plot(steps, middle, color=colour, linewidth=1.6, **dots)
    _frame(axes, theme)
    axes.set_title(shortened(curve.name, 34), loc="left", fontsize=9, color=theme.ink, pad=5)
    _corner(axes, seen, theme)


def _corner(axes: Axes, values: Floats, theme: Theme) -> None:
    """Write the last value into the corner, and how many there are that could not be drawn."""
    finite = values[np.isfinite(values)]
    lost = len(values) - len(finite)
    label, colour = (f"{finite[-1]:.3g}", theme.muted) if len(finite) else ("", theme.muted)
    if lost:
        label, colour = f"{lost} not finite", theme.warn
    axes.text(1, 1.06, label, transform=axes.transAxes, ha="right", va="bottom", fontsize=8, color=colour)


def _frame(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.surface)
    axes.grid(axis="y", color=theme.line, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=theme.muted, labelsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.yaxis.set_major_formatter(lambda value, _: _tick(value, *axes.get_ylim()))
    axes.margins(x=0.02, y=0.12)
    axes.set_xlabel("step", fontsize=7.5, color=theme.muted, labelpad=2)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.line)


def _tick(value: float, low: float, high: float) -> str:
    """Write a value with as many digits as tell it from its neighbours on an axis.

    >>> _tick(11.85, 11.7, 11.9), _tick(2e-5, 0.0, 1e-4), _tick(-2e-19, -1.0, 1.0)
    ('11.85', '2e-05', '0')
    """
    span = abs(high - low) or 1.0
    if abs(value) < 1e-9 * span:
        return "0"
    return f"{value:.{max(3, math.ceil(math.log10(abs(value) / span)) + 3)}g}"


def _text(figure: Figure, x_in: float, y_in: float, text: str, colour: str, size: int) -> None:
    width, height = figure.get_size_inches()
    figure.text(x_in / width, y_in / height, text, fontsize=size, fontweight="bold", color=colour, va="center")
