"""What is asked: messages of text and images, and the hash by which a request is known again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from geoseek.endpoints.endpoint import Endpoint
from geoseek.workspace import stable_digest

Role = Literal["system", "user", "assistant"]

_VERSION = 1
"""Of the form in which replies are stored; another one leaves the old rows of a cache unused."""

_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))


class UnreadableImageError(Exception):
    """An image of a request cannot be sent; the client turns it into a fault of that request alone."""


@dataclass(frozen=True)
class ImagePart:
    """An image in a message; a path is read when the request is sent, so that a long list of requests stays small.

    Attributes:
        source: The file's bytes, or its path.
        mime: Its type; found from the first bytes where it is not given.
    """

    source: bytes | Path = field(repr=False)
    mime: str | None = None

    def load(self) -> tuple[bytes, str]:
        """Return the bytes and the type.

        Raises:
            UnreadableImageError: The file cannot be read, or its type cannot be told.
        """
        if isinstance(self.source, bytes):
            data = self.source
        else:
            try:
                data = self.source.read_bytes()
            except OSError as error:
                raise UnreadableImageError(f"{self.source.name}: {error.strerror}") from error
        mime = self.mime or _mime(data)
        if mime is None:
            name = "bytes" if isinstance(self.source, bytes) else self.source.name
            raise UnreadableImageError(f"{name}: neither JPEG, PNG, WebP nor GIF")
        return data, mime


def _mime(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for signature, mime in _SIGNATURES if data.startswith(signature)), None)


@dataclass(frozen=True)
class Message:
    """One turn: text and images in the order in which the model sees them.

    >>> Message.user("What is this?", ImagePart(b"GIF89a")).has_images
    True
    """

    role: Role
    parts: tuple[str | ImagePart, ...]

    @classmethod
    def system(cls, text: str) -> Message:
        """Make an instruction that stands above the conversation."""
        return cls("system", (text,))

    @classmethod
    def user(cls, *parts: str | ImagePart) -> Message:
        """Make a question of text and images."""
        return cls("user", parts)

    @classmethod
    def assistant(cls, text: str) -> Message:
        """Make an answer, as an example or as an earlier turn."""
        return cls("assistant", (text,))

    @property
    def has_images(self) -> bool:
        """Return whether any part is an image."""
        return any(isinstance(part, ImagePart) for part in self.parts)

    def render(self) -> dict[str, Any]:
        """Return the message as the chat API takes it, images as data URLs; reads the images' files.

        Raises:
            UnreadableImageError: An image cannot be sent.
        """
        if not self.has_images:
            return {"role": self.role, "content": "\n\n".join(str(part) for part in self.parts)}
        return {"role": self.role, "content": [_rendered(part) for part in self.parts]}

    def identity(self) -> list[Any]:
        """Return what decides the message's content, images by their SHA-256; reads the images' files.

        Raises:
            UnreadableImageError: An image cannot be sent.
        """
        return [self.role, *(part if isinstance(part, str) else _identity(part) for part in self.parts)]


def _rendered(part: str | ImagePart) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data, mime = part.load()
    return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"}}


def _identity(part: ImagePart) -> dict[str, str]:
    data, mime = part.load()
    return {"mime": mime, "sha256": hashlib.sha256(data).hexdigest()}


@dataclass(frozen=True)
class ChatRequest:
    """A question to a model.

    Attributes:
        messages: The conversation so far.
        schema: JSON Schema that the answer must fit; None for free text.
        temperature: 0 for the likeliest answer; None leaves it to the server (some models allow no other choice).
        max_tokens: Length of the answer at most; None leaves it to the server.
        seed: For servers that honour it. Requests that differ in it are different requests to the cache.
        extra: Further fields of the request's body, such as `top_p` or `max_completion_tokens`.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    temperature: float | None = 0.0
    max_tokens: int | None = None
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_images(self) -> bool:
        """Return whether any message has an image."""
        return any(message.has_images for message in self.messages)

    def options(self) -> dict[str, Any]:
        """Return the fields of the body beside model, messages and format; what is None is left out."""
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        return {name: value for name, value in own.items() if value is not None} | dict(self.extra)


def request_key(endpoint: Endpoint, request: ChatRequest) -> str:
    """Return the hash of all that decides the answer: address, model, messages, images, schema and options.

    The key of the endpoint, its limits and its prices are no part of it.

    Raises:
        UnreadableImageError: An image cannot be read.
    """
    return stable_digest(
        {
            "version": _VERSION,
            "url": endpoint.url,
            "model": endpoint.model,
            "messages": [message.identity() for message in request.messages],
            "schema": request.schema,
            "options": request.options(),
        }
    )
