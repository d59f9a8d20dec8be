//! A bucket that is being moved, as nginx's part of it goes: who gets which request in each state of the token.

mod acts;
mod copies;
pub mod gate;
mod journal;
mod vhosts;

use std::collections::HashMap;
use std::path::PathBuf;

use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::gateway::moving::{GATE_SOCKET, GateFile, Moving, RELAY_SOCKET};
use nanio_orchestrator::domain::gateway::{
    Common, DefaultRoute, ManagedFile, PoolRef, Protocol, Server, ServerRoute, Upstream, UpstreamServer,
};
use nanio_orchestrator::domain::ids::{MemberId, MigrationId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::migration::token::{GateStage, MigrationGate, Token, TokenState};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::PathPrefix;
use nanio_orchestrator::domain::vhost::{Port, ServerName, Snippet};
use nanio_orchestrator::ports::gateway::{Gateway as _, Others};
use serde_json::Value;

use self::gate::TestGate;
use crate::support::echo::Echo;
use crate::support::gateway::served;
use crate::support::http::{Request, Response};
use crate::support::nginx::{PrivateNginx, free_port, wait_for_port, wait_until};

/// The pools: `src` and `dst`, and the http pools that read them.
const POOLS: [(&str, Option<i64>); 4] = [("src", None), ("dst", None), ("src-web", Some(1)), ("dst-web", Some(2))];

/// nginx on files that the renderer made, with upstreams that tell what reached them and a gate that decides.
struct Rig {
    nginx: PrivateNginx,
    port: u16,
    gate: TestGate,
    upstreams: HashMap<&'static str, Echo>,
    relay: Echo,
}

/// A token of the tests.
fn token(number: u32) -> Token {
    Token::parse(&format!("{number:032x}")).unwrap()
}

/// A migration of a bucket from `src` to `dst`.
pub fn moving(number: u32, bucket: &str, stage: GateStage, uploads: &[&str]) -> Moving {
    let source_uploads = uploads.iter().map(|upload| (*upload).to_owned()).collect();
    Moving {
        migration: MigrationId(number.into()),
        bucket: BucketName::parse(bucket).unwrap(),
        source: PoolId(1),
        destination: PoolId(2),
        split_in: None,
        gate: MigrationGate { token: token(number), stage, source_uploads },
    }
}

/// A vhost; without a default pool.
pub fn vhost(id: i64, name: &str, protocol: Protocol) -> Server {
    Server {
        id: VhostId(id),
        server_name: ServerName::parse(name).unwrap(),
        listen_port: Port::new(1).unwrap(),
        tls: None,
        protocol,
        ip_rules: None,
        extra_directives: None,
        extra_blocks: Vec::new(),
        default: None,
        routes: std::iter::empty().collect(),
        moves: Vec::new(),
    }
}

pub fn pool(name: &str) -> PoolName {
    PoolName::parse(name).unwrap()
}

/// The vhost with a default pool.
pub fn by_default(server: Server, name: &str) -> Server {
    Server { default: Some(DefaultRoute { id: RouteId(1000), pool: pool(name) }), ..server }
}

/// The vhost with a route, which may have directives of its own.
pub fn routed(mut server: Server, prefix: &str, name: &str, own: Option<&str>) -> Server {
    server.routes.put(ServerRoute {
        id: RouteId(server.routes.len() as i64 + 1),
        path_prefix: PathPrefix::parse(prefix).unwrap(),
        pool: pool(name),
        key_prefix: None,
        extra_directives: own.map(|own| Snippet::parse(own).unwrap()),
    });
    server
}

impl Rig {
    /// One vhost, `localhost`, whose bucket `bkt` is moved and whose others are on `src`.
    fn start() -> Self {
        let server = routed(by_default(vhost(1, "localhost", Protocol::S3), "src"), "/bkt/", "src", None);
        Self::with(vec![server], &[moving(1, "bkt", GateStage::Gated, &[])])
    }

    /// These vhosts and migrations; every token says that writes flow to the source.
    fn with(servers: Vec<Server>, gated: &[Moving]) -> Self {
        let nginx = PrivateNginx::new();
        let dir = nginx.gate_dir();
        let rig = Self {
            port: free_port(),
            gate: TestGate::listen(&dir.join(GATE_SOCKET)),
            upstreams: POOLS.iter().map(|(name, _)| (*name, Echo::start(name))).collect(),
            relay: Echo::at(&dir.join(RELAY_SOCKET), "relay"),
            nginx,
        };
        for moving in gated {
            std::fs::write(dir.join(GateFile::Source.name(&moving.gate.token)), "").unwrap();
        }
        rig.write(servers, gated);
        rig.run()
    }

    /// Makes what was written live. Returns when new workers serve it.
    fn reload(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reload = runtime.block_on(async { self.nginx.gateway().await.reload(Others::Rest).await });
        assert!(reload.answer.ok, "{reload:?}");
    }

    fn run(mut self) -> Self {
        assert!(self.nginx.accepts_live_tree());
        self.nginx.start();
        wait_for_port(self.port);
        self
    }

    /// Puts what the renderer makes of these where nginx reads it.
    fn write(&self, servers: Vec<Server>, gated: &[Moving]) {
        let renderer = Renderer::new().with_gate_dir(&self.nginx.gate_dir()).unwrap();
        let dialect = Dialect { ipv6: false, ..Dialect::USUAL };
        let put = |place: String, file: &ManagedFile| {
            std::fs::write(self.nginx.managed().join(place), renderer.render(file, dialect)).unwrap();
        };
        put("pools/00-nanio.conf".to_owned(), &ManagedFile::Common(Common::sized(10, 5, 40)));
        let mut refs = HashMap::new();
        for (number, (name, source)) in (1..).zip(POOLS) {
            let kind = if source.is_some() { PoolKind::Http } else { PoolKind::Nanio };
            refs.insert(PoolId(number), PoolRef { name: pool(name), kind, source: source.map(PoolId) });
            let server = UpstreamServer {
                id: MemberId(number),
                address: Address::parse(&self.upstreams[name].address()).unwrap(),
                role: if source.is_some() { Role::Primary } else { Role::Active },
                weight: Weight::default(),
                max_fails: MaxFails::default(),
                fail_timeout_s: FailTimeout::default(),
            };
            let upstream = Upstream {
                id: PoolId(number),
                name: pool(name),
                kind,
                lb_method: LbMethod::RoundRobin,
                keepalive: Keepalive::default(),
                servers: vec![server],
            };
            put(format!("pools/{name}.conf"), &ManagedFile::Upstream(upstream));
        }
        for mut server in servers {
            server.listen_port = Port::new(self.port.into()).unwrap();
            server.set_moves(gated, &refs);
            put(format!("vhosts/{}.conf", server.id), &ManagedFile::Server(server.into()));
        }
    }

    /// Lets the files of a token say this.
    fn say(&self, number: u32, state: TokenState) {
        let all = [GateFile::Source, GateFile::Held, GateFile::Switched, GateFile::Open];
        let there: &[GateFile] = match state {
            TokenState::Source => &[GateFile::Source],
            TokenState::Held => &[GateFile::Held],
            TokenState::Switched => &[GateFile::Switched],
            TokenState::Open => &[GateFile::Switched, GateFile::Open],
            TokenState::Missing => &[],
        };
        for file in all {
            let path = self.file(file, number);
            if there.contains(&file) {
                std::fs::write(path, "").unwrap();
            } else {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn file(&self, file: GateFile, number: u32) -> PathBuf {
        self.nginx.gate_dir().join(file.name(&token(number)))
    }

    fn send(&self, request: &Request) -> Response {
        request.send(self.port)
    }

    /// Which upstream answered, or the refusal.
    fn served(&self, request: &Request) -> String {
        served(&self.send(request))
    }

    /// What the upstreams and the relay were sent since they were last asked.
    fn reached(&self) -> Vec<Value> {
        self.upstreams.values().chain([&self.relay]).flat_map(Echo::take).collect()
    }

    /// The lines of a journal, once there are so many: nginx writes the last one when the client has its answer.
    fn journal(&self, number: u32, lines: usize) -> Vec<Value> {
        let path = self.file(GateFile::Journal, number);
        let read = || std::fs::read_to_string(&path).unwrap();
        wait_until("the journal", || read().matches('\n').count() >= lines);
        let all: Vec<Value> = read().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all.len(), lines, "{all:#?}");
        all
    }
}
