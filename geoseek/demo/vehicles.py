"""Cars: on the side of the road that the country drives on, with plates in its colours."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.demo.canvas import COLORS, Canvas, Color, shade
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts
from geoseek.demo.features import Feature, Notes
from geoseek.demo.layout import Plan

_PAINTS: tuple[Color, ...] = (
    (176, 30, 34),
    (236, 236, 234),
    (52, 56, 62),
    (150, 156, 162),
    (38, 74, 134),
    (196, 188, 170),
    (60, 96, 82),
    (214, 214, 216),
)
_PATTERNS = ("AA 000", "AAA 00", "00 AA 0", "A 0000", "AA 00 AA")


@dataclass(frozen=True)
class Car:
    """A car on the road or at the kerb.

    Attributes:
        x: Middle of the car, metres right of the road's centre.
        near_m: Distance of the end that faces the camera.
        away: True if it drives away from the camera, which shows its rear.
        moving: False if it is parked.
        tall: Height in metres.
        long: Length in metres.
        wide: Width in metres.
        paint: Colour.
        plate: Text of the plate; invented.
    """

    x: float
    near_m: float
    away: bool
    moving: bool
    tall: float
    long: float
    wide: float
    paint: Color
    plate: str


def plan_cars(plan: Plan, dice: Dice) -> list[Car]:
    """Put cars into the lanes and along the kerbs; every moving car keeps to the driving side."""
    cars: list[Car] = []
    lane = plan.half_road_m / plan.lanes
    ahead = {"town": 0.85, "suburb": 0.55, "village": 0.5, "country_road": 0.5}[plan.setting]
    for away in (True, False):
        z = dice.uniform(9, 26) if away else dice.uniform(6.5, 22)
        while z < 90 and dice.chance(ahead):
            index = dice.integer(0, plan.lanes - 1)
            x = plan.side * lane * (index + 0.5) * (1 if away else -1)
            cars.append(_car(x, z, dice, away=away, moving=True))
            z += dice.uniform(12, 40)
    if plan.setting in {"town", "suburb"}:
        for side in (-1, 1):
            z = dice.uniform(5, 14)
            while z < 80:
                if dice.chance(0.35):
                    cars.append(_car(side * (plan.half_road_m - 1.0), z, dice, away=side == plan.side, moving=False))
                z += dice.uniform(5.6, 12)
    return _apart(cars)


def _car(x: float, z: float, dice: Dice, *, away: bool, moving: bool) -> Car:
    van = dice.chance(0.2)
    return Car(
        x,
        z,
        away,
        moving,
        dice.uniform(1.9, 2.3) if van else dice.uniform(1.42, 1.62),
        dice.uniform(4.4, 5.2) if van else dice.uniform(3.7, 4.5),
        dice.uniform(1.7, 1.9),
        dice.pick(_PAINTS),
        dice.code(dice.pick(_PATTERNS)),
    )


def _apart(cars: list[Car]) -> list[Car]:
    kept: list[Car] = []
    for car in sorted(cars, key=lambda car: (not car.moving, car.near_m)):
        if all(abs(car.x - other.x) > 1.9 or abs(car.near_m - other.near_m) > 5.6 for other in kept):
            kept.append(car)
    return kept


def paint_car(canvas: Canvas, car: Car, plan: Plan, facts: PlaceFacts, notes: Notes) -> None:
    """Paint a car: the side that the camera sees, then its end with glass, lights and plate."""
    half, z1, z2 = car.wide / 2, car.near_m, car.near_m + car.long
    belt = car.tall * 0.58
    boxy = car.tall > 1.8
    canvas.ground(car.x - half - 0.1, car.x + half + 0.1, z1 - 0.1, z2, (44, 44, 48))
    bend = canvas.camera.bend
    seen = -1 if car.x + bend * z1 * z1 > canvas.camera.x else 1
    flank = car.x + seen * half
    dark = shade(car.paint, 0.78)
    cabin = (z1 + 0.1, z2 - 0.9) if boxy else (z1 + 0.55, z2 - 1.2)
    canvas.wall(flank, z1, z2, 0.28, belt, dark)
    canvas.poly(
        [
            (flank, belt, cabin[0] - 0.3),
            (flank, car.tall, cabin[0] + 0.15),
            (flank, car.tall, cabin[1] - 0.4),
            (flank, belt, cabin[1]),
        ],
        (48, 56, 64) if not boxy else dark,
    )
    if boxy:
        canvas.wall(flank, z1 + 0.4, z2 - 1.2, belt + 0.1, car.tall - 0.25, (48, 56, 64))
    for z in (z1 + 0.75, z2 - 0.85):
        _wheel(canvas, flank, z)
    roof_z = cabin[0] + 0.15
    canvas.poly(
        [
            (car.x - half * 0.84, car.tall, roof_z),
            (car.x + half * 0.84, car.tall, roof_z),
            (car.x + half * 0.84, car.tall, cabin[1] - 0.4),
            (car.x - half * 0.84, car.tall, cabin[1] - 0.4),
        ],
        shade(car.paint, 1.08),
    )
    top = half * 0.84
    canvas.poly(
        [
            (car.x - half, belt, z1 + 0.1),
            (car.x - top, car.tall, roof_z),
            (car.x + top, car.tall, roof_z),
            (car.x + half, belt, z1 + 0.1),
        ],
        car.paint,
    )
    canvas.poly(
        [
            (car.x - half * 0.86, belt + 0.04, z1 + 0.1),
            (car.x - top * 0.9, car.tall - 0.07, roof_z),
            (car.x + top * 0.9, car.tall - 0.07, roof_z),
            (car.x + half * 0.86, belt + 0.04, z1 + 0.1),
        ],
        (52, 62, 72),
    )
    left, upper, right, lower = canvas.span(z1, car.x - half, car.x + half, 0.24, belt)
    radius = max(1, int((right - left) * 0.06))
    canvas.rect((left, upper, right, lower), canvas.fog(car.paint, z1), radius)
    canvas.front(z1, car.x - half * 0.97, car.x + half * 0.97, 0.22, 0.42, shade(car.paint, 0.6))
    _lights(canvas, car, plan, half, belt)
    box = canvas.span(z1, car.x - half, car.x + half, 0.0, car.tall)
    _plate(canvas, car, facts, notes)
    canvas.note(box)
    if car.moving:
        notes.add(
            Feature("driving_side", facts.driving_side, facts.basis["driving_side"], text=None, meaning=_way(car)), box
        )


def _way(car: Car) -> str:
    return "ahead" if car.away else "oncoming"


def _wheel(canvas: Canvas, x: float, z: float) -> None:
    (left, top), (right, bottom) = canvas.px(x, 0.62, z - 0.31), canvas.px(x, 0.0, z + 0.31)
    left, right = min(left, right), max(left, right)
    if right - left > 1 and bottom > top:
        canvas.oval((left, top, right, bottom), canvas.fog((30, 30, 32), z))


def _lights(canvas: Canvas, car: Car, plan: Plan, half: float, belt: float) -> None:
    on = plan.time == "dusk" or plan.weather in {"fog", "rain", "snowfall"}
    color: Color = (
        ((255, 60, 50) if on else (170, 26, 28)) if car.away else ((255, 252, 226) if on else (226, 228, 226))
    )
    y = belt - 0.32
    for side in (-1, 1):
        canvas.front(car.near_m, car.x + side * half * 0.62, car.x + side * half * 0.95, y, y + 0.2, color)
    for wheel in (-0.75, 0.75):
        canvas.front(car.near_m, car.x + wheel * half - 0.12, car.x + wheel * half + 0.12, 0.0, 0.24, (24, 24, 26))


def _plate(canvas: Canvas, car: Car, facts: PlaceFacts, notes: Notes) -> None:
    style = facts.plate
    ground = style.rear if car.away else style.front
    wide, high = (0.52, 0.13) if style.shape == "long" else (0.34, 0.17)
    y = 0.44
    box = canvas.span(car.near_m, car.x - wide / 2, car.x + wide / 2, y, y + high)
    left, top, right, bottom = box
    if right - left < 7:
        return
    rim = max(1.0, (right - left) * 0.02)
    canvas.rect((left - rim, top - rim, right + rim, bottom + rim), (40, 40, 42))
    canvas.rect(box, COLORS[ground])
    inner = (left + (right - left) * 0.06, top + 1, right - (right - left) * 0.06, bottom - 1)
    if style.band:
        edge = left + (right - left) * 0.1
        canvas.rect((left, top, edge, bottom), COLORS[style.band])
        inner = (edge + 2, inner[1], inner[2], inner[3])
    if style.top:
        edge = top + (bottom - top) * 0.26
        canvas.rect((left, top, right, edge), COLORS[style.top])
        inner = (inner[0], edge + 1, inner[2], inner[3])
    if right - left > 26:
        canvas.text_front(car.plate, "dejavu", COLORS[style.text], inner, 1.0)
    if right - left > 16:
        words = f"{'rear' if car.away else 'front'} plate: {_plate_words(facts, ground)}"
        notes.add(Feature("plate", words, facts.basis["plate"]), box)


def _plate_words(facts: PlaceFacts, ground: str) -> str:
    style = facts.plate
    words = f"{style.text} on {ground}" + (", short" if style.shape == "short" else "")
    if style.band:
        return f"{words}, with a {style.band} strip on the left"
    return f"{words}, with a {style.top} strip along the top" if style.top else words
