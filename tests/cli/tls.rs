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
        let secured = Self { _server: place.start(serve), place, certificate, key };
        // It takes its certificate when it has begun to listen.
        let up = || secured.with_settings(&["pool", "list"]).output().unwrap().status.success();
        crate::support::nginx::wait_until("TLS", up);
        secured
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
