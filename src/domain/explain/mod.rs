//! Where nginx sends a request, and why: a pure function of the values that nginx's files are rendered from.
//!
//! It says what nginx does, never what it should do: a request is taken byte for byte, and each step is taken in nginx's
//! order. `tests/real/explain.rs` holds it to that. What only nginx can tell, it calls uncertain.

mod acts;
mod doubts;
mod http;
pub mod listeners;
mod s3;
pub mod wire;

use std::net::IpAddr;

use super::gateway::{Protocol, Server};
use super::ids::{MigrationId, RouteId, VhostId};
use super::migration::token::{Token, TokenState};
use super::pool::PoolName;
use super::vhost::{ServerName, Snippet};
use listeners::{Listener, Match, OnPort, admits};
use wire::{Line, Unread};

/// A request of HTTP/1.1, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Vec<u8>,
    /// What stands between method and version.
    pub target: Vec<u8>,
    /// The Host header, if there is one.
    pub host: Option<Vec<u8>>,
    /// The header `x-amz-copy-source`; empty if there is none.
    pub copy_source: Vec<u8>,
    /// Who connects, if that is known.
    pub from: Option<IpAddr>,
    /// The port that is connected to.
    pub port: u16,
    /// Whether the client speaks TLS. The name that it gives for that is taken to be the Host header's.
    pub tls: bool,
}

/// What an explanation asks about.
pub struct Lookups<'a> {
    /// What the files of a token say.
    pub state: &'a dyn Fn(&Token) -> TokenState,
    /// The names of the directives in the operator's own text, those in blocks too.
    pub directives: &'a dyn Fn(&Snippet) -> Vec<String>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// To a pool.
    Pool(PoolName),
    /// Nowhere: nginx answers by itself.
    Answer {
        /// The status.
        status: u16,
        /// The code of the S3 error in the body, if it is one.
        code: Option<&'static str>,
    },
    /// It asks the gate of a migration, which names one of its pools, or has the client come again.
    Gate {
        /// Where the bucket was.
        source: PoolName,
        /// Where it will be.
        destination: PoolName,
    },
    /// Nowhere: nobody listens, or not in the client's language.
    NoConnection,
}

/// The server block that a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The vhost.
    pub vhost: VhostId,
    /// Its name.
    pub server_name: ServerName,
    /// Why this one.
    pub matched: Match,
}

/// The route that serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The route.
    pub id: RouteId,
    /// Its prefix; `/` is the automatic one of the default pool.
    pub prefix: String,
}

/// The answer to: where does this request go?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Where it goes.
    pub verdict: Verdict,
    /// The server block, if it comes to one.
    pub server: Option<Chosen>,
    /// The bucket that nginx routes by.
    pub bucket: Option<String>,
    /// The route that serves it.
    pub route: Option<Serving>,
    /// The migration that decides about it.
    pub migration: Option<MigrationId>,
    /// Directives that decide how it is passed on.
    pub directives: Vec<String>,
    /// Which rules led there, in nginx's order.
    pub why: Vec<String>,
    /// What could make it otherwise, and cannot be told from here.
    pub uncertain: Vec<String>,
}

/// What is found on the way.
#[derive(Debug, Default)]
struct Told {
    bucket: Option<String>,
    route: Option<Serving>,
    migration: Option<MigrationId>,
    directives: Vec<String>,
    why: Vec<String>,
    uncertain: Vec<String>,
}

impl Told {
    fn why(&mut self, sentence: impl Into<String>) {
        self.why.push(sentence.into());
    }

    fn answers(&mut self, status: u16, code: Option<&'static str>, sentence: impl Into<String>) -> Verdict {
        self.why(sentence);
        Verdict::Answer { status, code }
    }

    fn explanation(self, verdict: Verdict, server: Option<Chosen>) -> Explanation {
        let Self { bucket, route, migration, directives, why, uncertain } = self;
        Explanation { verdict, server, bucket, route, migration, directives, why, uncertain }
    }
}

/// A request in front of its server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Which block.
    pub chosen: Chosen,
    /// What the request line says.
    pub line: Line,
    /// The host by which the block was chosen (`$host`).
    pub host: Vec<u8>,
}

/// A request inside of its server block.
struct Inside<'a> {
    server: &'a Server,
    request: &'a Request,
    arrival: &'a Arrival,
    look: &'a Lookups<'a>,
}

/// Which server block a request comes to, of `all` that nginx has, in the order in which nginx reads their files.
/// `merges` tells of a vhost whether nginx takes several slashes for one there.
///
/// # Errors
/// It comes to none.
pub fn arrive(
    all: &[Listener],
    request: &Request,
    merges: impl FnOnce(VhostId) -> bool,
) -> Result<Arrival, Box<Explanation>> {
    let on_port = OnPort::of(all, request.port);
    let mut told = Told::default();
    let (Some(tls), Some(reader)) = (on_port.tls(), on_port.reader(request)) else {
        told.why(format!("no enabled vhost listens on port {}", request.port));
        return Err(told.explanation(Verdict::NoConnection, None).into());
    };
    if request.tls && !tls {
        told.why(format!("port {} speaks plain HTTP, and the client TLS", request.port));
        return Err(told.explanation(Verdict::NoConnection, None).into());
    }
    told.why(format!("port {} speaks {}", request.port, if tls { "TLS" } else { "plain HTTP" }));
    let read = || -> Result<(Line, Vec<u8>), Unread> {
        let line = wire::line(request, merges(reader.vhost))?;
        let host = wire::host(request, &line)?;
        Ok((line, host))
    };
    let (line, host) = match read() {
        Ok(read) => read,
        Err(Unread { status, why }) => {
            let verdict = told.answers(status, None, format!("nginx refuses it before any server block: {why}"));
            return Err(told.explanation(verdict, None).into());
        }
    };
    if matches!(request.method.as_slice(), b"TRACE" | b"CONNECT") {
        let verdict = told.answers(405, None, "nginx refuses TRACE and CONNECT before any server block");
        return Err(told.explanation(verdict, None).into());
    }
    if tls && !request.tls {
        let verdict = told.answers(400, None, "nginx refuses plain HTTP on a port that speaks TLS");
        return Err(told.explanation(verdict, None).into());
    }
    let (listener, matched) = on_port.named(&host).unwrap_or((reader, Match::First));
    let chosen = Chosen { vhost: listener.vhost, server_name: listener.server_name.clone(), matched };
    Ok(Arrival { chosen, line, host })
}

/// What the server block of `arrival` does with a request.
#[must_use]
pub fn explain(server: &Server, request: &Request, arrival: &Arrival, look: &Lookups<'_>) -> Explanation {
    let mut told = Told::default();
    let (name, host) = (&server.server_name, String::from_utf8_lossy(&arrival.host));
    let port = request.port;
    told.why(match arrival.chosen.matched {
        Match::Name => format!("the host is the server name of vhost {name} on port {port}"),
        Match::Wildcard => format!("server name {name} covers the host {host} on port {port}, and no longer one does"),
        Match::First => {
            format!("no server name on port {port} is {host}: nginx takes the first block of the port, {name}")
        }
    });
    if arrival.chosen.matched == Match::First {
        told.uncertain.push(format!(
            "nginx.conf itself may have a server block on port {port} for hosts that no vhost has; that is not looked at"
        ));
    }
    let inside = Inside { server, request, arrival, look };
    doubts::of_vhost(&inside, &mut told);
    let verdict = match server.protocol {
        Protocol::S3 => s3::answer(&inside, &mut told),
        Protocol::Http => http::answer(&inside, &mut told),
    };
    told.explanation(verdict, Some(arrival.chosen.clone()))
}

impl Inside<'_> {
    /// Sends the request to a pool, if the client may connect.
    fn pass(&self, to: Verdict, told: &mut Told) -> Verdict {
        let rules = self.server.ip_rules.as_ref();
        match admits(rules, self.request.from) {
            Some(false) => told.answers(403, None, "the IP rules of the vhost do not let the client in"),
            Some(true) => {
                if rules.is_some() {
                    told.why("the IP rules of the vhost let the client in");
                }
                to
            }
            None => {
                told.uncertain.push(
                    "the vhost has IP rules, and the client's address was not given: others are answered 403"
                        .to_owned(),
                );
                to
            }
        }
    }
}
