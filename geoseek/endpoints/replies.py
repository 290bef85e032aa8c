"""What comes back: a reply per request, and the sum of what was spent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from geoseek.endpoints.endpoint import Endpoint
from geoseek.endpoints.faults import EndpointFault


@dataclass(frozen=True)
class Usage:
    """Tokens, as counted by the server."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)

    @property
    def total(self) -> int:
        """Return prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class ChatReply:
    """The outcome of one request.

    Attributes:
        text: The answer as the model wrote it; empty if there is none.
        data: The object in it that fits the request's schema; None without schema or with an error.
        usage: Tokens of all attempts together; for a cached reply those spent when it was asked.
        cached: Whether it came from the cache, and cost nothing.
        error: Why there is no usable answer; None if there is one.
        attempts: Requests sent for it.
        model: The model's name as the server gave it.
        finish: Why the model stopped, in the server's words; `length` means that the text is cut off.
        repaired: Whether the answer fits the schema only since the model was shown its mistake.
    """

    text: str
    data: Any = None
    usage: Usage = Usage()
    cached: bool = False
    error: EndpointFault | None = None
    attempts: int = 0
    model: str = ""
    finish: str = ""
    repaired: bool = False

    def to_bytes(self) -> bytes:
        """Return a successful reply as the cache stores it."""
        # Field by field: `asdict` copies the data first, which takes longer than writing it.
        stored = {name: getattr(self, name) for name in _STORED_FIELDS} | {"usage": asdict(self.usage)}
        return json.dumps(stored, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> ChatReply:
        """Read a reply out of the cache."""
        fields = json.loads(stored)
        return cls(**{**fields, "usage": Usage(**fields["usage"]), "cached": True})


_STORED_FIELDS = tuple(field.name for field in fields(ChatReply) if field.name not in ("cached", "error"))


@dataclass(frozen=True)
class Spent:
    """What a client has used so far.

    Attributes:
        requests: Sent to the server, retries and repairs included.
        cached: Replies that came from the cache instead.
        prompt_tokens: As counted by the server.
        completion_tokens: The same.
        money: In the currency of the endpoint's prices; None where they are not given.
    """

    requests: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float | None = None


def money(endpoint: Endpoint, usage: Usage) -> float | None:
    """Return the price of some tokens; None unless the endpoint names a price.

    >>> money(Endpoint("http://localhost", "m", price_in=2.0, price_out=8.0), Usage(1_000_000, 500_000))
    6.0
    """
    if endpoint.price_in is None and endpoint.price_out is None:
        return None
    return (
        usage.prompt_tokens * (endpoint.price_in or 0.0) + usage.completion_tokens * (endpoint.price_out or 0.0)
    ) / 1e6
