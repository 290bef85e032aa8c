"""Push against a server in memory: everything once, whatever happened between."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from geoseek.annotation.ledger import AnnotationState, Decision, Ledger, NewAnnotation, Purpose, TaskState, Verdict
from geoseek.annotation.push.planning import DELETED, LEFT, REBALANCED, REPLACED
from geoseek.annotation.push.run import PICTURE_REJECTS, PushRequest, plan_push
from geoseek.annotation.push.subjects import REJECTED_SAMPLES, read_rejected_samples
from geoseek.annotation.server import StudioError
from geoseek.schemas import InputError, OutputError, Split, UsageError
from geoseek.workspace import exclusive
from tests.annotation.push_server import World
from tests.annotation.workspaces import jpeg, member, write_members


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {Split.COT: 8, Split.VAL: 4})


def annotate(
    ledger: Ledger, key: str, *, version: str = "1", state: AnnotationState = AnnotationState.SUBMITTED
) -> str:
    """Enter an annotation of a task, as a pull would."""
    (task,) = (task for task in ledger.tasks() if task.key == key)
    id_ = f"studio:local:{key}"
    ledger.add_annotation(
        NewAnnotation(
            id_, Purpose.ANNOTATE, key, task.sample_id, task.split, task.annotator, state, version, "local", "{}"
        )
    )
    return id_


def reject(world: World, sample: str, consequence: Literal["queue", "reserve"], annotator: str | None = None) -> None:
    with world.ledger() as ledger:
        id_ = annotate(ledger, world.task_of(sample, annotator).key)
        ledger.add_decision(Decision(id_, 1, Verdict.REJECTED, "lead", "too vague", consequence))


def test_first_push_gives_everything_to_the_lead_and_the_second_changes_nothing(world: World) -> None:
    first = world.push(Split.COT, Split.VAL)
    assert [(one.annotator, one.split, one.assigned) for one in first.projects] == [
        ("lead", Split.COT, 8),
        ("lead", Split.VAL, 4),
    ]
    assert first.planned == 12
    world.check()
    writes = len(world.studio.writes)
    second = world.push(Split.COT, Split.VAL)
    assert len(world.studio.writes) == writes
    assert [one.figures.unchanged for one in second.projects] == [8, 4]
    assert second.planned == second.retired == 0


def test_projects_show_page_and_handbook_and_are_versioned(world: World) -> None:
    world.push()
    (project,) = world.studio.projects.values()
    assert project["title"] == "GeoSeek cot · lead"
    assert "country_clues" in project["label_config"]
    assert "Handbook" in project["expert_instruction"]
    with world.ledger() as ledger:
        (known,) = ledger.projects("local")
        assert (known.config_version, known.handbook_version) == (1, 1)
    (world.workspace / "annotation" / "HANDBOOK.md").write_text("# Better\n", encoding="utf-8")
    world.push()
    with world.ledger() as ledger:
        (known,) = ledger.projects("local")
        assert (known.config_version, known.handbook_version) == (1, 2)
    assert "Better" in world.studio.projects[known.server_project_id]["expert_instruction"]


def test_work_is_shared_out_and_newcomers_get_new_samples(world: World) -> None:
    world.invite("ana", "ben")
    world.set_members(Split.COT, list(range(6)))
    first = world.push()
    assert {one.annotator: one.assigned for one in first.projects} == {"ana": 3, "ben": 3}
    before = {task.key for task in world.tasks()}
    world.invite("cem")
    world.set_members(Split.COT, list(range(9)))
    second = world.push()
    assert {one.annotator: one.assigned for one in second.projects} == {"ana": 3, "ben": 3, "cem": 3}
    assert before <= {task.key for task in world.tasks(TaskState.PUSHED)}
    world.check()


def test_only_named_annotators_get_new_tasks(world: World) -> None:
    world.invite("ana", "ben")
    assert {one.annotator: one.assigned for one in world.push(annotators=("ben",)).projects} == {"ben": 8}
    with pytest.raises(UsageError, match="Unknown annotator 'bne'; did you mean 'ben'"):
        world.push(annotators=("bne",))
    with world.ledger() as ledger:
        ledger.deactivate_annotator("ana")
    with pytest.raises(UsageError, match="ana takes no more tasks"):
        world.push(annotators=("ana",))


def test_limit_only_ever_adds(world: World) -> None:
    assert world.push(limit=3).planned == 3
    assert world.push(limit=5).planned == 2
    assert world.push(limit=2).retired == 0
    assert world.push().planned == 3
    world.check()


def test_changed_pictures_are_replaced_and_the_task_stays(world: World) -> None:
    world.push()
    before = {task.key: task.server_task_id for task in world.tasks()}
    rows = [member(Split.COT, n, ("FR", "DE", "JP")[n % 3]) for n in range(8)]
    # The tests draw a picture from this.
    rows[3]["source_id"] = "cot-77"
    write_members(world.workspace, rows)
    (done,) = world.push().projects
    assert (done.figures.updated, done.figures.unchanged, done.figures.imported) == (1, 7, 0)
    assert {task.key: task.server_task_id for task in world.tasks()} == before
    world.check()


def test_samples_that_left_are_taken_back_unless_begun(world: World) -> None:
    world.push()
    begun, skipped, typed, untouched = (world.task_of(f"pool:cot-{n}") for n in range(4))
    world.studio.tasks[begun.server_task_id or 0]["total_annotations"] = 1
    world.studio.tasks[skipped.server_task_id or 0]["cancelled_annotations"] = 1
    world.studio.tasks[typed.server_task_id or 0]["drafts"] = [{"id": 1}]
    world.set_members(Split.COT, [4, 5, 6, 7])
    result = world.push()
    (done,) = result.projects
    assert (done.figures.deleted, done.figures.left, done.assigned) == (1, 3, 4)
    assert any("stay on the server" in notice for notice in result.notices)
    retired = {task.key: task for task in world.tasks(TaskState.RETIRED)}
    assert retired.keys() == {begun.key, skipped.key, typed.key, untouched.key}
    assert {task.retired_reason for task in retired.values()} == {LEFT}
    assert [key for key, task in retired.items() if task.server_task_id is None] == [untouched.key]
    world.check()


def test_samples_that_come_back_get_their_tasks_back(world: World) -> None:
    world.push()
    task = world.task_of("pool:cot-0")
    with world.ledger() as ledger:
        annotate(ledger, task.key)
    world.studio.tasks[task.server_task_id or 0]["total_annotations"] = 1
    world.set_members(Split.COT, list(range(1, 8)))
    world.push()
    world.set_members(Split.COT, list(range(8)))
    world.push()
    assert {one.state for one in world.tasks()} == {TaskState.PUSHED}
    assert world.task_of("pool:cot-0").server_task_id == task.server_task_id
    world.check()


def test_tasks_that_vanished_are_pushed_again_unless_there_is_work(world: World) -> None:
    world.push()
    worked, plain = world.task_of("pool:cot-0"), world.task_of("pool:cot-1")
    with world.ledger() as ledger:
        annotate(ledger, worked.key)
    del world.studio.tasks[worked.server_task_id or 0], world.studio.tasks[plain.server_task_id or 0]
    result = world.push()
    (done,) = result.projects
    assert (done.figures.imported, done.figures.gone, done.assigned) == (1, 1, 7)
    assert any("deleted on the server" in notice for notice in result.notices)
    assert world.task_of("pool:cot-0").retired_reason == DELETED
    world.check()
    assert world.push().planned == 0


def test_work_that_a_pull_saw_deleted_is_given_out_again_under_another_key(world: World) -> None:
    world.invite("ana", "ben")
    world.push()
    lost = world.task_of("pool:cot-0")
    with world.ledger() as ledger:
        annotate(ledger, lost.key)
        annotate(ledger, lost.key, version="2", state=AnnotationState.DELETED)
        ledger.retire_tasks([lost.key], DELETED)
        ledger.mark_deleted([lost.key])
    del world.studio.tasks[lost.server_task_id or 0]
    assert world.push().planned == 1
    (again,) = (t for t in world.tasks(TaskState.PUSHED) if t.sample_id == "pool:cot-0")
    assert again.annotator != lost.annotator
    world.check()


def test_rejected_work_goes_back_to_the_queue(world: World) -> None:
    world.invite("ana", "ben")
    world.push()
    first = world.task_of("pool:cot-2")
    reject(world, "pool:cot-2", "queue")
    assert world.push().planned == 1
    second = next(task for task in world.tasks() if task.sample_id == "pool:cot-2" and task.key != first.key)
    assert second.annotator != first.annotator
    assert second.round == 1
    assert world.push().planned == 0
    reject(world, "pool:cot-2", "queue", second.annotator)
    world.push()
    rounds = Counter(task.round for task in world.tasks() if task.sample_id == "pool:cot-2")
    assert rounds == {1: 2, 2: 1}
    world.check()


def test_rejected_work_of_one_person_alone_comes_back_under_a_new_key(world: World) -> None:
    world.push()
    reject(world, "pool:cot-2", "queue")
    world.push()
    tasks = [task for task in world.tasks(TaskState.PUSHED) if task.sample_id == "pool:cot-2"]
    assert [task.round for task in sorted(tasks, key=lambda task: task.round)] == [1, 2]
    world.check()


def test_work_that_was_edited_after_its_rejection_is_not_given_out_again(world: World) -> None:
    world.push()
    reject(world, "pool:cot-2", "queue")
    with world.ledger() as ledger:
        annotate(ledger, world.task_of("pool:cot-2").key, version="2")
    assert world.push().planned == 0


def test_samples_rejected_to_the_reserve_are_taken_back_and_listed(world: World) -> None:
    world.push()
    reject(world, "pool:cot-2", "reserve")
    world.studio.tasks[world.task_of("pool:cot-2").server_task_id or 0]["total_annotations"] = 1
    result = world.push()
    assert world.task_of("pool:cot-2").retired_reason == REPLACED
    listed = (world.workspace / REJECTED_SAMPLES).read_text(encoding="utf-8")
    assert listed == "split,sample_id\ncot,pool:cot-2\n"
    assert read_rejected_samples(world.workspace) == {(Split.COT, "pool:cot-2")}
    assert any("geoseek fetch" in notice for notice in result.notices)
    world.set_members(Split.COT, [0, 1, 3, 4, 5, 6, 7, 8])
    result = world.push()
    assert result.planned == 1
    assert not any("geoseek fetch" in notice for notice in result.notices)
    assert (world.workspace / REJECTED_SAMPLES).exists()
    world.check()


def test_rebalancing_moves_what_nobody_has_begun(world: World) -> None:
    world.push()
    begun, typed = world.task_of("pool:cot-0"), world.task_of("pool:cot-1")
    world.studio.tasks[begun.server_task_id or 0]["total_annotations"] = 1
    world.studio.tasks[typed.server_task_id or 0]["drafts"] = [{"id": 1}]
    world.invite("ana")
    assert world.push().planned == 0
    result = world.push(rebalance=True)
    assert {one.annotator: one.assigned for one in result.projects} == {"ana": 4, "lead": 4}
    assert {world.task_of("pool:cot-0").annotator, world.task_of("pool:cot-1").annotator} == {"lead"}
    assert {task.retired_reason for task in world.tasks(TaskState.RETIRED)} == {REBALANCED}
    world.check()
    assert world.push(rebalance=True).planned == 0


def test_tasks_of_somebody_who_left_are_given_away_by_a_rebalance(world: World) -> None:
    world.invite("ana", "ben")
    world.push()
    with world.ledger() as ledger:
        ledger.deactivate_annotator("ben")
    assert world.push().planned == 0
    result = world.push(rebalance=True)
    assert {one.annotator: one.assigned for one in result.projects} == {"ana": 8, "ben": 0}
    world.check()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_lost_answers_double_nothing(world: World, moment: str) -> None:
    due = ["POST /api/projects", "/api/storages/localfiles", "/import?"]

    def once(request: str) -> str | None:
        for part in due:
            if request.endswith(part) or (part == "/import?" and part in request):
                due.remove(part)
                return moment
        return None

    world.studio.fault = once
    for _ in range(3):
        try:
            world.push()
        except StudioError:
            continue
        break
    assert not due
    assert len(world.studio.projects) == 1
    world.check()
    assert len(world.studio.tasks) == 8


def test_a_server_that_never_answers_is_given_up_and_taken_up_again(world: World) -> None:
    world.studio.fault = lambda request: "before" if "import" in request else None
    with pytest.raises(StudioError):
        world.push()
    assert len(world.tasks(TaskState.PLANNED)) == 8
    world.studio.fault = lambda _: None
    world.push()
    world.check()


def test_second_tasks_of_a_key_are_removed_unless_somebody_has_begun_them(world: World) -> None:
    world.push()
    task, other = world.task_of("pool:cot-0"), world.task_of("pool:cot-1")
    (project,) = world.studio.projects
    begun = world.studio.add_task(project, world.studio.tasks[task.server_task_id or 0]["data"])
    world.studio.tasks[begun]["total_annotations"] = 1
    world.studio.add_task(project, world.studio.tasks[other.server_task_id or 0]["data"])
    (done,) = world.push().projects
    assert (done.figures.deleted, done.figures.duplicates) == (2, 0)
    assert world.task_of("pool:cot-0").server_task_id == begun
    assert world.task_of("pool:cot-1").server_task_id == other.server_task_id
    world.check()


def test_tasks_of_others_are_left_alone_and_said(world: World) -> None:
    world.push()
    (project,) = world.studio.projects
    world.studio.add_task(project, {"image": "/x.jpg"})
    world.studio.add_task(project, {"key": "somebody's", "image": "/x.jpg"})
    result = world.push()
    assert result.projects[0].figures.foreign == 2
    assert any("not made by GeoSeek" in notice for notice in result.notices)
    assert len(world.studio.tasks) == 10


def test_a_deleted_project_is_made_again(world: World) -> None:
    world.push()
    world.studio.projects.clear()
    world.studio.tasks.clear()
    (done,) = world.push().projects
    assert done.figures.imported == 8
    world.check()


def test_a_server_that_was_reset_may_give_the_same_numbers_again(world: World) -> None:
    world.push()
    keys = [task.key for task in world.tasks()]
    with world.ledger() as ledger:
        annotate(ledger, keys[0])
    fresh = World(world.workspace / "other", {Split.COT: 1}).studio
    fresh.root = world.studio.root
    world.studio = fresh
    (done,) = world.push().projects
    assert (done.figures.imported, done.figures.gone) == (7, 1)
    world.check()


def test_another_server_gets_what_nobody_has_begun(tmp_path: Path) -> None:
    world = World(tmp_path, {Split.COT: 4})
    world.push()
    with world.ledger() as ledger:
        annotate(ledger, world.task_of("pool:cot-0").key)
    other = World(tmp_path / "other", {Split.COT: 1}, local=False)
    world.studio = other.studio
    result = world.push()
    assert (result.projects[0].figures.imported, result.projects[0].figures.elsewhere) == (3, 1)
    assert any("another server" in notice for notice in result.notices)
    assert all(task["data"]["image"].startswith("/data/upload/") for task in other.studio.tasks.values())


def test_pictures_that_cannot_be_shown_are_listed_and_the_rest_goes_out(world: World) -> None:
    images = world.workspace / "work" / "images"
    broken = sorted(images.glob("*.jpg"))[:2]
    broken[0].unlink()
    broken[1].write_bytes(jpeg(4711))
    result = world.push(Split.COT, Split.VAL)
    assert result.rejected_pictures == 2
    rows = (world.workspace / "work" / "annotation" / PICTURE_REJECTS).read_text(encoding="utf-8").splitlines()
    assert rows[0] == "sample_id,reason"
    assert len(rows) == 3
    assert sum("changed since it was fetched" in row for row in rows) == 1
    assert sum(one.figures.imported for one in result.projects) == 10
    assert len(world.tasks(TaskState.PLANNED)) == 2


def test_no_task_is_sent_while_the_server_does_not_show_pictures(world: World) -> None:
    world.studio.root = world.workspace / "nowhere"
    with pytest.raises(InputError, match="does not show the picture"):
        world.push()
    assert not world.studio.tasks


def test_without_pictures_fetch_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        plan_push(PushRequest(tmp_path, (Split.COT,)))
    assert "geoseek fetch" in str(caught.value)


def test_a_split_that_was_not_fetched_keeps_its_tasks(world: World) -> None:
    world.push(Split.COT, Split.VAL)
    world.set_members(Split.COT, list(range(8)))
    result = world.push(Split.COT, Split.VAL)
    assert result.retired == 0
    assert any("no pictures of val" in notice for notice in result.notices)


def test_dry_run_tells_and_writes_nothing(world: World) -> None:
    plan = plan_push(PushRequest(world.workspace, (Split.COT, Split.VAL), overlap_share=0.5))
    assert plan.new == {("lead", Split.COT): 8, ("lead", Split.VAL): 4}
    assert any("wait for more annotators" in notice for notice in plan.notices)
    assert not (world.workspace / "work" / "annotation" / "ledger.sqlite").exists()
    world.push(Split.COT, Split.VAL)
    world.set_members(Split.COT, [0, 1, 2])
    plan = plan_push(PushRequest(world.workspace, (Split.COT,)))
    assert (dict(plan.new), plan.kept, dict(plan.retire)) == ({}, 3, {LEFT: 5})
    assert not world.tasks(TaskState.RETIRED)


def test_two_pushes_at_once_do_not_meet(world: World) -> None:
    with (
        exclusive(world.workspace / "work" / "annotation", doing="pushing"),
        pytest.raises(OutputError, match="Another process"),
    ):
        world.push()


def test_lost_secret_stops_the_push(world: World) -> None:
    world.push()
    (world.workspace / "work" / "annotation" / "secret").unlink()
    with pytest.raises(InputError, match="secret is missing"):
        world.push()


def test_equal_workspaces_send_equal_assignments(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        world = World(tmp_path / name, {Split.COT: 12})
        world.invite("ana", "ben", "cem")
        world.push(overlap_share=0.25)
        found.append(sorted((task.sample_id, task.annotator) for task in world.tasks()))
    assert found[0] == found[1]
    assert len(found[0]) == 15


class Weeks(RuleBasedStateMachine):
    """Weeks of work: samples and people come and go, answers get lost, tasks are annotated and deleted in the UI."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name), {Split.COT: 6})
        self.members = list(range(6))
        self.faults: list[str | None] = []
        self.world.studio.fault = lambda _: self.faults.pop() if self.faults else None

    @rule(numbers=st.sets(st.integers(0, 9), min_size=1))
    def draw(self, numbers: set[int]) -> None:
        self.members = sorted(numbers)
        self.world.set_members(Split.COT, self.members)

    @rule(name=st.sampled_from(["ana", "ben", "cem"]), stays=st.booleans())
    def people(self, name: str, stays: bool) -> None:
        self.world.invite(name)
        with self.world.ledger() as ledger:
            if not stays and sum(one.active for one in ledger.annotators()) > 1:
                ledger.deactivate_annotator(name)

    @rule(pick=st.integers(0, 30), pulled=st.booleans())
    def annotated(self, pick: int, pulled: bool) -> None:
        tasks = sorted(self.world.studio.tasks)
        if tasks:
            task = self.world.studio.tasks[tasks[pick % len(tasks)]]
            task["total_annotations"] = 1
            if pulled:
                with self.world.ledger() as ledger:
                    annotate(ledger, task["data"]["key"])

    @rule(pick=st.integers(0, 30))
    def deleted(self, pick: int) -> None:
        tasks = sorted(self.world.studio.tasks)
        if tasks:
            del self.world.studio.tasks[tasks[pick % len(tasks)]]

    @rule(faults=st.lists(st.sampled_from([None, "before", "after"]), max_size=6))
    def trouble(self, faults: list[str | None]) -> None:
        self.faults = faults

    @rule(overlap_share=st.sampled_from([0.0, 0.5]), rebalance=st.booleans())
    def push(self, overlap_share: float, rebalance: bool) -> None:
        try:
            self.world.push(overlap_share=overlap_share, rebalance=rebalance)
        except StudioError:
            self.faults = []
            self.world.push(overlap_share=overlap_share, rebalance=rebalance)
        self.world.check()
        given = {task.sample_id for task in self.world.tasks() if task.state is not TaskState.RETIRED}
        closed = {task.sample_id for task in self.world.tasks() if task.retired_reason == DELETED}
        assert given <= {f"pool:cot-{n}" for n in self.members} <= given | closed

    def teardown(self) -> None:
        self.folder.cleanup()


def test_weeks_of_work() -> None:
    run_state_machine_as_test(
        Weeks,
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_json_of_a_task_holds_nothing_but_key_and_picture(world: World) -> None:
    world.push()
    for task in world.studio.tasks.values():
        assert task["data"].keys() == {"key", "image"}
        text = json.dumps(task)
        for leak in ("pool", "cot-", "FR", "2020", "France", "48.8"):
            assert leak not in text.replace("cot ·", "")
