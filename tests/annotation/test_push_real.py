"""Push against a real server: what an annotator sees, and what leads nowhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from geoseek.annotation.ledger import TaskState
from geoseek.annotation.projects.tasks import task_data
from geoseek.annotation.server import Studio, StudioError
from geoseek.schemas import Split
from tests.annotation.lab import Lab, open_lab
from tests.annotation.workspaces import member, write_members

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("studio")]


@pytest.fixture
def lab(studio_server: tuple[Studio, Path], tmp_path: Path) -> Iterator[Lab]:
    with open_lab(*studio_server, tmp_path / "workspace") as found:
        yield found


def test_push_twice(lab: Lab) -> None:
    first = lab.push(Split.COT, Split.VAL)
    assert [one.figures.imported for one in first.projects] == [12, 6]
    lab.check(18)
    second = lab.push(Split.COT, Split.VAL)
    assert [(one.figures.imported, one.figures.unchanged) for one in second.projects] == [(0, 12), (0, 6)]
    lab.check(18)


def test_nothing_in_a_task_leads_to_the_place(lab: Lab) -> None:
    lab.push()
    (project,) = lab.projects()
    secrets = {"pool", "cot-", "France", "FR", "48.8", "2020-02-02", "Concorde"}
    for path in (lab.workspace / "work" / "images").glob("*.jpg"):
        secrets.add(path.stem)
    tasks = lab.studio.get_json("/api/tasks/", {"project": project, "fields": "all", "page_size": 100}, doing="reading")
    assert len(tasks["tasks"]) == 12
    for task in tasks["tasks"]:
        assert task["data"].keys() == task_data("", "").keys()
        text = json.dumps({**task, "created_at": "", "updated_at": ""})
        assert not [secret for secret in secrets if secret in text]
        picture = lab.studio.get_bytes(task["data"]["image"], doing="looking")
        assert b"Concorde" not in picture
        with Image.open(io.BytesIO(picture)) as image:
            assert image.size == (64, 48)
            assert not image.getexif()


def test_pictures_are_uploaded_to_a_server_that_is_not_ours(lab: Lab) -> None:
    other = lab.connect(identity="http://elsewhere.example")
    result = lab.push(studio=other)
    assert result.projects[0].figures.imported == 12
    (project,) = lab.projects()
    for task in other.get_json("/api/tasks/", {"project": project, "page_size": 100}, doing="reading")["tasks"]:
        assert task["data"]["image"].startswith(f"/data/upload/{project}/")
        assert other.get_bytes(task["data"]["image"], doing="looking").startswith(b"\xff\xd8")
    uploads = other.get_json(f"/api/projects/{project}/file-uploads", {"all": "true"}, doing="listing")
    assert len(uploads) == 12
    assert lab.push(studio=other).projects[0].figures.unchanged == 12
    assert len(other.get_json(f"/api/projects/{project}/file-uploads", {"all": "true"}, doing="listing")) == 12


def test_changes_of_the_sample_reach_the_server(lab: Lab) -> None:
    lab.push()
    (project,) = lab.projects()
    annotated, drafted = sorted(lab.tasks(), key=lambda task: task.sample_id)[:2]
    body = {"result": [], "lead_time": 1.0}
    lab.studio.send_json("POST", f"/api/tasks/{annotated.server_task_id}/annotations", body, doing="annotating")
    lab.studio.send_json("POST", f"/api/tasks/{drafted.server_task_id}/drafts", body, doing="typing")
    kept = [member(Split.COT, number) for number in range(4, 12)]
    kept[0]["source_id"] = "cot-99"
    gone = {annotated.sample_id, drafted.sample_id}
    write_members(lab.workspace, [row for row in kept if row["id"] not in gone])
    (done,) = lab.push().projects
    assert (done.figures.updated, done.figures.left) == (1, 2)
    assert {task.sample_id for task in lab.tasks(TaskState.RETIRED) if task.server_task_id} == gone
    left = lab.studio.get_json("/api/tasks/", {"project": project, "page_size": 100}, doing="reading")["total"]
    assert left == done.assigned + 2


def test_a_task_and_a_project_deleted_on_the_page_come_back(lab: Lab) -> None:
    lab.push()
    number = lab.tasks()[0].server_task_id
    lab.studio.send_json("DELETE", f"/api/tasks/{number}", None, doing="deleting")
    assert lab.push().projects[0].figures.imported == 1
    lab.check(12)
    (project,) = lab.projects()
    lab.studio.send_json("DELETE", f"/api/projects/{project}", None, doing="deleting")
    assert lab.push().projects[0].figures.imported == 12
    assert lab.projects() != [project]
    lab.check(12)


def test_a_project_that_someone_renamed_is_found_and_put_right(lab: Lab) -> None:
    lab.push()
    (project,) = lab.projects()
    changes = {"title": "mine", "expert_instruction": "", "enable_empty_annotation": True}
    lab.studio.send_json("PATCH", f"/api/projects/{project}", changes, doing="changing")
    (lab.workspace / "work" / "annotation" / "ledger.sqlite").unlink()
    lab.push()
    assert lab.projects() == [project]
    there = lab.studio.get_json(f"/api/projects/{project}", doing="reading")
    assert there["title"] == "GeoSeek cot · lead"
    assert "Handbook" in there["expert_instruction"]
    assert there["enable_empty_annotation"] is False
    lab.check(12)


def test_labelling_pages_are_sent_and_versioned(lab: Lab) -> None:
    lab.push(Split.COT, Split.VAL)
    cot, val = (lab.studio.get_json(f"/api/projects/{number}", doing="reading") for number in lab.projects())
    assert 'name="locatability"' in val["label_config"]
    assert 'name="locatability"' not in cot["label_config"]
    with lab.ledger() as ledger:
        pages = {project.split: ledger.form_text(f"config-{project.split}", 1) for project in ledger.projects()}
    assert (pages[Split.COT] or "").strip() == cot["label_config"].strip()


def test_a_token_that_is_not_accepted_is_an_error_in_words(lab: Lab) -> None:
    with pytest.raises(StudioError) as caught:
        lab.connect(token="0" * 40)
    assert caught.value.status == 401
    assert "0" * 40 not in str(caught.value)
