"""Houses along the street: facades in perspective, roofs, windows, shop fronts with signs in the local script."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.demo.canvas import Canvas, Color, mix, shade
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts
from geoseek.demo.house_styles import HouseStyle
from geoseek.demo.layout import Plan

_GLASS: Color = (70, 88, 104)
_LIT: Color = (250, 214, 140)


@dataclass(frozen=True)
class House:
    """A building that stands along the street.

    Attributes:
        side: +1 right of the road, -1 left.
        x: Distance of its front from the road's centre.
        near_m: Distance of its near end.
        far_m: Distance of its far end.
        deep_m: Depth away from the street.
        floors: Number of floors.
        style: How it looks.
        wall: Colour of its walls.
        roof: Colour of its roof.
        shop: Whether its ground floor is a shop.
    """

    side: int
    x: float
    near_m: float
    far_m: float
    deep_m: float
    floors: int
    style: HouseStyle
    wall: Color
    roof: Color
    shop: bool

    @property
    def height_m(self) -> float:
        """Height of the eaves."""
        return self.floors * self.style.floor_m + 0.4


def plan_houses(plan: Plan, facts: PlaceFacts, styles: dict[str, HouseStyle], dice: Dice) -> list[House]:
    """Line both sides of the road with houses."""
    houses: list[House] = []
    weights = {name: 1.0 / (1 + 1.4 * i) for i, name in enumerate(dict.fromkeys(facts.houses))}
    for side in (-1, 1):
        main = dice.weighted(weights)
        z = dice.uniform(2.0, 9.0) if plan.setting == "town" else dice.uniform(4.0, 16.0)
        while z < (95 if plan.setting == "town" else 120):
            style = styles[main if dice.chance(0.7) else dice.weighted(weights)]
            front = dice.uniform(*style.front_m)
            most = {"village": 2, "suburb": 3}.get(plan.setting, style.floors[1])
            floors = min(dice.integer(*style.floors), max(most, style.floors[0]))
            if plan.setting == "country_road" and dice.chance(0.8):
                z += dice.uniform(25, 60)
                continue
            extra = dice.uniform(0, 1.5) if plan.setting != "town" else 0.0
            shop = plan.setting == "town" or (plan.setting == "village" and dice.chance(0.3))
            houses.append(
                House(
                    side,
                    plan.kerb_m + plan.setback_m + extra,
                    z,
                    z + front,
                    dice.uniform(7, 11),
                    floors,
                    style,
                    shade(dice.pick(style.walls), dice.uniform(0.9, 1.04)),
                    dice.pick(style.roofs),
                    shop and dice.chance(0.85),
                )
            )
            z += front + _gap(plan, dice)
    return houses


def _gap(plan: Plan, dice: Dice) -> float:
    if plan.setting == "town":
        return 0.0 if dice.chance(0.85) else dice.uniform(2, 6)
    return dice.uniform(3, 9) if plan.setting == "suburb" else dice.uniform(4, 22)


def paint_house(canvas: Canvas, house: House, plan: Plan, dice: Dice) -> None:
    """Paint a house: roof first, then the front along the street, then the end that faces the camera."""
    x, far_x = house.side * house.x, house.side * (house.x + house.deep_m)
    top = house.height_m
    roof = mix(house.roof, (240, 243, 247), 0.85) if plan.season == "snow" else house.roof
    ridge = top + house.style.pitch * house.deep_m / 2
    middle = house.side * (house.x + house.deep_m / 2)
    eave = house.side * (house.x - 0.45)
    near, far = house.near_m, house.far_m
    lit = 0.5 if plan.time == "dusk" else 0.04
    end = shade(house.wall, 0.84)
    if house.style.roof in {"gable", "hip"}:
        inset = 0.0 if house.style.roof == "gable" else min(house.deep_m / 2, (far - near) / 2.2)
        canvas.poly(
            [(eave, top, near - 0.3), (eave, top, far), (middle, ridge, far - inset), (middle, ridge, near + inset)],
            roof,
        )
    elif house.style.roof == "shed":
        canvas.poly([(eave, top, near), (eave, top, far), (far_x, ridge, far), (far_x, ridge, near)], roof)
    canvas.wall(x, near, far, 0, top, house.wall)
    width = abs(canvas.px(x, 0, near)[0] - canvas.px(x, 0, far)[0])
    if width > 26:
        _front_details(canvas, house, dice, lit, width)
    if house.style.roof == "gable":
        points = [(x, 0.0, near), (x, top, near), (middle, ridge, near), (far_x, top, near), (far_x, 0.0, near)]
        canvas.poly(points, end)
        canvas.line([(eave, top - 0.1, near), (middle, ridge + 0.05, near), (far_x, top - 0.1, near)], roof, 0.28)
    else:
        canvas.front(near, x, far_x, 0, top, end)
    if house.style.roof == "hip":
        canvas.poly(
            [(eave, top, near - 0.3), (far_x, top, near - 0.3), (middle, ridge, near + inset)], shade(roof, 0.88)
        )
    elif house.style.roof == "flat":
        canvas.front(near, x, far_x, top - 0.25, top, shade(house.wall, 0.7))
        canvas.wall(x, near, far, top - 0.25, top, shade(house.wall, 0.8))
    elif house.style.roof == "shed":
        canvas.poly([(eave, top, near), (far_x, top, near), (far_x, ridge, near)], end)
        canvas.line([(eave, top, near), (far_x, ridge, near)], roof, 0.2)
    _end_details(canvas, house, dice, lit)
    _on_the_roof(canvas, house, top, ridge, middle, dice)
    left, _, right, bottom = canvas.span(near, x, far_x, 0, top)
    far_px = canvas.px(x, 0, far)[0]
    roof_px = canvas.px(x, top, near)[1]
    canvas.note((min(left, far_px), roof_px, max(right, far_px), bottom), 0.8)


def _front_details(canvas: Canvas, house: House, dice: Dice, lit: float, width: float) -> None:
    style, side = house.style, house.side
    x = side * house.x
    wide, high, pitch = style.window
    length = house.far_m - house.near_m
    count = max(1, int(length / pitch))
    step = length / count
    fine = width / count > 16
    if fine and {"bricks", "boards", "bricks_light", "panels"} & set(style.extras):
        _courses(canvas, house)
    tone = shade(style.trim, 0.95)
    balcony = "balcony" in style.extras and dice.chance(0.75)
    start = 1 if house.shop else 0
    for floor in range(start, house.floors):
        base = floor * style.floor_m + 0.4
        for column in range(count):
            z1 = house.near_m + column * step + (step - wide) / 2
            z2 = z1 + wide
            y1 = base + (0.9 if floor else 0.75)
            if floor == 0 and column == count // 2 and not house.shop:
                canvas.wall(x, z1, z1 + 1.05, 0.1, 2.3, mix(house.roof, (90, 60, 40), 0.5))
                continue
            y2 = min(y1 + high, base + style.floor_m - 0.25)
            if fine:
                canvas.wall(x, z1 - 0.1, z2 + 0.1, y1 - 0.12, y2 + 0.1, tone)
            glass = _LIT if dice.chance(lit) else shade(_GLASS, dice.uniform(0.8, 1.3))
            canvas.wall(x, z1, z2, y1, y2, glass)
            if not fine:
                continue
            canvas.wall(x, (z1 + z2) / 2 - 0.04, (z1 + z2) / 2 + 0.04, y1, y2, tone)
            if "shutters" in style.extras:
                leaf = dice_color(house)
                canvas.wall(x, z1 - 0.5, z1 - 0.08, y1, y2, leaf)
                canvas.wall(x, z2 + 0.08, z2 + 0.5, y1, y2, leaf)
            elif "bars" in style.extras:
                for bar in range(1, 5):
                    z = z1 + bar * wide / 5
                    canvas.line([(x, y1, z), (x, y2, z)], (50, 48, 46), 0.03)
            elif "aircon" in style.extras and floor and dice.chance(0.3):
                canvas.wall(x, z1, z1 + 0.8, y1 - 0.75, y1 - 0.2, (214, 214, 208))
        if balcony and floor and fine:
            out = side * (house.x - 0.9)
            z1, z2 = house.near_m + 0.15 * length, house.near_m + 0.85 * length
            canvas.poly([(x, base, z1), (out, base, z1), (out, base, z2), (x, base, z2)], shade(house.wall, 0.55))
            rail = shade(house.wall, 0.92) if "boards" not in style.extras else (112, 76, 48)
            canvas.wall(out, z1, z2, base, base + 0.95, rail)
            canvas.front(z1, x, out, base, base + 0.95, shade(rail, 0.85))


def dice_color(house: House) -> Color:
    """Return the colour of shutters and doors of a house: one per house, out of its wall's colour."""
    palette: tuple[Color, ...] = ((64, 104, 92), (96, 66, 48), (70, 96, 132), (120, 50, 44), (110, 118, 112))
    return palette[sum(house.wall) % len(palette)]


def _courses(canvas: Canvas, house: House) -> None:
    x = house.side * house.x
    light = shade(house.wall, 1.1 if "boards" in house.style.extras else 0.9)
    gap = {"boards": 0.5, "panels": house.style.floor_m}.get(
        next(extra for extra in house.style.extras if extra in {"boards", "panels", "bricks", "bricks_light"}), 0.75
    )
    y = gap
    while y < house.height_m:
        canvas.line([(x, y, house.near_m), (x, y, house.far_m)], light, 0.02)
        y += gap


def _end_details(canvas: Canvas, house: House, dice: Dice, lit: float) -> None:
    if canvas.per_metre(house.near_m) * house.deep_m < 50 or house.near_m < 2:
        return
    wide, high, _ = house.style.window
    count = 2 if house.deep_m > 8 else 1
    for floor in range(house.floors):
        for column in range(count):
            if dice.chance(0.25):
                continue
            x = house.x + house.deep_m * (column + 0.5) / count
            y = floor * house.style.floor_m + 1.2
            x1, x2 = house.side * (x - wide / 2), house.side * (x + wide / 2)
            canvas.front(
                house.near_m, x1 - 0.1, x2 + 0.1, y - 0.1, y + high * 0.85 + 0.1, shade(house.style.trim, 0.85)
            )
            canvas.front(house.near_m, x1, x2, y, y + high * 0.85, _LIT if dice.chance(lit) else _GLASS)


def _on_the_roof(canvas: Canvas, house: House, top: float, ridge: float, middle: float, dice: Dice) -> None:
    z = house.near_m + 0.3 * (house.far_m - house.near_m)
    if "chimney" in house.style.extras and dice.chance(0.8):
        canvas.front(z, middle - 0.4, middle + 0.4, ridge - 0.8, ridge + 0.9, (140, 80, 64))
    if "tank" in house.style.extras and dice.chance(0.6):
        tank = dice.pick([(38, 38, 42), (210, 208, 200), (60, 96, 150)])
        x = house.side * (house.x + 1.6)
        canvas.front(z, x - 0.6, x + 0.6, top, top + 1.3, tank)
