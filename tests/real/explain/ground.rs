//! A gateway with vhosts of every kind, a bucket in each state of a move, and upstreams that say who they are.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::domain::explain::Request;
use nanio_orchestrator::domain::explain::listeners::Listener;
use nanio_orchestrator::domain::gateway::moving::{GATE_SOCKET, GateFile, Moving, RELAY_SOCKET};
use nanio_orchestrator::domain::gateway::{
    Common, ManagedFile, PoolRef, Protocol, Server, Tls, Upstream, UpstreamServer,
};
use nanio_orchestrator::domain::ids::{MemberId, PoolId, VhostId};
use nanio_orchestrator::domain::migration::token::{GateStage, Token, TokenState};
use nanio_orchestrator::domain::pool::{Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, Role, Weight};
use nanio_orchestrator::domain::route::KeyPrefix;
use nanio_orchestrator::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, Snippet, Zone};

use crate::real::moves::gate::TestGate;
use crate::real::moves::{by_default, moving, pool, routed, vhost};
use crate::support::echo::Echo;
use crate::support::http::Response;
use crate::support::nginx::{PrivateNginx, free_port, wait_for_port};

/// The pools, and of an http pool the one that it reads.
const POOLS: [(&str, Option<i64>); 4] = [("alpha", None), ("beta", None), ("web-a", Some(1)), ("web-b", Some(2))];

/// What the gate says, to everybody.
pub const DECISION: &str = "beta";

/// The buckets that are being moved.
pub const MOVED: &[&str] =
    &["m-source", "m-held", "m-switched", "m-open", "m-missing", "m-settled", "m-fill", "m-split", "M-Upper"];

/// What nginx was seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The upstream that got the request, or status and code of nginx's own answer.
    pub answer: String,
    /// How often the gate was asked.
    pub asked: usize,
}

/// nginx, its upstreams and its gate.
pub struct Ground {
    nginx: PrivateNginx,
    gate: TestGate,
    upstreams: Vec<(&'static str, Echo)>,
    _relay: Echo,
    /// The server blocks, in the order in which nginx reads them.
    pub servers: Vec<Server>,
    /// What the files of the tokens say.
    pub states: HashMap<Token, TokenState>,
    /// The ports; nobody listens on the last one, and the one before speaks TLS.
    pub ports: [u16; 4],
}

/// Migrations in each state. The bucket that is settled is on `beta` already.
fn moves() -> Vec<(Moving, TokenState)> {
    let state = |name: &str| match name {
        "m-held" => TokenState::Held,
        "m-switched" => TokenState::Switched,
        "m-open" | "m-settled" => TokenState::Open,
        "m-missing" => TokenState::Missing,
        _ => TokenState::Source,
    };
    let one = |(number, name): (u32, &&str)| {
        let settled = *name == "m-settled";
        let stage = if settled { GateStage::Settled } else { GateStage::Gated };
        let mut one = moving(number, name, stage, if settled { &["up load/1"] } else { &[] });
        match *name {
            "m-fill" => one.destination = one.source,
            "m-split" => one.split_in = Some(VhostId(2)),
            _ => {}
        }
        (one, state(name))
    };
    (1..).zip(MOVED).map(one).collect()
}

fn rules(mode: IpRuleMode, range: &str) -> Option<IpRules> {
    Some(IpRules::new(mode, vec![IpRange::parse(range).unwrap()]).unwrap())
}

fn snippet(text: &str) -> Snippet {
    Snippet::parse(text).unwrap()
}

/// A route that replaces its prefix.
fn replacing(server: Server, prefix: &str, name: &str) -> Server {
    let mut server = routed(server, prefix, name, None);
    let mut route = server.routes.iter().find(|route| route.path_prefix.as_str() == prefix).unwrap().clone();
    route.key_prefix = Some(KeyPrefix::parse("public/files/").unwrap());
    server.routes.put(route);
    server
}

fn s3_routes(mut server: Server) -> Server {
    for (prefix, name) in [
        ("/bkt/", "beta"),
        ("/split/part/", "beta"),
        ("/split/noslash", "beta"),
        ("/Upper/", "beta"),
        ("/up@x/", "beta"),
        ("/ab/", "beta"),
        ("/whole/", "beta"),
        ("/whole/back/", "alpha"),
        ("/default/", "beta"),
        ("/dotted.name", "beta"),
        ("/m-settled/", "beta"),
        ("/m-held/elsewhere/", "beta"),
        ("/m-switched/", "alpha"),
    ] {
        server = routed(server, prefix, name, None);
    }
    routed(server, "/own/", "beta", Some("add_header X-Own yes;"))
}

fn http_routes(mut server: Server) -> Server {
    for (prefix, name) in [
        ("/img/", "web-b"),
        ("/img/deep/", "web-a"),
        ("/img/deep/er", "web-b"),
        ("/no/slash", "web-b"),
        ("/Case/", "web-b"),
        ("/m-switched/", "web-a"),
        ("/m-held/", "web-a"),
    ] {
        server = routed(server, prefix, name, None);
    }
    replacing(server, "/pub/", "web-b")
}

/// The vhosts of the two plain ports and of the one that speaks TLS.
fn vhosts([one, two, tls, _]: [u16; 4], tls_files: Tls) -> Vec<Server> {
    let on = |server: Server, port: u16| Server { listen_port: Port::new(port.into()).unwrap(), ..server };
    let s3 = |id, name| vhost(id, name, Protocol::S3);
    let http = |id, name| vhost(id, name, Protocol::Http);
    let doubtful = ExtraBlock { zone: Zone::End, content: snippet("location = /ping { return 200 pong; }") };
    vec![
        on(s3_routes(by_default(s3(1, "*.s3.test"), "alpha")), one),
        on(s3_routes(by_default(s3(2, "s3.test"), "alpha")), one),
        on(routed(s3_routes(s3(3, "bare.test")), "/m-open/", "alpha", None), one),
        on(by_default(s3(4, "*.deep.s3.test"), "beta"), one),
        on(
            Server {
                ip_rules: rules(IpRuleMode::Allow, "127.0.0.0/8"),
                ..s3_routes(by_default(s3(5, "in.test"), "alpha"))
            },
            one,
        ),
        on(
            Server {
                ip_rules: rules(IpRuleMode::Allow, "192.0.2.0/24"),
                ..s3_routes(by_default(s3(6, "out.test"), "alpha"))
            },
            one,
        ),
        on(Server { ip_rules: rules(IpRuleMode::Deny, "127.0.0.1"), ..s3_routes(s3(7, "denied.test")) }, one),
        on(http_routes(by_default(http(8, "web.test"), "web-a")), one),
        on(Server { ip_rules: rules(IpRuleMode::Deny, "127.0.0.1"), ..http_routes(http(9, "webdenied.test")) }, one),
        on(Server { extra_blocks: vec![doubtful], ..by_default(s3(10, "doubt.test"), "alpha") }, one),
        on(http_routes(http(11, "a.two.test")), two),
        on(http_routes(by_default(http(12, "web.two.test"), "web-a")), two),
        on(s3_routes(by_default(s3(13, "s3.two.test"), "alpha")), two),
        on(Server { tls: Some(tls_files), ..by_default(s3(14, "tls.test"), "alpha") }, tls),
    ]
}

impl Ground {
    /// Everything runs.
    pub fn start() -> Self {
        let mut nginx = PrivateNginx::new();
        let dir = nginx.gate_dir();
        let ports = [free_port(), free_port(), free_port(), free_port()];
        let mut servers = vhosts(ports, certificate(&nginx));
        let moves = moves();
        let upstreams: Vec<(&'static str, Echo)> = POOLS.iter().map(|(name, _)| (*name, Echo::start(name))).collect();
        let gate = TestGate::listen(&dir.join(GATE_SOCKET));
        gate.decide(Some(DECISION));
        let relay = Echo::at(&dir.join(RELAY_SOCKET), "relay");
        write(&nginx, &mut servers, &moves, &upstreams);
        for (moving, state) in &moves {
            let files: &[GateFile] = match state {
                TokenState::Source => &[GateFile::Source],
                TokenState::Held => &[GateFile::Held],
                TokenState::Switched => &[GateFile::Switched],
                TokenState::Open => &[GateFile::Switched, GateFile::Open],
                TokenState::Missing => &[],
            };
            for file in files {
                std::fs::write(dir.join(file.name(&moving.gate.token)), "").unwrap();
            }
        }
        assert!(nginx.accepts_live_tree());
        nginx.start();
        ports[..3].iter().for_each(|port| wait_for_port(*port));
        let states = moves.into_iter().map(|(moving, state)| (moving.gate.token, state)).collect();
        Self { nginx, gate, upstreams, _relay: relay, servers, states, ports }
    }

    /// Where the server blocks listen.
    pub fn listeners(&self) -> Vec<Listener> {
        self.servers.iter().map(Listener::of).collect()
    }

    /// Sends a request, and sees what becomes of it.
    pub fn observe(&self, request: &Request) -> Observed {
        let answer = send(request);
        let mut reached: Vec<&str> = Vec::new();
        for (name, echo) in &self.upstreams {
            reached.extend(echo.take().iter().map(|_| *name));
        }
        let answer = match (reached.as_slice(), answer) {
            ([], None) => "nothing".to_owned(),
            ([], Some(answer)) => format!("{} {}", answer.status, answer.s3_code()).trim().to_owned(),
            ([one], Some(answer)) if answer.status == 200 => (*one).to_owned(),
            (reached, answer) => format!("{reached:?} {answer:?} {}", self.nginx.dir.path().display()),
        };
        Observed { answer, asked: self.gate.take().len() }
    }
}

/// Sends the bytes of a request, and reads until nobody sends anything any more.
fn send(request: &Request) -> Option<Response> {
    let mut stream = TcpStream::connect(("127.0.0.1", request.port)).ok()?;
    // Only against a server that never answers: no assertion depends on it.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut message =
        [request.method.as_slice(), b" ", &request.target, b" HTTP/1.1\r\nConnection: close\r\n"].concat();
    for (name, value) in [("Host", request.host.as_ref()), ("x-amz-copy-source", Some(&request.copy_source))] {
        if let Some(value) = value.filter(|value| name == "Host" || !value.is_empty()) {
            message.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    if matches!(request.method.as_slice(), b"PUT" | b"POST") {
        message.extend(b"Content-Length: 0\r\n");
    }
    message.extend(b"\r\n");
    // nginx may have answered and gone before it has read everything.
    let _ = stream.write_all(&message);
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            break;
        }
        bytes.extend(&buffer[..count]);
    }
    Response::parse(&bytes)
}

fn certificate(nginx: &PrivateNginx) -> Tls {
    let made = rcgen::generate_simple_self_signed(vec!["tls.test".to_owned()]).unwrap();
    let put = |name: &str, text: String| {
        let path = nginx.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        PemPath::parse(path.to_str().unwrap()).unwrap()
    };
    Tls { certificate: put("cert.pem", made.cert.pem()), key: put("key.pem", made.signing_key.serialize_pem()) }
}

/// Puts what the renderer makes of these where nginx reads it; tells the servers of the moves.
fn write(
    nginx: &PrivateNginx,
    servers: &mut [Server],
    moves: &[(Moving, TokenState)],
    upstreams: &[(&'static str, Echo)],
) {
    let renderer = Renderer::new().with_gate_dir(&nginx.gate_dir()).unwrap();
    let dialect = Dialect { ipv6: false, ..Dialect::USUAL };
    let put = |place: String, file: &ManagedFile| {
        std::fs::write(nginx.managed().join(place), renderer.render(file, dialect)).unwrap();
    };
    put("pools/00-nanio.conf".to_owned(), &ManagedFile::Common(Common::sized(100, 20, 40)));
    let mut refs = HashMap::new();
    for ((number, (name, source)), (_, echo)) in (1..).zip(POOLS).zip(upstreams) {
        let kind = if source.is_some() { PoolKind::Http } else { PoolKind::Nanio };
        refs.insert(PoolId(number), PoolRef { name: pool(name), kind, source: source.map(PoolId) });
        let server = UpstreamServer {
            id: MemberId(number),
            address: Address::parse(&echo.address()).unwrap(),
            role: Role::usual(kind),
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
    let gated: Vec<Moving> = moves.iter().map(|(moving, _)| moving.clone()).collect();
    for server in servers.iter_mut() {
        server.set_moves(&gated, &refs);
        put(format!("vhosts/{}.conf", server.server_name), &ManagedFile::Server(server.clone().into()));
    }
    servers.sort_by_key(|server| format!("{}.conf", server.server_name));
}
