"""Which samples of each split are alive: a pure function of the draw and of what became of each picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from geoseek.media.examine import Failure, Outcome, Picture
from geoseek.media.perceptual import HashTable, PerceptualHash, near_pairs
from geoseek.schemas import ImageRejectReason, Split


@dataclass(frozen=True)
class Entry:
    """A drawn or reserve row.

    Attributes:
        id: Id of the sample.
        split: Its split.
        stratum: Its country.
        rank: Its rank inside (split, stratum).
        drawn: It belongs to the sample; false for reserve rows.
    """

    id: str
    split: Split
    stratum: str
    rank: int
    drawn: bool

    @property
    def order(self) -> tuple[int, str, bool, int, str]:
        """Return the sort key: earlier split, then country, then drawn rows and reserve by rank."""
        return list(Split).index(self.split), self.stratum, not self.drawn, self.rank, self.id


@dataclass(frozen=True)
class Member:
    """An entry that is alive, and for which drawn row it stands in, if it is a reserve row."""

    entry: Entry
    replaces: str | None


@dataclass(frozen=True)
class Rejected:
    """An entry that is not usable."""

    entry: Entry
    failure: Failure
    replaced_by: str | None


@dataclass(frozen=True)
class Pair:
    """Two entries that show the same picture, the earlier one first."""

    a: Entry
    b: Entry
    distance: int
    replaced: bool


@dataclass
class Selection:
    """The state of all splits.

    Attributes:
        members: Alive entries.
        rejected: Entries that were looked at and are not.
        needed: Entries that must be fetched before the state is final; empty if it is.
        unreplaced: Entry count that is missing per (split, stratum): the reserve is used up.
        causes: Pairs because of which an entry was rejected.
    """

    members: list[Member] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    needed: list[Entry] = field(default_factory=list)
    unreplaced: dict[tuple[Split, str], int] = field(default_factory=dict)
    causes: list[Pair] = field(default_factory=list)


def select_members(
    entries: Iterable[Entry], outcome: Callable[[Entry], Outcome | None], *, fine_bits: int
) -> Selection:
    """Find the members of every split.

    The members of a split in a country are its first `m` entries, in the order of their ranks, whose picture is
    usable and is no near-duplicate of a member of an earlier split; `m` is the number of drawn entries. This does not
    depend on the order in which pictures arrive. Entries whose outcome is not known count as usable, so that what is
    `needed` is needed for certain: nothing is ever fetched that the final state could do without.

    Args:
        entries: Drawn and reserve rows of all splits, in any order.
        outcome: What became of an entry's picture; None if that is not known.
        fine_bits: Largest distance of near-duplicates.
    """
    queues: dict[Split, dict[str, list[Entry]]] = {}
    for entry in sorted(entries, key=lambda entry: entry.order):
        queues.setdefault(entry.split, {}).setdefault(entry.stratum, []).append(entry)
    selection = Selection()
    earlier: list[tuple[Entry, Picture]] = []
    for split in Split:
        strata = queues.get(split, {})
        pictures = [
            (entry, found)
            for queue in strata.values()
            for entry in queue
            if isinstance(found := outcome(entry), Picture)
        ]
        # Members of an earlier split that is not final yet could still drop out, and their twins come back.
        twins = {} if selection.needed else _earlier_twins(pictures, earlier, fine_bits)
        mine: list[Entry] = []
        for stratum, queue in strata.items():
            mine += _walk(selection, split, stratum, queue, outcome, twins)
        alive = set(mine)
        earlier += [(entry, picture) for entry, picture in pictures if entry in alive]
    return selection


def _walk(
    selection: Selection,
    split: Split,
    stratum: str,
    queue: Sequence[Entry],
    outcome: Callable[[Entry], Outcome | None],
    twins: Mapping[Entry, Pair],
) -> list[Entry]:
    """Go down a queue until it has given as many members as were drawn, and enter them."""
    wanted = sum(entry.drawn for entry in queue)
    alive: list[Entry] = []
    failed: list[tuple[Entry, Failure]] = []
    for entry in queue:
        if len(alive) == wanted:
            break
        found = outcome(entry)
        if isinstance(found, Failure):
            failed.append((entry, found))
        elif entry in twins:
            pair = twins[entry]
            selection.causes.append(pair)
            failed.append((entry, Failure(ImageRejectReason.NEAR_DUPLICATE, f"of {pair.a.id}")))
        else:
            alive.append(entry)
            if found is None:
                selection.needed.append(entry)
    dead = [entry.id for entry, _ in failed if entry.drawn]
    stand_ins = [entry.id for entry in alive if not entry.drawn]
    replaces = dict(zip(stand_ins, dead, strict=False))
    replaced_by = dict(zip(dead, stand_ins, strict=False))
    selection.members += [Member(entry, replaces.get(entry.id)) for entry in alive]
    selection.rejected += [Rejected(entry, failure, replaced_by.get(entry.id)) for entry, failure in failed]
    if len(alive) < wanted:
        selection.unreplaced[split, stratum] = wanted - len(alive)
    return alive


def _earlier_twins(
    pictures: Sequence[tuple[Entry, Picture]], earlier: Sequence[tuple[Entry, Picture]], fine_bits: int
) -> dict[Entry, Pair]:
    """Return, for each picture that has one, its nearest near-duplicate among members of earlier splits."""
    if not pictures or not earlier:
        return {}
    ours, theirs = (_Groups.of(side) for side in (pictures, earlier))
    found = near_pairs(ours.table, theirs.table, fine_bits=fine_bits)
    best: dict[Entry, Pair] = {}
    for group, other, distance in zip(*(x.tolist() for x in (found.left, found.right, found.distance)), strict=True):
        first = theirs.rows[other][0]
        for entry in ours.rows[group]:
            pair = Pair(first, entry, distance, replaced=True)
            if entry not in best or (distance, first.order) < (best[entry].distance, best[entry].a.order):
                best[entry] = pair
    return best


def all_pairs(selection: Selection, picture: Callable[[Entry], Picture | None], *, fine_bits: int) -> list[Pair]:
    """List the near-duplicates inside and across splits, sorted, among members and what was left out for one.

    Of entries with equal hashes, each is listed with the first of them only; otherwise a thousand copies would make
    half a million pairs.
    """
    left_out = {pair.b for pair in selection.causes}
    entries = [member.entry for member in selection.members] + list(left_out)
    known = sorted(((entry, found) for entry in entries if (found := picture(entry))), key=lambda pair: pair[0].order)
    members = {member.entry for member in selection.members}
    groups = _Groups.of(known)
    near = near_pairs(groups.table, fine_bits=fine_bits)
    listed = {(pair.a.id, pair.b.id): pair for pair in selection.causes}

    def enter(a: Entry, b: Entry, distance: int) -> None:
        a, b = sorted((a, b), key=lambda entry: entry.order)
        replaced = b in left_out and a in members and a.split is not b.split
        listed.setdefault((a.id, b.id), Pair(a, b, distance, replaced))

    for rows in groups.rows:
        for other in rows[1:]:
            enter(rows[0], other, 0)
    for one, two, distance in zip(*(x.tolist() for x in (near.left, near.right, near.distance)), strict=True):
        enter(groups.rows[one][0], groups.rows[two][0], distance)
    return sorted(listed.values(), key=lambda pair: (pair.a.order, pair.b.order))


@dataclass(frozen=True)
class _Groups:
    """Entries with equal hashes, as one row of a hash table."""

    table: HashTable
    rows: list[list[Entry]]

    @classmethod
    def of(cls, pictures: Iterable[tuple[Entry, Picture]]) -> _Groups:
        groups: dict[PerceptualHash, list[Entry]] = {}
        for entry, picture in pictures:
            groups.setdefault(picture.file.phash, []).append(entry)
        for rows in groups.values():
            rows.sort(key=lambda entry: entry.order)
        return cls(HashTable.of(list(groups)), list(groups.values()))
