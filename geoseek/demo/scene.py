"""Draw a street scene whose visible features follow the facts of a place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from geoseek.demo.backdrop import paint_land, paint_sky
from geoseek.demo.buildings import House, paint_house, plan_houses
from geoseek.demo.canvas import SCALE, Canvas
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts
from geoseek.demo.features import Feature, Notes, Scene
from geoseek.demo.house_styles import STYLES
from geoseek.demo.layout import Plan, make_plan
from geoseek.demo.road import paint_road
from geoseek.demo.shopfronts import SignWriter, paint_shop
from geoseek.demo.signs import paint_pole, paint_sign, plan_signs
from geoseek.demo.vegetation import paint_plant, plan_plants
from geoseek.demo.vehicles import paint_car, plan_cars
from geoseek.schemas import UsageError

_LEAST_PX = 64
_MOST_PX = 4096
_Job = tuple[float, int, Callable[[], None]]


def draw_scene(facts: PlaceFacts, *, scene_id: str, seed: int, size: tuple[int, int] = (640, 480)) -> Scene:
    """Draw a street of a place.

    Equal arguments give equal pixels with the same releases of Pillow, numpy and the font packages. It is a drawing:
    plates, shops, weather and the layout are invented, only the features that the record calls facts are facts.

    Args:
        facts: What the place looks like, see `geoseek.demo.place_facts`.
        scene_id: Id of the scene; another id gives another street.
        seed: Seed of the run.
        size: Width and height in pixels.

    Returns:
        The picture and what is visible in it. About 20 ms at 640 x 480 on one core.

    Raises:
        UsageError: The size is not drawable.
    """
    if not all(_LEAST_PX <= side <= _MOST_PX for side in size):
        raise UsageError(f"A scene of {size[0]} x {size[1]} pixels cannot be drawn.", hint="Use 64 to 4096 a side.")

    def dice(part: str) -> Dice:
        return Dice(scene_id, seed, part)

    plan = make_plan(facts, dice("plan"))
    canvas = Canvas(size, plan.camera)
    notes = Notes(canvas)
    paint_sky(canvas, plan, dice("sky"), notes)
    paint_land(canvas, plan, facts, dice("land"), notes)
    paint_road(canvas, plan, facts, dice("road"), notes)
    for _, _, paint in sorted(_objects(canvas, plan, facts, notes, dice), key=lambda job: (-job[0], job[1])):
        paint()
    image = _finish(canvas.image.reduce(SCALE), plan, dice("light"))
    return Scene(scene_id, seed, image, notes.visible(), facts, plan.setting)


def _objects(canvas: Canvas, plan: Plan, facts: PlaceFacts, notes: Notes, dice: Callable[[str], Dice]) -> list[_Job]:
    """List everything that stands on the ground with its distance, to be painted far to near."""
    jobs: list[_Job] = []

    def add(z: float, paint: Callable[[], None]) -> None:
        jobs.append((z, len(jobs), paint))

    houses = plan_houses(plan, facts, STYLES, dice("houses"))
    detail, shops = dice("house details"), dice("shops")
    writer = SignWriter(facts, dice("words"))
    for house in houses:
        add(house.far_m, functools.partial(_house_and_shop, canvas, house, plan, detail, shops, writer, notes))
    _note_houses(canvas, houses, facts, notes)
    marks = dice("signs")
    signs = plan_signs(canvas, plan, facts, marks)
    for sign in signs:
        add(sign[2], functools.partial(paint_sign, canvas, sign, plan, facts, marks, notes))
    leaves = dice("plants")
    for x, z, kind in plan_plants(plan, facts, leaves):
        if any(_in_house(x, z, house) for house in houses) or any(_hides(canvas, x, z, sign) for sign in signs):
            continue
        add(z, functools.partial(paint_plant, canvas, kind, plan.season, x, z, leaves, notes))
    for car in plan_cars(plan, dice("cars")):
        add(car.near_m, functools.partial(paint_car, canvas, car, plan, facts, notes))
    poles = dice("poles")
    if poles.chance(0.65):
        x = (-plan.side if poles.chance(0.75) else plan.side) * (plan.half_road_m + (0.5 if plan.walk_m else 2.0))
        step, start = poles.uniform(22, 32), poles.uniform(9, 22)
        wires = 8 if any("wires" in STYLES[name].extras for name in facts.houses) else poles.integer(2, 5)
        for i in range(5):
            z = start + i * step
            add(z, functools.partial(paint_pole, canvas, x, z, z + step, facts, wires, notes))
    return jobs


def _in_house(x: float, z: float, house: House) -> bool:
    """Say whether a plant would stand in or behind a house, as seen from the road."""
    return x * house.side > house.x - 0.6 and house.near_m - 1.5 < z < house.far_m + 1.0


def _hides(canvas: Canvas, x: float, z: float, sign: tuple[str, float, float]) -> bool:
    """Say whether the stem of a plant would stand before a sign."""
    _, sign_x, sign_z = sign
    reach = (2.2 if sign[0] == "direction" else 0.8) * canvas.per_metre(sign_z) + 0.6 * canvas.per_metre(z)
    return z < sign_z and abs(canvas.px(x, 0, z)[0] - canvas.px(sign_x, 0, sign_z)[0]) < reach


def _house_and_shop(
    canvas: Canvas, house: House, plan: Plan, detail: Dice, shops: Dice, writer: SignWriter, notes: Notes
) -> None:
    paint_house(canvas, house, plan, detail)
    if house.shop:
        paint_shop(canvas, house, writer, shops, notes)


def _note_houses(canvas: Canvas, houses: list[House], facts: PlaceFacts, notes: Notes) -> None:
    for house in houses:
        if 6 < house.near_m < 40:
            x = house.side * house.x
            near, far = canvas.px(x, 0, house.near_m), canvas.px(x, house.height_m, house.far_m)
            edge = canvas.px(house.side * (house.x + house.deep_m), house.height_m, house.near_m)
            columns = (near[0], far[0], edge[0])
            box = (max(min(columns), 0.0), max(edge[1], 0.0), min(max(columns), canvas.width - 1.0), near[1])
            if box[2] - box[0] > 30:
                notes.add(Feature("houses", house.style.words, facts.basis["houses"]), box, covers=0.0)


@functools.lru_cache(maxsize=24)
def _light(size: tuple[int, int], time: str, exposure: float, grain: int) -> Image.Image:
    """Return what the picture is multiplied by: the light of the hour, film grain, and darker corners."""
    tint = {"morning": (1.0, 0.96, 0.9), "evening": (1.0, 0.91, 0.79), "dusk": (0.62, 0.62, 0.78)}.get(time, (1.0,) * 3)
    small = Image.new("L", (32, 24))
    small.putdata(
        [
            255 - int(30 * min(1.0, math.hypot((x - 15.5) / 22, (y - 11.5) / 17) ** 2.4))
            for y in range(24)
            for x in range(32)
        ]
    )
    dice = np.random.Generator(np.random.PCG64(grain))
    noise = dice.integers(0, 7, size[::-1], dtype=np.uint8) + dice.integers(0, 7, size[::-1], dtype=np.uint8)
    even = ImageChops.subtract(small.resize(size, Image.Resampling.BICUBIC), Image.fromarray(noise))
    return Image.merge("RGB", [even.point([int(value * part * exposure) for value in range(256)]) for part in tint])


def _finish(image: Image.Image, plan: Plan, dice: Dice) -> Image.Image:
    """Apply falling rain or snow, and the light of the hour."""
    if plan.weather in {"rain", "snowfall"}:
        _falling(image, plan.weather, dice)
    time = plan.time if plan.weather in {"clear", "cloudy"} or plan.time == "dusk" else "day"
    return ImageChops.multiply(image, _light(image.size, time, dice.pick((0.95, 1.0)), dice.integer(0, 2)))


def _falling(image: Image.Image, weather: str, dice: Dice) -> None:
    draw = ImageDraw.Draw(image, "RGBA")
    slant = dice.uniform(-4, 4)
    for _ in range(420 if weather == "rain" else 520):
        x, y = dice.uniform(0, image.width), dice.uniform(0, image.height)
        if weather == "rain":
            draw.line([(x, y), (x + slant, y + dice.uniform(8, 20))], fill=(226, 230, 236, 70))
        else:
            r = dice.uniform(0.6, 2.4)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 251, 253, 215))
