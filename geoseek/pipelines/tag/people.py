"""What annotators said about locatability and scene tags: one rating per sample and origin."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from geoseek.annotation import AnnotationState, Ledger, StoredAnnotation
from geoseek.pipelines.curate.samples import SampleTable
from geoseek.pipelines.curate.texts import clean_text
from geoseek.schemas import (
    Annotation,
    AnnotationStatus,
    Rating,
    SceneTag,
    Split,
    SubScores,
    TagAnswer,
    TagReject,
    TagRejectReason,
)

SampleKey = tuple[Split, str]
LONGEST_CLUE = 1_000
"""A main clue with more characters is no clue, and is left out of the rating."""

_HUMAN, _SYNTHETIC = "human", "synthetic"
_AUTHORS = (_HUMAN, "edited", "rule", _SYNTHETIC, "model")


@dataclass
class LedgerRatings:
    """The ratings of a ledger: `read = used + len(rejects)`.

    Attributes:
        ratings: By sample, the most human origin first.
        rejects: Annotations that do not count.
        read: Annotations of the splits.
        used: Of these, those behind a rating.
        long_clues: Main clues that were left out for their length.
    """

    ratings: dict[SampleKey, tuple[Rating, ...]] = field(default_factory=dict)
    rejects: list[TagReject] = field(default_factory=list)
    read: int = 0
    used: int = 0
    long_clues: int = 0


def read_ledger_ratings(
    ledger: Ledger | None, splits: Iterable[Split], samples: SampleTable, *, require_accepted: bool = False
) -> LedgerRatings:
    """Read the ratings of some splits.

    Of several ratings of a sample by one annotator the last counts. Those of different origin (people, models whose
    drafts people edited, drawn examples) are never mixed.

    Args:
        ledger: None where nothing was annotated yet.
        splits: Whose ratings.
        samples: The samples that there are.
        require_accepted: Only what a reviewer accepted or edited.
    """
    found = LedgerRatings()
    if ledger is None:
        return found
    for split in splits:
        for sample_id, group in groupby(ledger.annotations(split=split), key=lambda stored: stored.sample_id):
            usable: list[StoredAnnotation] = []
            for stored in group:
                found.read += 1
                refused = _refusal(stored, samples, require_accepted=require_accepted)
                if refused is None:
                    usable.append(stored)
                else:
                    found.rejects.append(_reject(stored, *refused))
            last, earlier = _last_of_each(usable)
            found.rejects += [_reject(stored, TagRejectReason.LATER_CHOSEN) for stored in earlier]
            found.used += len(last)
            if last:
                said = [stored.annotation for stored in last if stored.annotation is not None]
                found.long_clues += sum(len(clue) > LONGEST_CLUE for one in said for clue in one.main_clues)
                found.ratings[split, sample_id] = tuple(ratings_by_origin(said))
    return found


def ratings_by_origin(said: Sequence[Annotation]) -> Iterator[Rating]:
    """Yield a rating for each origin of some annotations of one sample, the most human one first."""
    ordered = sorted(said, key=lambda one: (_author_rank(origin := rating_origin(one)), origin, one.annotator))
    for origin, group in groupby(ordered, key=rating_origin):
        yield combine(origin, list(group))


def rating_origin(said: Annotation) -> str:
    """Return who wrote a rating: the least human origin of its score and its tags.

    What does not say where it comes from counts as synthetic, so that it never passes for a person's judgement.
    """
    given = {"locatability_score": said.locatability_score is not None, "scene_tags": bool(said.scene_tags)}
    origins = [said.provenance.get(name, _SYNTHETIC) for name, there in given.items() if there]
    return max(origins, key=lambda origin: (_author_rank(origin), origin), default=_SYNTHETIC)


def combine(origin: str, said: Sequence[Annotation]) -> Rating:
    """Return the common rating of several annotators: medians of the scores, the majority of each tag.

    Args:
        origin: Who they are.
        said: One annotation of each, in the order in which their main clues are to be listed.
    """
    answers = {
        tag: majority([TagAnswer(one.scene_tags[tag]) for one in said if tag in one.scene_tags]) for tag in SceneTag
    }
    return Rating(
        origin=origin,
        raters=len(said),
        locatability_score=median_in_halves(
            [one.locatability_score for one in said if one.locatability_score is not None]
        ),
        scene_tags=tags_with(answers, TagAnswer.YES),
        scene_tags_maybe=tags_with(answers, TagAnswer.MAYBE),
        scene_tags_no=tags_with(answers, TagAnswer.NO),
        sub_scores=SubScores(
            **{
                name: median_in_halves([one.sub_scores[name] for one in said if name in one.sub_scores])
                for name in SubScores.model_fields
            }
        ),
        main_clues=tidy_clues(clue for one in said for clue in one.main_clues),
    )


def median_in_halves(scores: Sequence[float]) -> float | None:
    """Return the median, rounded to halves; what lies in the middle of two halves goes to the lower one.

    >>> median_in_halves([6, 7, 9]), median_in_halves([6, 6.5]), median_in_halves([6.5, 7]), median_in_halves([])
    (7.0, 6.0, 6.5, None)
    """
    return math.ceil(2 * statistics.median(scores) - 0.5) / 2 if scores else None


def majority(answers: Sequence[TagAnswer]) -> TagAnswer | None:
    """Return the most frequent answer; `maybe` if there are several such, None if there is no answer.

    >>> majority([TagAnswer.YES, TagAnswer.YES, TagAnswer.NO]).value, majority([TagAnswer.YES, TagAnswer.NO]).value
    ('yes', 'maybe')
    """
    ranked = Counter(answers).most_common(2)
    if not ranked:
        return None
    return TagAnswer.MAYBE if len(ranked) == 2 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def tags_with(answers: Mapping[SceneTag, TagAnswer | None], wanted: TagAnswer) -> tuple[SceneTag, ...]:
    """Return the tags that have an answer, in their own order."""
    return tuple(tag for tag in SceneTag if answers.get(tag) is wanted)


def tidy_clues(clues: Iterable[str]) -> tuple[str, ...]:
    r"""Return clues without control characters, empty ones, overlong ones and repetitions.

    >>> tidy_clues(["red soil\x00", "", "Red soil", "palms"])
    ('red soil', 'palms')
    """
    kept: dict[str, str] = {}
    for clue in clues:
        text = clean_text(clue) if len(clue) <= LONGEST_CLUE else ""
        if text:
            kept.setdefault(text.casefold(), text)
    return tuple(kept.values())


def _refusal(
    stored: StoredAnnotation, samples: SampleTable, *, require_accepted: bool
) -> tuple[TagRejectReason, str | None] | None:
    said = stored.annotation
    if samples.find(stored.split, stored.sample_id) is None:
        gone = "its picture was replaced" if stored.sample_id in samples.replaced else "no such sample"
        return TagRejectReason.NO_SAMPLE, gone
    if stored.state is not AnnotationState.SUBMITTED:
        return TagRejectReason.NOT_SUBMITTED, stored.reason or stored.state.value
    if stored.status is AnnotationStatus.REJECTED:
        return TagRejectReason.REJECTED, stored.decision.reason if stored.decision else None
    if require_accepted and stored.status is not AnnotationStatus.ACCEPTED:
        return TagRejectReason.NOT_ACCEPTED, None
    if said is None or (said.locatability_score is None and not said.scene_tags):
        return TagRejectReason.NO_RATING, None
    return None


def _last_of_each(usable: Iterable[StoredAnnotation]) -> tuple[list[StoredAnnotation], list[StoredAnnotation]]:
    """Split into the last annotation of each annotator, and the earlier ones."""
    last: dict[str, StoredAnnotation] = {}
    earlier = []
    for stored in sorted(usable, key=lambda stored: (stored.updated_at or stored.created_at or "", stored.id)):
        if stored.annotator in last:
            earlier.append(last[stored.annotator])
        last[stored.annotator] = stored
    return list(last.values()), earlier


def _reject(stored: StoredAnnotation, reason: TagRejectReason, detail: str | None = None) -> TagReject:
    return TagReject(
        sample_id=stored.sample_id,
        split=stored.split,
        origin=stored.annotator,
        annotation_id=stored.id,
        reason=reason,
        fault=None,
        detail=detail,
    )


def _author_rank(origin: str) -> int:
    kind = "edited" if origin.endswith(", edited") else origin.partition(" ")[0]
    return _AUTHORS.index(kind) if kind in _AUTHORS else len(_AUTHORS)
