"""Annotations for the tests of the review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from geoseek.annotation.ledger import AnnotationState, Decision, NewAnnotation, Note, Purpose, StoredAnnotation
from geoseek.schemas import Annotation, AnnotationStatus, ChainOfThought, Split, Stage, Uncertainty

REASONS = {
    "country": (
        "The distance sign names towns in Spanish and the plates are white with green edges, which leaves Mexico; "
        "Guatemala would show blue plates, and Spain would have a broken white line at the edge of the road."
    ),
    "region": "Agaves on dry hills at this height grow in the central highlands, and the houses have flat roofs.",
    "precise": "The sign gives twelve kilometres to San Juan del Río, so this is the federal road east of it.",
}


def stage(conclusion: str, *, clues: Sequence[str] = ("blue distance sign",), reasoning: str | None = None) -> Stage:
    """Return a stage with plausible words."""
    words = REASONS["country"] if reasoning is None else reasoning
    return Stage(clues=tuple(clues), reasoning=words, conclusion=conclusion, uncertainty=Uncertainty.MODERATE)


def chain(
    country: str = "Mexico",
    region: str | None = None,
    precise: str | None = None,
    *,
    answer: str | None = None,
    clues: Sequence[str] = ("blue distance sign",),
    reasoning: str | None = None,
) -> ChainOfThought:
    """Return a chain that concludes these names."""
    return ChainOfThought(
        country=stage(country, clues=clues, reasoning=reasoning),
        region=None if region is None else stage(region, clues=("agaves on dry hills",), reasoning=REASONS["region"]),
        precise=None if precise is None else stage(precise, clues=("sign: San Juan 12",), reasoning=REASONS["precise"]),
        final_answer="; ".join(name for name in (country, region, precise) if name) if answer is None else answer,
    )


def annotation(
    number: int,
    said: ChainOfThought | None,
    *,
    annotator: str = "ana",
    sample_id: str = "pool:1",
    split: Split = Split.COT,
    **fields: Any,
) -> Annotation:
    """Return the record of an annotation."""
    values: dict[str, Any] = {
        "id": f"studio:local:{number}",
        "version": 1,
        "sample_id": sample_id,
        "split": split,
        "annotator": annotator,
        "status": AnnotationStatus.SUBMITTED,
        "chain": said,
        "clue_boxes": (),
        "locatability_score": None,
        "scene_tags": {},
        "sub_scores": {},
        "main_clues": (),
        "note": None,
        "language": None,
        "config_version": 1,
        "handbook_version": 1,
        "lead_time_s": 240.0,
        "created_at": f"2026-03-02T08:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "updated_at": f"2026-03-02T08:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "provenance": {
            "chain.country": "human",
            "chain.region": "human",
            "chain.precise": "human",
            "chain.final_answer": "human",
            "picture": "photo",
        },
    }
    return Annotation.model_validate(values | fields)


def stored(
    number: int,
    said: ChainOfThought | None,
    *,
    state: AnnotationState = AnnotationState.SUBMITTED,
    reason: str | None = None,
    problems: tuple[Note, ...] = (),
    flags: tuple[Note, ...] = (),
    decision: Decision | None = None,
    **fields: Any,
) -> StoredAnnotation:
    """Return an annotation as the ledger hands it out."""
    record = annotation(number, said, **fields)
    return StoredAnnotation(
        id=record.id,
        version=record.version,
        purpose=Purpose.ANNOTATE,
        task_key=None,
        sample_id=record.sample_id,
        split=record.split,
        annotator=record.annotator,
        state=state,
        reason=reason,
        problems=problems,
        digest=record.id,
        lead_time_s=record.lead_time_s,
        created_at=record.created_at,
        updated_at=record.updated_at,
        origin="local",
        seen_at=record.updated_at or "",
        annotation=record,
        flags=flags,
        decision=decision,
    )


def new(row: StoredAnnotation) -> NewAnnotation:
    """Return an annotation as it comes from the server."""
    return NewAnnotation(
        id=row.id,
        purpose=row.purpose,
        task_key=row.task_key,
        sample_id=row.sample_id,
        split=row.split,
        annotator=row.annotator,
        state=row.state,
        digest=f"{row.digest} {hash(repr(row.annotation))}",
        origin=row.origin,
        raw="{}",
        annotation=row.annotation,
        reason=row.reason,
        problems=row.problems,
        lead_time_s=row.lead_time_s,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def with_version(row: StoredAnnotation, version: int) -> StoredAnnotation:
    """Return the same annotation as another version of it."""
    return replace(row, version=version)
