"""World maps: a weight map on land, and sample points as small dots over it, in the Equal Earth projection.

A map is made of layers of equal size: one base per theme (sea, graticule, land, weights, coasts) and one mask of dots
per split. A page stacks and tints the layers; `flatten` merges them for a standalone image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from geoseek.geo import CELLS, cell_of
from geoseek.reporting.images import rendered
from geoseek.reporting.palette import Theme
from geoseek.reporting.projection import X_MAX, Y_MAX, equal_earth, equal_earth_inverse, great_circle

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
WeightMap = tuple[npt.NDArray[np.int32], Floats]
"""Cells of the 1 degree grid (`geoseek.geo.cell_of`), and a value per cell."""

_LEVELS = 48
_DPI = 100
_REFERENCE_WIDTH = 2000
"""Line widths and dot sizes are given for this width in pixels, and scale with the map."""


class WorldMap:
    """Renders the layers of one map.

    Args:
        rings: Outlines of land, closed arrays of shape (n, 2) with (lng, lat) in degrees, cut at ±180; holes wind
            the other way.
        weights: Cells and their values, drawn as a ramp on land; 0 and None leave the land plain. Skewed values are
            best passed as logarithms, such as log(1 + people).
        width: Width of all layers in pixels; the height follows from the projection.
    """

    def __init__(self, rings: Iterable[Floats], weights: WeightMap | None = None, width: int = 2000) -> None:
        self.width = width
        self.height = int(np.ceil(width * Y_MAX / X_MAX))
        self._land = _outline(rings)
        self._weights = weights if weights is not None and len(weights[0]) else None
        self._unit = width / _REFERENCE_WIDTH

    def base(self, theme: Theme) -> Pixels:
        """Draw everything but the points, on the theme's surface; uint8 of shape (height, width, 3)."""
        figure, axes = self._canvas(theme.surface)
        _add(axes, PathPatch(_globe(), facecolor=theme.ocean, edgecolor="none", zorder=0))
        for x, y in _graticule():
            axes.plot(x, y, color=theme.graticule, linewidth=0.8 * self._unit, zorder=1, solid_capstyle="butt")
        land = PathPatch(self._land, facecolor=theme.land, edgecolor="none", zorder=2)
        _add(axes, land)
        if self._weights is not None:
            extent = (-X_MAX, X_MAX, -Y_MAX, Y_MAX)
            pixels = self._weight_pixels(theme)
            axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto", zorder=3).set_clip_path(land)
        coast = PathPatch(self._land, facecolor="none", edgecolor=theme.coast, linewidth=0.5 * self._unit, zorder=4)
        _add(axes, coast)
        return self._pixels(figure, axes)[..., :3].copy()

    def dots(self, lat: npt.ArrayLike, lng: npt.ArrayLike, *, diameter_px: float | None = None) -> Pixels:
        """Draw points as dots; returns their opacity, uint8 of (height, width).

        Args:
            lat: Latitudes in degrees.
            lng: Longitudes in degrees.
            diameter_px: Of a dot, on a map 2,000 pixels wide; default: the smaller the more points there are.
        """
        x, y = equal_earth(lat, lng)
        figure, axes = self._canvas("none")
        size = (dot_diameter_px(x.size) if diameter_px is None else diameter_px) * self._unit * 72 / _DPI
        axes.plot(x, y, "o", color="black", markersize=size, markeredgewidth=0, linestyle="none")
        return self._pixels(figure, axes)[..., 3].copy()

    def arcs(self, ways: Iterable[tuple[tuple[float, float], tuple[float, float]]]) -> Pixels:
        """Draw great circles, with a cross at the end of each; returns their opacity, uint8 of (height, width).

        Args:
            ways: Start and end of each, (lat, lng) in degrees.
        """
        figure, axes = self._canvas("none")
        for start, end in ways:
            axes.plot(*equal_earth(*great_circle(start, end)), color="black", alpha=0.6, linewidth=1.5 * self._unit)
            x, y = equal_earth([end[0]], [end[1]])
            axes.plot(x, y, "x", color="black", markersize=8 * self._unit, markeredgewidth=2 * self._unit)
        return self._pixels(figure, axes)[..., 3].copy()

    def _canvas(self, ground: str) -> tuple[Figure, Axes]:
        figure = Figure(figsize=(self.width / _DPI, self.height / _DPI), dpi=_DPI, facecolor=ground)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.axis("off")
        return figure, axes

    def _pixels(self, figure: Figure, axes: Axes) -> Pixels:
        axes.set_xlim(-X_MAX, X_MAX)
        axes.set_ylim(-Y_MAX, Y_MAX)
        return rendered(figure)

    @cached_property
    def _pixel_levels(self) -> npt.NDArray[np.uint8]:
        """Ramp level of every pixel; `_LEVELS` where its cell has no value, and outside the globe."""
        if self._weights is None:
            return np.full((self.height, self.width), _LEVELS, dtype=np.uint8)
        x = ((np.arange(self.width) + 0.5) / self.width * 2 - 1) * X_MAX
        y = (1 - (np.arange(self.height) + 0.5) / self.height * 2) * Y_MAX
        lat, lng = equal_earth_inverse(x[None, :], y[:, None])
        inside = np.isfinite(lat)
        cell = cell_of(np.where(inside, lat, 0.0), np.where(inside, np.clip(lng, -180.0, 180.0), 0.0))
        return np.where(inside, _levels(self._weights)[cell], _LEVELS).astype(np.uint8)

    def _weight_pixels(self, theme: Theme) -> Pixels:
        ramp = LinearSegmentedColormap.from_list("ramp", [to_rgb(c) for c in theme.ramp], N=_LEVELS)
        table = np.zeros((_LEVELS + 1, 4), dtype=np.uint8)
        table[:_LEVELS] = np.round(ramp(np.arange(_LEVELS)) * 255)
        return table[self._pixel_levels]


def dot_diameter_px(count: int) -> float:
    """Return the diameter of a dot in pixels of a 2,000 pixel wide map with this many dots.

    >>> dot_diameter_px(10), round(dot_diameter_px(3_000), 1), round(dot_diameter_px(20_000), 1)
    (7.0, 3.6, 2.3)
    """
    return float(np.clip(2.3 * (20_000 / max(count, 1)) ** 0.23, 1.6, 7.0))


def flatten(base: Pixels, dots: Sequence[tuple[Pixels, str]]) -> Pixels:
    """Lay tinted masks of dots over a base; the last one lies on top."""
    picture = base.copy()
    for mask, colour in dots:
        where = mask > 0
        opacity = mask[where, None] / 255.0
        tinted = picture[where] * (1 - opacity) + np.array(to_rgb(colour)) * 255 * opacity
        picture[where] = np.round(tinted).astype(np.uint8)
    return picture


def _add(axes: Axes, patch: PathPatch) -> None:
    # Not `add_patch`: it walks every vertex in Python to update data limits that are fixed here anyway.
    axes.add_artist(patch)


def _levels(weights: WeightMap) -> npt.NDArray[np.int64]:
    """Return the ramp level of every cell of the world; `_LEVELS` stands for none.

    Linear between the 2nd and the 98th percentile, so that one metropolis does not flatten the rest.
    """
    cells, values = np.asarray(weights[0], dtype=np.int64), np.asarray(weights[1], dtype=np.float64)
    level = np.full(CELLS, _LEVELS, dtype=np.int64)
    shown = np.isfinite(values) & (values > 0) & (cells >= 0) & (cells < level.size)
    if not shown.any():
        return level
    low, high = np.quantile(values[shown], [0.02, 0.98])
    share = (values[shown] - low) / (high - low) if high > low else np.full(int(shown.sum()), 0.5)
    level[cells[shown]] = np.clip(share * _LEVELS, 0, _LEVELS - 1).astype(np.int64)
    return level


def _outline(rings: Iterable[Floats]) -> Outline:
    """Project rings into one compound path; holes come out by the winding of the rings."""
    vertices: list[Floats] = []
    codes: list[npt.NDArray[np.uint8]] = []
    for ring in rings:
        if len(ring) < 3:
            continue
        # Only edges along the cut at ±180 and along the pole are long; they would leave the edge of the map.
        edge = np.abs(ring[:, 0]) > 179.9
        dense = _densified(ring) if edge.any() else ring
        vertices.append(np.column_stack(equal_earth(dense[:, 1], dense[:, 0])))
        code = np.full(len(dense), Outline.LINETO, dtype=np.uint8)
        code[0], code[-1] = Outline.MOVETO, Outline.CLOSEPOLY
        codes.append(code)
    if not vertices:
        return Outline(np.empty((0, 2)))
    return Outline(np.concatenate(vertices), np.concatenate(codes))


def _densified(ring: Floats, longest_deg: float = 2.0) -> Floats:
    steps = np.maximum(1, np.ceil(np.abs(np.diff(ring, axis=0)).max(axis=1) / longest_deg)).astype(np.int64)
    positions = np.concatenate([i + np.arange(n) / n for i, n in enumerate(steps)] + [np.array([len(ring) - 1.0])])
    index = np.arange(len(ring))
    return np.column_stack([np.interp(positions, index, ring[:, 0]), np.interp(positions, index, ring[:, 1])])


def _globe() -> Outline:
    up = np.linspace(-90.0, 90.0, 181)
    lat = np.concatenate([up, up[::-1]])
    lng = np.concatenate([np.full(181, 180.0), np.full(181, -180.0)])
    return Outline(np.column_stack(equal_earth(lat, lng)), closed=False)


def _graticule(step_deg: int = 30) -> Iterator[tuple[Floats, Floats]]:
    lat, lng = np.linspace(-90.0, 90.0, 181), np.linspace(-180.0, 180.0, 2)
    for meridian in range(-180 + step_deg, 180, step_deg):
        yield equal_earth(lat, np.full(lat.size, float(meridian)))
    for parallel in range(-90 + step_deg, 90, step_deg):
        yield equal_earth(np.full(lng.size, float(parallel)), lng)
