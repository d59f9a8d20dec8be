//! A server that speaks TLS: what its certificate is proven by, and that something always has to.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::stderr;
use crate::process::Server;
use crate::process::place::{KEY, Place};

/// A server whose certificate names another host than the one it is called by.
struct Secured {
    place: Place,
    certificate: PathBuf,
    key: PathBuf,
    _server: Server,
}

fn write_pair(certificate: &Path, key: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
}

impl Secured {
    fn start(name: &str) -> Self {
        let place = Place::new();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|file| place.directory.path().join(file));
        write_pair(&certificate, &key, name);
        let mut serve = place.serve();
        serve.env("NANIO_ORCHESTRATOR_TLS_CERT", &certificate).env("NANIO_ORCHESTRATOR_TLS_KEY", &key);
        Self { _server: place.start(serve), place, certificate, key }
    }

    fn with_settings(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command();
        command.env("NANIO_ORCHESTRATOR_TLS_CERT", &self.certificate).env("NANIO_ORCHESTRATOR_TLS_KEY", &self.key);
        command.args(arguments);
        command
    }

    fn elsewhere(&self, url: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
        command.env_clear().env("NANIO_ORCHESTRATOR_API_KEY", KEY).env("NANIO_ORCHESTRATOR_SERVER", url);
        command.args(arguments).output().unwrap()
    }
}

#[test]
fn on_its_own_machine_the_server_is_known_by_its_certificate_whatever_is_in_it() {
    let secured = Secured::start("gateway.example");
    for arguments in [&["pool", "create", "--name", "p"][..], &["pool", "list"], &["config", "validate"]] {
        let output = secured.with_settings(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    }
    // Another certificate of the same name proves nothing.
    let [certificate, key] = ["other.pem", "other.key"].map(|file| secured.place.directory.path().join(file));
    write_pair(&certificate, &key, "gateway.example");
    let impostor = Secured { certificate, key, ..secured };
    let refused = impostor.with_settings(&["pool", "list"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("another certificate than TLS_CERT holds"), "{}", stderr(&refused));
}

#[test]
fn from_elsewhere_an_authority_vouches_for_the_server_and_for_its_name() {
    let secured = Secured::start("localhost");
    let (port, authority) = (secured.place.port, secured.certificate.to_str().unwrap());
    let named = format!("https://localhost:{port}");
    let unknown = secured.elsewhere(&named, &["pool", "list"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));
    assert!(
        stderr(&unknown).contains("is not trusted") && stderr(&unknown).contains("--ca-cert"),
        "{}",
        stderr(&unknown)
    );
    let known = secured.elsewhere(&named, &["pool", "list", "--ca-cert", authority]);
    assert_eq!(known.status.code(), Some(0), "{}", stderr(&known));
    let other_name = format!("https://127.0.0.1:{port}");
    let misnamed = secured.elsewhere(&other_name, &["pool", "list", "--ca-cert", authority]);
    assert_eq!(misnamed.status.code(), Some(1), "{}", stderr(&misnamed));
    let missing = secured.elsewhere(&named, &["pool", "list", "--ca-cert", "/nowhere.pem"]);
    assert!(stderr(&missing).contains("/nowhere.pem: No such file"), "{}", stderr(&missing));
}

#[test]
fn a_pair_that_cannot_be_used_keeps_the_server_from_starting_and_is_named() {
    let place = Place::new();
    let file = |name: &str| place.directory.path().join(name);
    write_pair(&file("cert.pem"), &file("key.pem"), "gateway.example");
    write_pair(&file("other.pem"), &file("other.key"), "gateway.example");
    std::fs::write(file("empty.pem"), "").unwrap();
    std::fs::create_dir(file("directory")).unwrap();
    for (certificate, key, named, why) in [
        ("missing.pem", "key.pem", "missing.pem", "No such file"),
        ("cert.pem", "missing.key", "missing.key", "No such file"),
        ("cert.pem", "directory", "directory", "Is a directory"),
        ("empty.pem", "key.pem", "empty.pem", "no PEM certificate"),
        ("cert.pem", "cert.pem", "cert.pem", "no items found"),
        ("cert.pem", "other.key", "other.key", "does not fit"),
    ] {
        let mut serve = place.serve();
        serve.env("NANIO_ORCHESTRATOR_TLS_CERT", file(certificate)).env("NANIO_ORCHESTRATOR_TLS_KEY", file(key));
        let output = serve.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(file(named).to_str().unwrap()) && said.contains(why), "{named}: {why}\n{said}");
        assert!(said.contains("NANIO_ORCHESTRATOR_TLS_KEY") && !said.contains("starting on"), "{said}");
        assert!(!place.beside("").exists(), "nothing was begun");
    }
    // One without the other would be no TLS at all.
    let mut serve = place.serve();
    let output = serve.env("NANIO_ORCHESTRATOR_TLS_CERT", file("cert.pem")).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("NANIO_ORCHESTRATOR_TLS_KEY"), "{said}");
}
