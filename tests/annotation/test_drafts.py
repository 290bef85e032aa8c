"""Drafts: checked before anything is sent, shown once, replaced when they change, never under somebody's hands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from geoseek.annotation.forms import encode_results, load_form
from geoseek.annotation.push.drafts import DRAFT_REJECTS, make_draft, read_drafts
from geoseek.annotation.server import Studio
from geoseek.schemas import ChainOfThought, InputError, Split, Stage, Uncertainty
from tests.annotation.lab import Lab, open_lab
from tests.annotation.push_server import World

SPLITS = {"pool:cot-0": Split.COT, "pool:cot-1": Split.COT, "pool:val-0": Split.VAL}


def chain(answer: str = "Norway") -> dict[str, Any]:
    stage = Stage(clues=("gule linjer",), reasoning="Veien.", conclusion=answer, uncertainty=Uncertainty.LOW)
    return ChainOfThought(country=stage, region=None, precise=None, final_answer=answer).model_dump(mode="json")


def row(sample: str = "pool:cot-0", **others: Any) -> dict[str, Any]:
    return {"sample_id": sample, "model": "m-1", "chain": chain(), **others}


def write(path: Path, *rows: Mapping[str, Any] | str) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(tmp_path: Path, *rows: Mapping[str, Any] | str) -> dict[str, Any]:
    forms = {split: load_form(tmp_path, split) for split in (Split.COT, Split.VAL)}
    return dict(read_drafts(write(tmp_path / "drafts.jsonl", *rows), SPLITS, forms, tmp_path / DRAFT_REJECTS))


def test_drafts_become_results_of_the_page(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        row(chain=chain("Málaga\u2028東京 🗼")),
        "",
        row("pool:val-0", score=7.5, tags={"sign": "yes", "plants": "maybe"}),
    )
    assert found.keys() == {"pool:cot-0", "pool:val-0"}
    texts = [result["value"].get("text") for result in found["pool:cot-0"].results]
    assert ["Málaga\u2028東京 🗼"] in texts
    assert any(result["value"].get("number") == 7.5 for result in found["pool:val-0"].results)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{", "not JSON"),
        ("[]", "valid"),
        (row(model=""), "model"),
        (row(model="two\nlines"), "one line"),
        (row("pool:nowhere"), "no sample of this name"),
        (row(chain={"final_answer": "x"}), "chain.country"),
        (row(colour="red"), "colour"),
        (row(score=11.0), "score"),
        (row(score=7.3), "score"),
        (row(score=7.5), "asks for no score"),
        (row(tags={"sign": "perhaps"}), "tags"),
        (row(boxes=[{"stage": "country", "clue_index": 0, "x": 90, "y": 1, "w": 20, "h": 5, "note": None}]), "picture"),
        (row("pool:cot-1"), "second draft"),
    ],
)
def test_one_wrong_draft_stops_all_and_is_listed(tmp_path: Path, wrong: Mapping[str, Any] | str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, row("pool:cot-1"), wrong)
    assert "drafts.jsonl, row 2" in str(caught.value)
    assert words in str(caught.value)
    assert "1 of 2 drafts" in str(caught.value)
    rejects = (tmp_path / DRAFT_REJECTS).read_text(encoding="utf-8")
    assert rejects.startswith("row,sample_id,reason\n2,")


def test_a_mended_file_leaves_no_list_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read(tmp_path, "{")
    read(tmp_path, row())
    assert not (tmp_path / DRAFT_REJECTS).exists()


def test_one_model_per_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="drafts of 2 models for the split cot: m-1, m-2"):
        read(tmp_path, row(), row("pool:cot-1", model="m-2"))
    assert len(read(tmp_path, row(), row("pool:val-0", model="m-2"))) == 2


def test_a_missing_file_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read the drafts"):
        read_drafts(tmp_path / "no.jsonl", SPLITS, {}, tmp_path / DRAFT_REJECTS)


def test_equal_drafts_have_equal_marks() -> None:
    thought = ChainOfThought.model_validate(chain())
    results = encode_results(thought, split=Split.COT)
    assert make_draft("m", results).mark == make_draft("m", json.loads(json.dumps(results))).mark
    assert make_draft("m", results).mark != make_draft("n", results).mark


def test_drafts_travel_with_new_tasks_and_reach_those_that_are_there(tmp_path: Path) -> None:
    world = World(tmp_path / "w", {Split.COT: 4})
    world.push(limit=2)
    there = [task.sample_id for task in world.tasks()]
    drafts = write(tmp_path / "d.jsonl", *(row(f"pool:cot-{n}") for n in range(4)))
    (done,) = world.push(drafts=drafts).projects
    assert (done.figures.imported, done.figures.drafts) == (2, 4)
    assert all(len(task["predictions"]) == 1 for task in world.studio.tasks.values())
    assert {project["model_version"] for project in world.studio.projects.values()} == {"m-1"}
    assert {(task.draft or "").partition(" ")[0] for task in world.tasks()} == {"m-1"}
    writes = len(world.studio.writes)
    assert world.push(drafts=drafts).projects[0].figures.drafts == 0
    assert len(world.studio.writes) == writes
    assert len(there) == 2
    for project in world.studio.projects.values():
        project["model_version"] = ""
    world.push()
    assert {project["model_version"] for project in world.studio.projects.values()} == {"m-1"}


def test_changed_drafts_replace_the_old_ones_but_not_under_somebodys_hands(tmp_path: Path) -> None:
    world = World(tmp_path / "w", {Split.COT: 3})
    world.push(drafts=write(tmp_path / "d.jsonl", *(row(f"pool:cot-{n}") for n in range(3))))
    begun = world.task_of("pool:cot-0").server_task_id or 0
    world.studio.tasks[begun]["total_annotations"] = 1
    new = write(tmp_path / "e.jsonl", *(row(f"pool:cot-{n}", chain=chain("Sweden"), model="m-2") for n in range(3)))
    (done,) = world.push(drafts=new).projects
    assert done.figures.drafts == 2
    models = {
        number: [one["model_version"] for one in task["predictions"]] for number, task in world.studio.tasks.items()
    }
    assert models.pop(begun) == ["m-1"]
    assert list(models.values()) == [["m-2"], ["m-2"]]
    assert world.task_of("pool:cot-0").draft != world.task_of("pool:cot-1").draft


@pytest.mark.parametrize("moment", ["before", "after"])
def test_lost_answers_double_no_drafts(tmp_path: Path, moment: str) -> None:
    world = World(tmp_path / "w", {Split.COT: 3})
    world.push()
    due = ["/import/predictions"]
    world.studio.fault = lambda request: moment if due and due[0] in request and due.pop() else None
    world.push(drafts=write(tmp_path / "d.jsonl", *(row(f"pool:cot-{n}") for n in range(3))))
    assert not due
    assert all(len(task["predictions"]) == 1 for task in world.studio.tasks.values())
    assert all(task.draft for task in world.tasks())


def test_a_wrong_draft_changes_neither_ledger_nor_server(tmp_path: Path) -> None:
    world = World(tmp_path / "w", {Split.COT: 3})
    with pytest.raises(InputError, match="no sample of this name"):
        world.push(drafts=write(tmp_path / "d.jsonl", row("pool:cot-7")))
    assert not world.tasks()
    assert not world.studio.writes


@pytest.fixture
def lab(studio_server: tuple[Studio, Path], tmp_path: Path) -> Iterator[Lab]:
    with open_lab(*studio_server, tmp_path / "workspace", {Split.COT: 6}) as found:
        yield found


@pytest.mark.server
@pytest.mark.xdist_group("studio")
def test_a_real_server_fills_the_page_with_them(lab: Lab, tmp_path: Path) -> None:
    lab.push(limit=3)
    drafts = write(tmp_path / "d.jsonl", *(row(f"pool:cot-{n}") for n in range(6)))
    assert lab.push(drafts=drafts).projects[0].figures.drafts == 6
    (project,) = lab.projects()
    assert lab.studio.get_json(f"/api/projects/{project}", doing="reading")["model_version"] == "m-1"
    found = lab.studio.get_json("/api/predictions/", {"project": project}, doing="reading")
    assert sorted(one["task"] for one in found) == sorted(task.server_task_id or 0 for task in lab.tasks())
    assert lab.push(drafts=drafts).projects[0].figures.drafts == 0
    new = write(tmp_path / "e.jsonl", *(row(f"pool:cot-{n}", chain=chain("Sweden")) for n in range(6)))
    assert lab.push(drafts=new).projects[0].figures.drafts == 6
    found = lab.studio.get_json("/api/predictions/", {"project": project}, doing="reading")
    assert len(found) == 6
    assert "Sweden" in json.dumps(found)
    assert "Norway" not in json.dumps(found)
    lab.check(6)


def test_drafts_that_the_server_lost_in_an_import_are_added_after_it(tmp_path: Path) -> None:
    world = World(tmp_path / "workspace", {Split.COT: 3})
    world.studio.loses_drafts = True
    drafts = write(tmp_path / "d.jsonl", *(row(f"pool:cot-{n}") for n in range(3)))
    (done,) = world.push(drafts=drafts).projects
    assert (done.figures.imported, done.figures.drafts) == (3, 3)
    assert all(len(task["predictions"]) == 1 for task in world.studio.tasks.values())
    assert world.push(drafts=drafts).projects[0].figures.drafts == 0
