//! Which server block a request comes to: by its port, then by its host.

use std::net::IpAddr;

use super::Request;
use crate::domain::gateway::Server;
use crate::domain::ids::VhostId;
use crate::domain::vhost::{IpRuleMode, IpRules, Port, ServerName};

/// Where a server block listens, and to which name it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The vhost.
    pub vhost: VhostId,
    /// Its name.
    pub server_name: ServerName,
    /// Its port.
    pub port: Port,
    /// Whether it speaks TLS there.
    pub tls: bool,
}

impl Listener {
    /// That of a server block.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        let tls = server.tls.is_some();
        Self { vhost: server.id, server_name: server.server_name.clone(), port: server.listen_port, tls }
    }
}

/// Why a server block is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Its name is the host.
    Name,
    /// Its wildcard covers the host, and no longer one does.
    Wildcard,
    /// No name fits: nginx takes the port's first block.
    First,
}

impl Match {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Match::Name => "name",
            Match::Wildcard => "wildcard",
            Match::First => "first",
        }
    }
}

/// The listeners of one port, in the order in which nginx reads their files.
#[derive(Debug, Clone, Copy)]
pub struct OnPort<'a> {
    all: &'a [Listener],
    port: u16,
}

impl<'a> OnPort<'a> {
    /// Those of `all` that are on this port.
    #[must_use]
    pub fn of(all: &'a [Listener], port: u16) -> Self {
        Self { all, port }
    }

    fn iter(self) -> impl Iterator<Item = &'a Listener> + Clone {
        self.all.iter().filter(move |one| one.port.get() == i64::from(self.port))
    }

    /// Whether the port speaks TLS: nginx has one answer for all blocks. `None`: nobody listens.
    #[must_use]
    pub fn tls(self) -> Option<bool> {
        self.iter().map(|one| one.tls).reduce(|one, other| one || other)
    }

    /// The block for a host without a port.
    #[must_use]
    pub fn named(self, host: &[u8]) -> Option<(&'a Listener, Match)> {
        answering(self.iter(), host).or_else(|| Some((self.iter().next()?, Match::First)))
    }

    /// The block under whose settings nginx reads the request line: it does not know the Host header yet, only the name
    /// that a client gave for TLS, which is taken to be the same.
    #[must_use]
    pub fn reader(self, request: &Request) -> Option<&'a Listener> {
        let name = request.host.as_deref().filter(|_| request.tls).and_then(super::wire::valid_host);
        match name {
            Some(name) => self.named(&name).map(|(one, _)| one),
            None => self.iter().next(),
        }
    }
}

/// The listener whose name is a host, else that whose wildcard covers most of it.
pub fn answering<'a>(all: impl Iterator<Item = &'a Listener> + Clone, host: &[u8]) -> Option<(&'a Listener, Match)> {
    if let Some(exact) = all.clone().find(|one| one.server_name.as_str().as_bytes() == host) {
        return Some((exact, Match::Name));
    }
    let covers = |base: &str| host.strip_suffix(base.as_bytes()).is_some_and(|in_front| in_front.ends_with(b"."));
    let wildcards = all.filter_map(|one| Some((one, one.server_name.wildcard_base()?)));
    let longest = wildcards.filter(|(_, base)| covers(base)).max_by_key(|(_, base)| base.len());
    longest.map(|(one, _)| (one, Match::Wildcard))
}

/// Whether rules let an address connect; `None` if there are rules and the address is not known.
#[must_use]
pub fn admits(rules: Option<&IpRules>, from: Option<IpAddr>) -> Option<bool> {
    let Some(rules) = rules else { return Some(true) };
    let from = from?;
    let listed = rules.ranges.iter().any(|range| range.contains(from));
    Some(match rules.mode {
        IpRuleMode::Allow => listed,
        IpRuleMode::Deny => !listed,
    })
}
