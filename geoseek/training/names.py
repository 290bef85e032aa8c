"""Which names of an answer are right: country, region, place."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from geoseek.geo import Gazetteer, Level, Location
from geoseek.schemas import split_answer

_INNER = re.compile(r"[,，、،()（）\[\]/]")
_PLACE_LEVELS = (Level.PLACE, Level.PLACE_FUZZY)
_REGION_LEVELS = (Level.REGION, Level.REGION_FUZZY)
_MAX_PARTS = 8
_MAX_PART_CHARS = 200


@dataclass(frozen=True, slots=True)
class NameHits:
    """Which names are right; a place that is right implies its region, and a region its country."""

    country: bool = False
    region: bool = False
    place: bool = False

    @property
    def level(self) -> str:
        """The finest level that is right: `place`, `region`, `country` or `none`."""
        return "place" if self.place else "region" if self.region else "country" if self.country else "none"


@dataclass(frozen=True, slots=True)
class TrueNames:
    """The true names; an empty one is unknown and is never hit."""

    country: str = ""
    region: str = ""
    place: str = ""
    country_code: str = ""


def name_hits(answer: str, truth: TrueNames, gazetteer: Gazetteer) -> NameHits:
    """Compare the names of an answer with the true ones, in any script; never raises for any text.

    The rule of GeoVista (arXiv 2511.15705), a normalised whole-word match where a city implies its province and
    country, with three differences. Names match in all scripts, as the gazetteer knows them. A name counts only where
    it can be meant: "Georgia" in "USA; Georgia; Atlanta" is no country. And a place of the right name is not right
    if the answer puts it into another country or region ("USA; Oregon; Portland" for Portland in Maine).

    Args:
        answer: `Country; Region; Place`; missing parts, commas and the reverse order are understood.
        truth: The names to be hit.
        gazetteer: Knows which names mean the same.

    Cost: two look-ups of addresses, which the gazetteer remembers, and some comparisons of names; about 0.2 ms.
    """
    return _Comparison(answer, truth, gazetteer).hits()


class _Comparison:
    """One answer beside its truth, both as names and as what the gazetteer makes of them."""

    def __init__(self, answer: str, truth: TrueNames, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer
        self._truth = truth
        self._parts = _parts(answer)
        self._said = gazetteer.locate(answer)
        self._true = gazetteer.locate("; ".join(filter(None, (truth.country, truth.region, truth.place))))
        self._code = truth.country_code or self._true.country_code

    def hits(self) -> NameHits:
        if not self._parts or not self._country():
            return NameHits()
        named_region = self._named_region()
        region = named_region or (not self._said.level.fuzzy and _same_unit(self._said.region, self._true.region))
        if self._place(named_region=named_region, region=region):
            return NameHits(country=True, region=True, place=True)
        return NameHits(country=True, region=bool(self._truth.region) and region)

    def _country(self) -> bool:
        if self._code and self._said.country_code == self._code and not self._said.level.fuzzy:
            return True
        return self._same(self._parts[0], self._truth.country, "country")

    def _named_region(self) -> bool:
        """Whether the part in the region's position names the true one.

        Of two parts the second may be a place ("USA; Kansas City"): what the gazetteer takes it for decides.
        """
        if len(self._parts) < 2 or (len(self._parts) == 2 and self._said.level in _PLACE_LEVELS):
            return False
        return self._same(self._parts[1], self._truth.region, "region")

    def _place(self, *, named_region: bool, region: bool) -> bool:
        if not self._truth.place:
            return False
        if _same_place(self._said, self._true) or (region and self._is_city_state()):
            return True
        elsewhere = bool(self._said.region and self._true.region) and not region
        if elsewhere and len(self._parts) > 2:
            return False
        return any(self._names_place(part) for part in self._below_country(named_region))

    def _is_city_state(self) -> bool:
        """Whether place and region have one name, as Berlin does: "Germany; Berlin" names both."""
        return bool(self._truth.region) and _words(self._truth.region) == _words(self._truth.place)

    def _below_country(self, named_region: bool) -> list[str]:
        """Return the parts that may name the place."""
        if len(self._parts) == 1:
            return self._parts
        if len(self._parts) == 2 and self._said.level in _REGION_LEVELS:
            return []
        return self._parts[2:] if named_region else self._parts[1:]

    def _names_place(self, part: str) -> bool:
        name = self._truth.place
        if any(self._same(piece, name, "place") for piece in (part, *_INNER.split(part))):
            return True
        # "New London" is a place of its own and not London; "Munich Marienplatz" is none, and names Munich.
        return self._said.level not in _PLACE_LEVELS and f" {_words(name)} " in f" {_words(part)} "

    def _same(self, said: str, true: str, level: str) -> bool:
        said = said.strip()
        if not said or not true:
            return False
        if level == "country":
            return self._gazetteer.same_place_name(said, true, "country")
        above = self._code or self._truth.country or None
        if level == "region":
            return self._gazetteer.same_place_name(said, true, "region", country=above)
        return self._gazetteer.same_place_name(said, true, "place", country=above, region=self._truth.region or None)


def _same_unit(said: str, true: str) -> bool:
    return bool(said) and said == true


def _same_place(said: Location, true: Location) -> bool:
    """Whether both are the same settlement, by one of its names and without assuming typing errors."""
    return said.level is Level.PLACE and true.level is Level.PLACE and said.geoname_id == true.geoname_id


def _parts(answer: str) -> list[str]:
    """Return the parts of an answer; what has commas only may be in either order, which its reading copes with."""
    parts = split_answer(answer[: _MAX_PARTS * _MAX_PART_CHARS])
    if len(parts) == 1:
        parts = tuple(piece.strip() for piece in _INNER.split(parts[0]))
    return [part[:_MAX_PART_CHARS] for part in parts if part][:_MAX_PARTS]


def _words(text: str) -> str:
    """Return the words of a text, without case and accents.

    >>> _words("São  Paulo (Sé)"), _words("Łódź, 合肥")
    ('sao paulo se', 'łodz 合肥')
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", plain.casefold()))
