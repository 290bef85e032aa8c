"""The rules over a ledger: what they look at together, what they leave alone, and that a second run changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from geoseek.annotation.agreement import NameBook, SampleTruth
from geoseek.annotation.ledger import AnnotationState, Decision, Ledger, StoredAnnotation, Verdict
from geoseek.annotation.review import References, ReviewSettings, Rule, RulesRun, run_rules
from geoseek.geo import load_gazetteer
from tests.annotation.review.makers import REASONS, chain, new, stored

TRUTH = {f"pool:{number}": SampleTruth("MX", 20.39, -99.99) for number in range(50)}


@pytest.fixture(scope="module")
def references() -> References:
    gazetteer = load_gazetteer()
    return References(ReviewSettings(), gazetteer, NameBook(gazetteer))


def fill(folder: Path, rows: Sequence[StoredAnnotation]) -> Ledger:
    ledger = Ledger(folder)
    with ledger.transaction():
        for name in sorted({row.annotator for row in rows}):
            ledger.add_annotator(name)
        for row in rows:
            ledger.add_annotation(new(row))
    return ledger


def flags(ledger: Ledger) -> dict[str, set[str]]:
    return {row.id.rpartition(":")[2]: {note.code for note in row.flags} for row in ledger.annotations() if row.flags}


def reasoned(number: int) -> str:
    """Return reasoning that no other number has."""
    words = ["bollard", "kerb", "awning", "gutter", "cactus", "ridge", "shutter", "antenna", "arcade", "verge", "dune"]
    return " ".join(words[(number * step + step // 3) % 11] + str(number * step) for step in range(1, 30))


def test_overlapping_annotations_accuse_each_other(tmp_path: Path, references: References) -> None:
    rows = [
        stored(1, chain("Mexico", reasoning=reasoned(1)), annotator="ana"),
        stored(2, chain("Guatemala", reasoning=reasoned(2)), annotator="ben"),
        stored(3, chain("Mexico", reasoning=reasoned(3)), annotator="carla", sample_id="pool:2"),
    ]
    with fill(tmp_path, rows) as ledger:
        run = run_rules(ledger, references, TRUTH)
        assert flags(ledger) == {"1": {Rule.LOW_AGREEMENT}, "2": {Rule.LOW_AGREEMENT, Rule.WRONG_COUNTRY}}
        assert run == RulesRun(3, 2, 2, {Rule.WRONG_COUNTRY: 1, Rule.LOW_AGREEMENT: 2}, 0)
        assert run_rules(ledger, references, TRUTH).changed == 0


def test_rejected_and_withdrawn_work_is_no_rival(tmp_path: Path, references: References) -> None:
    rows = [
        stored(1, chain("Mexico", reasoning=reasoned(1)), annotator="ana"),
        stored(2, chain("Guatemala", reasoning=reasoned(2)), annotator="ben"),
        stored(3, chain("Peru", reasoning=reasoned(3)), annotator="carla", state=AnnotationState.QUARANTINED),
        stored(4, None, annotator="dora", state=AnnotationState.SKIPPED),
    ]
    with fill(tmp_path, rows) as ledger:
        run_rules(ledger, references, TRUTH)
        assert flags(ledger)["1"] == {Rule.LOW_AGREEMENT}
        assert Rule.QUARANTINED in flags(ledger)["3"]
        ledger.add_decision(Decision("studio:local:2", 1, Verdict.REJECTED, "lead", "no"))
        run_rules(ledger, references, TRUTH)
        assert "1" not in flags(ledger)
        assert Rule.LOW_AGREEMENT in flags(ledger)["3"]


def test_decided_versions_keep_their_flags_and_new_ones_start_afresh(tmp_path: Path, references: References) -> None:
    with fill(tmp_path, [stored(1, chain("Peru", reasoning=reasoned(1)))]) as ledger:
        run_rules(ledger, references, TRUTH)
        ledger.add_decision(Decision("studio:local:1", 1, Verdict.ACCEPTED, "lead"))
        assert run_rules(ledger, references, TRUTH).checked == 0
        assert flags(ledger) == {"1": {Rule.WRONG_COUNTRY}}
        ledger.add_annotation(new(stored(1, chain("Mexico", reasoning=reasoned(1)))))
        assert run_rules(ledger, references, TRUTH).checked == 1
        assert flags(ledger) == {}


def test_copies_of_one_sample_accuse_both_and_of_oneself_the_later(tmp_path: Path, references: References) -> None:
    copied = REASONS["country"]
    rows = [
        stored(1, chain("Mexico", reasoning=copied), annotator="ana", sample_id="pool:1"),
        stored(2, chain("Mexico", reasoning=copied.replace("white", "pale")), annotator="ben", sample_id="pool:1"),
        stored(3, chain("Mexico", reasoning=copied.upper()), annotator="ana", sample_id="pool:2"),
        stored(4, chain("Mexico", reasoning=copied), annotator="carla", sample_id="pool:3"),
    ]
    with fill(tmp_path, rows) as ledger:
        run_rules(ledger, references, TRUTH)
        assert flags(ledger) == {number: {Rule.NEAR_COPY} for number in "123"}


def test_unchanged_drafts_are_nobodys_copies(tmp_path: Path, references: References) -> None:
    drafted = {"chain.country": "model tiny", "picture": "photo"}
    edited = {"chain.country": "model tiny, edited", "picture": "photo"}
    rows = [
        stored(1, chain("Mexico"), annotator="ana", provenance=drafted),
        stored(2, chain("Mexico"), annotator="ben", provenance=drafted),
        stored(3, chain("Mexico"), annotator="ben", sample_id="pool:2", provenance=edited),
        stored(4, chain("Mexico"), annotator="ben", sample_id="pool:3", provenance={"chain.country": "human"}),
    ]
    with fill(tmp_path, rows) as ledger:
        run_rules(ledger, references, TRUTH)
        assert flags(ledger) == {"4": {Rule.NEAR_COPY}}


def test_pace_is_measured_against_the_annotator(tmp_path: Path, references: References) -> None:
    quick = [
        stored(n, chain("Mexico", reasoning=reasoned(n)), annotator="quick", sample_id=f"pool:{n}", lead_time_s=50.0)
        for n in range(10)
    ]
    slow = [
        stored(n, chain("Mexico", reasoning=reasoned(n)), annotator="slow", sample_id=f"pool:{n}", lead_time_s=300.0)
        for n in range(10, 19)
    ]
    hasty = stored(19, chain("Mexico", reasoning=reasoned(19)), annotator="slow", sample_id="pool:19", lead_time_s=50.0)
    with fill(tmp_path, [*quick, *slow, hasty]) as ledger:
        run_rules(ledger, references, TRUTH)
        assert flags(ledger) == {"19": {Rule.TOO_FAST}}


def test_samples_outside_the_workspace_are_counted(tmp_path: Path, references: References) -> None:
    with fill(tmp_path, [stored(1, chain("Peru", reasoning=reasoned(1)))]) as ledger:
        run = run_rules(ledger, references, {})
        assert (run.without_truth, run.flagged) == (1, 0)
