from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from geoseek.endpoints import ChatClient, ChatReply, ChatRequest, Endpoint, EndpointFaultCode, ImagePart, Message
from geoseek.schemas import OutputError, UsageError
from tests.endpoints.stub_server import Asked, ChatServer, completion, cut, echo, fail, first_text, raw, say, send

KEY = "sk-very-private-0123456789"
SCHEMA = {
    "type": "object",
    "properties": {"country": {"type": "string", "minLength": 1}},
    "required": ["country"],
    "additionalProperties": False,
}
PERU = '{"country": "Peru"}'
Code = EndpointFaultCode


def endpoint(server: ChatServer, **changes: Any) -> Endpoint:
    usual: dict[str, Any] = {
        "url": server.url,
        "model": "stub",
        "key": KEY,
        "timeout_s": 20.0,
        "concurrency": 4,
        "max_retries": 3,
        "backoff_s": 0.001,
        "longest_pause_s": 0.2,
    }
    return Endpoint(**(usual | changes))


def ask(text: str = "Where?", **changes: Any) -> ChatRequest:
    return ChatRequest((Message.user(text),), **changes)


def one(client: ChatClient, request: ChatRequest) -> ChatReply:
    (reply,) = client.run_many([request])
    return reply


def test_a_question_is_posted_and_its_answer_counted(server: ChatServer) -> None:
    client = ChatClient(endpoint(server, price_in=2.0, price_out=10.0))
    messages = (Message.system("Be brief."), Message.user("Where?", ImagePart(b"GIF89a")))
    reply = one(client, ChatRequest(messages, max_tokens=9, seed=4, extra={"top_p": 0.5}))
    assert (reply.text, reply.error, reply.cached, reply.attempts) == ("Lima", None, False, 1)
    assert (reply.model, reply.finish, reply.usage.total) == ("stub-1", "stop", 110)
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.asked[0] == {
        "model": "stub",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where?"},
                    {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlh"}},
                ],
            },
        ],
        "temperature": 0.0,
        "max_tokens": 9,
        "seed": 4,
        "top_p": 0.5,
    }
    cost = client.cost
    assert (cost.requests, cost.cached, cost.prompt_tokens, cost.completion_tokens) == (1, 0, 100, 10)
    assert cost.money == pytest.approx(100 * 2e-6 + 10 * 10e-6)


def test_without_key_none_is_sent_and_without_prices_no_money_counted(server: ChatServer) -> None:
    client = ChatClient(endpoint(server, key=None))
    assert one(client, ask(temperature=None)).text == "Lima"
    assert "Authorization" not in server.headers[0]
    assert "temperature" not in server.asked[0]
    assert client.cost.money is None


@pytest.mark.parametrize(
    "passing",
    [
        fail(429),
        fail(500),
        fail(503, headers={"Retry-After": "0.01"}),
        fail(408),
        cut,
        raw(b'{"choices": [{"mes'),
    ],
)
def test_faults_that_pass_are_tried_again(server: ChatServer, passing: Any) -> None:
    server.script.extend([passing, passing])
    reply = one(ChatClient(endpoint(server)), ask())
    assert (reply.text, reply.error, reply.attempts) == ("Lima", None, 3)


@pytest.mark.parametrize(
    ("lasting", "code", "attempts"),
    [
        (fail(429), Code.RATE_LIMITED, 4),
        (fail(500), Code.SERVER_ERROR, 4),
        (cut, Code.UNREACHABLE, 4),
        (raw(b"{"), Code.NOT_AN_ANSWER, 4),
        (raw(b"<html>Welcome</html>"), Code.NOT_AN_ANSWER, 1),
        (say(None), Code.NOT_AN_ANSWER, 1),
        (say(None, refusal="I would rather not."), Code.REFUSED, 1),
        (fail(400), Code.BAD_REQUEST, 1),
        (fail(400, "maximum context length is 4096 tokens"), Code.TOO_LONG, 1),
        (fail(400, code="context_length_exceeded"), Code.TOO_LONG, 1),
        (fail(413), Code.TOO_LONG, 1),
        (fail(301, headers={"Location": "http://127.0.0.1:9/"}), Code.BAD_REQUEST, 1),
        (fail(401), Code.UNAUTHORIZED, 1),
        (fail(403), Code.UNAUTHORIZED, 1),
        (fail(404), Code.NOT_FOUND, 1),
        (fail(402), Code.NO_CREDIT, 1),
        (fail(429, type="insufficient_quota"), Code.NO_CREDIT, 1),
    ],
)
def test_other_faults_reach_the_reply_with_their_code(
    server: ChatServer, lasting: Any, code: EndpointFaultCode, attempts: int
) -> None:
    server.usual = lasting
    client = ChatClient(endpoint(server))
    reply = one(client, ask())
    assert reply.error is not None
    assert reply.error.code is code
    assert reply.error.detail
    assert (reply.text, reply.data, reply.attempts) == ("", None, attempts)
    assert client.cost.requests == len(server.asked) == attempts


def test_an_answer_that_does_not_come_is_a_timeout(server: ChatServer) -> None:
    release = threading.Event()

    def wait(*_: object) -> None:
        release.wait(20)

    server.usual = wait
    reply = one(ChatClient(endpoint(server, timeout_s=0.1, max_retries=1)), ask())
    release.set()
    assert reply.error is not None
    assert (reply.error.code, reply.attempts) == (Code.TIMEOUT, 2)


def test_a_trickle_does_not_outlive_the_time_limit(server: ChatServer) -> None:
    def trickle(handler: BaseHTTPRequestHandler, _: Asked) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _n in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)

    server.usual = trickle
    reply = one(ChatClient(endpoint(server, timeout_s=0.2, max_retries=0)), ask())
    assert reply.error is not None
    assert reply.error.code is Code.TIMEOUT


def test_nobody_at_the_address_stops_further_attempts_for_a_while() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        # By name, so that several addresses may be tried.
        url = f"http://localhost:{free.getsockname()[1]}"
    client = ChatClient(Endpoint(url, "m", concurrency=2, max_retries=1, backoff_s=0.001, longest_pause_s=600.0))
    replies = list(client.run_many(ask(str(n)) for n in range(60)))
    assert {reply.error and reply.error.code for reply in replies} == {Code.UNREACHABLE}
    assert "refused" in str(replies[0].error)
    assert client.cost.requests < 40


def test_a_server_that_comes_back_is_asked_again(server: ChatServer) -> None:
    server.usual = cut
    client = ChatClient(endpoint(server, concurrency=1, max_retries=0, longest_pause_s=0.3))
    failed = list(client.run_many(ask(str(n)) for n in range(30)))
    assert all(reply.error is not None for reply in failed)
    assert len(server.asked) < 30
    server.usual = echo
    deadline = time.monotonic() + 20
    while (reply := one(client, ask("back"))).error is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert reply.text == "back"


def test_tls_towards_a_server_without_it_is_named(server: ChatServer) -> None:
    reply = one(ChatClient(endpoint(server, url=server.url.replace("http:", "https:"), max_retries=0)), ask())
    assert reply.error is not None
    assert reply.error.code is Code.UNREACHABLE
    assert "TLS" in reply.error.detail


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    client = ChatClient(Endpoint("http://geoseek-tests.invalid", "m", max_retries=0))
    reply = one(client, ask())
    assert reply.error is not None
    assert reply.error.code is Code.UNREACHABLE
    assert client.cost.requests == 1


def test_a_refused_key_is_asked_about_once(server: ChatServer) -> None:
    server.usual = fail(401, "who are you")
    client = ChatClient(endpoint(server, concurrency=2))
    replies = list(client.run_many(ask(str(n)) for n in range(50)))
    assert len(replies) == 50
    assert all(reply.error is not None and reply.error.code is Code.UNAUTHORIZED for reply in replies)
    assert len(server.asked) <= 2


def test_a_request_that_moderators_refuse_stops_no_other(server: ChatServer) -> None:
    server.script.append(fail(403))
    first, second = ChatClient(endpoint(server, concurrency=1)).run_many([ask("a"), ask("b")])
    assert first.error is not None
    assert second.text == "Lima"


def test_a_pause_that_the_server_asks_for_holds_for_all(server: ChatServer) -> None:
    moments: list[float] = []

    def remember(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        moments.append(time.monotonic())
        if len(moments) == 1:
            send(handler, b"{}", status=429, headers={"Retry-After": "0.5"})
        else:
            echo(handler, asked)

    server.usual = remember
    client = ChatClient(endpoint(server, concurrency=1, longest_pause_s=5.0))
    assert [reply.text for reply in client.run_many(ask(str(n)) for n in range(3))] == ["0", "1", "2"]
    assert min(moments[1:]) - moments[0] >= 0.45


def test_replies_keep_the_order_and_the_server_its_peace(server: ChatServer) -> None:
    def slow_at_first(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(0.1 if int(first_text(asked)) % 5 == 0 else 0.005)
        echo(handler, asked)

    server.usual = slow_at_first
    client = ChatClient(endpoint(server, concurrency=3))
    assert [reply.text for reply in client.run_many(ask(str(n)) for n in range(40))] == [str(n) for n in range(40)]
    assert server.busiest <= 3
    assert server.busiest > 1


def test_requests_are_taken_only_a_little_ahead(server: ChatServer) -> None:
    server.usual = echo
    taken = 0

    def endless() -> Iterator[ChatRequest]:
        nonlocal taken
        while True:
            taken += 1
            yield ask(str(taken))

    replies = ChatClient(endpoint(server, concurrency=2)).run_many(endless())
    assert [next(replies).text for _ in range(5)] == ["1", "2", "3", "4", "5"]
    assert taken <= 5 + 4 * 2
    assert isinstance(replies, Iterator)
    replies.close()  # type: ignore[attr-defined]


def test_requests_per_minute_are_spaced(server: ChatServer) -> None:
    moments: list[float] = []

    def remember(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        moments.append(time.monotonic())
        echo(handler, asked)

    server.usual = remember
    list(ChatClient(endpoint(server, requests_per_minute=600.0)).run_many(ask(str(n)) for n in range(6)))
    assert max(moments) - min(moments) >= 0.45


def test_tokens_per_minute_count_what_was_really_used(server: ChatServer) -> None:
    # 1,000 tokens at once, then 100 a second; each request reserves little and uses 110 by the server's count.
    client = ChatClient(endpoint(server, concurrency=1, tokens_per_minute=6000.0))
    started = time.monotonic()
    list(client.run_many(ask(str(n), max_tokens=1) for n in range(12)))
    assert time.monotonic() - started >= 0.9


def test_an_image_that_is_gone_spoils_its_own_request_only(server: ChatServer, tmp_path: Path) -> None:
    gone = ChatRequest((Message.user("?", ImagePart(tmp_path / "gone.jpg")),))
    bad, good = ChatClient(endpoint(server), tmp_path / "cache.sqlite").run_many([gone, ask()])
    assert bad.error is not None
    assert bad.error.code is Code.UNREADABLE_IMAGE
    assert good.text == "Lima"


def test_data_are_asked_for_by_schema(server: ChatServer) -> None:
    server.usual = say(f"```json\n{PERU}\n```")
    client = ChatClient(endpoint(server))
    reply = one(client, ask(schema=SCHEMA))
    assert (reply.data, reply.error, reply.repaired) == ({"country": "Peru"}, None, False)
    wanted = {"name": "answer", "schema": SCHEMA, "strict": True}
    assert server.asked[0]["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert client.notes == ()


def takes(*formats: str) -> Any:
    """Refuse all formats but these."""

    def behaviour(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        given = asked.get("response_format", {}).get("type", "none")
        if given in formats:
            send(handler, completion(PERU))
        else:
            send(handler, json.dumps({"error": f"'{given}' is not supported"}).encode(), status=400)

    return behaviour


@pytest.mark.parametrize(("format_taken", "refusals"), [("json_object", 1), ("none", 2)])
def test_a_server_without_schemas_is_asked_in_words_and_remembered(
    server: ChatServer, format_taken: str, refusals: int
) -> None:
    server.usual = takes(format_taken)
    client = ChatClient(endpoint(server, concurrency=3))
    replies = list(client.run_many(ask(str(n), schema=SCHEMA) for n in range(3)))
    assert [reply.data for reply in replies] == [{"country": "Peru"}] * 3
    assert [reply.attempts for reply in replies] == [1 + refusals, 1, 1]
    last = server.asked[-1]["messages"][-1]["content"]
    assert last[0] in "12"
    assert "JSON Schema" in last
    assert '"country"' in last
    assert len(client.notes) == 1
    assert "takes no JSON Schema" in client.notes[0]


def test_a_request_that_is_bad_in_every_format_is_reported_with_the_first_refusal(server: ChatServer) -> None:
    server.usual = takes()
    reply = one(ChatClient(endpoint(server)), ask(schema=SCHEMA))
    assert reply.error is not None
    assert reply.error.code is Code.BAD_REQUEST
    assert "json_schema" in reply.error.detail
    assert reply.attempts == 3


def test_after_one_success_a_refusal_is_no_reason_to_weaken_the_format(server: ChatServer) -> None:
    server.script.extend([say(PERU), fail(400, "an image is missing"), say(PERU)])
    client = ChatClient(endpoint(server, concurrency=1))
    replies = list(client.run_many(ask(str(n), schema=SCHEMA) for n in range(3)))
    assert [reply.error and reply.error.code for reply in replies] == [None, Code.BAD_REQUEST, None]
    assert all("response_format" in asked for asked in server.asked)


def test_an_answer_outside_the_schema_is_repaired_once(server: ChatServer) -> None:
    server.script.extend([say('{"country": ""}'), say(PERU)])
    reply = one(ChatClient(endpoint(server)), ask(schema=SCHEMA))
    assert (reply.data, reply.repaired, reply.attempts, reply.usage.total) == ({"country": "Peru"}, True, 2, 220)
    shown = server.asked[1]["messages"]
    assert shown[-2] == {"role": "assistant", "content": '{"country": ""}'}
    assert "$.country" in shown[-1]["content"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [("It is Peru.", Code.NOT_JSON), ('{"land": "Peru"}', Code.SCHEMA_VIOLATION), ("[" * 5000, Code.NOT_JSON)],
)
def test_an_answer_that_stays_wrong_is_kept_as_text(server: ChatServer, answer: str, code: EndpointFaultCode) -> None:
    server.usual = say(answer)
    reply = one(ChatClient(endpoint(server)), ask(schema=SCHEMA))
    assert reply.error is not None
    assert (reply.error.code, reply.text, reply.data, reply.attempts) == (code, answer, None, 2)
    assert not reply.repaired


def test_an_answer_that_was_cut_off_is_not_asked_to_be_repaired(server: ChatServer) -> None:
    server.usual = say('{"country": "Pe', finish="length")
    data = one(ChatClient(endpoint(server)), ask(schema=SCHEMA))
    assert data.error is not None
    assert (data.error.code, data.attempts, data.text) == (Code.CUT_OFF, 1, '{"country": "Pe')
    text = one(ChatClient(endpoint(server)), ask())
    assert (text.error, text.finish) == (None, "length")


def test_a_wrong_schema_is_raised_not_asked(server: ChatServer) -> None:
    with pytest.raises(UsageError, match="JSON Schema"):
        one(ChatClient(endpoint(server)), ask(schema={"type": "thing"}))
    assert server.asked == []


def test_cached_replies_are_equal_and_cost_nothing(server: ChatServer, tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    server.usual = say('{"country": "Perú 🇵🇪 پيرو"}')
    requests = [ask("a", schema=SCHEMA), ask("b", schema=SCHEMA)]
    before = list(ChatClient(endpoint(server), cache).run_many(requests))
    client = ChatClient(endpoint(server, concurrency=1, key="sk-another-key-9876543210"), cache)
    after = list(client.run_many(requests))
    assert [(r.text, r.data, r.usage, r.model) for r in after] == [(r.text, r.data, r.usage, r.model) for r in before]
    assert all(reply.cached and reply.error is None for reply in after)
    assert len(server.asked) == 2
    assert (client.cost.requests, client.cost.cached, client.cost.prompt_tokens) == (0, 2, 0)


def test_only_successes_are_cached(server: ChatServer, tmp_path: Path) -> None:
    server.script.extend([fail(400), say("no JSON"), say("none"), say(PERU)])
    client = ChatClient(endpoint(server, max_retries=0), tmp_path / "cache.sqlite")
    assert one(client, ask()).error is not None
    assert one(client, ask(schema=SCHEMA)).error is not None
    assert one(client, ask(schema=SCHEMA)).data == {"country": "Peru"}
    assert one(client, ask(schema=SCHEMA)).cached
    assert len(server.asked) == 4


def test_equal_requests_under_way_are_sent_once(server: ChatServer, tmp_path: Path) -> None:
    def slow(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(0.05)
        echo(handler, asked)

    server.usual = slow
    replies = list(ChatClient(endpoint(server), tmp_path / "c.sqlite").run_many(ask(str(n % 3)) for n in range(30)))
    assert [reply.text for reply in replies] == [str(n % 3) for n in range(30)]
    assert Counter(server.prompts) == {"0": 1, "1": 1, "2": 1}


def test_the_key_is_in_no_file_message_or_log(
    server: ChatServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script.extend([say(f"Your key is {KEY}."), fail(401, f"Incorrect API key: {KEY}"), raw(b"<" + KEY.encode())])
    client = ChatClient(endpoint(server), tmp_path / "cache.sqlite")
    replies = [one(ChatClient(endpoint(server), tmp_path / "cache.sqlite"), ask(str(n))) for n in range(3)]
    assert replies[0].text == "Your key is ***."
    assert all(reply.error is not None for reply in replies[1:])
    assert KEY not in f"{replies} {client.endpoint!r} {vars(client)!r}"
    assert KEY not in caplog.text + "".join(capfd.readouterr())
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_an_unusable_cache_is_an_error_in_words(server: ChatServer, tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"no database, but something long enough to be looked at" * 10)
    with pytest.raises(OutputError) as caught:
        one(ChatClient(endpoint(server), tmp_path / "cache.sqlite"), ask())
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_within_an_event_loop(server: ChatServer, tmp_path: Path) -> None:
    server.usual = echo

    async def work() -> list[str]:
        client = ChatClient(endpoint(server), tmp_path / "cache.sqlite")
        with pytest.raises(RuntimeError, match="async with"):
            await ChatClient(endpoint(server)).complete(ask())
        async with client:
            with pytest.raises(RuntimeError, match="in use"):
                await client.__aenter__()
            single = await client.complete(ask("x"))
            many = [reply.text async for reply in client.complete_many([ask("y"), ask("x")])]
        async with client:
            again = await client.complete(ask("z"))
        return [single.text, *many, again.text]

    assert asyncio.run(work()) == ["x", "y", "x", "z"]


def test_an_abandoned_batch_leaves_nothing_running(server: ChatServer) -> None:
    server.usual = echo

    async def work() -> int:
        async with ChatClient(endpoint(server)) as client:
            stream = client.complete_many(ask(str(n)) for n in range(100))
            await anext(stream)
            await stream.aclose()
            return len(asyncio.all_tasks())

    assert asyncio.run(work()) == 1
