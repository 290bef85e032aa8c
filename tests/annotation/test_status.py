"""Status: counts that add up, days in UTC, the estimate, the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from geoseek.annotation.agreement import agreement
from geoseek.annotation.ledger import (
    AnnotationState,
    Decision,
    Ledger,
    NewAnnotation,
    Note,
    Purpose,
    Task,
    TaskState,
    Verdict,
)
from geoseek.annotation.progress.report import render_status, status_lines
from geoseek.annotation.progress.status import (
    MIN_ACTIVE_DAYS,
    STALE_DAYS,
    DayProgress,
    Progress,
    StatusFigures,
    build_status,
    estimate_finish,
)
from geoseek.cli.annotate.status import status as status_command
from geoseek.geo import load_gazetteer
from geoseek.schemas import Split
from tests.annotation.agreement.generator import Person, Review, World, fill_ledger, make_world

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
PEOPLE = [Person("ana", wrong=0.3), Person("ben", half_filled=0.4, seconds=600.0), Person("chloé", wrong=0.5)]


@pytest.fixture(scope="module")
def world() -> World:
    val = make_world(PEOPLE, samples=60, overlap=2, seed=1, split=Split.VAL)
    cot = make_world(PEOPLE, samples=90, overlap=1, seed=2, split=Split.COT)
    moved = [replace(row, id=f"cot:{row.id}", sample_id=f"cot-{row.sample_id}") for row in cot.rows]
    return World([*val.rows, *moved], val.truth | {f"cot-{key}": where for key, where in cot.truth.items()})


@pytest.fixture
def ledger(tmp_path: Path, world: World) -> Ledger:
    opened = Ledger(tmp_path)
    fill_ledger(opened, world, open_share=0.3, seed=3, review=Review())
    return opened


def _sum(rows: Any, field: str) -> int:
    return sum(getattr(row, field) for row in rows)


COUNTS = (
    "assigned",
    "done",
    "skipped",
    "open",
    "in_review",
    "accepted",
    "rejected",
    "undecided",
    "imported",
    "quarantined",
    "half_filled",
)


def _adds_up(one: Progress) -> None:
    assert one.assigned == one.done + one.skipped + one.open
    assert one.done + one.imported == one.in_review + one.accepted + one.rejected + one.undecided


def test_every_table_adds_up_to_the_same(ledger: Ledger) -> None:
    found = build_status(ledger, now=NOW)
    for one in (found.total, *found.splits, *found.annotators, *found.cells):
        _adds_up(one)
    for field in COUNTS:
        total = getattr(found.total, field)
        assert _sum(found.splits, field) == _sum(found.annotators, field) == _sum(found.cells, field) == total, field
    for field in ("assigned", "skipped", "in_review", "accepted", "rejected"):
        assert _sum(found.days, field) == getattr(found.total, field), field
    assert _sum(found.days, "done") == found.total.done + found.total.imported
    assert min(found.total.in_review, found.total.accepted, found.total.rejected, found.total.half_filled) > 0
    assert [split.split for split in found.splits] == ["val", "cot"]


def test_counts_are_those_of_the_ledger(ledger: Ledger) -> None:
    found = build_status(ledger, now=NOW)
    tasks = list(ledger.tasks())
    rows = list(ledger.annotations())
    assert found.total.assigned == len(tasks) == 210
    assert found.total.done == sum(row.state is AnnotationState.SUBMITTED for row in rows)
    assert found.total.skipped == sum(row.state is AnnotationState.SKIPPED for row in rows) > 0
    assert found.total.in_review == sum(row.in_review for row in rows)
    ben = next(one for one in found.annotators if one.annotator == "ben")
    assert ben.median_lead_time_s == 600.0
    assert _sum(found.annotators, "half_filled") == ben.half_filled


def test_one_split_alone(ledger: Ledger) -> None:
    everything, cot = build_status(ledger, now=NOW), build_status(ledger, now=NOW, splits=(Split.COT,))
    assert cot.total.assigned == 90
    assert cot.splits == tuple(split for split in everything.splits if split.split == "cot")
    assert {day.split for day in cot.days} == {"cot"}


def test_looking_twice_changes_nothing(ledger: Ledger) -> None:
    assert build_status(ledger, now=NOW).to_json() == build_status(ledger, now=NOW).to_json()


@pytest.fixture
def empty(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path)
    ledger.add_annotator("ana")
    ledger.plan_tasks([_task("one")])
    return ledger


def _task(sample: str, annotator: str = "ana") -> Task:
    return Task(f"{sample}-{annotator}", Purpose.ANNOTATE, sample, Split.COT, "FR", annotator, TaskState.PLANNED)


def _said(identity: str, task_key: str | None = "one-ana", **changes: Any) -> NewAnnotation:
    base = NewAnnotation(
        id=identity,
        purpose=Purpose.ANNOTATE,
        task_key=task_key,
        sample_id="one",
        split=Split.COT,
        annotator="ana",
        state=AnnotationState.SUBMITTED,
        digest=repr(sorted(changes.items())),
        origin="local",
        raw="{}",
        created_at="2026-03-10T10:00:00+00:00",
    )
    return replace(base, **changes)


def _total(ledger: Ledger) -> dict[str, int]:
    total = build_status(ledger, now=NOW).total
    _adds_up(total)
    return {field: getattr(total, field) for field in COUNTS if getattr(total, field)}


def test_an_annotator_without_work_is_shown(empty: Ledger) -> None:
    empty.add_annotator("idle")
    assert [one.annotator for one in build_status(empty, now=NOW).annotators] == ["ana", "idle"]
    empty.deactivate_annotator("idle")
    assert [one.annotator for one in build_status(empty, now=NOW).annotators] == ["ana"]


def test_the_life_of_a_task(empty: Ledger) -> None:
    assert _total(empty) == {"assigned": 1, "open": 1}
    empty.add_annotation(_said("a", state=AnnotationState.SKIPPED))
    assert _total(empty) == {"assigned": 1, "skipped": 1}
    empty.add_annotation(_said("a", problems=(Note("half_stage", "region"),)))
    assert _total(empty) == {"assigned": 1, "done": 1, "undecided": 1, "half_filled": 1}
    empty.set_flags("a", 2, [Note("too_fast", "3 s")])
    assert _total(empty) == {"assigned": 1, "done": 1, "in_review": 1, "half_filled": 1}
    empty.add_decision(Decision("a", 2, Verdict.REJECTED, "lead", reason="too short"))
    assert _total(empty) == {"assigned": 1, "done": 1, "rejected": 1, "half_filled": 1}
    empty.add_annotation(_said("a", reason="again"))
    assert _total(empty) == {"assigned": 1, "done": 1, "undecided": 1}, "a new version is to be reviewed again"
    empty.add_annotation(_said("a", state=AnnotationState.DELETED))
    assert _total(empty) == {"assigned": 1, "open": 1}


def test_quarantined_and_imported_annotations_are_counted_apart(empty: Ledger) -> None:
    empty.add_annotation(_said("a", state=AnnotationState.QUARANTINED, reason="by somebody else"))
    assert _total(empty) == {"assigned": 1, "open": 1, "quarantined": 1}
    empty.add_annotation(_said("b", task_key=None, origin="file:notes"))
    assert _total(empty) == {"assigned": 1, "open": 1, "quarantined": 1, "imported": 1, "undecided": 1}


def test_a_submitted_annotation_outweighs_a_skipped_one_of_the_same_task(empty: Ledger) -> None:
    empty.add_annotation(_said("a"))
    empty.add_annotation(_said("b", state=AnnotationState.SKIPPED, updated_at="2026-03-11T10:00:00+00:00"))
    assert _total(empty) == {"assigned": 1, "done": 1, "undecided": 1}


def test_retired_tasks_count_only_with_work(empty: Ledger) -> None:
    empty.plan_tasks([_task("two")])
    empty.add_annotation(_said("a"))
    empty.retire_tasks(["one-ana", "two-ana"], "left the sample")
    assert _total(empty) == {"assigned": 1, "done": 1, "undecided": 1}


def test_days_are_days_in_utc(empty: Ledger) -> None:
    empty.add_annotation(_said("a", created_at="2026-03-10T23:30:00-05:00", lead_time_s=60.0))
    (day,) = [one for one in build_status(empty, now=NOW).days if one.done]
    assert (day.day, day.split, day.annotator, day.median_lead_time_s) == ("2026-03-11", "cot", "ana", 60.0)
    east = datetime(2026, 3, 20, 8, tzinfo=timezone(timedelta(hours=9)))
    assert build_status(empty, now=east).as_of == "2026-03-19T23:00+00:00"


@given(
    st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 3, 31)), st.integers(1, 500), min_size=1, max_size=40),
    st.integers(1, 20_000),
)
def test_an_estimate_lies_ahead_or_says_why_not(worked: dict[date, int], still_open: int) -> None:
    today = date(2026, 4, 1)
    found = estimate_finish(worked, still_open, today)
    if found.day is None:
        assert found.reason
        assert len(worked) < MIN_ACTIVE_DAYS or (today - max(worked)).days > STALE_DAYS
    else:
        assert found.reason is None
        assert found.per_day is not None
        assert date.fromisoformat(found.day) > today
        assert 0 < found.per_day <= max(worked.values())


def test_today_and_single_marathons_do_not_set_the_pace() -> None:
    today = date(2026, 3, 20)
    steady = {today - timedelta(days=back): 10 for back in range(1, 11)}
    calm = estimate_finish(steady, 100, today)
    assert calm.per_day == 10.0
    assert estimate_finish({**steady, today: 1}, 100, today) == calm
    assert estimate_finish({**steady, today - timedelta(days=4): 1000}, 100, today) == calm
    assert estimate_finish(steady, 0, today).reason == "nothing is open"


def test_only_the_last_fourteen_active_days_count() -> None:
    today = date(2026, 3, 20)
    recent = {today - timedelta(days=back): 5 for back in range(1, 15)}
    before = {today - timedelta(days=back): 100 for back in range(15, 40)}
    assert estimate_finish({**before, **recent}, 10, today).per_day == 5.0


def test_the_terminal_table_is_narrow_and_plain(tmp_path: Path) -> None:
    long_name = "\x1b[31m" + "very-long-pseudonym-" * 5
    world = make_world([Person(long_name), Person("恵子", half_filled=1.0)], samples=30, overlap=1, seed=1)
    with Ledger(tmp_path) as ledger:
        fill_ledger(ledger, world, open_share=0.5, seed=1)
        lines = status_lines(build_status(ledger, now=NOW))
    assert all(len(line) <= 120 for line in lines)
    assert "\x1b" not in "".join(lines)
    assert any(line.startswith("with a half-filled stage: ") and "恵子" in line for line in lines)


class _Page(HTMLParser):
    """Collects what could load or run something, and the links."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def _page(ledger: Ledger, world: World, **urls: str) -> tuple[str, _Page]:
    compared = agreement(ledger.annotations(), world.truth, gazetteer=load_gazetteer())
    text = render_status(build_status(ledger, now=NOW), compared, server_urls=urls)
    page = _Page()
    page.feed(text)
    return text, page


@pytest.mark.xdist_group("gazetteer")
def test_the_page_shows_everything_and_loads_nothing(ledger: Ledger, world: World) -> None:
    text, page = _page(ledger, world, local="http://127.0.0.1:8080")
    found = build_status(ledger, now=NOW)
    assert f"{found.total.done} of {found.total.assigned} tasks are done" in text
    for name in ("ana", "ben", "chloé"):
        assert f">{name}<" in text
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    outside = [link for link in page.links if not link.startswith("#")]
    assert outside
    assert all(re.fullmatch(r"http://127\.0\.0\.1:8080/projects/\d+/data\?task=\d+", link) for link in outside)
    assert "nan" not in re.findall(r"[a-z]+", text.lower())


@pytest.mark.xdist_group("gazetteer")
def test_links_lead_to_the_task_of_that_annotator(ledger: Ledger, world: World) -> None:
    _, page = _page(ledger, world, local="http://127.0.0.1:8080/")
    projects = {project.id: project.server_project_id for project in ledger.projects()}
    expected = {
        f"http://127.0.0.1:8080/projects/{projects[task.project]}/data?task={task.server_task_id}"
        for task in ledger.tasks(split=Split.VAL)
        if task.project is not None
    }
    assert {link for link in page.links if not link.startswith("#")} <= expected
    _, unknown = _page(ledger, world)
    assert all(link.startswith("#") for link in unknown.links), "without the address there is nothing to link to"
    _, hostile = _page(ledger, world, local="javascript:alert(1)//")
    assert all(link.startswith("#") for link in hostile.links)


@pytest.mark.xdist_group("gazetteer")
def test_everything_people_wrote_is_escaped(tmp_path: Path) -> None:
    people = [Person("<script>alert(1)</script>"), Person('"><img src=x onerror=alert(1)>', wrong=1.0)]
    world = make_world(people, samples=30, overlap=2, seed=1)
    evil = [
        replace(
            row,
            annotation=row.annotation.model_copy(
                update={
                    "chain": row.annotation.chain.model_copy(
                        update={"final_answer": f"<b onclick=alert(1)>{row.annotation.chain.final_answer}"}
                    )
                }
            ),
        )
        for row in world.rows
        if row.annotation is not None and row.annotation.chain is not None
    ]
    with Ledger(tmp_path) as ledger:
        fill_ledger(ledger, World(evil, world.truth), open_share=0.0, seed=1)
        text, page = _page(ledger, world)
    assert "&lt;script&gt;" in text
    assert "&lt;b onclick" in text
    assert not {"script", "img"} & set(page.tags)
    assert "<b onclick" not in text


@pytest.mark.xdist_group("gazetteer")
def test_an_empty_ledger_has_a_page_too(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        text, _ = _page(ledger, World([], {}))
        lines = status_lines(build_status(ledger, now=NOW))
    assert "No task was given out" in text
    assert "Over time" not in text
    assert lines[-1].startswith("all ")


@pytest.mark.xdist_group("gazetteer")
def test_the_command_writes_the_page_and_prints_table_and_json(tmp_path: Path, world: World) -> None:
    (tmp_path / "geoseek.yaml").write_text("seed: 1\n")
    with Ledger(tmp_path / "work" / "annotation") as ledger:
        fill_ledger(ledger, world, open_share=0.3, seed=3, review=Review())
    app = typer.Typer()
    app.command()(status_command)
    table = CliRunner().invoke(app, ["--workspace", str(tmp_path)])
    assert table.exit_code == 0, table.output
    assert table.stdout.splitlines()[0].split()[:3] == ["assigned", "done", "skipped"]
    page = tmp_path / "work" / "annotation" / "status.html"
    assert "Status of the annotation" in page.read_text(encoding="utf-8")
    page.unlink()
    found = CliRunner().invoke(app, ["--workspace", str(tmp_path), "--json", "--no-page", "--split", "cot"])
    figures = json.loads(found.stdout)
    assert figures["total"]["assigned"] == 90
    assert set(figures) == {field for field in StatusFigures.__dataclass_fields__ if field != "places"}
    assert set(figures["days"][0]) == set(DayProgress.__dataclass_fields__)
    assert not page.exists()
