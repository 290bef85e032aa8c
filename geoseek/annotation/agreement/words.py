"""Agreement as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import combining, east_asian_width

from geoseek.annotation.agreement.coefficients import Coefficient
from geoseek.annotation.agreement.figures import AgreementFigures, AnnotatorFigures, Share
from geoseek.reporting import kilometres


def agreement_lines(figures: AgreementFigures) -> list[str]:
    """Return the figures as plain text of at most 100 columns.

    A dash stands for a figure that is not defined; the reasons follow the table.
    """
    lines = [
        f"{figures.annotations:,} annotations of {figures.items:,} photos, {figures.shared_items:,} by several people"
    ]
    lines += ["", *_levels(figures)]
    if figures.spread.median_km is not None and figures.spread.max_km is not None:
        lines.append(
            f"concluded places: {kilometres(figures.spread.median_km)} apart at the median of "
            f"{figures.spread.items:,} photos, {kilometres(figures.spread.max_km)} at most"
        )
    score = figures.score
    if score.kappa.items:
        lines.append(
            f"locatability: quadratic kappa {_plain(score.kappa)}, Spearman {_plain(score.spearman)}, alpha "
            f"{_plain(score.alpha)}, mean difference {_plain(score.mean_difference)} ({score.kappa.items:,} photos)"
        )
    if any(tag.same.items for tag in figures.tags):
        lines += ["", *_tags(figures)]
    if figures.annotators:
        lines += ["", *_annotators(figures)]
    reasons = dict.fromkeys(_reasons(figures))
    if reasons:
        lines += ["", *(f"- {reason}" for reason in reasons)]
    return [line.rstrip() for line in lines]


def _levels(figures: AgreementFigures) -> Iterator[str]:
    yield f"{'stage':<10}{'photos':>8}{'same':>8}{'alpha':>8}{'kappa':>8}{'':<10}{'clues':>8}{'fuzzy':>8}{'meaning':>9}"
    for level in figures.levels:
        yield (
            f"{level.level:<10}{level.same.items:>8,}{_cell(level.same)}{_cell(level.alpha)}{_cell(level.kappa)}  "
            f"{'(' + (level.kappa.method or '') + ')':<8}{_cell(level.clues)}{_cell(level.clues_fuzzy)}"
            f"{_cell(level.clues_meaning, 9)}"
        )


def _tags(figures: AgreementFigures) -> Iterator[str]:
    yield f"{'scene tag':<22}{'photos':>8}{'same':>8}{'kappa':>8}{'ordered':>9}{'alpha':>8}"
    for tag in figures.tags:
        yield (
            f"{tag.tag:<22}{tag.same.items:>8,}{_cell(tag.same)}{_cell(tag.kappa)}{_cell(tag.kappa_ordered, 9)}"
            f"{_cell(tag.alpha_ordered)}"
        )


def _annotators(figures: AgreementFigures) -> Iterator[str]:
    yield (
        f"{'annotator':<17}{'photos':>8}{'shared':>8}{'country':>9}{'region':>8}{'precise':>9}{'right':>8}{'minutes':>9}"
        f"{'half-filled':>13}"
    )
    for one in figures.annotators:
        mark = " !" if one.outlier else ""
        yield (
            f"{padded(one.name, 16)} {one.annotations:>8,}{one.shared:>8,}{_share(one.agreement['country'], 9)}"
            f"{_share(one.agreement['region'], 8)}{_share(one.agreement['precise'], 9)}{_share(one.accuracy, 8)}"
            f"{minutes(one.median_lead_time_s):>9}{_percent(one.half_filled_share):>13}{mark}"
        )
    for one in figures.annotators:
        for measure in one.outlier:
            yield f"! {padded(one.name, 40).rstrip()}: {outlier_words(one, measure)}"


def outlier_words(one: AnnotatorFigures, measure: str) -> str:
    """Return why an annotator stands out at a measure, as a sentence."""
    kind, _, level = measure.partition(" ")
    share = one.agreement[level] if level else one.accuracy if kind == "accuracy" else one.complete
    what = {
        "agreement": f"names the same {'place' if level == 'precise' else level} as the others in",
        "accuracy": "names the right country in",
        "complete": "leaves no stage half-filled in",
    }[kind]
    return (
        f"{what} {_percent(share.value)} of {share.trials:,} photos (interval {_percent(share.low)} to "
        f"{_percent(share.high)}); all others together {_percent(share.others)}"
    )


def _reasons(figures: AgreementFigures) -> Iterator[str]:
    """Yield why figures are missing; what was not asked at all (scores and tags outside val) needs no reason."""
    for level in figures.levels:
        named = {"alpha": level.alpha, "kappa": level.kappa, "clues": level.clues, "meaning": level.clues_meaning}
        for name, figure in named.items():
            if figure.reason:
                yield f"{level.level} {name}: {figure.reason}" if name != "meaning" else f"meaning: {figure.reason}"
    for name, figure in (("kappa", figures.score.kappa), ("Spearman", figures.score.spearman)):
        if figure.reason and figure.items:
            yield f"locatability {name}: {figure.reason}"
    for tag in figures.tags:
        if tag.kappa.reason and tag.kappa.items:
            yield f"{tag.tag}: {tag.kappa.reason}"
    if any(one.outlier for one in figures.annotators):
        yield f"! {figures.rule}"


def minutes(seconds: float | None) -> str:
    """Format a duration in minutes.

    >>> minutes(90.0), minutes(None)
    ('1.5', '-')
    """
    return "-" if seconds is None else f"{seconds / 60:.1f}"


def padded(text: str, width: int) -> str:
    """Return text that cannot steer a terminal, cut and filled to a number of columns; CJK letters take two.

    >>> padded("chloé", 8), padded("恵子", 6), padded("Montserrat", 6)
    ('chloé   ', '恵子  ', 'Monts~')
    """
    plain = "".join(c if c.isprintable() else " " for c in text)
    if _columns(plain) > width:
        while _columns(plain) >= width:
            plain = plain[:-1]
        plain += "~"
    return plain + " " * (width - _columns(plain))


def _columns(text: str) -> int:
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _share(share: Share, width: int) -> str:
    return f"{_percent(share.value):>{width}}"


def _plain(figure: Coefficient) -> str:
    return "-" if figure.value is None else f"{figure.value:.2f}"


def _cell(figure: Coefficient, width: int = 8) -> str:
    return f"{_plain(figure):>{width}}"
