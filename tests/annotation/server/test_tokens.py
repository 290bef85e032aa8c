"""Personal access tokens are exchanged and renewed, legacy tokens sent as they are, neither is ever shown."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseek.annotation.server import Patience, StudioError, connect
from geoseek.annotation.server.studio import Studio
from geoseek.annotation.server.tokens import TokenAuth, checked_token, token_claims
from geoseek.schemas import UsageError
from tests.annotation.server.stub import Reply, Stub, access, jwt

LEGACY = "0123456789abcdef0123456789abcdef01234567"
REFRESH = jwt("refresh", exp=99999999999)


def connection(stub: Stub, token: str = REFRESH) -> Studio:
    return connect(stub.url, token, patience=Patience(tries=1), say=lambda _: None)


def read(studio: Studio) -> object:
    return studio.get_json("/api/thing", doing="reading")


def exchanges(stub: Stub) -> int:
    return len(stub.asked("/api/token/refresh/"))


def test_legacy_token_is_sent_as_it_is(stub: Stub) -> None:
    with connection(stub, LEGACY):
        assert stub.asked("/api/current-user/whoami")[0].authorization == f"Token {LEGACY}"
        assert exchanges(stub) == 0


def test_access_token_is_used_until_it_ages(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.replies["/api/thing"] = [Reply(body=1)]
    with connection(stub) as studio:
        for _ in range(5):
            read(studio)
        assert exchanges(stub) == 1
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 250)
        read(studio)
        assert exchanges(stub) == 2
        assert all((request.authorization or "").startswith("Bearer ey") for request in stub.asked("/api/thing"))


@pytest.mark.parametrize("offset_s", [-86400, 86400])
def test_clocks_need_not_agree(stub: Stub, offset_s: float) -> None:
    stub.replies["/api/token/refresh/"] = [access(issued=time.time() + offset_s)]
    stub.replies["/api/thing"] = [Reply(body=1)]
    with connection(stub) as studio:
        read(studio)
        read(studio)
    assert exchanges(stub) == 1


def test_a_rejected_access_token_is_exchanged_again_also_for_a_write(stub: Stub) -> None:
    stub.replies["/api/token/refresh/"] = [access(), access()]
    stub.replies["/api/thing"] = [Reply(401), Reply(201, {"id": 1})]
    with connection(stub) as studio:
        assert studio.send_json("POST", "/api/thing", {"a": 1}, doing="writing") == {"id": 1}
    first, second = stub.asked("/api/thing")
    assert first.body == second.body == '{"a":1}'
    assert first.authorization != second.authorization


def test_a_rejected_personal_token_is_renewed_where_we_can(stub: Stub) -> None:
    stub.replies["/api/token/refresh/"] = [Reply(401, {"detail": "Token is blacklisted"}), access()]
    fresh = jwt("refresh")
    rejected: list[str] = []

    def renew(token: str) -> str:
        rejected.append(token)
        return fresh

    with connect(stub.url, REFRESH, renew=renew, say=lambda _: None):
        assert rejected == [REFRESH]
        assert fresh in stub.asked("/api/token/refresh/")[-1].body


def test_an_exchange_that_is_not_understood(stub: Stub) -> None:
    stub.replies["/api/token/refresh/"] = [Reply(200, "<html><title>Portal</title></html>")]
    with pytest.raises(StudioError, match="a web page instead of data"):
        connection(stub)


def test_threads_share_one_exchange(stub: Stub) -> None:
    stub.replies["/api/thing"] = [Reply(body=1)]
    stub.replies["/api/token/refresh/"] = [Reply(access().status, access().body, after_s=0.2)]
    with connection(stub) as studio:
        studio._auth._access = None
        before = exchanges(stub)
        threads = [threading.Thread(target=read, args=(studio,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exchanges(stub) == before + 1


@pytest.mark.parametrize("text", ["", "  ", "two words", "line\nbreak", "tökén", "nul\0"])
def test_tokens_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="GEOSEEK_LABEL_STUDIO_TOKEN") as caught:
        checked_token(text)
    assert not text.strip() or text not in str(caught.value)


def test_an_access_token_is_refused() -> None:
    token = jwt("access", exp=1)
    with pytest.raises(UsageError, match="five minutes") as caught:
        checked_token(token)
    assert token not in str(caught.value)


def test_outer_white_space_is_dropped() -> None:
    assert checked_token(f" {LEGACY}\n") == LEGACY


@given(st.text())
def test_claims_of_anything(text: str) -> None:
    claims = token_claims(text)
    assert claims is None or isinstance(claims, dict)


def test_nothing_shows_a_token(stub: Stub) -> None:
    auth = TokenAuth(REFRESH, stub.url)
    assert REFRESH not in repr(auth)
    assert auth.scrub(f"a {REFRESH} b") == "a [hidden] b"
    with connection(stub) as studio:
        assert REFRESH not in repr(studio)
