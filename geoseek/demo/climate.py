"""Climate zones by latitude and known dry or mild areas: coarse, but enough to choose plants and ground."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Climate:
    """What grows in a zone and what the ground looks like.

    Attributes:
        name: Key of the zone.
        label: Words for a reader.
        plants: Kinds of plants (see `geoseek.demo.vegetation`), with weights.
        grounds: Kinds of ground (see `geoseek.demo.terrain`), with weights.
        greenness: How densely it grows, 0..1.
        seasons: Seasons in which a scene may be set, with weights.
        rain: Probability of rain or snowfall.
        overcast: Probability of a closed cover of clouds.
    """

    name: str
    label: str
    plants: dict[str, float]
    grounds: dict[str, float]
    greenness: float
    seasons: dict[str, float]
    rain: float
    overcast: float


_ALWAYS = {"evergreen": 1.0}
_FOUR = {"summer": 4.0, "spring": 2.0, "autumn": 2.0, "winter": 1.0}
_COLD = {"summer": 4.0, "autumn": 1.5, "snow": 2.5}

CLIMATES = {
    climate.name: climate
    for climate in (
        Climate("polar", "polar", {"tussock": 1}, {"tundra": 3, "gravel": 1}, 0.3, {"summer": 2, "snow": 3}, 0.15, 0.5),
        Climate(
            "boreal", "boreal", {"spruce": 4, "birch": 2, "pine": 1}, {"meadow": 3, "moss": 1}, 0.9, _COLD, 0.15, 0.4
        ),
        Climate(
            "continental",
            "continental",
            {"broadleaf": 3, "birch": 2, "spruce": 2, "poplar": 1},
            {"meadow": 3, "field": 2},
            0.8,
            {**_FOUR, "snow": 1.5},
            0.12,
            0.35,
        ),
        Climate(
            "oceanic",
            "cool and moist",
            {"broadleaf": 5, "hedge": 2, "poplar": 1, "pine": 1},
            {"meadow": 4, "field": 2},
            0.85,
            _FOUR,
            0.22,
            0.45,
        ),
        Climate(
            "mediterranean",
            "mediterranean",
            {"cypress": 2, "olive": 3, "stone_pine": 2, "palm": 1, "shrub": 2},
            {"dry_grass": 3, "soil": 1},
            0.55,
            {"dry": 3, "evergreen": 2},
            0.05,
            0.12,
        ),
        Climate(
            "steppe",
            "semi-arid",
            {"shrub": 3, "poplar": 2, "tussock": 2},
            {"dry_grass": 3, "soil": 1},
            0.35,
            {"dry": 3, "spring": 1},
            0.04,
            0.15,
        ),
        Climate(
            "desert",
            "arid",
            {"shrub": 3, "date_palm": 2, "tussock": 1},
            {"sand": 3, "gravel": 1},
            0.18,
            {"dry": 1},
            0.01,
            0.05,
        ),
        Climate(
            "cactus_desert",
            "arid",
            {"cactus": 3, "shrub": 3, "tussock": 1},
            {"sand": 2, "gravel": 2},
            0.25,
            {"dry": 1},
            0.01,
            0.05,
        ),
        Climate(
            "savanna",
            "savanna",
            {"acacia": 4, "broadleaf": 1, "shrub": 2, "mango": 1},
            {"red_soil": 2, "dry_grass": 2},
            0.5,
            {"dry": 2, "evergreen": 1},
            0.06,
            0.2,
        ),
        Climate(
            "eucalyptus",
            "warm and dry",
            {"eucalyptus": 5, "shrub": 2},
            {"dry_grass": 3, "red_soil": 1},
            0.55,
            {"dry": 2, "evergreen": 1},
            0.07,
            0.2,
        ),
        Climate(
            "subtropical",
            "humid subtropical",
            {"broadleaf": 4, "palm": 0.15, "pine": 2, "bamboo": 0.7},
            {"meadow": 3, "field": 1},
            0.8,
            {"summer": 3, "evergreen": 2, "autumn": 1},
            0.15,
            0.3,
        ),
        Climate(
            "highland",
            "tropical highland",
            {"eucalyptus": 3, "shrub": 2, "broadleaf": 1, "agave": 2},
            {"dry_grass": 2, "meadow": 1, "soil": 1},
            0.5,
            _ALWAYS,
            0.1,
            0.3,
        ),
        Climate(
            "tropical",
            "tropical",
            {"palm": 4, "banana": 2, "mango": 2, "broadleaf": 1},
            {"meadow": 3, "red_soil": 1},
            0.95,
            _ALWAYS,
            0.18,
            0.35,
        ),
    )
}

# Zone, south, north, west, east in degrees; the first box that holds the point decides. Compiled by hand.
_AREAS = (
    ("highland", -22, 6, -79.5, -66),  # high Andes; the coast and the Amazon side are taken out below by longitude
    ("highland", 6, 15, 36.5, 41),  # Ethiopia
    ("highland", -4, 1.5, 33.5, 38),  # Kenya
    ("cactus_desert", 22, 37, -117.5, -101),  # south-west of the USA, north of Mexico
    ("savanna", 16, 22, -105, -97),
    ("mediterranean", 32, 42, -124.5, -117.5),  # California
    ("steppe", 37, 49, -120, -99),  # interior west and plains
    ("oceanic", 42, 60, -135, -120),
    ("desert", -28, -17, -71.5, -68),  # Atacama
    ("desert", -17, -4, -82, -75.5),  # coast of Peru
    ("mediterranean", -38, -30, -73, -69.5),
    ("oceanic", -55, -38, -76, -71),
    ("steppe", -54, -38, -71, -62),  # Patagonia
    ("subtropical", -38, -24, -62, -47),
    ("savanna", -24, -5, -58, -38),  # cerrado and caatinga
    ("mediterranean", 30, 37.5, -10, 11.5),  # Maghreb
    ("mediterranean", 31, 38, 34, 37),  # coast of the Levant
    ("mediterranean", 36, 44.2, -10, 4),
    ("mediterranean", 35, 44.5, 4, 30),
    ("desert", 15.5, 36, -17.5, 60),  # Sahara, Arabia, south of Iran
    ("savanna", 6.5, 15.5, -17.5, 48),  # Sahel and Sudan
    ("savanna", -12, 0, 30, 41),
    ("desert", -30, -16, 11, 17),  # Namib
    ("steppe", -28, -18, 17, 26),
    ("mediterranean", -35, -32, 17, 22),
    ("savanna", -35, -12, 13, 36),
    ("steppe", 36, 42, 30, 48),  # Anatolia
    ("desert", 24, 30, 60, 74),  # Thar
    ("steppe", 30, 41, 46, 63),
    ("desert", 37, 46, 53, 66),  # Karakum and Kyzylkum
    ("steppe", 46, 53, 46, 88),  # Kazakhstan
    ("desert", 36, 44, 76, 108),  # Taklamakan and Gobi
    ("steppe", 44, 53, 88, 119),  # Mongolia
    ("steppe", 27, 37, 74, 100),  # Himalaya and Tibet
    ("savanna", 10, 27, 70, 84),  # the Deccan
    ("tropical", -20, -8, 141, 150),
    ("savanna", -20, -11, 120, 141),
    ("desert", -31, -20, 114, 141),
    ("eucalyptus", -40, -10, 112, 155),
    ("oceanic", -48, -34, 165, 179),
    ("oceanic", 47.5, 60.5, -11, 8),
    ("oceanic", 44, 47.5, -10, 5),
    ("oceanic", 50, 60, 8, 13),
    ("polar", 60, 84, -75, -10),  # Greenland and Iceland
)


def climate_at(lat: float, lng: float) -> Climate:
    """Return the climate zone at a point; a coarse rule for drawing, not a climatology.

    >>> climate_at(30.0, 31.2).name, climate_at(-3.1, -60.0).name, climate_at(68.0, 25.0).name
    ('desert', 'tropical', 'boreal')
    """
    for name, south, north, west, east in _AREAS:
        if south <= lat < north and west <= lng < east:
            return CLIMATES[name]
    size = abs(lat)
    if size < 23.5:
        return CLIMATES["tropical"]
    if size < 37:
        return CLIMATES["subtropical"]
    if size < 57:
        return CLIMATES["continental"]
    return CLIMATES["boreal"] if size < 70 and lat > 0 else CLIMATES["polar"]
