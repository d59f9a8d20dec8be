//! Pools of storage nodes, and their members.

use std::net::Ipv6Addr;

use serde::Serialize;

use super::gateway::moving::RELAY;
use super::ids::{MemberId, PoolId, Revision};
use super::invalid::{Invalid, checked_string, ranged, words};
use super::time::Timestamp;

words!(
    /// What a pool's nodes speak.
    PoolKind {
        /// S3 over shared storage: any member can serve any request.
        Nanio = "nanio",
        /// Plain HTTP, read only, primaries with replicas to fall back on.
        Http = "http",
    }
);

impl PoolKind {
    /// Takes over what 0.4.x kept: `cold` is what its first versions called `http`.
    ///
    /// # Errors
    /// As [`PoolKind::parse`].
    pub fn stored(word: &str) -> Result<Self, Invalid> {
        if word == "cold" { Ok(PoolKind::Http) } else { Self::parse(word) }
    }
}

words!(
    /// How nginx chooses a member.
    LbMethod {
        /// The member with the fewest open connections.
        LeastConn = "least_conn",
        /// In turn.
        RoundRobin = "round_robin",
        /// By the client's address.
        IpHash = "ip_hash",
    }
);

words!(
    /// The part that a member plays in its pool.
    Role {
        /// The only role in a `nanio` pool.
        Active = "active",
        /// Serves an `http` pool.
        Primary = "primary",
        /// Serves an `http` pool when no primary can (`backup` in nginx).
        Replica = "replica",
    }
);

ranged!(
    /// Idle connections that a worker keeps open to a pool. 0 is a number that clients
    /// send and nginx refuses: [`Pool::fault`] says so.
    Keepalive: 0..=1024, default 32
);
ranged!(
    /// A member's share of the requests.
    Weight: 1..=100, default 1
);
ranged!(
    /// Failures within the fail time-out after which a member is left out. 0: never.
    MaxFails: 0..=100, default 3
);
ranged!(
    /// Seconds in which failures count, and for which a failed member is left out.
    FailTimeout: 0..=600, default 30
);

checked_string!(
    /// A pool's name: the name of its nginx `upstream` and of its file.
    PoolName
);

/// The stem of the file that holds what may stand only once in nginx's `http` block.
pub const RESERVED_POOL_NAME: &str = "00-nanio";

impl PoolName {
    /// The most characters a name may have.
    pub const MAX: usize = 128;
    const PATTERN: &'static str = "^[A-Za-z0-9._-]+$";

    /// Checks a name: 1–128 ASCII letters, digits, `.`, `_` and `-`.
    ///
    /// A leading dot is refused because nginx's `include *.conf` does not see such a file.
    ///
    /// # Errors
    /// The rule that `name` breaks.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        if name.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if name.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        if name.starts_with('.') {
            return Err(Invalid::rule("a pool's name may not start with a dot: nginx would not load its file"));
        }
        if name.eq_ignore_ascii_case(RESERVED_POOL_NAME) {
            return Err(Invalid::rule(format!(
                "the name {RESERVED_POOL_NAME} is taken by the orchestrator's own file"
            )));
        }
        if name.eq_ignore_ascii_case(RELAY) {
            return Err(Invalid::rule(format!(
                "the name {RELAY} is taken: while a bucket moves, it stands for no pool"
            )));
        }
        Ok(Self(name.to_owned()))
    }
}

checked_string!(
    /// Where a member listens: `host:port`, `[v6]:port` or `unix:/path`.
    Address
);

impl Address {
    /// Checks an address. Surrounding blanks are dropped.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        let fits = match text.strip_prefix("unix:") {
            Some(path) => is_socket_path(path),
            None => text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port)),
        };
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::rule("address must be host:port, [IPv6]:port or unix:/path/to/socket"))
        }
    }

    /// The host and port of a TCP address; `None` for a unix socket. An IPv6 host has no brackets.
    #[must_use]
    pub fn host_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.0.rsplit_once(':').filter(|_| !self.0.starts_with("unix:"))?;
        Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
    }
}

fn is_socket_path(path: &str) -> bool {
    // sun_path holds 108 bytes with the closing NUL (unix(7)).
    path.starts_with('/')
        && path.len() > 1
        && path.len() <= 107
        && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '@' | '+'))
}

pub(super) fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.len() <= 253
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

pub(super) fn is_port(port: &str) -> bool {
    !port.is_empty()
        && port.len() <= 5
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|number| number > 0)
}

/// A named group of storage nodes: one nginx `upstream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Identity.
    pub id: PoolId,
    /// Saved how often.
    pub revision: Revision,
    /// Unique, without regard to case, because nginx compares upstream names that way.
    pub name: PoolName,
    /// Free text for operators.
    pub description: Option<String>,
    /// What the nodes speak.
    #[serde(rename = "type")]
    pub kind: PoolKind,
    /// How nginx chooses a member.
    pub lb_method: LbMethod,
    /// Idle upstream connections a worker keeps.
    pub keepalive: Keepalive,
    /// The nanio pool whose files an `http` pool serves.
    pub source_nanio_pool_id: Option<PoolId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last saved.
    pub updated_at: Timestamp,
}

impl Pool {
    /// What nginx would refuse about this pool with these members, said before nginx is asked.
    ///
    /// A pool without enabled members has no file, so only a pool that is to be rendered
    /// can be at fault, except for `keepalive 0`, which is never of use.
    #[must_use]
    pub fn fault(&self, members: &[Member]) -> Option<String> {
        let name = &self.name;
        if self.keepalive.get() == 0 {
            return Some(format!("pool {name}: keepalive must be at least 1, nginx refuses 0"));
        }
        let mut enabled = members.iter().filter(|member| member.enabled).peekable();
        enabled.peek()?;
        let replicas = enabled.clone().filter(|member| member.role == Role::Replica).count();
        if replicas > 0 && self.lb_method == LbMethod::IpHash {
            return Some(format!(
                "pool {name}: nginx refuses replicas (backup servers) with lb_method ip_hash; use least_conn or round_robin"
            ));
        }
        if enabled.all(|member| member.role == Role::Replica) {
            return Some(format!("pool {name}: only replicas are enabled; nginx needs at least one primary"));
        }
        None
    }
}

/// One storage node of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Identity.
    pub id: MemberId,
    /// Saved how often.
    pub revision: Revision,
    /// The pool it belongs to.
    pub pool_id: PoolId,
    /// Where it listens.
    pub address: Address,
    /// The part it plays.
    pub role: Role,
    /// Share of the requests.
    pub weight: Weight,
    /// Failures until it is left out.
    pub max_fails: MaxFails,
    /// Seconds it is left out.
    pub fail_timeout_s: FailTimeout,
    /// False takes it out of nginx.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last saved.
    pub updated_at: Timestamp,
}

impl Role {
    /// The role of a member of which nothing else is said.
    #[must_use]
    pub fn usual(kind: PoolKind) -> Self {
        match kind {
            PoolKind::Nanio => Role::Active,
            PoolKind::Http => Role::Primary,
        }
    }

    /// Whether a member with this role can be in a pool of `kind`.
    #[must_use]
    pub fn fits(self, kind: PoolKind) -> bool {
        match kind {
            PoolKind::Nanio => self == Role::Active,
            PoolKind::Http => self != Role::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nginx_can_use_are_accepted() {
        for good in ["10.0.0.1:9000", "node-1.example.org:80", "[::1]:9000", "unix:/run/n.sock", " a_b:1 "] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn addresses_that_carry_anything_else_are_refused() {
        for bad in [
            "",
            ":",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "a:1;",
            "a:1 b",
            "a:1\nserver x:1",
            "::1:9000",
            "[::1:9",
            "unix:",
            "unix:relative",
            "unix:/a b",
            "unix:/a;}",
            "http://a:1",
            "a:+1",
            "a/b:1",
            "a:1{",
            "$a:1",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_would_hide_or_clash_are_refused() {
        for bad in ["", ".", "..", ".a", "00-nanio", "00-NANIO", "a/b", "a b", "a\n", "ä"] {
            assert!(PoolName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PoolName::parse("pool-2025.x_y").is_ok());
    }
}
