"""Styles of building: walls, roofs, windows. Which region builds how is in `data/regions.yaml`."""

from __future__ import annotations

from dataclasses import dataclass

from geoseek.demo.canvas import Color

_RED_TILE = ((176, 84, 58), (160, 74, 52), (188, 104, 72))
_SLATE = ((82, 86, 96), (98, 96, 98), (72, 74, 82))
_TIN = ((150, 156, 160), (168, 92, 64), (118, 128, 136), (140, 60, 50))
_GREY = ((120, 120, 122), (138, 136, 132))


@dataclass(frozen=True)
class HouseStyle:
    """How a kind of building looks.

    Attributes:
        words: What an observer would call it.
        walls: Colours of the walls.
        roofs: Colours of the roof.
        floors: Fewest and most floors.
        floor_m: Height of a floor.
        front_m: Shortest and longest front along the street.
        roof: gable, hip, flat or shed.
        pitch: Height of the ridge over half the depth.
        window: Width, height of a window in metres, and distance between windows.
        trim: Colour of window frames.
        extras: What else it has: shutters, bars, balcony, chimney, tank, veranda, boards, bricks, bricks_light, panels,
            aircon, blade_sign, awning, wires.
    """

    words: str
    walls: tuple[Color, ...]
    roofs: tuple[Color, ...]
    floors: tuple[int, int]
    floor_m: float = 3.0
    front_m: tuple[float, float] = (8.0, 14.0)
    roof: str = "flat"
    pitch: float = 0.8
    window: tuple[float, float, float] = (1.1, 1.5, 2.7)
    trim: Color = (236, 234, 228)
    extras: tuple[str, ...] = ()


STYLES = {
    "gabled": HouseStyle(
        "plastered houses with steep gabled roofs",
        ((236, 224, 196), (226, 206, 160), (214, 196, 188), (232, 232, 224), (200, 208, 186), (224, 190, 150)),
        _RED_TILE + _SLATE[:1],
        (2, 3),
        roof="gable",
        pitch=1.0,
        extras=("chimney",),
    ),
    "brick_terrace": HouseStyle(
        "brick terraced houses with chimneys",
        ((150, 84, 66), (136, 76, 60), (166, 104, 78), (128, 80, 70)),
        _SLATE,
        (2, 3),
        front_m=(5.0, 8.0),
        roof="gable",
        pitch=0.85,
        window=(1.2, 1.6, 2.5),
        extras=("chimney", "bricks"),
    ),
    "stucco_tile": HouseStyle(
        "pale stucco houses with shutters and low tiled roofs",
        ((238, 222, 190), (230, 200, 150), (226, 184, 140), (240, 232, 214), (216, 196, 168)),
        _RED_TILE,
        (2, 4),
        roof="gable",
        pitch=0.4,
        window=(1.0, 1.8, 2.8),
        extras=("shutters",),
    ),
    "timber": HouseStyle(
        "painted wooden houses with white trim",
        ((150, 44, 38), (206, 164, 74), (226, 222, 208), (104, 122, 112), (130, 150, 168)),
        (*_SLATE, (120, 62, 50)),
        (1, 2),
        front_m=(8.0, 12.0),
        roof="gable",
        pitch=0.95,
        extras=("boards", "chimney"),
    ),
    "chalet": HouseStyle(
        "chalets with wide eaves and wooden balconies",
        ((232, 222, 204), (140, 98, 62), (214, 196, 166)),
        ((104, 84, 70), (124, 74, 56)),
        (2, 3),
        roof="gable",
        pitch=0.5,
        extras=("balcony", "boards", "shutters"),
    ),
    "panel": HouseStyle(
        "blocks of flats made of concrete panels",
        ((186, 184, 176), (198, 190, 170), (170, 176, 180), (206, 196, 184)),
        _GREY,
        (4, 9),
        floor_m=2.8,
        front_m=(16.0, 30.0),
        window=(1.4, 1.4, 2.8),
        extras=("panels", "balcony"),
    ),
    "siding": HouseStyle(
        "detached wooden houses with siding",
        ((226, 224, 214), (170, 184, 190), (206, 194, 166), (148, 160, 140), (186, 178, 172)),
        ((92, 88, 86), (110, 92, 80), (80, 84, 92)),
        (1, 2),
        front_m=(9.0, 14.0),
        roof="gable",
        pitch=0.6,
        extras=("boards", "veranda"),
    ),
    "brick_block": HouseStyle(
        "flat-roofed brick buildings",
        ((152, 86, 66), (170, 110, 84), (140, 78, 62), (184, 140, 108)),
        _GREY,
        (2, 4),
        front_m=(7.0, 13.0),
        extras=("bricks", "awning"),
    ),
    "bungalow": HouseStyle(
        "single-storey bungalows",
        ((222, 210, 186), (190, 130, 100), (230, 228, 218), (196, 186, 170)),
        ((150, 70, 56), (96, 108, 116), (130, 136, 130)),
        (1, 1),
        front_m=(10.0, 16.0),
        roof="hip",
        pitch=0.5,
        window=(1.8, 1.2, 3.2),
        extras=("veranda",),
    ),
    "veranda_shop": HouseStyle(
        "low shops with a roof over the pavement",
        ((214, 200, 172), (180, 196, 190), (206, 178, 140)),
        _TIN,
        (1, 2),
        front_m=(7.0, 11.0),
        extras=("veranda",),
    ),
    "pastel": HouseStyle(
        "pastel-coloured houses with metal roofs",
        ((240, 196, 170), (176, 214, 206), (244, 226, 150), (206, 186, 222), (164, 202, 228)),
        _TIN,
        (1, 2),
        front_m=(6.0, 10.0),
        roof="hip",
        pitch=0.7,
        extras=("shutters", "veranda"),
    ),
    "stucco_low": HouseStyle(
        "low colourful flat-fronted houses with barred windows",
        ((222, 128, 84), (232, 196, 92), (120, 168, 186), (226, 224, 210), (196, 106, 96), (150, 178, 120)),
        ((168, 96, 70), (150, 140, 130)),
        (1, 2),
        floor_m=3.3,
        front_m=(6.0, 11.0),
        extras=("bars",),
    ),
    "block": HouseStyle(
        "unadorned concrete buildings of a few floors",
        ((206, 196, 178), (186, 176, 164), (214, 180, 140), (176, 186, 184), (224, 214, 196)),
        _GREY,
        (2, 4),
        front_m=(7.0, 12.0),
        extras=("balcony", "tank", "awning"),
    ),
    "tin_roof": HouseStyle(
        "small houses with corrugated metal roofs",
        ((206, 184, 150), (176, 196, 190), (220, 206, 176), (186, 134, 100), (130, 160, 186)),
        _TIN,
        (1, 1),
        floor_m=2.9,
        front_m=(5.0, 9.0),
        roof="shed",
        pitch=0.3,
        window=(1.0, 1.0, 2.6),
        extras=("awning",),
    ),
    "mud": HouseStyle(
        "low houses of mud brick",
        ((190, 158, 118), (176, 142, 104)),
        ((168, 138, 104),),
        (1, 1),
        front_m=(7.0, 12.0),
        window=(0.8, 0.9, 3.0),
        trim=(120, 92, 66),
    ),
    "sand_block": HouseStyle(
        "sand-coloured flat-roofed buildings",
        ((222, 200, 160), (208, 184, 146), (230, 214, 182), (196, 176, 146)),
        ((200, 180, 148),),
        (2, 5),
        front_m=(8.0, 14.0),
        window=(1.0, 1.5, 2.8),
        extras=("tank", "aircon", "awning"),
    ),
    "whitewash": HouseStyle(
        "whitewashed flat-roofed buildings",
        ((240, 236, 226), (236, 226, 204), (226, 208, 178), (218, 160, 130)),
        ((214, 204, 186),),
        (2, 4),
        front_m=(7.0, 12.0),
        trim=(52, 96, 150),
        extras=("bars", "tank", "awning"),
    ),
    "villa": HouseStyle(
        "plastered villas with hipped roofs",
        ((234, 226, 206), (224, 206, 176), (206, 214, 206)),
        _RED_TILE + _TIN[:1],
        (1, 2),
        front_m=(9.0, 13.0),
        roof="hip",
        pitch=0.55,
        extras=("balcony",),
    ),
    "stone_block": HouseStyle(
        "buildings faced with pale stone",
        ((226, 214, 188), (216, 200, 170), (232, 222, 202)),
        ((206, 192, 164),),
        (2, 5),
        front_m=(9.0, 15.0),
        extras=("bricks_light", "tank", "balcony"),
    ),
    "stone_low": HouseStyle(
        "stone houses with flat roofs",
        ((168, 158, 144), (222, 214, 200)),
        ((130, 120, 110),),
        (1, 3),
        front_m=(7.0, 10.0),
        trim=(120, 70, 46),
        extras=("bricks_light",),
    ),
    "balcony_block": HouseStyle(
        "narrow concrete houses with balconies and rooftop tanks",
        ((230, 190, 130), (204, 214, 190), (226, 160, 140), (190, 200, 220), (232, 222, 196), (180, 130, 110)),
        _GREY,
        (2, 5),
        front_m=(4.5, 9.0),
        extras=("balcony", "tank", "awning", "wires"),
    ),
    "shophouse": HouseStyle(
        "narrow shophouses",
        ((226, 214, 186), (190, 206, 196), (236, 200, 150), (206, 190, 186), (170, 186, 200)),
        _RED_TILE + _GREY,
        (2, 4),
        floor_m=3.4,
        front_m=(4.2, 6.5),
        window=(1.3, 1.6, 2.0),
        extras=("awning", "blade_sign", "aircon", "wires"),
    ),
    "tower": HouseStyle(
        "high apartment blocks",
        ((200, 196, 188), (178, 184, 192), (214, 200, 180), (190, 178, 172)),
        _GREY,
        (7, 16),
        floor_m=2.9,
        front_m=(12.0, 22.0),
        window=(1.7, 1.4, 2.6),
        extras=("aircon", "blade_sign", "balcony"),
    ),
    "tile_mid": HouseStyle(
        "tiled mid-rise buildings covered in signs",
        ((196, 190, 180), (170, 166, 164), (206, 186, 160), (160, 120, 100), (216, 214, 208)),
        _GREY,
        (3, 6),
        front_m=(6.0, 11.0),
        extras=("blade_sign", "aircon", "panels"),
    ),
    "tile_house": HouseStyle(
        "small houses with grey tiled roofs",
        ((222, 214, 198), (190, 180, 166), (206, 206, 204), (150, 132, 112)),
        ((78, 84, 94), (64, 74, 92), (96, 92, 90)),
        (2, 2),
        floor_m=2.8,
        front_m=(6.0, 9.0),
        roof="hip",
        pitch=0.55,
        window=(1.5, 1.1, 2.6),
        trim=(120, 116, 110),
        extras=("aircon", "blade_sign"),
    ),
}
