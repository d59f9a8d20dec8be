-- The gateway: pools, their members, vhosts, their routes; and what the program keeps about its own work.
--
-- Words such as type or role are checked by the domain, which can name the row at fault, so that a
-- new word needs no new table. What no decoder could repair (a time, a truth value) is checked here.

CREATE TABLE id_counters (
    kind    TEXT    NOT NULL PRIMARY KEY,
    highest INTEGER NOT NULL
) STRICT;

INSERT INTO id_counters (kind, highest)
VALUES ('pool', 0), ('pool_member', 0), ('vhost', 0), ('route', 0), ('audit', 0);

CREATE TABLE pools (
    id                   INTEGER NOT NULL PRIMARY KEY,
    revision             INTEGER NOT NULL,
    name                 TEXT    NOT NULL,
    description          TEXT,
    type                 TEXT    NOT NULL,
    lb_method            TEXT    NOT NULL,
    keepalive            INTEGER NOT NULL,
    source_nanio_pool_id INTEGER REFERENCES pools (id),
    created_at           TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at)),
    updated_at           TEXT    NOT NULL CHECK (updated_at IS strftime('%Y-%m-%d %H:%M:%S', updated_at))
) STRICT;

-- nginx compares upstream names without regard to case.
CREATE UNIQUE INDEX pools_by_name ON pools (lower(name));
-- For pages of the list.
CREATE INDEX pools_in_order ON pools (name);
CREATE INDEX pools_by_source ON pools (source_nanio_pool_id);

CREATE TABLE pool_members (
    id             INTEGER NOT NULL PRIMARY KEY,
    revision       INTEGER NOT NULL,
    pool_id        INTEGER NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    address        TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    weight         INTEGER NOT NULL,
    max_fails      INTEGER NOT NULL,
    fail_timeout_s INTEGER NOT NULL,
    enabled        INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at     TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at)),
    updated_at     TEXT    NOT NULL CHECK (updated_at IS strftime('%Y-%m-%d %H:%M:%S', updated_at))
) STRICT;

CREATE INDEX pool_members_by_pool ON pool_members (pool_id, enabled);
CREATE INDEX pool_members_in_order ON pool_members (pool_id, id);

CREATE TABLE vhosts (
    id                INTEGER NOT NULL PRIMARY KEY,
    revision          INTEGER NOT NULL,
    server_name       TEXT    NOT NULL UNIQUE,
    listen_port       INTEGER NOT NULL,
    ssl               INTEGER NOT NULL CHECK (ssl IN (0, 1)),
    enabled           INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    default_pool_id   INTEGER REFERENCES pools (id),
    ssl_cert_path     TEXT,
    ssl_key_path      TEXT,
    ip_rule_mode      TEXT,
    ip_rule_ips_json  TEXT,
    extra_directives  TEXT,
    extra_blocks_json TEXT,
    created_at        TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at)),
    updated_at        TEXT    NOT NULL CHECK (updated_at IS strftime('%Y-%m-%d %H:%M:%S', updated_at))
) STRICT;

CREATE INDEX vhosts_by_default_pool ON vhosts (default_pool_id);

CREATE TABLE routes (
    id               INTEGER NOT NULL PRIMARY KEY,
    revision         INTEGER NOT NULL,
    vhost_id         INTEGER NOT NULL REFERENCES vhosts (id) ON DELETE CASCADE,
    path_prefix      TEXT    NOT NULL,
    canonical_prefix TEXT    NOT NULL,
    pool_id          INTEGER NOT NULL REFERENCES pools (id),
    key_prefix       TEXT,
    extra_directives TEXT,
    enabled          INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at       TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at)),
    updated_at       TEXT    NOT NULL CHECK (updated_at IS strftime('%Y-%m-%d %H:%M:%S', updated_at)),
    -- Two prefixes that differ in a slash at the end only would claim the same requests.
    UNIQUE (vhost_id, canonical_prefix)
) STRICT;

CREATE INDEX routes_by_pool ON routes (pool_id, vhost_id);
CREATE INDEX routes_in_order ON routes (vhost_id, length(path_prefix) DESC, id);

CREATE TABLE audit_log (
    id                  INTEGER NOT NULL PRIMARY KEY,
    actor               TEXT    NOT NULL,
    action              TEXT    NOT NULL,
    entity_type         TEXT    NOT NULL,
    entity_id           INTEGER,
    before_json         TEXT,
    after_json          TEXT,
    nginx_reload_ok     INTEGER CHECK (nginx_reload_ok IN (0, 1)),
    nginx_reload_output TEXT,
    created_at          TEXT    NOT NULL CHECK (created_at IS strftime('%Y-%m-%d %H:%M:%S', created_at))
) STRICT;

CREATE INDEX audit_log_by_entity ON audit_log (entity_type, entity_id, id);
CREATE INDEX audit_log_by_time ON audit_log (created_at, id);

CREATE TABLE config_files (
    path       TEXT NOT NULL PRIMARY KEY,
    sha256     TEXT NOT NULL,
    written_at TEXT NOT NULL CHECK (written_at IS strftime('%Y-%m-%d %H:%M:%S', written_at))
) STRICT;

CREATE TABLE facts (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE revoked_sessions (
    session TEXT NOT NULL PRIMARY KEY,
    expires TEXT NOT NULL CHECK (expires IS strftime('%Y-%m-%d %H:%M:%S', expires))
) STRICT;

CREATE INDEX revoked_sessions_by_expiry ON revoked_sessions (expires);
