"""The status as a table for the terminal and as a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from geoseek import __version__
from geoseek.annotation.agreement import (
    DISPUTED_FROM_KM,
    AgreementFigures,
    Coefficient,
    SampleFigures,
    minutes,
    outlier_words,
    padded,
)
from geoseek.annotation.progress.status import DayProgress, Finish, Progress, StatusFigures
from geoseek.reporting import render_page, series_index

STATUS_PAGE = "status.html"
MAX_DISPUTES = 200
"""Disputes listed on the page; `geoseek annotate agreement --json` has them all."""
MAX_DAY_ROWS = 400
"""Rows of the table of days on the page, the newest ones."""

_TEMPLATES = Path(__file__).parent / "templates"
_CHART_WIDTH, _CHART_HEIGHT = 1000, 240
_LABEL_HEIGHT = 20
_MAX_TICKS = 7

_COLUMNS = (
    ("assigned", "assigned", 10),
    ("done", "done", 7),
    ("skipped", "skipped", 9),
    ("open", "open", 7),
    ("in_review", "review", 8),
    ("accepted", "accepted", 10),
    ("rejected", "rejected", 10),
)


def status_lines(figures: StatusFigures) -> list[str]:
    """Return the counts per split and annotator as plain text of at most 120 columns.

    Where the finish cannot be told, the reason stands in its place. Authors of imported annotations, who have no
    tasks, are left out. Days are in UTC.
    """
    header = (
        f"{'':<22}" + "".join(f"{title:>{width}}" for _, title, width in _COLUMNS) + f"{'minutes':>9}  finish (UTC)"
    )
    lines = [header]
    for split in figures.splits:
        lines.append(_line(split.split or "", split))
        with_tasks = [cell for cell in figures.cells if cell.split == split.split and cell.assigned]
        lines += [_line("  " + (cell.annotator or ""), cell) for cell in with_tasks]
    if len(figures.splits) != 1:
        lines.append(_line("all", figures.total))
    return [*lines, *_remarks(figures)]


def _line(name: str, one: Progress) -> str:
    cells = "".join(f"{getattr(one, field):>{width},}" for field, _, width in _COLUMNS)
    return f"{padded(name, 21)} {cells}{minutes(one.median_lead_time_s):>9}  {finish_words(one.finish)}"


def _remarks(figures: StatusFigures) -> Iterator[str]:
    total = figures.total
    if total.imported:
        yield f"imported from files, without a task: {total.imported:,}"
    if total.half_filled:
        yield f"with a half-filled stage: {total.half_filled:,} ({_who(figures.annotators, 'half_filled')})"
    if total.quarantined:
        yield f"quarantined: {total.quarantined:,} ({_who(figures.annotators, 'quarantined')})"


def _who(annotators: Iterable[Progress], field: str, most: int = 5) -> str:
    counts = sorted(
        (-getattr(one, field), padded(one.annotator or "", 21).rstrip()) for one in annotators if getattr(one, field)
    )
    named = ", ".join(f"{name} {-count:,}" for count, name in counts[:most])
    return named + (", ..." if len(counts) > most else "")


def finish_words(finish: Finish) -> str:
    """Return an estimate as words.

    >>> finish_words(Finish("2026-04-01", 12.34)), finish_words(Finish(None, None, "nothing is open"))
    ('2026-04-01 (12.3 a day)', 'nothing is open')
    """
    if finish.day is not None and finish.per_day is not None:
        return f"{finish.day} ({finish.per_day:.1f} a day)"
    return finish.reason or "-"


@dataclass(frozen=True)
class _Line:
    """A line of the chart of progress; `points` is for SVG."""

    split: str
    colour: int
    points: str
    area: str
    label_y: float
    done: int
    assigned: int
    target_y: float


@dataclass(frozen=True)
class _Tick:
    at: float
    label: str


@dataclass(frozen=True)
class _Chart:
    """Cumulated tasks over days, in a box of `width` x `height`."""

    width: int
    height: int
    lines: tuple[_Line, ...]
    days: tuple[_Tick, ...]
    levels: tuple[_Tick, ...]
    first: str
    last: str


@dataclass(frozen=True)
class _Part:
    """A piece of an annotator's bar."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class _Bar:
    """One annotator's bar."""

    one: Progress
    parts: tuple[_Part, ...]
    outlier: tuple[str, ...]


@dataclass(frozen=True)
class _Dispute:
    """A photo in dispute, with the way to each answer."""

    sample: SampleFigures
    answers: tuple[tuple[str, str, str | None], ...]


PARTS = (
    ("accepted", "accepted"),
    ("undecided", "not reviewed"),
    ("in_review", "in review"),
    ("rejected", "rejected"),
    ("skipped", "skipped"),
    ("open", "open"),
)
"""Pieces of an annotator's bar: field and label."""


def render_status(
    figures: StatusFigures, agreement: AgreementFigures, *, server_urls: Mapping[str, str] | None = None
) -> str:
    """Return the status as one self-contained page, light and dark; everything is escaped.

    Args:
        figures: Progress.
        agreement: Agreement about the same splits.
        server_urls: `Studio.identity` -> address of the server, for links to tasks. An identity that is an address
            itself needs none.
    """
    return render_page(
        STATUS_PAGE,
        _TEMPLATES,
        figures=figures,
        agreement=agreement,
        colours=series_index([split.split or "" for split in figures.splits]),
        chart=_chart(figures),
        bars=_bars(figures, agreement),
        parts_of_bar=PARTS,
        levels=[(level, _marks(level.alpha, level.kappa, level.same)) for level in agreement.levels],
        tags=[tag for tag in agreement.tags if tag.same.items],
        disputes=[_dispute(sample, figures, server_urls or {}) for sample in agreement.disputes[:MAX_DISPUTES]],
        disputed_from_km=DISPUTED_FROM_KM,
        days=figures.days[-MAX_DAY_ROWS:][::-1],
        minutes=minutes,
        coefficient=_coefficient,
        version=__version__,
    )


def _chart(figures: StatusFigures) -> _Chart | None:
    """Return the chart of work done over time; None while there is no work."""
    worked = [day for day in figures.days if day.done + day.skipped]
    if not worked:
        return None
    first, last = date.fromisoformat(worked[0].day), date.fromisoformat(figures.as_of[:10])
    last = max(last, date.fromisoformat(worked[-1].day))
    span = max(1, (last - first).days + 1)
    most = max(1, *(split.assigned + split.imported for split in figures.splits))
    colours = series_index([split.split or "" for split in figures.splits])

    def y(tasks: float) -> float:
        return round(_CHART_HEIGHT * (1 - tasks / most), 1)

    lines: list[_Line] = []
    for split in figures.splits:
        steps = _cumulated([day for day in worked if day.split == split.split], first, last)
        # A day's work counts at its end, so that the line starts from nothing.
        points = [(0.0, y(0))] + [(round(_CHART_WIDTH * at / span, 1), y(tasks)) for at, tasks in steps]
        path = " ".join(f"{x},{height}" for x, height in points)
        lines.append(
            _Line(
                split=split.split or "",
                colour=colours[split.split or ""],
                points=path,
                area=f"0,{_CHART_HEIGHT} {path} {points[-1][0]},{_CHART_HEIGHT}",
                label_y=points[-1][1],
                done=steps[-1][1] if steps else 0,
                assigned=split.assigned + split.imported,
                target_y=y(split.assigned + split.imported),
            )
        )
    return _Chart(
        _CHART_WIDTH,
        _CHART_HEIGHT,
        tuple(_apart(lines)),
        tuple(_day_ticks(first, span)),
        tuple(_Tick(y(level), f"{level:,}") for level in _round_levels(most)),
        first.isoformat(),
        last.isoformat(),
    )


def _apart(lines: Iterable[_Line]) -> Iterator[_Line]:
    """Move labels upwards that would cover the one below."""
    lowest = float(_CHART_HEIGHT)
    for line in sorted(lines, key=lambda line: -line.label_y):
        lowest = min(lowest, line.label_y)
        yield replace(line, label_y=lowest)
        lowest -= _LABEL_HEIGHT


def _cumulated(days: Iterable[DayProgress], first: date, last: date) -> list[tuple[int, int]]:
    """Return (number of days passed, tasks worked on until then) for every day from the first to the last."""
    per_day: dict[date, int] = defaultdict(int)
    for day in days:
        per_day[date.fromisoformat(day.day)] += day.done + day.skipped
    total, steps = 0, []
    for at in range((last - first).days + 1):
        total += per_day[first + timedelta(days=at)]
        steps.append((at + 1, total))
    return steps


def _day_ticks(first: date, span: int) -> Iterator[_Tick]:
    step = next(days for days in (1, 2, 7, 14, 28, 91, 182, 364, span) if span / days <= _MAX_TICKS or days == span)
    for at in range(0, span, step):
        day = first + timedelta(days=at)
        yield _Tick(round(100 * (at + 0.5) / span, 2), f"{day.day} {day:%b}")


def _round_levels(most: int) -> list[int]:
    """Return round numbers from 0 to the largest value, five or fewer.

    >>> _round_levels(10_000), _round_levels(37), _round_levels(1)
    ([0, 2500, 5000, 7500, 10000], [0, 10, 20, 30], [0, 1])
    """
    size = 1
    while True:
        for factor in (1, 2, 2.5, 5):
            step = factor * size
            if step == int(step) and most / step <= 4:
                return [int(level * step) for level in range(int(most / step) + 1)]
        size *= 10


def _bars(figures: StatusFigures, agreement: AgreementFigures) -> list[_Bar]:
    """Return one bar per annotator, as long as the work given out; imported work is done without being given out."""
    outliers = {one.name: tuple(outlier_words(one, measure) for measure in one.outlier) for one in agreement.annotators}
    longest = max((one.assigned + one.imported for one in figures.annotators), default=0) or 1
    return [
        _Bar(
            one,
            tuple(_Part(field, count, 100 * count / longest) for field, _ in PARTS if (count := getattr(one, field))),
            outliers.get(one.annotator or "", ()),
        )
        for one in figures.annotators
    ]


@dataclass(frozen=True)
class _Mark:
    name: str
    at: float
    colour: int


def _marks(*named: Coefficient) -> list[_Mark]:
    """Return the dots of a level on a scale from 0 to 1; a coefficient below 0 stands at 0."""
    names = ("alpha", "kappa", "same")
    return [
        _Mark(name, 100 * max(0.0, figure.value), at)
        for at, (name, figure) in enumerate(zip(names, named, strict=True))
        if figure.value is not None
    ]


def _dispute(sample: SampleFigures, figures: StatusFigures, urls: Mapping[str, str]) -> _Dispute:
    return _Dispute(
        sample,
        tuple(
            (annotator, answer, _task_url(figures, sample.sample_id, annotator, urls))
            for annotator, answer in sample.answers.items()
        ),
    )


def _task_url(figures: StatusFigures, sample_id: str, annotator: str, urls: Mapping[str, str]) -> str | None:
    place = figures.places.get((sample_id, annotator))
    if place is None:
        return None
    base = urls.get(place.server, place.server)
    if urlsplit(base).scheme not in ("http", "https"):
        return None
    return f"{base.rstrip('/')}/projects/{place.project}/data?task={place.task}"


def _coefficient(figure: Coefficient) -> str:
    return "–" if figure.value is None else f"{figure.value:.2f}".replace("-", "−")
