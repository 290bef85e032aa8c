"""What can be seen in a scene: the record from which annotations are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from geoseek.demo.canvas import Canvas
from geoseek.demo.facts import PlaceFacts

Box = tuple[float, float, float, float]
"""x, y, width, height in percent of the picture."""

CLIMATE_RULE = "climate rule"
FREE_CHOICE = "free choice"
PLACE_NAME = "name of the place"


@dataclass(frozen=True)
class Feature:
    """One thing that a viewer can see.

    Attributes:
        kind: driving_side, center_line, edge_line, plate, shop_sign, street_sign, direction_sign, warning_sign,
            stop_sign, speed_sign, houses, pole, plants, ground, terrain, sea, crops, weather, season or time_of_day.
        value: What it is ("left", "yellow", "cypress").
        basis: "country fact", "regional default", "climate rule", "name of the place" or "free choice".
        box: Where it is; None for what fills the picture.
        text: Words on it as written.
        meaning: Those words in English, where they mean something.
        language: English name of the language of the words.
        script: Script of the words.
    """

    kind: str
    value: str
    basis: str
    box: Box | None = None
    text: str | None = None
    meaning: str | None = None
    language: str | None = None
    script: str | None = None


@dataclass(frozen=True)
class Scene:
    """A drawn street.

    Attributes:
        scene_id: Id that the drawing is keyed by.
        seed: Seed that the drawing is keyed by.
        image: The picture, mode RGB.
        features: What is visible in it.
        facts: The place that it shows.
        setting: town, suburb, village or country_road.
    """

    scene_id: str
    seed: int
    image: Image.Image
    features: tuple[Feature, ...]
    facts: PlaceFacts
    setting: str

    def of_kind(self, *kinds: str) -> list[Feature]:
        """Return the visible features of these kinds."""
        return [feature for feature in self.features if feature.kind in kinds]


@dataclass
class Notes:
    """Features as they are painted, with what is needed to drop those that get hidden later."""

    canvas: Canvas
    entries: list[tuple[Feature, tuple[float, float, float, float] | None, int]] = field(default_factory=list)

    def add(
        self, feature: Feature, pixels: tuple[float, float, float, float] | None = None, *, covers: float = 0.9
    ) -> None:
        """Remember a feature, the box it was painted in (pixels of the canvas), and how much of that box it hides."""
        since = self.canvas.note(pixels, covers) if pixels and covers else len(self.canvas.marks)
        self.entries.append((feature, pixels, since))

    def visible(self, *, least_width: float = 0.8, least_height: float = 0.8) -> tuple[Feature, ...]:
        """Return the features that are in the picture and not hidden; boxes in percent.

        A kind that several things show (plates, plants) is kept once per value: the largest.
        """
        best: dict[tuple[str, str, str | None], tuple[float, Feature]] = {}
        for feature, pixels, since in self.entries:
            size, box = 0.0, None
            if pixels:
                box = self.canvas.percent(pixels)
                if box is None or box[2] < least_width or box[3] < least_height:
                    continue
                if self.canvas.hidden_share(pixels, since) > 0.3:
                    continue
                size = box[2] * box[3]
            key = (feature.kind, feature.value, feature.text)
            if key not in best or best[key][0] < size:
                best[key] = (size, Feature(**{**feature.__dict__, "box": box}))
        return tuple(feature for _, feature in best.values())
