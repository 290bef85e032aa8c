"""What a gazetteer or geocoder answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Level(StrEnum):
    """How far an address was resolved; the coordinates are those of this unit."""

    PLACE = "place"
    """A settlement, by one of its names."""
    PLACE_FUZZY = "place_fuzzy"
    """A settlement, by a name with one or two typing errors (in it, or in the region or country above it)."""
    ADMIN2 = "admin2"
    """A second-level unit (county, department, district); its centroid."""
    REGION = "region"
    """A first-level unit (state, province), or a former one; its centroid."""
    REGION_FUZZY = "region_fuzzy"
    """A unit of either level, with typing errors in its name or in the country's."""
    COUNTRY = "country"
    """A country; its centroid."""
    COUNTRY_FUZZY = "country_fuzzy"
    """A country, with typing errors in its name."""
    NONE = "none"
    """Nothing was recognised; there are no coordinates."""

    @property
    def fuzzy(self) -> bool:
        """Whether a typing error had to be assumed."""
        return self.value.endswith("_fuzzy")


@dataclass(frozen=True, slots=True)
class Location:
    """An address as coordinates.

    Attributes:
        lat: Latitude in degrees, WGS 84; None at level `none`.
        lng: Longitude in degrees; None at level `none`.
        level: How far the address was resolved.
        country_code: ISO 3166-1 alpha-2; empty if no country was recognised.
        region: Name of the first-level unit; empty if unknown.
        place: Name of the settlement or second-level unit; empty at coarser levels.
        matched: The part of the address that decided the coordinates, as it was written.
        candidates: How many units fit the address equally well by name and place in the hierarchy. The best of them,
            by kind of name and population, is given.
        edits: Typing errors assumed, over all parts.
        geoname_id: GeoNames id of the settlement; None at coarser levels.
    """

    lat: float | None
    lng: float | None
    level: Level
    country_code: str = ""
    region: str = ""
    place: str = ""
    matched: str = ""
    candidates: int = 0
    edits: int = 0
    geoname_id: int | None = None

    @property
    def ambiguous(self) -> bool:
        """Whether several units fit equally well, so that the coordinates may be another's."""
        return self.candidates > 1

    @property
    def found(self) -> bool:
        """Whether there are coordinates."""
        return self.level is not Level.NONE


NOWHERE = Location(None, None, Level.NONE)
"""The answer to an address of which nothing was recognised."""


@dataclass(frozen=True, slots=True)
class Description:
    """A point as names.

    Attributes:
        country_code: ISO 3166-1 alpha-2 of the nearest settlement.
        country: Short English name.
        region: First-level unit; empty if unknown.
        place: Nearest settlement.
        distance_km: How far away it is.
    """

    country_code: str
    country: str
    region: str
    place: str
    distance_km: float


class Geocoder(Protocol):
    """Whatever turns an address into coordinates: the offline gazetteer, or a service."""

    def locate(self, address: str) -> Location:
        """Return the location of an address such as "Country; Region; Place".

        Any text is allowed. A service that does not answer raises `GeocoderError`; the gazetteer never does.
        """
        ...
