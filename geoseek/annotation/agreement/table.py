"""From annotations to figures of agreement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from geoseek.annotation.agreement.clues import Encode, embedded_overlap, fuzzy_jaccard, jaccard, mean_of_pairs
from geoseek.annotation.agreement.coefficients import (
    NO_ITEMS,
    Coefficient,
    Distance,
    Item,
    kappa,
    nominal_alpha,
    ordered_alpha,
    rated_twice,
    raw_agreement,
    spearman,
)
from geoseek.annotation.agreement.figures import (
    AgreementFigures,
    LevelFigures,
    SampleFigures,
    ScoreFigures,
    SpreadFigures,
    TagFigures,
)
from geoseek.annotation.agreement.names import Answer, NameBook
from geoseek.annotation.agreement.raters import OUTLIER_RULE, RaterNotes, annotator_figures
from geoseek.annotation.forms import Problem
from geoseek.annotation.ledger import AnnotationState, Purpose, StoredAnnotation
from geoseek.geo import Gazetteer, haversine_km
from geoseek.schemas import Annotation, SceneTag, StageName, TagAnswer

DISPUTED_FROM_KM = 200.0
"""Answers whose places lie farther apart are in dispute: the radius at which the field counts a region as found."""
HALF_FILLED = frozenset({Problem.HALF_STAGE.value, Problem.NO_COUNTRY_STAGE.value})
"""Remarks of the decoder that make an annotation count as half-filled."""

_TAG_ORDER = {TagAnswer.NO.value: 0, TagAnswer.MAYBE.value: 1, TagAnswer.YES.value: 2}


@dataclass(frozen=True)
class SampleTruth:
    """Where a photo was taken.

    Attributes:
        country_code: ISO 3166-1 alpha-2.
        lat: Latitude in degrees.
        lng: Longitude in degrees.
    """

    country_code: str
    lat: float
    lng: float


@dataclass(frozen=True)
class _Statement:
    """What one annotator says about one photo."""

    row: StoredAnnotation
    said: Annotation
    answer: Answer | None


_Photo = Mapping[str, _Statement]


def agreement(
    annotations: Iterable[StoredAnnotation],
    truth: Mapping[str, SampleTruth],
    *,
    gazetteer: Gazetteer,
    encode: Encode | None = None,
    embedding: str | None = None,
    no_embedding: str = "no embeddings were asked for",
) -> AgreementFigures:
    """Compare what several annotators say about the same photos.

    Only submitted annotations count, in the annotator's own words, whatever the review decided; leaving rejected or
    corrected work out would make agreement look better than it is. Of several by one annotator about a photo the last
    counts.

    Args:
        annotations: In any order; the figures do not depend on it.
        truth: Sample id -> where it was taken; samples that are missing count in no accuracy.
        gazetteer: Decides which names are equal, and where they lie.
        encode: Turns clues into unit vectors, for their overlap by meaning.
        embedding: Name of the model behind `encode`.
        no_embedding: Why there is none.

    Cost: about half a millisecond per annotation (reading its names).
    """
    book = NameBook(gazetteer)
    photos = _photos(annotations, book)
    shared = {key: photo for key, photo in photos.items() if len(photo) >= 2}
    answered = {
        key: {name: s.answer for name, s in photo.items() if s.answer is not None} for key, photo in shared.items()
    }
    classes = {key: book.classes(list(answers.values())) for key, answers in answered.items()}
    items = {
        level: [
            {name: value for name, value in zip(answered[key], found[level], strict=True) if value is not None}
            for key, found in classes.items()
        ]
        for level in StageName
    }
    samples = [
        _sample(key, photo, answered[key], {level: items[level][at] for level in StageName})
        for at, (key, photo) in enumerate(shared.items())
    ]
    samples.sort(key=lambda one: (one.same["country"] is not False, -(one.median_km or 0.0), one.sample_id))
    statements = list(shared.values())
    return AgreementFigures(
        annotations=sum(map(len, photos.values())),
        items=len(photos),
        shared_items=len(shared),
        levels=tuple(_level(level, items[level], statements, encode, no_embedding) for level in StageName),
        spread=_spread(samples, answered.values()),
        score=_score(statements),
        tags=tuple(_tag(tag.value, statements) for tag in SceneTag),
        annotators=annotator_figures(
            _notes(photos, truth, book), {level.value: rated for level, rated in items.items()}
        ),
        samples=tuple(samples),
        embedding=embedding,
        rule=OUTLIER_RULE,
    )


def _photos(annotations: Iterable[StoredAnnotation], book: NameBook) -> Mapping[tuple[str, str], _Photo]:
    """Return (split, sample) -> annotator -> statement, everything in order of its name."""
    last: dict[tuple[str, str, str], tuple[tuple[str, str], StoredAnnotation, Annotation]] = {}
    for row in annotations:
        said = row.said
        if row.state is not AnnotationState.SUBMITTED or row.purpose is not Purpose.ANNOTATE or said is None:
            continue
        place = row.split.value, row.sample_id, row.annotator
        when = (row.updated_at or row.created_at or row.seen_at, row.id)
        if place not in last or when > last[place][0]:
            last[place] = when, row, said
    photos: dict[tuple[str, str], dict[str, _Statement]] = {}
    for split, sample, annotator in sorted(last):
        _, row, said = last[split, sample, annotator]
        answer = None if said.chain is None else book.read(said.chain)
        photos.setdefault((split, sample), {})[annotator] = _Statement(row, said, answer)
    return photos


def _level(
    level: StageName,
    items: Sequence[Item],
    photos: Sequence[_Photo],
    encode: Encode | None,
    no_embedding: str,
) -> LevelFigures:
    clues = [
        [stages[level].clues for s in photo.values() if s.said.chain and level in (stages := s.said.chain.stages())]
        for photo in photos
    ]
    clues = [sets for sets in clues if len(sets) >= 2]
    meaning = Coefficient(None, 0, reason=no_embedding)
    if encode is not None:
        meaning = _mean(embedded_overlap(clues, encode))
    return LevelFigures(
        level=level.value,
        same=raw_agreement(items),
        alpha=nominal_alpha(items),
        kappa=kappa(items),
        clues=_mean([mean_of_pairs(sets, jaccard) for sets in clues]),
        clues_fuzzy=_mean([mean_of_pairs(sets, fuzzy_jaccard) for sets in clues]),
        clues_meaning=meaning,
    )


def _mean(values: Iterable[float | None]) -> Coefficient:
    known = [value for value in values if value is not None]
    if not known:
        return Coefficient(None, 0, reason=NO_ITEMS)
    return Coefficient(math.fsum(known) / len(known), len(known))


def _sample(
    key: tuple[str, str], photo: _Photo, answers: Mapping[str, Answer], named: Mapping[StageName, Item]
) -> SampleFigures:
    same = {level.value: len(set(item.values())) == 1 if len(item) >= 2 else None for level, item in named.items()}
    distances = _distances(answers.values())
    median = statistics.median(distances) if distances else None
    return SampleFigures(
        sample_id=key[1],
        split=key[0],
        answers={name: _shown(s) for name, s in photo.items() if s.answer is not None},
        same=same,
        median_km=median,
        max_km=max(distances, default=None),
        disputed=same[StageName.COUNTRY.value] is False or (median is not None and median >= DISPUTED_FROM_KM),
    )


def _shown(statement: _Statement) -> str:
    """Return the final answer, or what the stages conclude where it is missing."""
    chain, answer = statement.said.chain, statement.answer
    return (chain.final_answer if chain else "") or "; ".join(answer.names.values() if answer else ())


def _distances(answers: Iterable[Answer]) -> list[float]:
    places = [(answer.lat, answer.lng) for answer in answers if answer.lat is not None and answer.lng is not None]
    return [float(haversine_km(*a, *b)) for a, b in combinations(places, 2)]


def _spread(samples: Sequence[SampleFigures], answers: Iterable[Mapping[str, Answer]]) -> SpreadFigures:
    medians = [sample.median_km for sample in samples if sample.median_km is not None]
    unlocated = sum(answer.lat is None for one in answers for answer in one.values())
    if not medians:
        return SpreadFigures(0, None, None, None, unlocated)
    largest = max(sample.max_km for sample in samples if sample.max_km is not None)
    return SpreadFigures(
        len(medians), statistics.median(medians), float(np.percentile(medians, 90)), largest, unlocated
    )


def _score(photos: Iterable[_Photo]) -> ScoreFigures:
    items = [
        {name: score for name, s in photo.items() if (score := s.said.locatability_score) is not None}
        for photo in photos
    ]
    usable = rated_twice(items)
    differences = [statistics.fmean(abs(a - b) for a, b in combinations(item.values(), 2)) for item in usable]
    return ScoreFigures(
        kappa=kappa(items, Distance.SQUARED),
        alpha=ordered_alpha(items, "interval"),
        spearman=spearman(items),
        mean_difference=_mean(differences),
    )


def _tag(tag: str, photos: Iterable[_Photo]) -> TagFigures:
    items = [
        {name: s.said.scene_tags[tag] for name, s in photo.items() if tag in s.said.scene_tags} for photo in photos
    ]
    ordered = [{name: _TAG_ORDER[answer] for name, answer in item.items()} for item in items]
    return TagFigures(
        tag=tag,
        same=raw_agreement(items),
        kappa=kappa(items),
        kappa_ordered=kappa(ordered, Distance.SQUARED),
        alpha_ordered=ordered_alpha(ordered, "ordinal"),
    )


def _notes(
    photos: Mapping[tuple[str, str], _Photo], truth: Mapping[str, SampleTruth], book: NameBook
) -> dict[str, RaterNotes]:
    notes: dict[str, RaterNotes] = {}
    for (_, sample), photo in photos.items():
        where = truth.get(sample)
        for name, statement in photo.items():
            note = notes.setdefault(name, RaterNotes())
            note.annotations += 1
            note.shared += len(photo) >= 2
            note.complete += not any(problem.code in HALF_FILLED for problem in statement.row.problems)
            if statement.row.lead_time_s is not None:
                note.lead_times_s.append(statement.row.lead_time_s)
            answer = statement.answer
            if where is None or answer is None:
                continue
            if StageName.COUNTRY in answer.names:
                note.judged += 1
                note.right += book.names_country(answer, where.country_code)
            if answer.lat is not None and answer.lng is not None:
                note.errors_km.append(float(haversine_km(where.lat, where.lng, answer.lat, answer.lng)))
    return notes
