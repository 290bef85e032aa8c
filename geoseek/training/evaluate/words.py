"""The figures in words: cells of tables, for the terminal and the report."""

from __future__ import annotations

from geoseek.training.evaluate.result import FIGURES, Denominator, Difference, Estimate, Evaluation, Outcome, Unit

NOTHING = "-"
"""Cell of a figure that no row counts for."""

DENOMINATORS: dict[Denominator, str] = {
    "all": "of all rows; what has no coordinates counts as wrong",
    "answered": "denominator answered: rows without coordinates are left out",
}
"""What every table of figures must say about what they are shares of."""


def figure_text(estimate: Estimate, unit: Unit) -> str:
    """Return a figure with its interval.

    >>> figure_text(Estimate(value=0.25, low=0.2, high=0.31, rows=100, method="bootstrap"), Unit.SHARE)
    '25.0 % (20.0 to 31.0)'
    >>> figure_text(Estimate(value=1234.5, low=None, high=None, rows=1, method=None), Unit.KM)
    '1,234 km'
    """
    if estimate.value is None:
        return NOTHING
    text = f"{_number(estimate.value, unit)}{_SUFFIX[unit]}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({_number(estimate.low, unit)} to {_number(estimate.high, unit)})"


def difference_text(difference: Difference) -> str:
    """Return a difference with its sign, its interval, and its corrected p-value."""
    unit, estimate = FIGURES[difference.figure].unit, difference.difference
    text = figure_text(estimate, unit)
    if estimate.value is not None and estimate.value > 0:
        text = f"+{text}"
    text = text.replace(" %", " points", 1)
    if difference.p_holm is None:
        return text
    return f"{text}, p < 0.0001" if difference.p_holm < _SMALLEST_P else f"{text}, p = {difference.p_holm:.3g}"


_SMALLEST_P = 1e-4
_SUFFIX = {Unit.SHARE: " %", Unit.KM: " km", Unit.POINTS: ""}


def _number(value: float, unit: Unit) -> str:
    """Return a number with the digits of its unit; what rounds to nothing has no sign.

    >>> _number(-0.0001, Unit.SHARE), _number(12.34, Unit.KM)
    ('0.0', '12.3')
    """
    if unit is Unit.SHARE:
        value, digits = 100 * value, 1
    else:
        digits = 0 if unit is Unit.POINTS or abs(value) >= 100 else 1
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def headline_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of all rows: one column per set; figures that no set has are left out."""
    sets = evaluation.sets
    rows = [
        [figure.label, *(figure_text(one.overall.estimates[key], figure.unit) for one in sets)]
        for key, figure in FIGURES.items()
        if any(one.overall.estimates[key].value is not None for one in sets)
    ]
    return ["", *(one.name for one in sets)], rows


def outcome_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table that says what became of the rows of the truth."""
    sets = evaluation.sets
    rows = [[outcome.value, *(f"{one.overall.outcomes[outcome]:,}" for one in sets)] for outcome in Outcome]
    return ["rows", *(one.name for one in sets)], rows


def difference_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of differences: one column per pair of sets."""
    pairs = list(dict.fromkeys((one.first, one.second) for one in evaluation.differences))
    cells = {(one.figure, one.first, one.second): difference_text(one) for one in evaluation.differences}
    rows = [[figure.label, *(cells[key, *pair] for pair in pairs)] for key, figure in FIGURES.items() if pairs]
    return ["", *(f"{second} minus {first}" for first, second in pairs)], rows


def chain_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of chains of thought: per set and stage precision, recall, F1 and rows."""
    rows = [
        [
            one.name,
            stage,
            *(figure_text(part, Unit.SHARE) for part in (figures.precision, figures.recall, figures.f1)),
            f"{figures.f1.rows:,}",
        ]
        for one in evaluation.sets
        if one.chains is not None
        for stage, figures in one.chains.stages.items()
    ]
    return ["", "stage", "precision", "recall", "F1", "rows"], rows
