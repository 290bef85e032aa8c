"""Shop fronts: display windows, awnings, and signs in the languages of the place."""

from __future__ import annotations

from geoseek.demo.buildings import House
from geoseek.demo.canvas import Canvas, Color, shade
from geoseek.demo.dice import Dice
from geoseek.demo.facts import COUNTRY_FACT, Language, PlaceFacts
from geoseek.demo.features import Feature, Notes

_BOARDS: tuple[tuple[Color, Color], ...] = (
    ((178, 30, 36), (250, 246, 236)),
    ((22, 84, 150), (250, 250, 244)),
    ((242, 238, 226), (160, 26, 30)),
    ((20, 104, 66), (250, 246, 220)),
    ((240, 196, 60), (40, 36, 34)),
    ((54, 44, 40), (244, 226, 180)),
    ((246, 244, 238), (26, 60, 122)),
)
_NEAREST_TEXT_M = 3.4


class SignWriter:
    """Hands out words for signs, so that no word stands twice in a scene.

    Args:
        facts: The place.
        dice: Random choices.
    """

    def __init__(self, facts: PlaceFacts, dice: Dice) -> None:
        self._facts = facts
        self._dice = dice
        self._words = {language.code: dice.shuffled(language.words) for language in facts.languages}

    def next(self) -> tuple[str, str, Language] | None:
        """Return words, their English meaning and the language; None when all words of the place are used."""
        languages = self._facts.languages
        first = len(languages) == 1 or self._dice.chance(0.75)
        for language in (languages[0 if first else 1], *languages):
            if self._words[language.code]:
                text, meaning = self._words[language.code].pop()
                return text, meaning, language
        return None

    def put_back(self, words: tuple[str, str, Language]) -> None:
        """Take back words that were not painted."""
        text, meaning, language = words
        self._words[language.code].append((text, meaning))


def paint_shop(canvas: Canvas, house: House, writer: SignWriter, dice: Dice, notes: Notes) -> None:
    """Paint the ground floor of a house as one or two shops, with their signs."""
    x = house.side * house.x
    length = house.far_m - house.near_m
    units = 2 if length > 9 else 1
    front = abs(canvas.px(x, 0, house.near_m)[0] - canvas.px(x, 0, house.far_m)[0])
    if front < 40:
        return
    high = house.style.floor_m
    for unit in reversed(range(units)):
        z1 = house.near_m + length * unit / units + 0.3
        z2 = house.near_m + length * (unit + 1) / units - 0.3
        door = z1 + (z2 - z1) * dice.uniform(0.35, 0.6)
        canvas.wall(x, z1, z2, 0.15, high - 0.75, shade(house.wall, 0.72))
        pane = (58, 70, 78) if dice.chance(0.8) else (214, 196, 150)
        canvas.wall(x, z1 + 0.15, door - 0.15, 0.6, high - 0.9, pane)
        canvas.wall(x, door + 1.0, z2 - 0.1, 0.6, high - 0.9, shade(pane, 1.12))
        canvas.wall(x, door, door + 0.9, 0.1, high - 0.95, (72, 52, 40))
        if "awning" in house.style.extras and dice.chance(0.55):
            _awning(canvas, house, z1, z2, dice)
        _fascia(canvas, house, (z1, z2), writer, dice, notes)
    if "blade_sign" in house.style.extras and house.floors > 1 and dice.chance(0.75):
        _blade(canvas, house, writer, dice, notes)


def _awning(canvas: Canvas, house: House, z1: float, z2: float, dice: Dice) -> None:
    x, out = house.side * house.x, house.side * (house.x - 1.2)
    top = house.style.floor_m - 0.85
    color = dice.pick([(178, 50, 44), (46, 96, 76), (60, 92, 140), (226, 206, 160)])
    canvas.poly([(x, top, z1), (out, top - 0.5, z1), (out, top - 0.5, z2), (x, top, z2)], color)
    canvas.wall(out, z1, z2, top - 0.72, top - 0.5, shade(color, 1.15))
    canvas.poly([(x, top, z1), (out, top - 0.5, z1), (out, top - 0.72, z1), (x, top - 0.5, z1)], shade(color, 0.8))


def _fascia(canvas: Canvas, house: House, z: tuple[float, float], writer: SignWriter, dice: Dice, notes: Notes) -> None:
    x = house.side * (house.x - 0.12)
    low, high = house.style.floor_m - 0.72, house.style.floor_m + 0.22
    z1, z2 = z
    ground, ink = dice.pick(_BOARDS)
    canvas.wall(x, z1, z2, low, high, ground)
    near, far = max(z1, _NEAREST_TEXT_M), z2
    if far - near < 1.5:
        return
    words = writer.next()
    if words is None:
        return
    text, meaning, language = words
    margin = 0.12 * (far - near)
    near, far = near + margin, far - margin
    corners = [canvas.px(x, y, at) for y in (low, high) for at in (near, far)]
    left, right = min(p[0] for p in corners), max(p[0] for p in corners)
    top, bottom = min(p[1] for p in corners), max(p[1] for p in corners)
    letters = max(2, len(text))
    if right - left < 44 or (right - left) / letters < 5.0 or canvas.per_metre((near + far) / 2) * 0.7 < 13:
        writer.put_back(words)
        return
    canvas.text_wall(text, language.font, ink, x, near, far, low + 0.14, high - 0.14)
    notes.add(_sign("shop_sign", text, meaning, language), (left, top, right, bottom))


def _blade(canvas: Canvas, house: House, writer: SignWriter, dice: Dice, notes: Notes) -> None:
    z = house.near_m + dice.uniform(0.4, 1.2)
    if z < 5.0 or z > 32.0:
        return
    base = house.style.floor_m + dice.uniform(0.5, 0.9)
    words = writer.next()
    if words is None:
        return
    text, meaning, language = words
    ground, ink = dice.pick(_BOARDS)
    upright = language.font.startswith("cjk")
    wide = 0.85 if upright else min(2.2, 0.32 * len(text) + 0.5)
    tall = min(0.85 * len(text) + 0.2, house.height_m - base + 0.5) if upright else 0.75
    x1, x2 = house.side * (house.x - 0.15), house.side * (house.x - 0.15 - wide)
    box = canvas.span(z, x1, x2, base, base + tall)
    canvas.front(z, x1, x2, base, base + tall, ground)
    canvas.front(z, house.side * house.x, x1, base + tall * 0.5, base + tall * 0.5 + 0.06, (70, 70, 72))
    left, top, right, bottom = box
    pad = (right - left) * 0.08
    if upright:
        cell = (bottom - top) / len(text)
        for i, sign in enumerate(text):
            canvas.text_front(
                sign, language.font, ink, (left + pad, top + i * cell + pad, right - pad, top + (i + 1) * cell - pad), z
            )
    else:
        canvas.text_front(text, language.font, ink, (left + pad, top + pad, right - pad, bottom - pad), z)
    if right - left > (16 if upright else 7 * len(text)):
        notes.add(_sign("shop_sign", text, meaning, language), box)


def _sign(kind: str, text: str, meaning: str, language: Language) -> Feature:
    return Feature(
        kind,
        meaning,
        COUNTRY_FACT,
        text=text,
        meaning=meaning,
        language=language.name,
        script=language.script,
    )
