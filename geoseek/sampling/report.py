"""The balance report: one HTML page with its pictures, and a short table for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseek import __version__
from geoseek.geo import CONTINENT_NAMES, load_world
from geoseek.reporting import (
    DARK,
    LIGHT,
    Series,
    WorldMap,
    count,
    data_uri,
    dumbbell_png,
    flatten,
    map_png,
    png_from_mask,
    png_from_pixels,
    render_page,
    series_index,
)
from geoseek.sampling.balance import BalanceReport, Scalar, SplitBalance
from geoseek.sampling.report_words import TOP_COUNTRIES, is_audit, key_figures, split_view, summary, why
from geoseek.schemas import RejectReason
from geoseek.workspace import plain_os_errors

Floats = npt.NDArray[np.float64]

REPORT_NAME = "report.html"
RAMP_LABEL = "Cell weight, log(1 + people)"

_TEMPLATES = Path(__file__).parent / "templates"


def render_report(
    report: BalanceReport,
    points: Mapping[str, tuple[Floats, Floats]],
    weight_map: tuple[npt.NDArray[np.int32], Floats] | None,
    folder: Path,
    *,
    rings: Iterable[Floats] | None = None,
) -> list[Path]:
    """Write the report's page and pictures; equal input gives equal bytes.

    Args:
        report: The figures.
        points: Latitudes and longitudes in degrees of the rows of each split, for the maps.
        weight_map: 1 degree cells, and log(1 + people) of each; None for plain land.
        folder: An existing folder; receives `report.html`, `map.png`, `map-SPLIT.png`, and, if there are splits,
            `continents.png` and `countries.png`.
        rings: Outlines of land, arrays of (lng, lat); the world's countries unless given.

    Returns:
        The files written, the page first.

    Raises:
        OutputError: The folder cannot be written.
    """
    names = list(dict.fromkeys([*(s.split for s in report.splits), *points]))
    colours = series_index(names)
    outlines = (ring for outline in load_world() for ring in outline.rings) if rings is None else rings
    world = WorldMap(outlines, weight_map)
    masks = {name: world.dots(*points[name]) for name in names if name in points and len(points[name][0])}
    # The largest split lies at the bottom, so that it does not cover the others.
    stacked = sorted(masks, key=lambda name: (-len(points[name][0]), name))
    bases = {theme: world.base(theme) for theme in (LIGHT, DARK)}
    ramp_label = None if weight_map is None or not len(weight_map[0]) else RAMP_LABEL

    def picture(title: str, shown: Sequence[str]) -> bytes:
        tinted = [(masks[name], LIGHT.series[colours[name]]) for name in stacked if name in shown]
        legend = [(f"{name}: {len(points[name][0]):,}", LIGHT.series[colours[name]]) for name in shown]
        return map_png(title, flatten(bases[LIGHT], tinted), legend, ramp_label)

    files = {"map.png": picture(report.title, list(masks))}
    for name, slug in zip(masks, _slugs(masks), strict=True):
        files[f"map-{slug}.png"] = files["map.png"] if len(masks) == 1 else picture(f"{report.title}: {name}", [name])
    if report.splits:
        files |= _plots(report, colours)
    layers = [
        _Layer(
            number=i,
            name=name,
            count=len(points[name][0]),
            colour=colours[name],
            height=stacked.index(name),
            light=data_uri(png_from_mask(masks[name], LIGHT.series[colours[name]])),
            dark=data_uri(png_from_mask(masks[name], DARK.series[colours[name]])),
        )
        for i, name in enumerate(masks)
    ]
    base: dict[str, str | int] = {
        "light": data_uri(png_from_pixels(bases[LIGHT])),
        "dark": data_uri(png_from_pixels(bases[DARK])),
        "width": world.width,
        "height": world.height,
    }
    page = _page(report, colours, base, layers, ramp_label)
    with plain_os_errors(folder):
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content)
        (folder / REPORT_NAME).write_text(page, encoding="utf-8", newline="\n")
    return [folder / name for name in (REPORT_NAME, *files)]


@dataclass(frozen=True)
class _Layer:
    number: int
    name: str
    count: int
    colour: int
    height: int
    light: str
    dark: str


def _plots(report: BalanceReport, colours: Mapping[str, int]) -> dict[str, bytes]:
    first = report.splits[0]
    continents = [
        c for c in first.continents if c.target_share or any(_continents(s).get(c.code) for s in report.splits)
    ]
    countries = first.strata[:TOP_COUNTRIES]

    def series(shares: Mapping[str, Mapping[str, float]], codes: Sequence[str]) -> list[Series]:
        return [
            Series(s.split, [shares[s.split].get(code) for code in codes], LIGHT.series[colours[s.split]])
            for s in report.splits
            if s.size
        ]

    by_continent = {s.split: _continents(s) for s in report.splits}
    by_country = {s.split: {c.code: c.achieved / s.size for c in s.strata} for s in report.splits if s.size}
    return {
        "continents.png": dumbbell_png(
            "Continents: target and achieved",
            [c.name for c in continents],
            [c.target_share for c in continents],
            series(by_continent, [c.code for c in continents]),
        ),
        "countries.png": dumbbell_png(
            "Countries with the largest target: target and achieved",
            [c.name for c in countries],
            [c.target_share for c in countries],
            series(by_country, [c.code for c in countries]),
        ),
    }


def _continents(balance: SplitBalance) -> dict[str, float]:
    return {c.code: c.achieved_share for c in balance.continents}


def _slugs(names: Iterable[str]) -> list[str]:
    """Turn split names into distinct parts of file names."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "split"
        while slug in found:
            slug += "-2"
        found.append(slug)
    return found


def _page(
    report: BalanceReport,
    colours: Mapping[str, int],
    base: Mapping[str, str | int],
    layers: Sequence[_Layer],
    ramp_label: str | None,
) -> str:
    rejected = sum(report.rejects.values())
    flow = f"{count(report.read)} rows read = {count(report.kept)} kept + {count(rejected)} left out."
    if report.read != report.kept + rejected:
        flow += " These counts do not add up: please report it."
    max_share = report.settings.get("max_share")
    return render_page(
        "balance.html",
        _TEMPLATES,
        report=report,
        views=[split_view(s, colours[s.split], f"split-{i}") for i, s in enumerate(report.splits)],
        cards=key_figures(report, colours),
        base=base,
        layers=layers,
        ramp_label=ramp_label,
        map_description="World map: " + (", ".join(f"{x.count:,} rows of {x.name}" for x in layers) or "no rows"),
        summary=summary(report),
        flow=flow,
        rejects=_reject_rows(report),
        missing=sorted(report.missing_figures, key=lambda m: (-(m.quota_lost or 0.0), m.figure, m.code)),
        pool_shares=any(pool.share is not None for pool in report.pools),
        continents=CONTINENT_NAMES,
        why=why,
        max_share=max_share if isinstance(max_share, float) else 1.0,
        input_word="File" if is_audit(report) else "Pool",
        label=_label,
        shown=_shown,
        signed=_signed,
        version=__version__,
    )


@dataclass(frozen=True)
class _RejectRow:
    title: str
    description: str
    rows: int


def _reject_rows(report: BalanceReport) -> list[_RejectRow]:
    known = {reason.value: reason.description for reason in RejectReason}
    ordered = sorted(report.rejects.items(), key=lambda item: (-item[1], item[0]))
    return [_RejectRow(_label(code), known.get(code, ""), rows) for code, rows in ordered if rows]


def _label(name: str) -> str:
    """Turn a setting's or a reason's name into words, its unit into a bracket."""
    stem, unit = (name[:-3], " (km)") if name.endswith("_km") else (name, "")
    words = stem.replace("_", " ").strip()
    return words[:1].upper() + words[1:] + unit


def _shown(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}" if isinstance(value, float) else value


def _signed(value: float) -> str:
    rounded = round(value, 1)
    if rounded == 0:
        return "0.0"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):,.1f}"


def terminal_table(report: BalanceReport) -> str:
    """Return the key figures as plain text of at most 80 columns.

    TV is total variation, in percent of the rows; a dash stands for a figure that does not exist (an empty split, or
    no pool to compare with).
    """
    lines = [f"{'':<{_NAME}}{'rows':>10}{'effective':>11}{'TV to target':>14}{'TV to best':>12}{'cells':>17}"]
    for s in report.splits:
        cells = f"{s.cells_covered:,}" + (f" / {s.cells_with_supply:,}" if s.cells_with_supply else "")
        lines.append(
            f"{_cut(s.split):<{_NAME}}{s.size:>10,}{s.effective_size:>11,.0f}{_percent_or_dash(s.tv_to_target):>14}"
            f"{_percent_or_dash(s.tv_to_best):>12}{cells:>17}"
        )
    for first in range(0, len(report.splits), _SPLITS_PER_TABLE):
        lines += ["", *_continent_lines(report.splits[first : first + _SPLITS_PER_TABLE])]
    return "\n".join(line.rstrip() for line in lines)


_NAME = 16
_SPLITS_PER_TABLE = 4


def _continent_lines(splits: Sequence[SplitBalance]) -> list[str]:
    lines = [f"{'% of rows':<{_NAME}}{'target':>10}" + "".join(f"{_cut(s.split, 12):>13}" for s in splits)]
    achieved = [{c.code: c.achieved_share for c in s.continents} for s in splits]
    for c in splits[0].continents:
        if c.target_share >= 0.0005 or any(shares.get(c.code) for shares in achieved):
            cells = "".join(
                f"{100 * shares.get(c.code, 0.0):>13.1f}" if s.size else f"{'-':>13}"
                for s, shares in zip(splits, achieved, strict=True)
            )
            lines.append(f"{c.name:<{_NAME}}{100 * c.target_share:>10.1f}{cells}")
    return lines


def _percent_or_dash(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _cut(text: str, length: int = _NAME - 1) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain if len(plain) <= length else plain[: length - 1] + "~"
