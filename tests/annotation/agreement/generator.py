"""A ledger's worth of annotations by people whose error rates are known."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from geoseek.annotation.agreement import SampleTruth
from geoseek.annotation.ledger import (
    AnnotationState,
    Decision,
    Ledger,
    NewAnnotation,
    Note,
    Purpose,
    StoredAnnotation,
    Task,
    TaskState,
    Verdict,
)
from geoseek.schemas import Annotation, AnnotationStatus, ChainOfThought, SceneTag, Split, Stage, Uncertainty

PLACES: tuple[tuple[str, str, str, str, float, float], ...] = (
    ("FR", "France", "Brittany", "Brest", 48.39, -4.486),
    ("FR", "France", "Occitanie", "Toulouse", 43.604, 1.444),
    ("DE", "Germany", "Bavaria", "Munich", 48.137, 11.575),
    ("DE", "Germany", "Hesse", "Kassel", 51.317, 9.5),
    ("JP", "Japan", "Hokkaido", "Sapporo", 43.064, 141.347),
    ("BR", "Brazil", "Bahia", "Salvador", -12.971, -38.511),
    ("KE", "Kenya", "Mombasa", "Mombasa", -4.055, 39.664),
    ("US", "United States", "Texas", "Austin", 30.267, -97.743),
    ("US", "United States", "Ohio", "Columbus", 39.961, -82.999),
    ("IN", "India", "Kerala", "Kochi", 9.939, 76.26),
)
OTHER_NAMES: Mapping[str, Sequence[str]] = {
    "France": ("France", "Frankreich", "FR", "Франция"),
    "Germany": ("Germany", "Deutschland", "Allemagne", "ドイツ"),
    "Japan": ("Japan", "日本", "Japón"),
    "Munich": ("Munich", "München", "Мюнхен"),
    "Bavaria": ("Bavaria", "Bayern", "Bavière"),
    "Brittany": ("Brittany", "Bretagne"),
}
CLUES = ("yellow centre line", "red soil", "concrete poles", "blue distance sign", "palm trees", "left-hand traffic")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """An annotator who is wrong about the country, or careless, with known rates."""

    name: str
    wrong: float = 0.0
    half_filled: float = 0.0
    seconds: float = 300.0


@dataclass(frozen=True)
class World:
    """Annotations and the truth behind them."""

    rows: list[StoredAnnotation]
    truth: dict[str, SampleTruth]


def make_world(
    people: Sequence[Person], *, samples: int, overlap: int, seed: int, split: Split = Split.VAL, translate: bool = True
) -> World:
    """Give every photo to `overlap` people in turn; they answer in one of the names of the place."""
    rng = random.Random(seed)  # noqa: S311 - equal seeds, equal worlds
    rows: list[StoredAnnotation] = []
    truth: dict[str, SampleTruth] = {}
    for number in range(samples):
        sample_id = f"pool:{number:05d}"
        place = PLACES[number % len(PLACES)]
        truth[sample_id] = SampleTruth(place[0], place[4], place[5])
        score = rng.randrange(0, 21) / 2
        chosen = rng.sample(list(people), overlap)
        for person in chosen:
            said = place
            if rng.random() < person.wrong:
                said = rng.choice([other for other in PLACES if other[0] != place[0]])
            names = [_translated(rng, name) if translate else name for name in said[1:4]]
            rows.append(_row(rng, person, sample_id, split, names, score, len(rows)))
    rng.shuffle(rows)
    return World(rows, truth)


def _translated(rng: random.Random, name: str) -> str:
    return rng.choice(OTHER_NAMES.get(name, (name,)))


def _row(
    rng: random.Random, person: Person, sample_id: str, split: Split, names: Sequence[str], score: float, number: int
) -> StoredAnnotation:
    clues = tuple(CLUES[:3])
    country, region, precise = (
        Stage(clues=clues, reasoning="Because of the clues.", conclusion=name, uncertainty=Uncertainty.LOW)
        for name in names
    )
    half = rng.random() < person.half_filled
    made = START + timedelta(hours=number)
    annotation = Annotation(
        id=f"test:{number}",
        version=1,
        sample_id=sample_id,
        split=split,
        annotator=person.name,
        status=AnnotationStatus.SUBMITTED,
        chain=ChainOfThought(
            country=country, region=region, precise=None if half else precise, final_answer="; ".join(names)
        ),
        clue_boxes=(),
        locatability_score=score,
        scene_tags={
            tag.value: ("yes", "no", "maybe")[(number_of(sample_id) + at) % 3] for at, tag in enumerate(SceneTag)
        },
        sub_scores={},
        main_clues=(),
        note=None,
        language=None,
        config_version=1,
        handbook_version=1,
        lead_time_s=person.seconds,
        created_at=made.isoformat(),
        updated_at=made.isoformat(),
        provenance={"chain": "human"},
    )
    return stored(annotation, problems=(Note("half_stage", "precise: no reasoning"),) if half else ())


def number_of(sample_id: str) -> int:
    """Return the number in a sample's id."""
    return int(sample_id.rpartition(":")[2])


def stored(annotation: Annotation, *, problems: tuple[Note, ...] = ()) -> StoredAnnotation:
    """Return an annotation as the ledger hands it out."""
    return StoredAnnotation(
        id=annotation.id,
        version=annotation.version,
        purpose=Purpose.ANNOTATE,
        task_key=None,
        sample_id=annotation.sample_id,
        split=annotation.split,
        annotator=annotation.annotator,
        state=AnnotationState.SUBMITTED,
        reason=None,
        problems=problems,
        digest=annotation.id,
        lead_time_s=annotation.lead_time_s,
        created_at=annotation.created_at,
        updated_at=annotation.updated_at,
        origin="test",
        seen_at=annotation.updated_at or "",
        annotation=annotation,
        flags=(),
        decision=None,
    )


@dataclass(frozen=True)
class Review:
    """How the reviewer treats the work: shares of it."""

    flagged: float = 0.1
    accepted: float = 0.6
    rejected: float = 0.05


def fill_ledger(ledger: Ledger, world: World, *, open_share: float, seed: int, review: Review | None = None) -> None:
    """Put a world into a ledger: tasks for everything, annotations for most, decisions for some."""
    rng = random.Random(seed)  # noqa: S311 - equal seeds, equal ledgers
    people = sorted({row.annotator for row in world.rows})
    rows = sorted(world.rows, key=lambda row: row.created_at or "")
    with ledger.transaction():
        for name in people:
            ledger.add_annotator(name)
        projects = {
            (name, split): ledger.put_project(
                "local",
                number,
                purpose=Purpose.ANNOTATE,
                annotator=name,
                split=split,
                config_version=1,
                handbook_version=1,
            )
            for number, (split, name) in enumerate(itertools.product(sorted({r.split for r in rows}), people), 1)
        }
        ledger.plan_tasks(
            Task(f"key-{row.id}", Purpose.ANNOTATE, row.sample_id, row.split, "FR", row.annotator, TaskState.PLANNED)
            for row in rows
        )
        ledger.mark_pushed(
            (f"key-{row.id}", projects[row.annotator, row.split].id, number, "digest")
            for number, row in enumerate(rows, 1)
        )
        for row in rows[: round(len(rows) * (1 - open_share))]:
            _work(ledger, row, rng)
            if review is not None:
                _decide(ledger, row, rng, review)


def _work(ledger: Ledger, row: StoredAnnotation, rng: random.Random) -> None:
    skipped = rng.random() < 0.04
    ledger.add_annotation(
        NewAnnotation(
            id=row.id,
            purpose=row.purpose,
            task_key=f"key-{row.id}",
            sample_id=row.sample_id,
            split=row.split,
            annotator=row.annotator,
            state=AnnotationState.SKIPPED if skipped else AnnotationState.SUBMITTED,
            digest=row.digest,
            origin="local",
            raw="{}",
            annotation=None if skipped else row.annotation,
            problems=row.problems,
            lead_time_s=row.lead_time_s,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
    )


def _decide(ledger: Ledger, row: StoredAnnotation, rng: random.Random, review: Review) -> None:
    dice = rng.random()
    if dice < review.flagged:
        ledger.set_flags(row.id, 1, [Note("country_differs", "says France, lies in Germany")])
    elif dice < review.flagged + review.rejected:
        ledger.add_decision(Decision(row.id, 1, Verdict.REJECTED, "lead", reason="wrong", consequence="queue"))
    elif dice < review.flagged + review.rejected + review.accepted:
        ledger.add_decision(Decision(row.id, 1, Verdict.ACCEPTED, "lead"))
