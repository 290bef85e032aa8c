"""The names in the JSON of a chain, and the other names by which models call them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from geoseek.schemas.annotation import StageName

STAGE_KEYS: Mapping[StageName, str] = {
    StageName.COUNTRY: "CountryIdentification",
    StageName.REGION: "RegionalGuess",
    StageName.PRECISE: "PreciseLocalization",
}
COUNTRY_KEY = STAGE_KEYS[StageName.COUNTRY]
FINAL_ANSWER_KEY = "FinalAnswer"
FIELD_KEYS: Mapping[str, str] = {
    "clues": "Clues",
    "reasoning": "Reasoning",
    "conclusion": "Conclusion",
    "uncertainty": "Uncertainty",
}
CHAIN_KEYS = (*STAGE_KEYS.values(), FINAL_ANSWER_KEY)

_LONGEST_NAME = 64
_NO_LETTER = re.compile(r"[\W\d_]+")


def _by_letters(names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {alias: key for key, aliases in names.items() for alias in (key.casefold(), *aliases)}


CHAIN_NAMES = _by_letters(
    {
        "CountryIdentification": ("country", "countryguess", "countrystage", "countrylevel", "countrylocalization"),
        "RegionalGuess": (
            *("region", "regional", "regionguess", "regionstage", "regionlevel", "regionallevel"),
            *("regionidentification", "regionalidentification", "regionlocalization", "regionallocalization"),
        ),
        "PreciseLocalization": (
            *("precise", "preciselocalisation", "preciselocation", "preciseguess", "precisestage", "preciselevel"),
            *("precision", "precisionlocalization", "preciseidentification", "specificlocation"),
        ),
        "FinalAnswer": ("final", "answer", "finalresult", "finallocation", "finalguess"),
    }
)
"""Letters of a name of a chain -> our name."""

FIELD_NAMES = _by_letters(
    {
        "Clues": ("clue", "visualclues", "keyclues", "evidence"),
        "Reasoning": ("reason", "reasons", "rationale", "analysis"),
        "Conclusion": ("conclusions", "guess", "result"),
        "Uncertainty": ("uncertaintylevel", "uncertain"),
    }
)
"""Letters of a name of a stage -> our name. A confidence is not an uncertainty, so it is not in the list."""


@lru_cache(maxsize=1024)
def _letters(name: str) -> str:
    return _NO_LETTER.sub("", unicodedata.normalize("NFKC", name)).casefold()


def our_name(name: str, names: Mapping[str, str]) -> str | None:
    """Return our name for a name as written, or None.

    >>> our_name(" Country_Identification", CHAIN_NAMES), our_name("RegionGuess", CHAIN_NAMES)
    ('CountryIdentification', 'RegionalGuess')
    >>> our_name("weather", CHAIN_NAMES) is None
    True
    """
    return names.get(_letters(name)) if len(name) <= _LONGEST_NAME else None


def differs_by_spelling_only(name: str, ours: str) -> bool:
    """Return whether a name has the letters of ours."""
    return _letters(name) == ours.casefold()
