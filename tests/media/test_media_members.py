from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseek.media import PerceptualHash
from geoseek.media.examine import Failure, Outcome, Picture, StoredFile
from geoseek.media.members import Entry, all_pairs, select_members
from geoseek.schemas import ImageKind, ImageRejectReason, Split

DEAD = Failure(ImageRejectReason.HTTP_STATUS, "404")


def look(number: int) -> Picture:
    """Return a picture whose hash is far from those of other numbers."""
    bits = np.random.default_rng(number).bytes(40)
    phash = PerceptualHash(bits[:8].hex(), bits[8:].hex())
    name = f"{number:064x}"
    return Picture(
        StoredFile(name + ".jpg", name, "image/jpeg", 1, 1, 1, phash), ImageKind.PHOTO, 1, "RGB", False, None, ()
    )


def queue(split: Split, drawn: int, spare: int, stratum: str = "FR") -> list[Entry]:
    return [
        Entry(f"{split.value}-{stratum}-{rank}", split, stratum, rank, rank <= drawn)
        for rank in range(1, drawn + spare + 1)
    ]


def expected_members(entries: list[Entry], outcomes: Mapping[Entry, Outcome]) -> set[str]:
    """Say in the plainest way who is a member."""
    alive: list[Entry] = []
    for split in Split:
        seen = {outcomes[entry].file.sha256 for entry in alive if isinstance(outcomes[entry], Picture)}  # type: ignore[union-attr]
        for stratum in sorted({entry.stratum for entry in entries if entry.split is split}):
            here = sorted((e for e in entries if (e.split, e.stratum) == (split, stratum)), key=lambda e: e.rank)
            good = [e for e in here if isinstance(o := outcomes[e], Picture) and o.file.sha256 not in seen]
            alive += good[: sum(e.drawn for e in here)]
    return {entry.id for entry in alive}


@given(data=st.data(), seed=st.integers(0, 1000))
@settings(max_examples=120, deadline=None)
def test_fetching_step_by_step_ends_where_it_should(data: st.DataObject, seed: int) -> None:
    entries = [
        entry
        for split in Split
        for stratum in ("DE", "FR")
        for entry in queue(split, data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4)), stratum)
    ]
    outcomes: dict[Entry, Outcome] = {
        entry: DEAD if data.draw(st.booleans()) else look(data.draw(st.integers(0, 12))) for entry in entries
    }
    rng = np.random.default_rng(seed)
    entries = [entries[i] for i in rng.permutation(len(entries))]
    known: dict[Entry, Outcome] = {}
    while (found := select_members(entries, known.get, fine_bits=24)).needed:
        # Answers come in any order; a run may stop and look again after each of them.
        entry = found.needed[rng.integers(len(found.needed))]
        known[entry] = outcomes[entry]
    assert {member.entry.id for member in found.members} == expected_members(entries, outcomes)
    assert set(known) == {m.entry for m in found.members} | {r.entry for r in found.rejected}
    asked = len(found.members) + len(found.rejected)
    assert asked == len(known)
    drawn = {entry for entry in entries if entry.drawn}
    assert drawn <= set(known)
    stand_ins = {m.entry.id: m.replaces for m in found.members if not m.entry.drawn}
    assert None not in stand_ins.values()
    assert {r.entry.id: r.replaced_by for r in found.rejected if r.replaced_by} == {v: k for k, v in stand_ins.items()}
    dead = sum(r.entry.drawn for r in found.rejected)
    assert dead == len(stand_ins) + sum(found.unreplaced.values())


def test_the_next_rank_stands_in() -> None:
    entries = queue(Split.VAL, 2, 2)
    known: dict[Entry, Outcome] = {entries[0]: DEAD, entries[1]: look(1), entries[2]: DEAD, entries[3]: look(2)}
    found = select_members(entries, known.get, fine_bits=24)
    assert [(m.entry.rank, m.replaces) for m in found.members] == [(2, None), (4, "val-FR-1")]
    assert [(r.entry.rank, r.replaced_by) for r in found.rejected] == [(1, "val-FR-4"), (3, None)]
    assert not found.unreplaced


def test_another_country_never_stands_in() -> None:
    entries = [*queue(Split.VAL, 1, 0, "DE"), *queue(Split.VAL, 1, 3, "FR")]
    found = select_members(entries, lambda e: DEAD if e.stratum == "DE" else look(e.rank), fine_bits=24)
    assert found.unreplaced == {(Split.VAL, "DE"): 1}
    assert [m.entry.id for m in found.members] == ["val-FR-1"]


def test_the_later_splits_copy_goes() -> None:
    entries = [*queue(Split.VAL, 1, 0), *queue(Split.LOC, 1, 1), *queue(Split.COT, 1, 1)]
    pictures = {"val-FR-1": 1, "loc-FR-1": 1, "loc-FR-2": 2, "cot-FR-1": 2, "cot-FR-2": 3}
    found = select_members(entries, lambda e: look(pictures[e.id]), fine_bits=24)
    assert [m.entry.id for m in found.members] == ["val-FR-1", "loc-FR-2", "cot-FR-2"]
    assert [(p.a.id, p.b.id, p.distance) for p in found.causes] == [
        ("val-FR-1", "loc-FR-1", 0),
        ("loc-FR-2", "cot-FR-1", 0),
    ]
    assert {r.failure.reason for r in found.rejected} == {ImageRejectReason.NEAR_DUPLICATE}


def test_copies_inside_a_split_are_listed_and_stay() -> None:
    entries = queue(Split.LOC, 4, 2)
    found = select_members(entries, lambda e: look(1 if e.rank < 4 else e.rank), fine_bits=24)
    assert len(found.members) == 4
    pairs = all_pairs(found, lambda e: look(1 if e.rank < 4 else e.rank), fine_bits=24)
    assert [(p.a.rank, p.b.rank, p.replaced) for p in pairs] == [(1, 2, False), (1, 3, False)]


def test_a_thousand_copies_make_a_thousand_pairs() -> None:
    entries = queue(Split.LOC, 1000, 0)
    found = select_members(entries, lambda _: look(1), fine_bits=24)
    assert len(all_pairs(found, lambda _: look(1), fine_bits=24)) == 999
