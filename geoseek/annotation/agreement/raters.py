"""One annotator beside the others: agreement, accuracy, completeness, and who stands out."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from geoseek.annotation.agreement.coefficients import Distance, Item, mean_distance, rated_twice, wilson_interval
from geoseek.annotation.agreement.figures import AnnotatorFigures, Share

MIN_TRIALS = 10
"""Fewer photos never make an outlier."""
FALSE_ALARMS = 0.05
"""Chance that a measure makes an outlier of anybody among equals; divided by the number of annotators (Bonferroni)."""
OUTLIER_RULE = (
    f"An annotator stands out at a measure if, with at least {MIN_TRIALS} photos, the whole Wilson interval of the "
    f"share lies below the share of all others together. The intervals hold for all annotators at once with "
    f"{100 - 100 * FALSE_ALARMS:.0f} % confidence (Bonferroni). It is a reason to look, not a verdict."
)


@dataclass
class RaterNotes:
    """What is known about one annotator's photos.

    Attributes:
        annotations: How many there are.
        shared: Of the annotations, those whose photo somebody else annotated too.
        right: Countries that are those of the position.
        judged: Annotations whose country could be checked.
        complete: Annotations without a half-filled stage.
        lead_times_s: Where known.
        errors_km: Distances to the position, where known.
    """

    annotations: int = 0
    shared: int = 0
    right: int = 0
    judged: int = 0
    complete: int = 0
    lead_times_s: list[float] = field(default_factory=list)
    errors_km: list[float] = field(default_factory=list)


def annotator_figures(
    notes: Mapping[str, RaterNotes], items: Mapping[str, Iterable[Item]]
) -> tuple[AnnotatorFigures, ...]:
    """Set every annotator beside the others.

    Args:
        notes: Per annotator.
        items: Level -> photos as annotator -> class of the name.
    """
    agreement = {level: leave_one_out(rated) for level, rated in items.items()}
    accuracy = against_others({name: (note.right, note.judged) for name, note in notes.items()})
    complete = against_others({name: (note.complete, note.annotations) for name, note in notes.items()})
    nothing = Share(None, 0, None, None, None, outlier=False)
    found = []
    for name in sorted(notes):
        note = notes[name]
        levels = {level: shares.get(name, nothing) for level, shares in agreement.items()}
        shares = {
            **{f"agreement {level}": share for level, share in levels.items()},
            "accuracy": accuracy[name],
            "complete": complete[name],
        }
        found.append(
            AnnotatorFigures(
                name=name,
                annotations=note.annotations,
                shared=note.shared,
                agreement=levels,
                accuracy=accuracy[name],
                complete=complete[name],
                half_filled_share=1 - note.complete / note.annotations if note.annotations else None,
                median_lead_time_s=statistics.median(note.lead_times_s) if note.lead_times_s else None,
                median_error_km=statistics.median(note.errors_km) if note.errors_km else None,
                outlier=tuple(measure for measure, share in shares.items() if share.outlier),
            )
        )
    return tuple(found)


def leave_one_out(items: Iterable[Item]) -> dict[str, Share]:
    """Return for each rater the share of the others who say the same, beside the agreement of those among themselves.

    Each item is one trial, which succeeds in part if only some of the others agree.

    >>> shares = leave_one_out([{"ana": "FR", "ben": "FR", "cem": "BE"}] * 10)
    >>> shares["cem"].value, shares["cem"].others, shares["cem"].outlier
    (0.0, 1.0, True)
    >>> shares["ana"].value, shares["ana"].others
    (0.5, 0.0)
    """
    successes: dict[str, float] = defaultdict(float)
    trials: Counter[str] = Counter()
    among: list[tuple[frozenset[str], float]] = []
    without: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for item in rated_twice(items):
        values = Counter(item.values())
        among.append((frozenset(item), 1 - mean_distance(list(item.values()), Distance.NOMINAL)))
        for rater, value in item.items():
            trials[rater] += 1
            successes[rater] += (values[value] - 1) / (len(item) - 1)
            rest = [said for name, said in item.items() if name != rater]
            if len(rest) >= 2:
                total, count = without[rater]
                without[rater] = total + 1 - mean_distance(rest, Distance.NOMINAL), count + 1
    everything = math.fsum(agreed for _, agreed in among)
    shares = {}
    for rater in sorted(trials):
        own = math.fsum(agreed for raters, agreed in among if rater in raters)
        total, count = without[rater]
        count += len(among) - trials[rater]
        others = (everything - own + total) / count if count else None
        shares[rater] = _share(successes[rater], trials[rater], others, len(trials))
    return shares


def against_others(counts: Mapping[str, tuple[int, int]]) -> dict[str, Share]:
    """Return each rater's share of successes beside that of all others together.

    Args:
        counts: Rater -> successes and trials.

    >>> shares = against_others({"ana": (18, 20), "ben": (6, 20)})
    >>> shares["ben"].value, shares["ben"].others, shares["ben"].outlier, shares["ana"].outlier
    (0.3, 0.9, True, False)
    """
    right, tried = sum(k for k, _ in counts.values()), sum(n for _, n in counts.values())
    return {
        rater: _share(k, n, (right - k) / (tried - n) if tried > n else None, len(counts))
        for rater, (k, n) in counts.items()
    }


def _share(successes: float, trials: int, others: float | None, raters: int) -> Share:
    if not trials:
        return Share(None, 0, None, None, others, outlier=False)
    low, high = wilson_interval(successes, trials, 1 - FALSE_ALARMS / raters)
    outlier = trials >= MIN_TRIALS and others is not None and high < others
    return Share(successes / trials, trials, low, high, others, outlier)
