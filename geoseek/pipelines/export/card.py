"""The dataset card: YAML that the Hub and `datasets` read, and pages that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from markupsafe import Markup

from geoseek import __version__
from geoseek.annotation import Coefficient
from geoseek.geo import CONTINENT_NAMES, load_world
from geoseek.pipelines.export.facts import ExportFacts, LicenceUse, SplitFacts
from geoseek.pipelines.export.features import column_table, yaml_features
from geoseek.pipelines.export.figures import NOT_STATED, pairs, withheld
from geoseek.pipelines.export.licences import Permission
from geoseek.pipelines.export.markdown import escape, render, table, with_code
from geoseek.pipelines.export.plan import FILE_NAMES, file_pattern
from geoseek.reporting import LIGHT, Series, WorldMap, dumbbell_png, flatten, map_png, percent, series_index
from geoseek.schemas import (
    ExportRejectReason,
    LocatabilityBand,
    SceneTag,
    Split,
    StageName,
    Uncertainty,
)

MAP_FILE, CONTINENTS_FILE = "assets/map.png", "assets/continents.png"
_TOP_COUNTRIES = 15
_TOP_CREDITS = 25
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MAP_WIDTH = 1_400
_EXAMPLE_CHARS = 600
_SHOWN_SHARE = 0.001


@dataclass(frozen=True)
class Card:
    """The card and its pictures.

    Attributes:
        text: `README.md`.
        pictures: Path in the dataset -> PNG.
    """

    text: str
    pictures: dict[str, bytes]


def render_card(facts: ExportFacts) -> Card:
    """Write the card of an export; equal facts give equal bytes."""
    pictures = _pictures(facts)
    text = render(
        "card.md.j2",
        facts=facts,
        settings=facts.settings,
        version=__version__,
        front_matter=Markup(card_metadata(facts)),  # noqa: S704 - YAML, quoted by its writer
        splits=table(("configuration", "part", "rows", "files", "MB"), _split_rows(facts)),
        pictures=pictures,
        synthetic=facts.total("by_picture").get("synthetic", 0),
        continents=_counted(facts, "continent", "by_continent", CONTINENT_NAMES),
        countries=_counted(facts, "country", "by_country", {}, top=_TOP_COUNTRIES),
        all_countries=_counted(facts, "country", "by_country", {}),
        country_count=len(facts.total("by_country")),
        more_countries=len(facts.total("by_country")) > _TOP_COUNTRIES,
        balance=_balance_table(facts),
        val=_val_tables(facts),
        cot=_cot_tables(facts),
        agreement=_agreement_tables(facts),
        gaps=_gaps(facts),
        licences=table(
            ("as the source states it", "terms", "duties", "in the files", "by address", "neither"),
            (_licence_row(use) for use in facts.licences),
        ),
        credits=_credits(facts),
        records=_record_tables(),
        example=_example(facts),
    )
    return Card(text, pictures)


def card_metadata(facts: ExportFacts) -> str:
    """Return the YAML of the card, without its fences."""
    terms, settings = facts.terms, facts.settings
    total = facts.rows
    content: dict[str, Any] = {"pretty_name": settings.title, "license": terms.hub_id}
    if terms.hub_id == "other":
        content |= {"license_name": "mixed"}
    content |= {
        "language": _languages(facts),
        "task_categories": ["visual-question-answering", "image-to-text"],
        "tags": ["geolocation", "street-view", "chain-of-thought", "geospatial"],
        "size_categories": next((name for limit, name in _SIZES if total < limit), "n>1M"),
        "configs": [
            {
                "config_name": one.split.value,
                "data_files": [{"split": FILE_NAMES[one.split], "path": file_pattern(one.split)}],
                **({"default": True} if one is facts.splits[0] else {}),
            }
            for one in facts.splits
        ],
        "dataset_info": [
            {
                "config_name": one.split.value,
                "features": yaml_features(one.split),
                "splits": [{"name": FILE_NAMES[one.split], "num_bytes": one.bytes, "num_examples": one.rows}],
                "download_size": one.bytes,
                "dataset_size": one.bytes,
            }
            for one in facts.splits
        ],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _languages(facts: ExportFacts) -> list[str]:
    """Return the languages of the dataset; names and answers are in English."""
    spoken = {tag.split("-")[0].casefold() for tag in facts.total("by_language") if tag != NOT_STATED}
    return sorted({"en", *spoken})


def _pictures(facts: ExportFacts) -> dict[str, bytes]:
    if not facts.splits:
        return {}
    names = [one.split.value for one in facts.splits]
    colours = {name: LIGHT.series[index] for name, index in series_index(names).items()}
    world = WorldMap((ring for outline in load_world() for ring in outline.rings), width=_MAP_WIDTH)
    largest_first = sorted(facts.splits, key=lambda one: (-one.rows, one.split.value))
    dots = [(world.dots(*one.points), colours[one.split.value]) for one in largest_first]
    legend = [(f"{one.split.value}: {one.rows:,}", colours[one.split.value]) for one in facts.splits]
    pictures = {MAP_FILE: map_png("Where the pictures were taken", flatten(world.base(LIGHT), dots), legend, None)}
    if facts.balance and facts.balance.splits:
        pictures[CONTINENTS_FILE] = _continents_png(facts, colours)
    return pictures


def _continents_png(facts: ExportFacts, colours: Mapping[str, str]) -> bytes:
    first = facts.balance.splits[0] if facts.balance else None
    wanted = [one for one in first.continents if one.target_share >= _SHOWN_SHARE] if first else []
    series = [
        Series(
            one.split.value,
            [one.figures["by_continent"].get(c.code, 0) / one.rows for c in wanted],
            colours[one.split.value],
        )
        for one in facts.splits
    ]
    names, target = [one.name for one in wanted], [one.target_share for one in wanted]
    return dumbbell_png("Continents: target and export", names, target, series)


def _split_rows(facts: ExportFacts) -> Iterable[Sequence[Any]]:
    for one in facts.splits:
        yield one.split.value, FILE_NAMES[one.split], one.rows, one.files, round(one.bytes / 1e6)


def _counted(facts: ExportFacts, head: str, counter: str, names: Mapping[str, str], top: int | None = None) -> Markup:
    """Return a table of a counter, a column per split, the most frequent first."""
    total = facts.total(counter)
    ordered = sorted(total, key=lambda key: (-total[key], key))[:top]
    rows = (
        [names.get(key, key), *(one.figures.get(counter, {}).get(key, 0) for one in facts.splits), total[key]]
        for key in ordered
    )
    return table((head, *(one.split.value for one in facts.splits), "all"), rows)


def _balance_table(facts: ExportFacts) -> Markup | None:
    exported = {one.split.value for one in facts.splits}
    splits = [one for one in facts.balance.splits if one.split in exported] if facts.balance else []
    if not splits:
        return None
    rows = (
        (
            one.split,
            one.size,
            round(one.effective_size),
            one.cells_covered,
            "–" if one.tv_to_target is None else percent(one.tv_to_target),
            "–" if one.tv_best is None else percent(one.tv_best),
            "–" if one.nearest_val_km is None else f"{one.nearest_val_km.min:.1f} km",
        )
        for one in splits
    )
    heads = (
        "split",
        "rows drawn",
        "effective size",
        "1° cells",
        "distance to the target",
        "best that the pool allows",
        "nearest row of val",
    )
    return table(heads, rows)


def _of(facts: ExportFacts, split: Split) -> SplitFacts | None:
    return next((one for one in facts.splits if one.split is split), None)


def _val_tables(facts: ExportFacts) -> dict[str, Any] | None:
    one = _of(facts, Split.VAL)
    if one is None:
        return None
    bands, yes, maybe = (one.figures.get(name, {}) for name in ("by_band", "tags_yes", "tags_maybe"))
    rated = sum(count for band, count in bands.items() if band in set(LocatabilityBand))
    return {
        "rated": rated,
        "rows": one.rows,
        "bands": table(("band", "rows"), ((band.value, bands.get(band.value, 0)) for band in LocatabilityBand)),
        "tags": table(
            ("tag", "yes", "maybe", "meaning"),
            ((tag.value, yes.get(tag.value, 0), maybe.get(tag.value, 0), tag.description) for tag in SceneTag),
        ),
        "raters": table(("source of the rating", "rows"), one.figures.get("raters", {}).items()),
        "chains": one.figures.get("chains", {}).get("yes", 0),
    }


def _cot_tables(facts: ExportFacts) -> dict[str, Any] | None:
    one = _of(facts, Split.COT)
    if one is None:
        return None
    stages = one.figures.get("stages", {})
    by_stage = (
        (
            name.value,
            stages.get(name.value, 0),
            *(one.figures.get(f"uncertainty_{name.value}", {}).get(level.value, 0) for level in Uncertainty),
        )
        for name in StageName
    )
    return {
        "annotators": len(one.figures.get("by_annotator", {})),
        "reviewed": one.figures.get("reviewed", {}).get("yes", 0),
        "rows": one.rows,
        "stages": table(("stage", "chains", *(f"uncertainty {level.value}" for level in Uncertainty)), by_stage),
        "languages": table(("language", "chains"), one.figures.get("by_language", {}).items()),
        "origins": table(("field", "written by", "rows"), _origins(one)),
        "warnings": table(("warning", "chains"), one.figures.get("warnings", {}).items())
        if one.figures.get("warnings")
        else None,
    }


def _origins(one: SplitFacts) -> Iterable[tuple[str, str, int]]:
    for field, writers in pairs(one.figures.get("origins", {})).items():
        for writer, rows in writers.items():
            yield field, writer, rows


def _agreement_tables(facts: ExportFacts) -> dict[str, Any] | None:
    found = facts.agreement
    if found is None:
        return None
    levels = (
        (
            level.level,
            level.same.items,
            *(_value(figure) for figure in (level.same, level.alpha, level.kappa, level.clues)),
        )
        for level in found.levels
    )
    return {
        "annotations": found.annotations,
        "pictures": found.items,
        "shared": found.shared_items,
        "annotators": len(found.annotators),
        "levels": table(("stage", "pictures", "same answer", "Krippendorff's alpha", "kappa", "shared clues"), levels),
        "median_km": found.spread.median_km,
        "score": found.score if found.score.kappa.items else None,
        "score_kappa": _value(found.score.kappa),
        "score_spearman": _value(found.score.spearman),
    }


def _value(figure: Coefficient) -> str:
    return "–" if figure.value is None else f"{figure.value:.2f}"


def _gaps(facts: ExportFacts) -> list[str]:
    """Return what is missing, in sentences."""
    gaps = []
    for one in (*facts.splits, *facts.empty):
        name = one.split.value
        if not one.rows:
            gaps.append(f"{name} has no rows and therefore no configuration.")
        reasons = [f"{rows:,} {_reason(code)}" for code, rows in one.rejected.items()]
        if reasons:
            gaps.append(f"{name}: of {one.read:,} rows read, {one.rows:,} are here. Left out: {'; '.join(reasons)}.")
        places = one.figures.get("pictures", {})
        if one.rows and places.get("embedded", 0) < one.rows:
            gaps.append(
                f"{name}: {places.get('embedded', 0):,} of {one.rows:,} rows carry their picture, "
                f"{places.get('reference', 0):,} its address, {places.get('none', 0):,} neither."
            )
        for permission, rows in withheld(one.figures).items():
            gaps.append(f"{name}: the licence of {rows:,} pictures is {permission}; none of them is in the files.")
    for balance in facts.balance.splits if facts.balance else ():
        if balance.shortfalls:
            names = ", ".join(short.name for short in balance.shortfalls[:8])
            gaps.append(
                f"{balance.split}: {len(balance.shortfalls):,} countries have fewer rows than the design asks for, "
                f"because the pool holds no more; the largest gaps: {names}."
            )
    if facts.balance:
        gaps += list(facts.balance.notices)
    return gaps


def _reason(code: str) -> str:
    return f"{code} ({ExportRejectReason(code).description})"


def _licence_row(use: LicenceUse) -> tuple[Any, ...]:
    granted = use.terms.permission is Permission.GRANTED
    name = use.terms.spdx or use.terms.name
    shown = Markup(f"[{escape(name)}]({use.terms.url})") if use.terms.url else name  # noqa: S704 - from our own table
    duties = ", ".join(sorted(use.terms.duties)) or "none"
    return use.stated, shown, duties if granted else use.terms.permission.value, use.embedded, use.reference, use.none


def _credits(facts: ExportFacts) -> dict[str, Any] | None:
    total = facts.total("credits")
    if not total:
        return None
    ordered = sorted(total, key=lambda name: (-total[name], name))
    return {
        "table": table(("to be credited", "rows"), ((name, total[name]) for name in ordered[:_TOP_CREDITS])),
        "more": max(0, len(ordered) - _TOP_CREDITS),
    }


def _record_tables() -> list[tuple[str, Markup]]:
    heads = ("column", "type", "meaning")
    return [
        (title, table(heads, ((name, kind, with_code(words)) for name, kind, words in column_table(split, without))))
        for title, split, without in (
            ("Columns of every configuration", Split.LOC, None),
            ("Further columns of cot", Split.COT, Split.LOC),
            ("Further columns of val", Split.VAL, Split.LOC),
        )
    ]


def _example(facts: ExportFacts) -> dict[str, Any] | None:
    one = _of(facts, Split.COT)
    if one is None or not one.figures["example"]:
        return None
    found = one.figures["example"]
    stages = [(name.value, found["chain"][name.value]) for name in StageName if found["chain"][name.value]]
    return {
        "id": found["id"],
        "solution": found["solution"],
        "stages": [
            {
                "name": name,
                "clues": Markup("; ".join(escape(clue, 120) for clue in stage["clues"][:6])),  # noqa: S704 - escaped
                "reasoning": Markup(escape(stage["reasoning"], _EXAMPLE_CHARS)),  # noqa: S704 - escaped
                "conclusion": stage["conclusion"],
                "uncertainty": stage["uncertainty"],
            }
            for name, stage in stages
        ],
        "final_answer": found["chain"]["final_answer"],
    }
