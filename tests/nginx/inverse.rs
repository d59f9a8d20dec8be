//! Rendering and parsing are inverse, and hostile values stay values.

use nanio_orchestrator::adapters::nginx::parse::{is_understood, parse};
use nanio_orchestrator::adapters::nginx::proof::Facts;
use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::adapters::nginx::text;
use nanio_orchestrator::adapters::nginx::tree::sha256;
use nanio_orchestrator::domain::gateway::{
    Common, DefaultRoute, ManagedFile, Server, ServerRoute, Upstream, UpstreamServer,
};
use nanio_orchestrator::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::pool::{Address, PoolName};
use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::vhost::{IpRange, PemPath, ServerName};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::values;

fn dialects() -> impl Strategy<Value = Dialect> {
    (any::<bool>(), any::<bool>(), 1..100_000_u32).prop_map(|(http2_directive, ipv6, worker_connections)| Dialect {
        http2_directive,
        ipv6,
        worker_connections,
        ..Dialect::USUAL
    })
}

fn pools() -> Vec<PoolName> {
    ["pool-a", "B.b_1"].into_iter().map(|name| PoolName::parse(name).unwrap()).collect()
}

fn directive_count(text: &str) -> usize {
    let mut count = 0;
    text::walk(&text::read(text).unwrap(), &mut |_| count += 1);
    count
}

/// nginx's files call everything by its name.
fn without_ids(file: ManagedFile) -> ManagedFile {
    match file {
        ManagedFile::Upstream(upstream) => {
            let servers = upstream.servers.into_iter().map(|server| UpstreamServer { id: MemberId(0), ..server });
            ManagedFile::Upstream(Upstream { id: PoolId(0), servers: servers.collect(), ..upstream })
        }
        ManagedFile::Server(server) => {
            let server = Server::clone(&server);
            let routes = server.routes.into_iter().map(|route| ServerRoute { id: RouteId(0), ..route });
            let default = server.default.map(|route| DefaultRoute { id: RouteId(0), ..route });
            ManagedFile::Server(Server { id: VhostId(0), routes: routes.collect(), default, ..server }.into())
        }
        other => other,
    }
}

fn assert_inverse(file: &ManagedFile, dialect: Dialect) {
    let renderer = Renderer::new();
    let text = renderer.render(file, dialect);
    assert_eq!(parse(&text), Ok(without_ids(file.clone())), "\n{text}");
    assert!(is_understood(&text, &renderer, dialect), "\n{text}");
    assert_eq!(renderer.render(&without_ids(file.clone()), dialect), text, "no id changes a byte");
    assert_eq!(renderer.render(file, dialect), text, "the same value gives the same bytes");
    let composed = renderer.compose(file, dialect);
    assert_eq!(composed.facts, Facts::of(&text), "what a value names is what its text names");
}

proptest! {
    #[test]
    fn an_upstream_is_read_back_as_it_was(upstream in values::upstream(), dialect in dialects()) {
        assert_inverse(&ManagedFile::Upstream(upstream), dialect);
    }

    #[test]
    fn a_server_is_read_back_as_it_was(server in values::server(pools(), Some(values::tls_paths())), dialect in dialects()) {
        assert_inverse(&ManagedFile::Server(server.into()), dialect);
    }

    #[test]
    fn nothing_is_said_of_moves_where_no_bucket_is_moving(server in values::server(pools(), None), dialect in dialects()) {
        let still = Server { moves: Vec::new(), ..server };
        let text = Renderer::new().render(&ManagedFile::Server(still.into()), dialect);
        for word in ["_act {", "_token {", "/gate", "recursive_error_pages", "open_file_cache", "auth_request", "log_format"] {
            prop_assert!(!text.contains(word), "{word}\n{text}");
        }
    }

    /// A renderer remembers what it said of routes; that never shows in a text.
    #[test]
    fn a_text_made_of_remembered_pieces_is_the_text_made_anew(
        mut server in values::server(pools(), None),
        others in prop::collection::vec(values::server(pools(), None), 1..6),
        plain in prop::collection::vec((0..2_usize, 1000..1900_i64), 0..800),
        steps in prop::collection::vec((any::<Index>(), any::<bool>()), 1..12),
        dialect in dialects(),
    ) {
        let bucket = |id: i64| PathPrefix::parse(&format!("/bucket-{id}/")).unwrap();
        let plain = plain.into_iter().map(|(pool, id)| ServerRoute {
            id: RouteId(id),
            path_prefix: bucket(id),
            pool: pools()[pool].clone(),
            key_prefix: None,
            extra_directives: None,
        });
        let (first, later): (Vec<_>, Vec<_>) = plain.partition(|route| route.id.0 % 3 != 0);
        first.into_iter().for_each(|route| server.routes.put(route));
        let routes: Vec<ServerRoute> = others.into_iter().flat_map(|other| other.routes).chain(later).collect();
        let remembering = Renderer::new();
        for (index, put) in steps {
            let before = server.clone();
            match (put && !routes.is_empty(), server.routes.len()) {
                (true, _) => server.routes.put(index.get(&routes).clone()),
                (false, 0) => {}
                (false, all) => {
                    let id = server.routes.iter().nth(index.index(all)).map(|route| route.id).unwrap();
                    server.routes.remove(id);
                }
            }
            // The state before may be asked for again: a change may be refused.
            for server in [before, server.clone()] {
                let anew = Server { routes: server.routes.iter().cloned().collect(), ..server.clone() };
                let known = remembering.compose(&ManagedFile::Server(server.into()), dialect);
                let whole = Renderer::new().compose(&ManagedFile::Server(anew.into()), dialect);
                let text = known.text.to_string();
                prop_assert_eq!(&text, &whole.text.to_string());
                prop_assert_eq!(known.text.sha256(), sha256(text.as_bytes()));
                prop_assert_eq!(&known.facts, &whole.facts);
                prop_assert_eq!(&known.facts, &Facts::of(&text));
            }
        }
    }

    #[test]
    fn sizes_are_read_back_as_they_were(routes in 0u64..100_000, vhosts in 0u64..10_000, longest in 1u64..=255, dialect in dialects()) {
        assert_inverse(&ManagedFile::Common(Common::sized(routes, vhosts, longest)), dialect);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(?s).{0,300}") {
        let _ = parse(&text);
    }

    /// F04: a value that a constructor accepts never adds a directive.
    #[test]
    fn f04_a_hostile_value_adds_no_directive(mut server in values::server(pools(), None), mut upstream in values::upstream(), evil in hostile()) {
        let renderer = Renderer::new();
        let dialect = Dialect { ipv6: false, ..Dialect::USUAL };
        let before = directive_count(&renderer.render(&ManagedFile::Server(server.clone().into()), dialect));
        let wildcard = server.server_name.wildcard_base().is_some();
        if let Ok(name) = ServerName::parse(&evil) && name.wildcard_base().is_some() == wildcard { server.server_name = name; }
        if let (Some(tls), Ok(path)) = (&mut server.tls, PemPath::parse(&format!("/{evil}"))) { tls.certificate = path; }
        if let (Some(rules), Ok(range)) = (&mut server.ip_rules, IpRange::parse(&evil)) { rules.ranges[0] = range; }
        let mut routes: Vec<ServerRoute> = server.routes.iter().cloned().collect();
        // Which lines a move needs depends on the routes of its bucket.
        let moving = |route: &ServerRoute| server.moves.iter().any(|one| one.bucket.as_str() == route.path_prefix.bucket());
        for route in &mut routes {
            let special = route.is_plain();
            let old = route.clone();
            if let Ok(prefix) = PathPrefix::parse(&format!("/{evil}")) { route.path_prefix = prefix; }
            if let (Some(key_prefix), Ok(evil)) = (&mut route.key_prefix, KeyPrefix::parse(&evil)) { *key_prefix = evil; }
            if moving(&old) || moving(route) || route.is_plain() != special || old.path_prefix.plain_bucket().is_some() != route.path_prefix.plain_bucket().is_some() || old.path_prefix.as_str().ends_with('/') != route.path_prefix.as_str().ends_with('/') { *route = old; }
        }
        server.routes = routes.into_iter().collect();
        let after = directive_count(&renderer.render(&ManagedFile::Server(server.into()), dialect));
        prop_assert!(after <= before);

        let before = directive_count(&renderer.render(&ManagedFile::Upstream(upstream.clone()), dialect));
        if let Ok(name) = PoolName::parse(&evil) { upstream.name = name; }
        if let Ok(address) = Address::parse(&evil) { upstream.servers[0].address = address; }
        let after = directive_count(&renderer.render(&ManagedFile::Upstream(upstream), dialect));
        prop_assert_eq!(after, before);
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        proptest::sample::select(vec![
            ";",
            "{",
            "}",
            "\n",
            "\r",
            "\"",
            "'",
            "\\",
            "$host",
            "${x}",
            "#",
            " ",
            "\t",
            "server",
            "a:1",
            "127.0.0.1:80",
            "unix:/x",
            "include /etc/passwd;",
            "/",
            "..",
            "*.",
            "é",
            "\u{0}",
            "%0a",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9.:/-]{1,6}",
    ];
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}
