"""Helpers of the tests of fetching: generated images, sample files, a server that misbehaves on demand."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from geoseek.schemas import Sample, Split, arrow_schema

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class ImageServer:
    """Serves bytes under paths, or whatever a function does with the connection."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.hits: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.busiest = 0
        self._running = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def add(self, path: str, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> str:
        self.behaviours[path] = lambda handler: answer(handler, body, status=status, headers=headers)
        return self.url(path)

    def behave(self, path: str, behaviour: Behaviour) -> str:
        self.behaviours[path] = behaviour
        return self.url(path)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.hits[handler.path] += 1
            self.agents.add(handler.headers["User-Agent"])
            self._running += 1
            self.busiest = max(self.busiest, self._running)
        try:
            behaviour = self.behaviours.get(handler.path)
            if behaviour is None:
                answer(handler, b"no such picture", status=404)
            else:
                behaviour(handler)
        except OSError:
            handler.close_connection = True
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(
    handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


class MakePicture(Protocol):
    def __call__(self, seed: int, codec: str = ..., size: tuple[int, int] = ..., **options: Any) -> bytes: ...


def drawn_image(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Return smooth random colours: a picture with a perceptual hash of its own."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


class Draw(Protocol):
    def __call__(
        self,
        folder: Path,
        rows: Mapping[Split, Sequence[str | None]],
        reserve: Mapping[Split, Sequence[str | None]] = ...,
    ) -> Path: ...


def sample_row(split: Split, rank: int, image: str | None, *, source: str, stratum: str = "FR") -> dict[str, Any]:
    key = f"{split.value}-{stratum}-{rank}"
    return Sample(
        id=f"{source}:{key}", source=source, source_id=key, lat=48.0, lng=2.0, image=image, captured_at=None,
        sequence_id=None, license=None, attribution=None, orientation=None, split=split, rank=rank,
        country_code=stratum, country="France", continent="EU", region=None, place=None, place_distance_km=None,
        cell=1, stratum=stratum, inclusion_probability=0.5, design_weight=2.0, prn=0.5,
    ).model_dump()  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(Sample)), path)
