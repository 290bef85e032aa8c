from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geoseek.annotation import AnnotationState, Verdict
from geoseek.pipelines import CurateCheck, CurateRequest, Standardise, describe_curate, run_curate
from geoseek.schemas import (
    ClueBox,
    CuratedChain,
    CurateReject,
    CurateRejectReason,
    InputError,
    Split,
    StageName,
    UsageError,
    arrow_schema,
)
from tests.annotation.review.makers import chain
from tests.pipelines.curate.world import World, french, german


def test_structured_annotations_become_chains_without_a_model(world: World) -> None:
    box = ClueBox(stage=StageName.COUNTRY, clue_index=0, x=1, y=2, w=3, h=4, note="plates")
    first = world.add(0, french(), clue_boxes=(box,), language="en")
    world.add(1, german(), split=Split.VAL)

    result = world.run()

    table = pq.read_table(world.curated / "cot.parquet")
    assert table.schema.equals(arrow_schema(CuratedChain))
    assert table["split"].to_pylist() == ["cot", "val"]
    row = CuratedChain.model_validate(table.slice(0, 1).to_pylist()[0])
    assert row.annotation_id == first
    assert row.chain == french()
    assert row.clue_boxes == (box,)
    assert row.language == "en"
    assert not row.reviewed
    assert {origin.field: origin.origin for origin in row.origins} == {
        "chain.country": "human",
        "chain.final_answer": "human",
        "chain.precise": "human",
        "chain.region": "human",
        "picture": "photo",
    }
    assert (result.figures.read, result.figures.kept, result.figures.rejected) == (2, 2, 0)


def test_best_annotation_of_a_sample_is_chosen(world: World) -> None:
    plain = world.add(0, french())
    longer = world.add(0, french(region="Normandy"), annotator="ben")
    note = world.add(0, "White plates. So it is France.", annotator="cleo")
    accepted = world.add(1, german(), Verdict.ACCEPTED, annotator="ben")
    detailed = world.add(1, german(region="Bavaria"))

    world.run()

    assert world.kept()["pool:cot-0"]["annotation_id"] == longer
    assert world.kept()["pool:cot-1"]["annotation_id"] == accepted
    assert world.kept()["pool:cot-1"]["reviewed"]
    assert {key: row["reason"] for key, row in world.rejects().items()} == dict.fromkeys(
        (plain, note, detailed), CurateRejectReason.ANOTHER_CHOSEN
    )


def test_two_accepted_annotations_are_kept_once_with_a_warning(world: World) -> None:
    earlier = world.add(0, french(), Verdict.ACCEPTED)
    later = world.add(0, french(), Verdict.EDITED, annotator="ben")

    world.run()

    row = world.kept()["pool:cot-0"]
    assert row["annotation_id"] == earlier
    assert row["warnings"] == [CurateCheck.TWO_ACCEPTED]
    assert world.rejects()[later]["reason"] == CurateRejectReason.ANOTHER_CHOSEN
    assert world.rejects()[later]["checks"] == [CurateCheck.TWO_ACCEPTED]


def test_next_best_stands_in_for_one_that_fails_a_check(world: World) -> None:
    leaking = world.add(
        0, french(region="Normandy", reasoning="The GPS of the photo says 48.85661, 2.35222 to us all.")
    )
    sound = world.add(0, french(), annotator="ben")

    world.run()

    assert world.kept()["pool:cot-0"]["annotation_id"] == sound
    assert world.rejects()[leaking]["reason"] == CurateRejectReason.CHECK_FAILED
    assert world.rejects()[leaking]["checks"] == [CurateCheck.LEAK]


def test_every_annotation_that_is_left_out_has_a_reason(world: World) -> None:
    expected = {
        world.add(99, french()): CurateRejectReason.NO_SAMPLE,
        world.add(0, french(), state=AnnotationState.SKIPPED): CurateRejectReason.NOT_SUBMITTED,
        world.add(1, german(), Verdict.REJECTED): CurateRejectReason.REJECTED,
        world.add(2, None, locatability_score=4.0): CurateRejectReason.NO_CHAIN,
        world.add(3, chain("Japan", reasoning="x" * 200)): CurateRejectReason.TO_REVIEW,
        world.add(4, french(reasoning="y" * 1_000_000)): CurateRejectReason.UNUSABLE_TEXT,
        world.add(5, german(answer="\x00\x01")): CurateRejectReason.UNUSABLE_TEXT,
        world.add(6, "Nothing to be seen here."): CurateRejectReason.NOT_STANDARDISED,
    }

    figures = world.run().figures

    assert {key: row["reason"] for key, row in world.rejects().items()} == expected
    assert figures.read == figures.rejected == len(expected)
    assert pq.read_schema(world.curated / "rejects.parquet").equals(arrow_schema(CurateReject))
    assert world.rejects()[next(iter(expected))]["detail"] == "no such sample"


def test_only_accepted_ones_count_where_the_settings_ask_for_it(world: World) -> None:
    plain = world.add(0, french())
    world.add(1, german(), Verdict.ACCEPTED)
    (world.folder / "geoseek.yaml").write_text("curate: {require_accepted: true}\n", encoding="utf-8")

    world.run()

    assert list(world.kept()) == ["pool:cot-1"]
    assert world.rejects()[plain]["reason"] == CurateRejectReason.NOT_ACCEPTED
    (world.folder / "geoseek.yaml").write_text("seed: 1\n", encoding="utf-8")
    world.run()
    assert len(world.kept()) == 2


def test_what_asks_for_review_only_warns_after_one(world: World) -> None:
    world.add(0, chain("Japan", reasoning="z" * 200), Verdict.ACCEPTED)
    world.run()
    assert world.kept()["pool:cot-0"]["warnings"] == [CurateCheck.WRONG_COUNTRY]
    world.settings("checks: {wrong_country: drop}\n")
    world.run()
    assert world.kept() == {}


def test_hostile_texts_come_out_whole_and_escaped(world: World) -> None:
    words = (
        "<script>alert('x')</script> يتجه السير إلى اليمين 道路標識は青い 🚗 \u202b and\x00 some more text\x1b[2J here."
    )
    world.add(0, french(reasoning=words, clues=("<b>blue</b> plates", "🇫🇷 flag", "")))

    figures = world.run().figures

    stage = world.kept()["pool:cot-0"]["chain"]["country"]
    assert stage["reasoning"] == words.replace("\x00", "").replace("\x1b", "")
    assert stage["clues"] == ["<b>blue</b> plates", "🇫🇷 flag"]
    assert world.kept()["pool:cot-0"]["warnings"] == [CurateCheck.CONTROL_CHARACTERS]
    assert next(one for one in figures.checks if one.check is CurateCheck.CONTROL_CHARACTERS).warned == 1
    world.add(1, chain("<script>alert(1)</script>", reasoning=words))
    world.run()
    page = (world.curated / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_second_run_is_up_to_date_and_a_forced_one_writes_the_same_bytes(world: World) -> None:
    for sample in range(4):
        world.add(sample, german() if sample % 2 else french())
    world.add(4, "White plates and a tabac. So it is France.")
    assert not world.run().up_to_date
    before = world.files()
    assert world.run().up_to_date
    assert not world.run(force=True).up_to_date
    assert world.files() == before
    (world.curated / "cot.parquet").write_bytes(b"damaged")
    assert not world.run().up_to_date
    assert world.files() == before
    world.add(5, german())
    assert not world.run().up_to_date
    assert len(world.kept()) == 5


def test_changed_settings_are_no_longer_up_to_date(world: World) -> None:
    world.add(0, french())
    world.run()
    world.settings("text: {least_letters: 500}\n")
    assert not world.run().up_to_date
    assert world.rejects()["studio:local:1"]["checks"] == [CurateCheck.TOO_SHORT]


def test_workspace_without_ledger_gets_empty_tables(world: World) -> None:
    result = world.run()
    assert result.figures.read == 0
    assert "no ledger" in result.figures.remarks[0]
    assert world.kept() == {}
    assert not (world.folder / "work" / "annotation" / "ledger.sqlite").exists()
    assert world.run().up_to_date


def test_samples_that_were_drawn_but_never_fetched_count(world: World, tmp_path: Path) -> None:
    members = pq.read_table(world.folder / "work" / "images" / "members.parquet")
    samples = world.folder / "work" / "samples"
    samples.mkdir()
    pq.write_table(members.slice(0, 8), samples / "cot.parquet")
    for path in (world.folder / "work" / "images").iterdir():
        path.unlink()
    world.add(0, french())
    world.run()
    assert list(world.kept()) == ["pool:cot-0"]


def test_sample_whose_picture_was_replaced_is_told_apart(world: World) -> None:
    images, samples = (world.folder / "work" / name for name in ("images", "samples"))
    samples.mkdir()
    members = pq.read_table(images / "members.parquet")
    pq.write_table(members.slice(0, 8), samples / "cot.parquet")
    pq.write_table(members.slice(1), images / "members.parquet")
    gone = world.add(0, french())
    world.run()
    assert world.rejects()[gone]["reason"] == CurateRejectReason.NO_SAMPLE
    assert world.rejects()[gone]["detail"] == "its picture was replaced"


def test_near_copies_name_the_original(world: World) -> None:
    original = world.add(0, french())
    copy = world.add(2, french(), annotator="ben")
    world.run()
    assert world.kept()["pool:cot-0"]["warnings"] == []
    assert world.kept()["pool:cot-2"]["warnings"] == [CurateCheck.NEAR_COPY]
    world.settings("checks: {near_copy: drop}\n")
    world.run()
    assert f"like {original} by ana" in world.rejects()[copy]["detail"]


def test_boxes_follow_their_clues(world: World) -> None:
    boxes = tuple(
        ClueBox(stage=StageName.COUNTRY, clue_index=index, x=1, y=1, w=1, h=1, note=None) for index in (0, 1, 2)
    )
    world.add(0, french(clues=("", "blue ends", "tabac sign")), clue_boxes=boxes)
    world.run()
    assert [box["clue_index"] for box in world.kept()["pool:cot-0"]["clue_boxes"]] == [None, 0, 1]


def test_annotations_of_loc_are_mentioned(world: World) -> None:
    world.add(0, french(), split=Split.LOC)
    result = world.run()
    assert result.figures.read == 0
    assert "split loc" in result.figures.remarks[0]


def test_dry_run_says_and_writes_nothing(world: World) -> None:
    world.add(0, french())
    words = describe_curate(CurateRequest(world.folder))
    assert "cot: 1 annotations, usable ones of 1 samples" in words
    assert not world.curated.exists()


def test_notes_in_stages_go_to_review_and_come_back_by_import(world: World) -> None:
    from geoseek.annotation import ImportRequest, import_file

    world.add(0, "White plates with blue ends and a tabac. So it must be France, Normandy.", annotator="cleo")
    world.run()
    (row,) = world.rejects().values()
    assert row["reason"] == CurateRejectReason.TO_REVIEW
    proposals = world.curated / "to-review.jsonl"
    assert json.loads(proposals.read_text(encoding="utf-8"))["chain"]["final_answer"] == "France; Normandy"

    import_file(ImportRequest(world.folder, proposals))
    result = world.run()

    kept = world.kept()["pool:cot-0"]
    assert kept["annotator"] == "cleo"
    assert kept["chain"]["region"]["conclusion"] == "Normandy"
    assert {"field": "chain", "origin": "rule"} in kept["origins"]
    assert not proposals.exists()
    assert result.figures.standardise.notes == 0


def test_accepted_note_is_kept_with_a_warning(world: World) -> None:
    world.add(0, "White plates with blue ends and a tabac. So it must be France.", Verdict.ACCEPTED)
    world.run()
    assert world.kept()["pool:cot-0"]["warnings"] == [CurateCheck.SPLIT_BY_RULES]


def test_off_leaves_notes_out_and_stays_off(world: World) -> None:
    note = world.add(0, "White plates. So it must be France.")
    world.run(standardise=Standardise.OFF)
    assert world.rejects()[note]["reason"] == CurateRejectReason.NOT_STANDARDISED
    assert world.run().up_to_date


def test_unknown_check_is_named(world: World) -> None:
    world.settings("checks: {wrong_contry: drop}\n")
    with pytest.raises(UsageError, match="wrong_contry"):
        world.run()


def test_damaged_sample_table_is_named(world: World) -> None:
    (world.folder / "work" / "images" / "members.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"members\.parquet"):
        world.run()


_CHILD = """
import sys
from pathlib import Path
from geoseek.pipelines import CurateRequest, run_curate
from geoseek.pipelines.curate import curator
one = curator.Curator.curate
def slow(self, candidates):
    print("working", flush=True)
    import time; time.sleep(30)
    return one(self, candidates)
curator.Curator.curate = slow
run_curate(CurateRequest(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_killed_in_the_middle_leaves_the_old_result_and_the_next_run_finishes(world: World) -> None:
    world.add(0, french())
    world.run()
    before = world.files()
    world.add(1, german())
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(world.folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    assert world.files() == before
    assert not world.run().up_to_date
    assert sorted(world.kept()) == ["pool:cot-0", "pool:cot-1"]
    assert ".staging" not in {path.name for path in world.curated.iterdir()}


def test_ledger_that_changes_meanwhile_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from geoseek.pipelines.curate.curator import Curator
    from geoseek.schemas import OutputError

    world.add(0, french())
    finish = Curator.curate

    def meddle(curator: Curator, candidates: object) -> object:
        world.add(1, german(), split=Split.VAL)
        return finish(curator, candidates)  # type: ignore[arg-type]

    monkeypatch.setattr(Curator, "curate", meddle)
    with pytest.raises(OutputError, match="changed"):
        run_curate(CurateRequest(world.folder))
    assert not (world.curated / "cot.parquet").exists()
