"""One annotation against the rules: pure functions of what was said and what is known about the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from geoseek.annotation.agreement import Answer, NameBook, SampleTruth
from geoseek.annotation.agreement.clues import normalise_clue
from geoseek.annotation.ledger import AnnotationState, Note, StoredAnnotation
from geoseek.annotation.review.leaks import find_leaks
from geoseek.annotation.review.rules import Rule
from geoseek.annotation.review.settings import PaceSettings, ReviewSettings
from geoseek.geo import Gazetteer, haversine_km, load_countries
from geoseek.schemas import Annotation, ChainOfThought, Stage, StageName

_UNFINISHED = {"half_stage", "no_country_stage", "empty_final_answer", "missing_score", "missing_tag"}
"""Problems of the decoder that the annotator can mend by completing the form."""
_ARTICLES = {"a", "an", "the", "some"}
_QUOTED = 5
"""Findings of one rule that are spelled out; the rest is counted."""


@dataclass(frozen=True)
class References:
    """What all annotations are held against.

    Attributes:
        settings: Thresholds and word lists.
        gazetteer: Where names lie.
        names: Which names mean the same.
    """

    settings: ReviewSettings
    gazetteer: Gazetteer
    names: NameBook

    @cached_property
    def generic_clues(self) -> frozenset[str]:
        """Clues that fit anywhere, as they are compared."""
        return frozenset(_bare_clue(clue) for clue in self.settings.clues.generic)


@dataclass(frozen=True)
class Similar:
    """An annotation whose reasoning nearly equals this one's.

    Attributes:
        annotation_id: Which.
        annotator: Who wrote it.
        similarity: 0..1.
    """

    annotation_id: str
    annotator: str
    similarity: float


@dataclass(frozen=True)
class Context:
    """What is known around one annotation.

    Attributes:
        truth: Where the picture was taken; None if the sample is not in the workspace.
        others: Annotations of the same sample by others that stand beside it (not rejected, not withdrawn).
        own_median_s: Median lead time of the annotator in seconds; None if there are too few.
        similar: Annotations with nearly the same reasoning.
    """

    truth: SampleTruth | None = None
    others: Sequence[StoredAnnotation] = ()
    own_median_s: float | None = None
    similar: Sequence[Similar] = ()


def check(stored: StoredAnnotation, context: Context, references: References) -> list[Note]:
    """Return what the rules find about an annotation: at most one note per rule, the gravest first."""
    case, ignored = _Case(stored, context, references), references.settings.ignore
    notes = []
    for rule, finder in _FINDERS.items():
        found = [] if rule in ignored else list(dict.fromkeys(finder(case)))
        if found:
            more = f" (and {len(found) - _QUOTED} more)" if len(found) > _QUOTED else ""
            notes.append(Note(rule.value, "; ".join(found[:_QUOTED]) + more))
    return notes


def chain_of(stored: StoredAnnotation) -> ChainOfThought | None:
    """Return the chain of an annotation, if it has one."""
    return stored.annotation.chain if stored.annotation else None


def own_reasoning(stored: StoredAnnotation) -> str:
    """Return all that an annotator argues with, as one text; the free note of a volunteer where there is no chain.

    Stages that were left as a model drafted them are no work of the annotator, and not part of it.
    """
    annotation, chain = stored.annotation, chain_of(stored)
    if annotation is None or chain is None:
        return (annotation.note or "") if annotation else ""
    return "\n".join(
        stage.reasoning
        for name, stage in chain.stages().items()
        if not _is_draft(annotation.provenance.get(f"chain.{name.value}", ""))
    )


def _is_draft(provenance: str) -> bool:
    return provenance.startswith("model ") and not provenance.endswith(", edited")


def median_pace(lead_times_s: Sequence[float], settings: PaceSettings) -> float | None:
    """Return the median lead time, or None if there are too few for one.

    >>> median_pace([100, 200, 600], PaceSettings(own_at_least=3)), median_pace([100], PaceSettings())
    (200, None)
    """
    return median(lead_times_s) if len(lead_times_s) >= settings.own_at_least else None


@dataclass(frozen=True)
class _Case:
    stored: StoredAnnotation
    context: Context
    references: References


def _leaks(case: _Case) -> Iterator[str]:
    settings = case.references.settings.leaks
    for where, text in _texts(case.stored.annotation):
        for leak in find_leaks(text, words=settings.words, map_hosts=settings.map_hosts):
            yield f"{leak!r} in {where}"


def _wrong_country(case: _Case) -> Iterator[str]:
    chain, truth = chain_of(case.stored), case.context.truth
    if chain is None or truth is None:
        return
    names = case.references.names
    answer = names.read(chain)
    if not names.names_country(answer, truth.country_code):
        yield f"concluded {chain.country.conclusion!r}; the sample lies in {_country_name(truth)}"
        return
    final = case.references.gazetteer.locate(chain.final_answer)
    if final.country_code not in ("", truth.country_code, answer.units.get(StageName.COUNTRY)):
        yield f"the final answer {chain.final_answer!r} names another country than {_country_name(truth)}"


def _country_name(truth: SampleTruth) -> str:
    countries = load_countries()
    return countries[truth.country_code].name if truth.country_code in countries else truth.country_code


def _low_agreement(case: _Case) -> Iterator[str]:
    own = chain_of(case.stored)
    pairs = [(other, chain) for other in case.context.others if (chain := chain_of(other))]
    if own is None or not pairs:
        return
    settings, names = case.references.settings.agreement, case.references.names
    answers = [names.read(own), *(names.read(chain) for _, chain in pairs)]
    classes = names.classes(answers)
    for level in map(StageName, settings.levels):
        mine, *theirs = classes[level]
        for (other, _), answer, said in zip(pairs, answers[1:], theirs, strict=True):
            if None not in (mine, said) and mine != said:
                yield f"{level}: {answers[0].names[level]!r}, but {other.annotator} says {answer.names[level]!r}"
    for (other, _), answer in zip(pairs, answers[1:], strict=True):
        gap_km = _apart_km(answers[0], answer)
        if gap_km is not None and gap_km > settings.apart_km:
            yield f"{gap_km:.0f} km from the place that {other.annotator} names"


def _apart_km(one: Answer, two: Answer) -> float | None:
    """Return the distance of two concluded places; None unless both name one, as centroids of regions say little."""
    if not all(StageName.PRECISE in answer.units for answer in (one, two)):
        return None
    if one.lat is None or one.lng is None or two.lat is None or two.lng is None:
        return None
    return float(haversine_km(one.lat, one.lng, two.lat, two.lng))


def _near_copy(case: _Case) -> Iterator[str]:
    for similar in case.context.similar:
        whose = (
            "an earlier one of their own" if similar.annotator == case.stored.annotator else f"{similar.annotator}'s"
        )
        yield f"{similar.similarity:.0%} like {whose}, {similar.annotation_id}"


def _quarantined(case: _Case) -> Iterator[str]:
    if case.stored.state is AnnotationState.QUARANTINED:
        yield case.stored.reason or "no reason was noted"


def _far_off(case: _Case) -> Iterator[str]:
    chain, truth, settings = chain_of(case.stored), case.context.truth, case.references.settings.truth
    if chain is None or truth is None:
        return
    answer = case.references.names.read(chain)
    limits = {StageName.REGION: settings.region_km, StageName.PRECISE: settings.place_km}
    for level, limit_km in limits.items():
        if limit_km is None or level not in answer.units:
            continue
        names = [name for at, name in answer.names.items() if list(StageName).index(at) <= list(StageName).index(level)]
        there = case.references.gazetteer.locate("; ".join(names))
        if there.lat is not None and there.lng is not None:
            gap_km = float(haversine_km(there.lat, there.lng, truth.lat, truth.lng))
            if gap_km > limit_km:
                yield f"{answer.names[level]!r} is {gap_km:.0f} km from the sample"


def _too_fast(case: _Case) -> Iterator[str]:
    settings, took_s, own_s = case.references.settings.pace, case.stored.lead_time_s, case.context.own_median_s
    if took_s is None or chain_of(case.stored) is None:
        return
    if took_s < settings.always_below_s:
        yield f"{took_s:.0f} s, below {settings.always_below_s:g} s"
    elif took_s < settings.floor_s and (own_s is None or took_s < settings.share_of_own_median * own_s):
        usual = "" if own_s is None else f"; {case.stored.annotator}'s median is {own_s:.0f} s"
        yield f"{took_s:.0f} s, below {settings.floor_s:g} s{usual}"


def _missing_clue(case: _Case) -> Iterator[str]:
    chain = chain_of(case.stored)
    for name, stage in chain.stages().items() if chain else ():
        if not any(_tells(clue, case.references) for clue in stage.clues):
            said = ", ".join(repr(clue) for clue in stage.clues)
            yield f"{name}: only {said}" if said else f"{name}: no clue"


def _tells(clue: str, references: References) -> bool:
    letters = sum(char.isalnum() for char in clue)
    enough = letters >= references.settings.clues.least_letters
    return enough and _bare_clue(clue) not in references.generic_clues


def _bare_clue(clue: str) -> str:
    return " ".join(word for word in normalise_clue(clue).split() if word not in _ARTICLES)


def _half_filled(case: _Case) -> Iterator[str]:
    yield from (problem.detail for problem in case.stored.problems if problem.code in _UNFINISHED)


_FINDERS: Mapping[Rule, Callable[[_Case], Iterator[str]]] = {
    Rule.LEAK: _leaks,
    Rule.WRONG_COUNTRY: _wrong_country,
    Rule.LOW_AGREEMENT: _low_agreement,
    Rule.NEAR_COPY: _near_copy,
    Rule.QUARANTINED: _quarantined,
    Rule.FAR_OFF: _far_off,
    Rule.TOO_FAST: _too_fast,
    Rule.MISSING_CLUE: _missing_clue,
    Rule.HALF_FILLED: _half_filled,
}


def _texts(annotation: Annotation | None) -> Iterator[tuple[str, str]]:
    """Yield every text of an annotation with the place where it stands."""
    if annotation is None:
        return
    if annotation.chain is not None:
        for name, stage in annotation.chain.stages().items():
            yield from _stage_texts(name, stage)
        yield "the final answer", annotation.chain.final_answer
    yield from (("the note of a clue box", box.note) for box in annotation.clue_boxes if box.note)
    yield from (("the main clues", clue) for clue in annotation.main_clues)
    if annotation.note:
        yield "the remark", annotation.note


def _stage_texts(name: StageName, stage: Stage) -> Iterator[tuple[str, str]]:
    yield from ((f"the {name} clues", clue) for clue in stage.clues)
    yield f"the {name} reasoning", stage.reasoning
    yield f"the {name} conclusion", stage.conclusion
