from __future__ import annotations

import asyncio

import httpcore2
import pytest

from geoseek.media.addresses import (
    CheckedNetwork,
    ForbiddenAddressError,
    UnknownHostError,
    is_public,
    may_ever_connect,
    resolve,
)
from tests.media_support import ImageServer


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("0.0.0.0", False),  # noqa: S104 - judged, not bound
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.251", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::1", False),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_even_with_permission_there_is_no_multicast() -> None:
    assert may_ever_connect("127.0.0.1")
    assert may_ever_connect("fe80::1%eth0")
    assert not may_ever_connect("224.0.0.1")
    assert not may_ever_connect("::ffff:224.0.0.1")
    assert not may_ever_connect("::")


class Answers:
    """A name server that gives its answers one after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, *_: object) -> list[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def connect(resolver: Answers, port: int, *, allow_private: bool = False) -> str:
    async def job() -> str:
        network = CheckedNetwork(allow_private=allow_private, resolver=resolver)
        stream = await network.connect_tcp("images.example", port, timeout=5)
        address = stream.get_extra_info("server_addr")
        await stream.aclose()
        return str(address[0])

    return asyncio.run(job())


def test_one_private_address_refuses_the_whole_host(server: ImageServer) -> None:
    with pytest.raises(ForbiddenAddressError, match=r"10\.0\.0\.1"):
        connect(Answers(["93.184.216.34", "10.0.0.1"]), server.port)


def test_the_connection_goes_to_the_checked_address(server: ImageServer) -> None:
    """A second answer of the name server, as in DNS rebinding, is never asked for."""
    resolver = Answers(["127.0.0.1"], ["10.255.255.1"])
    assert connect(resolver, server.port, allow_private=True) == "127.0.0.1"
    assert resolver.asked == 1


def test_the_next_address_is_tried(server: ImageServer) -> None:
    assert connect(Answers(["127.0.0.2", "127.0.0.1"]), server.port, allow_private=True) == "127.0.0.1"
    with pytest.raises(httpcore2.ConnectError):
        connect(Answers(["127.0.0.2"]), server.port, allow_private=True)


def test_a_host_without_addresses() -> None:
    with pytest.raises(UnknownHostError):
        connect(Answers([]), 80)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost", "::1"])
def test_disguised_loopback_addresses_resolve_to_what_they_are(host: str) -> None:
    try:
        found = asyncio.run(resolve(host, 80))
    except UnknownHostError:
        return
    assert not any(is_public(address) for address in found)


def test_an_impossible_name() -> None:
    with pytest.raises(UnknownHostError):
        asyncio.run(resolve("a" * 70 + ".example", 80))
