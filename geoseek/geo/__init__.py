"""Countries, polygons and the point-to-country index, cells, distances, people, place names."""

from geoseek.geo.boundaries import load_country_polygons, load_units, read_boundaries
from geoseek.geo.cells import CELLS, cell_area_km2, cell_bounds, cell_center, cell_of
from geoseek.geo.countries import CONTINENT_NAMES, FIGURES, Country, CountryTable, impute_missing, load_countries
from geoseek.geo.country_index import CountryIndex
from geoseek.geo.country_index_store import load_country_index
from geoseek.geo.distance import EARTH_RADIUS_KM, haversine_km
from geoseek.geo.gazetteer import (
    NOWHERE,
    Description,
    Gazetteer,
    Geocoder,
    GeocoderError,
    Level,
    Location,
    OnlineGeocoder,
    load_gazetteer,
    open_online_geocoder,
)
from geoseek.geo.nearby import NearbyIndex
from geoseek.geo.places import name_places
from geoseek.geo.population import PopulationGrid, raster_population, settlement_population
from geoseek.geo.world import Outline, load_world

__all__ = [
    "CELLS",
    "CONTINENT_NAMES",
    "EARTH_RADIUS_KM",
    "FIGURES",
    "NOWHERE",
    "Country",
    "CountryIndex",
    "CountryTable",
    "Description",
    "Gazetteer",
    "Geocoder",
    "GeocoderError",
    "Level",
    "Location",
    "NearbyIndex",
    "OnlineGeocoder",
    "Outline",
    "PopulationGrid",
    "cell_area_km2",
    "cell_bounds",
    "cell_center",
    "cell_of",
    "haversine_km",
    "impute_missing",
    "load_countries",
    "load_country_index",
    "load_country_polygons",
    "load_gazetteer",
    "load_units",
    "load_world",
    "name_places",
    "open_online_geocoder",
    "raster_population",
    "read_boundaries",
    "settlement_population",
]
