"""PNG bytes that depend on the pixels alone, and data URIs of them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def rendered(figure: Figure) -> Pixels:
    """Draw a figure without any global state of matplotlib; uint8 of shape (height, width, 4)."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def png_from_pixels(pixels: Pixels, *, fine: bool = False) -> bytes:
    """Encode an opaque picture, uint8 of shape (height, width, 3), with a palette of 256 colours.

    The colour of the first pixel, the ground, is kept exactly, so that a picture shows no edge on a page.

    Args:
        pixels: The picture.
        fine: Choose the palette with care: gradients stay smooth, at seven times the cost (0.2 s for 2.5 megapixels).
    """
    method = Image.Quantize.MEDIANCUT if fine else Image.Quantize.FASTOCTREE
    picture = Image.fromarray(pixels).quantize(256, method=method, dither=Image.Dither.NONE)
    palette = picture.getpalette() or []
    ground = int(np.asarray(picture)[0, 0])
    palette[3 * ground : 3 * ground + 3] = pixels[0, 0].tolist()
    picture.putpalette(palette)
    return _encoded(picture)


def png_from_mask(mask: Pixels, colour: str) -> bytes:
    """Encode an opacity mask, uint8 of shape (height, width), as a transparent picture in one colour.

    Sixteen steps of opacity are kept: enough for the rims of dots, and half the bytes of all 256.
    """
    steps = ((mask.astype(np.uint16) + 8) // 17).astype(np.uint8)
    picture = Image.frombytes("P", (mask.shape[1], mask.shape[0]), steps.tobytes())
    red, green, blue = (round(channel * 255) for channel in to_rgb(colour))
    picture.putpalette(bytes([red, green, blue]) * 16)
    return _encoded(picture, bits=4, transparency=bytes(range(0, 256, 17)))


def _encoded(picture: Image.Image, **options: int | bytes) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=7, **options)
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """Return a PNG as a `data:` URI.

    >>> data_uri(b"abc")
    'data:image/png;base64,YWJj'
    """
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
