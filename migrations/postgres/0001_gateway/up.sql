-- The gateway: pools, their members, vhosts, their routes; and what the program keeps about its own work.
--
-- Words such as type or role are checked by the domain, which can name the row at fault, so that a
-- new word needs no new table. Texts have the collation "C": lists are ordered by bytes, whatever
-- the locale of the database.

CREATE TABLE id_counters (
    kind    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    highest BIGINT           NOT NULL
);

INSERT INTO id_counters (kind, highest)
VALUES ('pool', 0), ('pool_member', 0), ('vhost', 0), ('route', 0), ('audit', 0);

CREATE TABLE pools (
    id                   BIGINT           NOT NULL PRIMARY KEY,
    revision             BIGINT           NOT NULL,
    name                 TEXT COLLATE "C" NOT NULL,
    description          TEXT COLLATE "C",
    type                 TEXT COLLATE "C" NOT NULL,
    lb_method            TEXT COLLATE "C" NOT NULL,
    keepalive            BIGINT           NOT NULL,
    source_nanio_pool_id BIGINT REFERENCES pools (id),
    created_at           TIMESTAMP        NOT NULL,
    updated_at           TIMESTAMP        NOT NULL
);

-- nginx compares upstream names without regard to case.
CREATE UNIQUE INDEX pools_by_name ON pools (lower(name));
CREATE INDEX pools_by_source ON pools (source_nanio_pool_id);

CREATE TABLE pool_members (
    id             BIGINT           NOT NULL PRIMARY KEY,
    revision       BIGINT           NOT NULL,
    pool_id        BIGINT           NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    address        TEXT COLLATE "C" NOT NULL,
    role           TEXT COLLATE "C" NOT NULL,
    weight         BIGINT           NOT NULL,
    max_fails      BIGINT           NOT NULL,
    fail_timeout_s BIGINT           NOT NULL,
    enabled        BOOLEAN          NOT NULL,
    created_at     TIMESTAMP        NOT NULL,
    updated_at     TIMESTAMP        NOT NULL
);

CREATE INDEX pool_members_by_pool ON pool_members (pool_id, enabled);

CREATE TABLE vhosts (
    id                BIGINT           NOT NULL PRIMARY KEY,
    revision          BIGINT           NOT NULL,
    server_name       TEXT COLLATE "C" NOT NULL UNIQUE,
    listen_port       BIGINT           NOT NULL,
    ssl               BOOLEAN          NOT NULL,
    enabled           BOOLEAN          NOT NULL,
    default_pool_id   BIGINT REFERENCES pools (id),
    ssl_cert_path     TEXT COLLATE "C",
    ssl_key_path      TEXT COLLATE "C",
    ip_rule_mode      TEXT COLLATE "C",
    ip_rule_ips_json  TEXT COLLATE "C",
    extra_directives  TEXT COLLATE "C",
    extra_blocks_json TEXT COLLATE "C",
    created_at        TIMESTAMP        NOT NULL,
    updated_at        TIMESTAMP        NOT NULL
);

CREATE INDEX vhosts_by_default_pool ON vhosts (default_pool_id);

CREATE TABLE routes (
    id               BIGINT           NOT NULL PRIMARY KEY,
    revision         BIGINT           NOT NULL,
    vhost_id         BIGINT           NOT NULL REFERENCES vhosts (id) ON DELETE CASCADE,
    path_prefix      TEXT COLLATE "C" NOT NULL,
    canonical_prefix TEXT COLLATE "C" NOT NULL,
    pool_id          BIGINT           NOT NULL REFERENCES pools (id),
    key_prefix       TEXT COLLATE "C",
    extra_directives TEXT COLLATE "C",
    enabled          BOOLEAN          NOT NULL,
    created_at       TIMESTAMP        NOT NULL,
    updated_at       TIMESTAMP        NOT NULL,
    -- Two prefixes that differ in a slash at the end only would claim the same requests.
    UNIQUE (vhost_id, canonical_prefix)
);

CREATE INDEX routes_by_pool ON routes (pool_id, vhost_id);

CREATE TABLE audit_log (
    id                  BIGINT           NOT NULL PRIMARY KEY,
    actor               TEXT COLLATE "C" NOT NULL,
    action              TEXT COLLATE "C" NOT NULL,
    entity_type         TEXT COLLATE "C" NOT NULL,
    entity_id           BIGINT,
    before_json         TEXT COLLATE "C",
    after_json          TEXT COLLATE "C",
    nginx_reload_ok     BOOLEAN,
    nginx_reload_output TEXT COLLATE "C",
    created_at          TIMESTAMP        NOT NULL
);

CREATE INDEX audit_log_by_entity ON audit_log (entity_type, entity_id, id);
CREATE INDEX audit_log_by_time ON audit_log (created_at, id);

CREATE TABLE config_files (
    path       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sha256     TEXT COLLATE "C" NOT NULL,
    written_at TIMESTAMP        NOT NULL
);

CREATE TABLE facts (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE revoked_sessions (
    session TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires TIMESTAMP        NOT NULL
);

CREATE INDEX revoked_sessions_by_expiry ON revoked_sessions (expires);
