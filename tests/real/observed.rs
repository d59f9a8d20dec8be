//! What Prometheus and browsers see of the real program.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::gateway::Gateway;
use crate::support::http::Request;
use crate::support::orchestrator::API_KEY;

/// What promtool says to a text or a file.
fn promtool(arguments: &[&str], input: &[u8]) {
    let mut promtool = Command::new("promtool");
    let mut child = promtool
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: Debian package prometheus");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn prometheus_finds_no_fault_with_the_figures() {
    let gateway = Gateway::start();
    let pool = gateway.pool("hot", &["127.0.0.1:9".to_owned()]);
    gateway.vhost("localhost", pool);
    let answer = Request::get("/metrics").header("Authorization", &format!("Bearer {API_KEY}")).send(gateway.api.port);
    assert_eq!(answer.status, 200);
    promtool(&["check", "metrics"], &answer.body);
}

#[test]
fn prometheus_takes_the_rules() {
    promtool(&["check", "rules", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/rules.yml")], b"");
}

/// Every figure that rules and dashboard speak of is one that the program has.
#[test]
fn rules_and_dashboard_speak_of_figures_that_there_are() {
    let gateway = Gateway::start();
    let answer = Request::get("/metrics").header("Authorization", &format!("Bearer {API_KEY}")).send(gateway.api.port);
    let text = answer.text();
    let known: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["deploy/prometheus/rules.yml", "deploy/grafana/dashboard.json"] {
        let said = std::fs::read_to_string(root.join(file)).unwrap();
        let mut named = 0;
        for word in said.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if !word.starts_with("nanio_orchestrator_") {
                continue;
            }
            named += 1;
            let family = word.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
            // A family without a value is not written: there is no certificate here.
            assert!(known.contains(&family) || family.contains("certificate"), "{file} speaks of {word}: {known:?}");
        }
        assert!(named > 0, "{file}");
    }
}

#[test]
fn it_is_ready_as_long_as_it_can_read_what_it_manages() {
    let gateway = Gateway::start();
    let ready = || Request::get("/api/health/ready").send(gateway.api.port);
    assert_eq!((ready().status, ready().json()["ready"].clone()), (200, true.into()));
    let (managed, away) = (gateway.nginx.managed(), gateway.nginx.dir.path().join("away"));
    std::fs::rename(&managed, &away).unwrap();
    std::fs::write(&managed, "no directory").unwrap();
    // It looks once a second.
    while ready().status == 200 {
        std::thread::yield_now();
    }
    assert_eq!(ready().json()["files"], false);
    assert_eq!(Request::get("/api/health").send(gateway.api.port).status, 200, "as product.md says: always");
}

#[test]
fn with_a_certificate_the_program_speaks_tls() {
    let mut gateway = Gateway::start();
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    gateway.api.set("TLS_CERT", &certificate);
    gateway.api.set("TLS_KEY", &key);
    gateway.api.restart_with_tls();
    let url = format!("https://localhost:{}/api/health", gateway.api.port);
    let curl = |more: &[&str]| {
        let output = Command::new("curl").args(["-sS", "--fail", "-i"]).args(more).arg(&url).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (ok, said) = curl(&["--cacert", &certificate.display().to_string()]);
    assert!(ok && said.contains("\"status\":\"ok\""), "{said}");
    assert!(!curl(&[]).0, "nobody knows this certificate");
    let plain = Request::get("/api/health").try_send(gateway.api.port);
    assert!(plain.map_or(true, |answer| answer.status != 200), "plain HTTP is not answered");
}
