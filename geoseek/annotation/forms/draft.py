"""Checks of a draft before it goes to the server, which checks none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from geoseek.annotation.forms.controls import CLUE_NOTE, SCORE_STEP, Control, Kind, controls_of
from geoseek.annotation.forms.form import Form, label_interface
from geoseek.annotation.forms.reading import as_number
from geoseek.schemas import InputError, Split


def validate_draft(form: Form, results: Sequence[Mapping[str, Any]]) -> None:
    """Check that a draft would show on the page as it is meant.

    Label Studio's own rules come first (control, type, form of the value), then ours: one choice out of those offered,
    numbers within their range and steps, boxes inside the picture, no empty text.

    Args:
        form: The page that the draft is for.
        results: The `result` of the prediction.

    Raises:
        InputError: With every finding.
    """
    findings = [*_sdk_findings(form.xml, results), *_own_findings(form.split, results)]
    if findings:
        lines = "\n".join(f"- {finding}" for finding in dict.fromkeys(findings))
        raise InputError(
            f"The draft does not fit the labelling page of the split {form.split.value}:\n{lines}",
            hint="Nothing of it was sent. Mend the draft, or push without drafts.",
        )


def _sdk_findings(xml: str, results: Sequence[Mapping[str, Any]]) -> list[str]:
    findings: list[str] = label_interface(xml).validate_prediction({"result": list(results)}, return_errors=True)
    return findings


def _own_findings(split: Split, results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    controls = controls_of(split)
    for number, result in enumerate(results):
        where = f"result {number}"
        control = controls.get(str(result.get("from_name"))) if isinstance(result, Mapping) else None
        value = result.get("value") if isinstance(result, Mapping) else None
        if control is None or not isinstance(value, Mapping):
            yield f"{where}: not a result of a control of this page"
        else:
            yield from (f"{where} ({control.name}): {finding}" for finding in _value(control, value))


def _value(control: Control, value: Mapping[str, Any]) -> Iterator[str]:
    entered = value.get(control.kind.value_key)
    if control.kind is Kind.NUMBER:
        number = as_number(entered)
        if number is None or not 0 <= number <= 10 or number % SCORE_STEP:
            yield f"{entered!r} is not a number from 0 to 10 in steps of {SCORE_STEP:g}"
    elif not isinstance(entered, list) or not all(isinstance(text, str) and text.strip() for text in entered):
        yield f"{entered!r} is not a list of texts with words in them"
    elif control.values and (len(entered) != 1 or entered[0] not in control.values):
        yield f"{entered!r} is not one of: {', '.join(control.values)}"
    if control.kind is Kind.BOXES or control.name == CLUE_NOTE:
        x, y, w, h = (as_number(value.get(side)) for side in ("x", "y", "width", "height"))
        if x is None or y is None or w is None or h is None:
            yield "x, y, width and height must be numbers (percent of the picture)"
        elif min(x, y) < 0 or min(w, h) <= 0 or max(x + w, y + h) > 100 + 1e-6:
            yield f"x {x:g}, y {y:g}, width {w:g}, height {h:g} do not lie inside the picture (0 to 100 percent)"
