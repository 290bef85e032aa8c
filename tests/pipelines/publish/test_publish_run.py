"""Publishing to a Hub on loopback, which refuses, fails and breaks off on demand."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geoseek.annotation import load_review_settings
from geoseek.pipelines import (
    HubAccess,
    InvalidExportError,
    Outcome,
    PublishError,
    PublishPlan,
    PublishRequest,
    PublishResult,
    ValidateRequest,
    run_publish,
)
from geoseek.schemas import InputError, OutputError, Split, UsageError
from tests.pipelines.publish.hub_server import TOKEN, Fault, HubServer, Repo
from tests.pipelines.validate.datasets import rows, write_checksums, write_dataset

REPO = "my-lab/places"
SHARDS = 6
STEPS = ("whoami", "info", "tree", "create", "preupload", "batch", "upload", "part", "complete", "verify", "commit")
# huggingface_hub hands files to httpx in a way that httpx will not take forever.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


def request(
    hub: HubServer,
    folder: Path,
    *,
    public: bool = False,
    revision: str = "main",
    token: str | None = TOKEN,
    **more: Any,
) -> PublishRequest:
    validate = ValidateRequest(folder, load_review_settings(folder), **more)
    return PublishRequest(validate, HubAccess(hub.url, REPO, revision, token, tries=3, backoff_s=0), public)


def publish(hub: HubServer, folder: Path, **options: Any) -> PublishResult:
    return run_publish(request(hub, folder, **options), lambda _: True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listed(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_of(folder).items() if not name.startswith(".")}


def test_first_time(hub: HubServer, dataset: Path) -> None:
    found = publish(hub, dataset)
    assert found.outcome is Outcome.PUBLISHED
    assert found.plan.creates_repo
    assert hub.content(REPO) == listed(dataset)
    assert hub.repos[REPO].private
    assert len(hub.uploaded) == SHARDS
    assert hub.requests["commit"] == 1
    assert hub.requests["unknown"] == 0
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert all("geoseek/" in agent for agent in hub.agents)
    assert not any(told in agent for agent in hub.agents for told in ("torch/", "agent/"))


def test_public_only_when_asked(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset, public=True)
    assert not hub.repos[REPO].private


def test_second_time_sends_nothing(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset)
    hub.requests.clear()
    found = run_publish(request(hub, dataset), lambda _: pytest.fail("nothing to confirm"))
    assert found.outcome is Outcome.UP_TO_DATE
    assert set(hub.requests) == {"whoami", "info", "tree"}


def test_only_what_changed_is_sent(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset)
    hub.uploaded.clear()
    several = rows()
    several[Split.LOC][0]["attribution"] = "Bea Example"
    write_dataset(dataset, several)
    found = publish(hub, dataset)
    assert len(hub.uploaded) == 1
    assert {file.name for file in found.plan.changed} == {
        "data/loc/train-00000-of-00002.parquet",
        "croissant.json",
        "SHA256SUMS",
    }
    assert hub.content(REPO) == listed(dataset)


def test_shards_of_an_earlier_export_go_and_other_files_stay(hub: HubServer, dataset: Path, tmp_path: Path) -> None:
    publish(hub, dataset)
    hub.repos[REPO].branches["main"]["NOTES.md"] = b"by hand"
    smaller = write_dataset(tmp_path / "smaller", shards=1)
    found = publish(hub, smaller)
    assert len(found.plan.deleted) == SHARDS
    assert found.plan.kept == (".gitattributes", "NOTES.md")
    assert hub.content(REPO) == listed(smaller) | {"NOTES.md": b"by hand"}


def test_only_files_in_the_checksums_are_sent(hub: HubServer, dataset: Path) -> None:
    (dataset / "run-log.json").write_text('{"from": "/home/ann"}')
    (dataset / "notes").mkdir()
    (dataset / "notes" / "private.txt").write_text("secret")
    publish(hub, dataset)
    sent = hub.content(REPO)
    assert "run-log.json" not in sent
    assert "notes/private.txt" not in sent
    assert "README.md" in sent


def test_declined(hub: HubServer, dataset: Path) -> None:
    plans: list[PublishPlan] = []

    def decline(plan: PublishPlan) -> bool:
        plans.append(plan)
        return False

    found = run_publish(request(hub, dataset), decline)
    assert found.outcome is Outcome.DECLINED
    assert hub.repos == {}
    assert set(hub.requests) == {"whoami", "info"}
    (plan,) = plans
    assert len(plan.new) == len(listed(dataset))


def test_plan_says_everything(hub: HubServer, dataset: Path) -> None:
    content = run_publish(request(hub, dataset, public=True), lambda _: False).to_json()
    assert content["repo"] == REPO
    assert content["visibility"] == "public"
    assert content["endpoint"] == hub.url
    assert content["bytes"] == sum(len(data) for data in listed(dataset).values())
    assert content["new"]["README.md"] == len((dataset / "README.md").read_bytes())
    assert TOKEN not in str(content)


def test_other_branch(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset)
    several = rows()
    several[Split.LOC][0]["attribution"] = "Bea Example"
    other = write_dataset(dataset.parent / "other", several)
    found = publish(hub, other, revision="v2")
    assert found.plan.creates_branch
    assert hub.content(REPO, "v2") == listed(other)
    assert hub.content(REPO) == listed(dataset)


def test_same_files_on_another_branch(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset)
    found = publish(hub, dataset, revision="v2")
    assert found.outcome is Outcome.PUBLISHED
    assert found.plan.sent == ()
    assert hub.content(REPO, "v2") == listed(dataset)
    assert publish(hub, dataset, revision="v2").outcome is Outcome.UP_TO_DATE


def test_new_repository_on_another_branch(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset, revision="draft/one")
    assert hub.content(REPO, "draft/one") == listed(dataset)
    assert hub.content(REPO) == {}


# who may see it


def test_public_repository_needs_the_word(hub: HubServer, dataset: Path) -> None:
    hub.repos[REPO] = Repo(private=False)
    with pytest.raises(UsageError, match="is public"):
        publish(hub, dataset)
    assert hub.content(REPO) == {}
    assert publish(hub, dataset, public=True).plan.public


def test_private_repository_becomes_public_at_the_end(hub: HubServer, dataset: Path) -> None:
    hub.repos[REPO] = Repo(private=True)
    seen: list[bool] = []
    hub.before["commit"] = lambda: seen.append(hub.repos[REPO].private)
    found = publish(hub, dataset, public=True)
    assert found.plan.becomes_public
    assert seen == [True]
    assert not hub.repos[REPO].private
    assert publish(hub, dataset, public=True).outcome is Outcome.UP_TO_DATE


def test_private_repository_without_changes_becomes_public(hub: HubServer, dataset: Path) -> None:
    publish(hub, dataset)
    publish(hub, dataset, public=True)
    assert not hub.repos[REPO].private
    assert hub.requests["commit"] == 1


def test_hub_that_makes_a_public_repository_gets_nothing(hub: HubServer, dataset: Path) -> None:
    hub.forced_public = True
    with pytest.raises(PublishError, match="was to be private"):
        publish(hub, dataset)
    assert hub.uploaded == []
    assert hub.content(REPO) == {}


# what is refused before anything is sent


def test_invalid_dataset(hub: HubServer, dataset: Path) -> None:
    (dataset / "README.md").write_text("---\nlicense: other\n---\n")
    with pytest.raises(InvalidExportError, match="checksum") as caught:
        publish(hub, dataset)
    assert not caught.value.result.is_valid
    assert sum(hub.requests.values()) == 0


def test_address_out_of_the_ledger(hub: HubServer, dataset: Path) -> None:
    with (dataset / "README.md").open("a") as file:
        file.write("\nThanks to ann@example.org\n")
    write_checksums(dataset)
    with pytest.raises(InvalidExportError, match="email_address"):
        publish(hub, dataset, private=frozenset({"ann@example.org"}))
    assert sum(hub.requests.values()) == 0


def test_no_token(hub: HubServer, dataset: Path) -> None:
    with pytest.raises(UsageError, match="no token"):
        publish(hub, dataset, token=None)
    assert sum(hub.requests.values()) == 0


@pytest.mark.parametrize("make", [False, True])
def test_no_dataset(hub: HubServer, tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises((UsageError, InputError)):
        publish(hub, folder)


# faults


def test_token_that_is_not_accepted(hub: HubServer, dataset: Path) -> None:
    with pytest.raises(PublishError, match="does not accept the token") as caught:
        publish(hub, dataset, token="hf_wrong" * 3)
    assert caught.value.status == 401
    assert "hf_wrong" not in str(caught.value)
    assert hub.requests["whoami"] == 1


@pytest.mark.parametrize("kind", ["create", "preupload", "batch", "commit"])
def test_token_that_may_not_write(hub: HubServer, dataset: Path, kind: str) -> None:
    hub.fail(kind, *[Fault(403)] * 9)
    with pytest.raises(PublishError, match="may not write") as caught:
        publish(hub, dataset)
    assert "my-lab" in (caught.value.hint or "")
    assert all(hub.content(name) == {} for name in hub.repos)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        *itertools.product(STEPS, [Fault(500), Fault(0)]),
        *itertools.product(["info", "batch", "commit"], [Fault(429, (("Retry-After", "0"),)), Fault(503)]),
    ],
)
def test_passing_fault(hub: HubServer, dataset: Path, kind: str, fault: Fault) -> None:
    large = kind in ("part", "complete")
    if large:
        write_large_file(dataset)
    hub.fail(kind, fault)
    assert publish(hub, dataset).outcome is Outcome.PUBLISHED
    assert hub.requests[kind] >= 2
    assert hub.content(REPO) == listed(dataset)


def write_large_file(dataset: Path) -> None:
    """Add a picture that takes several parts."""
    (dataset / "map.png").write_bytes(bytes(range(256)) * 500)
    write_checksums(dataset)


def test_conflict_is_tried_again(hub: HubServer, dataset: Path) -> None:
    hub.fail("commit", Fault(409))
    assert publish(hub, dataset).outcome is Outcome.PUBLISHED


@pytest.mark.parametrize("status", [0, 500])
def test_commit_whose_answer_is_lost_is_not_made_twice(hub: HubServer, dataset: Path, status: int) -> None:
    hub.fail("commit", Fault(status, after=True))
    assert publish(hub, dataset).outcome is Outcome.PUBLISHED
    assert hub.requests["commit"] == 1
    assert hub.content(REPO) == listed(dataset)


@pytest.mark.parametrize(
    ("kind", "fault", "words"),
    [
        ("upload", Fault(500), r"The Hub fails \(500\)"),
        ("commit", Fault(0), "cannot be reached"),
        ("tree", Fault(429), "slow down"),
        ("commit", Fault(422), r"The Hub refuses \(422\)"),
    ],
)
def test_lasting_fault(hub: HubServer, dataset: Path, kind: str, fault: Fault, words: str) -> None:
    hub.fail(kind, *[fault] * 100)
    with pytest.raises(PublishError, match=words) as caught:
        publish(hub, dataset)
    text = str(caught.value)
    assert TOKEN not in text
    assert "X-Signature" not in text
    assert hub.content(REPO) == {}


def test_nothing_listens(hub: HubServer, dataset: Path) -> None:
    hub.close()
    with pytest.raises(PublishError, match="cannot be reached"):
        publish(hub, dataset)


def test_somebody_else_commits_meanwhile(hub: HubServer, dataset: Path) -> None:
    hub.repos[REPO] = Repo(private=True)

    def interfere() -> None:
        hub.repos[REPO].heads["main"] = "f" * 40

    hub.before["commit"] = interfere
    with pytest.raises(PublishError, match="Somebody changed") as caught:
        publish(hub, dataset)
    assert caught.value.status == 412
    assert hub.content(REPO) == {}
    hub.before.clear()
    assert publish(hub, dataset).outcome is Outcome.PUBLISHED


def test_file_that_the_repository_ignores(hub: HubServer, dataset: Path) -> None:
    hub.ignored.add("CITATION.cff")
    with pytest.raises(OutputError, match="does not hold what was sent"):
        publish(hub, dataset)


def test_interrupted_upload_goes_on(hub: HubServer, dataset: Path) -> None:
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count == 4:
            hub.fail("upload", *[Fault(500)] * 30)

    hub.before["upload"] = interrupt
    with pytest.raises(PublishError):
        publish(hub, dataset)
    assert len(hub.uploaded) == 3
    hub.before.clear()
    hub.faults.clear()
    publish(hub, dataset)
    assert len(hub.uploaded) == len(set(hub.uploaded)) == SHARDS
    assert hub.content(REPO) == listed(dataset)


def test_nothing_that_grants_access_is_logged(
    hub: HubServer, dataset: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.fail("upload", Fault(500))
    with caplog.at_level(logging.DEBUG, logger="geoseek"):
        publish(hub, dataset)
    captured = capfd.readouterr()
    for text in (caplog.text, captured.out, captured.err, repr(request(hub, dataset))):
        assert TOKEN not in text
        assert "X-Signature" not in text


def test_remarks_of_the_hub(hub: HubServer, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    def remark(*_: object, **__: object) -> None:
        warnings.warn("Warnings while validating metadata in README.md:\n- no pretty_name", UserWarning, stacklevel=2)

    monkeypatch.setattr(HfApi, "_validate_yaml", remark)
    assert publish(hub, dataset).remarks == ("Warnings while validating metadata in README.md: - no pretty_name",)


def test_another_process_holds_the_folder(hub: HubServer, dataset: Path) -> None:
    from geoseek.workspace import exclusive

    with exclusive(dataset, doing="exporting"), pytest.raises(OutputError, match="Another process"):
        publish(hub, dataset)
    assert sum(hub.requests.values()) == 0


CHILD = """
import sys
from pathlib import Path
from tests.pipelines.publish.test_publish_run import publish
class Hub:
    url = sys.argv[1]
publish(Hub, Path(sys.argv[2]))
"""


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("the child process never got there")
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["upload", "commit"])
def test_killed_in_the_middle(hub: HubServer, dataset: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    stopped: list[str] = []
    held = time.sleep

    def hold() -> None:
        if len(hub.uploaded) >= (3 if kind == "upload" else SHARDS):
            stopped.append(kind)
            held(3600)

    hub.before[kind] = hold
    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, hub.url, dataset], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(lambda: bool(stopped) or child.poll() is not None)
        assert stopped
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert hub.content(REPO) == {}
    before = len(hub.uploaded)
    hub.before.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    assert publish(hub, dataset).outcome is Outcome.PUBLISHED
    assert len(hub.uploaded) == SHARDS
    assert len(set(hub.uploaded)) == SHARDS
    assert before >= 3
    assert hub.content(REPO) == listed(dataset)
