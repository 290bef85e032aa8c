"""Which countries fit what is visible: the table of facts, read backwards."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from geoseek.demo.facts import PlaceFacts, country_codes, place_facts
from geoseek.demo.features import Feature


@functools.lru_cache(maxsize=1)
def _everywhere() -> tuple[PlaceFacts, ...]:
    return tuple(place_facts(code, 0.0, 0.0) for code in country_codes())


def fitting_countries(features: Iterable[Feature]) -> list[str]:
    """Return the codes of the countries whose facts agree with these visible features.

    Only what the table of countries holds is used: side of driving, written languages, paint, plates, traffic signs.
    """
    shown = list(features)
    return [facts.country_code for facts in _everywhere() if all(_agrees(facts, feature) for feature in shown)]


def _agrees(facts: PlaceFacts, feature: Feature) -> bool:
    if feature.kind == "driving_side":
        return facts.driving_side == feature.value
    if feature.kind in {"shop_sign", "street_sign"}:
        return any(language.name == feature.language for language in facts.languages)
    if feature.kind == "stop_sign":
        return facts.stop_text == feature.text
    if feature.kind in {"center_line", "edge_line", "direction_sign", "warning_sign"}:
        return bool(getattr(facts, feature.kind) == feature.value)
    if feature.kind == "plate":
        end = facts.plate.rear if feature.value.startswith("rear") else facts.plate.front
        return f"{facts.plate.text} on {end}" in feature.value and (facts.plate.shape == "short") == (
            "short" in feature.value
        )
    return True
