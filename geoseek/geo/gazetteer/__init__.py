"""The gazetteer: addresses to places, points to names, equality of names; and services behind the same interface."""

from geoseek.geo.gazetteer.location import NOWHERE, Description, Geocoder, Level, Location
from geoseek.geo.gazetteer.lookup import Gazetteer
from geoseek.geo.gazetteer.online import GeocoderError, OnlineGeocoder, open_online_geocoder
from geoseek.geo.gazetteer.store import load_gazetteer

__all__ = [
    "NOWHERE",
    "Description",
    "Gazetteer",
    "Geocoder",
    "GeocoderError",
    "Level",
    "Location",
    "OnlineGeocoder",
    "load_gazetteer",
    "open_online_geocoder",
]
