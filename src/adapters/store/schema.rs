//! The tables, as `migrations/` makes them: the same columns on every database.

diesel::table! {
    id_counters (kind) {
        kind -> Text,
        highest -> BigInt,
    }
}

diesel::table! {
    pools (id) {
        id -> BigInt,
        revision -> BigInt,
        name -> Text,
        description -> Nullable<Text>,
        #[sql_name = "type"]
        kind -> Text,
        lb_method -> Text,
        keepalive -> BigInt,
        source_nanio_pool_id -> Nullable<BigInt>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    pool_members (id) {
        id -> BigInt,
        revision -> BigInt,
        pool_id -> BigInt,
        address -> Text,
        role -> Text,
        weight -> BigInt,
        max_fails -> BigInt,
        fail_timeout_s -> BigInt,
        enabled -> Bool,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    vhosts (id) {
        id -> BigInt,
        revision -> BigInt,
        server_name -> Text,
        listen_port -> BigInt,
        ssl -> Bool,
        enabled -> Bool,
        default_pool_id -> Nullable<BigInt>,
        ssl_cert_path -> Nullable<Text>,
        ssl_key_path -> Nullable<Text>,
        ip_rule_mode -> Nullable<Text>,
        ip_rule_ips_json -> Nullable<Text>,
        extra_directives -> Nullable<Text>,
        extra_blocks_json -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    routes (id) {
        id -> BigInt,
        revision -> BigInt,
        vhost_id -> BigInt,
        path_prefix -> Text,
        canonical_prefix -> Text,
        pool_id -> BigInt,
        key_prefix -> Nullable<Text>,
        extra_directives -> Nullable<Text>,
        enabled -> Bool,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    audit_log (id) {
        id -> BigInt,
        actor -> Text,
        action -> Text,
        entity_type -> Text,
        entity_id -> Nullable<BigInt>,
        before_json -> Nullable<Text>,
        after_json -> Nullable<Text>,
        nginx_reload_ok -> Nullable<Bool>,
        nginx_reload_output -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    config_files (path) {
        path -> Text,
        sha256 -> Text,
        written_at -> Timestamp,
    }
}

diesel::table! {
    facts (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    revoked_sessions (session) {
        session -> Text,
        expires -> Timestamp,
    }
}

diesel::table! {
    pool_credentials (pool_id) {
        pool_id -> BigInt,
        access_key_enc -> Text,
        secret_key_enc -> Text,
        endpoint_url -> Nullable<Text>,
        region -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    bucket_sync (vhost_id, bucket) {
        vhost_id -> BigInt,
        bucket -> Text,
        status -> Text,
        routed_pool_id -> Nullable<BigInt>,
        discovered_at -> Timestamp,
    }
}

diesel::table! {
    bucket_listings (vhost_id) {
        vhost_id -> BigInt,
        listed_at -> Timestamp,
    }
}

diesel::table! {
    migrations (id) {
        id -> BigInt,
        revision -> BigInt,
        vhost_id -> BigInt,
        vhost_name -> Text,
        bucket -> Text,
        src_pool_id -> BigInt,
        src_pool_name -> Text,
        dst_pool_id -> BigInt,
        dst_pool_name -> Text,
        mode -> Text,
        phase -> Text,
        route_id -> Nullable<BigInt>,
        needs_adoption -> Bool,
        objects_total -> BigInt,
        objects_done -> BigInt,
        bytes_total -> BigInt,
        bytes_done -> BigInt,
        error_msg -> Nullable<Text>,
        started_at -> Nullable<Timestamp>,
        finished_at -> Nullable<Timestamp>,
        orphaned_source_pool_id -> Nullable<BigInt>,
        orphaned_source_pool_name -> Nullable<Text>,
        orphaned_source_prefix -> Nullable<Text>,
        orphaned_at -> Nullable<Timestamp>,
        swept_http_vhosts_json -> Text,
        updated_http_vhosts_json -> Text,
        created_at -> Timestamp,
        work_json -> Text,
        gated -> Bool,
        purged_at -> Nullable<Timestamp>,
        due -> Bool,
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        revision -> BigInt,
        kind -> Text,
        task_json -> Text,
        state -> Text,
        actor -> Text,
        done -> BigInt,
        total -> Nullable<BigInt>,
        failed -> BigInt,
        errors_json -> Text,
        message -> Nullable<Text>,
        created_at -> Timestamp,
        started_at -> Nullable<Timestamp>,
        finished_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    migration_log (id) {
        id -> BigInt,
        migration_id -> BigInt,
        phase -> Text,
        message -> Text,
        created_at -> Timestamp,
    }
}

diesel::joinable!(routes -> vhosts (vhost_id));
diesel::allow_tables_to_appear_in_same_query!(pools, pool_members, vhosts, routes);

diesel::define_sql_function! {
    /// ASCII letters in lower case.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

diesel::define_sql_function! {
    /// How many characters a text has.
    fn length(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
}
