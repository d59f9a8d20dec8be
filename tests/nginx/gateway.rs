//! The gateway port: one suite for the dry run and the real nginx, then what only the real one can show.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nanio_orchestrator::adapters::nginx::gateway::NginxGateway;
use nanio_orchestrator::adapters::nginx::render::own;
use nanio_orchestrator::adapters::nginx::tree::sha256;
use nanio_orchestrator::domain::gateway::{Common, FileName, ManagedFile, Server, ServerRoute, Upstream};
use nanio_orchestrator::domain::ids::RouteId;
use nanio_orchestrator::domain::pool::PoolName;
use nanio_orchestrator::domain::route::PathPrefix;
use nanio_orchestrator::domain::sidecar::HighestIds;
use nanio_orchestrator::domain::vhost::ServerName;
use nanio_orchestrator::ports::gateway::{FileChange, Gateway, GatewayError, Others, Overwrite, Recovery};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

use crate::support::nginx::{PrivateNginx, free_port, snapshot};
use crate::support::values;

fn pool(name: &str) -> ManagedFile {
    let text = format!(
        "# managed by nanio-orchestrator\n# pool:{name} type:nanio\nupstream {name} {{\n server 127.0.0.1:9;\n}}\n"
    );
    nanio_orchestrator::adapters::nginx::parse::parse(&text).unwrap()
}

fn vhost(name: &str, port: u16, pool: &str) -> ManagedFile {
    let own = own(&ServerName::parse(name).unwrap());
    let text = format!(
        "# managed by nanio-orchestrator\n# vhost:{name}\nmap ${own}_subject ${own}_pool {{ default {pool}; }}\nserver {{ listen {port}; server_name {name}; }}\n"
    );
    nanio_orchestrator::adapters::nginx::parse::parse(&text).unwrap()
}

fn server_of(file: ManagedFile) -> Server {
    match file {
        ManagedFile::Server(server) => Server::clone(&server),
        other => panic!("not a vhost: {other:?}"),
    }
}

fn name_of(pool: &str) -> FileName {
    FileName::Upstream(PoolName::parse(pool).unwrap())
}

async fn publish(gateway: &NginxGateway, change: FileChange, id: &str) -> HashMap<String, String> {
    let tested = gateway.test(change).await.unwrap();
    if tested.nginx.is_some() {
        gateway.put_live(id).await.unwrap();
        gateway.settle().await.unwrap();
    }
    tested.written.into_iter().collect()
}

fn put(files: Vec<ManagedFile>) -> FileChange {
    FileChange { put: files, ..FileChange::default() }
}

/// A gateway to make promises about, and the private nginx it is for.
async fn adapters() -> Vec<(&'static str, PrivateNginx, NginxGateway)> {
    let (dry, real) = (PrivateNginx::new(), PrivateNginx::new());
    let dry_gateway = NginxGateway::dry_run(&dry.managed(), false).unwrap();
    let real_gateway = real.gateway().await;
    vec![("dry run", dry, dry_gateway), ("real nginx", real, real_gateway)]
}

#[tokio::test]
async fn a_test_changes_nothing_live() {
    for (adapter, rig, gateway) in adapters().await {
        let before = snapshot(&rig.managed());
        let tested = gateway.test(put(vec![pool("a")])).await.unwrap();
        assert!(tested.nginx.is_some_and(|answer| answer.ok), "{adapter}");
        assert_eq!(snapshot(&rig.managed()), before, "{adapter}");
    }
}

#[tokio::test]
async fn what_was_tested_is_what_goes_live() {
    for (adapter, rig, gateway) in adapters().await {
        let written = publish(&gateway, put(vec![pool("a")]), "1").await;
        let observed = gateway.observe().await.unwrap();
        assert_eq!(observed.files, written, "{adapter}");
        assert!(!rig.managed().join(".nanio/intent.json").exists(), "{adapter}");
    }
}

#[tokio::test]
async fn where_somebody_removed_the_staging_it_is_made_again() {
    for (adapter, rig, gateway) in adapters().await {
        let highest = HighestIds { pools: 100, ..HighestIds::default() };
        for (number, file) in [("1", ManagedFile::Ids(highest)), ("2", pool("a"))] {
            fs::remove_dir_all(rig.managed().join(".nanio")).unwrap();
            assert!(gateway.test(put(vec![file])).await.unwrap().moves, "{adapter}");
            gateway.put_live(number).await.unwrap();
            gateway.settle().await.unwrap();
        }
        assert!(
            rig.managed().join("ids.meta.json").exists() && rig.managed().join("pools/a.conf").exists(),
            "{adapter}"
        );
    }
}

#[tokio::test]
async fn what_a_plan_staged_goes_live_if_it_is_the_same_and_never_anything_else() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    for (adapter, rig, gateway) in adapters().await {
        let inode = |path: &str| fs::metadata(rig.managed().join(path)).unwrap().ino();
        let bytes = |path: &str| fs::read(rig.managed().join(path)).unwrap();
        let whole = || put(vec![pool("a"), pool("b"), pool("c")]);
        gateway.rehearse(whole()).await.unwrap();
        let planned = ["a", "b", "c"].map(|name| inode(&format!(".nanio/staging/pools/{name}.conf")));
        // As long as it was, and not what it was.
        let staged = rig.managed().join(".nanio/staging/pools/b.conf");
        let other = fs::read_to_string(&staged).unwrap().replace("127.0.0.1:9 ", "127.0.0.1:8 ");
        fs::write(&staged, other).unwrap();
        // As somebody with another umask leaves it.
        let staged = rig.managed().join(".nanio/staging/pools/c.conf");
        let mode = fs::metadata(&staged).unwrap().mode();
        fs::set_permissions(&staged, fs::Permissions::from_mode(mode | 0o006)).unwrap();
        let recorded = publish(&gateway, whole(), "1").await;
        assert_eq!(inode("pools/a.conf"), planned[0], "{adapter}");
        assert_ne!(inode("pools/b.conf"), planned[1], "{adapter}");
        assert_ne!(inode("pools/c.conf"), planned[2], "{adapter}");
        assert_eq!(fs::metadata(rig.managed().join("pools/c.conf")).unwrap().mode(), mode, "{adapter}");
        assert_eq!(recorded.len(), 3);
        for (path, hash) in &recorded {
            assert_eq!(&sha256(&fs::read(path).unwrap()), hash, "{adapter}");
        }
        // What a plan staged of a file that is there is not the live file, and what another plan left is no part of it.
        let before = bytes("pools/a.conf");
        let plan = FileChange { remove: vec![name_of("a")], recorded: recorded.clone(), ..put(vec![pool("e")]) };
        gateway.rehearse(plan).await.unwrap();
        assert!(gateway.validate().await.ok && bytes("pools/a.conf") == before, "{adapter}");
        let written = publish(&gateway, FileChange { recorded, ..put(vec![pool("d")]) }, "2").await;
        assert_eq!(written.len(), 1, "{adapter}");
        assert!(!rig.managed().join(".nanio/staging/pools/e.conf").exists(), "{adapter}");
    }
}

#[tokio::test]
async fn the_same_state_again_is_not_a_change() {
    for (adapter, _rig, gateway) in adapters().await {
        let recorded = publish(&gateway, put(vec![pool("a")]), "1").await;
        let again = gateway.test(FileChange { recorded, ..put(vec![pool("a")]) }).await.unwrap();
        assert_eq!(again.nginx, None, "{adapter}");
    }
}

/// A large file is hashed only after nginx has begun to read it: that must not show.
#[tokio::test]
async fn a_large_file_is_changed_left_alone_and_protected_as_a_small_one_is() {
    for (adapter, rig, gateway) in adapters().await {
        let mut server = server_of(vhost("a.example", free_port(), "a"));
        let route = |id: i64, pool: &str| ServerRoute {
            id: RouteId(id),
            path_prefix: PathPrefix::parse(&format!("/bucket-{id}/")).unwrap(),
            pool: PoolName::parse(pool).unwrap(),
            key_prefix: None,
            extra_directives: None,
        };
        server.routes = (1000..5000).map(|id| route(id, "a")).collect();
        let common = ManagedFile::Common(Common::sized(4000, 1, 9));
        let files = |server: &Server| {
            put(vec![pool("a"), pool("b"), common.clone(), ManagedFile::Server(server.clone().into())])
        };
        publish(&gateway, files(&server), "1").await;
        server.routes.put(route(4321, "b"));
        let recorded = gateway.observe().await.unwrap().files;
        let recorded = publish(&gateway, FileChange { recorded, ..files(&server) }, "2").await;
        let path = rig.managed().join("vhosts/a.example.conf");
        let bytes = fs::read(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("    bucket-4321 b;\n"), "{adapter}");
        assert_eq!(recorded.get(path.to_str().unwrap()), Some(&sha256(&bytes)), "{adapter}");

        let again = gateway.test(FileChange { recorded: recorded.clone(), ..files(&server) }).await.unwrap();
        assert!(!again.moves && again.nginx.is_none(), "{adapter}");

        server.routes.put(route(2345, "b"));
        fs::write(&path, [&bytes[..], b"# mine\n"].concat()).unwrap();
        let refused = gateway.test(FileChange { recorded, ..files(&server) }).await;
        assert!(matches!(refused, Err(GatewayError::Drifted { .. })), "{adapter}: {refused:?}");
    }
}

#[tokio::test]
async fn an_undone_change_leaves_the_old_bytes() {
    for (adapter, rig, gateway) in adapters().await {
        let recorded = publish(&gateway, put(vec![pool("a")]), "1").await;
        let before = snapshot(&rig.managed());
        let change = FileChange { remove: vec![name_of("a")], recorded, ..put(vec![pool("b")]) };
        gateway.test(change).await.unwrap();
        gateway.put_live("2").await.unwrap();
        assert_ne!(snapshot(&rig.managed()), before, "{adapter}");
        gateway.undo().await.unwrap();
        assert_eq!(snapshot(&rig.managed()), before, "{adapter}");
    }
}

#[tokio::test]
async fn a_change_that_a_crash_interrupted_follows_the_database() {
    for (committed, expected) in
        [(Some("2"), Recovery::RolledForward), (Some("1"), Recovery::RolledBack), (None, Recovery::RolledBack)]
    {
        for (adapter, rig, gateway) in adapters().await {
            let recorded = publish(&gateway, put(vec![pool("a")]), "1").await;
            let before = snapshot(&rig.managed());
            gateway.test(FileChange { remove: vec![name_of("a")], recorded, ..put(vec![pool("b")]) }).await.unwrap();
            gateway.put_live("2").await.unwrap();
            let after = snapshot(&rig.managed());
            let left = ["pools/c.conf.tmp", ".nanio/intent.json.tmp", ".nanio/staging/vhosts/d.conf.tmp"];
            let left = left.map(|name| rig.managed().join(name));
            left.iter().for_each(|path| fs::write(path, "left by a crash").unwrap());
            assert_eq!(gateway.recover(committed).await.unwrap(), expected, "{adapter}");
            assert!(left.iter().all(|path| !path.exists()), "{adapter}");
            let wanted = if expected == Recovery::RolledForward { after } else { before };
            assert_eq!(snapshot(&rig.managed()), wanted, "{adapter}");
            assert_eq!(gateway.recover(committed).await.unwrap(), Recovery::Clean, "{adapter}");
        }
    }
}

#[tokio::test]
async fn an_edit_from_outside_is_not_written_over() {
    for (adapter, rig, gateway) in adapters().await {
        let recorded = publish(&gateway, put(vec![pool("a")]), "1").await;
        let path = rig.managed().join("pools/a.conf");
        fs::write(&path, "# mine\n").unwrap();
        let remove = FileChange { remove: vec![name_of("a")], recorded: recorded.clone(), ..FileChange::default() };
        let refused = gateway.test(remove.clone()).await;
        assert!(matches!(refused, Err(GatewayError::Drifted { .. })), "{adapter}: {refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n", "{adapter}");
        gateway.test(FileChange { overwrite: Overwrite::Everything, ..remove }).await.unwrap();
    }
}

#[tokio::test]
async fn a_map_that_names_an_undefined_pool_is_refused_although_nginx_accepts_it() {
    for (adapter, rig, gateway) in adapters().await {
        let port = free_port();
        let before = snapshot(&rig.managed());
        let error = gateway.test(put(vec![vhost("a.example", port, "nowhere")])).await.unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{adapter}: {error}");
        assert_eq!(snapshot(&rig.managed()), before, "{adapter}");
        // nginx itself sees nothing wrong with it.
        let text = gateway.render(&vhost("a.example", port, "nowhere")).content;
        fs::write(rig.managed().join("vhosts/a.example.conf"), text).unwrap();
        assert!(rig.accepts_live_tree(), "{adapter}");
        assert!(!gateway.validate().await.ok, "{adapter}");
    }
}

#[tokio::test]
async fn what_nginx_refuses_is_told_in_its_own_words_and_changes_nothing() {
    let rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    let recorded = publish(&gateway, put(vec![pool("a")]), "1").await;
    let before = snapshot(&rig.managed());
    let plain = server_of(vhost("a.example", free_port(), "a"));
    let server = ManagedFile::Server(Server { tls: Some(values::tls_paths()), ..plain }.into());
    let error = gateway.test(FileChange { recorded, ..put(vec![server]) }).await.unwrap_err();
    let GatewayError::Refused(words) = error else { panic!("{error:?}") };
    assert!(words.contains("cannot load certificate"), "{words}");
    assert_eq!(snapshot(&rig.managed()), before);
}

#[tokio::test]
async fn f01_a_candidate_is_tested_and_the_old_tree_is_not_mistaken_for_it() {
    let rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    publish(&gateway, put(vec![pool("a")]), "1").await;
    // Two upstreams of one name: the live tree is fine, only the candidate is not.
    fs::write(rig.dir.path().join("other.conf"), "upstream b { server 127.0.0.1:9; }").unwrap();
    rig.write_conf(&format!(
        "include other.conf; include {0}/pools/*.conf; include {0}/vhosts/*.conf;",
        rig.managed().display()
    ));
    assert!(rig.accepts_live_tree());
    let error = gateway.test(put(vec![pool("b")])).await.unwrap_err();
    assert!(error.to_string().contains("duplicate upstream"), "{error}");
    assert!(rig.accepts_live_tree());
}

#[tokio::test]
async fn a_conflicting_server_name_is_refused_though_nginx_only_warns() {
    let rig = PrivateNginx::new();
    let port = free_port();
    rig.write_conf(&format!(
        "include {0}/pools/*.conf; include {0}/vhosts/*.conf; server {{ listen {port}; server_name a.example; }}",
        rig.managed().display()
    ));
    let gateway = rig.gateway().await;
    let error = gateway.test(put(vec![pool("p"), vhost("a.example", port, "p")])).await.unwrap_err();
    assert!(error.to_string().contains("conflicting server name"), "{error}");
}

#[tokio::test]
async fn without_the_includes_a_change_is_refused_with_the_lines_to_add() {
    let rig = PrivateNginx::new();
    rig.write_conf("");
    let gateway = rig.gateway().await;
    let error = gateway.test(put(vec![pool("a")])).await.unwrap_err().to_string();
    for kind in ["pools", "vhosts"] {
        let line = format!("include {}/{kind}/*.conf;", fs::canonicalize(rig.managed()).unwrap().display());
        assert!(error.contains(&line), "{error}");
    }
}

#[tokio::test]
async fn includes_are_found_behind_other_includes() {
    let rig = PrivateNginx::new();
    fs::create_dir(rig.dir.path().join("conf.d")).unwrap();
    let nested = format!("include {0}/pools/*.conf;\ninclude {0}/vhosts/*.conf;\n", rig.managed().display());
    fs::write(rig.dir.path().join("conf.d/nanio.conf"), nested).unwrap();
    fs::write(rig.dir.path().join("conf.d/a.conf"), "map_hash_max_size 4096;\n").unwrap();
    rig.write_conf("include conf.d/*.conf;");
    let gateway = rig.gateway().await;
    let common = ManagedFile::Common(Common::sized(10, 1, 10));
    publish(&gateway, put(vec![pool("a"), common]), "1").await;
    assert!(rig.accepts_live_tree(), "map_hash_max_size must not stand twice");
    let error = gateway.test(put(vec![pool("b"), vhost("v.example", 0x7fff, "missing")])).await.unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn where_no_candidate_can_be_written_the_swap_is_tested_and_taken_back() {
    let rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    // A directory in its place: not even root can write the candidate file.
    fs::create_dir(rig.dir.path().join("nanio-candidate.conf")).unwrap();
    fs::write(rig.dir.path().join("nanio-candidate.conf/x"), "").unwrap();
    let before = snapshot(&rig.managed());
    gateway.test(put(vec![pool("a")])).await.unwrap();
    assert_eq!(snapshot(&rig.managed()), before);
    assert_eq!(gateway.observe().await.unwrap().check_mode, "swap");
    gateway.put_live("1").await.unwrap();
    gateway.settle().await.unwrap();
    assert!(rig.managed().join("pools/a.conf").exists());
}

#[tokio::test]
async fn a_reload_is_proven_by_new_workers_and_told_when_nginx_refuses() {
    let mut rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    let down = gateway.reload(Others::Rest).await;
    assert!(!down.answer.ok && down.answer.output.contains("not running"), "{down:?}");
    rig.start();
    let port = free_port();
    publish(&gateway, put(vec![pool("p"), vhost("a.example", port, "p")]), "1").await;
    let reload = gateway.reload(Others::Rest).await;
    assert!(reload.answer.ok, "{reload:?}");
    let observed = gateway.observe().await.unwrap();
    assert_eq!(observed.running.as_ref(), Some(&observed.files));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "the new listener is there");

    // A port that another process holds: `nginx -t` does not see it, a reload does not apply it.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = vhost("b.example", taken.local_addr().unwrap().port(), "p");
    let mut other = server_of(other);
    other.id = nanio_orchestrator::domain::ids::VhostId(2);
    publish(&gateway, put(vec![ManagedFile::Server(other.into())]), "2").await;
    let reload = gateway.reload(Others::Rest).await;
    assert!(!reload.answer.ok && reload.answer.output.contains("[emerg]"), "{reload:?}");
    let observed = gateway.observe().await.unwrap();
    assert_ne!(observed.running.as_ref(), Some(&observed.files), "what runs is not what is on disk");
}

#[tokio::test]
async fn a_reload_waits_for_a_change_that_may_still_be_taken_back() {
    let mut rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    rig.start();
    let port = free_port();
    let block = vhost("a.example", port, "p");
    let recorded = publish(&gateway, put(vec![pool("p"), block.clone()]), "1").await;
    assert!(gateway.reload(Others::Rest).await.answer.ok);
    let removed = FileChange { remove: vec![block.name()], recorded, ..FileChange::default() };
    gateway.test(removed).await.unwrap();
    gateway.put_live("2").await.unwrap();
    let reload = gateway.reload(Others::Watched);
    tokio::pin!(reload);
    let undone = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        gateway.undo().await.unwrap();
    };
    tokio::select! {
        biased;
        early = &mut reload => panic!("nginx has read what is on its way: {early:?}"),
        () = undone => {}
    }
    let reload = reload.await;
    assert!(reload.answer.ok, "{reload:?}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(), "the listener that was to go is there");
}

/// What nginx takes without a word is looked at before each reload, also right after a change that was tested.
#[tokio::test]
async fn no_reload_takes_a_tree_whose_pools_or_includes_are_gone() {
    let mut rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    rig.start();
    let files = || put(vec![pool("p"), vhost("a.example", free_port(), "p")]);
    publish(&gateway, files(), "1").await;
    fs::remove_file(rig.managed().join("pools/p.conf")).unwrap();
    let reload = gateway.reload(Others::Watched).await;
    assert!(!reload.answer.ok && reload.answer.output.contains("no file defines that upstream"), "{reload:?}");

    let again = FileChange { overwrite: Overwrite::Everything, ..files() };
    publish(&gateway, again, "2").await;
    let conf = rig.dir.path().join("nginx.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("/vhosts/*.conf;", "/nothing/*.conf;")).unwrap();
    let reload = gateway.reload(Others::Watched).await;
    assert!(!reload.answer.ok && reload.answer.output.contains("include"), "{reload:?}");
}

/// What it warns of each time is what nobody reads.
#[tokio::test]
async fn nginx_has_nothing_to_say_of_many_vhosts() {
    let rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    let port = free_port();
    let vhosts = (1..=40).map(|number| {
        let mut server = server_of(vhost(&format!("s3-{number}.example"), port, "p"));
        server.id = nanio_orchestrator::domain::ids::VhostId(number);
        ManagedFile::Server(server.into())
    });
    let files = [pool("p"), ManagedFile::Common(Common::sized(9, 40, 13))].into_iter().chain(vhosts).collect();
    let tested = gateway.test(put(files)).await.unwrap();
    let output = tested.nginx.unwrap().output;
    assert!(!output.contains("[warn]"), "{output}");
}

/// Real `nginx -t` accepts whatever the renderer makes of acceptable values.
#[tokio::test]
async fn nginx_accepts_what_the_renderer_makes() {
    let rig = PrivateNginx::new();
    let gateway = rig.gateway().await;
    let mut runner = TestRunner::new(Config::default());
    for round in 0..40 {
        let sample = |runner: &mut TestRunner| values::upstream().new_tree(runner).unwrap().current();
        let mut upstreams: Vec<Upstream> = vec![sample(&mut runner), sample(&mut runner)];
        upstreams[1].name =
            PoolName::parse(&format!("{}-2", upstreams[1].name)).unwrap_or_else(|_| PoolName::parse("x-2").unwrap());
        for upstream in &mut upstreams {
            // Names of nodes are looked up when nginx reads its files; only addresses are there without a resolver.
            upstream.servers.retain(|server| !server.address.as_str().starts_with("node"));
        }
        let names: Vec<PoolName> = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let server = values::server(names, None).new_tree(&mut runner).unwrap().current();
        let files: Vec<ManagedFile> = upstreams
            .into_iter()
            .map(ManagedFile::Upstream)
            .chain([ManagedFile::Server(server.into()), ManagedFile::Common(Common::sized(10, 2, 253))])
            .collect();
        let change = FileChange { remove_unknown: true, overwrite: Overwrite::Everything, ..put(files.clone()) };
        if let Err(error) = gateway.test(change).await {
            let texts: Vec<String> = files.iter().map(|file| gateway.render(file).content).collect();
            panic!("round {round}: {error}\n{}", texts.join("\n"));
        }
    }
}

#[test]
fn no_vhost_file_leaves_the_managed_directory() {
    for hostile in ["../x", "a/b", "..", "/etc/x"] {
        assert!(ServerName::parse(hostile).is_err(), "{hostile}");
        assert!(PoolName::parse(hostile).is_err(), "{hostile}");
    }
}
