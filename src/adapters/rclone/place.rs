//! Which place of a site rclone is sent to: the first that takes connections.

use std::time::Duration;

use http::Uri;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::domain::site::{Place, Site};
use crate::ports::copier::CopierError;

/// A node that takes longer to take a connection is passed over.
const PATIENCE: Duration = Duration::from_secs(2);

/// The places of a site that have not failed yet.
pub(super) struct Places {
    left: Vec<Target>,
    faults: Vec<String>,
}

/// A place as rclone knows it.
#[derive(Debug, Clone)]
struct Target {
    base: String,
    host: String,
    port: u16,
}

impl Places {
    pub fn of(site: &Site) -> Self {
        let mut faults = Vec::new();
        let mut left = Vec::new();
        for place in site.places() {
            match target(place) {
                Some(target) => left.push(target),
                None => faults.push(format!("{place}: rclone cannot use unix sockets")),
            }
        }
        // Taken from the end.
        left.reverse();
        Self { left, faults }
    }

    /// The base URL of the first place that takes connections.
    pub async fn first(&mut self, side: &str) -> Result<String, CopierError> {
        while let Some(target) = self.left.last() {
            match connect(target).await {
                Ok(()) => return Ok(target.base.clone()),
                Err(fault) => {
                    self.faults.push(format!("{}: {fault}", target.base));
                    self.left.pop();
                }
            }
        }
        let faults =
            if self.faults.is_empty() { "it has no enabled member".to_owned() } else { self.faults.join("; ") };
        Err(CopierError::Unreachable(format!("the {side} pool cannot be reached: {faults}")))
    }

    /// Whether the place that was used is gone, and there is another one.
    pub async fn must_move_on(&mut self) -> bool {
        match self.left.last() {
            Some(target) if self.left.len() > 1 => connect(target).await.is_err(),
            _ => false,
        }
    }
}

fn target(place: Place<'_>) -> Option<Target> {
    let base = place.base()?;
    let uri: Uri = base.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    Some(Target { base, host, port })
}

async fn connect(target: &Target) -> Result<(), String> {
    match timeout(PATIENCE, TcpStream::connect((target.host.as_str(), target.port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::{Endpoint, Region};
    use crate::domain::pool::Address;

    fn site(members: &[&str], endpoint: Option<&str>) -> Site {
        Site {
            members: members.iter().map(|member| Address::parse(member).unwrap()).collect(),
            endpoint: endpoint.map(|endpoint| Endpoint::parse(endpoint).unwrap()),
            region: Region::default(),
            keys: None,
        }
    }

    #[test]
    fn a_place_is_its_base_and_where_it_listens() {
        for (text, host, port) in [
            ("http://s3.example", "s3.example", 80),
            ("https://s3.example/path/", "s3.example", 443),
            ("http://[::1]:9000", "::1", 9000),
        ] {
            let target = target(Place::Endpoint(&Endpoint::parse(text).unwrap())).unwrap();
            assert_eq!(
                (target.base.as_str(), target.host.as_str(), target.port),
                (text.trim_end_matches('/'), host, port)
            );
        }
    }

    #[tokio::test]
    async fn the_first_place_that_takes_connections_is_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let up = listener.local_addr().unwrap().to_string();
        let down = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let mut places = Places::of(&site(&["unix:/run/s3.sock", &down, &up], None));
        assert_eq!(places.first("source").await, Ok(format!("http://{up}")));
        assert!(!places.must_move_on().await);

        let told =
            Places::of(&site(&["unix:/run/s3.sock", &down], None)).first("source").await.unwrap_err().to_string();
        assert!(told.contains("source") && told.contains(&down) && told.contains("/run/s3.sock"), "{told}");
        let told = Places::of(&site(&[], None)).first("destination").await.unwrap_err().to_string();
        assert!(told.contains("destination") && told.contains("no enabled member"), "{told}");
    }

    #[tokio::test]
    async fn a_place_that_has_gone_is_left_if_there_is_another() {
        let first = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let second = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let [one, two] = [&first, &second].map(|listener| listener.local_addr().unwrap().to_string());
        let mut places = Places::of(&site(&[&one, &two], None));
        assert_eq!(places.first("source").await, Ok(format!("http://{one}")));
        assert!(!places.must_move_on().await);
        drop(first);
        assert!(places.must_move_on().await);
        assert_eq!(places.first("source").await, Ok(format!("http://{two}")));
        drop(second);
        assert!(!places.must_move_on().await);
    }
}
