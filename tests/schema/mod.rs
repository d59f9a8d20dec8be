//! The running program against its own OpenAPI document: a foreign tool reads the document, asks thousands of
//! questions made from it, and holds every answer against it.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::support::child::{Running, project_program};
use super::support::nginx::free_port;

const KEY: &str = "key-of-the-schema-test";
/// What must hold for every answer. Not asked: whether odd values are accepted or refused. Numbers as strings are
/// accepted and unknown fields ignored, as in 0.4.x, and rules of the domain do not fit into a schema.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth";
/// Answered with 503 where there is no service to restart, dev mode among them, as 0.4.x did: no fault of the server,
/// and the tool could not tell. tests/api/settings.rs and tests/process/config.rs ask it.
///
/// `listen` answers for minutes, and the tool would wait for the end: tests/api/events.rs asks it.
///
/// The others ask storage nodes, of which there are none here: 502, or 503 where a bucket would be moved.
/// tests/api/pool_buckets.rs, purge.rs, bucket_routes.rs and migrations.rs, and tests/real ask them.
const NOT_HERE: [&str; 9] = [
    "restart_service",
    "listen",
    "list_pool_buckets",
    "list_pool_objects",
    "purge_pool_bucket",
    "purge_orphan",
    "promote_bucket",
    "create_migration",
    "back_fill_bucket",
];
/// Examples an operation, on top of the edge cases that the tool derives from the document.
const EXAMPLES: u64 = 100;
/// How many entities of each kind are there to be found by ids that the tool makes up: mostly small ones.
const ENTITIES: i64 = 20;

/// The server in dev mode: it answers as in production, and its nginx is a dry run.
struct Server {
    // Ended with the server; says its last words if a test fails.
    _process: Running,
    port: u16,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let port = free_port();
        let configure = |command: &mut Command| {
            command.args(["serve", "--port", &port.to_string()]).current_dir(directory);
            command.env("NANIO_ORCHESTRATOR_DEV", "true").env("NANIO_ORCHESTRATOR_HOST", "127.0.0.1");
            // Without it, S3 keys are answered with 500, as the document says of a machine that is not set up.
            command.env("NANIO_ORCHESTRATOR_SECRET", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
            command.env("NANIO_ORCHESTRATOR_API_KEY", KEY).env("NANIO_ORCHESTRATOR_LOG_LEVEL", "ERROR");
        };
        let program = Path::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
        let mut process = Running::start(program, configure, &directory.join("server.log"));
        process.wait_until("the server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _process: process, port }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn make(&self, client: &reqwest::Client, path: &str, body: Value) -> i64 {
        let request = client.post(self.url(path)).header("X-Orchestrator-Key", KEY);
        let answer = request.header("Content-Type", "application/json").body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 201, "{path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()["id"].as_i64().unwrap()
    }

    /// Things to be read, changed and removed.
    async fn populate(&self, client: &reqwest::Client) {
        for number in 1..=ENTITIES {
            let pool = self.make(client, "/api/pools", json!({"name": format!("pool-{number}")})).await;
            // Nobody listens on the discard port, so that a look into a bucket fails at once.
            self.make(client, &format!("/api/pools/{pool}/members"), json!({"address": "127.0.0.1:9"})).await;
            let name = format!("s{number}.example.org");
            let vhost = json!({"server_name": name, "listen_port": 80, "ssl": false, "default_pool_id": pool});
            let vhost = self.make(client, "/api/vhosts", vhost).await;
            let route = json!({"path_prefix": "/photos/", "pool_id": pool, "allow_orphan": true});
            self.make(client, &format!("/api/vhosts/{vhost}/routes"), route).await;
        }
    }
}

#[tokio::test]
async fn every_answer_to_thousands_of_made_up_requests_is_as_the_document_says() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    server.populate(&client).await;
    let document = client.get(server.url("/api/openapi.json")).send().await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.map(|methods| methods.as_object().unwrap().len()).sum::<usize>() - NOT_HERE.len();

    let report = directory.path().join("report.json");
    let mut command = Command::new(project_program("schemathesis"));
    // Neither a proxy nor a configuration file of the caller's.
    command.env_clear().env("HOME", directory.path()).current_dir(directory.path()).stdin(Stdio::null());
    command.arg("run").arg(server.url("/api/openapi.json"));
    command.args(["--header", &format!("X-Orchestrator-Key: {KEY}"), "--checks", CHECKS, "--seed", "1"]);
    command.args(["--max-examples", &EXAMPLES.to_string(), "--workers", "2", "--generation-database", "none"]);
    command.args(NOT_HERE.iter().flat_map(|id| ["--exclude-operation-id", id]));
    command.args(["--no-color", "--warnings", "off", "--report", "json", "--report-json-path"]).arg(&report);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();

    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["complete"], true, "{report}");
    assert_eq!(report["test_cases"]["with_failures"], 0, "{report}");
    assert_eq!(report["operations"]["tested"], operations, "{report}");
    for phase in ["coverage", "fuzzing", "stateful"] {
        assert_eq!(report["phases"][phase]["status"], "success", "{report}");
    }
    // All but the health check, which takes no parameter and no key that could be varied.
    let least = EXAMPLES * (operations as u64 - 1);
    assert!(report["test_cases"]["generated"].as_u64().is_some_and(|cases| cases >= least), "{report}");
}
