"""Pull against a server in memory: what is seen, kept, set aside, and never lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoseek.annotation.ledger import AnnotationState, StoredAnnotation, TaskState, backups
from geoseek.annotation.pull.compare import DifferenceKind, compare
from geoseek.annotation.pull.drawn import drawn_samples
from geoseek.annotation.pull.read_ahead import read_ahead
from geoseek.annotation.pull.run import ProjectPull, PullRequest, run_pull, watch
from geoseek.annotation.server import StudioError
from geoseek.schemas import InputError, OutputError, Split
from geoseek.workspace import exclusive
from tests.annotation.fake_studio import ANA, BO, LEAD, FakeStudio, FakeWorld, said, text_result


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return FakeWorld(tmp_path)


def pull(world: FakeWorld, *, full: bool = False, page_tasks: int = 2) -> ProjectPull:
    request = PullRequest(world.workspace, full=full, page_tasks=page_tasks, wait_s=0)
    (project,) = run_pull(request, world.studio).projects
    return project


def last(world: FakeWorld, number: int) -> StoredAnnotation:
    """Return the last version of an annotation."""
    return versions(world, number)[-1]


def versions(world: FakeWorld, number: int) -> list[StoredAnnotation]:
    with world.ledger() as ledger:
        return [row for row in ledger.annotations(history=True) if row.id == f"studio:local:{number}"]


def conclusion(row: StoredAnnotation) -> str:
    """Return the conclusion of the country stage."""
    assert row.annotation is not None
    assert row.annotation.chain is not None
    return row.annotation.chain.country.conclusion


def differences(world: FakeWorld) -> list[DifferenceKind]:
    with world.ledger() as ledger:
        return [one.kind for one in compare(world.studio, ledger)]


def cursor(world: FakeWorld) -> str | None:
    with world.ledger() as ledger:
        return ledger.projects()[0].cursor


def test_a_new_annotation_is_kept_with_its_words_and_its_json(world: FakeWorld) -> None:
    result = [*said("Türkiye 🏔 日本"), text_result("remark", "مرحبا")]
    number = world.server.annotate(world.tasks[1], result=result)
    assert pull(world).new == 1
    row = last(world, number)
    assert row.state is AnnotationState.SUBMITTED
    assert (row.sample_id, row.annotator, row.split, row.task_key) == ("pool:k1", "ana", Split.COT, "k1")
    assert conclusion(row) == "Türkiye 🏔 日本"
    assert row.lead_time_s == 42.5
    with world.ledger() as ledger:
        raw = ledger.raw(row.id, 1)
    assert raw is not None
    assert json.loads(raw)["result"] == result
    assert differences(world) == []


def test_pulling_twice_changes_nothing(world: FakeWorld) -> None:
    for task in world.tasks:
        world.server.annotate(task)
    pull(world)
    with world.ledger() as ledger:
        before = list(ledger.annotations(history=True)), ledger.projects()
    again = pull(world)
    full = pull(world, full=True)
    with world.ledger() as ledger:
        assert (list(ledger.annotations(history=True)), ledger.projects()) == before
    assert (again.new, again.changed, again.deleted) == (0, 0, 0)
    assert full.unchanged == full.seen == 4


def test_an_edit_is_a_new_version_and_the_old_words_stay(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0], result=said("Norway"))
    pull(world)
    world.server.edit(number, result=said("Sweden"))
    assert pull(world).changed == 1
    assert [conclusion(row) for row in versions(world, number)] == ["Norway", "Sweden"]


def test_a_change_that_says_nothing_new_is_no_version(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0])
    pull(world)
    world.server.edit(number)
    assert pull(world).changed == 0
    assert len(versions(world, number)) == 1


def test_a_skipped_task_is_seen_and_taken_back(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0], skip=True)
    assert pull(world).skipped == 1
    assert last(world, number).state is AnnotationState.SKIPPED
    assert last(world, number).annotation is None
    world.server.edit(number, result=said(), skip=False)
    pull(world)
    assert last(world, number).state is AnnotationState.SUBMITTED


def test_a_deleted_annotation_is_marked_and_what_was_said_stays(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0], result=said("Chile"))
    pull(world)
    world.server.delete(number)
    assert pull(world).deleted == 1
    first, second = versions(world, number)
    assert second.state is AnnotationState.DELETED
    assert second.annotation is None
    assert conclusion(first) == "Chile"
    assert pull(world).deleted == 0
    assert differences(world) == []


def test_an_annotation_that_comes_back_counts_again(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0])
    pull(world)
    kept = world.server.tasks[world.tasks[0]]["annotations"][number]
    world.server.delete(number)
    pull(world)
    world.server.tasks[world.tasks[0]]["annotations"][number] = kept
    pull(world)
    assert [row.state for row in versions(world, number)] == [
        AnnotationState.SUBMITTED,
        AnnotationState.DELETED,
        AnnotationState.SUBMITTED,
    ]
    assert differences(world) == []


def test_deleted_tasks_are_pushed_again_or_retired(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0])
    pull(world)
    world.server.delete_task(world.tasks[0])
    world.server.delete_task(world.tasks[1])
    pull(world)
    with world.ledger() as ledger:
        tasks = {task.key: task for task in ledger.tasks()}
    assert last(world, number).state is AnnotationState.DELETED
    assert (tasks["k0"].state, tasks["k0"].retired_reason) == (TaskState.RETIRED, "deleted on the server")
    assert (tasks["k1"].state, tasks["k1"].server_task_id) == (TaskState.PLANNED, None)
    assert tasks["k2"].state is TaskState.PUSHED
    assert differences(world) == []


def test_a_task_deleted_while_pages_are_read_hides_no_other(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [world.server.annotate(task) for task in world.tasks]
    answer = world.fake.get_json

    def delete_after_first_page(path: str, *args: object, **kwargs: object) -> object:
        found = answer(path, *args, **kwargs)  # type: ignore[arg-type]
        if path == "/api/tasks/" and world.tasks[0] in world.server.tasks:
            world.server.delete_task(world.tasks[0])
        return found

    monkeypatch.setattr(world.fake, "get_json", delete_after_first_page)
    pull(world)
    assert [last(world, number).state.value for number in numbers] == ["deleted", *["submitted"] * 3]
    assert differences(world) == []


@pytest.mark.parametrize("by", [BO, LEAD])
def test_work_by_somebody_else_is_set_aside_with_its_words(world: FakeWorld, by: int) -> None:
    number = world.server.annotate(world.tasks[0], by=by)
    result = pull(world)
    assert result.quarantined == 1
    row = last(world, number)
    assert row.state is AnnotationState.QUARANTINED
    assert row.reason is not None
    assert "somebody else" in row.reason
    assert str(by) in row.reason
    assert row.annotation is not None
    assert result.remarks[0].detail == row.reason


def test_an_edit_by_somebody_else_is_set_aside_and_the_own_version_stays(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0], result=said("Peru"))
    pull(world)
    world.server.edit(number, by=BO, result=said("Bolivia"))
    pull(world)
    first, second = versions(world, number)
    assert first.state is AnnotationState.SUBMITTED
    assert second.state is AnnotationState.QUARANTINED
    assert second.reason == "changed by somebody else than the annotator of the project: account 12"


def test_the_reason_names_a_known_person_by_pseudonym(world: FakeWorld) -> None:
    with world.ledger() as ledger:
        ledger.add_annotator("bo", server_user_id=BO)
    number = world.server.annotate(world.tasks[0], by=BO)
    pull(world)
    reason = last(world, number).reason
    assert reason is not None
    assert reason.endswith(": bo")


def test_an_account_known_by_email_is_filled_in(world: FakeWorld) -> None:
    pull(world)
    with world.ledger() as ledger:
        (ana,) = ledger.annotators()
    assert ana.server_user_id == ANA


def test_work_of_an_unknown_account_waits_until_it_is_known(world: FakeWorld) -> None:
    del world.server.users["Ana@example.org"]
    number = world.server.annotate(world.tasks[0])
    pull(world)
    assert last(world, number).reason == "the annotator's account on the server is not known"
    with world.ledger() as ledger:
        ledger.add_annotator("ana", server_user_id=ANA)
    pull(world, full=True)
    assert last(world, number).state is AnnotationState.SUBMITTED


def test_of_two_annotations_of_a_task_the_newest_counts(world: FakeWorld) -> None:
    older = world.server.annotate(world.tasks[0], result=said("Laos"))
    pull(world)
    newer = world.server.annotate(world.tasks[0], result=said("Thailand"))
    pull(world)
    assert last(world, older).state is AnnotationState.QUARANTINED
    assert last(world, older).reason == "the annotator made a newer annotation of the same task, and the newest counts"
    assert last(world, newer).state is AnnotationState.SUBMITTED
    world.server.delete(newer)
    pull(world)
    assert last(world, older).state is AnnotationState.SUBMITTED
    assert differences(world) == []


def test_skipping_after_submitting_does_not_undo_the_submission(world: FakeWorld) -> None:
    first = world.server.annotate(world.tasks[0])
    skipped = world.server.annotate(world.tasks[0], skip=True)
    pull(world)
    assert last(world, first).state is AnnotationState.SUBMITTED
    assert last(world, skipped).state is AnnotationState.SKIPPED


def test_half_filled_stages_are_counted_and_named(world: FakeWorld) -> None:
    half = [*said(), text_result("region_reasoning", "Birches.")]
    world.server.annotate(world.tasks[0], result=half)
    result = pull(world)
    assert result.half_filled == 1
    (remark,) = result.remarks
    assert (remark.annotator, remark.sample_id, remark.task, remark.code) == (
        "ana",
        "pool:k0",
        world.tasks[0],
        "half_stage",
    )
    assert "region" in remark.detail


def test_a_task_that_was_not_pushed_is_reported(world: FakeWorld) -> None:
    stranger = world.server.add_task(7, None)
    world.server.annotate(stranger)
    assert pull(world).unknown_tasks == {stranger}
    assert differences(world) == [DifferenceKind.TASK_UNKNOWN]


def test_a_task_whose_push_was_interrupted_is_known_by_its_key(world: FakeWorld) -> None:
    task = world.push("late", noted=False)
    number = world.server.annotate(task)
    pull(world)
    assert last(world, number).task_key == "late"
    assert differences(world) == [DifferenceKind.TASK_NOT_NOTED]


def test_the_second_copy_of_a_task_is_set_aside(world: FakeWorld) -> None:
    kept = world.server.annotate(world.tasks[0])
    copy = world.server.add_task(7, "k0")
    number = world.server.annotate(copy)
    pull(world)
    assert last(world, kept).state is AnnotationState.SUBMITTED
    assert last(world, number).reason == "made in a second copy of the task"
    assert differences(world) == [DifferenceKind.TASK_TWICE]


def test_only_what_changed_is_read(world: FakeWorld) -> None:
    first = [world.server.annotate(task) for task in world.tasks]
    pull(world)
    world.server.clock += timedelta(hours=1)
    world.server.edit(first[3], result=said("Finland"))
    assert pull(world).changed == 1
    world.server.requests.clear()
    result = pull(world)
    assert (result.seen, result.unchanged) == (1, 1)
    assert world.server.requests.count("/api/tasks/") == 1


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_server_clock_that_jumps_loses_nothing(world: FakeWorld, hours: int) -> None:
    number = world.server.annotate(world.tasks[0], result=said("Kenya"))
    pull(world)
    world.server.clock += timedelta(hours=hours)
    world.server.annotate(world.tasks[1])
    gone = world.server.annotate(world.tasks[2])
    pull(world)
    world.server.clock += timedelta(hours=hours)
    world.server.delete(gone)
    world.server.edit(number, result=said("Tanzania"))
    pull(world)
    assert differences(world) == []
    assert len(versions(world, number)) == 2


def test_everything_is_read_once_a_day(world: FakeWorld) -> None:
    for task in world.tasks:
        world.server.annotate(task)
    pull(world)
    world.server.clock += timedelta(hours=1)
    world.server.annotate(world.tasks[0])
    pull(world)
    with world.ledger() as ledger:
        ledger.change("UPDATE project SET full_pull_at = '2026-01-01T00:00:00+00:00' WHERE id = ?", [(1,)])
    assert [pull(world).seen for _ in range(2)] == [5, 2]


def test_a_change_committed_late_is_not_passed_over(world: FakeWorld) -> None:
    early = world.server.annotate(world.tasks[0], result=said("Kenya"))
    world.server.annotate(world.tasks[1])
    pull(world)
    task = world.server.task_of(early)
    task["annotations"][early]["result"] = said("Uganda")  # its time lies before the cursor
    pull(world)
    assert len(versions(world, early)) == 2


def test_every_interruption_is_taken_up(world: FakeWorld) -> None:
    numbers = [world.server.annotate(task) for task in world.tasks]
    before = cursor(world)
    for requests in range(1, 12):
        world.fake.fail_after = requests
        try:
            pull(world, page_tasks=1)
            break
        except StudioError:
            assert requests > 8 or cursor(world) == before or len(versions(world, numbers[-1])) == 1
    world.fake.fail_after = None
    pull(world)
    assert [len(versions(world, number)) for number in numbers] == [1] * 4
    assert differences(world) == []


def test_a_project_that_is_gone_changes_nothing(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0])
    pull(world)
    world.server.projects.clear()
    world.server.tasks.clear()
    assert pull(world).gone
    assert last(world, number).state is AnnotationState.SUBMITTED
    assert differences(world) == [DifferenceKind.PROJECT_GONE]


def test_work_of_a_project_that_was_deleted_and_made_anew_stays(world: FakeWorld) -> None:
    old = world.server.annotate(world.tasks[0])
    pull(world)
    world.server.projects = {8}
    world.server.tasks.clear()
    with world.ledger() as ledger:  # as push does
        world.put_project(ledger, number=8)
        ledger.retire_tasks(["k0"], "deleted on the server")
        ledger.mark_lost(["k1", "k2", "k3"])
        ledger.mark_deleted(["k0"])
        ledger.mark_pushed([("k1", world.project.id, world.server.add_task(8, "k1"), "d")])
    new = world.server.annotate(max(world.server.tasks))
    pull(world)
    assert last(world, old).state is AnnotationState.SUBMITTED
    assert last(world, new).state is AnnotationState.SUBMITTED
    assert differences(world) == []
    world.server.delete(new)
    assert pull(world).deleted == 1


def test_the_versions_of_page_and_handbook_are_those_of_the_time(world: FakeWorld) -> None:
    with world.ledger() as ledger:
        ledger.change("UPDATE form_use SET since = ?", [(world.server.clock.isoformat(),)])
        early = world.server.annotate(world.tasks[0])
        ledger.form_version("config-cot", "c2", "new page")
        world.put_project(ledger, config_version=2)
        changed = world.server.clock + timedelta(seconds=1)
        ledger.change("UPDATE form_use SET since = ? WHERE config_version = 2", [(changed.isoformat(),)])
        world.put_project(ledger, config_version=2)
    late = world.server.annotate(world.tasks[1])
    pull(world)
    found = [last(world, number).annotation for number in (early, late)]
    assert [one and one.config_version for one in found] == [1, 2]


def test_the_model_whose_draft_was_shown_is_named(world: FakeWorld) -> None:
    with world.ledger() as ledger:
        ledger.mark_draft([("k0", "qwen 7b 0123abcd")])
    result = said()
    result[1]["origin"] = "prediction-changed"
    number = world.server.annotate(world.tasks[0], result=result)
    pull(world)
    annotation = last(world, number).annotation
    assert annotation is not None
    assert annotation.provenance["chain.country"] == "model qwen 7b, edited"


def test_nothing_pushed_is_an_error_with_the_next_step(world: FakeWorld) -> None:
    other = FakeStudio(world.server)
    other.identity = "https://elsewhere.example"
    with pytest.raises(InputError, match="nothing was pushed") as error:
        run_pull(PullRequest(world.workspace), other)  # type: ignore[arg-type]
    assert error.value.hint == "Run `geoseek annotate push`."


def test_an_answer_without_results_is_an_error_and_not_an_empty_annotation(world: FakeWorld) -> None:
    number = world.server.annotate(world.tasks[0])
    del world.server.tasks[world.tasks[0]]["annotations"][number]["result"]
    with pytest.raises(StudioError, match=f"Annotation {number} in project 7 lacks result"):
        pull(world)


def test_a_push_at_work_is_waited_for_and_named(world: FakeWorld) -> None:
    folder = world.workspace / "work" / "annotation"
    with exclusive(folder, doing="pushing"), pytest.raises(OutputError, match="pushing or pulling"):
        pull(world)
    held, release = threading.Event(), threading.Event()

    def push() -> None:
        with exclusive(folder, doing="pushing"):
            held.set()
            release.wait(10)

    thread = threading.Thread(target=push)
    thread.start()
    held.wait(10)
    threading.Timer(0.2, release.set).start()
    run_pull(PullRequest(world.workspace, wait_s=10), world.studio)
    thread.join()


def test_a_backup_is_made_once_a_day(world: FakeWorld) -> None:
    pull(world)
    pull(world)
    with world.ledger() as ledger:
        (made,) = backups(ledger.path)
    made.rename(made.with_name("ledger-20200101T000000000000Z.sqlite"))
    pull(world)
    with world.ledger() as ledger:
        assert len(backups(ledger.path)) == 2


def test_watch_goes_on_after_a_failure_and_stops_when_told(world: FakeWorld) -> None:
    naps: list[float] = []
    stopped = threading.Event()
    results = watch(
        PullRequest(world.workspace, wait_s=0), world.studio, every_s=0.5, stop=stopped.is_set, sleep=naps.append
    )
    assert next(results).changes == 0
    world.fake.fail_after = 0
    failed = next(results)
    assert failed.failure is not None
    assert "cut while" in failed.failure
    world.fake.fail_after = None
    world.server.annotate(world.tasks[0])
    assert next(results).changes == 1
    stopped.set()
    assert list(results) == []
    assert sum(naps) == pytest.approx(1.0)


def test_watch_ends_when_the_server_refuses(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise StudioError("no", status=401)

    monkeypatch.setattr(world.fake, "get_json", refuse)
    with pytest.raises(StudioError, match="no"):
        next(watch(PullRequest(world.workspace), world.studio, every_s=1, stop=lambda: False))


def test_drawn_scenes_are_never_photos(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert drawn_samples(tmp_path) == frozenset()
    folder = tmp_path / "work" / "images"
    folder.mkdir(parents=True)
    rows = {"id": ["a", "b", "c"], "license": ["CC0-1.0 synthetic", "CC-BY-4.0", None]}
    pq.write_table(pa.table(rows), folder / "members.parquet")
    assert drawn_samples(tmp_path) == {"a"}
    (folder / "members.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        drawn_samples(tmp_path)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["annotate", "edit", "foreign edit", "skip", "delete", "delete task", "push", "pull", "cut"]),
        st.integers(0, 50),
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps=_STEPS)
def test_whatever_happens_the_ledger_ends_as_the_server_and_forgets_no_word(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    world = FakeWorld(tmp_path_factory.mktemp("pull"), tasks=3)
    server = world.server
    seen: set[tuple[int, str]] = set()
    for turn, (step, choice) in enumerate(steps):
        tasks, annotations = sorted(server.tasks), server.annotation_numbers()
        words = said(f"place {turn}")
        if step == "push":
            world.push(f"new{turn}")
        elif step in ("pull", "cut"):
            world.fake.fail_after = choice % 6 if step == "cut" else None
            try:
                pull(world)
            except StudioError:
                continue
            finally:
                world.fake.fail_after = None
            seen |= {
                (number, json.dumps(task["annotations"][number]["result"]))
                for task in server.tasks.values()
                for number in task["annotations"]
            }
        elif step == "annotate" and tasks:
            server.annotate(tasks[choice % len(tasks)], by=(ANA, ANA, BO)[choice % 3], result=words)
        elif step == "skip" and tasks:
            server.annotate(tasks[choice % len(tasks)], skip=True)
        elif step == "delete task" and tasks:
            server.delete_task(tasks[choice % len(tasks)])
        elif annotations and step in ("edit", "foreign edit", "delete"):
            number = annotations[choice % len(annotations)]
            if step == "delete":
                server.delete(number)
            else:
                server.edit(number, by=ANA if step == "edit" else BO, result=words)
    pull(world)
    assert differences(world) == []
    with world.ledger() as ledger:
        kept = set()
        for row in ledger.annotations(history=True):
            raw = ledger.raw(row.id, row.version)
            assert raw is not None
            kept.add((int(row.id.rpartition(":")[2]), json.dumps(json.loads(raw)["result"])))
    assert seen <= kept


def test_reading_ahead_keeps_the_order_and_the_error() -> None:
    def pages() -> Iterator[int]:
        yield from range(5)
        raise StudioError("the end")

    found = []
    with pytest.raises(StudioError, match="the end"):
        for page in read_ahead(pages()):
            found.append(page)
    assert found == [0, 1, 2, 3, 4]


def test_a_reader_that_stops_stops_the_reading() -> None:
    asked: list[int] = []

    def pages() -> Iterator[int]:
        for number in range(1000):
            asked.append(number)
            yield number

    reader = cast("Generator[int, None, None]", read_ahead(pages()))
    assert next(reader) == 0
    reader.close()
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(10)
            assert not thread.is_alive()
    assert len(asked) < 5
