"""Which samples are in dispute, and how their chains stand side by side: anonymous, in an order that tells nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from geoseek.annotation.agreement import NameBook
from geoseek.annotation.ledger import StoredAnnotation
from geoseek.annotation.review.checks import chain_of
from geoseek.annotation.review.rules import Rule
from geoseek.annotation.review.run import stands
from geoseek.schemas import ChainOfThought, Split, StageName

MOST_RIVALS = len(ascii_uppercase)


@dataclass(frozen=True)
class Rival:
    """One of the competing annotations.

    Attributes:
        letter: A, B, ...: its name on the page.
        ref: Opaque name of this version of it.
        stored: The annotation.
        chain: Its chain.
    """

    letter: str
    ref: str
    stored: StoredAnnotation
    chain: ChainOfThought


@dataclass(frozen=True)
class Dispute:
    """A sample whose annotations compete.

    Attributes:
        sample_id: Id of the sample.
        split: Its split.
        rivals: At least two, by letter.
        base: The one that a text of one's own starts from: the first of the most common answer.
        differing: Stages at which the conclusions differ.
    """

    sample_id: str
    split: Split
    rivals: tuple[Rival, ...]
    base: Rival
    differing: frozenset[StageName]


def find_disputes(
    rows: Iterable[StoredAnnotation],
    names: NameBook,
    make_ref: Callable[[str, int], str],
    *,
    overlapping: bool = False,
) -> list[Dispute]:
    """Find the samples that somebody should decide on, looking at all chains at once.

    A sample is in dispute if two or more chains stand, one of them undecided, and either a rule found low agreement or
    they conclude different names at some stage.

    Args:
        rows: The last version of every annotation.
        names: Which names mean the same.
        make_ref: Annotation id, version -> opaque name; also decides the order of the letters.
        overlapping: Also take samples whose chains agree, to choose the better one.

    Returns:
        By sample.
    """
    by_sample: dict[tuple[str, Split], list[StoredAnnotation]] = defaultdict(list)
    for row in rows:
        if stands(row) and chain_of(row) is not None:
            by_sample[row.sample_id, row.split].append(row)
    disputes = []
    for (sample_id, split), group in sorted(by_sample.items()):
        if not 2 <= len(group) <= MOST_RIVALS or all(row.decision for row in group):
            continue
        dispute = _dispute(sample_id, split, group, names, make_ref)
        flagged = any(note.code == Rule.LOW_AGREEMENT for row in group for note in row.flags)
        if overlapping or flagged or dispute.differing:
            disputes.append(dispute)
    return disputes


def _dispute(
    sample_id: str,
    split: Split,
    group: Sequence[StoredAnnotation],
    names: NameBook,
    make_ref: Callable[[str, int], str],
) -> Dispute:
    ordered = sorted(((make_ref(row.id, row.version), row) for row in group), key=lambda pair: pair[0])
    rivals = tuple(
        Rival(letter, ref, row, chain)
        for letter, (ref, row) in zip(ascii_uppercase, ordered, strict=False)
        if (chain := chain_of(row)) is not None
    )
    classes = names.classes([names.read(rival.chain) for rival in rivals])
    differing = {level for level in StageName if len({said for said in classes[level] if said is not None}) > 1}
    answers = list(zip(*(classes[level] for level in StageName), strict=True))
    return Dispute(sample_id, split, rivals, rivals[_most_supported(answers, rivals)], frozenset(differing))


def _most_supported(answers: Sequence[tuple[str | None, ...]], rivals: Sequence[Rival]) -> int:
    """Return whose country most others name, then whose region, then whose place; the earliest of equals."""
    supporters = Counter(answer[:depth] for answer in answers for depth in range(1, len(answer) + 1))

    def rank(at: int) -> tuple[list[int], str, str]:
        support = [-supporters[answers[at][:depth]] for depth in range(1, len(answers[at]) + 1)]
        return support, rivals[at].stored.created_at or "", rivals[at].letter

    return min(range(len(rivals)), key=rank)
