"""Projects: found again by their mark, put right, made once."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from geoseek.annotation.forms import load_form, load_handbook
from geoseek.annotation.ledger import Ledger, Project
from geoseek.annotation.projects.blind import Blinder
from geoseek.annotation.projects.project import ProjectContent, Projects
from geoseek.annotation.server import Studio, StudioError
from geoseek.schemas import Split
from tests.annotation.push_server import FakeStudio


class Office:
    """A ledger and a server without projects."""

    def __init__(self, folder: Path) -> None:
        (folder / "annotation").mkdir()
        (folder / "annotation" / "HANDBOOK.md").write_text("# Handbook\n", encoding="utf-8")
        self.folder = folder
        self.studio = FakeStudio(folder / "media")

    def ensure(self, annotator: str = "ana", split: Split = Split.COT) -> Project:
        content = ProjectContent(load_form(self.folder, split), load_handbook(self.folder), self.folder / "media")
        with Ledger(self.folder / "ledger") as ledger:
            ledger.add_annotator(annotator)
            projects = Projects(cast(Studio, self.studio), ledger, Blinder(b"secret"))
            return projects.ensure(annotator, split, content)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_every_annotator_has_a_project_of_each_split(office: Office) -> None:
    found = {office.ensure(name, split).server_project_id for name in ("ana", "ben") for split in Split}
    assert len(found) == len(office.studio.projects) == 6
    titles = {project["title"] for project in office.studio.projects.values()}
    assert "GeoSeek val · ben" in titles


def test_what_is_right_is_not_written_again(office: Office) -> None:
    first = office.ensure()
    writes = list(office.studio.writes)
    assert office.ensure() == first
    assert office.studio.writes == writes
    assert office.studio.storages[first.server_project_id] == [str(office.folder / "media" / "pictures")]


def test_what_somebody_changed_is_put_right(office: Office) -> None:
    number = office.ensure().server_project_id
    office.studio.projects[number] |= {"title": "mine", "label_config": "<View/>", "maximum_annotations": 3}
    office.ensure()
    project = office.studio.projects[number]
    assert project["title"] == "GeoSeek cot · ana"
    assert "country_clues" in project["label_config"]
    assert project["maximum_annotations"] == 1
    assert office.studio.writes[-1] == ("PATCH", f"/api/projects/{number}")


def test_a_project_is_found_by_its_mark_when_the_ledger_does_not_know_it(office: Office) -> None:
    number = office.ensure().server_project_id
    (office.folder / "ledger" / "ledger.sqlite").unlink()
    office.studio.projects[99] = {"id": 99, "title": "GeoSeek cot · ana", "description": "somebody else's"}
    assert office.ensure().server_project_id == number
    assert office.studio.projects[99]["description"] == "somebody else's"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lost_answer_makes_no_second_project(office: Office, moment: str) -> None:
    due = [moment]
    office.studio.fault = lambda request: due.pop() if due and request == "POST /api/projects" else None
    office.ensure()
    assert len(office.studio.projects) == 1


def test_a_server_that_keeps_failing_is_given_up(office: Office) -> None:
    office.studio.fault = lambda _: "before"
    with pytest.raises(StudioError):
        office.ensure()


def test_versions_follow_page_and_handbook(office: Office) -> None:
    assert (office.ensure().config_version, office.ensure().handbook_version) == (1, 1)
    (office.folder / "annotation" / "HANDBOOK.md").write_text("# Second\n", encoding="utf-8")
    assert office.ensure().handbook_version == 2
    (office.folder / "annotation" / "HANDBOOK.md").write_text("# Handbook\n", encoding="utf-8")
    assert office.ensure().handbook_version == 1
