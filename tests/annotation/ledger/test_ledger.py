from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from geoseek.annotation.ledger import (
    LEDGER_NAME,
    AnnotationState,
    Decision,
    Ledger,
    LedgerError,
    NewAnnotation,
    Note,
    Purpose,
    Task,
    TaskState,
    Verdict,
    back_up,
    backups,
    restore,
)
from geoseek.annotation.ledger.files import KEPT_BACKUPS
from geoseek.annotation.ledger.migrations import MIGRATIONS
from geoseek.schemas import Annotation, AnnotationStatus, ChainOfThought, Split, Stage, Uncertainty


def said(words: str) -> Annotation:
    stage = Stage(clues=("a", "b"), reasoning=words, conclusion="France", uncertainty=Uncertainty.LOW)
    return Annotation(
        id="studio:local:1",
        version=1,
        sample_id="s:1",
        split=Split.COT,
        annotator="ana",
        status=AnnotationStatus.SUBMITTED,
        chain=ChainOfThought(country=stage, final_answer="France"),
        clue_boxes=(),
        locatability_score=None,
        scene_tags={},
        sub_scores={},
        main_clues=(),
        note=None,
        language=None,
        config_version=1,
        handbook_version=1,
        lead_time_s=60.0,
        created_at=None,
        updated_at=None,
        provenance={"chain": "human"},
    )


def new(digest: str, words: str | None = "because", **changes: object) -> NewAnnotation:
    values: dict[str, object] = {
        "id": "studio:local:1",
        "purpose": Purpose.ANNOTATE,
        "task_key": "k1",
        "sample_id": "s:1",
        "split": Split.COT,
        "annotator": "ana",
        "state": AnnotationState.SUBMITTED,
        "digest": digest,
        "origin": "local",
        "raw": '{"id": 1}',
        "annotation": None if words is None else said(words),
    }
    return NewAnnotation(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path)
    ledger.add_annotator("ana", email="ana@example.org")
    ledger.plan_tasks([Task("k1", Purpose.ANNOTATE, "s:1", Split.COT, "FR", "ana", TaskState.PLANNED)])
    return ledger


def test_equal_digests_are_one_version_and_every_other_is_kept(ledger: Ledger) -> None:
    assert ledger.add_annotation(new("d1", "first")) == 1
    assert ledger.add_annotation(new("d1", "first")) is None
    assert ledger.add_annotation(new("d2", "second")) == 2
    assert ledger.add_annotation(new("d3", None, state=AnnotationState.DELETED)) == 3
    (last,) = ledger.annotations()
    assert (last.version, last.state, last.annotation) == (3, AnnotationState.DELETED, None)
    history = list(ledger.annotations(history=True))
    assert [row.annotation.chain.country.reasoning for row in history if row.annotation and row.annotation.chain] == [
        "first",
        "second",
    ]
    assert [row.annotation.version for row in history if row.annotation] == [1, 2]
    assert ledger.raw("studio:local:1", 2) == '{"id": 1}'


def test_the_last_decision_of_a_version_counts(ledger: Ledger) -> None:
    ledger.add_annotation(new("d1"))
    ledger.set_flags("studio:local:1", 1, [Note("too_fast", "3 s")])
    (row,) = ledger.annotations()
    assert row.in_review
    assert row.flags == (Note("too_fast", "3 s"),)
    ledger.add_decision(Decision("studio:local:1", 1, Verdict.REJECTED, "lead", "no clue", "queue"))
    (row,) = ledger.annotations()
    assert row.status is AnnotationStatus.REJECTED
    assert not row.in_review
    ledger.add_decision(Decision("studio:local:1", 1, Verdict.EDITED, "lead", edited=said("edited")))
    (row,) = ledger.annotations()
    assert row.status is AnnotationStatus.ACCEPTED
    assert row.annotation is not None
    assert row.annotation.status is AnnotationStatus.ACCEPTED
    assert row.annotation.chain is not None
    assert row.annotation.chain.country.reasoning == "edited"
    assert [decision.verdict for decision in ledger.decisions()] == [Verdict.REJECTED, Verdict.EDITED]


def test_a_new_version_is_undecided(ledger: Ledger) -> None:
    ledger.add_annotation(new("d1"))
    ledger.add_decision(Decision("studio:local:1", 1, Verdict.ACCEPTED, "lead"))
    ledger.add_annotation(new("d2", "changed my mind"))
    (row,) = ledger.annotations()
    assert row.status is AnnotationStatus.SUBMITTED


def test_a_transaction_happens_as_a_whole_or_not_at_all(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="stop"), ledger.transaction():
        ledger.add_annotation(new("d1"))
        raise RuntimeError("stop")
    assert list(ledger.annotations()) == []


def test_an_annotation_needs_a_known_annotator_and_task(ledger: Ledger) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add_annotation(new("d1", annotator="nobody"))
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add_annotation(new("d1", task_key="k9"))


def test_planning_again_revives_only_what_was_retired(ledger: Ledger) -> None:
    project = ledger.put_project(
        "local", 7, purpose=Purpose.ANNOTATE, annotator="ana", split=Split.COT, config_version=1, handbook_version=1
    )
    ledger.mark_pushed([("k1", project.id, 70, "digest")])
    planned = Task("k1", Purpose.ANNOTATE, "s:1", Split.COT, "FR", "ana", TaskState.PLANNED)
    ledger.plan_tasks([planned])
    (task,) = ledger.tasks()
    assert (task.state, task.server_task_id) == (TaskState.PUSHED, 70)
    ledger.retire_tasks(["k1"], "gone from the sample")
    ledger.plan_tasks([planned])
    (task,) = ledger.tasks()
    assert (task.state, task.server_task_id, task.retired_reason) == (TaskState.PLANNED, None, None)


def test_a_new_project_number_resets_the_cursor(ledger: Ledger) -> None:
    def put(number: int) -> str | None:
        return ledger.put_project(
            "local",
            number,
            purpose=Purpose.ANNOTATE,
            annotator="ana",
            split=Split.COT,
            config_version=1,
            handbook_version=1,
        ).cursor

    put(7)
    ledger.set_cursor(1, "2026-01-01T00:00:00Z")
    assert put(7) == "2026-01-01T00:00:00Z"
    assert put(8) is None
    assert len(ledger.projects()) == 1


def test_forms_are_numbered_by_content(ledger: Ledger) -> None:
    assert ledger.form_version("handbook", "a", "first") == 1
    assert ledger.form_version("handbook", "b", "second") == 2
    assert ledger.form_version("handbook", "a", "first") == 1
    assert ledger.form_version("config-cot", "a", "other kind") == 1
    assert ledger.form_text("handbook", 2) == "second"


def test_the_ledger_of_a_newer_geoseek_is_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / LEDGER_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match="format 99"):
        Ledger(tmp_path)


def test_a_locked_ledger_is_said_to_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseek.annotation.ledger.files._BUSY_SECONDS", 0.05)
    with Ledger(tmp_path) as first, Ledger(tmp_path) as second, first.transaction():
        first.add_annotator("ana")
        assert second.annotators() == []
        with pytest.raises(LedgerError, match="locked by another program"), second.transaction():
            pass


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    Ledger(tmp_path).close()

    def work(name: str) -> None:
        with Ledger(tmp_path) as ledger:
            for i in range(20):
                with ledger.transaction():
                    ledger.add_annotator(f"{name}{i}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger(tmp_path) as ledger:
        assert len(ledger.annotators()) == 80


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x99" * (len(content) - 4096)
    path.write_bytes(content)


def test_a_damaged_ledger_names_the_backup_and_is_restored_from_it(ledger: Ledger) -> None:
    ledger.add_annotation(new("d1"))
    path = ledger.path
    copy = back_up(path)
    ledger.close()
    _damage(path)
    with pytest.raises(LedgerError, match="damaged") as caught:
        Ledger(path.parent)
    assert copy.name in (caught.value.hint or "")
    used, old = restore(path)
    assert used == copy
    assert old is not None
    assert old.is_file()
    with Ledger(path.parent) as again:
        assert [row.digest for row in again.annotations()] == ["d1"]


def test_without_a_backup_a_damaged_ledger_says_what_is_lost(ledger: Ledger) -> None:
    ledger.close()
    _damage(ledger.path)
    with pytest.raises(LedgerError) as caught:
        Ledger(ledger.path.parent)
    assert "no backup" in (caught.value.hint or "")
    with pytest.raises(LedgerError, match="no backup"):
        restore(ledger.path)


def test_a_damaged_backup_is_not_restored(ledger: Ledger) -> None:
    copy = back_up(ledger.path)
    ledger.close()
    _damage(copy)
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match="is damaged"):
        restore(ledger.path, copy.name)
    assert ledger.path.read_bytes() == before


def test_only_the_newest_backups_are_kept(ledger: Ledger) -> None:
    made = [back_up(ledger.path) for _ in range(KEPT_BACKUPS + 3)]
    assert backups(ledger.path) == made[3:]


def test_text_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / LEDGER_NAME).write_text("not a database, but long enough to be one" * 100)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(tmp_path)


def test_authors_of_imports_take_no_tasks_but_nobody_is_dismissed_by_an_import(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add_annotator("guest", active=False)
        ledger.add_annotator("ana", email="ana@example.org", server_user_id=7)
        ledger.add_annotator("ana", active=False)
        assert [(one.name, one.active, one.server_user_id) for one in ledger.annotators()] == [
            ("ana", True, 7),
            ("guest", False, None),
        ]
        ledger.deactivate_annotator("ana")
        ledger.add_annotator("ana", active=False)
        assert not ledger.annotators()[0].active
        ledger.add_annotator("ana")
        assert ledger.annotators()[0].active


def test_an_older_ledger_is_brought_up_to_date_with_what_is_in_it(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / LEDGER_NAME, isolation_level=None)
    connection.executescript(f"BEGIN; {MIGRATIONS[0]}; PRAGMA user_version = 1; COMMIT;")
    connection.execute("INSERT INTO annotator (name, added_at) VALUES ('ana', '2026-01-01')")
    connection.close()
    with Ledger(tmp_path) as ledger:
        assert [annotator.name for annotator in ledger.annotators()] == ["ana"]
        ledger.put_project(
            "local", 7, purpose=Purpose.ANNOTATE, annotator="ana", split=Split.COT, config_version=1, handbook_version=1
        )
        assert [project.server_project_id for project in ledger.projects()] == [7]
    with sqlite3.connect(tmp_path / LEDGER_NAME) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()
