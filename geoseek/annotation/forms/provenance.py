"""Who wrote what: a person, a model, a rule; and whether the picture is a photo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoseek.annotation.forms.problems import Problem
from geoseek.annotation.forms.reading import Results

HUMAN = "human"
SYNTHETIC = "synthetic"
_AUTHORS = (HUMAN, SYNTHETIC, "rule")
_DRAFT_ORIGINS = {"prediction", "prediction-changed"}


def read_provenance(
    raw: Mapping[str, Any],
    results: Results,
    given: Mapping[str, str],
    controls_by_field: Mapping[str, tuple[str, ...]],
) -> dict[str, str]:
    """Return field -> human, model NAME, "model NAME, edited", rule or synthetic; and `picture` -> photo or synthetic.

    Only fields that were filled are listed.

    Args:
        raw: The annotation; its own `provenance` (drawn examples have one) goes before the origins of the results.
        results: Its results.
        given: What the caller knows: `picture`, `draft` (name of the model), or a field.
        controls_by_field: The controls of each field.
    """
    claim = _claim(raw, results)
    model = _model(raw, given)
    found = {}
    for field, controls in controls_by_field.items():
        origins = results.origins(controls)
        if origins:
            found[field] = claim or _author(origins, model)
    if isinstance(raw.get("scene_tags"), Mapping) and raw["scene_tags"]:
        found.setdefault("scene_tags", claim or HUMAN)
    overrides = {key: value for key, value in given.items() if key != "draft"}
    return found | {"picture": "photo"} | overrides


def _author(origins: set[str], model: str) -> str:
    if not origins & _DRAFT_ORIGINS:
        return HUMAN
    return f"model {model}" if origins == {"prediction"} else f"model {model}, edited"


def _model(raw: Mapping[str, Any], given: Mapping[str, str]) -> str:
    prediction = raw.get("prediction")
    name = prediction.get("model_version") if isinstance(prediction, Mapping) else None
    return str(name or "").strip() or given.get("draft", "unknown")


def _claim(raw: Mapping[str, Any], results: Results) -> str | None:
    claim = raw.get("provenance")
    if claim is None:
        return None
    text = results.text(claim, "provenance") if isinstance(claim, str) else ""
    if text in _AUTHORS or text.startswith("model "):
        return text
    results.notes.add(
        Problem.UNKNOWN_PROVENANCE, "provenance", f"{claim!r} is not human, rule, synthetic or model NAME", claim
    )
    return SYNTHETIC  # an unclear origin must never pass for a person's words
