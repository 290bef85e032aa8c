"""Sentences for the stored example annotations: one group of templates per kind of visible feature."""

from __future__ import annotations

from geoseek.demo.dice import Dice
from geoseek.demo.features import Feature

WARNINGS = {
    "red_triangle": "a white warning triangle with a red rim",
    "yellow_triangle": "a yellow warning triangle with a red rim",
    "yellow_triangle_black": "a yellow warning triangle with a black rim",
    "yellow_diamond": "a yellow diamond-shaped warning sign",
}
WEATHER = {
    "clear": "a clear sky",
    "cloudy": "scattered clouds",
    "overcast": "a closed grey sky",
    "rain": "rain",
    "fog": "fog",
    "snowfall": "falling snow",
}
TERRAIN = {
    "flat": "flat land up to the horizon",
    "hills": "low hills behind the road",
    "mountains": "high mountains behind the road",
    "forest": "a closed line of forest at the horizon",
}


def clue(feature: Feature, ground: str = "") -> str:
    """Say in a few words what a feature is, as an annotator would list it.

    >>> clue(Feature("center_line", "yellow", "country fact"))
    'yellow centre line'
    """
    value = feature.value
    return {
        "shop_sign": f"{feature.language} shop sign “{feature.text}” ({feature.meaning})",
        "street_sign": f"{feature.language} street name “{feature.text}”",
        "stop_sign": f"stop sign with “{feature.text}”",
        "driving_side": f"traffic keeps {value}",
        "center_line": f"{value} centre line",
        "edge_line": f"{value} line at the edge of the road",
        "plate": value,
        "direction_sign": f"{value} direction sign",
        "warning_sign": WARNINGS.get(value, value),
        "speed_sign": value,
        "houses": value,
        "pole": f"utility pole made of {value}",
        "plants": value,
        "ground": ground,
        "terrain": TERRAIN.get(value, value),
        "crops": value,
        "weather": WEATHER.get(value, value),
        "place_name": f"direction sign naming “{feature.text}”",
    }[feature.kind]


_TEMPLATES: dict[str, tuple[str, ...]] = {
    "shop_sign": (
        "The sign “{text}” is {language} for a {meaning}.",
        "Over a shop stands “{text}”, which is {language} ({meaning}).",
        "A shop front reads “{text}”: {language}, in {script} script, meaning {meaning}.",
    ),
    "street_sign": (
        "The street is called “{text}”, a {language} name.",
        "A street sign reads “{text}”, so the local language is {language}.",
    ),
    "stop_sign": (
        "The stop sign carries the word “{text}”.",
        "“{text}” stands on the stop sign, which not every country writes that way.",
    ),
    "driving_side": (
        "The moving cars keep to the {value}.",
        "Traffic runs on the {value}-hand side of the road.",
        "The car in view drives on the {value}.",
    ),
    "center_line": (
        "The centre line is {value}.",
        "Opposing lanes are divided by {value} paint.",
    ),
    "edge_line": (
        "The edge of the road is marked in {value}.",
        "A {value} line runs along the shoulder.",
    ),
    "plate": (
        "A licence plate can be made out: {value}.",
        "One car shows its licence plate ({value}).",
    ),
    "direction_sign": (
        "Directions are given on {value} panels.",
        "The direction sign has a {value} ground.",
    ),
    "warning_sign": (
        "There is {words} beside the road.",
        "The roadside has {words}.",
    ),
    "houses": (
        "The street is lined by {value}.",
        "The buildings are {value}.",
    ),
    "pole": (
        "The utility poles are made of {value}.",
        "Wires hang on poles of {value}.",
    ),
    "plants": (
        "Along the road grow {value}.",
        "The vegetation consists of {value}.",
        "I can see {value}.",
    ),
    "ground": (
        "The open ground shows {words}.",
        "Beside the road there is {words}.",
    ),
    "terrain": (
        "There is {words}.",
        "The view ends with {words}.",
    ),
    "crops": ("The fields beside the road carry {value}.", "Farming is visible: {value}."),
    "place_name": (
        "The direction sign names “{text}”.",
        "“{text}” is written on the direction sign ahead.",
    ),
}


def sentence(feature: Feature, dice: Dice, ground: str = "") -> str:
    """Write one sentence about a feature."""
    template = dice.pick(_TEMPLATES[feature.kind])
    words = {"warning_sign": WARNINGS, "terrain": TERRAIN}.get(feature.kind, {}).get(feature.value, ground)
    text = template.format(
        text=feature.text,
        language=feature.language,
        script=feature.script,
        meaning=feature.meaning,
        value=feature.value,
        words=words,
    )
    return text.replace("There is low hills", "There are low hills").replace("There is high", "There are high")


_THE = (
    "United ",
    "Netherlands",
    "Philippines",
    "Bahamas",
    "Gambia",
    "Maldives",
    "Seychelles",
    "Comoros",
    "Dominican R",
)
_THE_ENDS = (" Islands", " Republic", " Territories", " Territory")


def named(country: str) -> str:
    """Give a country's name with the article that English wants inside a sentence.

    >>> named("Peru"), named("United States"), named("Cook Islands")
    ('Peru', 'the United States', 'the Cook Islands')
    """
    return f"the {country}" if country.startswith(_THE) or country.endswith(_THE_ENDS) else country


def listed(names: list[str]) -> str:
    """Join names as English does.

    >>> listed(["Chad"]), listed(["Chad", "Mali", "Niger"])
    ('Chad', 'Chad, Mali and Niger')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
