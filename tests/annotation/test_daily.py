"""Plain `geoseek annotate` and its neighbours through the real command line, on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from geoseek.annotation.ledger import Ledger
from geoseek.annotation.server import ensure_studio
from geoseek.schemas import Sample, Split, arrow_schema
from tests.annotation.workspaces import make_workspace, member, write_members

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("studio")]


def geoseek(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a workspace."""
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-m", "geoseek", "annotate", *arguments],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def annotate_first_task(workspace: Path, project: int) -> None:
    """Submit an annotation as an annotator would, through the API."""
    results: list[dict[str, Any]] = [
        {"from_name": name, "to_name": "image", "type": "textarea", "value": {"text": [words]}}
        for name, words in (
            ("country_clues", "blue sign"),
            ("country_reasoning", "Die Schilder sind blau, das passt zu Frankreich."),
            ("country_conclusion", "France"),
            ("final_answer", "France"),
        )
    ]
    uncertain = {"choices": ["Low"]}
    results.append({"from_name": "country_uncertainty", "to_name": "image", "type": "choices", "value": uncertain})
    with ensure_studio(workspace, say=lambda _: None) as studio:
        listed = studio.get_json("/api/tasks/", {"project": project, "page_size": 1}, doing="listing")
        task = listed["tasks"][0]["id"]
        body = {"result": results, "lead_time": 95.0}
        studio.send_json("POST", f"/api/tasks/{task}/annotations/", body, doing="annotating")


def test_the_lead_needs_one_command(server_workspace: Callable[[], Path]) -> None:
    workspace = make_workspace(server_workspace(), {Split.COT: 5, Split.VAL: 3})
    first = geoseek(workspace, "--json")
    assert first.returncode == 0, first.stderr
    figures = json.loads(first.stdout)
    assert sum(project["imported"] for project in figures["push"]["projects"]) == 8
    assert figures["status"]["total"]["open"] == 8
    project = next(int(p["url"].rsplit("/", 1)[1]) for p in figures["push"]["projects"] if p["split"] == "cot")
    annotate_first_task(workspace, project)
    write_members(workspace, [member(Split.COT, number) for number in range(6)])
    second = geoseek(workspace)
    assert second.returncode == 0, second.stderr
    assert "Pushed 1 new tasks" in second.stdout
    assert "1 new" in second.stdout
    assert figures["url"] in second.stdout
    assert "all tasks are the lead's" in second.stderr
    assert (workspace / "work" / "annotation" / "status.html").is_file()
    third = json.loads(geoseek(workspace, "--json").stdout)
    assert sum(project["imported"] for project in third["push"]["projects"]) == 0
    assert third["status"]["total"]["done"] == 1
    with Ledger(workspace / "work" / "annotation") as ledger:
        (row,) = ledger.annotations()
        assert row.annotation is not None
        assert row.annotation.chain is not None
        assert row.annotation.chain.country.reasoning == "Die Schilder sind blau, das passt zu Frankreich."
        assert (row.annotator, row.lead_time_s) == ("lead", 95.0)


def test_without_pictures_there_is_a_server_and_a_note(server_workspace: Callable[[], Path]) -> None:
    workspace = server_workspace()
    nothing = geoseek(workspace)
    assert nothing.returncode == 1
    assert "geoseek sample" in nothing.stderr
    (workspace / "work" / "samples").mkdir(parents=True)
    pq.write_table(arrow_schema(Sample).empty_table(), workspace / "work" / "samples" / "cot.parquet")
    done = geoseek(workspace)
    assert done.returncode == 0, done.stderr
    assert "no pictures to annotate" in done.stderr
    assert "Label Studio: http://127.0.0.1:" in done.stdout


def test_a_dismissed_annotator_loses_what_is_not_begun(server_workspace: Callable[[], Path]) -> None:
    workspace = make_workspace(server_workspace(), {Split.COT: 6})
    for name in ("kestrel", "otter"):
        assert geoseek(workspace, "invite", name, f"{name}@example.org").returncode == 0
    pushed = json.loads(geoseek(workspace, "push", "--overlap-share", "0", "--json").stdout)
    assert sorted((p["annotator"], p["assigned"]) for p in pushed["projects"]) == [("kestrel", 3), ("otter", 3)]
    assert geoseek(workspace, "dismiss", "otter").returncode == 0
    assert geoseek(workspace, "dismiss", "oter").returncode == 2
    moved = geoseek(workspace, "push", "--overlap-share", "0", "--rebalance", "--json")
    assigned = {p["annotator"]: p["assigned"] for p in json.loads(moved.stdout)["projects"]}
    assert assigned == {"kestrel": 6, "otter": 0}
