"""The contact sheet of the documentation: `python -m geoseek.demo.sheet docs/images/scenes.png`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from geoseek.demo.facts import place_facts
from geoseek.demo.fonts import load_font
from geoseek.demo.scene import draw_scene
from geoseek.workspace import atomic_path


@dataclass(frozen=True)
class SheetEntry:
    """One scene of a sheet."""

    code: str
    country: str
    place: str
    lat: float
    lng: float
    seed: int


ENTRIES = (
    SheetEntry("GB", "United Kingdom", "Reading", 51.5, -1.0, 5),
    SheetEntry("JP", "Japan", "Utsunomiya", 36.5, 139.9, 6),
    SheetEntry("EG", "Egypt", "Tanta", 30.8, 31.0, 6),
    SheetEntry("IN", "India", "Jaipur", 26.9, 75.8, 2),
    SheetEntry("US", "United States", "Mesa", 33.4, -111.8, 6),
    SheetEntry("FI", "Finland", "Lahti", 61.0, 25.7, 6),
    SheetEntry("GR", "Greece", "Thebes", 38.3, 23.3, 5),
    SheetEntry("CN", "China", "Suzhou", 31.3, 120.6, 5),
    SheetEntry("KE", "Kenya", "Nakuru", -0.3, 36.1, 4),
    SheetEntry("BR", "Brazil", "Olinda", -8.0, -34.9, 1),
    SheetEntry("TH", "Thailand", "Ayutthaya", 14.4, 100.6, 1),
    SheetEntry("GE", "Georgia", "Gori", 42.0, 44.1, 1),
)
_COLUMNS = 3
_SIZE = (400, 300)
_CAPTION_PX = 24
_GAP_PX = 6


def scene_sheet(entries: Sequence[SheetEntry] = ENTRIES, size: tuple[int, int] = _SIZE) -> Image.Image:
    """Draw scenes side by side, with the name of the country under each.

    Args:
        entries: What to draw, row by row.
        size: Width and height of each scene in pixels.
    """
    rows = -(-len(entries) // _COLUMNS)
    wide, high = size[0] + _GAP_PX, size[1] + _CAPTION_PX
    sheet = Image.new("RGB", (wide * _COLUMNS + _GAP_PX, high * rows + _GAP_PX), (250, 250, 248))
    draw = ImageDraw.Draw(sheet)
    for number, entry in enumerate(entries):
        facts = place_facts(entry.code, entry.lat, entry.lng, country=entry.country, place=entry.place)
        scene = draw_scene(facts, scene_id=f"sheet:{entry.code}", seed=entry.seed, size=size)
        x, y = _GAP_PX + wide * (number % _COLUMNS), _GAP_PX + high * (number // _COLUMNS)
        sheet.paste(scene.image, (x, y))
        draw.text((x + 2, y + size[1] + 4), entry.country, fill=(40, 40, 40), font=load_font("dejavu", 13))
    return sheet


def main(arguments: Sequence[str]) -> None:
    """Write the sheet as a PNG of 256 colours, which keeps it small."""
    buffer = io.BytesIO()
    scene_sheet().quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    with atomic_path(Path(arguments[0])) as temporary:
        temporary.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main(sys.argv[1:])
