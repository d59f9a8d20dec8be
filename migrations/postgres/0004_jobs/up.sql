-- Work that goes on after the request that asked for it, and what such work takes off a migration's record.

INSERT INTO id_counters (kind, highest)
VALUES ('job', 0);

-- No reference to pools and vhosts: what a job was about may go, and its record, which keeps the names, stays.
CREATE TABLE jobs (
    id           BIGINT NOT NULL PRIMARY KEY,
    revision     BIGINT NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    task_json    TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    actor        TEXT COLLATE "C" NOT NULL,
    done         BIGINT NOT NULL,
    total        BIGINT,
    failed       BIGINT NOT NULL,
    errors_json  TEXT COLLATE "C" NOT NULL,
    message      TEXT COLLATE "C",
    created_at   TIMESTAMP NOT NULL,
    started_at   TIMESTAMP,
    finished_at  TIMESTAMP
);

CREATE INDEX jobs_by_state ON jobs (state, id);

-- Since when the source of a finished migration holds nothing any more.
ALTER TABLE migrations ADD COLUMN purged_at TIMESTAMP;
