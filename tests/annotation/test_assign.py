"""Assignment: balanced, stable, as much overlap as was asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.push.assign import Assignment, Subject, assign, first_samples, surplus

PEOPLE = ("ana", "ben", "cem", "dora")


def subjects(*sizes: int) -> list[Subject]:
    return [Subject(f"s{stratum}-{n}", f"S{stratum}") for stratum, size in enumerate(sizes) for n in range(size)]


def give(
    samples: Sequence[Subject],
    people: Collection[str] = PEOPLE,
    *,
    share: float = 0.1,
    overlap: int = 2,
    existing: Sequence[Assignment] = (),
    seed: int = 7,
) -> list[Assignment]:
    return assign(samples, people, overlap_share=share, overlap=overlap, seed=seed, existing=existing)


def spread(counts: Collection[int]) -> int:
    return max(counts) - min(counts)


sizes = st.lists(st.integers(0, 25), min_size=1, max_size=6)
shares = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


@given(sizes, st.integers(1, 4), shares, st.integers(1, 4), st.integers(0, 3))
def test_fresh_assignment_is_balanced_in_all_and_inside_every_stratum(
    strata: list[int], people: int, share: float, overlap: int, seed: int
) -> None:
    samples = subjects(*strata)
    found = give(samples, PEOPLE[:people], share=share, overlap=overlap, seed=seed)

    assert len({(one.sample_id, one.annotator) for one in found}) == len(found)
    per_sample = Counter(one.sample_id for one in found)
    assert set(per_sample) == {sample.id for sample in samples}
    several = min(overlap, people)
    assert set(per_sample.values()) <= {1, several}
    if several > 1:
        assert sum(count > 1 for count in per_sample.values()) == int(len(samples) * share + 0.5)
    totals = Counter(dict.fromkeys(PEOPLE[:people], 0))
    by_stratum: dict[str, Counter[str]] = defaultdict(lambda: Counter(dict.fromkeys(PEOPLE[:people], 0)))
    for one in found:
        totals[one.annotator] += 1
        by_stratum[one.stratum][one.annotator] += 1
    assert spread(totals.values()) <= 1
    assert all(spread(counts.values()) <= 1 for counts in by_stratum.values())


@given(st.lists(st.integers(5, 40), min_size=2, max_size=5), shares)
def test_overlap_is_spread_over_the_strata(strata: list[int], share: float) -> None:
    found = give(subjects(*strata), share=share)
    several = Counter(one.stratum for one in found if Counter(other.sample_id for other in found)[one.sample_id] > 1)
    for number, size in enumerate(strata):
        assert abs(several[f"S{number}"] / 2 - size * share) < 1.0001


@given(sizes, sizes, shares, st.permutations(PEOPLE))
def test_more_samples_and_more_people_move_nothing(
    before: list[int], more: list[int], share: float, people: list[str]
) -> None:
    samples = subjects(*before)
    first = give(samples, people[:2], share=share)
    grown = samples + [Subject(f"new-{sample.id}", sample.stratum) for sample in subjects(*more)]
    second = give(grown, people, share=share, existing=first)

    assert not {(one.sample_id, one.annotator) for one in first} & {(one.sample_id, one.annotator) for one in second}
    assert {one.sample_id for one in (*first, *second)} == {sample.id for sample in grown}
    assert give(grown, people, share=share, existing=[*first, *second]) == []


@given(sizes, shares, st.randoms())
def test_order_of_the_input_does_not_matter(strata: list[int], share: float, random: st.DrawFn) -> None:
    samples = subjects(*strata)
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert give(samples, share=share) == give(shuffled, tuple(reversed(PEOPLE)), share=share)


def test_another_seed_gives_other_assignments() -> None:
    assert give(subjects(30, 30), seed=1) != give(subjects(30, 30), seed=2)


def test_overlap_is_filled_up_when_the_second_person_comes() -> None:
    samples = subjects(10, 10)
    alone = give(samples, ["ana"], share=0.2)
    assert len(alone) == 20
    added = give(samples, ["ana", "ben"], share=0.2, existing=alone)
    assert [one.annotator for one in added] == ["ben"] * 4


def test_rejected_work_goes_to_somebody_else() -> None:
    samples = subjects(1)
    done = Assignment("s0-0", "S0", "ana", spent=True)
    assert give(samples, ["ana", "ben"], share=0, existing=[done]) == [Assignment("s0-0", "S0", "ben")]


def test_rejected_work_goes_back_in_another_round_when_there_is_nobody_else() -> None:
    samples = subjects(1)
    done = Assignment("s0-0", "S0", "ana", round=2, spent=True)
    assert give(samples, ["ana"], share=0, existing=[done]) == [Assignment("s0-0", "S0", "ana", round=3)]
    held = Assignment("s0-0", "S0", "ana")
    assert give(samples, ["ana"], share=1, existing=[held]) == []


def test_a_limit_keeps_what_was_given_out_and_only_adds() -> None:
    samples = subjects(20, 20)
    ten = first_samples(samples, 10, seed=1, taken=())
    twenty = first_samples(samples, 20, seed=1, taken={sample.id for sample in ten})
    assert twenty[:10] == ten
    assert len(twenty) == 20
    assert first_samples(samples, 5, seed=1, taken={sample.id for sample in ten}) == ten
    assert len(first_samples(samples, None, seed=1, taken=())) == 40
    fewer = [sample for sample in samples if sample not in ten[:3]]
    assert set(first_samples(fewer, 7, seed=1, taken=())) == set(ten[3:])


@given(st.integers(1, 30), st.sets(st.integers(0, 59)))
def test_rebalancing_moves_only_what_nobody_has_begun(tasks: int, begun: set[int]) -> None:
    samples = subjects(tasks, tasks)
    held = give(samples, ["ana"], share=0)
    movable = [one for number, one in enumerate(held) if number not in begun]
    back = surplus(held, movable, ["ana", "ben"], seed=1)
    kept = [one for one in held if one not in back]
    final = [*kept, *give(samples, ["ana", "ben"], share=0, existing=kept)]

    assert set(back) <= set(movable)
    assert sorted(one.sample_id for one in final) == sorted(sample.id for sample in samples)
    loads = Counter((one.annotator, one.stratum) for one in final)
    stuck = Counter(one.stratum for number, one in enumerate(held) if number in begun)
    for stratum in ("S0", "S1"):
        assert loads["ana", stratum] <= max((tasks + 1) // 2, stuck[stratum])


def test_rebalancing_takes_everything_from_people_who_left() -> None:
    held = give(subjects(9), ["ana", "ben", "gone"], share=0)
    theirs = [one for one in held if one.annotator == "gone"]
    assert set(surplus(held, theirs, ["ana", "ben"], seed=1)) == set(theirs)
    assert surplus(held, [], ["ana", "ben"], seed=1) == []


@pytest.mark.parametrize("people", [[], ()])
def test_without_people_nothing_is_given_out(people: Collection[str]) -> None:
    assert give(subjects(3), people) == []
