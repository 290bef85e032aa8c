"""Which network addresses may be asked for an image, and connections to exactly the addresses that were checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

import httpcore2

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Coroutine function that returns the numeric addresses of a host name."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A host has an address that may not be connected to."""


class UnknownHostError(Exception):
    """A host name has no address.

    Attributes:
        temporary: The name server could not answer now.
    """

    def __init__(self, *, temporary: bool) -> None:
        super().__init__("no answer from the name server" if temporary else "no such host")
        self.temporary = temporary


def is_public(text: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    Everything outside the globally reachable unicast space of the IANA special-purpose registries (RFC 6890) is not:
    private, loopback, link-local, shared, reserved and documentation ranges, and multicast. IPv6 addresses that carry
    an IPv4 address (mapped, NAT64, 6to4, Teredo) are judged by that as well.

    >>> is_public("93.184.216.34"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("224.0.0.1")
    (True, False, False, False)
    """
    return all(_is_plain_public(address) for address in _carried(ipaddress.ip_address(text.partition("%")[0])))


def may_ever_connect(text: str) -> bool:
    """Return whether an address can belong to one host at all; not so multicast and the unspecified address."""
    carried = _carried(ipaddress.ip_address(text.partition("%")[0]))
    return not any(address.is_multicast or address.is_unspecified for address in carried)


def _is_plain_public(address: IPAddress) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    )


def _carried(address: IPAddress) -> list[IPAddress]:
    """Return the address, or what it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    return [address, *address.teredo] if address.teredo is not None else [address]


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the system's order of preference.

    Raises:
        UnknownHostError: There is none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UnknownHostError(temporary=error.errno == socket.EAI_AGAIN) from error
    except UnicodeError as error:
        raise UnknownHostError(temporary=False) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Resolves a name once, checks every address, and connects to one of those.

    The name is not resolved again between check and connection, so that a name server which changes its answer (DNS
    rebinding) gains nothing. A host with public and private addresses is refused as a whole.

    Args:
        allow_private: Let addresses pass that are not public.
        resolver: Replaces the system's name resolution.
    """

    def __init__(self, *, allow_private: bool, resolver: Resolver = resolve) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to a checked address of a host.

        Raises:
            ForbiddenAddressError: One of its addresses is not allowed.
            UnknownHostError: It has none.
            httpcore2.ConnectError: None of them answers.
        """
        addresses = await self._resolver(host, port)
        allowed = may_ever_connect if self._allow_private else is_public
        for address in addresses:
            if not allowed(address):
                raise ForbiddenAddressError(address)
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        if not addresses:
            raise UnknownHostError(temporary=False)
        return await self._network.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
