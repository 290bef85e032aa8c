"""The tables of the ledger, as a sequence of migrations; `PRAGMA user_version` counts those that were applied."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE annotator (
        name TEXT PRIMARY KEY,                     -- pseudonym; the only name that leaves the ledger
        email TEXT UNIQUE,
        server_user_id INTEGER,
        active INTEGER NOT NULL DEFAULT 1,
        added_at TEXT NOT NULL
    ) STRICT;

    CREATE TABLE form (                            -- every labelling configuration and handbook that was ever pushed
        kind TEXT NOT NULL CHECK (kind IN ('config-cot', 'config-val', 'config-loc', 'config-adjudicate', 'handbook')),
        version INTEGER NOT NULL,
        digest TEXT NOT NULL,
        text TEXT NOT NULL,
        added_at TEXT NOT NULL,
        PRIMARY KEY (kind, version),
        UNIQUE (kind, digest)
    ) STRICT;

    CREATE TABLE project (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,                      -- Studio.identity
        server_project_id INTEGER NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('annotate', 'adjudicate')),
        annotator TEXT NOT NULL REFERENCES annotator (name),
        split TEXT NOT NULL,
        config_version INTEGER NOT NULL,
        handbook_version INTEGER NOT NULL,
        cursor TEXT,                               -- `updated_at` up to which annotations were pulled
        added_at TEXT NOT NULL,
        UNIQUE (server, server_project_id),
        UNIQUE (server, purpose, annotator, split)
    ) STRICT;

    CREATE TABLE task (
        key TEXT PRIMARY KEY,                      -- the opaque key that the server sees
        purpose TEXT NOT NULL CHECK (purpose IN ('annotate', 'adjudicate')),
        sample_id TEXT NOT NULL,
        split TEXT NOT NULL,
        stratum TEXT NOT NULL,
        annotator TEXT NOT NULL REFERENCES annotator (name),
        round INTEGER NOT NULL DEFAULT 1,          -- 2, 3, ...: given to the same annotator again after a rejection
        state TEXT NOT NULL CHECK (state IN ('planned', 'pushed', 'retired')),
        project INTEGER REFERENCES project (id),
        server_task_id INTEGER,
        data_digest TEXT,                          -- of the task data as the server has them
        draft TEXT,                                -- model and digest of the prediction as the server has it
        planned_at TEXT NOT NULL,
        pushed_at TEXT,
        retired_at TEXT,
        retired_reason TEXT,
        UNIQUE (purpose, sample_id, split, annotator, round),
        UNIQUE (project, server_task_id)
    ) STRICT;
    CREATE INDEX task_by_sample ON task (sample_id);

    CREATE TABLE annotation (                      -- every version; rows are only ever added
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('annotate', 'adjudicate')),
        task_key TEXT REFERENCES task (key),       -- null for imported annotations
        sample_id TEXT NOT NULL,
        split TEXT NOT NULL,
        annotator TEXT NOT NULL REFERENCES annotator (name),
        state TEXT NOT NULL CHECK (state IN ('submitted', 'skipped', 'deleted', 'quarantined')),
        reason TEXT,                               -- why it is quarantined
        problems TEXT NOT NULL,                    -- JSON list of {code, detail}
        config_version INTEGER,
        handbook_version INTEGER,
        digest TEXT NOT NULL,                      -- of what the annotator said; equal digests are one version
        lead_time_s REAL,
        created_at TEXT,
        updated_at TEXT,
        origin TEXT NOT NULL,                      -- Studio.identity, or `file:NAME`
        record TEXT,                               -- Annotation as JSON; null where nothing was said
        raw TEXT NOT NULL,                         -- as it came
        seen_at TEXT NOT NULL,
        PRIMARY KEY (id, version)
    ) STRICT;
    CREATE INDEX annotation_by_sample ON annotation (sample_id);
    CREATE INDEX annotation_by_task ON annotation (task_key);

    CREATE TABLE flag (                            -- what the review rules found
        annotation_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        rule TEXT NOT NULL,
        detail TEXT NOT NULL,
        raised_at TEXT NOT NULL,
        PRIMARY KEY (annotation_id, version, rule),
        FOREIGN KEY (annotation_id, version) REFERENCES annotation (id, version)
    ) STRICT;

    CREATE TABLE decision (                        -- every decision; the last one of a version counts
        id INTEGER PRIMARY KEY,
        annotation_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'edited')),
        reason TEXT,
        consequence TEXT CHECK (consequence IN ('queue', 'reserve')),   -- where rejected work goes
        record TEXT,                               -- the edited Annotation as JSON
        reviewer TEXT NOT NULL,
        decided_at TEXT NOT NULL,
        FOREIGN KEY (annotation_id, version) REFERENCES annotation (id, version)
    ) STRICT;
    CREATE INDEX decision_by_annotation ON decision (annotation_id, version);
    """,
    """
    CREATE TABLE form_use (                        -- from when on a project showed which page and handbook
        project INTEGER NOT NULL REFERENCES project (id),
        since TEXT NOT NULL,
        config_version INTEGER NOT NULL,
        handbook_version INTEGER NOT NULL,
        PRIMARY KEY (project, since)
    ) STRICT;
    INSERT INTO form_use SELECT id, added_at, config_version, handbook_version FROM project;

    ALTER TABLE project ADD COLUMN full_pull_at TEXT;   -- when all its annotations were last read, not only the changed
    ALTER TABLE project ADD COLUMN remade_at TEXT;      -- when it got a new number, since the old project was gone
    """,
)
