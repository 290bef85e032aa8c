"""The frame of HTML pages, world maps and plots, in one set of colours."""

from geoseek.reporting.curves import Curve, curves_png
from geoseek.reporting.images import data_uri, png_from_mask, png_from_pixels
from geoseek.reporting.maps import WeightMap, WorldMap, dot_diameter_px, flatten
from geoseek.reporting.page import count, kilometres, number, percent, points, render_page
from geoseek.reporting.palette import DARK, LIGHT, Theme, series_index
from geoseek.reporting.plots import Series, dumbbell_png, map_png
from geoseek.reporting.projection import equal_earth, equal_earth_inverse, great_circle

__all__ = [
    "DARK",
    "LIGHT",
    "Curve",
    "Series",
    "Theme",
    "WeightMap",
    "WorldMap",
    "count",
    "curves_png",
    "data_uri",
    "dot_diameter_px",
    "dumbbell_png",
    "equal_earth",
    "equal_earth_inverse",
    "flatten",
    "great_circle",
    "kilometres",
    "map_png",
    "number",
    "percent",
    "png_from_mask",
    "png_from_pixels",
    "points",
    "render_page",
    "series_index",
]
