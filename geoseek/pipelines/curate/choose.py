"""Which annotations of a sample may be used, and in which order they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from geoseek.annotation import AnnotationState, Ledger, StoredAnnotation
from geoseek.pipelines.curate.samples import SampleTable
from geoseek.schemas import AnnotationStatus, CurateReject, CurateRejectReason, Split

UNDATED = "~"
"""Stands for the time of what has none; it comes after every date."""


@dataclass(frozen=True)
class Candidates:
    """The annotations of one sample.

    Attributes:
        usable: Best first.
        rejects: The others.
        accepted: How many of the usable ones a reviewer accepted or edited.
    """

    usable: tuple[StoredAnnotation, ...]
    rejects: tuple[CurateReject, ...]
    accepted: int


@dataclass(frozen=True)
class Eligibility:
    """What is asked of an annotation before it is looked at.

    Attributes:
        samples: The samples that there are.
        require_accepted: Only what a reviewer accepted or edited.
        notes: Whether free text may be used.
    """

    samples: SampleTable
    require_accepted: bool = False
    notes: bool = True


def candidates(group: Iterable[StoredAnnotation], eligibility: Eligibility) -> Candidates:
    """Sort the annotations of one sample into usable ones, best first, and rejects.

    The order: accepted or edited by a reviewer; with stages rather than free text; without flags of the review; with
    more stages; earlier; by id. It depends on nothing else, so that the same ledger gives the same choice.
    """
    usable, rejects = [], []
    for stored in group:
        refused = _refusal(stored, eligibility)
        if refused is None:
            usable.append(stored)
        else:
            rejects.append(reject(stored, *refused))
    usable.sort(key=_rank)
    return Candidates(tuple(usable), tuple(rejects), sum(is_reviewed(stored) for stored in usable))


def read_candidates(ledger: Ledger | None, split: Split, eligibility: Eligibility) -> Iterator[Candidates]:
    """Yield the candidates of each sample of a split, by sample id; memory is flat."""
    if ledger is not None:
        for _, group in groupby(ledger.annotations(split=split), key=lambda stored: stored.sample_id):
            yield candidates(group, eligibility)


def is_reviewed(stored: StoredAnnotation) -> bool:
    """Whether a reviewer accepted or edited this version."""
    return stored.status is AnnotationStatus.ACCEPTED


def reject(
    stored: StoredAnnotation, reason: CurateRejectReason, detail: str | None = None, checks: tuple[str, ...] = ()
) -> CurateReject:
    """Return the reject of an annotation."""
    return CurateReject(
        sample_id=stored.sample_id,
        split=stored.split,
        annotation_id=stored.id,
        annotation_version=stored.version,
        annotator=stored.annotator,
        reason=reason,
        checks=checks,
        detail=detail,
    )


def _refusal(stored: StoredAnnotation, wanted: Eligibility) -> tuple[CurateRejectReason, str | None] | None:
    said = stored.annotation
    if wanted.samples.find(stored.split, stored.sample_id) is None:
        gone = "its picture was replaced" if stored.sample_id in wanted.samples.replaced else "no such sample"
        return CurateRejectReason.NO_SAMPLE, gone
    if stored.state is not AnnotationState.SUBMITTED:
        return CurateRejectReason.NOT_SUBMITTED, ": ".join(filter(None, (stored.state.value, stored.reason)))
    if stored.status is AnnotationStatus.REJECTED:
        return CurateRejectReason.REJECTED, stored.decision.reason if stored.decision else None
    if wanted.require_accepted and not is_reviewed(stored):
        return CurateRejectReason.NOT_ACCEPTED, None
    if said is None or said.chain is None:
        if said is None or not (said.note or "").strip() or said.locatability_score is not None or said.scene_tags:
            return CurateRejectReason.NO_CHAIN, None
        if not wanted.notes:
            return CurateRejectReason.NOT_STANDARDISED, "free text, and --standardise is off"
    return None


def _rank(stored: StoredAnnotation) -> tuple[bool, bool, bool, int, str, str]:
    chain = stored.annotation.chain if stored.annotation else None
    return (
        not is_reviewed(stored),
        chain is None,
        bool(stored.flags),
        -len(chain.stages()) if chain else 0,
        stored.created_at or UNDATED,
        stored.id,
    )
