from __future__ import annotations

import asyncio
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from geoseek.media import DownloadSettings
from geoseek.media.download import Downloader, DownloadError, _retry_after_s, parse_url
from geoseek.schemas import ImageRejectReason
from tests.media_support import ImageServer, answer

BODY = b"not really an image, but bytes"


def settings(**changes: Any) -> DownloadSettings:
    usual: dict[str, Any] = {
        "user_agent": "tests/1",
        "tries": 2,
        "backoff_s": 0.01,
        "timeout_s": 5.0,
        "idle_s": 2.0,
        "max_bytes": 10_000,
        "allow_private": True,
    }
    return DownloadSettings(**{**usual, **changes})


def get(url: str, **changes: Any) -> bytes:
    async def job() -> bytes:
        async with Downloader(settings(**changes)) as downloader:
            return (await downloader.get(url))[0]

    return asyncio.run(job())


def failure(url: str, **changes: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        get(url, **changes)
    return caught.value


def test_bytes_come_as_they_are(server: ImageServer) -> None:
    url = server.add("/a.jpg", BODY)
    assert get(url) == BODY
    assert server.agents == {"tests/1"}
    assert server.hits["/a.jpg"] == 1


def test_chunked_answers(server: ImageServer) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (BODY[:5], BODY[5:]):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n")

    assert get(server.behave("/chunked", chunked)) == BODY


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_final_answers_are_not_asked_again(status: int, server: ImageServer) -> None:
    error = failure(server.add("/gone", b"", status=status))
    assert (error.reason, error.detail, error.attempts) == (ImageRejectReason.HTTP_STATUS, str(status), 1)
    assert server.hits["/gone"] == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_asked_again(status: int, server: ImageServer) -> None:
    def recovering(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, BODY if server.hits["/busy"] == 3 else b"", status=200 if server.hits["/busy"] == 3 else status)

    assert get(server.behave("/busy", recovering), tries=3) == BODY
    error = failure(server.add("/always", b"", status=status), tries=3)
    assert (error.detail, error.attempts, server.hits["/always"]) == (str(status), 3, 3)


def test_pauses_double(server: ImageServer) -> None:
    url = server.add("/busy", b"", status=503)
    started = time.monotonic()
    failure(url, tries=3, backoff_s=0.1)
    assert time.monotonic() - started >= 0.3


def test_retry_after_holds_up_the_whole_host_but_not_for_ever(server: ImageServer) -> None:
    url = server.add("/busy", b"", status=429, headers={"Retry-After": "1"})
    other = server.add("/other", BODY)

    async def job() -> float:
        async with Downloader(settings(tries=1)) as downloader:
            with pytest.raises(DownloadError):
                await downloader.get(url)
            started = time.monotonic()
            await downloader.get(other)
            return time.monotonic() - started

    assert asyncio.run(job()) > 0.5
    failure(server.add("/long", b"", status=503, headers={"Retry-After": "9999"}), longest_pause_s=0.1)


def test_retry_after_in_all_its_forms() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert _retry_after_s("7") == 7
    assert 90 < _retry_after_s(soon) <= 100
    assert _retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for text in (None, "", "soon", "-3", "1e9"):
        assert _retry_after_s(text) == 0


def test_a_server_that_hangs_before_answering(server: ImageServer) -> None:
    released = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        released.wait(10)

    url = server.behave("/hang", hang)
    error = failure(url, idle_s=0.2, tries=2)
    released.set()
    assert (error.reason, error.attempts) == (ImageRejectReason.TIMEOUT, 2)


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def test_a_server_that_sends_a_byte_now_and_then(server: ImageServer) -> None:
    error = failure(server.behave("/drip", drip), timeout_s=0.5, tries=1)
    assert error.reason is ImageRejectReason.TIMEOUT


def raw(text: bytes) -> Any:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return send


def test_less_than_announced(server: ImageServer) -> None:
    url = server.behave("/short", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nabc"))
    error = failure(url)
    assert (error.reason, error.attempts) == (ImageRejectReason.INCOMPLETE, 2)


def test_more_than_announced_is_cut_at_the_announcement(server: ImageServer) -> None:
    assert get(server.behave("/long", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"))) == b"abc"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
    ],
)
def test_nonsense_is_a_code(text: bytes, server: ImageServer) -> None:
    assert failure(server.behave("/odd", raw(text))).reason in (
        ImageRejectReason.INCOMPLETE,
        ImageRejectReason.CONNECTION,
    )


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b"x" * 4096)


def test_endless_answers_are_cut_off(server: ImageServer) -> None:
    error = failure(server.behave("/endless", endless))
    assert (error.reason, error.attempts) == (ImageRejectReason.TOO_LARGE, 1)


def test_announced_size_is_enough_to_refuse(server: ImageServer) -> None:
    url = server.behave("/huge", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"))
    assert failure(url).reason is ImageRejectReason.TOO_LARGE


def test_compressed_transfers_are_refused(server: ImageServer) -> None:
    url = server.add("/gzip", BODY, headers={"Content-Encoding": "gzip"})
    assert failure(url).reason is ImageRejectReason.INCOMPLETE


def test_redirects_are_followed(server: ImageServer) -> None:
    server.add("/end.jpg", BODY)
    server.add("/2", b"", status=307, headers={"Location": server.url("/end.jpg")})
    assert get(server.add("/1", b"", status=302, headers={"Location": "/2"})) == BODY


def test_redirects_end(server: ImageServer) -> None:
    url = server.add("/loop", b"", status=302, headers={"Location": "/loop"})
    error = failure(url, redirects=3)
    assert (error.reason, error.attempts, server.hits["/loop"]) == (ImageRejectReason.REDIRECTS, 1, 4)
    assert failure(server.add("/no", b"", status=301)).reason is ImageRejectReason.REDIRECTS


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://a.example/x", "gopher://a.example/"])
def test_redirects_to_other_schemes_are_refused(target: str, server: ImageServer) -> None:
    url = server.add("/away", b"", status=302, headers={"Location": target})
    assert failure(url).reason is ImageRejectReason.FORBIDDEN_SCHEME


def test_loopback_is_refused_without_permission(server: ImageServer) -> None:
    url = server.add("/a.jpg", BODY)
    assert failure(url, allow_private=False).reason is ImageRejectReason.FORBIDDEN_ADDRESS
    assert not server.hits


def test_a_public_host_that_redirects_to_loopback_is_refused(server: ImageServer) -> None:
    """The first hop is a host with a (pretended) public address; the second is judged by its own."""
    server.add("/secret", BODY)
    public = server.add("/public", b"", status=302, headers={"Location": server.url("/secret")})

    async def job() -> bytes:
        import httpcore2

        from geoseek.media.addresses import CheckedNetwork

        class Network(CheckedNetwork):
            async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> Any:
                if host == "public.example":
                    return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", port)
                return await super().connect_tcp(host, port, *args, **options)

        async with Downloader(settings(allow_private=False)) as downloader:
            downloader._pool = httpcore2.AsyncConnectionPool(network_backend=Network(allow_private=False))
            return (await downloader.get(public.replace("127.0.0.1", "public.example")))[0]

    with pytest.raises(DownloadError) as caught:
        asyncio.run(job())
    assert caught.value.reason is ImageRejectReason.FORBIDDEN_ADDRESS
    assert server.hits == {"/public": 1}


def test_one_host_gets_no_more_than_its_share(server: ImageServer) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.05)
        answer(handler, BODY)

    urls = [server.behave(f"/{n}", slow) for n in range(20)]

    async def job() -> None:
        async with Downloader(settings(per_host=3)) as downloader:
            await asyncio.gather(*(downloader.get(url) for url in urls))

    asyncio.run(job())
    assert 2 <= server.busiest <= 3


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure(f"http://127.0.0.1:{port}/a.jpg")
    assert (error.reason, error.attempts) == (ImageRejectReason.CONNECTION, 2)


def test_tls_to_a_server_without_it(server: ImageServer) -> None:
    error = failure(server.url("/a.jpg").replace("http:", "https:"), tries=1)
    assert error.reason in (ImageRejectReason.CONNECTION, ImageRejectReason.TIMEOUT)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.example/x", ImageRejectReason.FORBIDDEN_SCHEME),
        ("file:///etc/passwd", ImageRejectReason.FORBIDDEN_SCHEME),
        ("data:image/png;base64,AA", ImageRejectReason.FORBIDDEN_SCHEME),
        ("http://", ImageRejectReason.BAD_REFERENCE),
        ("http:///a.jpg", ImageRejectReason.BAD_REFERENCE),
        ("http://a.example:99999/", ImageRejectReason.BAD_REFERENCE),
        ("http://[::1/", ImageRejectReason.BAD_REFERENCE),
        ("http://user:secret@a.example/", ImageRejectReason.BAD_REFERENCE),
        ("http://a b.example/", ImageRejectReason.BAD_REFERENCE),
        ("http://" + "ä" * 80 + ".example/", ImageRejectReason.BAD_REFERENCE),
        ("http://[fe80::1%25eth0]/", ImageRejectReason.BAD_REFERENCE),
    ],
)
def test_urls_that_are_none(url: str, reason: ImageRejectReason) -> None:
    with pytest.raises(DownloadError) as caught:
        parse_url(url)
    assert caught.value.reason is reason


def test_urls_are_put_into_the_form_that_servers_read() -> None:
    assert parse_url("http://a.example").url == "http://a.example/"
    assert parse_url("https://a.example:8443/ü/%20?q=ä b#f").url == "https://a.example:8443/%C3%BC/%20?q=%C3%A4%20b"
    assert parse_url("http://[2001:db8::1]:80/x").authority == "[2001:db8::1]:80"
