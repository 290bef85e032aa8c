"""Checks of the labelling page against the records: names, types, choices, ranges, what must be filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from xml.etree.ElementTree import Element

from geoseek.annotation.forms.controls import IMAGE, SCORE_MAX, SCORE_STEP, Control, Kind, controls_of
from geoseek.annotation.forms.reading import as_number
from geoseek.schemas import InputError, Split

_CHOICE_TAGS = {Kind.CHOICES: "Choice", Kind.BOXES: "Label"}


def check_controls(root: Element, split: Split, shown: str) -> None:
    """Check that the page and the records fit together.

    Args:
        root: The page, cut to the split.
        split: The split.
        shown: Name of the file in messages.

    Raises:
        InputError: With every finding: file, control, and what is allowed.
    """
    findings = list(_findings(root, split))
    if findings:
        lines = "\n".join(f"- {finding}" for finding in findings)
        raise InputError(
            f"{shown} does not fit the records (split {split.value}):\n{lines}",
            hint="Every control fills a field of the annotation record; annotation/README.md lists them.",
        )


def _findings(root: Element, split: Split) -> Iterator[str]:
    allowed = controls_of(split)
    names = Counter(element.get("name") for element in root.iter() if element.get("name"))
    yield from (f"the name {name!r} is used {count} times" for name, count in names.items() if count > 1)
    images = [element for element in root.iter() if element.tag == "Image"]
    if [(image.get("name"), image.get("value")) for image in images] != [(IMAGE, f"${IMAGE}")]:
        yield f'there must be one picture: <Image name="{IMAGE}" value="${IMAGE}"/>'
    elements = {element.get("name", ""): element for element in root.iter() if element.get("toName") is not None}
    for name, element in elements.items():
        if name not in allowed:
            yield _unknown(name, allowed)
        else:
            yield from _control(element, allowed[name])
    missing = [name for name, control in allowed.items() if control.needed and name not in elements]
    if missing:
        yield f"these controls are missing: {', '.join(missing)}"


def _unknown(name: str, allowed: dict[str, Control]) -> str:
    close = get_close_matches(name, allowed, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(allowed)}"
    return f"no field of the record belongs to the control {name!r}{guess}"


def _control(element: Element, control: Control) -> Iterator[str]:
    name = control.name
    if element.tag != control.kind.value:
        yield f"{name} must be a <{control.kind.value}>, not a <{element.tag}>"
        return
    if element.get("toName") != IMAGE:
        yield f"{name} points to {element.get('toName')!r}; toName must be {IMAGE!r}"
    required = element.get("required", "false").lower() == "true"
    if required != control.required:
        yield f"{name} must {'' if control.required else 'not '}be required"
    if control.values:
        yield from _offered(element, control)
    if control.kind is Kind.NUMBER:
        yield from _range(element, control)


def _offered(element: Element, control: Control) -> Iterator[str]:
    offered = [child.get("alias") or child.get("value") for child in element.iter(_CHOICE_TAGS[control.kind])]
    if offered != list(control.values):
        yield f"{control.name} offers {', '.join(map(str, offered))}; it must offer {', '.join(control.values)}"
    if control.kind is Kind.CHOICES and element.get("choice", "single") not in {"single", "single-radio"}:
        yield f"{control.name} must allow one choice: choice must be single or single-radio"


def _range(element: Element, control: Control) -> Iterator[str]:
    wanted = {"min": 0.0, "max": SCORE_MAX, "step": SCORE_STEP}
    given = {key: as_number(element.get(key)) for key in wanted}
    if given != wanted:
        yield f"{control.name} must have " + ", ".join(f'{key}="{value:g}"' for key, value in wanted.items())
