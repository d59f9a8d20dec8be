-- What the engine keeps of a migration beside how far it is, and what it said on the way.

ALTER TABLE migrations ADD COLUMN work_json TEXT NOT NULL DEFAULT '{}';
-- Whether nginx has anything of it: these are asked for at every change of a vhost.
ALTER TABLE migrations ADD COLUMN gated INTEGER NOT NULL DEFAULT 0 CHECK (gated IN (0, 1));
CREATE INDEX migrations_by_gate ON migrations (id) WHERE gated = 1;
CREATE INDEX migrations_by_bucket ON migrations (bucket, id);

CREATE TABLE migration_log (
    id           INTEGER NOT NULL PRIMARY KEY,
    migration_id INTEGER NOT NULL REFERENCES migrations (id) ON DELETE CASCADE,
    phase        TEXT    NOT NULL,
    message      TEXT    NOT NULL,
    created_at   TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at))
) STRICT;

CREATE INDEX migration_log_by_migration ON migration_log (migration_id, id);
