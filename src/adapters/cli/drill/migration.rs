//! The migration of a drill, as the API shows it.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::say;
use super::super::server::Server;
use super::Fault;
use super::ground::Ground;

/// A migration that was asked for.
pub(super) struct Migration {
    id: i64,
    phase: String,
    write_hold_ms: Value,
    error: Option<String>,
}

impl Migration {
    /// Asks for it.
    pub async fn start(server: &Server, ground: &Ground, bucket: &str) -> Result<Self, Fault> {
        let body = json!({"bucket": bucket, "src_pool_id": ground.src.id, "dst_pool_id": ground.dst.id});
        let answer = server.call(Method::POST, "/api/migrations", Some(&body)).await?;
        let id = answer["id"].as_i64().ok_or("POST /api/migrations answered without an id")?;
        let mut migration = Self { id, phase: String::new(), write_hold_ms: Value::Null, error: None };
        migration.take(&answer);
        Ok(migration)
    }

    /// Looks how far it has come.
    pub async fn look(&mut self, server: &Server) -> Result<(), Fault> {
        let answer = server.call(Method::GET, &format!("/api/migrations/{}", self.id), None).await?;
        self.take(&answer);
        Ok(())
    }

    fn take(&mut self, answer: &Value) {
        let phase = answer["phase"].as_str().unwrap_or_default();
        if self.phase != phase {
            say(&format!("drill: migration {} is {phase}", self.id));
            self.phase = phase.to_owned();
        }
        self.write_hold_ms = answer["write_hold_ms"].clone();
        self.error = answer["error_msg"].as_str().map(str::to_owned);
    }

    /// Whether nothing more will come of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase.as_str(), "done" | "error" | "cancelled")
    }

    /// Whether the bucket has moved.
    pub fn is_done(&self) -> bool {
        self.phase == "done"
    }

    /// Its phase, in words.
    pub fn told(&self) -> String {
        let error = self.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!("{}{error}", self.phase)
    }

    pub fn json(&self) -> Value {
        json!({"id": self.id, "phase": self.phase, "write_hold_ms": self.write_hold_ms})
    }
}
