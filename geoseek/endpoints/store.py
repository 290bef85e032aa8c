"""A file of keys and values that outlives the process, and that several processes may use at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from geoseek.schemas import OutputError
from geoseek.workspace import plain_os_errors

_WAIT_S = 60.0
_ASKED_AT_ONCE = 500


class BlobStore:
    """Bytes under text keys, in SQLite.

    Each `put` is a transaction: what it has written is there after a `kill -9`, and half of it never is. A key that is
    there is never replaced, so that all readers see the same value. The file belongs on a local disk.

    Raises:
        OutputError: The file cannot be written, or is no store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with plain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two processes that switch a new file to WAL at the same moment would not wait for each other.
            with FileLock(path.with_name(f"{path.name}.lock")), self._plain_errors():
                self._connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
                try:
                    self._connection.execute("PRAGMA journal_mode=WAL")
                    self._connection.execute("PRAGMA synchronous=NORMAL")
                    self._connection.execute(
                        "CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
                    )
                except sqlite3.Error:
                    self._connection.close()
                    raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, key: str) -> bytes | None:
        """Return the value under a key, or None."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those keys that are there."""
        wanted = list(keys)
        found: dict[str, bytes] = {}
        with self._plain_errors():
            for start in range(0, len(wanted), _ASKED_AT_ONCE):
                part = wanted[start : start + _ASKED_AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, value FROM blobs WHERE key IN ({marks})"  # noqa: S608  # only question marks
                found.update(self._connection.execute(query, part))
        return found

    def put(self, items: dict[str, bytes]) -> None:
        """Add values, all or none.

        Raises:
            OutputError: The file cannot be written, or the disk is full.
        """
        with self._plain_errors(), self._transaction() as cursor:
            cursor.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", items.items())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                # A full disk has already rolled it back.
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"The cache {self._path} cannot be used: {error}.",
                hint="Check the free space and the permissions of its folder. What it holds already is safe.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{self._path} is not a cache of GeoSeek, or it is damaged: {error}.",
                hint="Move the file away; the replies that it held will be asked for again.",
            ) from error
