"""Asking a model many things: at the right speed, again where that helps, and never twice for the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakValueDictionary

from geoseek.endpoints.endpoint import Endpoint
from geoseek.endpoints.faults import EndpointFault, EndpointFaultCode
from geoseek.endpoints.messages import ChatRequest, UnreadableImageError, request_key
from geoseek.endpoints.pace import Pace
from geoseek.endpoints.replies import ChatReply, Spent, Usage, money
from geoseek.endpoints.store import BlobStore
from geoseek.endpoints.structured import (
    ReplyFormat,
    SchemaCheck,
    format_fields,
    repair_turns,
    schema_in_words,
    with_instruction,
)
from geoseek.endpoints.transport import Completion, PostError, Transport
from geoseek.workspace import progress_bar, stable_digest

_AHEAD = 4
_TOKEN_BURST_MINUTES = 1 / 6
_UNREACHABLE_AT_LEAST = 10
_CHARACTERS_PER_TOKEN = 3
_TOKENS_PER_IMAGE = 1000
_TOKENS_OF_AN_ANSWER = 500

_Result = TypeVar("_Result")


@dataclass
class _Tally:
    """What one request has needed so far."""

    key: str
    attempts: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class _Verdict:
    """A fault that all requests meet, until a moment of the monotonic clock."""

    fault: EndpointFault
    until_s: float


class _KnownFaultError(PostError):
    """A request was not sent, since others have met this fault."""


class _Format:
    """How answers of one schema are asked for and checked; the way is settled by the first success.

    One request goes ahead, so that a server without schemas does not refuse all that are under way.
    """

    def __init__(self, check: SchemaCheck) -> None:
        self.check = check
        self.way = ReplyFormat.JSON_SCHEMA
        self.settled = False
        self.first_is_back: asyncio.Event | None = None


class ChatClient:
    """Asks one endpoint; an asynchronous context manager, for one event loop at a time.

    Faults of single requests are in their replies (`ChatReply.error`). When the server does not accept the key, knows
    no such model or has no credit left, requests that come later meet the same fault without being sent; after many
    requests in a row that found nobody, those of the next `longest_pause_s` do, too.

    Args:
        endpoint: Who is asked.
        cache: File of successful replies, made where it is missing and shared with other processes. A request that is
            in it is not sent, and of equal requests under way at once one is. Without it every request is sent.
    """

    def __init__(self, endpoint: Endpoint, cache: Path | None = None) -> None:
        self.endpoint = endpoint
        self._cache_path = cache
        self._cache: BlobStore | None = None
        self._transport: Transport | None = None
        self._formats: dict[str, _Format] = {}
        self._notes: list[str] = []
        self._verdict: _Verdict | None = None
        self._unreachable = 0
        self._requests = 0
        self._cached = 0
        self._usage = Usage()
        by_requests, by_tokens = endpoint.requests_per_minute, endpoint.tokens_per_minute
        self._request_pace = Pace(by_requests, burst=1) if by_requests else None
        self._token_pace = Pace(by_tokens, burst=by_tokens * _TOKEN_BURST_MINUTES) if by_tokens else None

    async def __aenter__(self) -> Self:
        if self._transport is not None:
            raise RuntimeError("This client is in use already.")
        transport = await Transport(self.endpoint).__aenter__()
        if self._cache_path is not None:
            self._cache = BlobStore(self._cache_path)
        self._transport = transport
        self._slots = asyncio.Semaphore(self.endpoint.concurrency)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._not_before_s = 0.0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transport, self._transport = self._transport, None
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()
        if transport is not None:
            await transport.__aexit__(kind, error, trace)

    @property
    def cost(self) -> Spent:
        """Return what has been used since the client was made."""
        usage = self._usage
        return Spent(
            self._requests, self._cached, usage.prompt_tokens, usage.completion_tokens, money(self.endpoint, usage)
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the user should be told about how the server was used, e.g. that it takes no schema."""
        return tuple(self._notes)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Return the reply to one request, from the cache where it is there.

        Raises:
            UsageError: The request's schema is wrong.
            OutputError: The cache cannot be written.
        """
        try:
            key = await _computed(request, lambda: request_key(self.endpoint, request))
        except UnreadableImageError as error:
            return _failed(EndpointFault(EndpointFaultCode.UNREADABLE_IMAGE, str(error)))
        if self._cache is None:
            return await self._ask(request, key)
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if (stored := self._cache.get(key)) is not None:
                self._cached += 1
                return ChatReply.from_bytes(stored)
            reply = await self._ask(request, key)
            if reply.error is None:
                self._cache.put({key: reply.to_bytes()})
            return reply

    async def complete_many(self, requests: Iterable[ChatRequest]) -> AsyncGenerator[ChatReply, None]:
        """Yield the replies in the order of the requests.

        Requests are taken from the iterable a few ahead of the replies, so that neither has to fit into memory.

        Raises:
            UsageError: A request's schema is wrong.
            OutputError: The cache cannot be written.
        """
        waiting: deque[asyncio.Task[ChatReply]] = deque()
        try:
            for request in requests:
                waiting.append(asyncio.create_task(self.complete(request)))
                if len(waiting) >= _AHEAD * self.endpoint.concurrency:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def run_many(
        self, requests: Iterable[ChatRequest], *, total: int | None = None, label: str = "Asking the model"
    ) -> Iterator[ChatReply]:
        """Yield the replies in the order of the requests, with a progress bar; for code without an event loop.

        Connections live while the next reply is asked for: who takes longer than `timeout_s` over one reply may see
        time-outs.

        Raises:
            UsageError: A request's schema is wrong.
            OutputError: The cache cannot be written.
        """

        async def replies() -> AsyncGenerator[ChatReply, None]:
            async with self, aclosing(self.complete_many(requests)) as stream:
                async for reply in stream:
                    yield reply

        async def following() -> ChatReply | None:
            return await anext(stream, None)

        stream = replies()
        with asyncio.Runner() as runner, progress_bar(total=total, label=label, unit="requests") as bar:
            try:
                while (reply := runner.run(following())) is not None:
                    bar.update(1)
                    yield reply
            finally:
                runner.run(stream.aclose())

    async def _ask(self, request: ChatRequest, key: str) -> ChatReply:
        tally = _Tally(key)
        try:
            if request.schema is None:
                answer = await self._send(request, tally, {})
                return _answered(answer, tally)
            return await self._ask_for_data(request, self._format_of(request.schema), tally)
        except PostError as error:
            return _failed(error.fault, tally)
        except UnreadableImageError as error:
            return _failed(EndpointFault(EndpointFaultCode.UNREADABLE_IMAGE, str(error)), tally)

    def _format_of(self, schema: Any) -> _Format:
        digest = stable_digest(schema)
        if digest not in self._formats:
            self._formats[digest] = _Format(SchemaCheck(schema))
        return self._formats[digest]

    async def _ask_for_data(self, request: ChatRequest, form: _Format, tally: _Tally) -> ChatReply:
        answer, way = await self._in_best_format(request, form, tally)
        data, problem = form.check.read(answer.text)
        if problem is not None and answer.finish == "length":
            cut = EndpointFault(EndpointFaultCode.CUT_OFF, f"after {answer.usage.completion_tokens} tokens")
            return replace(_failed(cut, tally), text=answer.text, model=answer.model, finish=answer.finish)
        repaired = problem is not None
        if problem is not None:
            again = replace(request, messages=(*request.messages, *repair_turns(answer.text, problem)))
            answer = await self._send_as(again, way, tally)
            data, problem = form.check.read(answer.text)
        return replace(_answered(answer, tally), data=data, error=problem, repaired=repaired and problem is None)

    async def _in_best_format(
        self, request: ChatRequest, form: _Format, tally: _Tally
    ) -> tuple[Completion, ReplyFormat]:
        if form.first_is_back is None:
            form.first_is_back = asyncio.Event()
            try:
                return await self._weakening(request, form, tally)
            finally:
                form.first_is_back.set()
        await form.first_is_back.wait()
        return await self._weakening(request, form, tally)

    async def _weakening(self, request: ChatRequest, form: _Format, tally: _Tally) -> tuple[Completion, ReplyFormat]:
        """Ask in the most binding way that the server accepts; the first refusal counts if it accepts none."""
        way, refusal = form.way, None
        while True:
            try:
                answer = await self._send_as(request, way, tally)
            except PostError as error:
                refusal = refusal or error
                weaker = way.weaker
                if form.settled or not error.format_refused or weaker is None:
                    raise (refusal if error.format_refused else error) from None
                way = weaker
                continue
            if not form.settled:
                self._settle(form, way)
            return answer, way

    def _settle(self, form: _Format, way: ReplyFormat) -> None:
        form.way, form.settled = way, True
        if way is not ReplyFormat.JSON_SCHEMA:
            note = f"{self.endpoint.model} takes no JSON Schema as format; the schema was put into the prompt ({way})."
            if note not in self._notes:
                self._notes.append(note)

    async def _send_as(self, request: ChatRequest, way: ReplyFormat, tally: _Tally) -> Completion:
        schema = request.schema or {}
        if way is not ReplyFormat.JSON_SCHEMA:
            request = replace(request, messages=with_instruction(request.messages, schema_in_words(schema)))
        return await self._send(request, tally, format_fields(way, schema))

    async def _send(self, request: ChatRequest, tally: _Tally, fields: dict[str, Any]) -> Completion:
        """Send until there is an answer, or no hope.

        Raises:
            PostError: There is no answer.
            UnreadableImageError: An image has gone since the request was made.
        """
        retries = 0
        while True:
            try:
                return await self._attempt(request, tally, fields)
            except _KnownFaultError:
                raise
            except PostError as error:
                if not error.retry or retries == self.endpoint.max_retries:
                    self._judge(error)
                    raise
                pause_s = self._pause_s(tally.key, retries, error)
                retries += 1
            await asyncio.sleep(pause_s)

    async def _attempt(self, request: ChatRequest, tally: _Tally, fields: dict[str, Any]) -> Completion:
        if self._transport is None:
            raise RuntimeError("Use the client inside `async with`.")
        async with self._slots:
            self._heed_verdict()
            body = await _computed(request, lambda: _body(self.endpoint, request, fields))
            reserved = await self._wait_for_turn(request)
            self._heed_verdict()
            tally.attempts += 1
            self._requests += 1
            answer = await self._transport.post(body)
        self._unreachable = 0
        tally.usage += answer.usage
        self._usage += answer.usage
        if self._token_pace is not None and answer.usage.total:
            self._token_pace.settle(answer.usage.total - reserved)
        return answer

    async def _wait_for_turn(self, request: ChatRequest) -> float:
        """Wait as the limits and the server's own wishes demand; return the tokens reserved."""
        tokens = 0.0
        now_s = time.monotonic()
        waits_s = [0.0]
        if self._request_pace is not None:
            waits_s.append(self._request_pace.reserve(1, now_s))
        if self._token_pace is not None:
            tokens = _estimated_tokens(request)
            waits_s.append(self._token_pace.reserve(tokens, now_s))
        if max(waits_s) > 0:
            await asyncio.sleep(max(waits_s))
        while (wait_s := self._not_before_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        return tokens

    def _pause_s(self, key: str, retries: int, error: PostError) -> float:
        """Return the pause before a retry; a pause that the server asks for is kept by all requests."""
        longest_s = self.endpoint.longest_pause_s
        if error.pause_s > 0:
            self._not_before_s = max(self._not_before_s, time.monotonic() + min(error.pause_s, longest_s))
        steady_s = min(self.endpoint.backoff_s * 2.0**retries, longest_s)
        return steady_s * (0.5 + 0.5 * _fraction(f"{key} {retries}"))

    def _judge(self, error: PostError) -> None:
        """Remember a fault that other requests would meet as well."""
        if error.lasting:
            self._verdict = _Verdict(error.fault, math.inf)
        elif error.fault.code is EndpointFaultCode.UNREACHABLE:
            self._unreachable += 1
            if self._unreachable >= max(_UNREACHABLE_AT_LEAST, 2 * self.endpoint.concurrency):
                self._verdict = _Verdict(error.fault, time.monotonic() + self.endpoint.longest_pause_s)
        else:
            self._unreachable = 0

    def _heed_verdict(self) -> None:
        if self._verdict is not None and time.monotonic() < self._verdict.until_s:
            raise _KnownFaultError(self._verdict.fault.code, self._verdict.fault.detail)


async def _computed(request: ChatRequest, function: Callable[[], _Result]) -> _Result:
    """Call a function, in a thread if it has files to read."""
    return await asyncio.to_thread(function) if request.has_images else function()


def _body(endpoint: Endpoint, request: ChatRequest, fields: dict[str, Any]) -> bytes:
    messages = [message.render() for message in request.messages]
    content = {"model": endpoint.model, "messages": messages, **fields, **request.options()}
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def _estimated_tokens(request: ChatRequest) -> float:
    texts = [part for message in request.messages for part in message.parts if isinstance(part, str)]
    images = sum(len(message.parts) for message in request.messages) - len(texts)
    words = sum(len(text) for text in texts) / _CHARACTERS_PER_TOKEN
    return words + images * _TOKENS_PER_IMAGE + (request.max_tokens or _TOKENS_OF_AN_ANSWER)


def _fraction(text: str) -> float:
    """Return a number in [0, 1) that looks random and is the same in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2.0**48


def _answered(answer: Completion, tally: _Tally) -> ChatReply:
    return ChatReply(answer.text, usage=tally.usage, attempts=tally.attempts, model=answer.model, finish=answer.finish)


def _failed(fault: EndpointFault, tally: _Tally | None = None) -> ChatReply:
    if tally is None:
        return ChatReply("", error=fault)
    return ChatReply("", error=fault, usage=tally.usage, attempts=tally.attempts)
