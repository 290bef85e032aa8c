"""What the ledger believes a project on the server to hold; pull brings the two together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from geoseek.annotation.ledger.ledger import Ledger, task_of, utc_now
from geoseek.annotation.ledger.rows import Project, Task

DELETED = "deleted on the server"
_TASKS = """
    SELECT key, purpose, sample_id, split, stratum, annotator, round, state, project, server_task_id, data_digest,
        draft, planned_at, pushed_at, retired_reason
    FROM task WHERE purpose = :purpose AND annotator = :annotator AND split = :split AND key IN (
        SELECT key FROM task WHERE project = :project AND server_task_id IN (SELECT value FROM json_each(:numbers))
        UNION SELECT value FROM json_each(:keys))
"""
_ANNOTATIONS = """
    SELECT a.id, a.sample_id, a.digest FROM task t JOIN annotation a ON a.task_key = t.key
    WHERE t.purpose = :purpose AND t.annotator = :annotator AND t.split = :split AND a.origin = :server
        AND a.version = (SELECT max(version) FROM annotation y WHERE y.id = a.id) AND a.state != 'deleted'
        AND a.seen_at >= coalesce((SELECT remade_at FROM project WHERE id = :project), '')
"""
_ANNOTATION_COUNT = """
    SELECT count(*) FROM task t JOIN annotation a ON a.task_key = t.key
    WHERE t.purpose = :purpose AND t.annotator = :annotator AND t.split = :split AND a.origin = :server
        AND a.version = (SELECT max(version) FROM annotation y WHERE y.id = a.id) AND a.state != 'deleted'
        AND a.seen_at >= coalesce((SELECT remade_at FROM project WHERE id = :project), '')
"""
_MARK_DELETED = """
    INSERT INTO annotation (id, version, purpose, task_key, sample_id, split, annotator, state, reason, problems,
        config_version, handbook_version, digest, lead_time_s, created_at, updated_at, origin, record, raw, seen_at)
    SELECT id, version + 1, purpose, task_key, sample_id, split, annotator, 'deleted', ?1, '[]',
        config_version, handbook_version, 'deleted', lead_time_s, created_at, updated_at, origin, NULL, raw, ?2
    FROM annotation WHERE id = ?3 AND version = (SELECT max(version) FROM annotation WHERE id = ?3)
"""


@dataclass(frozen=True)
class Known:
    """The last version of an annotation that the server should hold."""

    id: str
    sample_id: str
    digest: str


class Mirror:
    """The ledger's side of one project of a server.

    Tasks belong to a project by purpose, annotator and split, so that a task whose push was interrupted before it was
    noted belongs to it as well. Annotations are known by their numbers on the server; those of a project that was made
    anew after somebody had deleted it are not looked for there, and stay in the ledger as they were.
    """

    def __init__(self, ledger: Ledger, project: Project) -> None:
        self._ledger = ledger
        self.project = project
        self._values = {
            "project": project.id,
            "server": project.server,
            "purpose": project.purpose,
            "annotator": project.annotator,
            "split": project.split,
        }

    def annotation_id(self, number: int) -> str:
        """Return the id of an annotation of the server."""
        return f"studio:{self.project.server}:{number}"

    def tasks(self, numbers: Iterable[int], keys: Iterable[str]) -> tuple[dict[int, Task], dict[str, Task]]:
        """Return the tasks with these numbers on the server, and those with these keys."""
        values = {**self._values, "numbers": json.dumps(list(numbers)), "keys": json.dumps(list(keys))}
        found = [task_of(row) for row in self._ledger.query(_TASKS, values)]
        by_number = {task.server_task_id: task for task in found if task.project == self.project.id}
        return {number: task for number, task in by_number.items() if number is not None}, {t.key: t for t in found}

    def task_numbers(self) -> dict[int, str]:
        """Return number on the server -> key of every task that the server should hold."""
        rows = self._ledger.query(
            "SELECT server_task_id, key FROM task WHERE project = :project AND server_task_id IS NOT NULL", self._values
        )
        return {row["server_task_id"]: row["key"] for row in rows}

    def annotations(self) -> dict[int, Known]:
        """Return number on the server -> annotation, of every annotation that the server should hold."""
        rows = self._ledger.query(_ANNOTATIONS, self._values)
        return {int(row["id"].rpartition(":")[2]): Known(row["id"], row["sample_id"], row["digest"]) for row in rows}

    def counts(self) -> tuple[int, int]:
        """Return how many tasks and annotations the server should hold."""
        ((tasks,),) = self._ledger.query(
            "SELECT count(*) FROM task WHERE project = :project AND server_task_id IS NOT NULL", self._values
        )
        ((annotations,),) = self._ledger.query(_ANNOTATION_COUNT, self._values)
        return int(tasks), int(annotations)

    def mark_deleted(self, ids: Iterable[str]) -> None:
        """Add a version that says nothing but that the annotation is gone; the earlier versions stay."""
        self._ledger.change(_MARK_DELETED, ((DELETED, utc_now(), annotation) for annotation in ids))

    def mark_gone(self, keys: Iterable[str]) -> None:
        """Note that the server no longer has these tasks.

        Those about which nothing was said go back to planned, to be pushed again. The others are retired: somebody
        deleted them after the work was done.
        """
        gone = list(keys)
        rows = self._ledger.query(
            "SELECT key, EXISTS (SELECT * FROM annotation WHERE task_key = key) AS annotated FROM task "
            "WHERE state = 'pushed' AND key IN (SELECT value FROM json_each(?))",
            (json.dumps(gone),),
        )
        self._ledger.mark_lost(row["key"] for row in rows if not row["annotated"])
        self._ledger.retire_tasks((row["key"] for row in rows if row["annotated"]), DELETED)
        self._ledger.mark_deleted(gone)

    def note_account(self, number: int) -> None:
        """Remember the account of the project's annotator."""
        self._ledger.change(
            "UPDATE annotator SET server_user_id = ? WHERE name = ?", [(number, self.project.annotator)]
        )

    def forms(self) -> list[tuple[datetime, int, int]]:
        """Return since when which labelling page and which handbook were shown, oldest first."""
        rows = self._ledger.query(
            "SELECT since, config_version, handbook_version FROM form_use WHERE project = :project ORDER BY since",
            self._values,
        )
        return [(datetime.fromisoformat(row["since"]), row["config_version"], row["handbook_version"]) for row in rows]

    def last_full_pull(self) -> datetime | None:
        """Return when all annotations were last read, by our clock; None if never."""
        ((text,),) = self._ledger.query("SELECT full_pull_at FROM project WHERE id = :project", self._values)
        return None if text is None else datetime.fromisoformat(text)

    def note_full_pull(self) -> None:
        """Remember that all annotations were read."""
        self._ledger.change("UPDATE project SET full_pull_at = ? WHERE id = ?", [(utc_now(), self.project.id)])
