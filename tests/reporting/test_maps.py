from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_hex

from geoseek.geo import cell_of
from geoseek.reporting import LIGHT, WorldMap, dot_diameter_px, equal_earth, flatten
from geoseek.reporting.projection import X_MAX, Y_MAX

SQUARE = np.array([[0.0, 0.0], [0.0, 40.0], [40.0, 40.0], [40.0, 0.0], [0.0, 0.0]])
POLAR = np.array([[-180.0, -60.0], [180.0, -60.0], [180.0, -90.0], [-180.0, -90.0], [-180.0, -60.0]])


def pixel(world: WorldMap, lat: float, lng: float) -> tuple[int, int]:
    x, y = equal_earth(lat, lng)
    return int((1 - float(y) / Y_MAX) / 2 * world.height), int((float(x) / X_MAX + 1) / 2 * world.width)


def colour(picture: npt.NDArray[np.uint8], at: tuple[int, int]) -> str:
    return to_hex(picture[at] / 255)


@pytest.mark.parametrize("width", [120, 600])
def test_base_shows_sea_land_and_ground(width: int) -> None:
    world = WorldMap([SQUARE], width=width)
    picture = world.base(LIGHT)
    assert picture.shape == (world.height, width, 3)
    assert colour(picture, (0, 0)) == LIGHT.surface
    assert colour(picture, pixel(world, 20, 20)) == LIGHT.land
    assert colour(picture, pixel(world, -20, -50)) == LIGHT.ocean


def test_weights_colour_the_land_and_nothing_else() -> None:
    lat, lng = (a.ravel() + 0.5 for a in np.mgrid[-20:40, -20:40])
    values = np.where(lng < 20, 1.0, 5.0)
    world = WorldMap([SQUARE], (cell_of(lat, lng), values), width=600)
    picture = world.base(LIGHT)
    assert colour(picture, pixel(world, 20, 10)) == LIGHT.ramp[0]
    assert colour(picture, pixel(world, 20, 30)) == LIGHT.ramp[-1]
    assert colour(picture, pixel(world, -10, -10)) == LIGHT.ocean


def test_cells_without_a_positive_value_stay_plain() -> None:
    lat, lng = (a.ravel() + 0.5 for a in np.mgrid[0:40, 0:40])
    values = np.where(lng < 20, 0.0, np.where(lat < 20, np.nan, 3.0))
    world = WorldMap([SQUARE], (cell_of(lat, lng), values), width=600)
    picture = world.base(LIGHT)
    assert colour(picture, pixel(world, 30, 10)) == LIGHT.land
    assert colour(picture, pixel(world, 10, 30)) == LIGHT.land
    assert colour(picture, pixel(world, 30, 30)) not in (LIGHT.land, LIGHT.ocean)


def test_a_ring_along_the_cut_follows_the_edge_of_the_map() -> None:
    world = WorldMap([POLAR], width=600)
    picture = world.base(LIGHT)
    for lng in (-178, 5, 178):
        assert colour(picture, pixel(world, -75, lng)) == LIGHT.land
        assert colour(picture, pixel(world, -45, lng)) == LIGHT.ocean


def test_no_outlines_and_degenerate_rings_still_give_a_map() -> None:
    for rings in ([], [np.empty((0, 2))], [SQUARE[:2]]):
        assert WorldMap(rings, (np.empty(0, dtype=np.int32), np.empty(0)), width=100).base(LIGHT).shape == (49, 100, 3)


def test_dots_lie_where_the_points_are() -> None:
    world = WorldMap([], width=600)
    mask = world.dots([10.0, -30.0], [20.0, 179.0])
    assert mask.shape == (world.height, world.width)
    assert mask[pixel(world, 10, 20)] == 255
    assert mask[pixel(world, -30, 178.9)] > 0
    assert mask[pixel(world, 10, 60)] == 0
    assert world.dots([], []).max() == 0


def test_dots_shrink_with_their_number() -> None:
    sizes = [dot_diameter_px(n) for n in (0, 1, 100, 3_000, 20_000, 10**7)]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) >= 1


def test_flatten_tints_in_order_and_leaves_the_base_alone() -> None:
    base = np.full((2, 2, 3), 255, dtype=np.uint8)
    full = np.array([[255, 0], [0, 0]], dtype=np.uint8)
    half = np.array([[0, 51], [0, 0]], dtype=np.uint8)
    picture = flatten(base, [(full, "#ff0000"), (full, "#0000ff"), (half, "#000000")])
    assert picture[0, 0].tolist() == [0, 0, 255]
    assert picture[0, 1].tolist() == [204, 204, 204]
    assert (base == 255).all()


def test_dots_can_be_given_a_size() -> None:
    world = WorldMap([], width=600)
    small, large = (int((world.dots([0], [0], diameter_px=size) > 0).sum()) for size in (7.0, 28.0))
    assert large > 5 * small


def test_arc_over_the_edge_of_the_map_is_cut_there() -> None:
    world = WorldMap([], width=600)
    fiji, samoa = (-17.7, 178.0), (-13.8, -171.8)
    mask = world.arcs([(fiji, samoa)])
    assert mask[pixel(world, -15.5, 179)[0] - 8 : pixel(world, -15.5, 179)[0] + 8, -30:].any()
    assert mask[pixel(world, *samoa)] > 100
    assert not mask[:, 40:-40].any()


def test_no_arc_is_an_empty_layer() -> None:
    assert not WorldMap([], width=120).arcs([]).any()
