"""Every rule: where it speaks, where it is silent, and that its thresholds move it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from geoseek.annotation.agreement import NameBook, SampleTruth
from geoseek.annotation.ledger import AnnotationState, Note
from geoseek.annotation.review import Context, References, ReviewSettings, Rule, Similar, check, load_review_settings
from geoseek.geo import Gazetteer, load_gazetteer
from geoseek.schemas import ChainOfThought, UsageError
from tests.annotation.review.makers import chain, stored

MEXICO = SampleTruth("MX", 20.39, -99.99)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return load_gazetteer()


@pytest.fixture(scope="module")
def references(gazetteer: Gazetteer) -> References:
    return References(load_review_settings(ROOT), gazetteer, NameBook(gazetteer))


def changed(references: References, **sections: Any) -> References:
    """Return the same references with other thresholds."""
    settings = references.settings.model_dump()
    for name, section in sections.items():
        settings[name] = {**settings[name], **section} if isinstance(section, dict) else section
    return replace(references, settings=ReviewSettings.model_validate(settings))


def rules(notes: Iterable[Note]) -> list[str]:
    return [note.code for note in notes]


def test_good_work_raises_nothing(references: References) -> None:
    row = stored(1, chain("Mexico", "Querétaro", "San Juan del Río"))
    assert check(row, Context(truth=MEXICO, own_median_s=240.0), references) == []


@pytest.mark.parametrize("name", ["México", "Мексика", "メキシコ", "墨西哥", "MX", "Mexico "])
def test_country_in_any_language_is_right(references: References, name: str) -> None:
    said = chain(name, answer="Mexico")
    assert rules(check(stored(1, said), Context(truth=MEXICO), references)) == []


@pytest.mark.parametrize("name", ["Guatemala", "グアテマラ", "an island of the moon"])
def test_wrong_country_is_flagged(references: References, name: str) -> None:
    (note,) = check(stored(1, chain(name)), Context(truth=MEXICO), references)
    assert note.code == Rule.WRONG_COUNTRY
    assert name in note.detail
    assert "Mexico" in note.detail


def test_final_answer_that_contradicts_the_conclusion_is_flagged(references: References) -> None:
    said = chain("Mexico", answer="Guatemala; Quetzaltenango")
    assert rules(check(stored(1, said), Context(truth=MEXICO), references)) == [Rule.WRONG_COUNTRY]


def test_unknown_truth_accuses_nobody(references: References) -> None:
    assert check(stored(1, chain("Guatemala")), Context(), references) == []


def disagreement(references: References, mine: ChainOfThought, theirs: ChainOfThought) -> list[str]:
    other = stored(2, theirs, annotator="ben")
    notes = check(stored(1, mine), Context(others=[other]), references)
    return [note.detail for note in notes if note.code == Rule.LOW_AGREEMENT]


def test_different_countries_and_regions_disagree(references: References) -> None:
    (detail,) = disagreement(references, chain("Mexico"), chain("Guatemala"))
    assert "ben says 'Guatemala'" in detail
    assert disagreement(references, chain("Germany", "Bavaria"), chain("Germany", "Hesse"))


def test_same_place_in_other_words_agrees(references: References) -> None:
    assert disagreement(references, chain("Germany", "Bavaria", "Munich"), chain("ドイツ", "Bayern", "München")) == []
    assert disagreement(references, chain("Germany", "Bavaria"), chain("Germany")) == []


def test_places_far_apart_disagree_by_the_threshold(references: References) -> None:
    mine, theirs = chain("Germany", "Bavaria", "Munich"), chain("Germany", "Bavaria", "Nuremberg")
    assert disagreement(references, mine, theirs) == []
    (detail,) = disagreement(changed(references, agreement={"apart_km": 100}), mine, theirs)
    assert detail.startswith(("14", "15"))
    precise = changed(references, agreement={"levels": ["precise"]})
    assert disagreement(precise, mine, theirs)
    assert disagreement(precise, chain("Mexico"), chain("Guatemala")) == []


@pytest.mark.parametrize("clues", [(), ("vegetation",), ("The  Landscape!", "road signs"), ("?", "…")])
def test_missing_or_generic_clues_are_flagged(references: References, clues: tuple[str, ...]) -> None:
    said = chain("Mexico", clues=clues)
    assert rules(check(stored(1, said), Context(truth=MEXICO), references)) == [Rule.MISSING_CLUE]


@pytest.mark.parametrize("clues", [("vegetation", "yellow bollards"), ("標識",), ("ป้าย",), ("saguaro vegetation",)])
def test_one_telling_clue_is_enough(references: References, clues: tuple[str, ...]) -> None:
    assert check(stored(1, chain("Mexico", clues=clues)), Context(truth=MEXICO), references) == []


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (chain("Mexico", clues=("20.3888, -99.9961",)), "country clues"),
        (chain("Mexico", reasoning="The GPS says so, and the plates are white with green edges."), "country reasoning"),
        (chain("Mexico", answer="Mexico; 20.3888, -99.9961"), "final answer"),
    ],
)
def test_leak_is_flagged_with_its_place(references: References, said: ChainOfThought, where: str) -> None:
    (note,) = check(stored(1, said), Context(truth=MEXICO), references)
    assert note.code == Rule.LEAK
    assert where in note.detail


def test_leak_in_a_remark_counts_too(references: References) -> None:
    row = stored(1, chain("Mexico"), note="IMG_20230401.jpg was its name")
    assert rules(check(row, Context(truth=MEXICO), references)) == [Rule.LEAK]
    note_only = stored(1, None, note="plain note, see maps.app.goo.gl/x")
    assert rules(check(note_only, Context(truth=MEXICO), references)) == [Rule.LEAK]


@pytest.mark.parametrize(
    ("seconds", "median_s", "flagged"),
    [
        (10.0, 12.0, True),  # nobody reads a picture in ten seconds, not even somebody who always does
        (40.0, 240.0, True),
        (40.0, 60.0, False),  # a quick worker at their usual pace
        (40.0, None, True),
        (70.0, 600.0, False),
        (None, 240.0, False),
    ],
)
def test_pace(references: References, seconds: float | None, median_s: float | None, flagged: bool) -> None:
    row = stored(1, chain("Mexico"), lead_time_s=seconds)
    notes = check(row, Context(truth=MEXICO, own_median_s=median_s), references)
    assert rules(notes) == ([Rule.TOO_FAST] if flagged else [])


def test_pace_thresholds(references: References) -> None:
    row, context = stored(1, chain("Mexico"), lead_time_s=40.0), Context(truth=MEXICO, own_median_s=240.0)
    assert check(row, context, changed(references, pace={"floor_s": 30})) == []
    assert check(row, context, changed(references, pace={"share_of_own_median": 0.1})) == []


def test_near_copy_names_the_other(references: References) -> None:
    context = Context(truth=MEXICO, similar=[Similar("studio:local:9", "ben", 0.97)])
    (note,) = check(stored(1, chain("Mexico")), context, references)
    assert (note.code, note.detail) == (Rule.NEAR_COPY, "97% like ben's, studio:local:9")


def test_quarantine_and_half_filled_stages_come_from_the_pull(references: References) -> None:
    row = stored(
        1,
        chain("Mexico"),
        state=AnnotationState.QUARANTINED,
        reason="made by somebody else",
        problems=(Note("half_stage", "the region stage lacks reasoning"), Note("box_without_note", "a box")),
    )
    notes = check(row, Context(truth=MEXICO), references)
    assert [(note.code, note.detail) for note in notes] == [
        (Rule.QUARANTINED, "made by somebody else"),
        (Rule.HALF_FILLED, "the region stage lacks reasoning"),
    ]


def test_distances_to_the_truth_are_off_until_set(references: References) -> None:
    row, context = stored(1, chain("Mexico", "Sonora", "Hermosillo")), Context(truth=MEXICO)
    assert check(row, context, references) == []
    (note,) = check(row, context, changed(references, truth={"region_km": 500, "place_km": 200}))
    assert note.code == Rule.FAR_OFF
    assert "'Sonora'" in note.detail
    assert "'Hermosillo'" in note.detail
    assert check(row, context, changed(references, truth={"region_km": 5000, "place_km": 5000})) == []


def test_rules_can_be_turned_off_and_come_gravest_first(references: References) -> None:
    row = stored(1, chain("Guatemala", clues=("GPS", "vegetation")), lead_time_s=1.0)
    assert rules(check(row, Context(truth=MEXICO), references)) == [Rule.LEAK, Rule.WRONG_COUNTRY, Rule.TOO_FAST]
    some = changed(references, ignore=["leak", "too_fast"])
    assert rules(check(row, Context(truth=MEXICO), some)) == [Rule.WRONG_COUNTRY]
    severities = [Rule(code).severity for code in rules(check(row, Context(truth=MEXICO), references))]
    assert severities == sorted(severities)


def test_many_findings_are_counted(references: References) -> None:
    clues = [f"IMG_{number:05d}" for number in range(9)]
    (note,) = check(stored(1, chain("Mexico", clues=clues)), Context(truth=MEXICO), references)
    assert note.detail.endswith("(and 4 more)")


def test_file_and_defaults_agree_but_for_the_lists() -> None:
    ours, defaults = load_review_settings(ROOT), ReviewSettings()
    assert ours.truth == defaults.truth
    assert ours.agreement == defaults.agreement
    assert ours.pace == defaults.pace
    assert ours.copies == defaults.copies
    assert ours.ignore == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("pace: {florr_s: 3}", "florr_s"),
        ("copies: {similarity: 3}", "copies.similarity"),
        ("ignore: [leek]", "ignore.0"),
    ],
)
def test_mistake_in_the_settings_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "annotation").mkdir()
    (tmp_path / "annotation" / "review.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=word):
        load_review_settings(tmp_path)
