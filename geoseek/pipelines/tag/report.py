"""What `geoseek tag` says: lines for the terminal, and the report page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from geoseek.pipelines.tag.figures import Figure, SplitFigures, TagFigures
from geoseek.schemas import LocatabilityBand, SceneTag, TagRejectReason

_TEMPLATES = Path(__file__).parents[1] / "templates"
_HEADER = f"{'split':<6}{'samples':>9}{'rated':>8}{'kept':>8}{'out of range':>14}{'unrated':>9}"


def tag_lines(figures: TagFigures) -> list[str]:
    """Return the figures as lines for the terminal."""
    lines = [_HEADER]
    lines += [
        f"{one.split:<6}{one.samples:>9,}{one.rated:>8,}{one.kept:>8,}{one.out_of_range:>14,}{one.unrated:>9,}"
        for one in figures.splits
    ]
    bands = {band: sum(one.bands[band] for one in figures.splits) for band in LocatabilityBand}
    lines.append("locatability: " + ", ".join(f"{band} {count:,}" for band, count in bands.items()))
    tags = {tag: sum(one.yes[tag] for one in figures.splits) for tag in SceneTag}
    lines.append("tags: " + ", ".join(f"{tag} {count:,}" for tag, count in tags.items()))
    lines.append(f"annotations: {figures.annotations:,} read = {figures.used:,} used + {_unused(figures):,} rejected")
    if figures.model:
        model = figures.model
        lines.append(
            f"model: {model.questions:,} questions = {model.answered:,} answered + {model.failed:,} failed"
            + ("; " + ", ".join(f"{code} {count:,}" for code, count in model.faults.items()) if model.faults else "")
        )
    if figures.agreement:
        score = figures.agreement.score
        lines.append(
            f"annotators and model, {figures.agreement.samples:,} samples: score kappa {_shown(score.kappa)}, "
            f"Spearman {_shown(score.spearman)}; median tag kappa {_shown_median(figures)}"
        )
    return lines


def render_report(figures: TagFigures) -> str:
    """Return the report as one self-contained HTML page."""
    from geoseek.reporting import render_page

    return render_page(
        "tag.html.j2",
        _TEMPLATES,
        figures=figures,
        plain=[one for one in figures.splits if one.kept],
        bands=[band.value for band in LocatabilityBand],
        steps=[step / 2 for step in range(21)],
        tallest=max((count for one in figures.splits for count in one.scores), default=0),
        unused=_unused(figures),
        meaning={reason.value: reason.description for reason in TagRejectReason},
        about={tag.value: tag.description for tag in SceneTag},
        median_score=median_score,
        heat=heat,
        totals={one.split: sum(one.bands.values()) for one in figures.splits},
    )


def median_score(one: SplitFigures) -> float | None:
    """Return the median of the kept scores of a split; None if there are none."""
    total, seen = sum(one.scores), 0
    for step, count in enumerate(one.scores):
        seen += count
        if count and 2 * seen >= total:
            return step / 2
    return None


def heat(count: int, row: Sequence[int]) -> float:
    """Return the share of a row that a cell holds, for its shade.

    >>> heat(3, (3, 1)), heat(0, (0, 0))
    (0.75, 0.0)
    """
    return count / sum(row) if sum(row) else 0.0


def _unused(figures: TagFigures) -> int:
    return figures.annotations - figures.used


def _shown(figure: Figure) -> str:
    return "not defined" if figure.value is None else f"{figure.value:.2f}"


def _shown_median(figures: TagFigures) -> str:
    tags = figures.agreement.tags if figures.agreement else ()
    found = [tag.kappa.value for tag in tags if tag.kappa.value is not None]
    return f"{statistics.median(found):.2f}" if found else "not defined"
