"""Pictures of plants: a small library of sprites, drawn once per process."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from PIL import Image, ImageDraw

from geoseek.demo.canvas import Color, Sprite, mix, shade
from geoseek.demo.dice import Dice

VARIANTS = 4
_SIZE = 300
_TRUNK: Color = (92, 72, 56)
_GREENS: tuple[Color, ...] = ((70, 112, 52), (84, 124, 58), (60, 100, 56), (96, 128, 62))
_AUTUMN: tuple[Color, ...] = ((196, 132, 48), (180, 96, 44), (206, 168, 66), (150, 120, 56))


@functools.lru_cache(maxsize=256)
def plant_sprite(kind: str, look: str, variant: int) -> Sprite:
    """Return a plant whose foot is in the middle of the lower edge."""
    dice = Dice("sprite", kind, variant)
    wide = {"poplar": 90, "cypress": 80, "acacia": 420, "hedge": 900, "mango": 330, "olive": 330, "cactus": 170}
    image = Image.new("RGBA", (wide.get(kind, 240), _SIZE), (0, 0, 0, 0))
    leaf = _AUTUMN[variant] if look == "autumn" else _GREENS[variant]
    leaf = (158, 138, 84) if look == "dry" else leaf
    _PAINTERS[kind](Brush(ImageDraw.Draw(image), image.width, leaf, dice, look))
    return Sprite(image, shade(leaf, 0.8))


@dataclass(frozen=True)
class Brush:
    """What a painter of plants works with: the drawing, its width, the colour of leaves, choices, and the season."""

    draw: ImageDraw.ImageDraw
    width: int
    leaf: Color
    dice: Dice
    look: str


_Box = tuple[float, float, float, float]


def _leaves(draw: ImageDraw.ImageDraw, box: _Box, color: Color, dice: Dice, count: int, size: float, look: str) -> None:
    """Fill an ellipse with overlapping tufts, darker below and lighter above."""
    left, top, right, bottom = box
    for i in range(count * 6):
        angle, reach = dice.uniform(0, 6.283), math.sqrt(dice.uniform(0, 1)) * 0.92
        x = (left + right) / 2 + math.cos(angle) * reach * (right - left) / 2
        y = (top + bottom) / 2 + math.sin(angle) * reach * (bottom - top) / 2
        light = 1.22 - 0.6 * (y - top) / max(bottom - top, 1)
        tone = shade(color, light * dice.uniform(0.82, 1.14))
        if look == "snow" and i % 3 == 0:
            tone = (232, 237, 244)
        r = size * dice.uniform(0.26, 0.56)
        draw.ellipse((x - r, y - r * 0.8, x + r, y + r * 0.8), fill=(*tone, 255))


def _trunk(draw: ImageDraw.ImageDraw, x: float, top: float, width: float, color: Color = _TRUNK) -> None:
    draw.polygon(
        [(x - width / 2, _SIZE), (x - width / 3, top), (x + width / 3, top), (x + width / 2, _SIZE)], fill=color
    )
    draw.polygon([(x, _SIZE), (x, top), (x + width / 3, top), (x + width / 2, _SIZE)], fill=shade(color, 0.8))


def _branches(
    draw: ImageDraw.ImageDraw, x: float, y: float, angle: float, length: float, dice: Dice, color: Color
) -> None:
    end = (x + math.cos(angle) * length, y - math.sin(angle) * length)
    draw.line([(x, y), end], fill=color, width=max(1, int(length / 13)))
    if length > 12:
        for turn in (-0.45, 0.4):
            _branches(draw, *end, angle + turn * dice.uniform(0.6, 1.3), length * dice.uniform(0.66, 0.8), dice, color)


def _round_tree(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    if look == "bare":
        _branches(draw, width / 2, _SIZE, math.pi / 2, 72, dice, (96, 82, 72))
        return
    _trunk(draw, width / 2, 150, 18)
    _leaves(draw, (10, 8, width - 10, 215), leaf, dice, 150, 22, look)


def _birch(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    bark = (222, 220, 214)
    if look == "bare":
        _branches(draw, width / 2, _SIZE, math.pi / 2, 74, dice, (196, 188, 182))
    _trunk(draw, width / 2, 90 if look != "bare" else 200, 11, bark)
    for y in range(150, _SIZE, 17):
        draw.line([(width / 2 - 4, y), (width / 2 + 2, y + 1)], fill=(60, 58, 56), width=2)
    if look != "bare":
        _leaves(draw, (52, 6, width - 52, 210), mix(leaf, (150, 176, 84), 0.4), dice, 110, 15, look)


def _poplar(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    if look == "bare":
        _branches(draw, width / 2, _SIZE, math.pi / 2, 70, dice, (110, 96, 84))
        return
    _trunk(draw, width / 2, 230, 10)
    _leaves(draw, (14, 6, width - 14, 270), leaf, dice, 120, 14, look)


def _cypress(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _trunk(draw, width / 2, 260, 8)
    for y in range(10, 282, 4):
        half = (width / 2 - 8) * min(1.0, (y / 120) ** 0.7) * (1.0 if y < 240 else 0.85)
        _leaves(draw, (width / 2 - half, y - 6, width / 2 + half, y + 10), shade(leaf, 0.62), dice, 3, 7, look)


def _spruce(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _trunk(draw, width / 2, 250, 12)
    dark = mix(leaf, (30, 62, 50), 0.7)
    for tier in range(11):
        y, half = 26 + tier * 23, 12 + tier * 8.6
        tone = shade(dark, dice.uniform(0.85, 1.15))
        points = [(width / 2, y - 30), (width / 2 + half, y + 14), (width / 2, y + 4), (width / 2 - half, y + 14)]
        draw.polygon(points, fill=tone)
        if look == "snow":
            draw.polygon([points[0], (width / 2 + half, y + 14), (width / 2 + half * 0.5, y - 4)], fill=(234, 239, 245))
            draw.polygon([points[0], (width / 2 - half, y + 14), (width / 2 - half * 0.4, y - 2)], fill=(224, 231, 240))


def _pine(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _trunk(draw, width / 2, 60, 13, (140, 94, 66))
    dark = mix(leaf, (42, 78, 54), 0.6)
    for _ in range(7):
        x, y = width / 2 + dice.uniform(-62, 62), dice.uniform(30, 150)
        draw.line([(width / 2, y + 20), (x, y)], fill=(110, 78, 58), width=4)
        _leaves(draw, (x - 44, y - 22, x + 44, y + 20), dark, dice, 26, 12, look)


def _umbrella(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _trunk(draw, width / 2, 90, 14, (128, 92, 70))
    for turn in (-0.6, -0.25, 0.3, 0.65):
        draw.line([(width / 2, 160), (width / 2 + turn * width * 0.5, 80)], fill=(118, 86, 66), width=6)
    _leaves(draw, (8, 22, width - 8, 108), mix(leaf, (58, 92, 50), 0.5), dice, 130, 16, look)


def _acacia(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    for turn in (-0.55, -0.2, 0.25, 0.6):
        draw.line(
            [(width / 2, _SIZE), (width / 2 + turn * 40, 190), (width / 2 + turn * width * 0.6, 96)],
            fill=_TRUNK,
            width=8,
        )
    for layer in range(3):
        half = width * (0.47 - 0.1 * layer)
        y = 96 - 26 * layer
        _leaves(
            draw,
            (width / 2 - half, y - 22, width / 2 + half, y + 18),
            mix(leaf, (124, 134, 66), 0.5),
            dice,
            70,
            14,
            look,
        )


def _olive(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _trunk(draw, width / 2, 170, 34, (116, 104, 88))
    _leaves(draw, (16, 16, width - 16, 220), mix(leaf, (146, 156, 124), 0.7), dice, 190, 17, look)


def _mango(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _trunk(draw, width / 2, 180, 24)
    _leaves(draw, (6, 6, width - 6, 240), shade(leaf, 0.72), dice, 210, 22, look)


def _eucalyptus(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    bark = (206, 196, 180)
    _trunk(draw, width / 2, 110, 14, bark)
    grey = mix(leaf, (128, 142, 108), 0.65)
    for _ in range(8):
        x, y = width / 2 + dice.uniform(-78, 78), dice.uniform(24, 120)
        draw.line([(width / 2, 170), (x, y + 12)], fill=bark, width=5)
        _leaves(draw, (x - 40, y - 20, x + 40, y + 34), grey, dice, 26, 12, look)


def _palm(brush: Brush) -> None:
    draw, width, leaf, dice = brush.draw, brush.width, brush.leaf, brush.dice
    lean = dice.uniform(-26, 26)
    top = (width / 2 + lean, 78)
    for i in range(30):
        t = i / 29
        x, y = width / 2 + lean * t * t, _SIZE - (_SIZE - top[1]) * t
        draw.ellipse((x - 7 + 2 * t, y - 5, x + 7 - 2 * t, y + 5), fill=shade((142, 120, 94), 0.85 + 0.25 * (i % 2)))
    for frond in range(15):
        angle = -0.55 + 4.25 * frond / 14
        _frond(draw, top, angle, dice.uniform(78, 104), shade(leaf, dice.uniform(0.75, 1.2)), dice)


def _frond(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], angle: float, length: float, color: Color, dice: Dice
) -> None:
    last = at
    drop = dice.uniform(0.5, 0.85)
    for i in range(1, 13):
        t = i / 12
        x = at[0] + math.cos(angle) * length * t
        y = at[1] - math.sin(angle) * length * t + drop * length * t * t
        leaflet = 20 * math.sin(math.pi * min(1.0, t + 0.08)) + 3
        draw.line([(x, y), (x - 5, y + leaflet)], fill=color, width=3)
        draw.line([(x, y), (x + 6, y + leaflet * 0.8)], fill=shade(color, 0.85), width=3)
        draw.line([last, (x, y)], fill=shade(color, 0.8), width=3)
        last = (x, y)


def _banana(brush: Brush) -> None:
    draw, width, leaf, dice = brush.draw, brush.width, brush.leaf, brush.dice
    _trunk(draw, width / 2, 150, 26, (126, 140, 78))
    for i in range(9):
        angle = math.pi * (0.08 + 0.84 * i / 8)
        x, y = width / 2 + math.cos(angle) * 108, 160 - math.sin(angle) * dice.uniform(100, 150)
        tone = shade(mix(leaf, (110, 160, 64), 0.5), dice.uniform(0.85, 1.15))
        side = (math.sin(angle) * 20, math.cos(angle) * 20)
        middle = ((width / 2 + x) / 2, (165 + y) / 2 - 12)
        draw.polygon(
            [
                (width / 2, 170),
                (middle[0] - side[0], middle[1] - side[1]),
                (x, y + 26),
                (middle[0] + side[0], middle[1] + side[1]),
            ],
            fill=tone,
        )


def _cactus(brush: Brush) -> None:
    draw, width, dice = brush.draw, brush.width, brush.dice
    green = (92, 122, 78)
    draw.rounded_rectangle((width / 2 - 20, 10, width / 2 + 20, _SIZE), 20, fill=green)
    for side in (-1, 1):
        y = dice.integer(90, 170)
        x = width / 2 + side * 56
        draw.rounded_rectangle((min(width / 2, x) - 2, y, max(width / 2, x) + 2, y + 26), 10, fill=shade(green, 0.9))
        draw.rounded_rectangle((x - 14, y - dice.integer(50, 80), x + 14, y + 26), 14, fill=shade(green, 0.95))
    for x in (-10, 0, 10):
        draw.line([(width / 2 + x, 20), (width / 2 + x, _SIZE)], fill=shade(green, 0.75), width=2)


def _blades(draw: ImageDraw.ImageDraw, width: int, color: Color, dice: Dice, count: int, spread: float) -> None:
    for _ in range(count):
        angle = math.pi / 2 + dice.uniform(-spread, spread)
        length = dice.uniform(150, 290)
        tip = (width / 2 + math.cos(angle) * length * 0.5, _SIZE - math.sin(angle) * length)
        base = width / 2 + dice.uniform(-40, 40)
        draw.polygon([(base - 9, _SIZE), tip, (base + 9, _SIZE)], fill=shade(color, dice.uniform(0.75, 1.2)))


def _agave(brush: Brush) -> None:
    draw, width, dice = brush.draw, brush.width, brush.dice
    _blades(draw, width, (118, 146, 132), dice, 26, 1.2)


def _tussock(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _blades(draw, width, (228, 232, 236) if look == "snow" else mix(leaf, (170, 152, 92), 0.7), dice, 50, 0.7)


def _bamboo(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    for _ in range(16):
        x, tip = width / 2 + dice.uniform(-36, 36), width / 2 + dice.uniform(-100, 100)
        draw.line([(x, _SIZE), ((x + tip) / 2, 140), (tip, dice.uniform(20, 80))], fill=(138, 158, 84), width=5)
    _leaves(draw, (8, 6, width - 8, 190), mix(leaf, (140, 170, 80), 0.5), dice, 120, 11, look)


def _shrub(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    _leaves(draw, (4, 40, width - 4, _SIZE + 20), mix(leaf, (134, 134, 92), 0.5), dice, 90, 26, look)


def _hedge(brush: Brush) -> None:
    draw, width, leaf, dice, look = brush.draw, brush.width, brush.leaf, brush.dice, brush.look
    draw.rectangle((10, 24, width - 10, _SIZE), fill=shade(leaf, 0.66))
    for _ in range(420):
        x, y = dice.uniform(10, width - 10), dice.uniform(20, _SIZE)
        tone = (234, 238, 244) if look == "snow" and y < 60 else shade(leaf, 1.15 - 0.5 * y / _SIZE)
        draw.ellipse((x - 14, y - 10, x + 14, y + 10), fill=tone)


_PAINTERS = {
    "broadleaf": _round_tree,
    "birch": _birch,
    "poplar": _poplar,
    "spruce": _spruce,
    "pine": _pine,
    "hedge": _hedge,
    "cypress": _cypress,
    "olive": _olive,
    "stone_pine": _umbrella,
    "palm": _palm,
    "date_palm": _palm,
    "banana": _banana,
    "mango": _mango,
    "acacia": _acacia,
    "eucalyptus": _eucalyptus,
    "cactus": _cactus,
    "agave": _agave,
    "bamboo": _bamboo,
    "shrub": _shrub,
    "tussock": _tussock,
}
