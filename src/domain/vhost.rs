//! Vhosts: one nginx `server` block each.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ids::{PoolId, Revision, VhostId};
use super::invalid::{Invalid, checked_string, ranged, words};
use super::time::Timestamp;

words!(
    /// Where in the server block an extra block is placed.
    Zone {
        /// After `server_name`.
        Top = "top",
        /// After the certificate directives.
        Ssl = "ssl",
        /// After the proxy buffering directives.
        Proxy = "proxy",
        /// Before the closing brace.
        End = "end",
    }
);

words!(
    /// What a list of addresses is for.
    IpRuleMode {
        /// Only the listed addresses may connect.
        Allow = "allow",
        /// The listed addresses may not connect.
        Deny = "deny",
    }
);

ranged!(
    /// A TCP port to listen on.
    Port: 1..=65535, default 443
);

checked_string!(
    /// The host name a vhost answers to, lower case; `*.` in front makes it a wildcard.
    ServerName
);

impl ServerName {
    /// The most characters a name may have (RFC 1035, 2.3.4).
    pub const MAX: usize = 253;
    const PATTERN: &'static str = r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";

    /// Checks a name. Surrounding blanks are dropped; letters become lower case, as nginx compares them.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        let host = text.strip_prefix("*.").unwrap_or(text);
        let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let ends = |c: char| c.is_ascii_alphanumeric();
        if !host.starts_with(ends) || !host.ends_with(ends) || !host.split('.').all(label) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The part behind `*.`, if the name is a wildcard.
    #[must_use]
    pub fn wildcard_base(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }
}

checked_string!(
    /// The absolute path of a certificate or key file.
    PemPath
);

impl PemPath {
    /// Checks a path: absolute, at most 4095 bytes, no control character and no `$`
    /// (nginx reads a `$` in `ssl_certificate` as a variable).
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.len() > 4095 {
            return Err(Invalid::TooLong { max: 4095 });
        }
        if !text.starts_with('/') || text.chars().any(|c| c.is_control() || c == '$') {
            return Err(Invalid::rule("must be an absolute path without control characters and without $"));
        }
        Ok(Self(text.to_owned()))
    }
}

checked_string!(
    /// An IPv4 or IPv6 address, or a network in CIDR form.
    IpRange
);

impl IpRange {
    /// Checks an address or network. Surrounding blanks are dropped.
    ///
    /// # Errors
    /// A sentence that names the value.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let fits = address.parse::<IpAddr>().is_ok_and(|ip| {
            let most = if ip.is_ipv4() { 32 } else { 128 };
            bits.is_none_or(|bits| {
                bits.len() <= 3
                    && bits.bytes().all(|b| b.is_ascii_digit())
                    && bits.parse::<u16>().is_ok_and(|number| number <= most)
            })
        });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::rule(format!("{text:?} is not an IPv4 or IPv6 address or CIDR network")))
        }
    }

    /// Whether an address is in it. A client of IPv4 is one, however its address is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (network, bits) = match self.0.split_once('/') {
            Some((network, bits)) => (network, bits.parse().ok()),
            None => (self.0.as_str(), None),
        };
        let all_but = |total: u32| total.saturating_sub(bits.unwrap_or(total));
        match (network.parse(), address.to_canonical()) {
            (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(all_but(32)).unwrap_or(0) == 0
            }
            (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(all_but(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

checked_string!(
    /// Raw nginx directives of the operator. Only text that the gateway's lexer has accepted
    /// becomes a snippet (see `ports::gateway::Gateway::check_snippet`).
    Snippet
);

impl Snippet {
    /// The directives of a route as nginx reads them: 0.4.x took them without the semicolon at their end, and only so.
    #[must_use]
    pub fn ended(text: &str) -> String {
        let text = text.trim_end();
        let bare = !text.is_empty() && !text.contains([';', '{', '}', '#', '\n']);
        if bare { format!("{text};") } else { text.to_owned() }
    }

    /// Takes text over after it was checked. Line ends become `\n`; trailing blanks go.
    ///
    /// # Errors
    /// Empty text, or a control character other than tab and newline.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.replace("\r\n", "\n");
        let text = text.trim_end();
        if text.trim().is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(Invalid::rule("control characters other than tab and newline are not allowed"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Raw directives for one zone of the server block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtraBlock {
    /// Where it goes.
    pub zone: Zone,
    /// What goes there, verbatim.
    pub content: Snippet,
}

/// Who may connect to a vhost. Never an empty allow list, which would be an open door.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "WrittenIpRules")]
pub struct IpRules {
    /// Allow or deny.
    pub mode: IpRuleMode,
    /// At least one address or network.
    pub ranges: Vec<IpRange>,
}

/// Rules as somebody may have edited them.
#[derive(Deserialize)]
struct WrittenIpRules {
    mode: IpRuleMode,
    ranges: Vec<IpRange>,
}

impl TryFrom<WrittenIpRules> for IpRules {
    type Error = Invalid;

    fn try_from(WrittenIpRules { mode, ranges }: WrittenIpRules) -> Result<Self, Invalid> {
        Self::new(mode, ranges)
    }
}

impl IpRules {
    /// Rules for at least one address.
    ///
    /// # Errors
    /// An empty list.
    pub fn new(mode: IpRuleMode, ranges: Vec<IpRange>) -> Result<Self, Invalid> {
        if ranges.is_empty() {
            return Err(Invalid::rule("ip_rule_ips must name at least one address when ip_rule_mode is set"));
        }
        Ok(Self { mode, ranges })
    }
}

/// One nginx `server` block and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vhost {
    /// Identity.
    pub id: VhostId,
    /// Saved how often.
    pub revision: Revision,
    /// Unique.
    pub server_name: ServerName,
    /// The port for clients.
    pub listen_port: Port,
    /// TLS on that port.
    pub ssl: bool,
    /// Certificate chain; kept also while `ssl` is false.
    pub ssl_certificate: Option<PemPath>,
    /// Its private key; kept also while `ssl` is false.
    pub ssl_certificate_key: Option<PemPath>,
    /// Raw directives after the proxy settings (0.4.x; [`ExtraBlock`]s are the newer form).
    pub extra_directives: Option<Snippet>,
    /// Raw directives by zone.
    pub extra_blocks: Vec<ExtraBlock>,
    /// False takes the vhost out of nginx.
    pub enabled: bool,
    /// Who serves a bucket without a route of its own.
    pub default_pool_id: Option<PoolId>,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last saved.
    pub updated_at: Timestamp,
}

impl Vhost {
    /// What is missing for TLS, if TLS is on.
    #[must_use]
    pub fn tls_fault(&self) -> Option<&'static str> {
        if self.ssl && (self.ssl_certificate.is_none() || self.ssl_certificate_key.is_none()) {
            Some("ssl_certificate and ssl_certificate_key are both required when ssl is true")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_are_host_names_or_wildcards() {
        for good in ["s3.example.org", "*.s3.example.org", "localhost", " A.b "] {
            assert!(ServerName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "*", "*.", ".a", "a.", "a..b", "-a", "a b", "a;b", "a\nb", "~^x", "a_b", "*.*.a"] {
            assert!(ServerName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ServerName::parse("A.B").map(|n| n.as_str().to_owned()), Ok("a.b".to_owned()));
    }

    #[test]
    fn ip_ranges_are_addresses_and_nothing_else() {
        for good in ["1.2.3.4", "10.0.0.0/8", "::1", "2001:db8::/32", " 1.1.1.1 "] {
            assert!(IpRange::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "all", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/+8", "1.2.3.4\n;", "a.b.c.d"] {
            assert!(IpRange::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_in_the_networks_that_cover_it() {
        let contains = |range: &str, address: &str| IpRange::parse(range).unwrap().contains(address.parse().unwrap());
        for (range, address) in [
            ("10.0.0.0/8", "10.255.0.1"),
            ("10.9.9.9/8", "10.0.0.1"),
            ("0.0.0.0/0", "1.2.3.4"),
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4", "::ffff:1.2.3.4"),
            ("2001:db8::/32", "2001:db8:ffff::1"),
            ("::/0", "::1"),
        ] {
            assert!(contains(range, address), "{range} {address}");
        }
        for (range, address) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("1.2.3.4", "1.2.3.5"),
            ("0.0.0.0/0", "::1"),
            ("::/0", "1.2.3.4"),
            ("::1", "::2"),
        ] {
            assert!(!contains(range, address), "{range} {address}");
        }
    }
}
