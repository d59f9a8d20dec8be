-- What a rebuild needs beside the gateway itself: S3 keys of pools, buckets, migrations.

INSERT INTO id_counters (kind, highest)
VALUES ('migration', 0);

CREATE TABLE pool_credentials (
    pool_id        INTEGER NOT NULL PRIMARY KEY REFERENCES pools (id) ON DELETE CASCADE,
    access_key_enc TEXT    NOT NULL,
    secret_key_enc TEXT    NOT NULL,
    endpoint_url   TEXT,
    region         TEXT    NOT NULL,
    created_at     TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at)),
    updated_at     TEXT    NOT NULL CHECK (updated_at IS strftime('%Y-%m-%d %H:%M:%S', updated_at))
) STRICT;

CREATE TABLE bucket_sync (
    vhost_id       INTEGER NOT NULL REFERENCES vhosts (id) ON DELETE CASCADE,
    bucket         TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    routed_pool_id INTEGER REFERENCES pools (id) ON DELETE SET NULL,
    discovered_at  TEXT    NOT NULL CHECK (discovered_at IS strftime('%Y-%m-%d %H:%M:%S', discovered_at)),
    PRIMARY KEY (vhost_id, bucket)
) STRICT;

CREATE INDEX bucket_sync_by_status ON bucket_sync (vhost_id, status, bucket);
CREATE INDEX bucket_sync_by_pool ON bucket_sync (routed_pool_id);

-- No reference to pools, vhosts and routes: what a finished migration was about may go, and its record, which
-- keeps the names, must not stand in the way.
CREATE TABLE migrations (
    id                        INTEGER NOT NULL PRIMARY KEY,
    revision                  INTEGER NOT NULL,
    vhost_id                  INTEGER NOT NULL,
    vhost_name                TEXT    NOT NULL,
    bucket                    TEXT    NOT NULL,
    src_pool_id               INTEGER NOT NULL,
    src_pool_name             TEXT    NOT NULL,
    dst_pool_id               INTEGER NOT NULL,
    dst_pool_name             TEXT    NOT NULL,
    mode                      TEXT    NOT NULL,
    phase                     TEXT    NOT NULL,
    route_id                  INTEGER,
    needs_adoption            INTEGER NOT NULL CHECK (needs_adoption IN (0, 1)),
    objects_total             INTEGER NOT NULL,
    objects_done              INTEGER NOT NULL,
    bytes_total               INTEGER NOT NULL,
    bytes_done                INTEGER NOT NULL,
    error_msg                 TEXT,
    started_at                TEXT CHECK (started_at IS strftime('%Y-%m-%d %H:%M:%S', started_at)),
    finished_at               TEXT CHECK (finished_at IS strftime('%Y-%m-%d %H:%M:%S', finished_at)),
    orphaned_source_pool_id   INTEGER,
    orphaned_source_pool_name TEXT,
    orphaned_source_prefix    TEXT,
    orphaned_at               TEXT CHECK (orphaned_at IS strftime('%Y-%m-%d %H:%M:%S', orphaned_at)),
    swept_http_vhosts_json    TEXT    NOT NULL,
    updated_http_vhosts_json  TEXT    NOT NULL,
    created_at                TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at))
) STRICT;

CREATE INDEX migrations_by_phase ON migrations (phase, id);
CREATE INDEX migrations_by_vhost ON migrations (vhost_id, needs_adoption);

-- The routes that a sidecar holds: the few disabled ones among many.
CREATE INDEX routes_by_state ON routes (vhost_id, enabled, id);
