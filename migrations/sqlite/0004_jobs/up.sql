-- Work that goes on after the request that asked for it, and what such work takes off a migration's record.

INSERT INTO id_counters (kind, highest)
VALUES ('job', 0);

-- No reference to pools and vhosts: what a job was about may go, and its record, which keeps the names, stays.
CREATE TABLE jobs (
    id           INTEGER NOT NULL PRIMARY KEY,
    revision     INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    task_json    TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    done         INTEGER NOT NULL,
    total        INTEGER,
    failed       INTEGER NOT NULL,
    errors_json  TEXT    NOT NULL,
    message      TEXT,
    created_at   TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at)),
    started_at   TEXT CHECK (started_at IS strftime('%Y-%m-%d %H:%M:%S', started_at)),
    finished_at  TEXT CHECK (finished_at IS strftime('%Y-%m-%d %H:%M:%S', finished_at))
) STRICT;

CREATE INDEX jobs_by_state ON jobs (state, id);

-- Since when the source of a finished migration holds nothing any more.
ALTER TABLE migrations ADD COLUMN purged_at TEXT CHECK (purged_at IS strftime('%Y-%m-%d %H:%M:%S', purged_at));
