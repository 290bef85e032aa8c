from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from geoseek.endpoints.faults import EndpointFaultCode
from geoseek.endpoints.transport import PostError, pause_asked_for, proxy_for, read_completion


def test_pauses_are_read_in_all_their_forms() -> None:
    assert pause_asked_for({"retry-after": "7"}) == 7
    assert pause_asked_for({"retry-after-ms": "20", "retry-after": "1"}) == 0.02
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < pause_asked_for({"retry-after": soon}) <= 100
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=100), usegmt=True)
    for nonsense in (past, "", "soon", "-5", "nan", "1e9", "٣"):
        assert 0 <= pause_asked_for({"retry-after": nonsense}) < 10


@pytest.mark.parametrize(
    ("body", "code", "retry"),
    [
        ("<html>Sign in</html>", EndpointFaultCode.NOT_AN_ANSWER, False),
        ('{"choices": [{"mess', EndpointFaultCode.NOT_AN_ANSWER, True),
        ("[" * 100_000, EndpointFaultCode.NOT_AN_ANSWER, True),
        ('{"choices": []}', EndpointFaultCode.NOT_AN_ANSWER, True),
        ('{"choices": [{"message": null}]}', EndpointFaultCode.NOT_AN_ANSWER, True),
        ('{"choices": [{"message": {"content": " "}}]}', EndpointFaultCode.NOT_AN_ANSWER, False),
        ('{"choices": [{"message": {"refusal": "I will not."}}]}', EndpointFaultCode.REFUSED, False),
        (
            '{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}',
            EndpointFaultCode.REFUSED,
            False,
        ),
    ],
)
def test_what_is_no_completion_has_a_code(body: str, code: EndpointFaultCode, retry: bool) -> None:
    with pytest.raises(PostError) as caught:
        read_completion(body)
    assert caught.value.fault.code is code
    assert caught.value.retry is retry


def test_odd_usage_counts_as_nothing() -> None:
    body = (
        '{"choices": [{"message": {"content": "x\\ud800"}}], "usage": {"prompt_tokens": -4, "completion_tokens": "7"}}'
    )
    found = read_completion(body)
    assert found.usage.total == 0
    assert found.text == "x?"


def test_proxies_of_the_environment_are_used_except_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_for("https://api.example.org/v1") is None
    monkeypatch.setenv("https_proxy", "http://me:p%40ss@proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    found = proxy_for("https://api.example.org/v1")
    assert found is not None
    assert found.url.host == b"proxy.example.org"
    assert found.auth == (b"me", b"p@ss")
    assert proxy_for("http://api.example.org/v1") is None
    assert proxy_for("https://inside.example.org/v1") is None
    assert proxy_for("https://localhost:8000/v1") is None
    monkeypatch.setenv("https_proxy", "socks5://proxy.example.org")
    assert proxy_for("https://api.example.org/v1") is None
