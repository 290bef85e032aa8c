"""The carriageway: asphalt, kerbs and painted lines in the colours of the country."""

from __future__ import annotations

from geoseek.demo.canvas import COLORS, Canvas, Color, mix, shade
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts
from geoseek.demo.features import FREE_CHOICE, Feature, Notes
from geoseek.demo.layout import Plan

_FAR_M = 260.0
_NEAR_M = 1.3


def paint_road(canvas: Canvas, plan: Plan, facts: PlaceFacts, dice: Dice, notes: Notes) -> None:
    """Paint the road and its lines."""
    asphalt = _asphalt(plan, dice)
    half = plan.half_road_m
    verge = mix(asphalt, (150, 138, 116), 0.55)
    if plan.walk_m:
        stone = dice.pick([(168, 164, 156), (178, 168, 150), (150, 150, 150)])
        if plan.season == "snow":
            stone = mix(stone, (236, 240, 246), 0.6)
        for side in (-1, 1):
            canvas.ground(side * half, side * (plan.kerb_m + plan.setback_m * 0.1), _NEAR_M, _FAR_M, stone, 0.12)
            canvas.ground(side * half, side * (half + 0.22), _NEAR_M, _FAR_M, shade(stone, 1.12), 0.12)
            _joints(canvas, side, half, plan.kerb_m, shade(stone, 0.88))
    else:
        canvas.ground(-half - 1.1, half + 1.1, _NEAR_M, _FAR_M, verge)
    canvas.ground(-half, half, _NEAR_M, _FAR_M, asphalt)
    for lane in range(-2 * plan.lanes + 1, 2 * plan.lanes, 2):
        x = lane * half / (2 * plan.lanes)
        for track in (-0.75, 0.75):
            canvas.ground(x + track - 0.25, x + track + 0.25, _NEAR_M, 90.0, shade(asphalt, 0.94))
    for _ in range(dice.integer(0, 4)):
        z, x = dice.uniform(3, 25), dice.uniform(-half * 0.8, half * 0.6)
        canvas.ground(
            x, x + dice.uniform(0.4, 1.6), z, z + dice.uniform(0.5, 3), shade(asphalt, dice.pick([0.88, 1.07]))
        )
    if plan.paved:
        _lines(canvas, plan, facts, dice, asphalt, notes)


def _asphalt(plan: Plan, dice: Dice) -> Color:
    if not plan.paved:
        return mix((168, 128, 92), (178, 160, 130), dice.uniform(0, 1))
    grey = dice.integer(84, 116)
    color = (grey, grey, grey + 3)
    if plan.weather == "rain":
        color = shade(color, 0.72)
    return mix(color, (226, 230, 236), 0.35) if plan.season == "snow" else color


def _joints(canvas: Canvas, side: int, inner: float, outer: float, color: Color) -> None:
    z = 2.0
    while z < 22:
        canvas.line([(side * (inner + 0.22), 0.12, z), (side * outer, 0.12, z)], color, 0.03)
        z += 1.6


def _lines(canvas: Canvas, plan: Plan, facts: PlaceFacts, dice: Dice, asphalt: Color, notes: Notes) -> None:
    center = mix(COLORS[facts.center_line], asphalt, dice.uniform(0.05, 0.3))
    has_center = plan.setting in {"town", "country_road"} or dice.chance(0.5)
    if has_center:
        solid = dice.weighted({"dashed": 3.0, "solid": 1.0, "double": 1.6 if facts.center_line == "yellow" else 0.4})
        if solid == "dashed":
            _dashes(canvas, 0.0, center)
        else:
            for x in (-0.14, 0.14) if solid == "double" else (0.0,):
                canvas.ground(x - 0.07, x + 0.07, _NEAR_M, 120.0, center)
        box = canvas.span(9.0, -0.5, 0.5, 0, 0)
        notes.add(
            Feature("center_line", facts.center_line, facts.basis["center_line"]),
            (box[0], canvas.px(0, 0, 20)[1], box[2], canvas.px(0, 0, 6)[1]),
        )
        notes.add(Feature("center_line_form", solid, FREE_CHOICE))
    if plan.setting == "country_road" or (plan.setting == "town" and dice.chance(0.35)):
        edge = mix(COLORS[facts.edge_line], asphalt, 0.15)
        for side in (-1, 1):
            x = side * (plan.half_road_m - 0.3)
            canvas.ground(x - 0.07, x + 0.07, _NEAR_M, 120.0, edge)
        near, far = (
            canvas.px(plan.side * (plan.half_road_m - 0.3), 0, 7),
            canvas.px(plan.side * plan.half_road_m, 0, 22),
        )
        notes.add(
            Feature("edge_line", facts.edge_line, facts.basis["edge_line"]),
            (min(near[0], far[0]) - 8, far[1], max(near[0], far[0]) + 8, near[1]),
        )
    for lane in range(1, plan.lanes):
        for side in (-1, 1):
            _dashes(canvas, side * plan.half_road_m * lane / plan.lanes, mix(COLORS["white"], asphalt, 0.15))
    if plan.setting == "town" and dice.chance(0.4):
        z = dice.uniform(9, 18)
        for stripe in range(int(plan.half_road_m * 2 / 1.0)):
            x = -plan.half_road_m + 0.35 + stripe
            canvas.ground(x, x + 0.5, z, z + 3.0, mix(COLORS["white"], asphalt, 0.12))


def _dashes(canvas: Canvas, x: float, color: Color) -> None:
    z = _NEAR_M + 1.0
    while z < 110:
        canvas.ground(x - 0.07, x + 0.07, z, z + 3.0, color)
        z += 8.0
