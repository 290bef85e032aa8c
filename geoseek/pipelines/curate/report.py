"""The figures of a curation as a page and as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from geoseek import __version__
from geoseek.pipelines.curate.figures import CurateFigures
from geoseek.reporting import render_page

_TEMPLATES = Path(__file__).parents[1] / "templates"


def render_report(figures: CurateFigures) -> str:
    """Return the report as one HTML page; everything in it is escaped."""
    return render_page("curate.html.j2", _TEMPLATES, figures=figures, version=__version__)


def curate_lines(figures: CurateFigures) -> Iterator[str]:
    """Yield the counts as plain text of at most 100 columns."""
    yield f"{'split':<8}{'samples':>10}{'read':>10}{'kept':>10}{'rejected':>10}"
    for split in figures.splits:
        yield f"{split.split:<8}{split.samples:>10,}{split.annotations:>10,}{split.kept:>10,}{split.rejected:>10,}"
    yield from (f"  {reason}: {number:,}" for reason, number in figures.reasons.items())
    found = [check for check in figures.checks if check.found]
    if found:
        yield ""
        yield f"{'check':<20}{'setting':>9}{'found':>8}{'dropped':>9}{'review':>8}{'warned':>8}"
        yield from (
            f"{one.check:<20}{one.action:>9}{one.found:>8,}{one.dropped:>9,}{one.to_review:>8,}{one.warned:>8,}"
            for one in found
        )
    text = figures.standardise
    if text.notes:
        yield (
            f"free text: {text.notes:,} = {text.by_rules:,} by rules + {text.by_model:,} by "
            f"{text.model or 'a model'} + {text.failed:,} without stages"
        )
    if text.unsupported_removed:
        yield f"unsupported parts of the model's answers that were removed: {text.unsupported_removed:,}"
