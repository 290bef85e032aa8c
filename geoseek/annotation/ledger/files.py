"""Opening, checking, migrating and backing up the ledger's file."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from geoseek.annotation.ledger.migrations import MIGRATIONS
from geoseek.schemas import GeoSeekError
from geoseek.workspace import atomic_path

BACKUPS = "backups"
KEPT_BACKUPS = 10
_STAMP = "%Y%m%dT%H%M%S%fZ"
_BUSY_SECONDS = 10.0


class LedgerError(GeoSeekError):
    """The ledger cannot be used: locked, damaged, or written by a newer GeoSeek."""

    @classmethod
    def of(cls, path: Path, error: sqlite3.Error) -> Self:
        """Say what an error of SQLite means for the user."""
        text = str(error)
        if "locked" in text or "busy" in text:
            return cls(
                f"The ledger {path} is locked by another program.",
                hint="Another push, pull or review is writing, or a viewer holds it open. Wait, or close it, and run "
                "the same command again.",
            )
        if isinstance(error, sqlite3.OperationalError) and "no such" in text:
            return cls(
                f"The ledger {path} has another form than this GeoSeek expects: {text}.",
                hint="It was written by a version in development; nothing in it is lost. Update GeoSeek.",
            )
        if any(words in text for words in ("disk is full", "disk I/O", "readonly", "unable to open")):
            return cls(
                f"The ledger {path} cannot be written: {text}.",
                hint="Nothing was changed. Check space and permissions.",
            )
        last = backups(path)[-1:]
        remedy = (
            f"Restore the last backup with `geoseek annotate restore {last[0].name}`; the next pull brings what came "
            "after it."
            if last
            else "There is no backup. Move the file away and run `geoseek annotate pull`: what the server holds comes "
            "back; decisions of reviewers do not."
        )
        return cls(f"The ledger {path} is damaged: {text}.", hint=remedy)


def backups(path: Path) -> list[Path]:
    """Return the backups of a ledger, oldest first."""
    return sorted((path.parent / BACKUPS).glob(f"{path.stem}-*.sqlite"))


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger in WAL mode with foreign keys; create it, check it, and apply the migrations that are missing.

    Raises:
        LedgerError: See the class.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise LedgerError.of(path, error) from error
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        _migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise LedgerError.of(path, error) from error
    except LedgerError:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"The ledger {path} has format {version}; this GeoSeek knows formats up to {len(MIGRATIONS)}.",
            hint="It was written by a newer GeoSeek: install that version.",
        )
    for number in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;")


def back_up(path: Path, *, now: datetime | None = None) -> Path:
    """Copy a ledger, in use or not, to `backups/`, and keep the last ten copies."""
    stamp = (now or datetime.now(UTC)).strftime(_STAMP)
    target = path.parent / BACKUPS / f"{path.stem}-{stamp}.sqlite"
    with atomic_path(target) as temporary:
        source, copy = sqlite3.connect(path), sqlite3.connect(temporary)
        try:
            source.backup(copy)
        finally:
            source.close()
            copy.close()
    for old in backups(path)[:-KEPT_BACKUPS]:
        old.unlink(missing_ok=True)
    return target


def back_up_if_due(path: Path, *, every: timedelta = timedelta(days=1), now: datetime | None = None) -> Path | None:
    """Back a ledger up unless the last backup is younger than `every`; return the new copy, None if none was due."""
    moment = now or datetime.now(UTC)
    for last in backups(path)[-1:]:
        made = datetime.strptime(last.stem.removeprefix(f"{path.stem}-"), _STAMP).replace(tzinfo=UTC)
        if abs(moment - made) < every:  # a backup from the future was made under a wrong clock
            return None
    return back_up(path, now=moment)


def restore(path: Path, name: str | None = None) -> tuple[Path, Path | None]:
    """Put a backup in the place of the ledger; what was there is moved aside, never deleted.

    Args:
        path: The ledger.
        name: File name of the backup; None for the newest.

    Returns:
        The backup that was used, and where the old ledger is now (None if there was none).

    Raises:
        LedgerError: There is no such backup, or it is damaged too.
    """
    known = backups(path)
    chosen = next((file for file in known if file.name == name), None) if name else (known[-1] if known else None)
    if chosen is None:
        listed = ", ".join(file.name for file in known[-5:]) or "none"
        raise LedgerError(
            f"There is no backup {name}." if name else f"There is no backup in {path.parent / BACKUPS}.",
            hint=f"The newest backups: {listed}.",
        )
    with contextlib.closing(sqlite3.connect(f"file:{chosen}?mode=ro", uri=True)) as copy:
        try:
            sound = copy.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            sound = False
    if not sound:
        raise LedgerError(f"The backup {chosen.name} is damaged.", hint="Name an earlier one.")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.stem}-before-restore-{stamp}{path.suffix}")
    old = None
    for suffix in ("-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            old = file.replace(aside.with_name(aside.name + suffix))
    with atomic_path(path) as temporary:
        shutil.copyfile(chosen, temporary)
    return chosen, old
