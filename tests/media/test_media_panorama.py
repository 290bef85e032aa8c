from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from geoseek.media import cut_view, find_panorama
from geoseek.media.panorama import jpeg_view, view_side, view_yaws

WIDTH, HEIGHT = 1024, 512
TAG = '<rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" {}/>'


def coded(width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """Return a panorama whose colours state the direction: sine and cosine of longitude, and latitude."""
    height = width // 2
    longitude = ((np.arange(width) + 0.5) / width - 0.5) * 2 * math.pi
    latitude = (0.5 - (np.arange(height) + 0.5) / height) * math.pi
    layers = [
        np.broadcast_to(np.sin(longitude), (height, width)),
        np.broadcast_to(np.cos(longitude), (height, width)),
        np.broadcast_to(np.sin(latitude)[:, None], (height, width)),
    ]
    return np.rint(127.5 + 127.5 * np.stack(layers, axis=-1)).astype(np.uint8)


def directions(view: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (longitude, latitude) in degrees that the colours of a view state."""
    values = (view.astype(float) - 127.5) / 127.5
    longitude = np.degrees(np.arctan2(values[..., 0], values[..., 1]))
    return longitude, np.degrees(np.arcsin(np.clip(values[..., 2], -1, 1)))


@pytest.mark.parametrize("yaw", [0.0, 37.0, 90.0, 180.0, 270.0, 359.0])
def test_the_middle_of_a_view_looks_where_it_should(yaw: float) -> None:
    view = cut_view(coded(), yaw_deg=yaw, pitch_deg=0.0, fov_deg=90.0, side=201)
    longitude, latitude = directions(view)
    assert abs((longitude[100, 100] - yaw + 180) % 360 - 180) < 0.7
    assert abs(latitude[100, 100]) < 0.7


@pytest.mark.parametrize("fov", [60.0, 90.0, 120.0])
def test_the_edges_of_a_view_span_the_field_of_view(fov: float) -> None:
    side = 400
    longitude, latitude = directions(cut_view(coded(), yaw_deg=0.0, pitch_deg=0.0, fov_deg=fov, side=side))
    half_pixel = math.degrees(math.atan(math.tan(math.radians(fov / 2)) * (1 - 1 / side)))
    assert abs(longitude[side // 2, 0] + half_pixel) < 1
    assert abs(longitude[side // 2, -1] - half_pixel) < 1
    assert abs(latitude[0, side // 2] - half_pixel) < 1
    assert abs(latitude[-1, side // 2] + half_pixel) < 1


def test_pitch_looks_up() -> None:
    _, latitude = directions(cut_view(coded(), yaw_deg=0.0, pitch_deg=40.0, fov_deg=60.0, side=101))
    assert abs(latitude[50, 50] - 40) < 1
    assert latitude[0, 50] > latitude[100, 50]


def test_straight_lines_stay_straight() -> None:
    """A vertical great circle (constant longitude) is a vertical line in a level view."""
    longitude, _ = directions(cut_view(coded(), yaw_deg=0.0, pitch_deg=0.0, fov_deg=80.0, side=200))
    assert np.ptp(longitude[20:180, 150]) < 1.5


def test_there_is_no_seam_behind() -> None:
    view = cut_view(coded(), yaw_deg=180.0, pitch_deg=0.0, fov_deg=90.0, side=300).astype(int)
    assert np.abs(np.diff(view, axis=1)).max() <= 4


def test_four_views_of_90_degrees_meet() -> None:
    views = [cut_view(coded(), yaw_deg=yaw, pitch_deg=0.0, fov_deg=90.0, side=300) for yaw in view_yaws(4)]
    for view, following in zip(views, [*views[1:], views[0]], strict=True):
        middle = slice(140, 160)
        assert np.abs(view[middle, -1].astype(int) - following[middle, 0].astype(int)).max() <= 3


def test_views_keep_the_resolution_and_are_the_same_bytes_each_time() -> None:
    assert view_side(4096, 90) == 1304
    assert view_side(100_000, 120) == 2048
    view = cut_view(coded(), yaw_deg=10.0, pitch_deg=0.0, fov_deg=90.0, side=64)
    assert jpeg_view(view) == jpeg_view(view)
    with Image.open(io.BytesIO(jpeg_view(view))) as image:
        assert (image.size, image.info.get("exif")) == ((64, 64), None)


def test_recognised_by_tag() -> None:
    photo = Image.new("RGB", (300, 200))
    tagged = TAG.format('GPano:ProjectionType="equirectangular" GPano:PoseHeadingDegrees="350.5"').encode()
    found = find_panorama(photo, tagged)
    assert found is not None
    assert (found.heading_deg, found.whole) == (350.5, False)
    element = b"<GPano:ProjectionType>equirectangular</GPano:ProjectionType>"
    assert find_panorama(Image.new("RGB", (400, 200)), element) is not None
    assert find_panorama(Image.fromarray(coded()), TAG.format('GPano:ProjectionType="cylindrical"').encode()) is None


def test_a_part_of_a_sphere_is_not_whole() -> None:
    names = ("FullPanoWidth", "FullPanoHeight", "CroppedAreaImageWidth", "CroppedAreaImageHeight")
    sizes = " ".join(f'GPano:{name}Pixels="{{}}"' for name in names)
    part = TAG.format('GPano:ProjectionType="equirectangular" ' + sizes.format(4096, 2048, 2048, 1024)).encode()
    whole = TAG.format('GPano:ProjectionType="equirectangular" ' + sizes.format(2048, 1024, 2048, 1024)).encode()
    image = Image.new("RGB", (2048, 1024))
    for xmp, expected in ((part, False), (whole, True)):
        found = find_panorama(image, xmp)
        assert found is not None
        assert found.whole is expected


def test_recognised_by_shape_only_if_the_edges_meet() -> None:
    panorama = coded()
    assert find_panorama(Image.fromarray(panorama), b"") is not None
    assert find_panorama(Image.fromarray(panorama[:, : WIDTH - 20]), b"") is None
    ramp = np.linspace(0, 255, WIDTH).astype(np.uint8)
    photo = np.broadcast_to(ramp[None, :, None], (HEIGHT, WIDTH, 3))
    assert find_panorama(Image.fromarray(np.ascontiguousarray(photo)), b"") is None
    assert find_panorama(Image.fromarray(coded(512)), b"") is None


def test_odd_numbers_in_tags_are_ignored() -> None:
    xmp = TAG.format('GPano:ProjectionType="equirectangular" GPano:PoseHeadingDegrees="nan"').encode() + b"\xff\xfe"
    found = find_panorama(Image.new("RGB", (400, 200)), xmp)
    assert found is not None
    assert found.heading_deg is None
