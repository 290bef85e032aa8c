from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from geoseek.reporting import LIGHT, Series, data_uri, dumbbell_png, map_png, png_from_mask, png_from_pixels


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


@pytest.mark.parametrize("fine", [False, True])
def test_pixels_keep_their_ground_exactly(fine: bool) -> None:
    pixels = np.full((40, 60, 3), 255, dtype=np.uint8)
    pixels[10:20, 10:50] = np.linspace(0, 255, 40).astype(np.uint8)[None, :, None]
    png = png_from_pixels(pixels, fine=fine)
    picture = opened(png)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert picture.size == (60, 40)
    assert not picture.info.keys() & {"Software", "date", "Creation Time"}


def test_mask_becomes_opacity_of_one_colour() -> None:
    mask = np.array([[0, 255, 128], [17, 34, 250]], dtype=np.uint8)
    rgba = np.asarray(opened(png_from_mask(mask, "#1d54b0")).convert("RGBA"))
    assert (rgba[..., :3] == [0x1D, 0x54, 0xB0]).all()
    assert (np.abs(rgba[..., 3].astype(int) - mask) <= 8).all()
    assert rgba[0, 0, 3] == 0
    assert rgba[0, 1, 3] == 255


def test_data_uri_is_base64() -> None:
    assert data_uri(b"\x89PNG") == "data:image/png;base64,iVBORw=="


def test_plots_are_reproducible_and_survive_odd_labels() -> None:
    labels = ["China", "$x^2$ & <b>", "A very long name of a country that does not fit\n", "日本"]
    labels = labels[:3]
    series = [Series("val", [0.1, None, 0.3], LIGHT.series[2]), Series("loc", [0.2, 0.0, 0.3], LIGHT.series[0])]
    first = dumbbell_png("Title", labels, [0.2, 0.3, 0.5], series)
    assert first == dumbbell_png("Title", labels, [0.2, 0.3, 0.5], series)
    assert b"Software" not in first
    assert opened(first).width > 800


def test_plot_without_rows_or_series() -> None:
    assert opened(dumbbell_png("Nothing", [], [], [])).width > 800
    assert opened(dumbbell_png("Target only", ["China"], [1.0], [])).width > 800


def test_map_frame_contains_the_map_unchanged() -> None:
    picture = np.zeros((100, 200, 3), dtype=np.uint8)
    picture[:, :100] = (200, 10, 10)
    framed = np.asarray(opened(map_png("A map", picture, [("loc: 5", "#1d54b0")], "weight")).convert("RGB"))
    assert framed.shape[0] > 100
    assert framed.shape[1] > 200
    assert (framed[60, 50] == [200, 10, 10]).all()
    assert (framed[0, 0] == 255).all()
