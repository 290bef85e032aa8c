"""What `geoseek fetch` says at its end, and its report page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geoseek.schemas import ImageRejectReason

if TYPE_CHECKING:
    from geoseek.media import FetchFigures

_HEADER = f"{'split':<6}{'wanted':>9}{'alive':>9}{'stand-ins':>11}{'dead':>8}{'copies':>8}{'missing':>9}"
_DUPLICATE = ImageRejectReason.NEAR_DUPLICATE.value


def terminal_lines(figures: FetchFigures) -> list[str]:
    """Return the figures as lines of a table, and what failed most."""
    lines = [_HEADER]
    for split in figures.splits:
        copies = split.rejected.get(_DUPLICATE, 0)
        dead = sum(split.rejected.values()) - copies
        lines.append(
            f"{split.split:<6}{split.wanted:>9,}{split.alive:>9,}{split.stand_ins:>11,}{dead:>8,}{copies:>8,}"
            f"{split.missing:>9,}"
        )
    codes = _by_code(figures)
    if codes:
        lines.append("rejected: " + ", ".join(f"{code} {count:,}" for code, count in codes.items()))
    lines.append(
        f"{figures.files:,} files, {figures.bytes / 1e6:,.1f} MB; near-duplicates: "
        f"{figures.pairs_inside:,} pairs inside splits, {figures.pairs_across:,} across"
    )
    return lines


def render_fetch_report(figures: FetchFigures) -> str:
    """Return the report as one self-contained HTML page."""
    from geoseek.reporting import render_page

    return render_page(
        "fetch.html",
        Path(__file__).parent / "templates",
        figures=figures,
        codes=_by_code(figures),
        meaning={reason.value: reason.description for reason in ImageRejectReason},
        duplicate=_DUPLICATE,
        asked=sum(split.asked for split in figures.splits),
        alive=sum(split.alive for split in figures.splits),
        wanted=sum(split.wanted for split in figures.splits),
        stand_ins=sum(split.stand_ins for split in figures.splits),
        missing=sum(split.missing for split in figures.splits),
    )


def _by_code(figures: FetchFigures) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for split in figures.splits:
        for code, count in split.rejected.items():
            total[code] = total.get(code, 0) + count
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))
