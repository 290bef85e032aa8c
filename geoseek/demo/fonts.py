"""Fonts that come with pinned packages: matplotlib's DejaVu, and Noto for the scripts that DejaVu lacks.

Nothing is taken from the system, so a scene looks the same on every machine. A script whose package is not installed,
or that needs shaping which this build of Pillow lacks (libraqm), is reported by `can_render`.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from geoseek.schemas import MissingExtraError

PATCH_PX = 44
"""Size of type in a text patch; a patch is resized to its sign."""


@dataclass(frozen=True)
class FontSource:
    """Where a font lies.

    Attributes:
        package: Import name of the package that carries it.
        file: Path inside the package.
        index: Face inside a collection.
        weight: Value of the weight axis of a variable font.
    """

    package: str
    file: str
    index: int = 0
    weight: int | None = None


FONTS = {
    "dejavu": FontSource("matplotlib", "mpl-data/fonts/ttf/DejaVuSans-Bold.ttf"),
    "devanagari": FontSource("fontpkg_noto_sans_devanagari", "files/NotoSansDevanagari[wdth,wght].ttf", weight=600),
    "thai": FontSource("fontpkg_noto_sans_thai", "files/NotoSansThai[wdth,wght].ttf", weight=600),
    "khmer": FontSource("fontpkg_noto_sans_khmer", "files/NotoSansKhmer[wdth,wght].ttf", weight=600),
    "cjk-jp": FontSource("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc", 0),
    "cjk-kr": FontSource("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc", 1),
    "cjk-sc": FontSource("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc", 2),
    "cjk-tc": FontSource("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc", 3),
}
_NEEDS_SHAPING = {"Arabic", "Hebrew", "Devanagari", "Thai", "Khmer", "Lao"}


@functools.lru_cache(maxsize=len(FONTS))
def font_path(key: str) -> Path | None:
    """Return the file of a font, or None if its package is not installed. The package itself is not imported."""
    source = FONTS[key]
    found = importlib.util.find_spec(source.package)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / source.file
    return path if path.is_file() else None


def require_fonts() -> None:
    """Check that all font packages are there; without one, scenes would be drawn with other words.

    Raises:
        MissingExtraError: A package is not installed.
    """
    for key, source in FONTS.items():
        if font_path(key) is None:
            raise MissingExtraError(source.package.replace("_", "-"), extra="demo", purpose="Drawing scenes")


def can_render(key: str, script: str) -> bool:
    """Say whether text of this script can be written here: the font is there, and shaping where the script needs it."""
    return font_path(key) is not None and (script not in _NEEDS_SHAPING or bool(features.check("raqm")))


@functools.lru_cache(maxsize=32)
def load_font(key: str, size: int) -> ImageFont.FreeTypeFont:
    """Load a font at a size in pixels."""
    source = FONTS[key]
    font = ImageFont.truetype(str(font_path(key)), size, index=source.index)
    if source.weight is not None:
        axes = font.get_variation_axes()
        values = [source.weight if b"eight" in (axis["name"] or b"") else axis["default"] or 0 for axis in axes]
        font.set_variation_by_axes([float(value) for value in values])
    return font


@functools.lru_cache(maxsize=len(FONTS))
def _characters(key: str) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    with TTFont(str(font_path(key)), fontNumber=FONTS[key].index, lazy=True) as file:
        return frozenset(file.getBestCmap())


def has_glyphs(text: str, key: str) -> bool:
    """Say whether the font has a glyph for every character of a text."""
    return all(ord(sign) in _characters(key) for sign in text)


@functools.lru_cache(maxsize=2048)
def text_mask(text: str, key: str) -> Image.Image:
    """Write a text, and return its coverage as a tight image of mode L (do not change it: it is cached)."""
    font = load_font(key, PATCH_PX)
    stroke = 1 if key.startswith("cjk") else 0
    left, top, right, bottom = (int(value) for value in font.getbbox(text, stroke_width=stroke))
    mask = Image.new("L", (max(right - left, 1) + 2, max(bottom - top, 1) + 2), 0)
    ImageDraw.Draw(mask).text((1 - left, 1 - top), text, fill=255, font=font, stroke_width=stroke)
    return mask
