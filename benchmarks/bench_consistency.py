"""The consistency reward against bare asynchronous clients that only post the same questions.

    python benchmarks/bench_consistency.py
    python benchmarks/bench_consistency.py --completions 100 --runs 3 --concurrency 8

A stub on loopback answers every question after 50 ms. All clients keep as many questions under way (32), and each job
runs in a fresh process. `httpx` is the bare client that one would write, `sockets` the least that can be done:
connections without an HTTP library. The reward also parses the completions, keeps the replies on disk (the file is
new), checks them against their schema and compares the names; imports and the loading of the gazetteer are not timed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))
from measure import HEADER, interleaved, line, report_child

from geoseek.schemas import ChainOfThought, Stage, Uncertainty, render_tagged

if TYPE_CHECKING:
    import httpx

LATENCY_S = 0.05
STAGES = 3
PLACES = (
    ("Peru", "Cusco", "Pisac"),
    ("Germany", "Bavaria", "Munich"),
    ("Japan", "Hokkaido", "Sapporo"),
    ("Kenya", "Nakuru", "Naivasha"),
)


def completions(count: int) -> list[str]:
    """Return chains that differ in every stage, so that no question is asked twice."""
    texts = []
    for number in range(count):
        names = PLACES[number % len(PLACES)]
        stages = [
            Stage(
                clues=("a sign beside the road", f"kerb stone {number}"),
                reasoning=f"Sign {number} beside the road is written in the language that is spoken there, the houses "
                "have roofs of red tiles, and the lines on the asphalt are yellow. Poles, plants and the light fit in "
                f"with that, too, and speak against the neighbours of {name[:1]}.",
                conclusion=name,
                uncertainty=Uncertainty.LOW,
            )
            for name in names
        ]
        texts.append(render_tagged(ChainOfThought(
            country=stages[0], region=stages[1], precise=stages[2], final_answer="; ".join(names)
        )))  # fmt: skip
    return texts


async def serve() -> None:
    """Answer every request after the latency, and print the port."""
    reply = json.dumps({
        "model": "stub",
        "choices": [{"message": {"role": "assistant", "content": '{"conclusion": "Peru"}'}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 8},
    }).encode()  # fmt: skip
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(reply), reply)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                await asyncio.sleep(LATENCY_S)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def stub() -> Iterator[str]:
    """Run the server in a process of its own; yields its address."""
    process = subprocess.Popen([sys.executable, __file__, "--child", "serve"], stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip() if process.stdout else ""
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def question_bodies(count: int) -> list[bytes]:
    """Return what the bare clients post."""
    from geoseek.schemas import parse_chain
    from geoseek.training.rewards.agent import agent_request
    from geoseek.training.rewards.consistency import stage_questions

    chains = [parse_chain(text).chain for text in completions(count)]
    requests = [agent_request(question) for chain in chains if chain for question in stage_questions(chain).values()]
    return [
        json.dumps({"model": "stub", "messages": [message.render() for message in request.messages]}).encode()
        for request in requests
    ]


def content_of(answer: bytes) -> str:
    """Return the text in the body of an answer."""
    return str(json.loads(answer)["choices"][0]["message"]["content"])


def bare_httpx(url: str, count: int, concurrency: int) -> None:
    """Post the questions with one httpx client, as one would write it."""
    import httpx

    waiting = question_bodies(count)
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    # Made before the time is taken: the certificates that it reads are of no use here.
    client = httpx.AsyncClient(limits=limits, timeout=60, base_url=url, trust_env=False)

    async def ask_some() -> list[str]:
        return await post_all(client, waiting)

    report_child(lambda: expect(in_parallel(ask_some, concurrency), STAGES * count))


def split_httpx(url: str, count: int, concurrency: int) -> None:
    """Post the questions with one httpx client per connection: it finds a free one without looking at all."""
    import httpx

    waiting = question_bodies(count)
    clients = [httpx.AsyncClient(timeout=60, base_url=url, trust_env=False) for _ in range(concurrency)]

    async def ask_some() -> list[str]:
        return await post_all(clients.pop(), waiting)

    report_child(lambda: expect(in_parallel(ask_some, concurrency), STAGES * count))


async def post_all(client: httpx.AsyncClient, waiting: list[bytes]) -> list[str]:
    """Post until nothing waits."""
    answers = []
    while waiting:
        answers.append(content_of((await client.post("/v1/chat/completions", content=waiting.pop())).content))
    return answers


def bare_sockets(url: str, count: int, concurrency: int) -> None:
    """Post the questions over plain connections, each asking one question after the other."""
    waiting = question_bodies(count)
    address = url.removeprefix("http://")
    host, _, port = address.partition(":")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"

    async def ask_some() -> list[str]:
        reader, writer = await asyncio.open_connection(host, int(port))
        answers = []
        while waiting:
            body = waiting.pop()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            length = (await reader.readuntil(b"\r\n\r\n")).partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
            answers.append(content_of(await reader.readexactly(int(length))))
        writer.close()
        return answers

    report_child(lambda: expect(in_parallel(ask_some, concurrency), STAGES * count))


def in_parallel(ask_some: Callable[[], Awaitable[list[str]]], concurrency: int) -> list[str]:
    """Let as many askers as there are connections share the work."""

    async def ask_all() -> list[list[str]]:
        return await asyncio.gather(*(ask_some() for _ in range(concurrency)))

    return [answer for part in asyncio.run(ask_all()) for answer in part]


def expect(answers: list[str], count: int) -> None:
    """Make sure that a client has not taken a short cut."""
    if len(answers) != count:
        raise RuntimeError("Not every question was answered.")


def reward(url: str, count: int, concurrency: int) -> None:
    """Compute the reward of the completions, in one batch."""
    from geoseek.endpoints import Endpoint
    from geoseek.training.rewards.agent import Agent, geo_consistency
    from geoseek.training.rewards.base import SHARED, Truth
    from geoseek.training.rewards.settings import GeoConsistencySettings

    settings = GeoConsistencySettings(against="own", concurrency=concurrency)
    texts = completions(count)
    truth = [Truth(id=str(number)) for number in range(count)]
    SHARED.gazetteer.locate("Peru; Cusco; Pisac")
    with tempfile.TemporaryDirectory(prefix="geoseek-bench-") as folder:
        agent = Agent(Endpoint(url, "stub"), settings, Path(folder) / "replies.sqlite")

        def job() -> None:
            batch = asyncio.run(geo_consistency(texts, truth, settings, SHARED, agent=agent))
            if len(batch.values) != count or not any(batch.values):
                raise RuntimeError("The rewards are not those of the stub's answers.")

        report_child(job)


JOBS = {"httpx": bare_httpx, "httpx, split": split_httpx, "sockets": bare_sockets, "reward": reward}


def main() -> None:
    """Run as a child when asked to, else run all jobs and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--completions", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", choices=["serve", *JOBS])
    parser.add_argument("--url", default="")
    arguments = parser.parse_args()
    if arguments.child == "serve":
        asyncio.run(serve())
    elif arguments.child:
        JOBS[arguments.child](arguments.url, arguments.completions, arguments.concurrency)
    else:
        compare(arguments.completions, arguments.concurrency, arguments.runs)


def compare(count: int, concurrency: int, runs: int) -> None:
    """Print the ratios of the throughputs."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with stub() as url:
        options = ["--url", url, "--completions", str(count), "--concurrency", str(concurrency)]
        found = interleaved({name: [__file__, "--child", name, *options] for name in JOBS}, runs)
    per_second = {name: STAGES * count / figures.seconds for name, figures in found.items()}
    print(f"{count:,} completions, {STAGES * count:,} questions, {concurrency} at a time, medians of {runs} runs")
    print(HEADER)
    ratio = per_second["reward"] / per_second["httpx"]
    print(line("throughput of the reward / of a bare httpx client", ratio, ">= 0.9", ratio >= 0.9))
    for name, what in (("httpx, split", "one httpx client per connection"), ("sockets", "bare sockets")):
        print(line(f"the same / of {what}", per_second["reward"] / per_second[name], "-", good=True))
    share = per_second["reward"] * LATENCY_S / concurrency
    print(line("the same / what the latency allows", share, "-", good=True))


if __name__ == "__main__":
    main()
