//! A running server, asked through its API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, LINK};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::trust::Trust;
use crate::adapters::http::REASON_HEADER;
use crate::adapters::process_lock::LockError;
use crate::config::{Secret, Settings};
use crate::domain::services::publish::reason;

type Fault = Box<dyn std::error::Error>;

/// A rebuild of a large gateway takes as long as nginx takes to read it, several times.
const PATIENCE: Duration = Duration::from_secs(600);
/// Entries a page of a list.
const PAGE: u32 = 1000;

/// Nobody is there: a fault of its own, with an exit status of its own.
#[derive(Debug, thiserror::Error)]
#[error(
    "no server answers at {base} ({why}). Start it (systemctl start nanio-orchestrator), or name another one with \
     --server or NANIO_ORCHESTRATOR_SERVER"
)]
pub(super) struct Unanswered {
    base: String,
    why: String,
}

/// The server is there and says no.
#[derive(Debug, thiserror::Error)]
#[error("the server at {base} answered {status}: {detail}")]
pub(super) struct Refused {
    base: String,
    status: StatusCode,
    /// Its words.
    pub detail: String,
}

impl Refused {
    /// Whether what was asked about is not there.
    pub fn is_of_something_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

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
        Ok(Some(Self::own(address, settings)?))
    }

    /// The server that these settings are of, whether it runs or not.
    pub fn configured(settings: &Settings) -> Result<Self, Fault> {
        Self::own(&settings.listen_address(), settings)
    }

    /// A server with these settings that listens on `address`.
    fn own(address: &str, settings: &Settings) -> Result<Self, Fault> {
        let address = reachable(address);
        match &settings.tls_cert {
            Some(certificate) => {
                Self::with(&format!("https://{address}"), settings.api_key.clone(), Trust::Holder(certificate))
            }
            None => Self::with(&format!("http://{address}"), settings.api_key.clone(), Trust::System),
        }
    }

    /// As [`Server::configured`], but proven by the authorities in a file: for who does not trust this machine's files.
    pub fn named(settings: &Settings, authorities: &Path) -> Result<Self, Fault> {
        let scheme = if settings.tls_cert.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", reachable(&settings.listen_address()));
        Self::with(&base, settings.api_key.clone(), Trust::Authorities(authorities))
    }

    /// The server at a URL.
    pub fn at(base: &str, settings: &Settings) -> Result<Self, Fault> {
        Self::with(base, settings.api_key.clone(), Trust::System)
    }

    /// The server at a URL, with its key and what proves that it is the right one.
    pub fn with(base: &str, key: Secret, trust: Trust<'_>) -> Result<Self, Fault> {
        let url =
            reqwest::Url::parse(base).map_err(|error| format!("{base}: {error}; write it as http://host:port"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("{base}: write the server as http://host:port or https://host:port").into());
        }
        // No proxy of the environment: the server is on this machine, or on a network of the operator's.
        let client = trust.apply(Client::builder().no_proxy().timeout(PATIENCE))?.build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key })
    }

    /// Has it do `/api/config/<operation>`; gives its answer.
    pub async fn ask(&self, operation: &str) -> Result<Value, Fault> {
        self.call(Method::POST, &format!("/api/config/{operation}"), None).await
    }

    /// What is at a path.
    pub async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.call(Method::GET, path, None).await
    }

    /// A whole list, page by page.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, Fault> {
        let mut entries = Vec::new();
        let mut next = Some(format!("{path}?limit={PAGE}"));
        while let Some(page) = next {
            let (answer, link) = self.answer(Method::GET, &page, None).await?;
            let Value::Array(page) = answer else { return Err(format!("GET {page}: the answer is no list").into()) };
            entries.extend(page);
            next = link;
        }
        Ok(entries)
    }

    /// Asks it anything; gives its answer, `null` if that is empty.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
        Ok(self.answer(method, path, body).await?.0)
    }

    /// The answer, and where the list goes on whose page it is.
    async fn answer(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(Value, Option<String>), Fault> {
        let body = body.map(|body| ("application/json", body.to_string()));
        let (status, headers, bytes) = self.ask_anything(method, path, body).await?;
        if status.is_success() && bytes.is_empty() {
            return Ok((Value::Null, None));
        }
        let body: Value = serde_json::from_slice(&bytes)
            .map_err(|_| format!("the server at {} answered {status}, but not in JSON", self.base))?;
        if !status.is_success() {
            return Err(Refused { base: self.base.clone(), status, detail: detail(&body["detail"]) }.into());
        }
        Ok((body, next_page(&headers)))
    }

    /// Asks it anything, in any form; gives its answer as it is, refusals included.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, String), Fault> {
        let (status, _, bytes) = self.ask_anything(method, path, body).await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn ask_anything(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Fault> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let mut request = request.header("X-Orchestrator-Key", self.key.reveal()).header("X-Orchestrator-Actor", "cli");
        if let Some(reason) = reason::current() {
            request = request.header(REASON_HEADER, HeaderValue::from_bytes(reason.as_str().as_bytes())?);
        }
        if let Some((form, body)) = body {
            request = request.header("Content-Type", form).body(body);
        }
        let answer = request.send().await.map_err(|error| self.unanswered(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if status == StatusCode::UNAUTHORIZED {
            return Err(format!(
                "the server at {} has another API key than is known here: it was changed since the server was started, \
                 or this is another server. Restart the server, or give its key as NANIO_ORCHESTRATOR_API_KEY",
                self.base
            )
            .into());
        }
        let bytes = answer.bytes().await.map_err(|error| self.unanswered(&error))?;
        Ok((status, headers, bytes.to_vec()))
    }

    /// Why there is no answer, by its innermost cause.
    fn unanswered(&self, error: &reqwest::Error) -> Fault {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let why = cause.to_string();
        if self.base.starts_with("https:") && why.contains("certificate") {
            return format!(
                "the server at {} is not trusted ({why}): name the file of the authority that vouches for it with --ca-cert",
                self.base
            )
            .into();
        }
        Unanswered { base: self.base.clone(), why }.into()
    }
}

/// What a refusal says: a sentence, or a line for each value that is wrong.
fn detail(detail: &Value) -> String {
    let fault = |fault: &Value| {
        let steps = fault["loc"].as_array().map(Vec::as_slice).unwrap_or_default();
        let steps = steps.iter().skip(1).map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
        let place = steps.collect::<Vec<_>>().join(".");
        let told = fault["msg"].as_str().map_or_else(|| fault.to_string(), str::to_owned);
        if place.is_empty() { format!("\n  {told}") } else { format!("\n  {place}: {told}") }
    };
    match detail {
        Value::String(text) => text.clone(),
        Value::Array(faults) => faults.iter().map(fault).collect(),
        other => other.to_string(),
    }
}

/// The next page by RFC 8288, if it is one of the same server.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let (target, parameters) = headers.get(LINK)?.to_str().ok()?.strip_prefix('<')?.split_once('>')?;
    (target.starts_with('/') && parameters.contains("rel=\"next\"")).then(|| target.to_owned())
}

/// The address under which a server that listens on `address` can be called from this machine.
pub(super) fn reachable(address: &str) -> String {
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_called_on_this_machine() {
        assert_eq!(reachable("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080"), "[::1]:8080");
        assert_eq!(reachable("10.0.0.1:81"), "10.0.0.1:81");
        assert_eq!(reachable("gw.example:81"), "gw.example:81");
    }

    #[test]
    fn a_list_goes_on_only_on_the_same_server() {
        let next = |link: &str| {
            let link = reqwest::header::HeaderValue::from_str(link).unwrap();
            next_page(&HeaderMap::from_iter([(LINK, link)]))
        };
        assert_eq!(next("</api/pools?limit=1&after=2>; rel=\"next\"").as_deref(), Some("/api/pools?limit=1&after=2"));
        assert_eq!(next("<http://elsewhere/api/pools>; rel=\"next\""), None);
        assert_eq!(next("</api/pools>; rel=\"prev\""), None);
    }

    #[test]
    fn every_value_that_is_wrong_has_a_line() {
        let faults = json!([
            {"loc": ["body", "members", 0, "weight"], "msg": "too small"},
            {"loc": ["body"], "msg": "odd"},
        ]);
        assert_eq!(detail(&faults), "\n  members.0.weight: too small\n  odd");
        assert_eq!(detail(&json!("in use")), "in use");
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused_before_anything_is_asked() {
        for url in ["nonsense", "ftp://h", "localhost:8080"] {
            let refused = Server::with(url, Secret::new("k"), Trust::System).err().unwrap().to_string();
            assert!(refused.contains("http://host:port"), "{url}: {refused}");
        }
    }
}
