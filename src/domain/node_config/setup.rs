//! A node as it will be: which files it gets, where its programs listen, and what the operator should know.

use std::net::IpAddr;

use super::{NodeKind, Parameters};
use crate::domain::pool::{Address, Member, Pool, PoolKind, PoolName};

/// A file of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFile {
    /// nanio's own options, with the keys of its user.
    Options,
    /// The systemd unit that runs nanio.
    Unit,
    /// The nginx server that hands out objects as files.
    FileServer,
    /// The nginx server in front of nanio.
    Proxy,
}

impl NodeFile {
    /// Where it belongs on the node.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Options => "/etc/nanio/options.toml",
            Self::Unit => "/etc/systemd/system/nanio.service",
            Self::FileServer => "/etc/nginx/conf.d/nanio-serve.conf",
            Self::Proxy => "/etc/nginx/conf.d/nanio-proxy.conf",
        }
    }
}

/// Everything that the files of one node are a function of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSetup {
    /// The pool that the node serves.
    pub pool: PoolName,
    /// What the pool's nodes speak.
    pub pool_kind: PoolKind,
    /// Where the gateway reaches the node.
    pub member: Address,
    /// What the operator decided.
    pub parameters: Parameters,
}

impl NodeSetup {
    /// The setup of a pool's member.
    #[must_use]
    pub fn of(pool: &Pool, member: &Member, parameters: Parameters) -> Self {
        Self { pool: pool.name.clone(), pool_kind: pool.kind, member: member.address.clone(), parameters }
    }

    /// What nginx on the node listens on: where the gateway connects to, unless nanio is there already.
    #[must_use]
    pub fn listen(&self) -> String {
        let Some((host, port)) = self.member.host_port() else { return self.member.as_str().to_owned() };
        let port = match (self.collides(), self.parameters.port.get()) {
            (false, _) => i64::from(port),
            (true, 80) => 8080,
            (true, _) => 80,
        };
        if host.contains(':') { format!("[::]:{port}") } else { port.to_string() }
    }

    /// Where nginx on the node finds nanio.
    #[must_use]
    pub fn nanio_address(&self) -> String {
        let (host, port) = (self.parameters.host.as_str(), self.parameters.port.get());
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => format!("127.0.0.1:{port}"),
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => format!("[::1]:{port}"),
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            Ok(IpAddr::V4(_)) | Err(_) => format!("{host}:{port}"),
        }
    }

    /// What will not work, or not be safe, as things are: what happens, to what, and what to do.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let missing_keys = (self.parameters.kind.has_nanio() && self.parameters.keys.is_none()).then(|| {
            format!(
                "No S3 keys were given, and nanio does not start without a user: add a [[users]] table to {} on the \
                 node, or ask again by POST with access_key and secret_key",
                NodeFile::Options.path()
            )
        });
        [missing_keys, self.misfit(), self.unreached(), self.loopback(), self.open()].into_iter().flatten().collect()
    }

    /// Whether the gateway connects to the port that nanio takes behind nginx.
    fn collides(&self) -> bool {
        self.parameters.kind == NodeKind::NginxNanio
            && self.member.host_port().is_some_and(|(_, port)| i64::from(port) == self.parameters.port.get())
    }

    /// A node that does not speak what its pool is asked for.
    fn misfit(&self) -> Option<String> {
        let (pool, kind) = (&self.pool, self.parameters.kind.as_str());
        match (self.pool_kind, self.parameters.kind.has_nanio()) {
            (PoolKind::Nanio, false) => Some(format!(
                "Pool {pool} is of type nanio, and a {kind} node refuses writes and ignores signatures: use nanio-only \
                 or nginx-nanio"
            )),
            (PoolKind::Http, true) => Some(format!(
                "Pool {pool} is of type http, whose clients sign nothing, and nanio refuses what is not signed: use \
                 nginx-only"
            )),
            (PoolKind::Nanio, true) | (PoolKind::Http, false) => None,
        }
    }

    /// A node that the gateway does not reach at the member's address.
    fn unreached(&self) -> Option<String> {
        let (member, nanio) = (&self.member, self.parameters.port.get());
        if self.collides() {
            return Some(format!(
                "The gateway connects to {member}, the port that nanio takes itself: nginx listens on {listen}. Give \
                 another nanio_port, or the member the address of nginx",
                listen = self.listen()
            ));
        }
        if self.parameters.kind != NodeKind::NanioOnly {
            return None;
        }
        match member.host_port() {
            None => Some(format!(
                "The gateway connects to {member}, and nanio listens on TCP only: give the member the address \
                 host:{nanio}, or use nginx-nanio"
            )),
            Some((_, port)) if i64::from(port) != nanio => Some(format!(
                "The gateway connects to {member}, and nanio listens on port {nanio}: give nanio_port={port}, or the \
                 member the port {nanio}"
            )),
            Some(_) => None,
        }
    }

    /// A nanio that nobody outside its machine reaches although the gateway is meant to.
    fn loopback(&self) -> Option<String> {
        let host = self.parameters.host.as_str();
        let (member, _) = self.member.host_port()?;
        let unreachable = self.parameters.kind == NodeKind::NanioOnly && is_loopback(host) && !is_loopback(member);
        unreachable.then(|| {
            format!("nanio listens on {host} only, and the gateway connects to {member}: give another nanio_host")
        })
    }

    /// A node that shows its objects to everybody.
    fn open(&self) -> Option<String> {
        (self.parameters.kind == NodeKind::NginxOnly).then(|| {
            format!(
                "Whoever reaches this server reads every object in {} without a key, private ones too: let only the \
                 gateway through, by firewall or by allow and deny in the server block",
                self.parameters.data_dir
            )
        })
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node_config::{BindHost, NanioPort};

    fn setup(kind: NodeKind, member: &str, host: &str, port: i64) -> NodeSetup {
        let parameters = Parameters {
            host: BindHost::parse(host).unwrap(),
            port: NanioPort::new(port).unwrap(),
            ..Parameters::usual(kind)
        };
        NodeSetup {
            pool: PoolName::parse("p").unwrap(),
            pool_kind: PoolKind::Nanio,
            member: Address::parse(member).unwrap(),
            parameters,
        }
    }

    #[test]
    fn nginx_listens_where_the_gateway_connects_to() {
        for (member, port, listen) in [
            ("10.0.0.1:8081", 9000, "8081"),
            ("[fd00::1]:8081", 9000, "[::]:8081"),
            ("unix:/run/n.sock", 9000, "unix:/run/n.sock"),
            ("10.0.0.1:9000", 9000, "80"),
            ("10.0.0.1:80", 80, "8080"),
        ] {
            assert_eq!(setup(NodeKind::NginxNanio, member, "0.0.0.0", port).listen(), listen, "{member}");
        }
        assert_eq!(setup(NodeKind::NginxOnly, "10.0.0.1:9000", "0.0.0.0", 9000).listen(), "9000");
    }

    #[test]
    fn nginx_finds_nanio_at_the_address_that_it_binds() {
        for (host, address) in [
            ("0.0.0.0", "127.0.0.1:9000"),
            ("::", "[::1]:9000"),
            ("fd00::1", "[fd00::1]:9000"),
            ("10.0.0.1", "10.0.0.1:9000"),
            ("localhost", "localhost:9000"),
        ] {
            assert_eq!(setup(NodeKind::NginxNanio, "10.0.0.1:80", host, 9000).nanio_address(), address);
        }
    }

    #[test]
    fn what_will_not_work_is_said() {
        let said = |kind, member, host, port| setup(kind, member, host, port).warnings().join("\n");
        let sound = said(NodeKind::NanioOnly, "10.0.0.1:9000", "0.0.0.0", 9000);
        assert!(sound.starts_with("No S3 keys were given") && sound.lines().count() == 1, "{sound}");
        for (kind, member, host, words) in [
            (NodeKind::NanioOnly, "10.0.0.1:9001", "0.0.0.0", "give nanio_port=9001"),
            (NodeKind::NanioOnly, "unix:/run/n.sock", "0.0.0.0", "TCP only"),
            (NodeKind::NanioOnly, "10.0.0.1:9000", "127.0.0.1", "another nanio_host"),
            (NodeKind::NginxNanio, "10.0.0.1:9000", "0.0.0.0", "nginx listens on 80"),
            (NodeKind::NginxOnly, "10.0.0.1:9000", "0.0.0.0", "without a key"),
            (NodeKind::NginxOnly, "10.0.0.1:9000", "0.0.0.0", "Pool p is of type nanio"),
        ] {
            let said = said(kind, member, host, 9000);
            assert!(said.contains(words), "{words}: {said}");
        }
        let behind = said(NodeKind::NginxNanio, "10.0.0.1:80", "127.0.0.1", 9000);
        assert_eq!(behind, sound, "behind an nginx of its own, nanio may listen on the loopback");
    }
}
