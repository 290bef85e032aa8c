"""The rules over the whole ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from geoseek.annotation.agreement import SampleTruth
from geoseek.annotation.ledger import AnnotationState, Ledger, StoredAnnotation
from geoseek.annotation.review.checks import Context, References, Similar, check, median_pace, own_reasoning
from geoseek.annotation.review.copies import Text, near_copies
from geoseek.annotation.review.rules import Rule
from geoseek.annotation.review.settings import CopySettings
from geoseek.schemas import AnnotationStatus

REVIEWABLE = (AnnotationState.SUBMITTED, AnnotationState.QUARANTINED)


@dataclass(frozen=True)
class RulesRun:
    """What a run of the rules did.

    Attributes:
        checked: Annotations without a decision.
        flagged: How many of them a rule found something about.
        changed: How many have other flags than before.
        by_rule: Rule -> annotations.
        without_truth: Checked annotations whose sample is not in the workspace: their conclusion was not compared.
    """

    checked: int
    flagged: int
    changed: int
    by_rule: Mapping[Rule, int]
    without_truth: int


def run_rules(ledger: Ledger, references: References, truth: Mapping[str, SampleTruth]) -> RulesRun:
    """Set the flags of every annotation that nobody has decided on; a second run changes nothing.

    Args:
        ledger: Open.
        references: Settings and names.
        truth: Sample id -> where it was taken.

    Cost: some seconds for 10,000 annotations; the gazetteer is asked once per distinct answer.
    """
    rows = list(ledger.annotations(states=REVIEWABLE))
    surroundings = _Surroundings(rows, references)
    found = [
        (row, check(row, surroundings.context(row, truth.get(row.sample_id)), references))
        for row in rows
        if row.decision is None
    ]
    changed = [(row, notes) for row, notes in found if set(notes) != set(row.flags)]
    if changed:
        with ledger.transaction():
            for row, notes in changed:
                ledger.set_flags(row.id, row.version, notes)
    counts = Counter(Rule(note.code) for _, notes in found for note in notes)
    return RulesRun(
        checked=len(found),
        flagged=sum(bool(notes) for _, notes in found),
        changed=len(changed),
        by_rule={rule: counts[rule] for rule in Rule if counts[rule]},
        without_truth=sum(row.sample_id not in truth for row, _ in found),
    )


class _Surroundings:
    """What is known around every annotation, gathered once."""

    def __init__(self, rows: Sequence[StoredAnnotation], references: References) -> None:
        standing = [row for row in rows if stands(row)]
        self._by_sample = _grouped(standing, "sample_id")
        self._median_s = {
            annotator: median_pace(
                [row.lead_time_s for row in own if row.lead_time_s is not None], references.settings.pace
            )
            for annotator, own in _grouped(standing, "annotator").items()
        }
        self._similar = _similar(standing, references.settings.copies)

    def context(self, row: StoredAnnotation, truth: SampleTruth | None) -> Context:
        """Return what is known around one annotation."""
        beside = self._by_sample.get(row.sample_id, ())
        return Context(
            truth=truth,
            others=[other for other in beside if other.annotator != row.annotator],
            own_median_s=self._median_s.get(row.annotator),
            similar=self._similar.get(row.id, ()),
        )


def stands(row: StoredAnnotation) -> bool:
    """Whether an annotation counts beside others: submitted by its annotator, and not rejected."""
    return row.state is AnnotationState.SUBMITTED and row.status is not AnnotationStatus.REJECTED


def _grouped(rows: Iterable[StoredAnnotation], field: str) -> dict[str, list[StoredAnnotation]]:
    groups: dict[str, list[StoredAnnotation]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, field)].append(row)
    return groups


def _similar(rows: Sequence[StoredAnnotation], settings: CopySettings) -> dict[str, list[Similar]]:
    """Return annotation id -> annotations with nearly the same reasoning.

    Of two annotators of one sample both are listed, as either may have looked at the other's; of two by the same
    annotator only the later one.
    """
    ordered = sorted(rows, key=lambda row: (row.created_at or row.seen_at, row.id))
    known = {row.id: row for row in ordered}
    found: dict[str, list[Similar]] = defaultdict(list)

    def compare(group: Sequence[StoredAnnotation], *, both: bool) -> None:
        texts = (Text(row.id, own_reasoning(row)) for row in group)
        for copy in near_copies(texts, similarity=settings.similarity, least_letters=settings.least_letters):
            if both and known[copy.key].annotator == known[copy.original].annotator:
                continue
            pair = (copy.key, copy.original)
            for one, other in (pair, pair[::-1]) if both else (pair,):
                found[one].append(Similar(other, known[other].annotator, copy.similarity))

    for group in _grouped(ordered, "sample_id").values():
        if len(group) > 1:
            compare(group, both=True)
    for group in _grouped(ordered, "annotator").values():
        compare(group, both=False)
    return found
