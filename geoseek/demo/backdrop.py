"""Sky, clouds, sun, far hills, sea, and the open ground beside the road."""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from geoseek.demo.canvas import Canvas, Color, mix, shade
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts
from geoseek.demo.features import CLIMATE_RULE, FREE_CHOICE, Feature, Notes
from geoseek.demo.layout import SKIES, Plan

GROUNDS: dict[str, Color] = {
    "meadow": (104, 138, 62),
    "field": (126, 146, 70),
    "moss": (112, 124, 74),
    "tundra": (134, 128, 92),
    "dry_grass": (178, 160, 100),
    "soil": (158, 126, 90),
    "red_soil": (172, 104, 62),
    "sand": (212, 186, 140),
    "gravel": (162, 154, 142),
    "snow": (232, 236, 242),
}
GROUND_WORDS = {
    "meadow": "green grass",
    "field": "green farmland",
    "moss": "moss and rough grass",
    "tundra": "bare tundra",
    "dry_grass": "dry yellow grass",
    "soil": "bare brown soil",
    "red_soil": "red laterite soil",
    "sand": "pale sand",
    "gravel": "grey gravel",
    "snow": "snow",
}
_CLOUD_KINDS = 6


@functools.lru_cache(maxsize=_CLOUD_KINDS)
def _clouds(kind: int) -> Image.Image:
    """Return a bank of clouds as a mask: sums of noise at four sizes, cut at a level."""
    dice = np.random.Generator(np.random.PCG64(1000 + kind))
    total = np.zeros((160, 512))
    for cells, weight in ((4, 8.0), (8, 4.0), (20, 2.0), (48, 1.0)):
        noise = Image.fromarray(dice.integers(0, 256, (cells, cells * 2), dtype=np.uint8))
        total += weight * np.asarray(noise.resize((512, 160), Image.Resampling.BICUBIC), dtype=np.float64)
    cut = (total / 15.0 - 118.0) * 5.0
    fade = np.minimum(np.arange(160) / 20.0, 1.0)[:, None]
    return Image.fromarray(np.clip(cut * fade, 0, 245).astype(np.uint8))


def paint_sky(canvas: Canvas, plan: Plan, dice: Dice, notes: Notes) -> None:
    """Paint the sky down to the horizon, and note weather and time of day."""
    overhead, horizon = SKIES[plan.weather]
    warm = {"evening": 0.55, "morning": 0.25, "dusk": 0.35}.get(plan.time, 0.0)
    low = mix(horizon, (246, 176, 108), warm if plan.weather in {"clear", "cloudy"} else warm * 0.3)
    high = max(2, int(canvas.horizon_y) + 2)
    ramp = np.linspace(0.0, 1.0, 128)[:, None] ** np.array([[1.0, 1.0, 1.0]])
    column = np.array(overhead) + (np.array(low) - np.array(overhead)) * ramp
    strip = Image.fromarray(column.astype(np.uint8)[:, None, :])
    sky = strip.resize((canvas.width // 2, high // 2), Image.Resampling.BILINEAR)
    if plan.weather == "clear" and plan.time in {"morning", "evening"} and dice.chance(0.7):
        _sun(sky, dice)
    if plan.weather in {"cloudy", "clear"}:
        _cover(sky, dice, 0.95 if plan.weather == "cloudy" else 0.35, mix((255, 255, 255), low, 0.12))
    else:
        _cover(sky, dice, 0.4, shade(overhead, 0.86))
    canvas.image.paste(sky.resize((canvas.width, high), Image.Resampling.NEAREST), (0, 0))
    notes.add(Feature("weather", plan.weather, FREE_CHOICE))
    notes.add(Feature("time_of_day", plan.time, FREE_CHOICE))
    notes.add(Feature("season", plan.season, CLIMATE_RULE))


def _sun(sky: Image.Image, dice: Dice) -> None:
    glow = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(glow).ellipse((22, 22, 42, 42), fill=255)
    glow = glow.filter(ImageFilter.GaussianBlur(7)).resize((sky.width // 3, sky.width // 3))
    at = (int(dice.uniform(0, 0.8) * sky.width), int(dice.uniform(0.1, 0.6) * sky.height))
    sky.paste((255, 244, 214), (*at, at[0] + glow.width, at[1] + glow.height), glow)


def _cover(sky: Image.Image, dice: Dice, strength: float, color: Color) -> None:
    bank = _clouds(dice.integer(0, _CLOUD_KINDS - 1))
    left = dice.uniform(0, 200)
    part = bank.resize(sky.size, Image.Resampling.BILINEAR, (left, 0, left + 300, 160))
    if dice.chance(0.5):
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sky.paste(color, (0, 0), part.point([int(value * strength) for value in range(256)]))


def paint_land(canvas: Canvas, plan: Plan, facts: PlaceFacts, dice: Dice, notes: Notes) -> None:
    """Paint hills or sea at the horizon, and the ground."""
    base = _ground_color(plan)
    terrain = dice.weighted(_terrains(facts, plan))
    notes.add(Feature("terrain", terrain, CLIMATE_RULE))
    if terrain in {"hills", "mountains"}:
        _hills(canvas, dice, base, terrain == "mountains", snow=plan.season == "snow" or facts.climate.name == "polar")
    elif terrain == "forest":
        _ridge(canvas, mix(shade(base, 0.5), (40, 66, 48), 0.6), canvas.camera.haze, 0.03, dice, rough=6.0)
    y = int(canvas.horizon_y)
    far = mix(base, canvas.camera.haze, 0.55)
    steps = 24
    for i in range(steps):
        top = y + (canvas.height - y) * (i / steps) ** 2
        tone = mix(far, base, min(1.0, (i / steps) * 2.2))
        below = y + (canvas.height - y) * ((i + 1) / steps) ** 2
        canvas.draw.rectangle((0, top, canvas.width, below), fill=tone)
    if plan.setting in {"country_road", "village"}:
        _open_ground(canvas, plan, facts, dice, base, notes)
    notes.add(Feature("ground", plan.ground, CLIMATE_RULE))


def _ground_color(plan: Plan) -> Color:
    base = GROUNDS[plan.ground]
    if plan.ground in {"meadow", "field"}:
        base = mix(base, (158, 132, 74), {"autumn": 0.35, "winter": 0.5, "dry": 0.45}.get(plan.season, 0.0))
    return shade(base, 0.85) if plan.weather in {"overcast", "rain"} else base


def _terrains(facts: PlaceFacts, plan: Plan) -> dict[str, float]:
    climate = facts.climate.name
    if climate == "highland" or facts.region_label in {"the Alps", "the Himalayas", "the Caucasus"}:
        return {"mountains": 3.0, "hills": 1.0}
    if climate == "boreal":
        return {"forest": 3.0, "hills": 1.0, "flat": 1.0}
    return {"flat": 3.0, "hills": 2.5, "mountains": 0.4, "forest": 0.0 if plan.ground in {"sand", "gravel"} else 1.0}


def _hills(canvas: Canvas, dice: Dice, base: Color, high: bool, *, snow: bool) -> None:
    rock = mix(base, (96, 106, 124), 0.65)
    for layer in range(3 if high else 2):
        share = 0.65 - 0.22 * layer
        tall = (0.2 - 0.055 * layer) if high else (0.085 - 0.03 * layer)
        color = mix(mix(rock, (236, 240, 246), 0.6) if snow and layer == 0 else rock, canvas.camera.haze, share)
        _ridge(canvas, color, canvas.camera.haze, tall, dice, rough=3.0 if high else 0.0)


def _ridge(canvas: Canvas, color: Color, haze: Color, tall: float, dice: Dice, *, rough: float) -> None:
    waves = [(dice.uniform(0.6, 1.4) * f, dice.uniform(0, 6.28), 1.0 / f) for f in (1.3, 2.9, 6.1, 13.0)]
    bottom = canvas.horizon_y + 3
    points = [(0.0, bottom)]
    for step in range(65):
        t = step / 64
        wave = sum(weight * math.sin(frequency * 3.2 * t + phase) for frequency, phase, weight in waves)
        height = tall * canvas.height * (0.55 + 0.32 * wave) + rough * dice.uniform(0, 2)
        points.append((t * canvas.width, bottom - max(height, 2.0)))
    canvas.draw.polygon([*points, (canvas.width, bottom)], fill=mix(color, haze, 0.1))


def _open_ground(canvas: Canvas, plan: Plan, facts: PlaceFacts, dice: Dice, base: Color, notes: Notes) -> None:
    rows = plan.ground in {"field", "meadow", "soil"} and facts.climate.greenness > 0.4 and dice.chance(0.5)
    for side in (-1, 1):
        inner = plan.half_road_m + 5.0
        if rows and dice.chance(0.7):
            crop = dice.pick([(150, 160, 60), (92, 130, 52), (198, 170, 84), (120, 150, 66)])
            crop = mix(crop, base, 0.4)
            canvas.ground(side * inner, side * 260, 12.0, 600.0, crop)
            for row in range(26):
                x = inner + row * 2.2
                canvas.ground(side * x, side * (x + 1.0), 12.0, 400.0, shade(crop, 0.86))
            left, top, right, _ = canvas.span(60.0, side * inner, side * (inner + 60), 0, 0)
            notes.add(Feature("crops", "rows of crops", CLIMATE_RULE), (left, top - 4, right, top + 60))
        else:
            for _ in range(5):
                z = dice.uniform(8, 70)
                x = dice.uniform(inner, inner + 50)
                wide = dice.uniform(3, 16)
                canvas.ground(
                    side * x, side * (x + wide), z, z * 1.25, mix(base, shade(base, dice.pick([0.86, 1.12])), 0.7)
                )
