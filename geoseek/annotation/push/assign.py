"""Who annotates what: a pure function of the samples, the annotators and what was given out before."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from geoseek.workspace import stable_digest


@dataclass(frozen=True)
class Subject:
    """A sample as far as assignment needs it."""

    id: str
    stratum: str


@dataclass(frozen=True)
class Assignment:
    """A sample that an annotator has.

    Attributes:
        sample_id: Id of the sample.
        stratum: Its stratum.
        annotator: Pseudonym.
        round: 2, 3, ... where the same annotator gets it again.
        spent: The work was rejected or deleted: it counts as load, but not as done.
    """

    sample_id: str
    stratum: str
    annotator: str
    round: int = 1
    spent: bool = False


def assign(
    samples: Sequence[Subject],
    annotators: Collection[str],
    *,
    overlap_share: float,
    overlap: int,
    seed: int,
    existing: Iterable[Assignment] = (),
) -> list[Assignment]:
    """Return the assignments that are missing; those that exist are never moved.

    `overlap_share` of the samples (to the nearest whole number, and in every stratum to within one) are given to
    `overlap` annotators, all others to one. Whoever has the fewest samples of the stratum gets the next one, among
    equals whoever has the fewest in all; so the loads, from nothing, differ by at most one inside each stratum and in
    all. Nobody gets a sample twice, unless the work was rejected and there is nobody else.

    Args:
        samples: All samples of one split that are to be annotated, in any order.
        annotators: Who takes new work.
        overlap_share: 0..1.
        overlap: Annotators for each of those samples; as many as there are if fewer.
        seed: Of the workspace.
        existing: What was given out; that of others than `annotators` counts too.

    Returns:
        New assignments, by sample id and annotator.
    """
    had: dict[str, list[Assignment]] = defaultdict(list)
    loads = _Loads(seed)
    for assignment in existing:
        had[assignment.sample_id].append(assignment)
        loads.add(assignment)
    live = {sample.id: sum(not one.spent for one in had[sample.id]) for sample in samples}
    order = {sample.id: _order(seed, sample.id) for sample in samples}
    several = _overlapping(samples, live, overlap_share if overlap > 1 else 0.0, order)
    new: list[Assignment] = []
    for sample in sorted(samples, key=lambda sample: (sample.stratum, order[sample.id])):
        wanted = overlap if sample.id in several else 1
        for annotator, round_ in _candidates(sample, annotators, had[sample.id], loads):
            if live[sample.id] >= wanted:
                break
            assignment = Assignment(sample.id, sample.stratum, annotator, round_)
            loads.add(assignment)
            new.append(assignment)
            live[sample.id] += 1
    return sorted(new, key=lambda one: (one.sample_id, one.annotator))


def first_samples(samples: Iterable[Subject], limit: int | None, seed: int, taken: Collection[str]) -> list[Subject]:
    """Return the samples to work on when only so many are wanted: those taken already, then a random selection.

    The selection does not depend on what else is in the split, so a later, larger limit only adds.

    Args:
        samples: All samples of a split.
        limit: How many in all; None for no limit. What is taken is never given up.
        seed: Of the workspace.
        taken: Ids of samples that were given out.
    """
    if limit is None:
        return list(samples)
    ordered = sorted(samples, key=lambda sample: (sample.id not in taken, _order(seed, sample.id)))
    known = sum(sample.id in taken for sample in ordered)
    return ordered[: max(limit, known)]


def surplus(
    existing: Sequence[Assignment], movable: Collection[Assignment], annotators: Collection[str], *, seed: int
) -> list[Assignment]:
    """Return assignments to take back so that `assign` can even the loads out.

    Everything movable of people who take no more work, and from everybody above the even share as much as is above
    it, first where that person has most of a stratum.

    Args:
        existing: What was given out.
        movable: Those of them that nobody has begun.
        annotators: Who takes work.
        seed: Of the workspace.
    """
    loads = Counter(one.annotator for one in existing)
    strata = Counter((one.annotator, one.stratum) for one in existing)
    free: dict[str, dict[str, list[Assignment]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted(movable, key=lambda one: _order(seed, one.sample_id)):
        free[one.annotator][one.stratum].append(one)
    leaving = sum(one.annotator not in annotators for one in movable)
    even_share = -(-(sum(loads[name] for name in annotators) + leaving) // max(1, len(annotators)))
    back: list[Assignment] = []
    for name, mine in sorted(free.items()):
        allowed = even_share if name in annotators else 0
        while loads[name] > allowed and mine:
            fullest = max(mine, key=lambda stratum: (strata[name, stratum], stratum))
            back.append(mine[fullest].pop())
            if not mine[fullest]:
                del mine[fullest]
            loads[name] -= 1
            strata[name, fullest] -= 1
    return back


@dataclass
class _Loads:
    """How much everybody has."""

    seed: int
    total: Counter[str] = field(default_factory=Counter)
    of_stratum: Counter[tuple[str, str]] = field(default_factory=Counter)
    ties: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, assignment: Assignment) -> None:
        self.total[assignment.annotator] += 1
        self.of_stratum[assignment.stratum, assignment.annotator] += 1

    def order(self, stratum: str, annotator: str) -> tuple[int, int, str]:
        place = (stratum, annotator)
        if place not in self.ties:
            # Who stands beside whom differs between strata, so that overlapping pairs are mixed.
            self.ties[place] = stable_digest([self.seed, "annotator", stratum, annotator])
        return self.of_stratum[place], self.total[annotator], self.ties[place]


def _candidates(
    sample: Subject, annotators: Collection[str], had: Sequence[Assignment], loads: _Loads
) -> Iterator[tuple[str, int]]:
    """Yield who could take a sample, best first, and in which round."""
    before: dict[str, int] = {}
    for one in had:
        before[one.annotator] = max(before.get(one.annotator, 0), one.round)
    holding = {one.annotator for one in had if not one.spent}
    free = [name for name in annotators if name not in holding]
    free.sort(key=lambda name: (name in before, loads.order(sample.stratum, name)))
    yield from ((name, before.get(name, 0) + 1) for name in free)


def _overlapping(
    samples: Sequence[Subject], live: Mapping[str, int], share: float, order: Mapping[str, bytes]
) -> set[str]:
    """Choose the samples that several people annotate, beside those that several have already."""
    chosen = {sample.id for sample in samples if live[sample.id] > 1}
    strata: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        strata[sample.stratum].append(sample.id)
    seen, open_places = 0, []
    for _, ids in sorted(strata.items()):
        quota = _rounded((seen + len(ids)) * share) - _rounded(seen * share)
        seen += len(ids)
        room = quota - sum(id_ in chosen for id_ in ids)
        free = sorted((id_ for id_ in ids if id_ not in chosen), key=order.__getitem__)
        open_places += list(enumerate(free[: max(0, room)]))
    missing = max(0, _rounded(len(samples) * share) - len(chosen))
    open_places.sort(key=lambda place: (place[0], order[place[1]]))
    return chosen | {id_ for _, id_ in open_places[:missing]}


def _rounded(value: float) -> int:
    return int(value + 0.5)


def _order(seed: int, sample_id: str) -> bytes:
    return hashlib.sha256(f"annotate {seed} {sample_id}".encode()).digest()
