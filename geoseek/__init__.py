"""GeoSeek: sample, annotate, export and train on geotagged street-level photos without geographic bias."""

__version__ = "0.1.0"
