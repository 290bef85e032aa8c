"""Tokens and accounts on a real server: legacy and personal tokens, renewal, invitations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoseek.annotation.ledger import Ledger
from geoseek.annotation.server import StudioError, connect, ensure_studio, invite, local_media_root
from geoseek.annotation.server.accounts import Pages, account_password, checked_email, sign_in
from geoseek.annotation.server.home import load_secrets, server_home
from geoseek.schemas import UsageError
from tests.annotation.conftest import StudioServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("studio")]


def test_reads_and_writes(studio_server: StudioServer) -> None:
    studio, _ = studio_server
    assert studio.version == "1.23.2"
    made = studio.write(lambda sdk: sdk.projects.create(title="read and write"), doing="making a project")
    assert made.id is not None
    number = made.id
    assert studio.read(lambda sdk: sdk.projects.get(id=number).title, doing="reading it") == "read and write"
    changed = studio.send_json("PATCH", f"/api/projects/{number}", {"title": "été 東京 🗺"}, doing="changing it")
    assert changed["title"] == "été 東京 🗺"
    listed = studio.get_json("/api/projects", {"ids": number}, doing="listing")
    assert [project["title"] for project in listed["results"]] == ["été 東京 🗺"]
    studio.write(lambda sdk: sdk.projects.delete(id=number), doing="deleting it")
    with pytest.raises(StudioError) as caught:
        studio.get_json(f"/api/projects/{number}", doing="reading it")
    assert caught.value.status == 404


def test_the_server_says_what_it_does_not_accept(studio_server: StudioServer) -> None:
    studio, _ = studio_server
    with pytest.raises(StudioError, match="refuses making a project") as caught:
        studio.send_json("POST", "/api/projects", {"title": "x", "label_config": "<View"}, doing="making a project")
    assert caught.value.status == 400
    assert not caught.value.uncertain


def test_local_pictures_are_served_to_whoever_signed_in(studio_server: StudioServer) -> None:
    studio, workspace = studio_server
    folder = local_media_root(workspace) / "pictures" / "accounts"
    folder.mkdir()
    (folder / "one.png").write_bytes(b"\x89PNG picture")
    project = studio.send_json("POST", "/api/projects", {"title": "pictures"}, doing="making a project")["id"]
    storage = {"project": project, "path": str(folder.parent), "use_blob_urls": True}
    studio.send_json("POST", "/api/storages/localfiles", storage, doing="connecting the pictures")
    path, name = "/data/local-files/", {"d": "pictures/accounts/one.png"}
    assert studio.get_bytes(path, name, doing="looking") == b"\x89PNG picture"
    with Pages(studio.url, "local") as pages, pytest.raises(StudioError) as caught:
        pages.json("GET", f"{path}?d={name['d']}", doing="looking without signing in")
    assert caught.value.status == 401
    for outside in ("../secrets.json", "pictures/../../secrets.json", str(server_home(workspace).secrets_file)):
        assert studio._client.get(path, params={"d": outside}).status_code >= 400


def test_a_revoked_token_is_renewed_once_for_all(studio_server: StudioServer) -> None:
    _, workspace = studio_server
    home = server_home(workspace)
    with ensure_studio(workspace) as one, ensure_studio(workspace) as other:
        before = load_secrets(home).token
        one.send_json("POST", "/api/token/blacklist/", {"refresh": before}, doing="revoking the token")
        for studio in (one, other):
            studio._auth._access = None
            assert studio.get_json("/api/projects", doing="reading")["count"] >= 0
        after = load_secrets(home).token
        assert after != before
        other._auth._access = None
        other.get_json("/api/projects", doing="reading")
        assert load_secrets(home).token == after


def test_an_expired_access_token_is_exchanged(studio_server: StudioServer) -> None:
    studio, _ = studio_server
    studio._auth._access = "x.y.z"
    assert studio.get_json("/api/current-user/whoami", doing="reading")["id"] == studio.user_id


@pytest.fixture
def legacy_token(studio_server: StudioServer) -> Iterator[str]:
    """Return the lead's legacy token while the server allows such tokens."""
    studio, _ = studio_server
    settings = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
    studio.send_json("POST", "/api/jwt/settings", settings, doing="allowing legacy tokens")
    yield studio.get_json("/api/current-user/token", doing="reading the legacy token")["token"]
    settings["legacy_api_tokens_enabled"] = False
    studio.send_json("POST", "/api/jwt/settings", settings, doing="forbidding legacy tokens")


def test_an_existing_server_with_both_kinds_of_token(
    studio_server: StudioServer, legacy_token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, workspace = studio_server
    personal = load_secrets(server_home(workspace)).token
    assert personal is not None
    monkeypatch.setenv("GEOSEEK_LABEL_STUDIO_URL", studio.url + "/")
    for token in (personal, legacy_token):
        monkeypatch.setenv("GEOSEEK_LABEL_STUDIO_TOKEN", token)
        with ensure_studio(tmp_path, say=lambda _: None) as existing:
            assert existing.identity == studio.url
            assert existing.email == studio.email
            assert existing.read(lambda sdk: sdk.users.whoami().id, doing="asking") == studio.user_id
            made = existing.write(lambda sdk: sdk.projects.create(title="existing"), doing="making a project")
            assert made.id is not None
            existing.send_json("DELETE", f"/api/projects/{made.id}", None, doing="deleting it")
    assert list(tmp_path.iterdir()) == []


def test_a_legacy_token_that_is_not_allowed(studio_server: StudioServer) -> None:
    studio, _ = studio_server
    legacy = studio.get_json("/api/current-user/token", doing="reading the legacy token")["token"]
    with pytest.raises(StudioError, match="legacy token authentication has been disabled") as caught:
        connect(studio.url, legacy, say=lambda _: None)
    assert legacy not in str(caught.value)


def test_a_revoked_token_of_an_existing_server(studio_server: StudioServer) -> None:
    studio, workspace = studio_server
    home = server_home(workspace)
    token = load_secrets(home).token
    assert token is not None
    studio.send_json("POST", "/api/token/blacklist/", {"refresh": token}, doing="revoking the token")
    with pytest.raises(StudioError, match="does not accept the token") as caught:
        connect(studio.url, token, say=lambda _: None)
    assert caught.value.status == 401
    assert token not in str(caught.value)


def test_an_invited_annotator_can_sign_in(studio_server: StudioServer) -> None:
    studio, workspace = studio_server
    account = invite(studio, workspace, "Heron@Example.org")
    assert account.email == "heron@example.org"
    assert account.password is not None
    assert account.password not in repr(account)
    with Pages(studio.url, "local") as pages:
        assert not sign_in(pages, account.email, "a wrong password")
    with Pages(studio.url, "local") as pages:
        assert sign_in(pages, account.email, account.password)
        who = pages.json("GET", "/api/current-user/whoami", doing="asking").json()
        assert who["id"] == account.user_id
    assert invite(studio, workspace, "heron@example.org") == account


def test_an_account_that_was_there_keeps_its_password(studio_server: StudioServer, tmp_path: Path) -> None:
    studio, workspace = studio_server
    account = invite(studio, workspace, "egret@example.org")
    elsewhere = invite(studio, tmp_path, "egret@example.org")
    assert (elsewhere.user_id, elsewhere.password) == (account.user_id, None)


def test_nobody_signs_up_without_or_with_a_used_link(studio_server: StudioServer) -> None:
    studio, workspace = studio_server
    token = studio.get_json("/api/invite", doing="reading the invitation")["token"]
    invite(studio, workspace, "crane@example.org")
    assert studio.get_json("/api/invite", doing="reading the invitation")["token"] != token
    fields = {"email": "intruder@example.org", "password": "long enough 1", "allow_newsletters": ""}
    for path in ("/user/signup/", f"/user/signup/?token={token}"):
        with Pages(studio.url, "local") as pages, pytest.raises(StudioError) as caught:
            pages.submit(path, fields, doing="signing up")
        assert caught.value.status == 403
    users = studio.get_json("/api/users", doing="listing users")
    assert "intruder@example.org" not in {user["email"] for user in users}


def run_invite(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoseek", "annotate", "invite", *arguments]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)


def test_invite_enters_the_annotator_in_the_ledger(studio_server: StudioServer) -> None:
    studio, workspace = studio_server
    first = run_invite(workspace, "stork", "stork@example.org", "--json")
    assert first.returncode == 0, first.stderr
    entry = json.loads(first.stdout)
    with Pages(studio.url, "local") as pages:
        assert sign_in(pages, "stork@example.org", entry["password"])
    assert json.loads(run_invite(workspace, "stork", "STORK@example.org", "--json").stdout) == entry
    with Ledger(workspace / "work" / "annotation") as ledger:
        known = {one.name: one for one in ledger.annotators()}
    assert (known["stork"].email, known["stork"].server_user_id) == ("stork@example.org", entry["user_id"])
    for arguments, words in [
        (["stork", "other@example.org"], "pseudonym of another annotator"),
        (["ibis", "stork@example.org"], "already the annotator stork"),
        (["ibis@example.org", "ibis@example.org"], "cannot be a pseudonym"),
        (["ibis", "no address"], "is not an e-mail address"),
    ]:
        refused = run_invite(workspace, *arguments)
        assert words in refused.stderr
        assert refused.returncode in (1, 2)


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a b@c.org", "a@b@c.org", "a,b@c.org", "a@-c.org", "a@" + "b" * 300]
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not an e-mail address"):
        checked_email(text)


def test_passwords_depend_on_all_there_is() -> None:
    passwords = {
        account_password(key, identity, email)
        for key in ("k1", "k2")
        for identity in ("local", "https://label.example.org")
        for email in ("a@example.org", "b@example.org")
    }
    assert len(passwords) == 8
    assert all(len(password) == 23 for password in passwords)
