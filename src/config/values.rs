//! What the values of settings may be. Each function reads a text or says what would be allowed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::secret::{DatabaseUrl, Secret};

/// What a rule returns: the value, or what is allowed (continuing a sentence that begins "must be").
pub type Read<T> = Result<T, String>;

/// Whether nginx is called through `sudo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NginxSudo {
    /// Through sudo unless the process is root.
    Auto,
    /// Through sudo.
    Always,
    /// Directly.
    Never,
}

/// The least serious message that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything, including what a developer needs.
    Debug,
    /// What happened.
    Info,
    /// What should be looked at.
    Warning,
    /// What went wrong.
    Error,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What kind of value a setting is to a client: the JSON type that 0.4.x gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
}

/// A type of the fields of `Settings`.
pub(super) trait Typed {
    const KIND: Kind;
}

macro_rules! typed {
    ($($kind:ident: $($name:ty),+;)+) => {
        $($(impl Typed for $name {
            const KIND: Kind = Kind::$kind;
        })+)+
    };
}
typed! {
    Text: String, PathBuf, Secret, DatabaseUrl, LogLevel, LogFormat, NginxSudo;
    Number: u16, u32, Duration;
    Flag: bool;
}

impl<T: Typed> Typed for Option<T> {
    const KIND: Kind = T::KIND;
}

/// A whole number of a range.
pub(super) fn number<T>(text: &str, least: T, most: T) -> Read<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.trim().parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("a whole number from {least} to {most}")),
    }
}

/// A number of seconds of a range.
pub(super) fn seconds(text: &str, least: u64, most: u64) -> Read<Duration> {
    number(text, least, most)
        .map(Duration::from_secs)
        .map_err(|_| format!("a whole number of seconds from {least} to {most}"))
}

/// A number of milliseconds of a range.
pub(super) fn milliseconds(text: &str, least: u64, most: u64) -> Read<Duration> {
    number(text, least, most)
        .map(Duration::from_millis)
        .map_err(|_| format!("a whole number of milliseconds from {least} to {most}"))
}

/// `true` or `false`, also as `1`/`0`, `yes`/`no`, `on`/`off`.
pub(super) fn boolean(text: &str) -> Read<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// An address to listen on: IPv4, IPv6 (without brackets), or a host name.
pub(super) fn host(text: &str) -> Read<String> {
    let text = text.trim();
    let name = !text.is_empty()
        && text.len() <= 253
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        && text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if name || text.parse::<std::net::IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("an IPv4 or IPv6 address (without brackets) or a host name".to_owned())
    }
}

/// A key that can be sent in an HTTP header.
pub(super) fn header_key(text: &str) -> Read<Secret> {
    if text.trim() == text && text.len() <= 1024 && !text.chars().any(char::is_control) {
        Ok(Secret::new(text))
    } else {
        Err("at most 1024 characters without control characters and without white space at either end, \
             since it is sent in an HTTP header"
            .to_owned())
    }
}

/// A secret of any characters but control characters.
pub(super) fn secret(text: &str) -> Read<Secret> {
    if text.chars().any(char::is_control) {
        Err("without control characters".to_owned())
    } else {
        Ok(Secret::new(text))
    }
}

/// One or more Fernet keys, comma-separated; white space around each is dropped.
pub(super) fn fernet_keys(text: &str) -> Read<Secret> {
    let keys: Vec<&str> = text.split(',').map(str::trim).collect();
    match keys.iter().position(|key| fernet::Fernet::new(key).is_none()) {
        None => Ok(Secret::new(keys.join(","))),
        Some(bad) => {
            let which = if keys.len() > 1 { format!(" (number {} is not)", bad + 1) } else { String::new() };
            Err(format!(
                "one Fernet key or several separated by commas{which}: 32 bytes in URL-safe base64, 44 characters"
            ))
        }
    }
}

/// The path of a file or directory.
pub(super) fn path(text: &str) -> Read<PathBuf> {
    if text.is_empty() || text.chars().any(char::is_control) {
        Err("a path without control characters".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

/// A program: a path, or a name that is looked up in PATH.
pub(super) fn program(text: &str) -> Read<PathBuf> {
    let text = text.trim();
    if text.starts_with('-') || text.chars().any(char::is_control) || text.is_empty() {
        Err("the path of a program, or its name".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

/// The address of a PostgreSQL database.
pub(super) fn database_url(text: &str) -> Read<DatabaseUrl> {
    let text = text.trim();
    let known =
        ["postgres://", "postgresql://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if known && !text.chars().any(|c| c.is_control() || c == ' ') {
        Ok(DatabaseUrl::new(text))
    } else {
        Err("postgres://user:password@host:port/database, or unset for SQLite at DB_PATH".to_owned())
    }
}

/// An `http://` or `https://` address.
pub(super) fn http_url(text: &str) -> Read<String> {
    let text = text.trim();
    let known = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if known && !text.chars().any(|c| c.is_control() || c == ' ') {
        Ok(text.to_owned())
    } else {
        Err("an http:// or https:// address".to_owned())
    }
}

/// What rclone's `--bwlimit` takes.
pub(super) fn bandwidth(text: &str) -> Read<String> {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | ',' | ' ' | '-');
    if !text.is_empty() && text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("a value of rclone's --bwlimit, such as 50M or 08:00,512k 19:00,off".to_owned())
    }
}

/// `auto`, `always` or `never`.
pub(super) fn nginx_sudo(text: &str) -> Read<NginxSudo> {
    match text.trim().to_ascii_lowercase().as_str() {
        "auto" => Ok(NginxSudo::Auto),
        "always" => Ok(NginxSudo::Always),
        "never" => Ok(NginxSudo::Never),
        _ => Err("auto, always or never".to_owned()),
    }
}

/// `debug`, `info`, `warning` or `error`; 0.4.x's `trace` and `critical` mean the nearest of them.
pub(super) fn log_level(text: &str) -> Read<LogLevel> {
    match text.trim().to_ascii_lowercase().as_str() {
        "debug" | "trace" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warning" => Ok(LogLevel::Warning),
        "error" | "critical" => Ok(LogLevel::Error),
        _ => Err("debug, info, warning or error".to_owned()),
    }
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Read<LogFormat> {
    match text.trim().to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

    #[test]
    fn numbers_outside_their_range_are_refused_with_the_range() {
        assert_eq!(number::<u16>("8080", 1, 65535), Ok(8080));
        for bad in ["0", "65536", "-1", "8080x", "", "99999999999999999999", "1.5"] {
            assert_eq!(number::<u16>(bad, 1, 65535), Err("a whole number from 1 to 65535".to_owned()), "{bad}");
        }
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        for good in ["0.0.0.0", "::", "::1", "localhost", "gw-1.example.org"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in ["", "[::1]", "a b", "-x", "a:80", "a/b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_real_fernet_keys_are_taken_and_the_bad_one_of_several_is_counted() {
        assert_eq!(fernet_keys(KEY), Ok(Secret::new(KEY)));
        assert_eq!(fernet_keys(&format!(" {KEY} , {KEY}")), Ok(Secret::new(format!("{KEY},{KEY}"))));
        assert!(fernet_keys("hunter2").is_err());
        assert!(fernet_keys(&format!("{KEY},")).is_err_and(|e| e.contains("number 2")));
        assert!(fernet_keys(&KEY[..40]).is_err());
    }

    #[test]
    fn an_api_key_that_no_header_can_carry_is_refused() {
        assert!(header_key("a#b\"c'd\\e$ f").is_ok());
        for bad in [" a", "a\t", "a\nb", "a\0"] {
            assert!(header_key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_option_in_place_of_a_program_or_limit_is_refused() {
        assert!(program("--config=/etc/x").is_err());
        assert!(bandwidth("--config=/etc/x").is_err());
        assert!(bandwidth("50M").is_ok());
    }
}
