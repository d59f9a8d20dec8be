//! The files for storage nodes in the hands of the programs that they are for: nginx, nanio, systemd, a TOML
//! reader and a shell.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nanio_orchestrator::adapters::node_files::{NodeTemplates, quote};
use nanio_orchestrator::domain::node_config::{
    AccessKey, BindHost, DataDir, Keys, NanioPort, NodeFile, NodeKind, NodeSetup, Parameters, SecretKey,
};
use nanio_orchestrator::domain::pool::{Address, PoolKind, PoolName};
use nanio_orchestrator::ports::node_files::NodeFiles as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::clients::client;
use crate::support::child::{Running, path, project_program};
use crate::support::http::{Request, Response};
use crate::support::nanio::{ACCESS_KEY, SECRET_KEY};
use crate::support::nginx::{PrivateNginx, free_port, wait_until};

/// A node that the gateway reaches at `member`, with nanio on `port`.
fn setup(kind: NodeKind, data_dir: &str, member: u16, port: u16) -> NodeSetup {
    let keys = Keys { access: AccessKey::parse(ACCESS_KEY).unwrap(), secret: SecretKey::parse(SECRET_KEY).unwrap() };
    NodeSetup {
        pool: PoolName::parse("pool-a").unwrap(),
        pool_kind: PoolKind::Nanio,
        member: Address::parse(&format!("127.0.0.1:{member}")).unwrap(),
        parameters: Parameters {
            data_dir: DataDir::parse(data_dir).unwrap(),
            host: BindHost::parse("127.0.0.1").unwrap(),
            port: NanioPort::new(i64::from(port)).unwrap(),
            keys: Some(keys),
            ..Parameters::usual(kind)
        },
    }
}

fn text(file: NodeFile, setup: &NodeSetup) -> String {
    NodeTemplates::new().text(file, setup)
}

/// `nanio serve` with the options that were made for it.
fn nanio(directory: &Path, setup: &NodeSetup) -> Running {
    let options = directory.join("options.toml");
    std::fs::write(&options, text(NodeFile::Options, setup)).unwrap();
    std::fs::create_dir_all(setup.parameters.data_dir.as_str()).unwrap();
    let configure = |command: &mut Command| {
        command.args(["serve", "--options"]).arg(&options);
    };
    let mut process = Running::start(&project_program("nanio"), configure, &directory.join("nanio.log"));
    let port = u16::try_from(setup.parameters.port.get()).unwrap();
    process.wait_until("nanio", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

/// An nginx with one of the files in its http block.
fn nginx(file: NodeFile, setup: &NodeSetup) -> PrivateNginx {
    let mut rig = PrivateNginx::new();
    let conf = rig.dir.path().join("node.conf");
    std::fs::write(&conf, text(file, setup)).unwrap();
    rig.write_conf(&format!("include {};", conf.display()));
    assert!(rig.accepts_live_tree());
    rig.start();
    rig
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Values with everything that means something to one of the readers; the same in each run.
fn hostile(count: usize) -> Vec<String> {
    let pieces = [
        "\"", "'", "\\", ";", "}", "{", "#", "%n", "%", "%%", "${x}", "$", "[users]", "]", "=", " ", "\\x20", "é",
        "\u{2028}", "'''", "\"\"\"", "`id`", "$(id)", "*", "~", "!", "&", "|", "<", "a", "bc", "-", "+",
    ];
    let value = vec(proptest::sample::select(pieces.to_vec()), 1..8).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| value.new_tree(&mut runner).unwrap().current()).collect()
}

/// Directories that are named so, as far as a data directory may be.
fn hostile_directories(count: usize) -> Vec<DataDir> {
    let all = hostile(count).into_iter().filter_map(|name| DataDir::parse(&format!("/srv/{name}")).ok());
    let directories: Vec<DataDir> = all.collect();
    assert!(directories.len() > count / 4, "only {} of {count} are left", directories.len());
    directories
}

/// What a program says to this input; it must succeed.
fn ask(program: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", path()).env("LC_ALL", "C.UTF-8");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", program.display(), output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn f54_nginx_serves_objects_as_they_are_now_and_nothing_of_nanios_own() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("o b'jects");
    let (port, node_port) = (free_port(), free_port());
    let node = setup(NodeKind::NginxOnly, data.to_str().unwrap(), port, node_port);
    let _nanio = nanio(directory.path(), &node);
    client(&["fill", &format!("http://127.0.0.1:{node_port}"), "bucket"]).unwrap();
    let metadata = data.join("bucket/.nanio-meta/source.json");
    assert!(metadata.is_file(), "nanio keeps its metadata elsewhere now: the test looks at nothing");
    std::fs::create_dir_all(data.join(".nanio/multipart/u/parts")).unwrap();
    std::fs::write(data.join(".nanio/multipart/u/parts/000001.bin"), "part").unwrap();
    std::fs::create_dir_all(data.join("bucket/dir")).unwrap();

    let _nginx = nginx(NodeFile::FileServer, &node);
    let get = |target: &str| Request::get(target).send(port);
    let found = get("/bucket/source");
    assert_eq!((found.status, &found.body), (200, &std::fs::read(data.join("bucket/source")).unwrap()));
    assert_eq!(header(&found, "cache-control"), Some("no-cache"));
    assert_eq!(header(&found, "expires"), None);
    let tag = header(&found, "etag").unwrap();
    assert_eq!(Request::get("/bucket/source").header("If-None-Match", tag).send(port).status, 304);
    assert_eq!(Request::get("/bucket/source").header("Range", "bytes=0-1").send(port).body, found.body[..2]);
    assert_eq!(Request::new("HEAD", "/bucket/source").send(port).status, 200);

    for hidden in [
        "/bucket/.nanio-meta/source.json",
        "/bucket/%2enanio-meta/source.json",
        "/bucket/%2Enanio-meta%2Fsource.json",
        "//bucket//.nanio-meta/source.json",
        "/bucket/dir/../.nanio-meta/source.json",
        "/.nanio/multipart/u/parts/000001.bin",
        "/",
        "/bucket/",
        "/bucket",
        "/bucket/dir/",
        "/bucket/none",
    ] {
        assert_eq!(get(hidden).status, 404, "{hidden}");
    }
    for method in ["PUT", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
        let refused = Request::new(method, "/bucket/source").send(port);
        assert_eq!((refused.status, header(&refused, "allow")), (405, Some("GET, HEAD")), "{method}");
    }

    // As nanio does it: a new file by rename.
    std::fs::write(data.join("new"), "another content").unwrap();
    std::fs::rename(data.join("new"), data.join("bucket/source")).unwrap();
    wait_until("the new content", || get("/bucket/source").text() == "another content");
    assert_ne!(header(&get("/bucket/source"), "etag"), Some(tag));
}

#[test]
fn nginx_before_nanio_passes_on_what_clients_signed() {
    let directory = tempfile::tempdir().unwrap();
    let (port, node_port) = (free_port(), free_port());
    let node = setup(NodeKind::NginxNanio, directory.path().join("data").to_str().unwrap(), port, node_port);
    let _nanio = nanio(directory.path(), &node);
    let _nginx = nginx(NodeFile::Proxy, &node);
    client(&["everything", &format!("http://localhost:{port}"), "bucket"]).unwrap();
}

#[test]
fn f04_nginx_takes_any_directory_as_one_value() {
    let rig = PrivateNginx::new();
    let mut lines = String::new();
    for (index, directory) in hostile_directories(120).iter().enumerate() {
        let conf = rig.dir.path().join(format!("{index}.conf"));
        let node = setup(NodeKind::NginxOnly, directory.as_str(), free_port(), 9000);
        std::fs::write(&conf, text(NodeFile::FileServer, &node)).unwrap();
        lines.push_str(&format!("include {};\n", conf.display()));
    }
    rig.write_conf(&lines);
    assert!(rig.accepts_live_tree());
}

#[test]
fn nginx_takes_every_form_of_address() {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}/n.sock", directory.path().display());
    for member in [socket, format!("[::1]:{}", free_port()), format!("node-1.example.org:{}", free_port())] {
        for (kind, file) in [(NodeKind::NginxOnly, NodeFile::FileServer), (NodeKind::NginxNanio, NodeFile::Proxy)] {
            for host in ["0.0.0.0", "::", "fd00::1", "localhost"] {
                let rig = PrivateNginx::new();
                let conf = rig.dir.path().join("node.conf");
                let mut node = setup(kind, "/data", 80, 9000);
                node.member = Address::parse(&member).unwrap();
                node.parameters.host = BindHost::parse(host).unwrap();
                std::fs::write(&conf, text(file, &node)).unwrap();
                rig.write_conf(&format!("include {};", conf.display()));
                assert!(rig.accepts_live_tree(), "{member} {host}: {}", text(file, &node));
            }
        }
    }
}

#[test]
fn f04_a_toml_reader_finds_what_was_said_and_nothing_else() {
    let directories = hostile_directories(400);
    let secrets = hostile(directories.len());
    let mut texts = Vec::new();
    let mut expected = Vec::new();
    for (directory, secret) in directories.iter().zip(&secrets) {
        let mut node = setup(NodeKind::NanioOnly, directory.as_str(), 9000, 9001);
        node.parameters.keys.as_mut().unwrap().secret = SecretKey::parse(secret).unwrap();
        texts.push(text(NodeFile::Options, &node));
        expected.push(serde_json::json!({
            "server": {"data_dir": directory.as_str(), "host": "127.0.0.1", "port": 9001, "region": "us-east-1"},
            "users": [{"access_key": ACCESS_KEY, "secret_key": secret}],
        }));
    }
    let script = "import json, sys, tomllib\nprint(json.dumps([tomllib.loads(t) for t in json.load(sys.stdin)]))";
    let input = serde_json::to_string(&texts).unwrap();
    let read: Vec<serde_json::Value> =
        serde_json::from_str(&ask(&project_program("python"), &["-c", script], &input)).unwrap();
    assert_eq!(read, expected);
}

#[test]
fn f04_a_shell_reads_each_quoted_value_as_one_word() {
    let values: Vec<String> =
        hostile(300).into_iter().chain(["".to_owned(), "a\nb".to_owned(), "\t".to_owned()]).collect();
    let words: Vec<_> = values.iter().map(|value| quote::shell(value)).collect();
    let read = ask(Path::new("/bin/sh"), &["-s"], &format!("printf '%s\\0' {}", words.join(" ")));
    assert_eq!(read.split_terminator('\0').collect::<Vec<_>>(), values);
}

#[test]
fn nanio_starts_with_options_that_hold_hostile_values() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("a \"b\" 'c' \\n #; [users] = %n é");
    let mut node = setup(NodeKind::NanioOnly, data.to_str().unwrap(), 9000, free_port());
    node.parameters.keys.as_mut().unwrap().secret = SecretKey::parse("\"'\\ é%n${x}").unwrap();
    let _nanio = nanio(directory.path(), &node);
    let answer = Request::get("/").send(u16::try_from(node.parameters.port.get()).unwrap());
    assert_eq!(answer.status, 403, "unsigned: {}", answer.text());
}

/// Runs `systemd-analyze verify` on these units; what it says. `/usr/local/bin/nanio` need not be there.
fn verify(units: &[String]) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(project_program("systemd-analyze"));
    command.args(["verify", "--man=no"]).env_clear().env("PATH", path()).env("LC_ALL", "C.UTF-8");
    for (index, unit) in units.iter().enumerate() {
        let file = directory.path().join(format!("node{index}.service"));
        std::fs::write(&file, unit.replace("ExecStart=/usr/local/bin/nanio ", "ExecStart=/bin/true ")).unwrap();
        command.arg(file);
    }
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn f04_systemd_reads_any_directory_as_one_path_and_finds_nothing_to_complain_about() {
    let directories = hostile_directories(60);
    let mut units: Vec<String> = directories
        .iter()
        .map(|directory| text(NodeFile::Unit, &setup(NodeKind::NanioOnly, directory.as_str(), 9000, 9000)))
        .collect();
    units.push(text(NodeFile::Unit, &setup(NodeKind::NanioOnly, "/home/u/data", 80, 80)));
    units.push(text(NodeFile::Unit, &setup(NodeKind::NanioOnly, "/tmp/data", 9000, 9000)));
    assert_eq!(verify(&units), (true, String::new()));

    // What systemd has read is seen in its complaint about a path that is not absolute.
    for (directory, unit) in directories.iter().zip(&units).take(20) {
        let relative = |key: &str, unit: &str| {
            unit.replace(&format!("{key}=\"/"), &format!("{key}=\"")).replace(&format!("{key}=/"), &format!("{key}="))
        };
        for key in ["ReadWritePaths", "RequiresMountsFor"] {
            let (_, said) = verify(&[relative(key, unit)]);
            let expected = format!("{key}= path is not absolute, ignoring: {}", &directory.as_str()[1..]);
            assert!(said.lines().any(|line| line.ends_with(&expected)), "{expected}\n{said}");
        }
    }
    let (accepted, said) = verify(&[units[0].replace("Restart=", "Restrat=")]);
    assert!(!accepted || said.contains("Restrat"), "systemd-analyze would find a wrong key");
}
