"""Each way in which a server can fail us: the words, what is asked again, what is never sent twice."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from geoseek.annotation.server import Patience, Studio, StudioError, connect
from geoseek.annotation.server.studio import normal_url, version_warning
from geoseek.schemas import UsageError
from tests.annotation.server.stub import Reply, Stub, jwt

TOKEN = jwt("refresh", exp=99999999999)
PAGE = "<!doctype html><html><head><title>Sign in\n to Example</title></head><body>...</body></html>"


class Connected:
    """A connection to the stub that notes its pauses instead of making them."""

    def __init__(self, stub: Stub, token: str = TOKEN) -> None:
        self.pauses: list[float] = []
        self.words: list[str] = []
        patience = Patience(sleep=self.pauses.append)
        self.studio = connect(stub.url, token, patience=patience, say=self.words.append)
        self.studio._client.timeout = httpx.Timeout(1.0)


@pytest.fixture
def connected(stub: Stub) -> Any:
    """Return a connection to the stub."""
    made = Connected(stub)
    with made.studio:
        yield made


def read(studio: Studio) -> Any:
    return studio.get_json("/api/thing", doing="reading a thing")


def write(studio: Studio) -> Any:
    return studio.send_json("POST", "/api/thing", {"a": 1}, doing="making a thing")


def sdk_read(studio: Studio) -> Any:
    return studio.read(lambda sdk: sdk.projects.get(id=5), doing="reading a thing")


def sdk_write(studio: Studio) -> Any:
    return studio.write(lambda sdk: sdk.projects.delete(id=5), doing="making a thing")


def everything(error: BaseException) -> str:
    """Return all that a user, a log or a traceback may ever show of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


STATUS_WORDS = [
    (400, "refuses"),
    (401, "does not accept the token"),
    (403, "refuses"),
    (404, "has not found"),
    (429, "slow down"),
    (500, r"failed \(500\)"),
    (502, r"failed \(502\)"),
]


@pytest.mark.parametrize("call", [read, write, sdk_read, sdk_write])
@pytest.mark.parametrize(("status", "words"), STATUS_WORDS)
def test_status_in_words(
    stub: Stub, connected: Connected, call: Callable[[Studio], Any], status: int, words: str
) -> None:
    for path in ("/api/thing", "/api/projects/5/", "/api/projects/5"):
        stub.replies[path] = [Reply(status, {"detail": f"The token {TOKEN} will not do."})]
    with pytest.raises(StudioError, match=words) as caught:
        call(connected.studio)
    assert caught.value.status == status
    assert "will not do" in caught.value.message
    assert "[hidden]" in caught.value.message
    assert caught.value.hint
    assert TOKEN not in everything(caught.value)
    writing = call in (write, sdk_write)
    assert caught.value.uncertain == (writing and status >= 500)


def test_hint_of_a_rejected_token_names_the_variable(stub: Stub) -> None:
    stub.replies["/api/token/refresh/"] = [Reply(401, {"detail": "Token is blacklisted"})]
    with pytest.raises(StudioError, match=r"does not accept the token: Token is blacklisted") as caught:
        Connected(stub)
    assert "GEOSEEK_LABEL_STUDIO_TOKEN" in (caught.value.hint or "")
    assert TOKEN not in everything(caught.value)


@pytest.mark.parametrize("call", [read, sdk_read])
def test_reads_are_asked_again(stub: Stub, connected: Connected, call: Callable[[Studio], Any]) -> None:
    good = Reply(body={"id": 5, "title": "t"})
    for path in ("/api/thing", "/api/projects/5/", "/api/projects/5"):
        stub.replies[path] = [Reply(500), Reply(0), Reply(429, headers={"Retry-After": "7"}), Reply(503), good]
    assert call(connected.studio)
    assert connected.pauses == [0.5, 1.0, 7.0, 4.0]


def test_reads_give_up(stub: Stub, connected: Connected) -> None:
    stub.replies["/api/thing"] = [Reply(500, PAGE)]
    with pytest.raises(StudioError):
        read(connected.studio)
    assert len(stub.asked("/api/thing")) == 6
    assert connected.pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_long_retry_after_is_shortened(stub: Stub, connected: Connected) -> None:
    late = "Wed, 21 Oct 2099 07:28:00 GMT"
    stub.replies["/api/thing"] = [Reply(429, headers={"Retry-After": late}), Reply(body=[1])]
    assert read(connected.studio) == [1]
    assert connected.pauses == [60.0]


@pytest.mark.parametrize("call", [write, sdk_write])
@pytest.mark.parametrize("reply", [Reply(500), Reply(429), Reply(0), Reply(409), Reply(408)])
def test_writes_are_sent_once(stub: Stub, connected: Connected, call: Callable[[Studio], Any], reply: Reply) -> None:
    for path in ("/api/thing", "/api/projects/5/", "/api/projects/5"):
        stub.replies[path] = [reply]
    before = len(stub.requests)
    with pytest.raises(StudioError) as caught:
        call(connected.studio)
    assert len(stub.requests) == before + 1
    assert connected.pauses == []
    assert caught.value.uncertain == (reply.status in (0, 408, 500))


def test_a_write_that_times_out_is_uncertain(stub: Stub, connected: Connected) -> None:
    connected.studio._client.timeout = httpx.Timeout(0.1)
    stub.replies["/api/thing"] = [Reply(after_s=0.5)]
    with pytest.raises(StudioError, match="did not answer in time while making a thing") as caught:
        write(connected.studio)
    assert caught.value.uncertain
    assert caught.value.status is None


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_web_page_instead_of_data(stub: Stub, connected: Connected, status: int) -> None:
    stub.replies["/api/thing"] = [Reply(status, PAGE)]
    with pytest.raises(StudioError, match=r"a web page instead of data \('Sign in to Example'\) while") as caught:
        read(connected.studio)
    assert "proxy" in (caught.value.hint or "")


def test_a_redirect_is_not_followed_with_the_token(stub: Stub, connected: Connected) -> None:
    stub.replies["/api/thing"] = [Reply(302, headers={"Location": "https://sso.example.org/login?next=secret"})]
    with pytest.raises(StudioError, match=r"redirects to https://sso\.example\.org/login while") as caught:
        write(connected.studio)
    assert not caught.value.uncertain


def test_success_that_is_not_json(stub: Stub, connected: Connected) -> None:
    stub.replies["/api/thing"] = [Reply(200, "it works")]
    with pytest.raises(StudioError, match="in a form that is not known: it works"):
        read(connected.studio)


def test_an_empty_answer_is_none(stub: Stub, connected: Connected) -> None:
    stub.replies["/api/thing"] = [Reply(204, "")]
    assert write(connected.studio) is None


def test_nobody_listens(stub: Stub) -> None:
    with pytest.raises(StudioError, match="cannot be reached") as caught:
        connect("http://127.0.0.1:9", TOKEN, patience=Patience(tries=2, sleep=lambda _: None), say=lambda _: None)
    assert "GEOSEEK_LABEL_STUDIO_URL" in (caught.value.hint or "")
    assert not caught.value.uncertain


def test_our_own_mistakes_are_not_disguised(connected: Connected) -> None:
    with pytest.raises(ZeroDivisionError):
        connected.studio.read(lambda _: 1 / 0, doing="dividing")


def test_connection_knows_version_and_user(stub: Stub, connected: Connected) -> None:
    studio = connected.studio
    assert (studio.version, studio.user_id, studio.email) == ("1.23.2", 7, "lead@example.org")
    assert studio.identity == stub.url
    assert connected.words == []
    assert stub.asked("/api/version")[0].authorization is None


def test_what_answers_is_not_label_studio(stub: Stub) -> None:
    stub.replies["/api/version"] = [Reply(body={"hello": "world"})]
    with pytest.raises(StudioError, match="does not say which version"):
        Connected(stub)
    assert not [request for request in stub.requests if request.authorization]


def test_versions(stub: Stub) -> None:
    for release in ("1.23.2", "1.23.9", "1.23"):
        assert version_warning(release, stub.url) is None
    for release in ("1.20.0", "1.22.1", "1.24.0", "1.24.0rc1", "2.0", "2.dev"):
        assert f"is version {release}" in (version_warning(release, stub.url) or "")
    for release in ("1.19.0", "0.9", "unknown"):
        with pytest.raises(StudioError, match=rf"is version {release}; GeoSeek needs 1\.20 or newer"):
            version_warning(release, stub.url)


def test_an_unencrypted_address_is_warned_about() -> None:
    words: list[str] = []
    with pytest.raises(StudioError):
        connect(
            "http://label.invalid",
            TOKEN,
            patience=Patience(tries=1),
            say=words.append,
        )
    assert re.search("not encrypted", words[0])


@pytest.mark.parametrize(
    "text",
    ["", "label.example.org", "ftp://label.example.org", "https://", "https://h/?a=b", "https://h:port", "http://[::1"],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="GEOSEEK_LABEL_STUDIO_URL"):
        normal_url(text)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        normal_url("https://me:hunter2@label.example.org")
    assert "hunter2" not in str(caught.value)
