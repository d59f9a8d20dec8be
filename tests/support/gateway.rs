//! A whole gateway: a private nginx and the orchestrator that configures it, through its HTTP API only.

use serde_json::{Value, json};

use super::http::{Request, Response};
use super::nginx::{PrivateNginx, free_port, wait_for_port};
use super::orchestrator::Orchestrator;

/// nginx, the orchestrator, and a port for the vhosts of a test.
pub struct Gateway {
    pub api: Orchestrator,
    pub nginx: PrivateNginx,
    pub port: u16,
}

impl Gateway {
    /// Both are running; nothing is configured.
    pub fn start() -> Self {
        Self::of(Orchestrator::start)
    }

    /// As [`Gateway::start`], with PostgreSQL in the place of SQLite.
    pub fn start_on_postgres() -> Self {
        Self::of(Orchestrator::start_on_postgres)
    }

    /// As [`Gateway::start`], with an nginx of the caller's and settings of the program.
    pub fn start_with(mut nginx: PrivateNginx, settings: &[(&str, &str)]) -> Self {
        nginx.start();
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.into())).collect();
        Self { api: Orchestrator::start_with(&nginx, settings), nginx, port: free_port() }
    }

    fn of(orchestrator: fn(&PrivateNginx) -> Orchestrator) -> Self {
        let mut nginx = PrivateNginx::new();
        nginx.start();
        Self { api: orchestrator(&nginx), nginx, port: free_port() }
    }

    /// A nanio pool with these members.
    pub fn pool(&self, name: &str, members: &[String]) -> i64 {
        self.pool_of("nanio", name, members)
    }

    /// A pool of a type with these members; the first member of an http pool is its primary.
    pub fn pool_of(&self, kind: &str, name: &str, members: &[String]) -> i64 {
        let pool = id(&self.api.post("/api/pools", &json!({"name": name, "type": kind})));
        for (index, address) in members.iter().enumerate() {
            let role = match (kind, index) {
                ("nanio", _) => "active",
                (_, 0) => "primary",
                _ => "replica",
            };
            self.api.post(&format!("/api/pools/{pool}/members"), &json!({"address": address, "role": role}));
        }
        pool
    }

    /// A plain vhost on the gateway's port, with a default pool.
    pub fn vhost(&self, name: &str, default_pool: i64) -> i64 {
        self.vhost_with(name, json!({"default_pool_id": default_pool}))
    }

    /// A plain vhost on the gateway's port, with more fields.
    pub fn vhost_with(&self, name: &str, fields: Value) -> i64 {
        let mut body = json!({"server_name": name, "listen_port": self.port, "ssl": false});
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        id(&self.api.post("/api/vhosts", &body))
    }

    /// A route.
    pub fn route(&self, vhost: i64, prefix: &str, pool: i64) -> i64 {
        self.route_with(vhost, prefix, pool, json!({}))
    }

    /// A route with more fields.
    pub fn route_with(&self, vhost: i64, prefix: &str, pool: i64, fields: Value) -> i64 {
        // Upstreams that echo cannot be asked what a bucket holds.
        let mut body = json!({"path_prefix": prefix, "pool_id": pool, "allow_orphan": true});
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        id(&self.api.post(&format!("/api/vhosts/{vhost}/routes"), &body))
    }

    /// Makes what was configured live. Returns when new workers serve it.
    pub fn reload(&self) {
        let answer = self.api.post("/api/config/reload", &json!({}));
        assert_eq!(answer["ok"], true, "{answer}");
    }

    /// As [`Gateway::reload`], then waits until somebody listens on the gateway's port.
    pub fn go_live(&self) {
        self.reload();
        wait_for_port(self.port);
    }

    /// Sends a request to the gateway.
    pub fn send(&self, request: &Request) -> Response {
        request.send(self.port)
    }

    /// Which upstream answers a GET of a target, or the status and the S3 code of the refusal.
    pub fn served_by(&self, target: &str) -> String {
        served(&self.send(&Request::get(target)))
    }

    /// Every row of the database and every managed file, for a comparison.
    pub fn everything(&self) -> Everything {
        Everything {
            rows: super::database::rows(&self.api.database()),
            files: super::nginx::snapshot(&self.nginx.managed()),
            status: self.api.get("/api/config/status"),
        }
    }
}

/// All state.
#[derive(Debug, PartialEq)]
pub struct Everything {
    rows: String,
    pub files: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
    status: Value,
}

/// The upstream that echoed a request, or the status and the S3 code of the refusal.
pub fn served(answer: &Response) -> String {
    if answer.status != 200 {
        return format!("{} {}", answer.status, answer.s3_code()).trim().to_owned();
    }
    answer.json()["upstream"].as_str().unwrap().to_owned()
}

/// The id of an entity.
pub fn id(entity: &Value) -> i64 {
    entity["id"].as_i64().unwrap_or_else(|| panic!("no id: {entity}"))
}
