//! A canary's way in: through a listener of nginx's, as a client's.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};

use crate::ports::gate::{GateError, Listener};

/// nginx is on this machine, but the storage behind it may be slow, and the gate may hold the canary.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a `PUT` without body and signature to a listener of this machine; gives the status.
///
/// The certificate is not looked at: the connection goes to this machine, nothing secret is sent, and nothing of the
/// answer but its status is believed.
pub(super) async fn knock(listener: &Listener, path: &str) -> Result<u16, GateError> {
    let (host, path) = addressed(listener, path);
    let port = u16::try_from(listener.port.get())
        .map_err(|_| GateError::Fault(format!("{} is no port", listener.port.get())))?;
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let scheme = if listener.tls { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{port}{path}");
    let fault = |error: reqwest::Error| {
        let what = if error.is_timeout() { "has no answer" } else { "failed" };
        GateError::Fault(format!(
            "a request to {host} at {here} {what}: {}; is the vhost enabled, and nginx reloaded?",
            error.without_url()
        ))
    };
    let client = Client::builder().no_proxy().redirect(Policy::none()).referer(false).pool_max_idle_per_host(0);
    let client = client.resolve(&host, here).tls_danger_accept_invalid_certs(true).timeout(PATIENCE).build();
    let request = client.map_err(fault)?.request(Method::PUT, &url).header("Connection", "close");
    Ok(request.header("Content-Length", "0").send().await.map_err(fault)?.status().as_u16())
}

/// Host and path for a path whose first segment is the bucket: a wildcard name wants the bucket in the host.
fn addressed(listener: &Listener, path: &str) -> (String, String) {
    let name = listener.server_name.as_str();
    let Some(domain) = name.strip_prefix("*.") else { return (name.to_owned(), path.to_owned()) };
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    (format!("{bucket}.{domain}"), format!("/{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vhost::{Port, ServerName};

    #[test]
    fn a_wildcard_name_gets_the_bucket_in_the_host() {
        let listener = |name: &str| Listener {
            server_name: ServerName::parse(name).unwrap(),
            port: Port::new(80).unwrap(),
            tls: false,
        };
        let told = |host: &str, path: &str| (host.to_owned(), path.to_owned());
        assert_eq!(addressed(&listener("s3.example"), "/b/k/l"), told("s3.example", "/b/k/l"));
        assert_eq!(addressed(&listener("*.s3.example"), "/b/k/l"), told("b.s3.example", "/k/l"));
        assert_eq!(addressed(&listener("*.s3.example"), "/b"), told("b.s3.example", "/"));
    }
}
