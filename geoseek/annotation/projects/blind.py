"""Blindness: names that lead an annotator nowhere, made from a secret that only the workspace has."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from geoseek.annotation.ledger import Purpose
from geoseek.schemas import InputError, Split
from geoseek.workspace import plain_os_errors

SECRET_NAME = "secret"  # noqa: S105 - the name of a file
_SECRET_BYTES = 32
_HEX_DIGITS = 32


class Blinder:
    """Makes opaque names: equal for equal things in one workspace, unrelated in any other.

    Each is the first 128 bits of an HMAC-SHA-256 (RFC 2104), so that without the secret nobody can test a guess.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def task_key(self, sample_id: str, split: Split, annotator: str, *, round_: int = 1, purpose: Purpose) -> str:
        """Return the only name that a task has outside the ledger.

        >>> blinder = Blinder(b"0" * 32)
        >>> key = blinder.task_key("pool:1", Split.COT, "ana", purpose=Purpose.ANNOTATE)
        >>> len(key), key == blinder.task_key("pool:1", Split.COT, "ben", purpose=Purpose.ANNOTATE)
        (32, False)
        """
        return self._name("task", purpose, sample_id, split, annotator, round_)

    def picture_name(self, sha256: str, suffix: str) -> str:
        """Return the file name under which a picture is shown.

        Args:
            sha256: SHA-256 (hex) of the file in `work/images`.
            suffix: Ending of the name, with the dot.
        """
        return self._name("picture", sha256) + suffix

    def annotation_ref(self, annotation_id: str, version: int) -> str:
        """Return the name under which one version of an annotation stands in an adjudication."""
        return self._name("annotation", annotation_id, version)

    def project_mark(self, purpose: Purpose, split: Split, annotator: str) -> str:
        """Return the mark by which a project on the server is recognised as ours."""
        return self._name("project", purpose, split, annotator)

    def _name(self, *parts: str | int) -> str:
        message = "".join(f"{len(str(part))}:{part}" for part in parts).encode(errors="surrogatepass")
        return hmac.digest(self._secret, message, "sha256").hex()[:_HEX_DIGITS]


def open_blinder(folder: Path, *, create: bool) -> Blinder:
    """Return the blinder of a workspace's annotation folder.

    Args:
        folder: `work/annotation`; the secret is its file `secret`, which only the owner can read.
        create: Make the secret if there is none. False where tasks exist: with another secret they would be strangers.

    Raises:
        InputError: The secret is missing or damaged.
        OutputError: It cannot be written.
    """
    path = folder / SECRET_NAME
    with plain_os_errors(path):
        if create and not path.exists():
            _create(path)
        try:
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
            secret = bytes.fromhex(path.read_text(encoding="ascii"))
        except FileNotFoundError as error:
            raise InputError(
                f"{path} is missing, but the ledger holds tasks that were made with it.",
                hint="Bring it back from a backup: without it the tasks on the server cannot be recognised.",
            ) from error
        except ValueError:
            secret = b""
    if len(secret) != _SECRET_BYTES:
        raise InputError(f"{path} is damaged.", hint="Bring it back from a backup.")
    return Blinder(secret)


def _create(path: Path) -> None:
    """Write a new secret, unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
