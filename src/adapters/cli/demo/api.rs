//! Configures the gateway of a demo as a user would: through the HTTP API. What is there already stays.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::DemoError;
use super::storage::{Node, POOLS};
use crate::config::Secret;

/// The API of the demo's own server.
pub(super) struct Api {
    client: Client,
    base: String,
    key: Secret,
}

impl Api {
    pub fn new(client: Client, base: String, key: Secret) -> Self {
        Self { client, base, key }
    }

    /// Whether the server answers.
    pub async fn is_up(&self) -> bool {
        match self.client.get(format!("{}/api/health", self.base)).send().await {
            Ok(answer) => answer.status().is_success(),
            Err(_) => false,
        }
    }

    /// Two pools with their members, a vhost on the gateway port that serves the first, a route of one
    /// bucket to the second; then a reload makes it live.
    pub async fn configure(&self, nodes: &[Node], gateway_port: u16) -> Result<(), DemoError> {
        let mut pools = Vec::new();
        for (name, _) in POOLS {
            let pool = self.ensure("/api/pools", "name", json!({"name": name, "type": "nanio"})).await?;
            let members = format!("/api/pools/{pool}/members");
            for node in nodes.iter().filter(|node| node.pool == name) {
                self.ensure(&members, "address", json!({"address": format!("127.0.0.1:{}", node.port)})).await?;
            }
            pools.push(pool);
        }
        let [first, second] = pools[..] else { return Ok(()) };
        let vhost = json!({
            "server_name": "localhost", "listen_port": gateway_port, "ssl": false, "default_pool_id": first,
        });
        let vhost = self.ensure("/api/vhosts", "server_name", vhost).await?;
        let route = json!({"path_prefix": "/photos/", "pool_id": second});
        self.ensure(&format!("/api/vhosts/{vhost}/routes"), "path_prefix", route).await?;
        let reload = self.call(Method::POST, "/api/config/reload", None).await?;
        if reload["ok"] == Value::Bool(true) {
            return Ok(());
        }
        let output = reload["output"].as_str().unwrap_or_default();
        Err(DemoError::Api { call: "POST /api/config/reload".to_owned(), answer: output.to_owned() })
    }

    /// The id of the entity of a collection whose `field` is that of `body`; created if there is none.
    async fn ensure(&self, collection: &str, field: &str, body: Value) -> Result<i64, DemoError> {
        let all = self.call(Method::GET, collection, None).await?;
        let known = all.as_array().and_then(|all| all.iter().find(|entity| entity[field] == body[field]));
        let entity = match known {
            Some(entity) => entity.clone(),
            None => self.call(Method::POST, collection, Some(&body)).await?,
        };
        entity["id"].as_i64().ok_or_else(|| DemoError::Api {
            call: format!("POST {collection}"),
            answer: "an entity without an id".to_owned(),
        })
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, DemoError> {
        let call = format!("{method} {path}");
        let fault = |answer: String| DemoError::Api { call: call.clone(), answer };
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.header("X-Orchestrator-Key", self.key.reveal());
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|e| fault(super::s3::chain(&e)))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|e| fault(super::s3::chain(&e)))?;
        if !status.is_success() {
            return Err(fault(format!("{status}: {text}")));
        }
        serde_json::from_str(&text).map_err(|_| fault(format!("{status}, but not JSON")))
    }
}
