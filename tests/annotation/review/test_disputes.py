"""Which samples are in dispute, and that the page of the adjudication tells nothing but the words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from geoseek.annotation.agreement import NameBook
from geoseek.annotation.forms import controls_of
from geoseek.annotation.ledger import AnnotationState, Decision, Note, StoredAnnotation, Verdict
from geoseek.annotation.review.board import OWN, base_results, board_data, chains_html, load_board
from geoseek.annotation.review.disputes import Dispute, find_disputes
from geoseek.annotation.review.verdicts import Unsettled, settle
from geoseek.geo import load_gazetteer
from geoseek.schemas import InputError, Split, StageName
from tests.annotation.review.makers import annotation, chain, stored

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def names() -> NameBook:
    return NameBook(load_gazetteer())


def ref(annotation_id: str, version: int) -> str:
    return hashlib.sha256(f"{annotation_id} {version}".encode()).hexdigest()[:32]


def dispute_of(names: NameBook, *rows: StoredAnnotation) -> Dispute:
    (dispute,) = find_disputes(rows, names, ref, overlapping=True)
    return dispute


def test_only_competing_undecided_chains_are_in_dispute(names: NameBook) -> None:
    rows = [
        stored(1, chain("Mexico"), sample_id="pool:agree"),
        stored(2, chain("México"), sample_id="pool:agree", annotator="ben"),
        stored(3, chain("Mexico"), sample_id="pool:differ"),
        stored(4, chain("Guatemala"), sample_id="pool:differ", annotator="ben"),
        stored(5, chain("Mexico"), sample_id="pool:flagged", flags=(Note("low_agreement", "far apart"),)),
        stored(6, chain("Mexico"), sample_id="pool:flagged", annotator="ben"),
        stored(7, chain("Mexico"), sample_id="pool:alone", flags=(Note("leak", "x"),)),
        stored(8, chain("Mexico"), sample_id="pool:withdrawn"),
        stored(9, chain("Peru"), sample_id="pool:withdrawn", annotator="ben", state=AnnotationState.QUARANTINED),
    ]
    assert [found.sample_id for found in find_disputes(rows, names, ref)] == ["pool:differ", "pool:flagged"]
    overlapping = find_disputes(rows, names, ref, overlapping=True)
    assert [found.sample_id for found in overlapping] == ["pool:agree", "pool:differ", "pool:flagged"]
    assert overlapping[1].differing == {StageName.COUNTRY}


def test_decided_disputes_are_over(names: NameBook) -> None:
    won = Decision("studio:local:1", 1, Verdict.ACCEPTED, "lead")
    lost = Decision("studio:local:2", 1, Verdict.REJECTED, "lead", "no")
    rows = [stored(1, chain("Mexico"), decision=won), stored(2, chain("Peru"), annotator="ben", decision=lost)]
    assert find_disputes(rows, names, ref, overlapping=True) == []
    late = stored(3, chain("Chile"), annotator="carla")
    (again,) = find_disputes([*rows, late], names, ref)
    assert {rival.stored.id[-1] for rival in again.rivals} == {"1", "3"}


def test_base_is_the_answer_of_most(names: NameBook) -> None:
    rows = [
        stored(1, chain("Guatemala")),
        stored(2, chain("Mexico"), annotator="ben"),
        stored(3, chain("メキシコ", "Querétaro"), annotator="carla"),
    ]
    assert dispute_of(names, *rows).base.stored.id == "studio:local:2"
    assert dispute_of(names, *rows[:2]).base.stored.id == "studio:local:1"


def test_task_data_tell_nothing_but_the_words(names: NameBook) -> None:
    rows = [
        stored(1, chain("Mexico"), annotator="ana", sample_id="pool:secret-place"),
        stored(2, chain("Peru"), annotator="benedict", sample_id="pool:secret-place"),
    ]
    dispute = dispute_of(names, *rows)
    data = board_data(dispute)
    text = json.dumps(data)
    for word in ("ana", "benedict", "secret", "pool:", "studio:", "2026"):
        assert word not in text, word
    assert [choice["value"] for choice in data["verdicts"]] == ["A", "B", OWN]
    assert data["refs"] == {rival.letter: rival.ref for rival in dispute.rivals}


def test_letters_do_not_follow_the_annotators(names: NameBook) -> None:
    first = [
        dispute_of(
            names,
            stored(n, chain("Mexico"), annotator="ana"),
            stored(n + 100, chain("Peru"), annotator="ben"),
        )
        .rivals[0]
        .stored.annotator
        for n in range(30)
    ]
    assert set(first) == {"ana", "ben"}


def test_words_are_escaped(names: NameBook) -> None:
    hostile = '<img src=x onerror="alert(1)">\x1b[2J\u202e'
    rows = [stored(1, chain(hostile, clues=(hostile,), reasoning=hostile)), stored(2, chain("Peru"), annotator="ben")]
    html = chains_html(dispute_of(names, *rows))
    assert "<img" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert html.count("&lt;img") == 4


def test_rating_is_shown_in_val_only(names: NameBook) -> None:
    rated: dict[str, Any] = {
        "locatability_score": 7.5,
        "scene_tags": {"sign": "yes", "plants": "no", "weather": "maybe"},
    }
    for split, shown in ((Split.VAL, True), (Split.COT, False)):
        rows = [stored(1, chain("Mexico"), split=split, **rated), stored(2, chain("Peru"), split=split, annotator="b")]
        html = chains_html(dispute_of(names, *rows))
        assert ("7.5" in html) is shown
        assert ("maybe: weather" in html) is shown


@pytest.mark.parametrize("split", [Split.COT, Split.VAL])
def test_page_has_the_annotators_form_with_nothing_required(split: Split) -> None:
    root = ET.fromstring(load_board(ROOT, split).xml)  # noqa: S314 - our own page
    controls = {element.get("name") for element in root.iter() if element.get("toName")}
    needed = {name for name, control in controls_of(split).items() if control.needed}
    assert needed <= controls
    assert [element.get("name") for element in root.iter() if element.get("required")] == ["verdict"]
    assert len(list(root.iter("Image"))) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('value="$chains"', 'value="$words"', "HyperText"),
        ('className="ga-form"', 'className="x"', "ga-form"),
        ("<View", "<", "XML"),
    ],
)
def test_page_that_lacks_something_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "annotation").mkdir()
    text = (ROOT / "annotation" / "adjudication_config.xml").read_text(encoding="utf-8")
    (tmp_path / "annotation" / "adjudication_config.xml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_board(tmp_path, Split.COT)


def test_prefill_is_the_base_without_the_verdict(names: NameBook) -> None:
    dispute = dispute_of(names, stored(1, chain("Mexico")), stored(2, chain("Peru"), annotator="ben"))
    controls = {result["from_name"] for result in base_results(dispute)}
    assert {"country_clues", "final_answer"} <= controls
    assert "verdict" not in controls


def settled(names: NameBook, choice: str | None, **others: object) -> object:
    rows = [stored(1, chain("Mexico", "Querétaro")), stored(2, chain("Peru"), annotator="ben")]
    dispute = dispute_of(names, *rows)
    data = board_data(dispute)
    rivals = {rival.ref: rival.stored for rival in dispute.rivals} if "rivals" not in others else others["rivals"]
    letters = {rival.stored.id: rival.letter for rival in dispute.rivals}
    wanted = letters.get(str(choice), choice)
    own = others.get("own")
    return settle(wanted, data, own, rivals, reviewer="lead")  # type: ignore[arg-type]


def test_winner_is_accepted_and_the_others_are_rejected(names: NameBook) -> None:
    pairs = settled(names, "studio:local:2")
    assert isinstance(pairs, list)
    assert {row.id[-1]: (decision.verdict, decision.reason, decision.consequence) for row, decision in pairs} == {
        "2": (Verdict.ACCEPTED, None, None),
        "1": (Verdict.REJECTED, "adjudicated", None),
    }


def test_own_text_edits_the_base(names: NameBook) -> None:
    pairs = settled(names, OWN, own=annotation(77, chain("Guatemala"), annotator="lead"))
    assert isinstance(pairs, list)
    (edited, decision), (other, rejected) = pairs
    assert edited.id == "studio:local:1"
    assert decision.verdict is Verdict.EDITED
    assert decision.edited is not None
    assert (decision.edited.id, decision.edited.annotator) == ("studio:local:1", "ana")
    assert decision.edited.chain == chain("Guatemala")
    assert (other.id, rejected.verdict) == ("studio:local:2", Verdict.REJECTED)


def test_own_text_that_was_not_changed_accepts_the_base(names: NameBook) -> None:
    pairs = settled(names, OWN, own=annotation(77, chain("Mexico", "Querétaro"), annotator="lead"))
    assert isinstance(pairs, list)
    assert pairs[0][1].verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("choice", "others", "code"),
    [
        (None, {}, Unsettled.NO_VERDICT),
        ("Z", {}, Unsettled.NO_VERDICT),
        (OWN, {}, Unsettled.INCOMPLETE),
        (OWN, {"own": annotation(77, None)}, Unsettled.INCOMPLETE),
        (OWN, {"own": annotation(77, chain("Mexico", answer=" "))}, Unsettled.INCOMPLETE),
        ("studio:local:1", {"rivals": {}}, Unsettled.STALE),
    ],
)
def test_verdict_that_decides_nothing_says_why(
    names: NameBook, choice: str | None, others: dict[str, object], code: Unsettled
) -> None:
    note = settled(names, choice, **others)
    assert isinstance(note, Note)
    assert note.code == code
