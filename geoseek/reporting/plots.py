"""Standalone pictures for papers, slides and READMEs; the pages draw their own bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from geoseek.reporting.images import Pixels, png_from_pixels, rendered
from geoseek.reporting.palette import LIGHT, Theme

DPI = 160
# Whatever the user's matplotlibrc says, the same figures give the same bytes. DejaVu comes with matplotlib.
STYLE: Any = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.usetex": False,
    "text.parse_math": False,
    "text.hinting": "default",
    "axes.unicode_minus": True,
    "path.simplify": True,
    "path.sketch": None,
    "path.effects": [],
}


@dataclass(frozen=True)
class Series:
    """One set of values to be compared with the target.

    Attributes:
        name: Shown in the legend.
        values: One per row; None leaves the row empty.
        colour: `#rrggbb`.
    """

    name: str
    values: Sequence[float | None]
    colour: str


def dumbbell_png(
    title: str, labels: Sequence[str], target: Sequence[float], series: Sequence[Series], theme: Theme = LIGHT
) -> bytes:
    """Draw target against achieved, one row per label: a tick for the target, a dot per series, a line between.

    Args:
        title: Title of the picture.
        labels: Rows, from top to bottom.
        target: Target shares, 0..1, one per label.
        series: Achieved shares.
        theme: Colours.
    """
    with mpl.rc_context(STYLE):
        height = 1.25 + 0.26 * max(1, len(labels))
        figure = Figure(figsize=(7.6, height), dpi=DPI, facecolor=theme.surface)
        axes = figure.add_axes((0.27, 0.55 / height, 0.69, (height - 1.25) / height))
        rows = np.arange(len(labels))
        values = np.array([[np.nan if v is None else v for v in s.values] for s in series], dtype=float)
        everything = np.vstack([np.asarray(target, dtype=float)[None, :], values.reshape(len(series), len(labels))])
        for row in rows:
            seen = everything[:, row][np.isfinite(everything[:, row])]
            axes.plot([100 * seen.min(), 100 * seen.max()], [row, row], color=theme.line, linewidth=3, zorder=1)
        axes.plot(100 * everything[0], rows, "|", color=theme.ink, markersize=13, markeredgewidth=2, zorder=2)
        # Dots of several series would hide each other where the draw is good; they are set apart across the row.
        offsets = np.linspace(-0.2, 0.2, len(series)) if len(series) > 1 else np.zeros(1)
        for s, line, offset in zip(series, everything[1:], offsets, strict=False):
            axes.plot(
                100 * line, rows + offset, "o", color=s.colour, markersize=5.2, markeredgewidth=0, zorder=3, alpha=0.92
            )
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_yticks(rows, [shortened(label, 26) for label in labels])
        axes.set_xlabel("share of the rows, %", color=theme.muted)
        _quiet(axes, theme)
        figure.text(0.02, 1 - 0.22 / height, title, fontsize=12, fontweight="bold", color=theme.ink, va="center")
        handles = [_handle("target", "|", theme.ink)] + [_handle(s.name, "o", s.colour) for s in series[:6]]
        _legend(figure, handles, theme, y=1 - 0.5 / height)
        return png_from_pixels(rendered(figure)[..., :3].copy())


def map_png(
    title: str, picture: Pixels, series: Sequence[tuple[str, str]], ramp_label: str | None, theme: Theme = LIGHT
) -> bytes:
    """Frame a finished map with a title and a legend.

    Args:
        title: Title of the picture.
        picture: The map, uint8 of shape (height, width, 3); shown pixel by pixel.
        series: Label and colour of the dots.
        ramp_label: What the colour of the land stands for; None if the land is plain.
        theme: Colours.
    """
    height, width = picture.shape[:2]
    top, bottom, side = round(0.055 * width), round(0.06 * width), round(0.02 * width)
    full_width, full_height = width + 2 * side, height + top + bottom
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(full_width / DPI, full_height / DPI), dpi=DPI, facecolor=theme.surface)
        unit = full_width / DPI / 12.5
        axes_y = 0.42 * bottom / full_height
        figure.text(
            side / full_width,
            1 - 0.52 * top / full_height,
            shortened(title, 90),
            fontsize=15 * unit,
            fontweight="bold",
            color=theme.ink,
            va="center",
        )
        handles = [_handle(label, "o", colour) for label, colour in series[:6]]
        legend = figure.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(side / full_width, axes_y),
            ncols=max(1, len(handles)),
            frameon=False,
            fontsize=10 * unit,
            labelcolor=theme.ink,
            borderaxespad=0,
            handletextpad=0.2,
        )
        legend.set_visible(bool(handles))
        if ramp_label is not None:
            ramp = figure.add_axes((0.80, axes_y - 0.006, 0.18, 0.012))
            colours = LinearSegmentedColormap.from_list("ramp", list(theme.ramp))
            ramp.imshow(np.linspace(0, 1, 256)[None, :], aspect="auto", cmap=colours)
            ramp.set_axis_off()
            figure.text(
                0.79, axes_y, ramp_label, fontsize=9 * unit, color=theme.muted, ha="right", va="center_baseline"
            )
        framed = rendered(figure)[..., :3].copy()
        framed[top : top + height, side : side + width] = picture
        return png_from_pixels(framed, fine=True)


def _handle(label: str, marker: str, colour: str) -> Line2D:
    size = 11 if marker == "|" else 6
    return Line2D(
        [],
        [],
        marker=marker,
        color=colour,
        linestyle="none",
        markersize=size,
        markeredgewidth=2,
        label=shortened(label),
    )


def _legend(figure: Figure, handles: list[Line2D], theme: Theme, y: float) -> None:
    figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(0.012, y),
        ncols=len(handles),
        frameon=False,
        labelcolor=theme.muted,
        handletextpad=0.2,
        borderaxespad=0,
    )


def _quiet(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.surface)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=theme.line, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=theme.ink, labelsize=9)
    axes.tick_params(axis="x", colors=theme.muted, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def shortened(text: str, length: int = 28) -> str:
    """Cut a label that would run out of the picture; control characters have no glyph."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"
