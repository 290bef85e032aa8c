"""A workspace whose samples are rated by people of the ledger, and by a stub of a model's server."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from geoseek.endpoints import Endpoint
from geoseek.pipelines import RatingSource, TagRequest, TagResult, run_tag
from geoseek.schemas import SceneTag, Split, SubScores
from tests.endpoints.stub_server import Asked, ChatServer, say
from tests.pipelines.curate.world import World

HUMAN = {"locatability_score": "human", "scene_tags": "human", "picture": "photo"}
TAGS = {tag.value: "yes" if tag is SceneTag.PLANTS else "no" for tag in SceneTag}


class TagWorld(World):
    """Five samples of val and four of cot, named `pool:SPLIT-NUMBER`."""

    def __init__(self, folder: Path, sizes: Mapping[Split, int] | None = None) -> None:
        super().__init__(folder, sizes or {Split.VAL: 5, Split.COT: 4})

    def rate(self, sample: int, score: float | None, **fields: Any) -> str:
        """Add a rating to the ledger; return its id."""
        wishes: dict[str, Any] = {"split": Split.VAL, "provenance": HUMAN, "scene_tags": TAGS, **fields}
        return self.add(sample, None, locatability_score=score, **wishes)

    def tag(self, **wishes: Any) -> TagResult:
        """Run the stage."""
        force = wishes.pop("force", False)
        return run_tag(TagRequest(self.folder, **wishes), force=force)

    def ask(self, server: ChatServer, source: RatingSource = RatingSource.BOTH, **wishes: Any) -> TagResult:
        """Run the stage with a model."""
        return self.tag(source=source, endpoint=model_at(server), as_last_time=False, **wishes)

    def tagged(self) -> dict[str, dict[str, Any]]:
        """Return sample -> row."""
        return {row["sample_id"]: row for row in pq.read_table(self.curated / "tags.parquet").to_pylist()}

    def left_out(self) -> list[tuple[str, str]]:
        """Return sample and reason of each reject."""
        rows = pq.read_table(self.curated / "tag-rejects.parquet").to_pylist()
        return [(row["sample_id"], row["reason"]) for row in rows]

    def faults(self) -> list[tuple[str, str]]:
        """Return sample and code of each question without an answer."""
        rows = pq.read_table(self.curated / "tag-rejects.parquet").to_pylist()
        return [(row["sample_id"], row["fault"]) for row in rows if row["reason"] == "model_failed"]


def model_at(server: ChatServer) -> Endpoint:
    """Return the endpoint of a stub."""
    return Endpoint(server.url, "stub-vl", key="secret-of-the-stub", backoff_s=0, max_retries=2)


def locatability(score: float = 6.5, clues: Sequence[str] = ("red soil",), part: float = 5) -> str:
    """Return an answer to the question for the locatability."""
    parts = dict.fromkeys(SubScores.model_fields, part)
    return json.dumps({"main_clues": list(clues), "sub_scores": parts, "locatability_score": score})


def tags(**answers: str) -> str:
    """Return an answer to the question for the tags."""
    return json.dumps(TAGS | answers)


def asks_for_tags(asked: Asked) -> bool:
    """Whether a request is the question for the tags."""
    return "agricultural" in json.dumps(asked["response_format"])


def rater(score: float = 6.5, **answers: str) -> Callable[[BaseHTTPRequestHandler, Asked], None]:
    """Return a server's behaviour that answers both questions."""

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        say(tags(**answers) if asks_for_tags(asked) else locatability(score))(handler, asked)

    return behave


def picture_of(asked: Asked) -> bytes:
    """Return the picture that a request carries."""
    found = re.search(r"base64,([A-Za-z0-9+/=]+)", json.dumps(asked["messages"]))
    return base64.b64decode(found[1]) if found else b""
