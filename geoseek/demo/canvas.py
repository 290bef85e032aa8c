"""A pinhole camera over a Pillow image: polygons, text and sprites placed in metres.

World axes: x to the right of the road's centre, y up, z away from the camera. The picture is painted far to near at
twice its size and reduced at the end, which smooths all edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from geoseek.demo.fonts import text_mask

Color = tuple[int, int, int]
Point = tuple[float, float, float]

SCALE = 2
"""Pixels drawn per pixel of the finished picture, in each direction."""
NEAR_M = 1.2
_LEAST_FOG = 0.05
"""Share of haze below which a sprite is not faded."""

COLORS: dict[str, Color] = {
    "white": (240, 240, 236),
    "yellow": (244, 196, 42),
    "black": (28, 28, 30),
    "dark blue": (30, 44, 110),
    "blue": (24, 78, 168),
    "red": (196, 30, 36),
    "green": (12, 112, 74),
}


def shade(color: Color, factor: float) -> Color:
    """Make a colour darker (factor < 1) or lighter (> 1).

    >>> shade((100, 50, 200), 0.5)
    (50, 25, 100)
    """
    r, g, b = (min(255, max(0, int(part * factor))) for part in color)
    return r, g, b


def mix(color: Color, other: Color, share: float) -> Color:
    """Blend two colours; share 0 is the first, 1 the second.

    >>> mix((0, 0, 0), (200, 100, 50), 0.5)
    (100, 50, 25)
    """
    r, g, b = (int(a + (z - a) * share) for a, z in zip(color, other, strict=True))
    return r, g, b


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from.

    Attributes:
        x: Metres right of the road's centre.
        height: Metres above the road.
        focal: Focal length as a share of the picture's width.
        vanish_x: Where the road vanishes, as a share of the width.
        horizon_y: Height of the horizon from the top, as a share of the picture's height.
        bend: Curvature of the road, per metre: its centre lies at x = bend * z².
        haze: Colour that far things fade to.
        haze_m: Distance at which half of the colour is haze.
    """

    x: float
    height: float
    focal: float
    vanish_x: float
    horizon_y: float
    bend: float
    haze: Color
    haze_m: float


@dataclass(frozen=True)
class SpriteLevel:
    """A sprite at one size: colours, and coverage of mode L."""

    rgb: Image.Image
    mask: Image.Image

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.rgb.width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.rgb.height

    def transpose(self, method: Image.Transpose) -> SpriteLevel:
        """Return it turned over."""
        return SpriteLevel(self.rgb.transpose(method), self.mask.transpose(method))


class Sprite:
    """A picture to be stood into scenes, kept at several sizes, so that small copies are cheap and smooth.

    Args:
        image: Mode RGBA.
        under: Colour of what is transparent; it shows at soft edges.
    """

    def __init__(self, image: Image.Image, under: Color) -> None:
        solid = Image.new("RGB", image.size, under)
        solid.paste(image, (0, 0), image)
        level = SpriteLevel(solid, image.getchannel("A"))
        self.levels = [level]
        while level.height > 24:
            level = SpriteLevel(level.rgb.reduce(2), level.mask.reduce(2))
            self.levels.append(level)

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.levels[0].width / self.levels[0].height

    def level(self, height: int) -> SpriteLevel:
        """Return the smallest level that is not smaller than a height in pixels, or the largest."""
        return next((level for level in reversed(self.levels) if level.height >= height), self.levels[0])


@dataclass
class Mark:
    """Something that was painted and may hide what was painted before: a box in pixels of the canvas."""

    box: tuple[float, float, float, float]
    covers: float


@dataclass
class Canvas:
    """The picture under work.

    Attributes:
        size: Width and height of the finished picture in pixels.
        camera: The camera.
    """

    size: tuple[int, int]
    camera: Camera
    marks: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.width, self.height = self.size[0] * SCALE, self.size[1] * SCALE
        self.image = Image.new("RGB", (self.width, self.height), self.camera.haze)
        self.draw = ImageDraw.Draw(self.image)
        self.focal = self.camera.focal * self.width
        self.center_x = self.camera.vanish_x * self.width
        self.horizon_y = self.camera.horizon_y * self.height

    def px(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Project a point of the world to pixels of the canvas."""
        camera = self.camera
        depth = max(z, NEAR_M)
        scale = self.focal / depth
        return (
            self.center_x + (x + camera.bend * depth * depth - camera.x) * scale,
            self.horizon_y - (y - camera.height) * scale,
        )

    def per_metre(self, z: float) -> float:
        """Return pixels of the canvas per metre at a distance."""
        return self.focal / max(z, NEAR_M)

    def fog(self, color: Color, z: float) -> Color:
        """Return the colour as it looks from a distance."""
        if z < 9:
            return color
        share = z / (z + self.camera.haze_m)
        haze = self.camera.haze
        return (
            int(color[0] + (haze[0] - color[0]) * share),
            int(color[1] + (haze[1] - color[1]) * share),
            int(color[2] + (haze[2] - color[2]) * share),
        )

    def poly(self, points: Sequence[Point], color: Color) -> None:
        """Fill a polygon of the world."""
        flat = [self.px(*point) for point in points]
        self.draw.polygon(flat, fill=self.fog(color, points[0][2]))

    def ground(self, x1: float, x2: float, z1: float, z2: float, color: Color, y: float = 0.0) -> None:
        """Fill a strip of ground along the road, in steps where the road bends."""
        steps = 1 if self.camera.bend == 0 else max(1, min(10, int((z2 - z1) / 8)))
        edges = [z1 * (z2 / z1) ** (i / steps) for i in range(steps + 1)] if z1 > 0 else [z1, z2]
        left = [self.px(x1, y, z) for z in edges]
        right = [self.px(x2, y, z) for z in reversed(edges)]
        self.draw.polygon(left + right, fill=self.fog(color, z1))

    def wall(self, x: float, z1: float, z2: float, y1: float, y2: float, color: Color) -> None:
        """Fill a rectangle on a wall that runs along the road."""
        (xa, ya), (xb, yb) = self.px(x, y1, z1), self.px(x, y1, z2)
        self.draw.polygon(
            [(xa, ya), (xb, yb), (xb, self.px(x, y2, z2)[1]), (xa, self.px(x, y2, z1)[1])], fill=self.fog(color, z1)
        )

    def front(self, z: float, x1: float, x2: float, y1: float, y2: float, color: Color) -> None:
        """Fill an upright rectangle that faces the camera."""
        self.draw.rectangle(self.span(z, x1, x2, y1, y2), fill=self.fog(color, z))

    def span(self, z: float, x1: float, x2: float, y1: float, y2: float) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom in pixels of an upright rectangle that faces the camera."""
        left, bottom = self.px(min(x1, x2), min(y1, y2), z)
        right, top = self.px(max(x1, x2), max(y1, y2), z)
        return left, top, right, bottom

    def line(self, points: Sequence[Point], color: Color, width_m: float, least_px: int = 1) -> None:
        """Draw a line of a given thickness."""
        z = sum(point[2] for point in points) / len(points)
        width = max(least_px, round(width_m * self.per_metre(z)))
        self.draw.line([self.px(*point) for point in points], fill=self.fog(color, z), width=width)

    def rect(self, box: tuple[float, float, float, float], color: Color, radius: int = 0) -> None:
        """Fill a rectangle in pixels, with rounded corners if a radius is given; nothing if it has no area."""
        left, top, right, bottom = box
        if right - left >= max(1, 2 * radius) and bottom - top >= max(1, 2 * radius):
            if radius:
                self.draw.rounded_rectangle(box, radius, fill=color)
            else:
                self.draw.rectangle(box, fill=color)

    def oval(self, box: tuple[float, float, float, float], color: Color) -> None:
        """Fill an ellipse in pixels; nothing if it has no area."""
        if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
            self.draw.ellipse(box, fill=color)

    def text_front(self, text: str, font: str, color: Color, box: tuple[float, float, float, float], z: float) -> None:
        """Write a text into a box in pixels, as large as fits; centred."""
        left, top, right, bottom = box
        if right - left < 3 or bottom - top < 3:
            return
        mask = text_mask(text, font)
        scale = min((right - left) / mask.width, (bottom - top) / mask.height)
        size = (int(mask.width * scale), int(mask.height * scale))
        if min(size) < 2 or size[0] > 4 * self.width:
            return
        at = (round((left + right - size[0]) / 2), round((top + bottom - size[1]) / 2))
        self.image.paste(self.fog(color, z), (*at, at[0] + size[0], at[1] + size[1]), mask.resize(size))

    def text_wall(
        self, text: str, font: str, color: Color, x: float, z1: float, z2: float, y1: float, y2: float
    ) -> None:
        """Write a text on a wall that runs along the road, in perspective."""
        near, far = self.px(x, y2, z1), self.px(x, y2, z2)
        (xl, tl, zl), (xr, tr, zr) = sorted([(near[0], near[1], z1), (far[0], far[1], z2)])
        width = xr - xl
        if width < 12 or zl < NEAR_M or zr < NEAR_M or xr < 0 or xl > self.width:
            return
        mask = text_mask(text, font)
        room = abs(z2 - z1) / (y2 - y1) * mask.height
        shift = (room - mask.width) / 2 if room > mask.width else 0.0
        stretch = 1.0 if room > mask.width else mask.width / room
        rise = (y2 - y1) * self.focal
        top, bottom = min(tl, tr), max(tl + rise / zl, tr + rise / zr)
        x0, y0 = int(xl), int(top)
        box = (int(width) + 1, int(bottom - top) + 1)
        # 1/z, the upper edge and the height of the wall are linear in the column, which gives the projective map.
        wl, dw = 1 / zl, (1 / zr - 1 / zl) / width
        du, dt = (1 / zr) / width, (tr - tl) / width
        off = xl - x0
        w0, t0 = wl - dw * off, tl - y0 - dt * off
        u_scale, v_scale = room * stretch, mask.height / rise
        data = (
            (u_scale * du - shift * dw) / w0,
            0.0,
            (-u_scale * du * off - shift * w0) / w0,
            -v_scale * dt / w0,
            v_scale / w0,
            -v_scale * t0 / w0,
            dw / w0,
            0.0,
        )
        patch = mask.transform(box, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
        self.image.paste(self.fog(color, (z1 + z2) / 2), (x0, y0, x0 + box[0], y0 + box[1]), patch)

    def sprite(self, sprite: Sprite, x: float, z: float, height_m: float, *, flip: bool = False) -> None:
        """Stand a sprite on the ground, its foot in the middle of its lower edge."""
        high = max(3, round(height_m * self.per_metre(z)))
        level = sprite.level(high)
        scale = high / level.height
        wide = max(2, round(level.width * scale))
        foot_x, foot_y = self.px(x, 0.0, z)
        left, top = round(foot_x - wide / 2), round(foot_y) - high
        box = (max(0, -left), max(0, -top), min(wide, self.width - left), min(high, self.height - top))
        if box[2] <= box[0] or box[3] <= box[1]:
            return
        if flip:
            level = level.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        # No filter is needed: the level is at most twice as large, and the canvas is reduced by half at the end.
        how = Image.Resampling.NEAREST
        source = (box[0] / scale, box[1] / scale, min(box[2] / scale, level.width), min(box[3] / scale, level.height))
        size = (box[2] - box[0], box[3] - box[1])
        part, mask = level.rgb.resize(size, how, source), level.mask.resize(size, how, source)
        fog = z / (z + self.camera.haze_m)
        if fog > _LEAST_FOG:
            part = Image.blend(part, Image.new("RGB", size, self.camera.haze), fog)
        self.image.paste(part, (left + box[0], top + box[1]), mask)

    def note(self, box: tuple[float, float, float, float], covers: float = 1.0) -> int:
        """Remember that a box was painted; `covers` is the share of it that hides what lies behind."""
        self.marks.append(Mark(box, covers))
        return len(self.marks)

    def hidden_share(self, box: tuple[float, float, float, float], since: int) -> float:
        """Return about which share of a box was painted over after mark number `since`."""
        left, top, right, bottom = box
        area = max((right - left) * (bottom - top), 1.0)
        hidden = 0.0
        for mark in self.marks[since:]:
            wide = min(right, mark.box[2]) - max(left, mark.box[0])
            high = min(bottom, mark.box[3]) - max(top, mark.box[1])
            if wide > 0 and high > 0:
                hidden += mark.covers * wide * high / area
        return min(hidden, 1.0)

    def percent(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float] | None:
        """Return x, y, width, height in percent of the part of a box inside the picture; None if most lies outside."""
        left, top = max(box[0], 0.0), max(box[1], 0.0)
        right, bottom = min(box[2], self.width - 1.0), min(box[3], self.height - 1.0)
        if right <= left or bottom <= top:
            return None
        if (right - left) * (bottom - top) < 0.6 * (box[2] - box[0]) * (box[3] - box[1]):
            return None
        x, y = 100 * left / self.width, 100 * top / self.height
        return (
            round(x, 2),
            round(y, 2),
            round(100 * right / self.width - x, 2),
            round(100 * bottom / self.height - y, 2),
        )
