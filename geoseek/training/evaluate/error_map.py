"""The map of errors: true positions coloured by how far off the answer is, and ways to the answers furthest off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from geoseek.geo import load_world
from geoseek.reporting import DARK, LIGHT, WorldMap, data_uri, dot_diameter_px, png_from_mask, png_from_pixels
from geoseek.training.evaluate.core import Evaluated
from geoseek.training.evaluate.result import RADII_KM, WorstRow
from geoseek.training.evaluate.tables import FloatArray, TruthTable

LIMITS_KM = RADII_KM[1:]
"""Errors are coloured by the largest of these radii that they exceed."""
NOWHERE = len(LIMITS_KM) + 1
"""Class of rows without coordinates."""
FAR_KM = 200
"""Shorter ways are not drawn: on a map of the world they are dots."""

_DOT_SCALE = 1.7
"""Dots are larger than on maps of samples, where they need no colour to be told apart."""


@dataclass(frozen=True)
class Layer:
    """Dots or ways of one set, in the colours of both themes, as `data:` URIs."""

    light: str
    dark: str


@dataclass(frozen=True)
class SetLayers:
    """What the map shows of one set.

    Attributes:
        counts: Rows of each class.
        dots: Class -> layer; only of classes with rows, those to be drawn first in front.
        ways: From truth to answer, of the largest errors; None if none is beyond `FAR_KM`.
        way_count: How many ways.
    """

    counts: tuple[int, ...]
    dots: dict[int, Layer]
    ways: Layer | None
    way_count: int


@dataclass(frozen=True)
class ErrorMap:
    """The layers of the map; all of them have the same size.

    Attributes:
        width: In pixels.
        height: In pixels.
        base: Land and sea.
        sets: One entry per set.
    """

    width: int
    height: int
    base: Layer
    sets: tuple[SetLayers, ...]


def error_classes(distance_km: FloatArray) -> npt.NDArray[np.int64]:
    """Return the class of each error: 0 within the first of `LIMITS_KM`, and so on; `NOWHERE` without coordinates.

    >>> error_classes(np.array([0.0, 25.0, 25.1, 9000.0, np.nan])).tolist()
    [0, 0, 1, 4, 5]
    """
    return np.where(np.isnan(distance_km), NOWHERE, np.searchsorted(LIMITS_KM, distance_km, side="left"))


def class_labels() -> list[str]:
    """Return what the legend calls the classes.

    >>> class_labels()
    ['within 25 km', '25 to 200 km', '200 to 750 km', '750 to 2,500 km', 'beyond 2,500 km', 'no coordinates']
    """
    between = [f"{low:,} to {high:,} km" for low, high in pairwise(LIMITS_KM)]
    return [f"within {LIMITS_KM[0]:,} km", *between, f"beyond {LIMITS_KM[-1]:,} km", "no coordinates"]


def draw_error_map(found: Evaluated) -> ErrorMap:
    """Draw the layers. Cost: 0.1 s per layer, and 2 s per million rows."""
    world = WorldMap(ring for outline in load_world() for ring in outline.rings)
    base = [data_uri(png_from_pixels(world.base(theme))) for theme in (LIGHT, DARK)]
    sets = tuple(
        _set_layers(world, found.truth, error_classes(rows.distance_km), figures.worst)
        for rows, figures in zip(found.rows, found.evaluation.sets, strict=True)
    )
    return ErrorMap(world.width, world.height, Layer(*base), sets)


def _set_layers(
    world: WorldMap, truth: TruthTable, classes: npt.NDArray[np.int64], worst: Sequence[WorstRow]
) -> SetLayers:
    counts = tuple(np.bincount(classes, minlength=NOWHERE + 1).tolist())
    dots, diameter_px = {}, _DOT_SCALE * dot_diameter_px(len(truth))
    for number in (NOWHERE, *range(NOWHERE)):  # the largest errors lie on top
        if counts[number]:
            rows = classes == number
            mask = world.dots(truth.lat[rows], truth.lng[rows], diameter_px=diameter_px)
            dots[number] = _layer(mask, *_colours(number))
    ways = [((row.lat, row.lng), (row.predicted_lat, row.predicted_lng)) for row in worst if row.distance_km > FAR_KM]
    return SetLayers(counts, dots, _layer(world.arcs(ways), LIGHT.ink, DARK.ink) if ways else None, len(ways))


def _colours(number: int) -> tuple[str, str]:
    if number == NOWHERE:
        return LIGHT.muted, DARK.muted
    return LIGHT.errors[number], DARK.errors[number]


def _layer(mask: npt.NDArray[np.uint8], light: str, dark: str) -> Layer:
    return Layer(data_uri(png_from_mask(mask, light)), data_uri(png_from_mask(mask, dark)))
