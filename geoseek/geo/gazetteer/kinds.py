"""The kinds of units, names and keys that building and looking up share."""

from __future__ import annotations

ADMIN1, HISTORIC, ADMIN2 = 1, 2, 3
"""Kinds of unit: first level, a former or composed first-level region, second level."""
MAIN, OTHER, CODE, SHORTENED = 0, 1, 2, 3
"""Kinds of name: the usual one, any other, an abbreviation, one without its administrative words."""

COUNTRY, IMPLIED, REGION, PLACE, KNOWN_REGION, KNOWN_PLACE = "C", "I", "R", "P", "S", "Q"
"""First letter of a key in the table.

Countries, the region that a country's name implies (England), regions and places of a country (its code follows), and,
for addresses without a country, first-level regions and places with `KNOWN_POPULATION` people in all countries.
"""
KNOWN_POPULATION = 15_000
