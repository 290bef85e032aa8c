"""Decisions: added once, with who and when; the original of an edit stays; handles name one version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geoseek.annotation.ledger import AnnotationState, Ledger, Note, StoredAnnotation, Verdict
from geoseek.annotation.review import Handles, accept, clean_annotations, edit, reject, review_queue
from geoseek.schemas import AnnotationStatus, InputError, UsageError
from tests.annotation.review.makers import chain, new, stored


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path)
    ledger.add_annotator("ana")
    for number in (1, 2, 3):
        ledger.add_annotation(new(stored(number, chain("Mexico", "Querétaro"), sample_id=f"pool:{number}")))
    return ledger


def row(ledger: Ledger, number: int) -> StoredAnnotation:
    (found,) = (row for row in ledger.annotations() if row.id == f"studio:local:{number}")
    return found


def test_accepting_twice_adds_one_decision_and_says_so(ledger: Ledger) -> None:
    (first,) = accept(ledger, [row(ledger, 1)], reviewer="carla")
    (second,) = accept(ledger, [row(ledger, 1)], reviewer="dora")
    assert (first.changed, first.before) == (True, None)
    assert second.changed is False
    assert second.before is not None
    assert second.before.reviewer == "carla"
    (decision,) = ledger.decisions()
    assert (decision.verdict, decision.reviewer) == (Verdict.ACCEPTED, "carla")
    assert decision.decided_at is not None
    assert row(ledger, 1).status is AnnotationStatus.ACCEPTED


def test_another_decision_counts_and_the_earlier_one_stays(ledger: Ledger) -> None:
    accept(ledger, [row(ledger, 1)], reviewer="carla")
    (outcome,) = reject(ledger, [row(ledger, 1)], reviewer="dora", reason=" too vague ", to="reserve")
    assert outcome.changed
    assert row(ledger, 1).status is AnnotationStatus.REJECTED
    assert [(d.verdict, d.reason, d.consequence) for d in ledger.decisions()] == [
        (Verdict.ACCEPTED, None, None),
        (Verdict.REJECTED, "too vague", "reserve"),
    ]
    assert not reject(ledger, [row(ledger, 1)], reviewer="x", reason="too vague", to="reserve")[0].changed
    assert reject(ledger, [row(ledger, 1)], reviewer="x", reason="too vague", to="queue")[0].changed


def test_rejection_needs_a_reason(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="reason"):
        reject(ledger, [row(ledger, 1)], reviewer="carla", reason="  ")
    assert list(ledger.decisions()) == []


def test_edit_keeps_the_original_and_marks_what_changed(ledger: Ledger) -> None:
    original = row(ledger, 1)
    assert original.annotation is not None
    changes: dict[str, Any] = original.annotation.model_dump(mode="json")
    changes["chain"]["region"]["conclusion"] = "Hidalgo"
    changes["note"] = "edited by the lead"
    outcome = edit(ledger, original, changes, reviewer="carla", origin="mine.json")
    edited = row(ledger, 1)
    assert outcome.changed
    assert edited.annotation is not None
    assert edited.annotation.chain is not None
    assert edited.annotation.chain.region is not None
    assert edited.annotation.chain.region.conclusion == "Hidalgo"
    assert edited.annotation.provenance["note"] == "human"
    assert edited.status is AnnotationStatus.ACCEPTED
    assert ledger.raw(edited.id, 1) == "{}"
    assert not edit(ledger, original, changes, reviewer="carla", origin="mine.json").changed
    assert not accept(ledger, [row(ledger, 1)], reviewer="carla")[0].changed  # the edit is not undone by accepting


def test_edited_words_of_a_model_say_so(tmp_path: Path) -> None:
    drafted = {"chain.country": "model tiny", "chain.final_answer": "model tiny", "picture": "photo"}
    with Ledger(tmp_path) as ledger:
        ledger.add_annotator("ana")
        ledger.add_annotation(new(stored(1, chain("Mexico"), provenance=drafted)))
        said = chain("Guatemala", answer="Mexico").model_dump(mode="json")
        edit(ledger, row(ledger, 1), said, reviewer="carla", origin="mine.json")
        edited = row(ledger, 1).annotation
        assert edited is not None
        assert edited.provenance == {**drafted, "chain.country": "model tiny, edited"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"annotator": "ben"}, "annotator is 'ben'"),
        ({"chian": {}}, "no field 'chian'"),
        ({"chain": {"country": {}}}, "chain.country.clues"),
        ({"locatability_score": 3.3}, "locatability_score"),
        ({"scene_tags": {"sign": "perhaps"}}, "scene_tags"),
        ({"chain": chain("Mexico", reasoning=" ").model_dump(mode="json")}, "chain.country.reasoning is empty"),
        ({"chain": chain("Mexico", clues=()).model_dump(mode="json")}, "chain.country.clues is empty"),
        ({"chain": chain("Mexico", answer=" ").model_dump(mode="json")}, "chain.final_answer is empty"),
        (
            {"clue_boxes": [{"stage": "region", "clue_index": 7, "x": 1, "y": 1, "w": 1, "h": 1, "note": None}]},
            "points to clue 7",
        ),
    ],
)
def test_edit_that_is_not_right_changes_nothing(ledger: Ledger, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        edit(ledger, row(ledger, 1), changes, reviewer="carla", origin="mine.json")
    assert list(ledger.decisions()) == []


def test_nothing_to_accept_is_said_and_nothing_else_is_accepted(ledger: Ledger) -> None:
    skipped = stored(9, None, state=AnnotationState.SKIPPED)
    with pytest.raises(UsageError, match="skipped"):
        accept(ledger, [row(ledger, 1), skipped], reviewer="carla")
    assert list(ledger.decisions()) == []


def test_decision_on_an_outdated_version_is_refused(ledger: Ledger) -> None:
    old = row(ledger, 1)
    ledger.add_annotation(new(stored(1, chain("Peru"), sample_id="pool:1")))
    with pytest.raises(UsageError, match="newer version"):
        accept(ledger, [row(ledger, 2), old], reviewer="carla")
    assert list(ledger.decisions()) == []


def test_handles_are_short_and_name_one_version(ledger: Ledger) -> None:
    rows = list(ledger.annotations())
    handles = Handles(rows)
    shorts = {handles.short(one) for one in rows}
    assert len(shorts) == 3
    assert all(len(short) >= 6 for short in shorts)
    old = handles.short(row(ledger, 1))
    assert handles.find(old, ledger).id == "studio:local:1"
    assert handles.find(old[:4].upper(), ledger).id == "studio:local:1"
    assert handles.find("studio:local:2", ledger).id == "studio:local:2"
    ledger.add_annotation(new(stored(1, chain("Peru"), sample_id="pool:1")))
    with pytest.raises(UsageError, match="version 1 of an annotation that has version 2"):
        Handles(ledger.annotations()).find(old, ledger)


def test_unknown_and_ambiguous_handles_are_refused(ledger: Ledger) -> None:
    handles = Handles(ledger.annotations())
    for text in ("zzzz", "", "a"):
        with pytest.raises(UsageError):
            handles.find(text, ledger)
    many = Handles(stored(number, chain("Mexico")) for number in range(3000))
    lengths = {many.short(stored(number, chain("Mexico"))) for number in range(3000)}
    assert len(lengths) == 3000


def test_queue_is_ordered_by_gravity_and_bulk_takes_the_rest() -> None:
    rows = [
        stored(1, chain("Mexico"), flags=(Note("missing_clue", "x"),)),
        stored(2, chain("Mexico"), flags=(Note("too_fast", "x"), Note("leak", "x"))),
        stored(3, chain("Mexico"), flags=(Note("leak", "x"),)),
        stored(4, chain("Mexico")),
        stored(5, None, state=AnnotationState.DELETED),
        stored(6, chain("Mexico"), state=AnnotationState.QUARANTINED, flags=(Note("quarantined", "x"),)),
    ]
    assert [row.id[-1] for row in review_queue(rows)] == ["2", "3", "6", "1"]
    assert [row.id[-1] for row in clean_annotations(rows)] == ["4"]
