"""Check one published row without its picture: every rule is a function of the row alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from geoseek.annotation import ReviewSettings, find_leaks
from geoseek.geo import load_countries
from geoseek.pipelines.export.features import IMAGE_COLUMN, RECORDS
from geoseek.pipelines.export.records import solution_of
from geoseek.pipelines.validate.codes import ExportCheck
from geoseek.schemas import InputError, LocatabilityBand, Split, StageName, parse_chain, parse_record

Row = Mapping[str, Any]
Fault = tuple[ExportCheck, str]

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?![\w-])", re.IGNORECASE)
_URL = re.compile(r"\bhttps?://\S+", re.IGNORECASE)
_RELATIVE_ERROR = 1e-6
_BOX_SLACK = 1e-6
_SHOWN_FAULTS = 3


@dataclass(frozen=True)
class RowRules:
    """What rows are measured by.

    Attributes:
        review: What counts as a leak.
        private: Texts that must not stand anywhere, in lower case: the e-mail addresses of the ledger.
    """

    review: ReviewSettings
    private: frozenset[str] = frozenset()


def check_row(split: Split, row: Row, rules: RowRules) -> Iterator[Fault]:
    """Yield what is wrong with a row of a split.

    A row that is no record of its split is checked no further: its values cannot be relied on.

    Args:
        split: The split.
        row: The record as plain values; the bytes of the picture are not looked at.
        rules: What it is measured by.
    """
    malformed = _malformed(split, row)
    if malformed is not None:
        yield ExportCheck.MALFORMED_ROW, malformed
        return
    checks: list[Callable[[Row], Iterator[Fault]]] = [check_position, check_consistency, check_solution]
    checks += {Split.COT: [check_chain, check_boxes], Split.VAL: [check_score], Split.LOC: []}[split]
    for check in checks:
        yield from check(row)
    yield from check_texts(row, rules)


def _malformed(split: Split, row: Row) -> str | None:
    image = row[IMAGE_COLUMN]
    try:
        RECORDS[split].model_validate({**row, IMAGE_COLUMN: image and {**image, "bytes": None}})
    except ValidationError as error:
        faults = error.errors(include_url=False)[:_SHOWN_FAULTS]
        return "; ".join(f"{'.'.join(map(str, fault['loc']))} = {fault['input']!r}: {fault['msg']}" for fault in faults)
    return None


@cache
def _continents() -> dict[str, str]:
    return {country.code: country.continent for country in load_countries()}


def check_position(row: Row) -> Iterator[Fault]:
    """Check where the row says that it is."""
    if not (-90 <= row["lat"] <= 90 and -180 <= row["lng"] <= 180):
        yield ExportCheck.POSITION, f"lat {row['lat']}, lng {row['lng']}"
    code = row["country_code"]
    if code not in _continents():
        yield ExportCheck.POSITION, f"country_code {code!r} is not in ISO 3166-1"
    elif row["continent"] != _continents()[code]:
        yield ExportCheck.POSITION, f"continent {row['continent']!r} of {code}, expected {_continents()[code]!r}"


def check_consistency(row: Row) -> Iterator[Fault]:
    """Check columns that follow from others."""
    if row["id"] != f"{row['source']}:{row['source_id']}":
        yield ExportCheck.INCONSISTENT, f"id {row['id']!r} is not source:source_id"
    if row["stratum"] != row["country_code"]:
        yield ExportCheck.INCONSISTENT, f"stratum {row['stratum']!r}, country_code {row['country_code']!r}"
    probability, weight = row["inclusion_probability"], row["design_weight"]
    if not 0 < probability <= 1 + _RELATIVE_ERROR or not abs(probability * weight - 1) <= _RELATIVE_ERROR:
        yield ExportCheck.INCONSISTENT, f"inclusion_probability {probability}, design_weight {weight}"
    if (row["picture"] is None) != (row["width"] is None) or (row["width"] is None) != (row["height"] is None):
        yield ExportCheck.INCONSISTENT, f"picture {row['picture']!r}, width {row['width']}, height {row['height']}"


def check_solution(row: Row) -> Iterator[Fault]:
    """Check that the solution is the answer of the row."""
    expected = solution_of(row)
    if row["solution"] != expected:
        yield ExportCheck.SOLUTION, f"{row['solution']!r}, expected {expected!r}"


def check_score(row: Row) -> Iterator[Fault]:
    """Check locatability and scene tags of a row of val, and of the ratings behind it."""
    score, band = row["locatability_score"], row["locatability_band"]
    for one in (score, *(rating["locatability_score"] for rating in row["ratings"])):
        if one is not None and not (0 <= one <= 10 and one * 2 == int(one * 2)):
            yield ExportCheck.SCORE, f"locatability_score {one}"
    expected = LocatabilityBand.of(score).value if score is not None and 0 <= score <= 10 else None
    if band != expected:
        yield ExportCheck.SCORE, f"locatability_score {score}, locatability_band {band!r}"
    for name, part in row["sub_scores"].items():
        if part is not None and not 0 <= part <= 10:
            yield ExportCheck.SCORE, f"sub_scores.{name} {part}"
    both = set(row["scene_tags"]) & set(row["scene_tags_maybe"])
    if both:
        yield ExportCheck.INCONSISTENT, f"{', '.join(sorted(both))} is in scene_tags and in scene_tags_maybe"


def check_chain(row: Row) -> Iterator[Fault]:
    """Check that `cot` is the chain, in exactly our form."""
    parsed = parse_chain(row["cot"], strict=True)
    if parsed.chain is None:
        detail = f"{parsed.failure.code.value}: {parsed.failure.detail}" if parsed.failure else "an answer alone"
        yield ExportCheck.CHAIN, f"cot: {detail}"
        return
    try:
        chain = parse_record(row["chain"])
    except InputError as error:
        yield ExportCheck.CHAIN, error.message
        return
    if parsed.chain != chain:
        yield ExportCheck.CHAIN, f"cot says {parsed.chain.final_answer!r}, chain says {chain.final_answer!r}"


def check_boxes(row: Row) -> Iterator[Fault]:
    """Check that boxes lie on the picture and point at clues."""
    for box in row["clue_boxes"]:
        inside = min(box["x"], box["y"]) >= -_BOX_SLACK and min(box["w"], box["h"]) >= 0
        inside = inside and max(box["x"] + box["w"], box["y"] + box["h"]) <= 100 + _BOX_SLACK
        if not inside:
            yield ExportCheck.CLUE_BOX, f"x {box['x']}, y {box['y']}, w {box['w']}, h {box['h']}"
        stage, index = row["chain"][box["stage"]], box["clue_index"]
        if index is not None and not (stage and 0 <= index < len(stage["clues"])):
            yield ExportCheck.CLUE_BOX, f"clue_index {index} of stage {box['stage']}"


def check_texts(row: Row, rules: RowRules) -> Iterator[Fault]:
    """Check what annotators wrote for what nobody can see, and all texts for e-mail addresses out of the ledger."""
    leaks = rules.review.leaks
    for text in annotator_texts(row):
        for found in (*find_leaks(text, words=leaks.words, map_hosts=leaks.map_hosts), *_URL.findall(text)):
            yield ExportCheck.LEAK, found
        for found in _EMAIL.findall(text):
            yield ExportCheck.EMAIL_ADDRESS, masked(found)
    yield from private_texts(row, rules.private)


def annotator_texts(row: Row) -> Iterator[str]:
    """Yield every text of a row that an annotator, or a model in the place of one, wrote."""
    chain = row.get("chain")
    if chain is not None:
        for name in StageName:
            stage = chain[name.value]
            if stage is not None:
                yield from (*stage["clues"], stage["reasoning"], stage["conclusion"])
        yield chain["final_answer"]
    for box in row.get("clue_boxes", ()):
        yield box["note"] or ""
    yield from row.get("main_clues", ())
    for rating in row.get("ratings", ()):
        yield from rating["main_clues"]
    yield row.get("annotator", "")


def private_texts(value: object, private: Iterable[str]) -> Iterator[Fault]:
    """Yield private texts that stand anywhere in a value.

    Args:
        value: Plain values, nested at will.
        private: What to look for, in lower case.
    """
    if not private:
        return
    for text in _all_texts(value):
        folded = text.casefold()
        yield from ((ExportCheck.EMAIL_ADDRESS, masked(one)) for one in private if one in folded)


def masked(address: str) -> str:
    """Return an e-mail address so that its owner recognises it, and nobody else; findings end up in logs.

    >>> masked("ana@example.org")
    'a…@e…'
    """
    name, _, host = address.partition("@")
    return f"{name[:1]}…@{host[:1]}…"


def _all_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _all_texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _all_texts(part)
