"""Download images politely, from servers that are not to be trusted."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

import httpcore2

from geoseek.media.addresses import CheckedNetwork, ForbiddenAddressError, Resolver, UnknownHostError, resolve
from geoseek.schemas import ImageRejectReason

_REDIRECTS = frozenset([301, 302, 303, 307, 308])
_WORTH_RETRYING = frozenset([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])
_SAFE_IN_TARGET = "/%:@!$&'()*+,;=~-._?"
_HASH_STEPS = 1 << 32


@dataclass(frozen=True)
class DownloadSettings:
    """How to behave towards servers.

    Attributes:
        user_agent: Who is asking.
        connections: Downloads at the same time.
        per_host: Of these, from one host.
        tries: Requests for one image at most (each may be redirected).
        backoff_s: Pause before the second try; it doubles with each further one. Up to half is added, fixed by the URL.
        longest_pause_s: What a server asks for with Retry-After is kept up to so many seconds.
        timeout_s: Time for one request, from connecting to the last byte.
        idle_s: Time without a byte.
        redirects: Followed at most, each target being checked like the first.
        max_bytes: Size of the largest image.
        allow_private: Also ask hosts whose address is not public.
    """

    user_agent: str
    connections: int = 32
    per_host: int = 4
    tries: int = 4
    backoff_s: float = 1.0
    longest_pause_s: float = 120.0
    timeout_s: float = 60.0
    idle_s: float = 20.0
    redirects: int = 5
    max_bytes: int = 64 * 1024 * 1024
    allow_private: bool = False


class DownloadError(Exception):
    """An image could not be downloaded.

    Attributes:
        reason: The code.
        detail: What exactly went wrong.
        attempts: Requests made, redirects not counted.
    """

    def __init__(self, reason: ImageRejectReason, detail: str | None = None, *, retry: bool = False) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retry = retry
        self.attempts = 0


@dataclass
class _Host:
    """What is going on with one host."""

    gate: asyncio.Semaphore
    not_before: float = 0.0


@dataclass(frozen=True)
class Target:
    """A checked URL, in the form in which it is requested."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_url(url: str) -> Target:
    """Read an image's URL: http or https, no credentials, other characters percent-encoded, no fragment.

    Raises:
        DownloadError: It is none.

    >>> parse_url("HTTPS://Bücher.example/a b.jpg?x=1#top").url
    'https://xn--bcher-kva.example/a%20b.jpg?x=1'
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise DownloadError(ImageRejectReason.BAD_REFERENCE, "not a valid URL") from error
    if parts.scheme not in ("http", "https"):
        raise DownloadError(ImageRejectReason.FORBIDDEN_SCHEME, parts.scheme[:40])
    if not parts.hostname:
        raise DownloadError(ImageRejectReason.BAD_REFERENCE, "an URL without a host")
    if parts.username is not None or parts.password is not None:
        raise DownloadError(ImageRejectReason.BAD_REFERENCE, "an URL with a user name or password")
    try:
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise DownloadError(ImageRejectReason.BAD_REFERENCE, "an URL with an impossible host") from error
    if not all(character.isalnum() or character in "-._:" for character in host.partition("%")[0]) or "%" in host:
        raise DownloadError(ImageRejectReason.BAD_REFERENCE, "an URL with an impossible host")
    path = quote(parts.path or "/", safe=_SAFE_IN_TARGET)
    query = f"?{quote(parts.query, safe=_SAFE_IN_TARGET)}" if parts.query else ""
    return Target(parts.scheme, host, port, path + query)


@dataclass
class Downloader:
    """Downloads images; an asynchronous context manager, for one event loop.

    Attributes:
        settings: How to behave.
        resolver: Replaces the system's name resolution.
    """

    settings: DownloadSettings
    resolver: Resolver = resolve
    _hosts: dict[str, _Host] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        settings = self.settings
        self._hosts = defaultdict(lambda: _Host(asyncio.Semaphore(settings.per_host)))
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=settings.connections,
            max_keepalive_connections=settings.connections,
            keepalive_expiry=settings.idle_s,
            network_backend=CheckedNetwork(allow_private=settings.allow_private, resolver=self.resolver),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    async def get(self, url: str) -> tuple[bytes, int]:
        """Return the bytes behind an URL and the number of attempts, trying again where that can help.

        Raises:
            DownloadError: It cannot be had.
        """
        jitter = 1 + int(hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:8], 16) / (2 * _HASH_STEPS)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(url), attempt
            except DownloadError as error:
                error.attempts = attempt
                if not error.retry or attempt >= self.settings.tries:
                    raise
            await asyncio.sleep(self.settings.backoff_s * 2 ** (attempt - 1) * jitter)

    async def _attempt(self, url: str) -> bytes:
        target = parse_url(url)
        for _ in range(self.settings.redirects + 1):
            found = await self._hop(target)
            if isinstance(found, bytes):
                return found
            target = parse_url(urljoin(target.url, found))
        raise DownloadError(ImageRejectReason.REDIRECTS, f"more than {self.settings.redirects}")

    async def _hop(self, target: Target) -> bytes | str:
        """Return the body, or the address to go on to."""
        host = self._hosts[target.host]
        async with host.gate:
            while (wait := host.not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            try:
                async with asyncio.timeout(self.settings.timeout_s):
                    return await self._request(target, host)
            except TimeoutError as error:
                limit = f"not finished in {self.settings.timeout_s:g} s"
                raise DownloadError(ImageRejectReason.TIMEOUT, limit, retry=True) from error
            except httpcore2.TimeoutException as error:
                limit = f"nothing in {self.settings.idle_s:g} s"
                raise DownloadError(ImageRejectReason.TIMEOUT, limit, retry=True) from error
            except ForbiddenAddressError as error:
                raise DownloadError(ImageRejectReason.FORBIDDEN_ADDRESS, f"{target.host} is {error}") from error
            except UnknownHostError as error:
                raise DownloadError(ImageRejectReason.UNKNOWN_HOST, target.host, retry=error.temporary) from error
            except httpcore2.ProtocolError as error:
                raise DownloadError(ImageRejectReason.INCOMPLETE, _words(error), retry=True) from error
            except (httpcore2.NetworkError, OSError) as error:
                raise _connection_error(error) from error

    async def _request(self, target: Target, host: _Host) -> bytes | str:
        settings = self.settings
        headers: dict[bytes | str, bytes | str] = {
            "Host": target.authority,
            "User-Agent": settings.user_agent,
            "Accept": "image/*,*/*;q=0.1",
            # The size limit then holds for what is received, and no decompression bomb can be hidden in transit.
            "Accept-Encoding": "identity",
        }
        timeouts = dict.fromkeys(("connect", "read", "write"), settings.idle_s)
        async with self._pool.stream("GET", target.url, headers=headers, extensions={"timeout": timeouts}) as response:
            answer = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            status = response.status
            if status in _REDIRECTS:
                if "location" not in answer:
                    raise DownloadError(ImageRejectReason.REDIRECTS, f"status {status} without a target")
                return answer["location"]
            if status != 200:
                retry = status in _WORTH_RETRYING
                pause = min(_retry_after_s(answer.get("retry-after")), settings.longest_pause_s)
                if retry and pause > 0:
                    host.not_before = max(host.not_before, time.monotonic() + pause)
                raise DownloadError(ImageRejectReason.HTTP_STATUS, str(status), retry=retry)
            encoding = answer.get("content-encoding", "identity").strip().lower()
            if encoding not in ("identity", ""):
                raise DownloadError(ImageRejectReason.INCOMPLETE, f"sent as {encoding[:20]}, which was not asked for")
            announced = answer.get("content-length", "")
            if announced.isdigit() and int(announced) > settings.max_bytes:
                raise DownloadError(ImageRejectReason.TOO_LARGE, f"more than {settings.max_bytes} bytes")
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > settings.max_bytes:
                    raise DownloadError(ImageRejectReason.TOO_LARGE, f"more than {settings.max_bytes} bytes")
            return bytes(body)


def _retry_after_s(value: str | None) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3), 0 where it says nothing usable."""
    if value is None:
        return 0.0
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    moment = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _connection_error(error: BaseException) -> DownloadError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DownloadError(ImageRejectReason.CONNECTION, f"certificate: {cause.verify_message}")
        if isinstance(cause, OSError) and cause.errno:
            return DownloadError(ImageRejectReason.CONNECTION, os.strerror(cause.errno).lower(), retry=True)
        cause = cause.__cause__ or cause.__context__
    return DownloadError(ImageRejectReason.CONNECTION, "the connection broke", retry=True)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
