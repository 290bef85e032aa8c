"""One request over HTTP: what came back, or which fault it was and whether another try can help."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from geoseek.endpoints.endpoint import Endpoint
from geoseek.endpoints.faults import EndpointFault, EndpointFaultCode, one_line
from geoseek.endpoints.replies import Usage
from geoseek.workspace import installed_versions

_MAX_BODY_BYTES = 16 * 1024 * 1024
_CONNECT_S = 15.0
_IDLE_CONNECTION_S = 20.0
_SHORTEST_SECRET = 8
_PASSING = frozenset([408, 409, 425, 429])
_LENGTH_WORDS = ("context_length", "context length", "maximum context", "too many tokens", "string_above_max_length")


class PostError(Exception):
    """A request without a usable answer.

    Attributes:
        fault: What it was.
        retry: Whether the same request may succeed later.
        pause_s: How long the server asks to be left alone.
        lasting: Whether every other request would meet the same.
        format_refused: Whether it may be the wanted format that the server does not accept.
    """

    def __init__(
        self,
        code: EndpointFaultCode,
        detail: str,
        *,
        retry: bool = False,
        pause_s: float = 0.0,
        lasting: bool = False,
        format_refused: bool = False,
    ) -> None:
        super().__init__(detail)
        self.fault = EndpointFault(code, detail)
        self.retry = retry
        self.pause_s = pause_s
        self.lasting = lasting
        self.format_refused = format_refused


@dataclass(frozen=True)
class Completion:
    """A chat completion, as far as it is used here."""

    text: str
    usage: Usage
    model: str
    finish: str


class Transport:
    """Posts to one endpoint over connections that are kept; an asynchronous context manager, for one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        version = installed_versions(["geoseek"]).get("geoseek", "0")
        self._headers = [
            (b"Host", urlsplit(endpoint.url).netloc.encode("ascii")),
            (b"User-Agent", f"geoseek/{version}".encode()),
            (b"Accept", b"application/json"),
            (b"Content-Type", b"application/json"),
            # The size limit then holds for what is received.
            (b"Accept-Encoding", b"identity"),
        ]
        if endpoint.key is not None:
            self._headers.append((b"Authorization", f"Bearer {endpoint.key}".encode("ascii")))

    async def __aenter__(self) -> Self:
        secure = self._endpoint.url.startswith("https:")
        self._ssl_context = httpcore2.default_ssl_context() if secure else None
        self._proxy = proxy_for(self._endpoint.url)
        self._idle: list[httpcore2.AsyncConnectionPool] = []
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._idle:
            await connection.aclose()

    async def post(self, body: bytes) -> Completion:
        """Send a request's body and return the completion.

        Raises:
            PostError: There is none.
        """
        limit_s = self._endpoint.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                status, headers, answer = await self._exchange(body)
        except (TimeoutError, httpcore2.TimeoutException) as error:
            raise PostError(EndpointFaultCode.TIMEOUT, f"not finished in {limit_s:g} s", retry=True) from error
        except httpcore2.ProxyError as error:
            raise PostError(EndpointFaultCode.UNREACHABLE, f"the proxy: {one_line(str(error))}", retry=True) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            raise _connection_error(error) from error
        text = self._without_key(answer.decode("utf-8", "replace"))
        if status != 200:
            raise _status_error(status, headers, text)
        return read_completion(text)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpcore2.AsyncConnectionPool]:
        # A pool for each request under way: a common one would look at every idle connection for every request.
        connection = self._idle.pop() if self._idle else self._new_connection()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def _new_connection(self) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._ssl_context,
            proxy=self._proxy,
            max_connections=1,
            keepalive_expiry=_IDLE_CONNECTION_S,
        )

    async def _exchange(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connect_s = min(_CONNECT_S, self._endpoint.timeout_s)
        async with (
            self._connection() as connection,
            connection.stream(
                "POST",
                self._endpoint.chat_url,
                headers=[*self._headers, (b"Content-Length", str(len(body)).encode())],
                content=body,
                extensions={"timeout": {"connect": connect_s}},
            ) as response,
        ):
            received = bytearray()
            async for chunk in response.aiter_stream():
                received += chunk
                if len(received) > _MAX_BODY_BYTES:
                    raise PostError(EndpointFaultCode.NOT_AN_ANSWER, f"more than {_MAX_BODY_BYTES} bytes")
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            return response.status, headers, bytes(received)

    def _without_key(self, text: str) -> str:
        # Placeholders such as EMPTY are no secret, and their letters may stand in an honest answer.
        key = self._endpoint.key
        return text.replace(key, "***") if key is not None and len(key) >= _SHORTEST_SECRET else text


def read_completion(text: str) -> Completion:
    """Read the body of a successful answer.

    Raises:
        PostError: It is no completion, it is empty, or the model declined.

    >>> read_completion('{"choices": [{"message": {"content": "Lima"}, "finish_reason": "stop"}]}').text
    'Lima'
    """
    try:
        payload = json.loads(text)
        choice = payload["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        # Half an answer may be whole the next time; a web page comes from a wrong address, and will come again.
        page = text.lstrip().startswith("<")
        raise PostError(EndpointFaultCode.NOT_AN_ANSWER, one_line(text, 120) or "empty", retry=not page) from error
    finish = str(choice.get("finish_reason") or "")
    if refusal or finish == "content_filter":
        raise PostError(EndpointFaultCode.REFUSED, one_line(str(refusal or finish)))
    if not isinstance(content, str) or not content.strip():
        raise PostError(EndpointFaultCode.NOT_AN_ANSWER, f"no text (finish reason: {one_line(finish, 40) or 'none'})")
    # Half a surrogate pair can be written in JSON, and in no file.
    clean = content.encode("utf-8", "replace").decode()
    return Completion(clean, _usage(payload.get("usage")), one_line(str(payload.get("model") or "")), finish)


def _usage(counted: Any) -> Usage:
    if not isinstance(counted, dict):
        return Usage()
    numbers = [counted.get(name) for name in ("prompt_tokens", "completion_tokens")]
    return Usage(*(n if isinstance(n, int) and n >= 0 else 0 for n in numbers))


def _status_error(status: int, headers: dict[str, str], text: str) -> PostError:
    message, kinds = _error_words(text)
    detail = one_line(f"status {status}: {message}" if message else f"status {status}")
    pause_s = pause_asked_for(headers)
    if status == 402 or (status == 429 and "insufficient_quota" in kinds):
        return PostError(EndpointFaultCode.NO_CREDIT, detail, lasting=True)
    if status in _PASSING:
        code = {408: EndpointFaultCode.TIMEOUT, 429: EndpointFaultCode.RATE_LIMITED}
        return PostError(code.get(status, EndpointFaultCode.SERVER_ERROR), detail, retry=True, pause_s=pause_s)
    if status >= 500 and status != 501:
        return PostError(EndpointFaultCode.SERVER_ERROR, detail, retry=True, pause_s=pause_s)
    if status in (401, 403):
        # 403 is also the answer of moderators to one request; 401 says that no key was recognised.
        return PostError(EndpointFaultCode.UNAUTHORIZED, detail, lasting=status == 401)
    if status == 404:
        return PostError(EndpointFaultCode.NOT_FOUND, detail, lasting=True)
    if status == 413 or any(word in f"{message} {kinds}".lower() for word in _LENGTH_WORDS):
        return PostError(EndpointFaultCode.TOO_LONG, detail)
    return PostError(EndpointFaultCode.BAD_REQUEST, detail, format_refused=status in (400, 422, 501))


def _error_words(text: str) -> tuple[str, str]:
    """Return the message of an error's body, and its type and code, in whichever of the usual forms it comes."""
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return ("a web page" if text.lstrip().startswith("<") else text), ""
    error = payload.get("error", payload) if isinstance(payload, dict) else payload
    if not isinstance(error, dict):
        return str(error), ""
    message = error.get("message") or error.get("detail") or ""
    return str(message), f"{error.get('type')} {error.get('code')}"


def pause_asked_for(headers: dict[str, str]) -> float:
    """Return the seconds that an answer's headers ask to wait (RFC 9110, section 10.2.3), 0 if none.

    >>> pause_asked_for({"retry-after": "1.5"}), pause_asked_for({"retry-after-ms": "250"}), pause_asked_for({})
    (1.5, 0.25, 0.0)
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()[:64]
        if value.replace(".", "", 1).isdecimal():
            return float(value) * unit_s
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return 0.0
    moment = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _connection_error(error: BaseException) -> PostError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return PostError(EndpointFaultCode.UNREACHABLE, f"certificate: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return PostError(
                EndpointFaultCode.UNREACHABLE, f"TLS: {cause.reason or 'the connection broke'}", retry=True
            )
        if isinstance(cause, socket.gaierror):
            passing = cause.errno == socket.EAI_AGAIN
            return PostError(EndpointFaultCode.UNREACHABLE, "the host's name is not known", retry=passing)
        if isinstance(cause, OSError) and cause.errno:
            return PostError(EndpointFaultCode.UNREACHABLE, os.strerror(cause.errno).lower(), retry=True)
        # A group holds one for each address of the host.
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return PostError(EndpointFaultCode.UNREACHABLE, "the connection broke", retry=True)


def proxy_for(url: str) -> httpcore2.Proxy | None:
    """Return the proxy that the environment names for an address (`HTTPS_PROXY`, `NO_PROXY`); never for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    proxies = getproxies()
    address = urlsplit(proxies.get(parts.scheme) or proxies.get("all") or "")
    if address.scheme not in ("http", "https") or not address.hostname:
        return None
    auth = (unquote(address.username), unquote(address.password or "")) if address.username else None
    return httpcore2.Proxy(f"{address.scheme}://{address.netloc.rpartition('@')[2]}", auth=auth)
