"""Answers that name the picture they are about, so that no test can mistake one for another."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from PIL import Image

from geoseek.schemas import Prediction, render_tagged
from geoseek.training.infer import InferRequest, InferResult, run_infer
from geoseek.training.predictions import iter_predictions
from tests.endpoints.stub_server import Asked, ChatServer, completion, send
from tests.formats.exports import chain_of

COLMAR = "France; Grand Est; Colmar"


def picture_of(asked: Asked) -> bytes:
    """Return the picture of a request, which must hold exactly one."""
    parts = [part for part in asked["messages"][-1]["content"] if part["type"] == "image_url"]
    assert len(parts) == 1
    return base64.b64decode(parts[0]["image_url"]["url"].partition("base64,")[2])


def tagged(name: str) -> str:
    """Return a whole answer in which a name stands among the clues."""
    chain = chain_of("France", COLMAR)
    marked = chain.country.model_copy(update={"clues": (name,)})
    return render_tagged(chain.model_copy(update={"country": marked}))


def mark(picture: bytes) -> str:
    """Return what an answer says to show which picture it is about."""
    return hashlib.sha256(picture).hexdigest()[:12]


def locate(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Say Colmar, and which picture that is about."""
    send(handler, completion(tagged(mark(picture_of(asked)))))


def infer(workspace: Path, server: ChatServer, **wishes: Any) -> InferResult:
    """Run the stage against the server."""
    return run_infer(request_to(workspace, server.url, wishes))


def request_to(workspace: Path, url: str, wishes: Mapping[str, Any]) -> InferRequest:
    return InferRequest(workspace, endpoint=url, model="stub/vl 1", **wishes)


def rows(result: InferResult) -> list[Prediction]:
    return list(iter_predictions(result.output))


def png(size: tuple[int, int], colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()
