"""The folder of the workspace's own server: its data, its pictures, its log, and its secrets (0600)."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from geoseek.schemas import InputError
from geoseek.workspace import atomic_path, plain_os_errors

_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


@dataclass(frozen=True)
class Secrets:
    """What only the workspace knows; never printed.

    Attributes:
        email: The lead's sign-in name on the own server.
        password: Its password.
        signing_key: Signs the own server's sessions and tokens; proves that a server is ours.
        account_key: From which the passwords of invited accounts are derived.
        token: Personal access token of the own server; None before the first sign-in.
    """

    email: str
    password: str = field(repr=False)
    signing_key: str = field(repr=False)
    account_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ServerHome:
    """Paths of the workspace's own server.

    Args:
        folder: `work/annotation/server` of the workspace, absolute, without links.
    """

    folder: Path

    @property
    def data(self) -> Path:
        """Label Studio's own data: database, uploads, exports."""
        return self.folder / "data"

    @property
    def media(self) -> Path:
        """Document root of local pictures; storages are registered on folders below it."""
        return self.folder / "media"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "server.log"

    @property
    def secrets_file(self) -> Path:
        """The secrets, readable by the owner only."""
        return self.folder / "secrets.json"

    @property
    def choices_file(self) -> Path:
        """Port, host and public address of the last start."""
        return self.folder / "serve.json"

    def lock(self, name: str, timeout_s: float = -1) -> FileLock:
        """Return a lock among all processes that use this server; it ends with the process."""
        return FileLock(self.folder / f".{name}.lock", timeout=timeout_s)


def server_home(workspace: Path) -> ServerHome:
    """Return the folders of the workspace's own server, made private and created if needed.

    Raises:
        OutputError: They cannot be created.
    """
    home = ServerHome(workspace.resolve() / "work" / "annotation" / "server")
    with plain_os_errors(home.folder):
        home.folder.mkdir(parents=True, exist_ok=True)
        home.folder.chmod(_PRIVATE_FOLDER)
        home.data.mkdir(exist_ok=True)
        (home.media / "pictures").mkdir(parents=True, exist_ok=True)
    return home


def local_media_root(workspace: Path) -> Path:
    """Return the document root under which the own server finds local pictures; `pictures/` in it exists.

    A storage must be registered on a folder strictly below it, e.g. `pictures`; a task then names a picture as
    `/data/local-files/?d=pictures/NAME`. Use plain files: links that lead out of the folder would be followed.
    """
    return server_home(workspace).media


def write_private(target: Path, text: str) -> None:
    """Write a file atomically that only its owner can read, at no moment readable by others."""
    with atomic_path(target) as temporary:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def load_secrets(home: ServerHome) -> Secrets:
    """Return the secrets of the workspace, generated on first use.

    Raises:
        InputError: The file is damaged.
    """
    with home.lock("secrets"):
        if not home.secrets_file.exists():
            fresh = _generate(home)
            write_private(home.secrets_file, json.dumps(asdict(fresh), indent=1))
            return fresh
        home.secrets_file.chmod(_PRIVATE_FILE)
        try:
            return Secrets(**json.loads(home.secrets_file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{home.secrets_file} is damaged.",
                hint="Restore it, or delete it: a new lead's account is then made at the next start of the server; "
                "annotators keep their passwords.",
            ) from error


def store_token(home: ServerHome, token: str) -> None:
    """Remember the personal access token of the own server."""
    held = load_secrets(home)
    with home.lock("secrets"):
        write_private(home.secrets_file, json.dumps(asdict(replace(held, token=token)), indent=1))


def _generate(home: ServerHome) -> Secrets:
    # An existing database keeps the password of the user it has, so lost secrets need a user of another name.
    lost = (home.data / "label_studio.sqlite3").exists()
    return Secrets(
        email=f"lead-{secrets.token_hex(3)}@geoseek.invalid" if lost else "lead@geoseek.invalid",
        password=secrets.token_urlsafe(18),
        signing_key=secrets.token_urlsafe(48),
        account_key=secrets.token_urlsafe(32),
    )


@dataclass(frozen=True)
class Choices:
    """How the own server is started.

    Attributes:
        port: None until one was chosen.
        host: Address it listens on.
        public_url: Address under which annotators reach it, if a proxy stands before it.
    """

    port: int | None = None
    host: str = "127.0.0.1"
    public_url: str | None = None


def load_choices(home: ServerHome) -> Choices:
    """Return the choices of the last start; the defaults if there was none or the file is damaged."""
    try:
        return Choices(**json.loads(home.choices_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Choices()


def store_choices(home: ServerHome, choices: Choices) -> None:
    """Remember how the server was started."""
    write_private(home.choices_file, json.dumps(asdict(choices), indent=1))


def limit_log(home: ServerHome, limit_bytes: int = _LOG_LIMIT_BYTES) -> None:
    """Move the end of a log that has grown too long to `server.log.1`; the server goes on in the emptied file."""
    size = home.log.stat().st_size if home.log.exists() else 0
    if size <= limit_bytes:
        return
    with home.log.open("r+b") as log:
        log.seek(max(0, size - _LOG_LIMIT_BYTES))
        with atomic_path(home.log.with_name("server.log.1")) as older:
            older.write_bytes(log.read())
        log.truncate(0)


def last_lines(home: ServerHome, count: int = 12) -> str:
    """Return the last lines of the log."""
    if not home.log.exists():
        return ""
    with home.log.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
        return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-count:])
