"""What a push changes in the ledger: tasks to add and tasks to take back. Pure, so that `--dry-run` is the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from geoseek.annotation.ledger import AnnotationState, Purpose, StoredAnnotation, Task, TaskState, Verdict
from geoseek.annotation.projects.blind import Blinder
from geoseek.annotation.push.assign import Assignment, Subject, assign, first_samples, surplus
from geoseek.schemas import Split

LEFT = "the sample left the split"
REPLACED = "rejected in the review: the sample is replaced from the reserve"
REBALANCED = "given to somebody else"
DELETED = "deleted on the server"


@dataclass(frozen=True)
class Work:
    """What the ledger knows about the annotations of a task.

    Attributes:
        there: There is one that was not deleted.
        rejected: Some were sent back to the queue, and there is none that was not.
        to_reserve: It was rejected together with its sample.
    """

    there: bool
    rejected: bool
    to_reserve: bool


def work_by_task(annotations: Iterable[StoredAnnotation]) -> dict[str, Work]:
    """Sum up the last versions of annotations by the key of their task; quarantined ones do not count."""
    verdicts: dict[str, list[str]] = {}
    for stored in annotations:
        if stored.task_key is None or stored.state is AnnotationState.QUARANTINED:
            continue
        known = verdicts.setdefault(stored.task_key, [])
        if stored.state is not AnnotationState.DELETED:
            decision = stored.decision
            rejected = decision is not None and decision.verdict is Verdict.REJECTED
            known.append((decision.consequence if decision and rejected else None) or "good")
    return {
        key: Work(bool(known), "queue" in known and "good" not in known, "reserve" in known)
        for key, known in verdicts.items()
    }


@dataclass(frozen=True)
class Wishes:
    """How samples are to be given out.

    Attributes:
        annotators: Who takes new work.
        active: Everybody who still works; tasks of others are given away by a rebalance.
        limit: How many samples of a split in all; None for all of them.
        overlap_share: Share of the samples that several people annotate.
        overlap: How many.
        seed: Of the workspace.
    """

    annotators: tuple[str, ...]
    active: frozenset[str]
    limit: int | None
    overlap_share: float
    overlap: int
    seed: int


@dataclass(frozen=True)
class SplitPlan:
    """What changes in a split.

    Attributes:
        split: The split.
        new: Tasks to plan, or to plan again.
        retire: Key -> why the task is taken back.
        kept: Tasks that stay as they are.
        given: Samples that somebody has then.
        to_reserve: Samples that were rejected in the review and are members still.
        short_of_people: Samples that several people shall annotate, and for which there are too few.
    """

    split: Split
    new: tuple[Task, ...]
    retire: Mapping[str, str]
    kept: int
    given: frozenset[str]
    to_reserve: tuple[Subject, ...]
    short_of_people: int


def plan_split(
    split: Split,
    subjects: Sequence[Subject],
    tasks: Iterable[Task],
    work: Mapping[str, Work],
    wishes: Wishes,
    blinder: Blinder,
    *,
    begun: Collection[str] | None = None,
) -> SplitPlan:
    """Compare what should be given out with what was.

    Args:
        split: The split.
        subjects: Its members.
        tasks: All its tasks in the ledger, retired ones too.
        work: See `work_by_task`.
        wishes: How samples are to be given out.
        blinder: Makes the keys.
        begun: Keys of tasks that somebody has begun, if the others may be given to other people; None if not.
    """
    tasks = list(tasks)
    dead = {task.sample_id for task in tasks if task.key in work and work[task.key].to_reserve}
    members = {subject.id: subject for subject in subjects}
    alive = [subject for subject in subjects if subject.id not in dead]
    retire: dict[str, str] = {}
    held: dict[str, Assignment] = {}
    again: list[Task] = []
    for task in tasks:
        if task.state is not TaskState.RETIRED:
            if task.sample_id in dead or task.sample_id not in members:
                retire[task.key] = REPLACED if task.sample_id in dead else LEFT
            else:
                held[task.key] = _assignment(task, work)
        elif task.sample_id in members and task.sample_id not in dead and task.key in work:
            held[task.key] = _assignment(task, work)
            if task.retired_reason != DELETED:
                again.append(task)
    movable = _movable(tasks, held, wishes, begun)
    back = surplus(list(held.values()), list(movable), wishes.annotators, seed=wishes.seed)
    for one in back:
        retire[movable[one]] = REBALANCED
        del held[movable[one]]
    wanted = first_samples(alive, wishes.limit, wishes.seed, {one.sample_id for one in held.values()})
    fresh = assign(
        wanted,
        wishes.annotators,
        overlap_share=wishes.overlap_share,
        overlap=wishes.overlap,
        seed=wishes.seed,
        existing=held.values(),
    )
    new = {task.key: task for task in (*again, *(_task(one, split, blinder) for one in fresh))}
    unmoved = new.keys() & {key for key, reason in retire.items() if reason == REBALANCED}
    return SplitPlan(
        split,
        tuple(task for key, task in sorted(new.items()) if key not in unmoved),
        {key: reason for key, reason in sorted(retire.items()) if key not in unmoved},
        kept=sum(task.state is not TaskState.RETIRED for task in tasks) - len(retire) + len(unmoved),
        given=frozenset(one.sample_id for one in (*held.values(), *fresh)),
        to_reserve=tuple(members[id_] for id_ in sorted(dead & members.keys())),
        short_of_people=_short_of_people(len(wanted), [*held.values(), *fresh], wishes),
    )


def _short_of_people(samples: int, given: Iterable[Assignment], wishes: Wishes) -> int:
    people = Counter(one.sample_id for one in given if not one.spent)
    satisfied = sum(count >= wishes.overlap for count in people.values())
    return max(0, int(samples * wishes.overlap_share + 0.5) - satisfied) if wishes.overlap > 1 else 0


def _assignment(task: Task, work: Mapping[str, Work]) -> Assignment:
    done = work.get(task.key)
    gone = done is not None and not done.there and task.state is TaskState.RETIRED
    spent = done is not None and (done.rejected or gone)
    return Assignment(task.sample_id, task.stratum, task.annotator, task.round, spent=spent)


def _movable(
    tasks: Iterable[Task], held: Mapping[str, Assignment], wishes: Wishes, begun: Collection[str] | None
) -> dict[Assignment, str]:
    """Return the assignments that a rebalance may take back, with the keys of their tasks."""
    if begun is None:
        return {}
    return {
        held[task.key]: task.key
        for task in tasks
        if task.state is not TaskState.RETIRED
        and task.key in held
        and task.key not in begun
        and (task.annotator in wishes.annotators or task.annotator not in wishes.active)
    }


def _task(one: Assignment, split: Split, blinder: Blinder) -> Task:
    key = blinder.task_key(one.sample_id, split, one.annotator, round_=one.round, purpose=Purpose.ANNOTATE)
    return Task(
        key, Purpose.ANNOTATE, one.sample_id, split, one.stratum, one.annotator, TaskState.PLANNED, round=one.round
    )
