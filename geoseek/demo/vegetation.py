"""Trees and shrubs along the road, by climate and season."""

from __future__ import annotations

from geoseek.demo.canvas import Canvas
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts
from geoseek.demo.features import CLIMATE_RULE, Feature, Notes
from geoseek.demo.layout import Plan
from geoseek.demo.plant_sprites import VARIANTS, plant_sprite

PLANTS: dict[str, tuple[str, float, float]] = {
    "broadleaf": ("round broad-leaved trees", 6.0, 11.0),
    "birch": ("birches with white bark", 7.0, 12.0),
    "poplar": ("slender poplars", 9.0, 15.0),
    "spruce": ("dark spruces", 8.0, 15.0),
    "pine": ("pines", 9.0, 15.0),
    "hedge": ("clipped hedges", 1.3, 2.0),
    "cypress": ("narrow dark cypresses", 6.0, 11.0),
    "olive": ("grey-green olive trees", 3.5, 5.5),
    "stone_pine": ("umbrella-shaped stone pines", 8.0, 12.0),
    "palm": ("tall palms", 6.0, 12.0),
    "date_palm": ("date palms", 5.0, 9.0),
    "banana": ("banana plants", 2.5, 4.0),
    "mango": ("dense dark-leaved trees", 6.0, 10.0),
    "acacia": ("flat-topped acacias", 5.0, 8.0),
    "eucalyptus": ("pale-barked eucalyptus trees", 9.0, 16.0),
    "cactus": ("columnar cacti", 2.5, 5.0),
    "agave": ("agaves", 1.0, 1.6),
    "bamboo": ("clumps of bamboo", 5.0, 8.0),
    "shrub": ("scattered dry shrubs", 0.8, 2.0),
    "tussock": ("tussocks of grass", 0.4, 0.9),
}
"""Kind -> words for a reader, least and greatest height in metres."""
_LEAVES_FALL = {"broadleaf", "birch", "poplar"}


def paint_plant(canvas: Canvas, kind: str, season: str, x: float, z: float, dice: Dice, notes: Notes) -> None:
    """Stand one plant on the ground; near ones are noted as features."""
    words, low, high = PLANTS[kind]
    height = dice.uniform(low, high)
    sprite = plant_sprite(kind, _look(kind, season), dice.integer(0, VARIANTS - 1))
    canvas.sprite(sprite, x, z, height, flip=dice.chance(0.5))
    width = height * sprite.aspect
    box = canvas.span(z, x - width / 2, x + width / 2, 0, height)
    if 5.5 < z < 35 and kind != "tussock":
        notes.add(Feature("plants", words, CLIMATE_RULE), box, covers=0.45)
    else:
        canvas.note(box, 0.4)


def _look(kind: str, season: str) -> str:
    if season == "snow":
        return "bare" if kind in _LEAVES_FALL else "snow"
    if kind in _LEAVES_FALL and season in {"autumn", "winter"}:
        return "autumn" if season == "autumn" else "bare"
    return "dry" if season == "dry" and kind in {"shrub", "tussock", "broadleaf"} else "green"


def plan_plants(plan: Plan, facts: PlaceFacts, dice: Dice) -> list[tuple[float, float, str]]:
    """Return x, z and kind of the plants along the road."""
    climate = facts.climate
    kinds = {kind: climate.plants[kind] * dice.uniform(0.3, 1.7) for kind in climate.plants}
    found: list[tuple[float, float, str]] = []
    density = climate.greenness * {"town": 0.5, "suburb": 1.0, "village": 1.3, "country_road": 2.2}[plan.setting]
    avenue = plan.setting == "town" and plan.walk_m > 2.2 and dice.chance(0.5 * climate.greenness)
    if avenue:
        kind = dice.weighted({name: weight for name, weight in kinds.items() if PLANTS[name][2] > 4} or kinds)
        z = dice.uniform(8, 13)
        while z < 90:
            found += [(side * (plan.half_road_m + 0.7), z, kind) for side in (-1, 1)]
            z += dice.uniform(9, 12)
        return found
    for side in (-1, 1):
        z = dice.uniform(8.0, 14.0)
        while z < 110:
            inner = plan.kerb_m + (0.6 if plan.setting != "town" else 0.0)
            reach = plan.setback_m if plan.setting != "town" else 0.0
            if plan.setting == "country_road":
                inner, reach = plan.half_road_m + 2.8, 26.0
            if plan.setting != "town":
                found.append((side * dice.uniform(inner, inner + max(reach - 0.8, 0.3)), z, dice.weighted(kinds)))
            elif dice.chance(0.3):
                found.append((side * (plan.half_road_m + 0.8), z, dice.weighted(kinds)))
            z += dice.uniform(2.5, 9.0) / max(density, 0.12) * (0.55 + z / 55)
    return found
