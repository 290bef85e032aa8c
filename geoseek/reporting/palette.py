"""Colours of pages, plots and maps, in one place, for a light and a dark ground.

The three categorical colours stay apart under the common colour-vision deficiencies, and in grey (blue dark, orange
light, magenta between); the ramp of the map runs through one hue with evenly falling (dark scheme: rising) lightness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours as `#rrggbb` for one scheme.

    Attributes:
        page: Ground of the page, and the frame of a standalone image.
        surface: Ground of cards and tables.
        tint: Ground of bars and of rows that stand out.
        ink: Text.
        muted: Secondary text.
        line: Hairlines.
        accent: Links, headings' rules.
        good: Something is as it should be.
        warn: Something needs attention.
        ocean: Sea on maps.
        graticule: Meridians and parallels.
        land: Land without a value.
        coast: Outlines of countries.
        ramp: Land from the smallest to the largest value.
        series: Categorical colours, in order of use.
        errors: From a small error to a large one: blue over yellow to red, which stay apart without red or green.
    """

    page: str
    surface: str
    tint: str
    ink: str
    muted: str
    line: str
    accent: str
    good: str
    warn: str
    ocean: str
    graticule: str
    land: str
    coast: str
    ramp: tuple[str, ...]
    series: tuple[str, ...]
    errors: tuple[str, ...]


LIGHT = Theme(
    page="#fbfaf7",
    surface="#ffffff",
    tint="#f1efe9",
    ink="#1b2430",
    muted="#5d6876",
    line="#e2e0d9",
    accent="#1f5fa8",
    good="#2c7a51",
    warn="#a8560b",
    ocean="#e9eff4",
    graticule="#d6e0e8",
    land="#f7f5ee",
    coast="#a9b0ab",
    ramp=("#f3f2e6", "#e2e8d5", "#c9dac3", "#abc9b3", "#8cb6a6", "#6ea29b"),
    series=("#1d54b0", "#e07a00", "#b0116b", "#3d3d46", "#7a5bd0", "#0d8074"),
    errors=("#1d54b0", "#3f9fc9", "#d8a900", "#e0622a", "#9c1240"),
)

DARK = Theme(
    page="#11161d",
    surface="#19202a",
    tint="#232c38",
    ink="#e6e9ee",
    muted="#9aa6b4",
    line="#2b3541",
    accent="#82b4f5",
    good="#6cc495",
    warn="#f0ad5e",
    ocean="#131b26",
    graticule="#1f2a37",
    land="#1d2732",
    coast="#4a5967",
    ramp=("#1f2b34", "#233841", "#28464d", "#2d5558", "#346663", "#3d786e"),
    series=("#7db1ff", "#ffb454", "#ff7ab8", "#d8dde4", "#b9a5ff", "#58d6c5"),
    errors=("#5f9dff", "#63d0e8", "#ffe08a", "#ff9a4d", "#ff4f7b"),
)

_KNOWN = {"loc": 0, "cot": 1, "val": 2}


def series_index(names: Sequence[str]) -> dict[str, int]:
    """Give every series its place in `Theme.series`: val, loc and cot always the same one, others what is left.

    >>> series_index(["val", "loc"])
    {'val': 2, 'loc': 0}
    >>> series_index(["photos.csv"])
    {'photos.csv': 0}
    """
    count = len(LIGHT.series)
    taken = {_KNOWN[name] for name in names if name in _KNOWN}
    free = [i for i in range(count) if i not in taken] or list(range(count))
    found: dict[str, int] = {}
    unknown = 0
    for name in names:
        if name in _KNOWN:
            found[name] = _KNOWN[name]
        else:
            found[name] = free[unknown % len(free)]
            unknown += 1
    return found
