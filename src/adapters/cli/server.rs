//! The server that runs on the same data, asked through its API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::adapters::process_lock::LockError;
use crate::config::{Secret, Settings};

type Fault = Box<dyn std::error::Error>;

/// A rebuild of a large gateway takes as long as nginx takes to read it, several times.
const PATIENCE: Duration = Duration::from_secs(600);

/// A server, and the key to it.
pub(super) struct Server {
    client: Client,
    base: String,
    key: Secret,
}

impl Server {
    /// The holder of the lock, if it is a server.
    pub fn of(busy: &LockError, settings: &Settings) -> Result<Option<Self>, Fault> {
        let LockError::Busy { holder: Some(holder), .. } = busy else { return Ok(None) };
        let Some(address) = holder.purpose.strip_prefix("serves ") else { return Ok(None) };
        Ok(Some(Self::at(&format!("http://{}", reachable(address)), settings)?))
    }

    /// The server that these settings are of, whether it runs or not.
    pub fn configured(settings: &Settings) -> Result<Self, Fault> {
        let host = if settings.host.contains(':') { format!("[{}]", settings.host) } else { settings.host.clone() };
        Self::at(&format!("http://{}", reachable(&format!("{host}:{}", settings.port))), settings)
    }

    /// The server at a URL.
    pub fn at(base: &str, settings: &Settings) -> Result<Self, Fault> {
        // No proxy of the environment: the server is on this machine, or on a network of the operator's.
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key: settings.api_key.clone() })
    }

    /// Has it do `/api/config/<operation>`; gives its answer.
    pub async fn ask(&self, operation: &str) -> Result<Value, Fault> {
        self.call(Method::POST, &format!("/api/config/{operation}"), None).await
    }

    /// Asks it anything; gives its answer, `null` if that is empty.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        let body = body.map(|body| ("application/json", body.to_string()));
        let (status, text) = self.send(method, path, body).await?;
        if status.is_success() && text.is_empty() {
            return Ok(Value::Null);
        }
        let body: Value = serde_json::from_str(&text)
            .map_err(|_| format!("the server at {} answered {status}, but not in JSON", self.base))?;
        if !status.is_success() {
            let detail = body["detail"].as_str().map_or_else(|| body.to_string(), str::to_owned);
            return Err(format!("the server at {} answered {status}: {detail}", self.base).into());
        }
        Ok(body)
    }

    /// Asks it anything, in any form; gives its answer as it is, refusals included.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, String), Fault> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let mut request = request.header("X-Orchestrator-Key", self.key.reveal()).header("X-Orchestrator-Actor", "cli");
        if let Some((form, body)) = body {
            request = request.header("Content-Type", form).body(body);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| format!("the server at {} does not answer: {error}", self.base))?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(format!(
                "the server at {} has another API key than the settings here: it was changed since the server was \
                 started. Restart the server, or give its key as NANIO_ORCHESTRATOR_API_KEY",
                self.base
            )
            .into());
        }
        let bytes = answer.bytes().await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The address under which a server that listens on `address` can be called from this machine.
fn reachable(address: &str) -> String {
    let Ok(socket) = address.parse::<SocketAddr>() else { return address.to_owned() };
    let ip = match socket.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, socket.port()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_called_on_this_machine() {
        assert_eq!(reachable("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080"), "[::1]:8080");
        assert_eq!(reachable("10.0.0.1:81"), "10.0.0.1:81");
        assert_eq!(reachable("gw.example:81"), "gw.example:81");
    }
}
