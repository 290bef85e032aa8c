"""What all rewards share: completions and truth in, one value and one set of details per completion out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from geoseek.geo import Gazetteer, Location
from geoseek.schemas import ParsedChain, parse_chain
from geoseek.training.predictions import shared_gazetteer

if TYPE_CHECKING:
    from geoseek.endpoints import Embedder

Details: TypeAlias = dict[str, Any]
"""What a reward saw of one completion, as JSON takes it; for the log. Numbers are finite."""

NameLevel = Literal["country", "region", "place"]
LEVELS: tuple[NameLevel, ...] = ("country", "region", "place")
"""The parts of an answer, in its order."""

_REMEMBERED_TEXTS = 8_192
_REMEMBERED_CHARS = 20_000
_REMEMBERED_LONG_TEXTS = 16
_REMEMBERED_ANSWERS = 32_768
_REMEMBERED_ANSWER_CHARS = 500
_SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class RewardBatch:
    """What a reward says about a batch of completions, in their order.

    Attributes:
        values: Finite; None where this reward is left out of the sum.
        details: What it saw.
    """

    values: list[float | None]
    details: list[Details]

    @classmethod
    def of(cls, rows: Iterable[tuple[float | None, Details]]) -> RewardBatch:
        """Gather (value, details) of each completion; a value that is not finite becomes 0 and is noted."""
        values: list[float | None] = []
        details: list[Details] = []
        for value, seen in rows:
            usable = value is None or math.isfinite(value)
            values.append(value if usable else 0.0)
            details.append(seen if usable else {**seen, "problem": "not_finite"})
        return cls(values, details)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known about one picture; empty or None where it is not.

    Attributes:
        id: Id of the sample.
        solution: The answer, as `Country; Region; Place` or in answer tags; for a judge True or False.
        lat: Latitude in degrees, in [-90, 90].
        lng: Longitude in degrees, in [-180, 180].
        country_code: ISO 3166-1 alpha-2.
        country: Name of the country.
        region: Name of the region.
        place: Name of the place.
    """

    solution: str = ""
    lat: float | None = None
    lng: float | None = None
    country_code: str = ""
    country: str = ""
    region: str = ""
    place: str = ""
    id: str = ""

    @property
    def parts(self) -> tuple[str, str, str]:
        """Country, region and place: those of the solution, and the columns where it has none.

        >>> Truth(solution="<answer> China；Anhui </answer>", place="Hefei").parts
        ('China', 'Anhui', 'Hefei')
        """
        told = (*read_completion(self.solution).parts, "", "", "")
        return (told[0] or self.country, told[1] or self.region, told[2] or self.place)

    def position(self, locate: Callable[[str], Location]) -> tuple[float, float] | None:
        """Return latitude and longitude: the row's own, else those of its names; None if neither is known."""
        if self.lat is not None and self.lng is not None:
            return self.lat, self.lng
        found = locate("; ".join(part for part in self.parts if part))
        return None if found.lat is None or found.lng is None else (found.lat, found.lng)


def read_truth(count: int, columns: Mapping[str, Any]) -> list[Truth]:
    """Turn the columns of a batch, as ms-swift hands them over, into one row per completion.

    Args:
        count: Completions in the batch.
        columns: Name -> one value per completion; others than those of `Truth` are passed over. What is missing, too
            short, of another type, not finite or off the globe counts as unknown.

    >>> read_truth(2, {"lat": [48.85, float("nan")], "lng": [2.35, 0.0], "country": ["France"]})[0].lat
    48.85
    >>> read_truth(2, {"lat": [48.85, float("nan")], "lng": [2.35, 0.0], "country": ["France"]})[1] == Truth(lng=0.0)
    True
    """
    texts = {name: _column(columns, name, count) for name in _TEXT_COLUMNS}
    lats, lngs = _column(columns, "lat", count), _column(columns, "lng", count)
    return [
        Truth(
            lat=_degrees(lats[row], 90),
            lng=_degrees(lngs[row], 180),
            **{name: value if isinstance(value := texts[name][row], str) else "" for name in _TEXT_COLUMNS},
        )
        for row in range(count)
    ]


_TEXT_COLUMNS = ("solution", "country_code", "country", "region", "place", "id")


def _column(columns: Mapping[str, Any], name: str, count: int) -> list[Any]:
    found = columns.get(name)
    values = list(found[:count]) if isinstance(found, Sequence) and not isinstance(found, str) else []
    return values + [None] * (count - len(values))


def _degrees(value: object, limit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -limit <= value <= limit else None


def read_completion(text: object) -> ParsedChain:
    """Parse a completion; each distinct one is read once for all rewards. Never raises; what is no text is empty."""
    if not isinstance(text, str):
        return _remembered("")
    return _remembered(text) if len(text) <= _REMEMBERED_CHARS else _remembered_long(text)


def shown(text: str) -> str:
    """Return a text as it goes into the details: its beginning, if it is long.

    >>> shown("China; Anhui; Hefei"), len(shown("x" * 1_000_000))
    ('China; Anhui; Hefei', 300)
    """
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


_remembered = lru_cache(maxsize=_REMEMBERED_TEXTS)(parse_chain)
_remembered_long = lru_cache(maxsize=_REMEMBERED_LONG_TEXTS)(parse_chain)


class Resources:
    """What rewards look things up with, each loaded when it is first needed and kept for the process.

    Args:
        gazetteer: Finds places; default: the one that the process shares.
        embedder: Compares names by meaning; default: those that the settings name.
    """

    def __init__(self, gazetteer: Gazetteer | None = None, embedder: Embedder | None = None) -> None:
        self._gazetteer = gazetteer
        self._given_embedder = embedder
        self._embedders: dict[tuple[str | None, str | None], Embedder] = {}
        self._remembered_answer = lru_cache(maxsize=_REMEMBERED_ANSWERS)(lambda answer: self.gazetteer.locate(answer))

    @cached_property
    def gazetteer(self) -> Gazetteer:
        """The gazetteer."""
        return self._gazetteer or shared_gazetteer()

    def locate(self, answer: str) -> Location:
        """Return where an answer lies; most answers come again, and more are remembered than by the gazetteer."""
        short = len(answer) <= _REMEMBERED_ANSWER_CHARS
        return self._remembered_answer(answer) if short else self.gazetteer.locate(answer)

    def embedder(self, model: str | None, device: str | None) -> Embedder:
        """Return the sentence model; a stand-in for the default one is announced on stderr.

        Raises:
            MissingExtraError: The packages are not installed.
            InputError: The model can be neither found nor downloaded.
        """
        if self._given_embedder is not None:
            return self._given_embedder
        if (model, device) not in self._embedders:
            self._embedders[model, device] = _load_embedder(model, device)
        return self._embedders[model, device]


def _load_embedder(model: str | None, device: str | None) -> Embedder:
    from geoseek.endpoints import embedder

    return cast("Embedder", embedder(model, device=device, required=True))


SHARED = Resources()
"""The resources of this process."""


@dataclass(frozen=True, slots=True)
class Reward:
    """An entry of the registry. A reward never raises for any completion or truth, and never gives NaN.

    Attributes:
        name: As in recipes and on ms-swift's command line.
        title: As in ms-swift's logs (`rewards/TITLE/mean`).
        compute: The function; (completions, truth, settings, resources) -> RewardBatch, or an awaitable of it.
        is_async: Whether `compute` is a coroutine function.
    """

    name: str
    title: str
    compute: Callable[..., Any]
    is_async: bool = False
