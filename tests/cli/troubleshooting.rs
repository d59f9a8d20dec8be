//! The product's *Troubleshooting*: each symptom, and that doing what is written ends it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::stderr;
use crate::process::config::{Home, KEY};
use crate::process::free_port;
use crate::support::http::{Request, Response};

fn call(home: &Home, method: &str, path: &str, body: &Value) -> Response {
    let request = Request::new(method, path).header("X-Orchestrator-Key", KEY);
    request.header("Content-Type", "application/json").body(&body.to_string()).send(home.port)
}

/// nginx refuses what a change would make of it: told in the answer, and nothing has changed.
fn refused(home: &Home, path: &str, body: &Value, part: &str) {
    let before = crate::support::nginx::snapshot(&home.nginx.managed());
    let answer = call(home, "POST", path, body);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{part}\nnot in\n{}", answer.text());
    assert_eq!(crate::support::nginx::snapshot(&home.nginx.managed()), before);
}

#[test]
fn nginx_t_fails_after_config_change() {
    let mut home = Home::new();
    home.nginx.start();
    let _server = home.serve();
    home.ask("POST", "/api/pools", &json!({"name": "p"}));
    // The includes are missing.
    home.nginx.write_conf("");
    let member = json!({"address": "127.0.0.1:9"});
    let include = format!("include {}/pools/*.conf;", home.nginx.managed().display());
    refused(&home, "/api/pools/1/members", &member, &include);
    home.nginx.write_conf(&home.nginx.includes());
    home.ask("POST", "/api/pools/1/members", &member);
    // The audit log has nginx's words, too: of what it accepted, since nothing else has become of the gateway.
    let log = home.ask("GET", "/api/audit", &Value::Null);
    assert!(log[0]["nginx_reload_output"].as_str().unwrap().contains("test is successful"), "{log}");
    // A certificate is missing.
    let missing = home.file("missing.pem");
    let vhost = json!({"server_name": "s3.test", "listen_port": 8443, "ssl_certificate": missing, "ssl_certificate_key": missing});
    refused(&home, "/api/vhosts", &vhost, "cannot load certificate");
    // An upstream of that name is there already.
    home.nginx.write_conf(&format!("upstream taken {{ server 127.0.0.1:9; }}\n    {}", home.nginx.includes()));
    home.ask("POST", "/api/pools", &json!({"name": "taken"}));
    refused(&home, "/api/pools/2/members", &member, "duplicate upstream");
}

#[test]
fn drift_detected() {
    let mut home = Home::new();
    home.nginx.start();
    let _server = home.serve();
    home.ask("POST", "/api/pools", &json!({"name": "p"}));
    home.ask("POST", "/api/pools/1/members", &json!({"address": "127.0.0.1:9"}));
    let file = home.nginx.managed().join("pools/p.conf");
    let ours = fs::read_to_string(&file).unwrap();
    let edited = ours.replace("127.0.0.1:9", "127.0.0.1:19");
    let drifted =
        || home.ask("GET", "/api/config/status?drifted=true", &Value::Null)["files"].as_array().unwrap().len();
    let members = || home.ask("GET", "/api/pools/1/members", &Value::Null);
    // Restore from DB.
    fs::write(&file, &edited).unwrap();
    assert_eq!(drifted(), 1);
    home.ask("POST", "/api/config/rebuild", &Value::Null);
    assert_eq!((fs::read_to_string(&file).unwrap(), drifted()), (ours, 0));
    // Accept the change.
    fs::write(&file, &edited).unwrap();
    home.ask("POST", "/api/config/sync", &Value::Null);
    let members = members();
    let enabled = members.as_array().unwrap().iter().filter(|member| member["enabled"] == true);
    let addresses: Vec<&Value> = enabled.map(|member| &member["address"]).collect();
    assert_eq!((addresses, drifted()), (vec![&json!("127.0.0.1:19")], 0));
}

#[test]
fn service_wont_start_since_its_port_is_in_use() {
    let home = Home::new();
    let taken = TcpListener::bind(("127.0.0.1", home.port)).unwrap();
    let output = home.command(&["serve"]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{}", home.port)), "{said}");
    assert!(said.contains("NANIO_ORCHESTRATOR_PORT"), "{said}");
    // As it is written: change PORT in config.env. And nginx is tested where no server runs.
    let free = free_port();
    home.said(&["set", "port", &free.to_string()]);
    home.said(&["validate"]);
    let mut server = home.serve();
    assert_eq!(Request::get("/api/health").send(free).status, 200);
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    drop(taken);
}

#[test]
fn service_wont_start_since_the_database_is_nowhere_to_be_written() {
    let home = Home::new();
    let data = home.file("data");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).unwrap();
    let serve = home.command(&["serve"]);
    // Root may write everywhere, unless that right is taken from it.
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    }
    command.arg("--").arg(serve.get_program()).args(serve.get_args()).env_clear().current_dir(home.nginx.dir.path());
    for (name, value) in serve.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output().unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(data.to_str().unwrap()) && said.contains("NANIO_ORCHESTRATOR_DB_PATH"), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    home.serve();
}

#[test]
fn credentials_api_returns_500() {
    let home = Home::new();
    let mut server = home.serve();
    home.ask("POST", "/api/pools", &json!({"name": "p"}));
    let keys = json!({"access_key": "AKIDEXAMPLE", "secret_key": "very-secret"});
    let answer = call(&home, "PUT", "/api/pools/1/credentials", &keys);
    assert_eq!(answer.status, 500, "{}", answer.text());
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    let command = "nanio-orchestrator config generate-secret --set";
    assert!(detail.contains(command), "{detail}");
    // What it says, then a restart.
    let words: Vec<&str> = command.split(' ').skip(2).collect();
    home.said(&words);
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    let mut server = home.serve();
    assert_eq!(home.ask("PUT", "/api/pools/1/credentials", &keys)["access_key_masked"], "AKID****");
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    // Or by hand; a key that is none is refused before it does harm.
    let key = home.said(&["generate-secret"]);
    assert!(home.fails(&["set", "secret", "not-a-fernet-key"]).contains("Fernet"));
    home.said(&["set", "secret", key.trim()]);
    assert_eq!(home.said(&["get", "secret"]), key);
    // The line of the product, word for word: what Python makes is a key here.
    let line = "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())";
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let made = Command::new(python).args(["-c", line]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    home.said(&["set", "secret", made.trim()]);
    assert_eq!(home.said(&["get", "secret"]), made);
    home.serve();
}

#[test]
fn api_returns_401() {
    let home = Home::new();
    let _server = home.serve();
    for key in [None, Some("wrong")] {
        let mut request = Request::get("/api/pools");
        if let Some(key) = key {
            request = request.header("X-Orchestrator-Key", key);
        }
        let answer = request.send(home.port);
        assert_eq!(answer.status, 401);
        assert!(answer.text().contains("X-Orchestrator-Key"), "{}", answer.text());
    }
    assert_eq!(Request::get("/api/health").send(home.port).status, 200);
    assert_eq!(call(&home, "GET", "/api/pools", &Value::Null).status, 200);
}

/// The answer to a login, as a browser sends it.
fn log_in(home: &Home, key: &str, scheme: &str) -> Response {
    let form = Request::new("POST", "/login").header("Content-Type", "application/x-www-form-urlencoded");
    form.header("X-Forwarded-Proto", scheme).body(&format!("key={key}")).send(home.port)
}

fn cookie(answer: &Response) -> String {
    let line =
        answer.head.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie: ")).expect("a cookie");
    line.split_once(": ").unwrap().1.to_owned()
}

/// Where the pages lead who has this cookie: the page itself (200), or to the login.
fn page(home: &Home, cookie: &str) -> (u16, bool) {
    let answer = Request::get("/web/pools").header("Cookie", cookie.split(';').next().unwrap()).send(home.port);
    (answer.status, answer.head.to_ascii_lowercase().contains("location: /login"))
}

#[test]
fn web_ui_keeps_redirecting_to_login() {
    let home = Home::new();
    let mut server = home.serve();
    // Cookies blocked.
    assert_eq!(page(&home, "none=none"), (302, true));
    let plain = cookie(&log_in(&home, KEY, "http"));
    assert_eq!(page(&home, &plain), (200, false));
    // Behind a TLS-terminating proxy; the default lifetime is eight hours.
    let secure = cookie(&log_in(&home, KEY, "https"));
    assert!(secure.ends_with("; Secure") && !plain.contains("Secure"), "{secure}\n{plain}");
    assert!(plain.contains("Max-Age=28800"), "{plain}");
    // Increase SESSION_TTL.
    home.said(&["set", "session_ttl", "86400"]);
    server.end(Signal::TERM);
    let mut server = home.serve();
    assert!(cookie(&log_in(&home, KEY, "http")).contains("Max-Age=86400"));
    assert_eq!(page(&home, &plain), (200, false), "a restart alone ends no session");
    // The API key changed: old cookies are void, a new login opens.
    home.said(&["set", "api_key", "another-key"]);
    server.end(Signal::TERM);
    let _server = home.serve();
    assert_eq!(page(&home, &plain), (302, true));
    assert_eq!(page(&home, &cookie(&log_in(&home, "another-key", "http"))), (200, false));
}
