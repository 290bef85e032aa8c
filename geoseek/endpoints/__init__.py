"""Models behind an address or on this machine: the chat client for OpenAI-compatible servers, and embeddings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from geoseek.endpoints.endpoint import Endpoint, endpoint_from_environment
from geoseek.endpoints.faults import EndpointFault, EndpointFaultCode
from geoseek.endpoints.messages import ChatRequest, ImagePart, Message
from geoseek.endpoints.replies import ChatReply, Spent, Usage

if TYPE_CHECKING:
    from geoseek.endpoints.client import ChatClient
    from geoseek.endpoints.embeddings import (
        DEFAULT_MODEL,
        FALLBACK_MODEL,
        Embedder,
        SentenceModel,
        embedder,
        without_progress_bars,
    )

__all__ = [
    "DEFAULT_MODEL",
    "FALLBACK_MODEL",
    "ChatClient",
    "ChatReply",
    "ChatRequest",
    "Embedder",
    "Endpoint",
    "EndpointFault",
    "EndpointFaultCode",
    "ImagePart",
    "Message",
    "SentenceModel",
    "Spent",
    "Usage",
    "embedder",
    "endpoint_from_environment",
    "without_progress_bars",
]

_HEAVY = {
    "ChatClient": "geoseek.endpoints.client",
    "DEFAULT_MODEL": "geoseek.endpoints.embeddings",
    "FALLBACK_MODEL": "geoseek.endpoints.embeddings",
    "Embedder": "geoseek.endpoints.embeddings",
    "SentenceModel": "geoseek.endpoints.embeddings",
    "embedder": "geoseek.endpoints.embeddings",
    "without_progress_bars": "geoseek.endpoints.embeddings",
}


def __getattr__(name: str) -> Any:
    """Load the HTTP client and the models only when they are asked for: most commands need neither."""
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
