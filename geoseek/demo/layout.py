"""The plan of a scene: setting, camera, road, weather, season and time of day, chosen before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.demo.canvas import Camera, Color, mix
from geoseek.demo.dice import Dice
from geoseek.demo.facts import PlaceFacts

SKIES: dict[str, tuple[Color, Color]] = {
    "clear": ((70, 130, 205), (190, 216, 236)),
    "cloudy": ((88, 142, 205), (200, 218, 232)),
    "overcast": ((156, 166, 178), (206, 210, 213)),
    "rain": ((118, 128, 140), (176, 182, 187)),
    "fog": ((190, 196, 200), (206, 209, 210)),
    "snowfall": ((172, 178, 188), (208, 212, 217)),
}
"""Weather -> colour of the sky overhead and at the horizon."""
_HAZE_M = {"clear": 420.0, "cloudy": 340.0, "overcast": 240.0, "rain": 130.0, "fog": 45.0, "snowfall": 90.0}
_WARMTH = {"evening": 0.3, "morning": 0.15}
_TIMES = {"day": 6.0, "morning": 2.0, "evening": 2.0, "dusk": 0.8}


@dataclass(frozen=True)
class Plan:
    """Choices that all parts of the drawing share.

    Attributes:
        setting: town, suburb, village or country_road.
        camera: The camera.
        side: Sign of the driving side: +1 right, -1 left.
        half_road_m: Half the width of the carriageway.
        lanes: Lanes per direction.
        walk_m: Width of the sidewalk, 0 where there is none.
        setback_m: From the sidewalk to the houses.
        weather: Key of `SKIES`.
        season: evergreen, summer, spring, autumn, winter, dry or snow.
        time: day, morning, evening or dusk.
        ground: Kind of ground.
        paved: False for a road of earth.
    """

    setting: str
    camera: Camera
    side: int
    half_road_m: float
    lanes: int
    walk_m: float
    setback_m: float
    weather: str
    season: str
    time: str
    ground: str
    paved: bool

    @property
    def kerb_m(self) -> float:
        """Distance from the road's centre to the outer edge of the sidewalk."""
        return self.half_road_m + self.walk_m


def make_plan(facts: PlaceFacts, dice: Dice) -> Plan:
    """Choose the plan of a scene."""
    climate = facts.climate
    setting = dice.weighted({"town": 4.0, "suburb": 2.5, "village": 2.0, "country_road": 2.5})
    if climate.name == "polar":
        setting = dice.weighted({"village": 1.0, "country_road": 1.0})
    season = dice.weighted(climate.seasons)
    if facts.lat < 0 and season == "snow" and facts.lat > -50:
        season = "winter"
    weather = _weather(facts, season, dice)
    time = dice.weighted(_TIMES)
    side = 1 if facts.driving_side == "right" else -1
    lanes = 2 if setting == "town" and dice.chance(0.25) else 1
    half_road = lanes * dice.uniform(2.9, 3.5) + (0.6 if setting == "country_road" else 0.0)
    walk = {"town": dice.uniform(1.8, 3.2), "suburb": dice.uniform(1.0, 1.8), "village": 0.0}.get(setting, 0.0)
    setback = {
        "town": 0.0 if dice.chance(0.75) else dice.uniform(0.5, 2.0),
        "suburb": dice.uniform(3.5, 7.0),
        "village": dice.uniform(1.0, 4.0),
    }.get(setting, dice.uniform(10.0, 22.0))
    overhead, horizon = SKIES[weather]
    haze = mix(
        mix(overhead, horizon, 0.85), (236, 178, 120), _WARMTH.get(time, 0.0) if weather in {"clear", "cloudy"} else 0.0
    )
    camera = Camera(
        x=side * half_road * dice.uniform(0.3, 0.6),
        height=dice.uniform(1.5, 2.5),
        focal=dice.uniform(0.62, 0.88),
        vanish_x=0.5 + side * dice.uniform(-0.24, 0.14),
        horizon_y=dice.uniform(0.44, 0.57),
        bend=dice.uniform(-0.0016, 0.0016) * (2.0 if setting == "country_road" else 1.0) if dice.chance(0.7) else 0.0,
        haze=haze,
        haze_m=_HAZE_M[weather] * (0.8 if time == "morning" else 1.0),
    )
    rough = facts.region_label in {"West Africa", "Central Africa", "East Africa", "the Horn of Africa"}
    paved = not (setting in {"village", "country_road"} and dice.chance(0.45 if rough else 0.04))
    ground = "snow" if season == "snow" else dice.weighted(climate.grounds)
    return Plan(setting, camera, side, half_road, lanes, walk, setback, weather, season, time, ground, paved)


def _weather(facts: PlaceFacts, season: str, dice: Dice) -> str:
    climate = facts.climate
    if dice.chance(climate.rain):
        return "snowfall" if season == "snow" else "rain"
    if dice.chance(climate.overcast):
        return "fog" if dice.chance(0.12) else "overcast"
    return "cloudy" if dice.chance(0.6) else "clear"
