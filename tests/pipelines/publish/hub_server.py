"""A Hub on loopback: the endpoints that publishing uses, in memory, with faults on demand.

Spoken: whoami, create_repo, dataset info, tree (in pages), preupload, LFS batch (basic and multipart), LFS upload,
completion and verification, YAML check, commit (with its parent), branches, settings. Written after the requests of
huggingface_hub; what it does not know is answered with 501, so that a test notices.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_loopbackloopbackloopback"  # noqa: S105 - it opens nothing but this server
_SIGNED = ("upload", "part", "complete")
"""Requests to addresses that carry their own permission; huggingface_hub must not send the token there."""
_PAGE = 3
_PARTS_FROM = 100_000
_PART_BYTES = 40_000


@dataclass
class Repo:
    """A repository.

    Attributes:
        private: Only its owners see it.
        branches: Branch -> path -> content.
        heads: Branch -> number of its last commit.
        in_lfs: Paths that are in large-file storage.
    """

    private: bool
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {".gitattributes": b"*.parquet"}})
    heads: dict[str, str] = field(default_factory=lambda: {"main": f"{0:040x}"})
    in_lfs: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of an answer.

    Attributes:
        status: Status to answer; 0 cuts the connection.
        headers: Headers of the answer.
        after: The request takes effect, only its answer is lost.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    after: bool = False


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class HubServer:
    """Serves repositories; `faults` and `before` are keyed by what a request does.

    Attributes:
        repos: `ORG/NAME` -> repository.
        storage: SHA-256 -> content of large files.
        requests: What was asked for: `whoami`, `create`, `info`, `tree`, `preupload`, `batch`, `upload`, `part`,
            `complete`, `verify`, `yaml`, `commit`, `branch`, `settings`.
        uploaded: SHA-256 of each large file that arrived, in order.
        agents: Values of the header User-Agent, of all requests but those to signed addresses.
        tokens: Values of the header Authorization likewise.
        faults: What to do to the next requests of a kind.
        before: Called before a request of a kind is answered.
        ignored: Paths that a .gitignore in the repository keeps out.
        forced_public: New repositories are public, whatever is asked for.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.storage: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.uploaded: list[str] = []
        self.agents: set[str] = set()
        self.tokens: set[str | None] = set()
        self.faults: dict[str, deque[Fault]] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.ignored: set[str] = set()
        self.forced_public = False
        self._parts: dict[str, dict[int, bytes]] = {}
        self._lock = threading.RLock()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body of an answer in one packet; else every answer waits for an acknowledgement.
            wbufsize = 1 << 16
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                hub.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, kind: str, *faults: Fault) -> None:
        """Let the next requests of a kind fail, one fault each."""
        self.faults.setdefault(kind, deque()).extend(faults)

    def content(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        """Return the files of a repository, without those that it was made with."""
        return {name: data for name, data in self.repos[repo].branches[branch].items() if name != ".gitattributes"}

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        body = _body(handler)
        parts = urlsplit(handler.path)
        kind, act = self._route(handler.command, parts.path, parse_qs(parts.query), body)
        with self._lock:
            self.requests[kind] += 1
            if kind not in _SIGNED:
                self.agents.add(handler.headers.get("User-Agent", ""))
                self.tokens.add(handler.headers.get("Authorization"))
        if kind in self.before:
            self.before[kind]()
        fault = self.faults[kind].popleft() if self.faults.get(kind) else None
        if fault and not fault.after:
            _fail(handler, fault)
            return
        expected = None if kind in _SIGNED else f"Bearer {TOKEN}"
        if handler.headers.get("Authorization") != expected:
            _answer(handler, 401, {"error": "no"}, {"X-Error-Message": "Invalid credentials in Authorization header"})
            return
        with self._lock:
            status, content, headers = act()
        if fault:
            _fail(handler, fault)
        else:
            _answer(handler, status, content, headers)

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[str, Callable[[], Any]]:
        steps = [unquote(step) for step in path.strip("/").split("/")]
        match steps:
            case ["api", "whoami-v2"]:
                return "whoami", lambda: (200, {"name": "ann", "type": "user"}, {})
            case ["api", "repos", "create"]:
                return "create", lambda: self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                return "yaml", lambda: (200, {"errors": [], "warnings": []}, {})
            case ["api", "datasets", org, name]:
                return "info", lambda: self._info(f"{org}/{name}", "main")
            case ["api", "datasets", org, name, "revision", revision]:
                return "info", lambda: self._info(f"{org}/{name}", revision)
            case ["api", "datasets", org, name, "tree", revision]:
                return "tree", lambda: self._tree(f"{org}/{name}", revision, int(query.get("cursor", ["0"])[0]))
            case ["api", "datasets", org, name, "preupload", _]:
                return "preupload", lambda: self._preupload(f"{org}/{name}", json.loads(body))
            case ["api", "datasets", org, name, "commit", revision]:
                return "commit", lambda: self._commit(f"{org}/{name}", revision, body)
            case ["api", "datasets", org, name, "branch", revision]:
                return "branch", lambda: self._branch(f"{org}/{name}", revision)
            case ["api", "datasets", org, name, "settings"]:
                return "settings", lambda: self._settings(f"{org}/{name}", json.loads(body))
            case ["datasets", _, _, "info", "lfs", "objects", "batch"]:
                return "batch", lambda: self._batch(json.loads(body))
            case ["upload", digest] if method == "PUT":
                return "upload", lambda: self._store(digest, body)
            case ["part", digest, number] if method == "PUT":
                return "part", lambda: self._part(digest, int(number), body)
            case ["complete", digest]:
                return "complete", lambda: self._complete(digest, json.loads(body))
            case ["verify"]:
                return "verify", lambda: self._verify(json.loads(body))
        return "unknown", lambda: (501, {"error": f"{method} {path}"}, {})

    def _create(self, wanted: dict[str, Any]) -> Any:
        name = f"{wanted['organization'] or 'ann'}/{wanted['name']}"
        if wanted["type"] != "dataset":
            return 400, {"error": "only datasets"}, {}
        if name in self.repos:
            return 409, {"error": "You already created this dataset repo"}, {}
        self.repos[name] = Repo(private=wanted.get("visibility") == "private" and not self.forced_public)
        return 200, {"url": f"{self.url}/datasets/{name}", "name": name}, {}

    def _info(self, name: str, revision: str) -> Any:
        repo = self.repos.get(name)
        if repo is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        if revision not in repo.heads:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        return 200, {"id": name, "sha": repo.heads[revision], "private": repo.private, "tags": [], "siblings": []}, {}

    def _tree(self, name: str, head: str, first: int) -> Any:
        repo = self.repos[name]
        branch = next(branch for branch, commit in repo.heads.items() if commit == head)
        files = sorted(repo.branches[branch].items())
        entries = [_entry(path, data, path in repo.in_lfs) for path, data in files]
        after = first + _PAGE
        link = f'<{self.url}/api/datasets/{name}/tree/{head}?recursive=true&cursor={after}>; rel="next"'
        return 200, entries[first:after], {"Link": link} if after < len(entries) else {}

    def _preupload(self, name: str, wanted: dict[str, Any]) -> Any:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith((".parquet", ".png")) else "regular",
                "shouldIgnore": file["path"] in self.ignored,
                "oid": None,
            }
            for file in wanted["files"]
        ]
        return (200, {"files": files}, {}) if name in self.repos else (404, {}, {"X-Error-Code": "RepoNotFound"})

    def _batch(self, wanted: dict[str, Any]) -> Any:
        objects = []
        for one in wanted["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.storage:
                verify = {"href": f"{self.url}/verify", "header": {}}
                entry["actions"] = {"upload": self._upload_action(one), "verify": verify}
            objects.append(entry)
        return 200, {"transfer": "multipart", "objects": objects}, {}

    def _upload_action(self, one: dict[str, Any]) -> dict[str, Any]:
        digest, size = one["oid"], one["size"]
        if size < _PARTS_FROM:
            return {"href": f"{self.url}/upload/{digest}?X-Signature=secret"}
        parts = -(-size // _PART_BYTES)
        header = {f"{n + 1:05d}": f"{self.url}/part/{digest}/{n + 1}?X-Signature=secret" for n in range(parts)}
        header["chunk_size"] = str(_PART_BYTES)
        return {"href": f"{self.url}/complete/{digest}?X-Signature=secret", "header": header}

    def _store(self, digest: str, body: bytes) -> Any:
        if hashlib.sha256(body).hexdigest() != digest:
            return 400, {"error": "another content"}, {}
        self.storage[digest] = body
        self.uploaded.append(digest)
        return 200, {}, {}

    def _part(self, digest: str, number: int, body: bytes) -> Any:
        self._parts.setdefault(digest, {})[number] = body
        return 200, {}, {"ETag": f'"{number}"'}

    def _complete(self, digest: str, wanted: dict[str, Any]) -> Any:
        parts = self._parts.pop(digest, {})
        return self._store(digest, b"".join(parts[part["partNumber"]] for part in wanted["parts"]))

    def _verify(self, wanted: dict[str, Any]) -> Any:
        return (200 if len(self.storage.get(wanted["oid"], b"")) == wanted["size"] else 404), {}, {}

    def _commit(self, name: str, revision: str, body: bytes) -> Any:
        repo = self.repos[name]
        lines = [json.loads(line) for line in body.splitlines()]
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != repo.heads[revision]:
            return 412, {"error": "A commit has happened since"}, {}
        files = dict(repo.branches[revision])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "deletedFile":
                del files[value["path"]]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.storage[value["oid"]]
                repo.in_lfs.add(value["path"])
        repo.branches[revision] = files
        repo.heads[revision] = f"{int(repo.heads[revision], 16) + 1:040x}"
        url = f"{self.url}/datasets/{name}/commit/{repo.heads[revision]}"
        return 200, {"commitUrl": url, "commitOid": repo.heads[revision]}, {}

    def _branch(self, name: str, revision: str) -> Any:
        repo = self.repos[name]
        if revision in repo.branches:
            return 409, {"error": "Reference already exists"}, {}
        repo.branches[revision] = dict(repo.branches["main"])
        repo.heads[revision] = f"{int(repo.heads['main'], 16) + 0x1000:040x}"
        return 200, {}, {}

    def _settings(self, name: str, wanted: dict[str, Any]) -> Any:
        self.repos[name].private = wanted["visibility"] == "private"
        return 200, wanted, {}


def _entry(path: str, data: bytes, in_lfs: bool) -> dict[str, Any]:
    if in_lfs:
        digest = hashlib.sha256(data).hexdigest()
        lfs = {"oid": digest, "size": len(data), "pointerSize": 130}
        return {"type": "file", "path": path, "size": len(data), "oid": digest[:40], "lfs": lfs}
    blob = hashlib.sha1(b"blob %d\x00%b" % (len(data), data), usedforsecurity=False).hexdigest()
    return {"type": "file", "path": path, "size": len(data), "oid": blob}


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if "chunked" in handler.headers.get("Transfer-Encoding", ""):
        return _chunks(handler)
    return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))


def _chunks(handler: BaseHTTPRequestHandler) -> bytes:
    found = b""
    while size := int(handler.rfile.readline().strip() or b"0", 16):
        found += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return found


def _fail(handler: BaseHTTPRequestHandler, fault: Fault) -> None:
    if fault.status:
        _answer(handler, fault.status, {"error": f"fault {fault.status}"}, dict(fault.headers))
    else:
        handler.close_connection = True
        handler.connection.close()


def _answer(handler: BaseHTTPRequestHandler, status: int, content: Any, headers: dict[str, str]) -> None:
    body = json.dumps(content).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
