"""The ledger: every task, every version of every annotation, every decision, in one SQLite file."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from geoseek.annotation.ledger.files import LedgerError, connect
from geoseek.annotation.ledger.rows import (
    AnnotationState,
    Annotator,
    Decision,
    NewAnnotation,
    Note,
    Project,
    Purpose,
    StoredAnnotation,
    Task,
    TaskState,
    Verdict,
)
from geoseek.schemas import Annotation, AnnotationStatus, Split

LEDGER_NAME = "ledger.sqlite"


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()


class Ledger:
    """The open ledger of a workspace; use it as a context manager.

    Writes happen inside `with ledger.transaction():`, all of them or none. Readers never block a writer, nor the
    reverse (WAL). Two writers wait for each other, at most ten seconds.

    Raises:
        LedgerError: The file is locked, damaged, or of a newer GeoSeek; the hint names the backup to go back to.
    """

    def __init__(self, folder: Path) -> None:
        """Open `folder/ledger.sqlite`, creating and migrating it as needed."""
        self.path = folder / LEDGER_NAME
        self._connection = connect(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; commit at the end, roll back on an exception."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._execute("COMMIT")

    # annotators

    def add_annotator(
        self, name: str, *, email: str | None = None, server_user_id: int | None = None, active: bool = True
    ) -> None:
        """Add an annotator, or fill in what was not known.

        Args:
            name: Pseudonym.
            email: What the annotator signs in with.
            server_user_id: Number of the user on the server.
            active: The annotator takes tasks, again if need be. False, for authors of imported annotations and for
                reviewers, leaves a known annotator as it is.
        """
        self._execute(
            "INSERT INTO annotator (name, email, server_user_id, active, added_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET email = coalesce(excluded.email, email), "
            "active = max(active, excluded.active), server_user_id = coalesce(excluded.server_user_id, server_user_id)",
            (name, email, server_user_id, int(active), utc_now()),
        )

    def deactivate_annotator(self, name: str) -> None:
        """Give an annotator no further tasks; the work done stays."""
        self._execute("UPDATE annotator SET active = 0 WHERE name = ?", (name,))

    def annotators(self) -> list[Annotator]:
        """Return all annotators by name."""
        rows = self._execute("SELECT name, email, server_user_id, active FROM annotator ORDER BY name")
        return [Annotator(row["name"], row["email"], row["server_user_id"], bool(row["active"])) for row in rows]

    # labelling configurations and handbooks

    def form_version(self, kind: str, digest: str, text: str) -> int:
        """Return the number of this text among its kind, numbering it if it is new.

        Args:
            kind: `config-SPLIT`, `config-adjudicate` or `handbook`.
            digest: Of the text.
            text: Kept, so that every annotation can be read beside the form it was made with.
        """
        found = self._execute("SELECT version FROM form WHERE kind = ? AND digest = ?", (kind, digest)).fetchone()
        if found:
            return int(found[0])
        (last,) = self._execute("SELECT coalesce(max(version), 0) FROM form WHERE kind = ?", (kind,)).fetchone()
        self._execute("INSERT INTO form VALUES (?, ?, ?, ?, ?)", (kind, last + 1, digest, text, utc_now()))
        return int(last) + 1

    def form_text(self, kind: str, version: int) -> str | None:
        """Return the text of a configuration or handbook."""
        row = self._execute("SELECT text FROM form WHERE kind = ? AND version = ?", (kind, version)).fetchone()
        return None if row is None else str(row[0])

    # projects

    def put_project(
        self,
        server: str,
        server_project_id: int,
        *,
        purpose: Purpose,
        annotator: str,
        split: Split,
        config_version: int,
        handbook_version: int,
    ) -> Project:
        """Add a project, or replace its number on the server and its versions; a new number resets the cursor."""
        self._execute(
            "INSERT INTO project (server, server_project_id, purpose, annotator, split, config_version, "
            "handbook_version, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (server, purpose, annotator, split) DO UPDATE SET "
            "cursor = CASE WHEN server_project_id = excluded.server_project_id THEN cursor END, "
            "remade_at = CASE WHEN server_project_id = excluded.server_project_id THEN remade_at "
            "ELSE excluded.added_at END, "
            "server_project_id = excluded.server_project_id, config_version = excluded.config_version, "
            "handbook_version = excluded.handbook_version",
            (server, server_project_id, purpose, annotator, split, config_version, handbook_version, utc_now()),
        )
        self._execute(
            "INSERT INTO form_use SELECT p.id, ?3, config_version, handbook_version FROM project p "
            "WHERE server = ?1 AND server_project_id = ?2 AND (config_version, handbook_version) IS NOT (SELECT "
            "config_version, handbook_version FROM form_use WHERE project = p.id ORDER BY since DESC LIMIT 1)",
            (server, server_project_id, utc_now()),
        )
        (project,) = (
            p for p in self.projects(server) if (p.purpose, p.annotator, p.split) == (purpose, annotator, split)
        )
        return project

    def projects(self, server: str | None = None, purpose: Purpose | None = None) -> list[Project]:
        """Return the projects of a server, or of all."""
        rows = self._execute(
            "SELECT id, server, server_project_id, purpose, annotator, split, config_version, handbook_version, cursor "
            "FROM project WHERE (?1 IS NULL OR server = ?1) AND (?2 IS NULL OR purpose = ?2) ORDER BY id",
            (server, purpose),
        )
        return [
            Project(**{**dict(row), "purpose": Purpose(row["purpose"]), "split": Split(row["split"])}) for row in rows
        ]

    def set_cursor(self, project: int, cursor: str) -> None:
        """Remember up to which `updated_at` a project was pulled."""
        self._execute("UPDATE project SET cursor = ? WHERE id = ?", (cursor, project))

    # tasks

    def plan_tasks(self, tasks: Iterable[Task]) -> None:
        """Add tasks as planned; those whose key is known are planned again if they were retired, else left alone."""
        now = utc_now()
        self._many(
            "INSERT INTO task (key, purpose, sample_id, split, stratum, annotator, round, state, planned_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?) ON CONFLICT (key) DO UPDATE SET state = 'planned', "
            "planned_at = excluded.planned_at, retired_at = NULL, retired_reason = NULL, project = NULL, "
            "server_task_id = NULL, data_digest = NULL, draft = NULL, pushed_at = NULL WHERE state = 'retired'",
            ((t.key, t.purpose, t.sample_id, t.split, t.stratum, t.annotator, t.round, now) for t in tasks),
        )

    def mark_pushed(self, rows: Iterable[tuple[str, int, int, str]]) -> None:
        """Note what the server holds: rows of key, project (of the ledger), task number on the server, data digest."""
        now = utc_now()
        self._many(
            "UPDATE task SET state = 'pushed', project = ?, server_task_id = ?, data_digest = ?, "
            "pushed_at = coalesce(pushed_at, ?) WHERE key = ?",
            ((project, number, digest, now, key) for key, project, number, digest in rows),
        )

    def mark_lost(self, keys: Iterable[str]) -> None:
        """Put pushed tasks back to planned: the server no longer has them."""
        self._many(
            "UPDATE task SET state = 'planned', project = NULL, server_task_id = NULL, data_digest = NULL, "
            "draft = NULL, pushed_at = NULL WHERE key = ? AND state = 'pushed'",
            ((key,) for key in keys),
        )

    def mark_draft(self, rows: Iterable[tuple[str, str]]) -> None:
        """Note the prediction that the server holds for a task: rows of key, `MODEL DIGEST`."""
        self._many("UPDATE task SET draft = ? WHERE key = ?", ((draft, key) for key, draft in rows))

    def retire_tasks(self, keys: Iterable[str], reason: str) -> None:
        """Take tasks away from their annotators; what was said about them stays."""
        now = utc_now()
        self._many(
            "UPDATE task SET state = 'retired', retired_at = ?, retired_reason = ? WHERE key = ?",
            ((now, reason, key) for key in keys),
        )

    def mark_deleted(self, keys: Iterable[str]) -> None:
        """Note that retired tasks are no longer on the server; what they belonged to stays readable."""
        self._many(
            "UPDATE task SET server_task_id = NULL WHERE key = ? AND state = 'retired'", ((key,) for key in keys)
        )

    def tasks(
        self, *, purpose: Purpose | None = None, split: Split | None = None, project: int | None = None
    ) -> Iterator[Task]:
        """Yield tasks by key, filtered."""
        rows = self._execute(
            "SELECT key, purpose, sample_id, split, stratum, annotator, round, state, project, server_task_id, "
            "data_digest, draft, planned_at, pushed_at, retired_reason FROM task WHERE (?1 IS NULL OR purpose = ?1) "
            "AND (?2 IS NULL OR split = ?2) AND (?3 IS NULL OR project = ?3) ORDER BY key",
            (purpose, split, project),
        )
        for row in rows:
            yield task_of(row)

    # annotations

    def add_annotation(self, new: NewAnnotation) -> int | None:
        """Add a version of an annotation, unless the last one says the same.

        Returns:
            The number of the new version, or None if nothing changed.
        """
        last = self._execute(
            "SELECT version, digest FROM annotation WHERE id = ? ORDER BY version DESC LIMIT 1", (new.id,)
        ).fetchone()
        if last and last["digest"] == new.digest:
            return None
        version = last["version"] + 1 if last else 1
        record = None
        if new.annotation is not None:
            record = new.annotation.model_copy(update={"version": version}).model_dump_json()
        problems = json.dumps([[note.code, note.detail] for note in new.problems], ensure_ascii=False)
        self._execute(
            "INSERT INTO annotation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                new.id,
                version,
                new.purpose,
                new.task_key,
                new.sample_id,
                new.split,
                new.annotator,
                new.state,
                new.reason,
                problems,
                new.config_version,
                new.handbook_version,
                new.digest,
                new.lead_time_s,
                new.created_at,
                new.updated_at,
                new.origin,
                record,
                new.raw,
                utc_now(),
            ),
        )
        return version

    def annotations(
        self,
        *,
        purpose: Purpose = Purpose.ANNOTATE,
        split: Split | None = None,
        sample_id: str | None = None,
        origin: str | None = None,
        states: Iterable[AnnotationState] | None = None,
        history: bool = False,
    ) -> Iterator[StoredAnnotation]:
        """Yield annotations by (sample, id, version): the last version of each, or all of them.

        Memory is flat; the flags and the decision of each row are read with it.
        """
        wanted = None if states is None else json.dumps([state.value for state in states])
        rows = self._execute(
            """
            SELECT a.id, a.version, a.purpose, a.task_key, a.sample_id, a.split, a.annotator, a.state, a.reason,
                a.problems, a.digest, a.lead_time_s, a.created_at, a.updated_at, a.origin, a.seen_at, a.record,
                d.verdict, d.reason AS verdict_reason, d.consequence, d.record AS edited, d.reviewer, d.decided_at,
                (SELECT json_group_array(json_array(f.rule, f.detail)) FROM flag f
                    WHERE f.annotation_id = a.id AND f.version = a.version) AS flags
            FROM annotation a LEFT JOIN decision d ON d.id = (SELECT max(id) FROM decision x
                WHERE x.annotation_id = a.id AND x.version = a.version)
            WHERE a.purpose = ?1 AND (?2 IS NULL OR a.split = ?2) AND (?3 IS NULL OR a.sample_id = ?3)
                AND (?4 IS NULL OR a.origin = ?4)
                AND (?6 OR a.version = (SELECT max(version) FROM annotation y WHERE y.id = a.id))
                AND (?5 IS NULL OR a.state IN (SELECT value FROM json_each(?5)))
            ORDER BY a.sample_id, a.id, a.version
            """,
            (purpose, split, sample_id, origin, wanted, history),
        )
        for row in rows:
            yield _stored(row)

    def raw(self, annotation_id: str, version: int) -> str | None:
        """Return the JSON of a version as it came."""
        row = self._execute(
            "SELECT raw FROM annotation WHERE id = ? AND version = ?", (annotation_id, version)
        ).fetchone()
        return None if row is None else str(row[0])

    def known_annotations(self, project: int) -> dict[str, AnnotationState]:
        """Return id -> state of the last version of every annotation of a project."""
        rows = self._execute(
            "SELECT a.id, a.state FROM annotation a JOIN task t ON t.key = a.task_key WHERE t.project = ? "
            "AND a.version = (SELECT max(version) FROM annotation y WHERE y.id = a.id)",
            (project,),
        )
        return {row["id"]: AnnotationState(row["state"]) for row in rows}

    # review

    def set_flags(self, annotation_id: str, version: int, flags: Iterable[Note]) -> None:
        """Replace what the rules found about a version."""
        now = utc_now()
        self._execute("DELETE FROM flag WHERE annotation_id = ? AND version = ?", (annotation_id, version))
        self._many(
            "INSERT INTO flag VALUES (?, ?, ?, ?, ?)",
            ((annotation_id, version, flag.code, flag.detail, now) for flag in flags),
        )

    def add_decision(self, decision: Decision) -> None:
        """Add a decision; earlier ones of the same version stay readable but no longer count."""
        edited = None if decision.edited is None else decision.edited.model_dump_json()
        self._execute(
            "INSERT INTO decision (annotation_id, version, verdict, reason, consequence, record, reviewer, decided_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                decision.annotation_id,
                decision.version,
                decision.verdict,
                decision.reason,
                decision.consequence,
                edited,
                decision.reviewer,
                decision.decided_at or utc_now(),
            ),
        )

    def decisions(self) -> Iterator[Decision]:
        """Yield every decision in the order in which they were made."""
        for row in self._execute("SELECT * FROM decision ORDER BY id"):
            yield _decision(row, row["annotation_id"], row["version"], row["reason"], row["record"])

    # for the other modules of this package

    def query(self, sql: str, values: Mapping[str, Any] | tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise LedgerError.of(self.path, error) from error

    def change(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a change for every row."""
        self._many(sql, rows)

    def _execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise LedgerError.of(self.path, error) from error

    def _many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise LedgerError.of(self.path, error) from error


def task_of(row: sqlite3.Row) -> Task:
    """Return a row of the table `task`."""
    kinds = {"purpose": Purpose(row["purpose"]), "split": Split(row["split"]), "state": TaskState(row["state"])}
    return Task(**{**dict(row), **kinds})


def _notes(text: str) -> tuple[Note, ...]:
    return tuple(Note(code, detail) for code, detail in json.loads(text))


def _decision(row: sqlite3.Row, annotation_id: str, version: int, reason: str | None, edited: str | None) -> Decision:
    consequence: Literal["queue", "reserve"] | None = row["consequence"]
    return Decision(
        annotation_id,
        version,
        Verdict(row["verdict"]),
        row["reviewer"],
        reason,
        consequence,
        None if edited is None else Annotation.model_validate_json(edited),
        row["decided_at"],
    )


def _stored(row: sqlite3.Row) -> StoredAnnotation:
    decision = None
    if row["verdict"] is not None:
        decision = _decision(row, row["id"], row["version"], row["verdict_reason"], row["edited"])
    record = row["edited"] or row["record"]
    stored = StoredAnnotation(
        id=row["id"],
        version=row["version"],
        purpose=Purpose(row["purpose"]),
        task_key=row["task_key"],
        sample_id=row["sample_id"],
        split=Split(row["split"]),
        annotator=row["annotator"],
        state=AnnotationState(row["state"]),
        reason=row["reason"],
        problems=_notes(row["problems"]),
        digest=row["digest"],
        lead_time_s=row["lead_time_s"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        origin=row["origin"],
        seen_at=row["seen_at"],
        annotation=None if record is None else Annotation.model_validate_json(record),
        flags=_notes(row["flags"]),
        decision=decision,
        replaced=Annotation.model_validate_json(row["record"]) if row["edited"] and row["record"] else None,
    )
    if stored.annotation is None:
        return stored
    status = AnnotationStatus(stored.status)
    return replace(stored, annotation=stored.annotation.model_copy(update={"status": status}))
