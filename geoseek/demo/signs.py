"""Traffic signs, direction signs, street names, and the poles that carry wires."""

from __future__ import annotations

from geoseek.demo.canvas import COLORS, Canvas, Color, shade
from geoseek.demo.dice import Dice
from geoseek.demo.facts import COUNTRY_FACT, PlaceFacts
from geoseek.demo.features import FREE_CHOICE, PLACE_NAME, Feature, Notes
from geoseek.demo.fonts import has_glyphs
from geoseek.demo.layout import Plan

_SLOTS_M = {
    "direction": (11.0, 13.0, 16.0, 20.0),
    "street": (7.0, 9.0, 11.0, 13.0),
    "stop": (7.0, 9.0, 12.0),
    "warning": (8.0, 11.0, 14.0, 18.0),
    "speed": (8.0, 10.0, 13.0, 17.0),
}
"""Kind of sign -> distances at which it may stand."""
_POST: Color = (128, 130, 132)
_MILES = {"US", "GB", "LR", "PR", "VI", "GU", "MP", "AS", "IM", "JE", "GG"}
_POLES: dict[str, Color] = {"wood": (104, 82, 62), "concrete": (168, 164, 156), "steel": (140, 146, 150)}


def plan_signs(canvas: Canvas, plan: Plan, facts: PlaceFacts, dice: Dice) -> list[tuple[str, float, float]]:
    """Return kind, x and z of the signs of a scene: inside the picture and clear of each other."""
    odds = {
        "direction": {"town": 0.3, "suburb": 0.2, "village": 0.55, "country_road": 0.75}[plan.setting],
        "street": {"town": 0.65, "suburb": 0.6, "village": 0.3}.get(plan.setting, 0.0),
        "stop": 0.2 if facts.stop_text and plan.setting != "country_road" else 0.0,
        "warning": 0.4,
        "speed": 0.35,
    }
    if not facts.place or not has_glyphs(facts.place, "dejavu") or len(facts.place) > 26:
        odds["direction"] = 0.0
    placed: list[tuple[str, float, float]] = []
    taken: list[tuple[float, float, float, float]] = []
    for kind, chance in odds.items():
        if not dice.chance(chance):
            continue
        side = plan.side if kind in {"stop", "direction"} or dice.chance(0.75) else -plan.side
        reach = plan.half_road_m + (0.5 if plan.walk_m else 1.4)
        half, low, high = 1.2 if kind == "street" else 0.7, 1.6, 2.9
        if kind == "direction":
            half, low, high = _panel_m(facts) / 2, *_panel_heights(plan.walk_m > 0)
            reach = min(reach + half, plan.kerb_m + plan.setback_m - 0.2 - half) if plan.walk_m else reach + half
        x = side * reach
        for z in dice.shuffled(_SLOTS_M[kind]):
            box = canvas.span(z, x - half, x + half, low, high)
            if canvas.percent(box) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed.append((kind, x, z + dice.uniform(0, 0.5)))
                break
    return placed


def _panel_m(facts: PlaceFacts) -> float:
    """Return the width of a direction sign."""
    unit = 0.6 if facts.country_code in _MILES else 0.0
    return min(5.0, 1.7 + 0.24 * len(facts.place or "") + unit)


def _panel_heights(above_the_walk: bool) -> tuple[float, float]:
    """Return the lower and upper edge of a direction sign; over a sidewalk it hangs above people's heads."""
    return (2.7, 3.9) if above_the_walk else (1.9, 3.1)


def _overlap(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def paint_sign(
    canvas: Canvas, sign: tuple[str, float, float], plan: Plan, facts: PlaceFacts, dice: Dice, notes: Notes
) -> None:
    """Paint one sign on its post."""
    kind, x, z = sign
    if kind == "stop":
        _stop(canvas, x, z, facts, notes)
        return
    if kind == "direction":
        _direction(canvas, x, z, _panel_heights(plan.walk_m > 0), facts, dice, notes)
        return
    painters = {"warning": _warning, "speed": _speed, "street": _street}
    painters[kind](canvas, x, z, facts, dice, notes)


def _post(canvas: Canvas, x: float, z: float, height: float, half: float = 0.045) -> None:
    canvas.front(z, x - half, x + half, 0, height, _POST)


def _direction(
    canvas: Canvas, x: float, z: float, heights: tuple[float, float], facts: PlaceFacts, dice: Dice, notes: Notes
) -> None:
    place = facts.place or ""
    wide = _panel_m(facts)
    low, high = heights
    ground = COLORS[facts.direction_sign]
    ink = COLORS["black"] if facts.direction_sign in {"white", "yellow"} else COLORS["white"]
    outer = x + (wide if x > 0 else -wide) * 0.38
    for post in (outer,) if low > 2.5 else (outer, 2 * x - outer):
        _post(canvas, post, z, high, 0.07)
    box = canvas.span(z, x - wide / 2, x + wide / 2, low, high)
    left, top, right, bottom = box
    radius = max(2, int((bottom - top) * 0.08))
    canvas.rect(box, canvas.fog(ink, z), radius)
    rim = max(2.0, (bottom - top) * 0.035)
    canvas.rect((left + rim, top + rim, right - rim, bottom - rim), canvas.fog(ground, z), radius)
    number = f"{dice.integer(2, 48)} mi" if facts.country_code in _MILES else str(dice.integer(2, 48))
    pad, split = (bottom - top) * 0.16, right - (bottom - top) * (0.22 * len(number) + 0.22)
    middle = (top + bottom) / 2
    canvas.text_front(place, "dejavu", ink, (left + pad, top + pad, split - pad / 2, middle + pad * 0.6), z)
    canvas.text_front(number, "dejavu", ink, (split, top + pad * 1.8, right - pad, middle + pad * 0.3), z)
    _arrow(
        canvas, (left + pad * 1.5, middle + pad, left + pad * 1.5 + (bottom - top) * 0.26, bottom - pad * 0.8), ink, z
    )
    notes.add(Feature("direction_sign", facts.direction_sign, facts.basis["direction_sign"]), box)
    if (right - left) / max(len(place), 4) > 9:
        notes.add(Feature("place_name", place, PLACE_NAME, text=place, script="Latin"), box)


def _arrow(canvas: Canvas, box: tuple[float, float, float, float], ink: Color, z: float) -> None:
    left, top, right, bottom = box
    middle = (left + right) / 2
    head = top + (bottom - top) * 0.5
    points = [(middle, top), (right, head), (middle + 3, head), (middle + 3, bottom)]
    points += [(middle - 3, bottom), (middle - 3, head), (left, head)]
    canvas.draw.polygon(points, fill=canvas.fog(ink, z))


def _warning(canvas: Canvas, x: float, z: float, facts: PlaceFacts, dice: Dice, notes: Notes) -> None:
    _post(canvas, x, z, 2.2)
    left, top, right, bottom = box = canvas.span(z, x - 0.45, x + 0.45, 1.85, 2.7)
    middle, high = (left + right) / 2, bottom - top
    if facts.warning_sign == "yellow_diamond":
        center = (top + bottom) / 2
        for size, color in ((0.62, COLORS["black"]), (0.58, COLORS["yellow"])):
            reach = high * size
            points = [
                (middle, center - reach),
                (middle + reach, center),
                (middle, center + reach),
                (middle - reach, center),
            ]
            canvas.draw.polygon(points, fill=canvas.fog(color, z))
    else:
        rim = COLORS["black"] if facts.warning_sign.endswith("black") else COLORS["red"]
        ground = COLORS["yellow"] if facts.warning_sign.startswith("yellow") else COLORS["white"]
        canvas.draw.polygon([(middle, top), (right, bottom), (left, bottom)], fill=canvas.fog(rim, z))
        inset = high * 0.16
        points = [(middle, top + inset * 1.6), (right - inset * 1.3, bottom - inset * 0.8)]
        canvas.draw.polygon([*points, (left + inset * 1.3, bottom - inset * 0.8)], fill=canvas.fog(ground, z))
    _pictogram(
        canvas,
        middle,
        (top + bottom) / 2 + (0 if facts.warning_sign == "yellow_diamond" else high * 0.14),
        high,
        dice,
        z,
    )
    notes.add(Feature("warning_sign", facts.warning_sign, facts.basis["warning_sign"]), box)


def _pictogram(canvas: Canvas, x: float, y: float, size: float, dice: Dice, z: float) -> None:
    ink, r = canvas.fog(COLORS["black"], z), size * 0.06
    kind = dice.pick(["walker", "curve", "mark"])
    if kind == "walker":
        canvas.oval((x - r, y - 4 * r, x + r, y - 2 * r), ink)
        canvas.draw.polygon(
            [(x - r, y - 2 * r), (x + r, y - 2 * r), (x + 1.4 * r, y + 3 * r), (x, y), (x - 1.6 * r, y + 3 * r)],
            fill=ink,
        )
    elif kind == "curve":
        points = [(x - 2 * r, y + 3 * r), (x - 2 * r, y), (x + r, y - r), (x + r, y - 4 * r)]
        canvas.draw.line(points, fill=ink, width=max(2, int(1.4 * r)))
    else:
        canvas.rect((x - 0.7 * r, y - 4 * r, x + 0.7 * r, y + r), ink)
        canvas.oval((x - 0.8 * r, y + 1.6 * r, x + 0.8 * r, y + 3.2 * r), ink)


def _speed(canvas: Canvas, x: float, z: float, facts: PlaceFacts, dice: Dice, notes: Notes) -> None:
    _post(canvas, x, z, 2.2)
    boxed = facts.country_code in {"US", "CA", "PR", "VI", "GU", "MP", "AS"}
    number = str(dice.pick([25, 30, 35, 45] if facts.country_code in _MILES else [30, 40, 50, 60, 80]))
    half = 0.3 if boxed else 0.36
    left, top, right, bottom = box = canvas.span(z, x - half, x + half, 1.9, 2.72 if boxed else 2.62)
    white, black = canvas.fog(COLORS["white"], z), COLORS["black"]
    rim = (right - left) * 0.1
    if boxed:
        canvas.rect(box, canvas.fog(black, z))
        canvas.rect((left + 2, top + 2, right - 2, bottom - 2), white)
        words = ["SPEED", "LIMIT"] if facts.country_code != "CA" else ["MAXIMUM"]
        row = (bottom - top) * 0.2
        for i, word in enumerate(words):
            at = top + 4 + i * row
            canvas.text_front(word, "dejavu", black, (left + rim, at, right - rim, at + row * 0.85), z)
        canvas.text_front(number, "dejavu", black, (left + rim, top + row * 2.3, right - rim, bottom - rim), z)
        value = f"white rectangle with {' '.join(words)} {number}"
    else:
        canvas.oval(box, canvas.fog(COLORS["red"], z))
        canvas.oval((left + rim, top + rim, right - rim, bottom - rim), white)
        inner = (left + 2.2 * rim, top + 2.2 * rim, right - 2.2 * rim, bottom - 2.2 * rim)
        canvas.text_front(number, "dejavu", black, inner, z)
        value = f"round sign with a red rim and {number}"
    notes.add(Feature("speed_sign", value, FREE_CHOICE, text=number), box)


def _street(canvas: Canvas, x: float, z: float, facts: PlaceFacts, dice: Dice, notes: Notes) -> None:
    language = facts.languages[0]
    text = dice.pick(language.streets)
    wide = min(2.4, 0.5 + 0.13 * len(text) * (2.2 if language.font.startswith("cjk") else 1.0))
    _post(canvas, x, z, 2.75)
    ground = {"green": COLORS["green"], "yellow": COLORS["blue"]}.get(facts.direction_sign, COLORS["blue"])
    box = canvas.span(z, x - wide / 2, x + wide / 2, 2.4, 2.75)
    left, top, right, bottom = box
    canvas.rect(box, canvas.fog(COLORS["white"], z))
    canvas.rect((left + 2, top + 2, right - 2, bottom - 2), canvas.fog(ground, z))
    canvas.text_front(text, language.font, COLORS["white"], (left + 6, top + 5, right - 6, bottom - 5), z)
    if (right - left) / len(text) > 7:
        feature = Feature("street_sign", text, COUNTRY_FACT, text=text, language=language.name, script=language.script)
        notes.add(feature, box)


def _stop(canvas: Canvas, x: float, z: float, facts: PlaceFacts, notes: Notes) -> None:
    _post(canvas, x, z, 2.2)
    left, top, right, bottom = box = canvas.span(z, x - 0.42, x + 0.42, 1.85, 2.69)
    red, white = canvas.fog(COLORS["red"], z), canvas.fog(COLORS["white"], z)
    if facts.country_code == "JP":
        for inset, color in ((0.0, red), (0.06, white), (0.09, red)):
            pad = (right - left) * inset
            points = [(left + pad * 1.6, top + pad), (right - pad * 1.6, top + pad)]
            canvas.draw.polygon([*points, ((left + right) / 2, bottom - 2 * pad)], fill=color)
        inner = (
            left + (right - left) * 0.2,
            top + (bottom - top) * 0.14,
            right - (right - left) * 0.2,
            top + (bottom - top) * 0.42,
        )
    else:
        for inset, color in ((0.0, white), (0.045, red)):
            pad = (right - left) * inset
            cut = (right - left) * 0.29
            a, b, c, d = left + pad, top + pad, right - pad, bottom - pad
            points = [
                (a + cut, b),
                (c - cut, b),
                (c, b + cut),
                (c, d - cut),
                (c - cut, d),
                (a + cut, d),
                (a, d - cut),
                (a, b + cut),
            ]
            canvas.draw.polygon(points, fill=color)
        inner = (
            left + (right - left) * 0.13,
            top + (bottom - top) * 0.3,
            right - (right - left) * 0.13,
            top + (bottom - top) * 0.7,
        )
    canvas.text_front(facts.stop_text or "", facts.stop_font, COLORS["white"], inner, z)
    basis = facts.basis["stop_text"]
    notes.add(Feature("stop_sign", facts.stop_text or "", basis, text=facts.stop_text, meaning="stop"), box)


def paint_pole(canvas: Canvas, x: float, z: float, next_z: float, facts: PlaceFacts, wires: int, notes: Notes) -> None:
    """Paint a utility pole and the wires to the next one farther away."""
    color = _POLES[facts.pole]
    side = 1 if x > 0 else -1
    for i in range(wires):
        y = 7.4 - 0.55 * (i % 4)
        offset = side * (0.7 - 0.45 * (i % 3))
        sag = (z + next_z) / 2
        canvas.line([(x + offset, y, z), (x + offset, y - 0.35, sag), (x + offset, y, next_z)], (52, 54, 58), 0.012)
    half = 0.15 if facts.pole == "concrete" else 0.13
    canvas.poly([(x - half, 0, z), (x - half * 0.7, 8, z), (x + half * 0.7, 8, z), (x + half, 0, z)], color)
    canvas.front(z, x, x + half * 0.8, 0, 8, shade(color, 0.85))
    canvas.front(z, x - 1.0, x + 1.0, 7.15, 7.3, shade(color, 0.8))
    if z < 30:
        box = canvas.span(z, x - 1.0, x + 1.0, 4.0, 8.0)
        notes.add(Feature("pole", facts.pole, facts.basis["pole"]), box, covers=0.15)
