"""Which answers to the same photo name the same country, region and place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from geoseek.geo import Gazetteer, Level, Location
from geoseek.schemas import ChainOfThought, StageName, split_answer

_NAME_LEVEL: Final[Mapping[StageName, Literal["country", "region", "place"]]] = {
    StageName.COUNTRY: "country",
    StageName.REGION: "region",
    StageName.PRECISE: "place",
}
_COUNTRY_LEVELS = (Level.COUNTRY, Level.COUNTRY_FUZZY)


@dataclass(frozen=True)
class Answer:
    """What a chain concludes.

    Attributes:
        names: Stage -> name; without the stages at which nothing was concluded.
        units: Stage -> the gazetteer's unit of that name; without the stages whose name it does not know.
        lat: Latitude in degrees of the finest place that the answer names; None if none is known.
        lng: Longitude in degrees.
    """

    names: Mapping[StageName, str]
    units: Mapping[StageName, str]
    lat: float | None
    lng: float | None


class NameBook:
    """Reads answers, and sorts those to one photo into classes of equal names.

    Lookups are remembered: create one for all photos.

    Args:
        gazetteer: Decides which names are equal.
    """

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._locate = gazetteer.locate
        self._same = lru_cache(maxsize=100_000)(gazetteer.same_place_name)

    def read(self, chain: ChainOfThought) -> Answer:
        """Return the names that a chain concludes.

        The name at a stage is its conclusion. Where there is none, or the gazetteer does not know it ("most likely
        France"), it is the part of the final answer at that level, if there is one (and the gazetteer knows it).
        """
        stages, parts = chain.stages(), split_answer(chain.final_answer)
        finals = (*parts[:2], "; ".join(parts[2:])) if parts else ()
        names: dict[StageName, str] = {}
        units: dict[StageName, str] = {}
        for at, level in enumerate(StageName):
            said = stages[level].conclusion.strip() if level in stages else ""
            offered = [name for name in (said, finals[at] if at < len(finals) else "") if name]
            # Below a country that is written with an error, its code finds more than its name.
            above = [units.get(upper, name) if upper is StageName.COUNTRY else name for upper, name in names.items()]
            known = [(name, unit) for name in offered if (unit := self._unit(level, above, name))]
            if known:
                names[level], units[level] = known[0]
            elif offered:
                names[level] = offered[0]
        place = self._locate(chain.final_answer)
        if not place.found:
            place = self._locate("; ".join(names.values()))
        return Answer(names, units, place.lat, place.lng)

    def names_country(self, answer: Answer, country_code: str) -> bool:
        """Whether an answer names this country (ISO 3166-1 alpha-2)."""
        if answer.units.get(StageName.COUNTRY) == country_code:
            return True
        name = answer.names.get(StageName.COUNTRY)
        return name is not None and self._same(name, country_code, "country")

    def classes(self, answers: Sequence[Answer]) -> dict[StageName, list[str | None]]:
        """Return per stage the class of each answer to the same photo; None where it names nothing.

        Two answers name the same if the gazetteer resolves them to the same unit or its `same_place_name` says so;
        regions and places only if the countries are the same, and places only by unit if the regions differ. Equality
        is closed: if a equals b and b equals c, all are one class. A class is called by the unit of its members, or
        else by its spelling, so that the same name has the same class in other photos too.
        """
        found: dict[StageName, list[str | None]] = {}
        for level in StageName:
            found[level] = self._classes(level, answers, found)
        return found

    def _classes(
        self, level: StageName, answers: Sequence[Answer], above: Mapping[StageName, list[str | None]]
    ) -> list[str | None]:
        groups: list[list[int]] = []
        for at, answer in enumerate(answers):
            if level not in answer.names:
                continue
            joined = [at]
            apart = []
            for group in groups:
                if any(self._equal(level, answers, above, at, other) for other in group):
                    joined += group
                else:
                    apart.append(group)
            groups = [*apart, joined]
        classes: list[str | None] = [None] * len(answers)
        for group in groups:
            units = [answers[at].units[level] for at in group if level in answers[at].units]
            spelled = [
                "/".join((*(above[upper][at] or "" for upper in above), _spelling(answers[at].names[level])))
                for at in group
            ]
            for at in group:
                classes[at] = min(units or spelled)
        return classes

    def _equal(
        self,
        level: StageName,
        answers: Sequence[Answer],
        above: Mapping[StageName, list[str | None]],
        at: int,
        other: int,
    ) -> bool:
        one, two = answers[at], answers[other]
        if level is not StageName.COUNTRY and above[StageName.COUNTRY][at] != above[StageName.COUNTRY][other]:
            return False
        if level in one.units and one.units[level] == two.units.get(level):
            return True
        country = region = None
        if level is not StageName.COUNTRY:
            country = one.units.get(StageName.COUNTRY) or one.names.get(StageName.COUNTRY)
        if level is StageName.PRECISE:
            regions = above[StageName.REGION][at], above[StageName.REGION][other]
            if None not in regions:
                if regions[0] != regions[1]:
                    return False
                region = one.names[StageName.REGION]
        first, second = sorted((one.names[level], two.names[level]))
        return self._same(first, second, _NAME_LEVEL[level], country=country, region=region)

    def _unit(self, level: StageName, above: Sequence[str], name: str) -> str | None:
        """Return the unit that a name means, as text that is the same for the same unit."""
        location = self._locate("; ".join((*above, name)))
        if level is StageName.COUNTRY:
            return location.country_code if location.level in _COUNTRY_LEVELS else None
        # The lookup falls back to the region or country above where it does not know the name.
        if not location.matched or location.matched not in name:
            return None
        return _unit_of(location)


def _unit_of(location: Location) -> str | None:
    if location.geoname_id is not None:
        return f"#{location.geoname_id}"
    if location.region:
        return f"{location.country_code}/{location.region}/{location.place}"
    return None


def _spelling(name: str) -> str:
    return "~" + " ".join(name.casefold().split())
