-- What a rebuild needs beside the gateway itself: S3 keys of pools, buckets, migrations.

INSERT INTO id_counters (kind, highest)
VALUES ('migration', 0);

CREATE TABLE pool_credentials (
    pool_id        BIGINT NOT NULL PRIMARY KEY REFERENCES pools (id) ON DELETE CASCADE,
    access_key_enc TEXT COLLATE "C"    NOT NULL,
    secret_key_enc TEXT COLLATE "C"    NOT NULL,
    endpoint_url   TEXT COLLATE "C",
    region         TEXT COLLATE "C"    NOT NULL,
    created_at     TIMESTAMP    NOT NULL,
    updated_at     TIMESTAMP    NOT NULL
);

CREATE TABLE bucket_sync (
    vhost_id       BIGINT NOT NULL REFERENCES vhosts (id) ON DELETE CASCADE,
    bucket         TEXT COLLATE "C"    NOT NULL,
    status         TEXT COLLATE "C"    NOT NULL,
    routed_pool_id BIGINT REFERENCES pools (id) ON DELETE SET NULL,
    discovered_at  TIMESTAMP    NOT NULL,
    PRIMARY KEY (vhost_id, bucket)
);

CREATE INDEX bucket_sync_by_status ON bucket_sync (vhost_id, status, bucket);
CREATE INDEX bucket_sync_by_pool ON bucket_sync (routed_pool_id);

-- No reference to pools, vhosts and routes: what a finished migration was about may go, and its record, which
-- keeps the names, must not stand in the way.
CREATE TABLE migrations (
    id                        BIGINT NOT NULL PRIMARY KEY,
    revision                  BIGINT NOT NULL,
    vhost_id                  BIGINT NOT NULL,
    vhost_name                TEXT COLLATE "C"    NOT NULL,
    bucket                    TEXT COLLATE "C"    NOT NULL,
    src_pool_id               BIGINT NOT NULL,
    src_pool_name             TEXT COLLATE "C"    NOT NULL,
    dst_pool_id               BIGINT NOT NULL,
    dst_pool_name             TEXT COLLATE "C"    NOT NULL,
    mode                      TEXT COLLATE "C"    NOT NULL,
    phase                     TEXT COLLATE "C"    NOT NULL,
    route_id                  BIGINT,
    needs_adoption            BOOLEAN NOT NULL,
    objects_total             BIGINT NOT NULL,
    objects_done              BIGINT NOT NULL,
    bytes_total               BIGINT NOT NULL,
    bytes_done                BIGINT NOT NULL,
    error_msg                 TEXT COLLATE "C",
    started_at                TIMESTAMP,
    finished_at               TIMESTAMP,
    orphaned_source_pool_id   BIGINT,
    orphaned_source_pool_name TEXT COLLATE "C",
    orphaned_source_prefix    TEXT COLLATE "C",
    orphaned_at               TIMESTAMP,
    swept_http_vhosts_json    TEXT COLLATE "C"    NOT NULL,
    updated_http_vhosts_json  TEXT COLLATE "C"    NOT NULL,
    created_at                TIMESTAMP    NOT NULL
);

CREATE INDEX migrations_by_phase ON migrations (phase, id);
CREATE INDEX migrations_by_vhost ON migrations (vhost_id, needs_adoption);

-- The routes that a sidecar holds: the few disabled ones among many.
CREATE INDEX routes_by_state ON routes (vhost_id, enabled, id);
