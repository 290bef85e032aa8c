"""The pull half of `bench_annotate.py`: a project full of annotations, our pull, and the same by hand.

Both sides import the same packages, so the ratio of memory is about what the work needs.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from measure import report_child

URL, TOKEN = "BENCH_URL", "BENCH_TOKEN"
_CHUNK = 500
_FIELDS = "id,data,annotations,result,completed_by,updated_by,was_cancelled,created_at,updated_at,lead_time"
_WORDS = (
    "The bollards are white with a black band and a red reflector on the front. That leaves Austria, Slovenia and "
    "Montenegro; the yellow plate with the blue strip, the maize field and the Cyrillic-free signs decide it. {}"
)


@contextmanager
def client() -> Iterator[httpx.Client]:
    """Hold a client that is signed in."""
    with httpx.Client(base_url=os.environ[URL], timeout=300) as made:
        token = made.post("/api/token/refresh", json={"refresh": os.environ[TOKEN]}).json()["access"]
        made.headers["Authorization"] = f"Bearer {token}"
        yield made


def _results(number: int) -> list[dict[str, Any]]:
    found = []
    for stage in ("country", "region", "precise"):
        texts = {
            "clues": ["white bollard with a black band", "maize up to the road", "blue strip on a yellow plate"],
            "reasoning": [_WORDS.format(number)],
            "conclusion": [f"{stage} {number}"],
        }
        for part, text in texts.items():
            one = {"from_name": f"{stage}_{part}", "to_name": "image", "type": "textarea", "value": {"text": text}}
            found.append({"id": f"{stage}-{part}", "origin": "manual", **one})
        one = {"from_name": f"{stage}_uncertainty", "to_name": "image", "type": "choices"}
        found.append({"id": f"{stage}-u", "origin": "manual", "value": {"choices": ["Low"]}, **one})
    answer = {"from_name": "final_answer", "to_name": "image", "type": "textarea"}
    return [*found, {"id": "answer", "origin": "manual", "value": {"text": ["Austria; Styria; Graz"]}, **answer}]


def make_annotated(workspace: Path, count: int) -> None:
    """Make a project with so many annotated tasks, and the ledger of a workspace that pushed them."""
    from geoseek.annotation.forms import load_form
    from geoseek.annotation.ledger import Ledger, Purpose, Task, TaskState
    from geoseek.schemas import Split

    form = load_form(workspace, Split.COT)
    with client() as http, Ledger(workspace / "work" / "annotation") as ledger:
        user = http.get("/api/current-user/whoami").json()
        project = _post(http, "/api/projects/", {"title": f"bench {count}", "label_config": form.xml})["id"]
        ledger.add_annotator("ana", email=user["email"], server_user_id=user["id"])
        ledger.form_version("config-cot", form.digest, form.xml)
        ledger.form_version("handbook", "h", "handbook")
        ours = ledger.put_project(
            "local", project, purpose=Purpose.ANNOTATE, annotator="ana", split=Split.COT, config_version=1,
            handbook_version=1,
        )  # fmt: skip
        for start in range(0, count, _CHUNK):
            keys = [f"{project}-{number}" for number in range(start, min(count, start + _CHUNK))]
            body = [
                {
                    "data": {"key": key, "image": "/data/x.jpg"},
                    "annotations": [{"result": _results(start), "lead_time": 60.5, "completed_by": user["id"]}],
                }
                for key in keys
            ]
            numbers = _post(http, f"/api/projects/{project}/import?return_task_ids=true", body)["task_ids"]
            with ledger.transaction():
                ledger.plan_tasks(
                    Task(key, Purpose.ANNOTATE, f"bench:{key}", Split.COT, "AT", "ana", TaskState.PLANNED)
                    for key in keys
                )
                ledger.mark_pushed((key, ours.id, number, "d") for key, number in zip(keys, numbers, strict=True))
        held = http.get("/api/projects/counts/", params={"ids": project}).json()["results"][0]
        if held["total_annotations_number"] != count:
            # A locked SQLite database makes the server try an import again, without its annotations.
            raise RuntimeError(f"the server took {held['total_annotations_number']} of {count} annotations")
    (workspace / "project").write_text(str(project))


def _post(http: httpx.Client, path: str, body: object) -> Any:
    return http.post(path, json=body).raise_for_status().json()


def pull(folder: Path) -> None:
    """Pull everything into a copy of the ledger that has not seen it yet."""
    from geoseek.annotation.pull.run import PullRequest, run_pull
    from geoseek.annotation.server import connect

    with tempfile.TemporaryDirectory(prefix="geoseek-bench-", dir=folder.parent) as name:
        workspace = Path(name)
        (workspace / "work" / "annotation").mkdir(parents=True)
        shutil.copy(folder / "work" / "annotation" / "ledger.sqlite", workspace / "work" / "annotation")

        def job() -> None:
            with connect(os.environ[URL], os.environ[TOKEN], identity="local", say=lambda _: None) as studio:
                run_pull(PullRequest(workspace), studio)

        report_child(job)


def fetch(folder: Path) -> None:
    """Read the same pages and write them to a file; nothing is decoded, compared or remembered."""
    import geoseek.annotation.pull.run

    project = int((folder / "project").read_text())
    size = geoseek.annotation.pull.run.PAGE_TASKS

    def job() -> None:
        with client() as http, (folder / "by-hand.jsonl").open("w") as file:
            last, more = 0, True
            while more:  # by number, as pull does: asking for page 2, 3 ... is slower
                after = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last}
                query = {
                    "project": project,
                    "fields": "all",
                    "include": _FIELDS,
                    "resolve_uri": "false",
                    "page_size": size,
                    "query": json.dumps({"filters": {"conjunction": "and", "items": [after]}}),
                }
                answer = http.get("/api/tasks/", params=query).raise_for_status().json()
                file.writelines(json.dumps(task) + "\n" for task in answer["tasks"])
                last, more = answer["tasks"][-1]["id"], len(answer["tasks"]) < answer["total"]

    report_child(job)
