from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoseek.annotation import Ledger
from tests.pipelines.publish.hub_server import TOKEN, HubServer, Repo
from tests.pipelines.validate.datasets import write_checksums, write_dataset

REPO = "my-lab/places"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Return a running Hub without repositories."""
    server = HubServer()
    yield server
    server.close()


@pytest.fixture
def exported(workspace: Path) -> Path:
    """Return a valid export in the workspace."""
    return write_dataset(workspace / "export")


def environment(hub: HubServer, home: Path, token: str | None = TOKEN) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_XET": "1", "NO_COLOR": "1"}
    return kept | settings | ({"HF_TOKEN": token} if token else {})


def publish(
    hub: HubServer, workspace: Path, *arguments: str, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "geoseek", "publish", "--repo", REPO, *arguments],
        cwd=workspace,
        env=environment(hub, workspace, token),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_plan_then_publish_then_nothing_to_do(hub: HubServer, workspace: Path, exported: Path) -> None:
    done = publish(hub, workspace, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"Dataset     {REPO} on {hub.url} (will be created)" in done.stdout
    assert "private: only its owners see it" in done.stdout
    assert "+ README.md" in done.stdout
    assert "Dry run: nothing was sent." in done.stdout
    assert hub.repos == {}

    done = publish(hub, workspace)
    assert done.returncode == 2
    assert "no terminal to ask at" in done.stderr
    assert hub.repos == {}

    done = publish(hub, workspace, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"Published: {hub.url}/datasets/{REPO}" in done.stdout
    assert hub.repos[REPO].private
    assert hub.content(REPO)["README.md"] == (exported / "README.md").read_bytes()

    done = publish(hub, workspace, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outcome"] == "up to date"
    assert found["new"] == found["changed"] == {}
    assert hub.requests["unknown"] == 0


@pytest.mark.slow
def test_refusals(hub: HubServer, workspace: Path, exported: Path) -> None:
    done = publish(hub, workspace, "--yes", token=None)
    assert done.returncode == 2
    assert "HF_TOKEN" in done.stderr

    hub.repos[REPO] = Repo(private=False)
    done = publish(hub, workspace, "--yes")
    assert done.returncode == 2
    assert "is public" in done.stderr

    with (exported / "README.md").open("a") as file:
        file.write("Thanks to ann@example.org\n")
    write_checksums(exported)
    (workspace / "work" / "annotation").mkdir(parents=True)
    with Ledger(workspace / "work" / "annotation") as ledger, ledger.transaction():
        ledger.add_annotator("ann-1", email="ann@example.org")
    done = publish(hub, workspace, "--yes", "--public")
    assert done.returncode == 1
    assert "email_address" in done.stderr
    assert "ann@example.org" not in done.stdout + done.stderr
    assert hub.content(REPO) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "is_published"), [("y", True), ("n", False), ("", False)])
def test_question(hub: HubServer, workspace: Path, exported: Path, answer: str, is_published: bool) -> None:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "geoseek", "publish", "--repo", REPO],
        cwd=workspace,
        env=environment(hub, workspace),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    while b"Publish this?" not in shown:
        shown += os.read(ours, 4096)
    assert b"+ README.md" in shown
    assert hub.repos == {}
    os.write(ours, f"{answer}\n".encode())
    output, _ = child.communicate(timeout=120)
    os.close(ours)
    assert child.returncode == 0
    assert (REPO in hub.repos) == is_published
    assert ("Published" in output) == is_published


@pytest.mark.slow
@pytest.mark.parametrize("name", ["places", "a/b/c", "my lab/places", "../etc/passwd"])
def test_names_that_are_none(hub: HubServer, workspace: Path, exported: Path, name: str) -> None:
    done = publish(hub, workspace, "--repo", name, "--yes")
    assert done.returncode == 2
    assert "ORG/NAME" in done.stderr


@pytest.mark.slow
def test_token_over_plain_http(hub: HubServer, workspace: Path, exported: Path) -> None:
    hub.url = "http://hub.example.org"
    done = publish(hub, workspace, "--yes")
    assert done.returncode == 2
    assert "unencrypted" in done.stderr
