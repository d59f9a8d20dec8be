//! The URL of a database. What comes out of it for messages never holds the password.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::adapters::store::error::OpenError;

/// What may happen to the bytes on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Security {
    /// Plain text.
    None,
    /// Encrypted, to whoever answers.
    Unverified,
    /// Encrypted, to the server whose name a trusted authority confirms; the system's ones if no file is named.
    Verified(Option<PathBuf>),
}

/// Where the database is.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) security: Security,
    pub(super) place: String,
}

impl Address {
    /// Reads a `postgres://` URL.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let unusable = |why: String| OpenError::Unusable { place: "of DATABASE_URL".to_owned(), why };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(unusable("the URL must begin with postgres://".to_owned()));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        // tokio-postgres knows neither verify-full nor sslrootcert: they are taken out for it.
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(decoded(value)),
                _ => rest.push(pair),
            }
        }
        let (ssl_mode, security) = match (mode.unwrap_or("prefer"), roots) {
            ("verify-full", Some(file)) if file != "system" => {
                (SslMode::Require, Security::Verified(Some(PathBuf::from(file))))
            }
            ("verify-full", _) => (SslMode::Require, Security::Verified(None)),
            (_, Some(_)) => return Err(unusable("sslrootcert needs sslmode=verify-full".to_owned())),
            ("disable", None) => (SslMode::Disable, Security::None),
            ("prefer", None) => (SslMode::Prefer, Security::Unverified),
            ("require", None) => (SslMode::Require, Security::Unverified),
            (other, None) => {
                return Err(unusable(format!(
                    "sslmode {other:?} is not known; use disable, prefer, require or verify-full"
                )));
            }
        };
        let mut config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|why: tokio_postgres::Error| unusable(why.to_string()))?;
        config.ssl_mode(ssl_mode).keepalives_idle(Duration::from_secs(15)).tcp_user_timeout(Duration::from_secs(30));
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_application_name().is_none() {
            config.application_name(format!("nanio-orchestrator process {}", std::process::id()));
        }
        let place = place(&config);
        Ok(Self { config, security, place })
    }
}

fn place(config: &Config) -> String {
    let hosts = config.get_hosts().iter().enumerate().map(|(number, host)| match host {
        Host::Tcp(name) => {
            let ports = config.get_ports();
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
            format!("{name}:{port}")
        }
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts = hosts.collect::<Vec<_>>().join(", ");
    match config.get_dbname().or(config.get_user()) {
        Some(name) => format!("the PostgreSQL database {name} at {hosts}"),
        None => format!("the PostgreSQL database at {hosts}"),
    }
}

/// Undoes percent-encoding; what is no encoding stays.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(query: &str) -> Security {
        Address::parse(&format!("postgres://u:p@h/d{query}")).ok().unwrap().security
    }

    #[test]
    fn sslmode_decides_how_the_connection_is_secured() {
        assert_eq!(security(""), Security::Unverified);
        assert_eq!(security("?sslmode=disable"), Security::None);
        assert_eq!(security("?sslmode=require&connect_timeout=3"), Security::Unverified);
        assert_eq!(security("?sslmode=verify-full"), Security::Verified(None));
        assert_eq!(security("?sslrootcert=system&sslmode=verify-full"), Security::Verified(None));
        assert_eq!(
            security("?sslmode=verify-full&sslrootcert=%2Fetc%2Fca%20x.pem"),
            Security::Verified(Some(PathBuf::from("/etc/ca x.pem")))
        );
    }

    #[test]
    fn only_the_modes_that_are_documented_encrypt_optionally() {
        let mode = |query: &str| Address::parse(&format!("postgres://h{query}")).ok().unwrap().config.get_ssl_mode();
        assert_eq!(mode(""), SslMode::Prefer);
        assert_eq!(mode("?sslmode=require"), SslMode::Require);
        assert_eq!(mode("?sslmode=verify-full"), SslMode::Require);
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_telling_the_password() {
        for url in [
            "mysql://u:s3cret@h/d",
            "postgres://u:s3cret@h/d?sslmode=verify-ca",
            "postgres://u:s3cret@h/d?sslmode=require&sslrootcert=/x",
            "postgres://u:s3cret@h:port/d",
            "postgres://u:s3cret@h/d?no_such_option=1",
        ] {
            let error = Address::parse(url).err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_place_names_host_port_and_database_only() {
        let place = |url: &str| Address::parse(url).ok().unwrap().place;
        assert_eq!(place("postgres://u:s3cret@db:6432/gateway"), "the PostgreSQL database gateway at db:6432");
        assert_eq!(place("postgresql://u:s3cret@a,b/"), "the PostgreSQL database u at a:5432, b:5432");
    }
}
