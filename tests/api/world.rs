//! The application under test and a client for it. The client checks on every answer what must hold for all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use nanio_orchestrator::adapters::certificates::PemFiles;
use nanio_orchestrator::adapters::clock::SystemTimer;
use nanio_orchestrator::adapters::fake::backup::FakeBackup;
use nanio_orchestrator::adapters::fake::copier::FakeCopier;
use nanio_orchestrator::adapters::fake::gate::FakeGate;
use nanio_orchestrator::adapters::fake::object_storage::FakeStorage;
use nanio_orchestrator::adapters::fake::service_manager::FakeManager;
use nanio_orchestrator::adapters::fake::store::FakeStore;
use nanio_orchestrator::adapters::fernet::FernetCipher;
use nanio_orchestrator::adapters::http::{Assets, HttpOptions, app};
use nanio_orchestrator::adapters::job_runner::JobRunner;
use nanio_orchestrator::adapters::migration_files::MigrationDirectory;
use nanio_orchestrator::adapters::node_files::NodeTemplates;
use nanio_orchestrator::adapters::revision_files::RevisionDirectory;
use nanio_orchestrator::adapters::settings::EnvSettings;
use nanio_orchestrator::config::{EnvFile, Sources};
use nanio_orchestrator::domain::credential::Keys;
use nanio_orchestrator::domain::secret::Secret;
use nanio_orchestrator::domain::services::keyring::Keyring;
use nanio_orchestrator::domain::services::migrations::Settings as MigrationSettings;
use nanio_orchestrator::domain::services::settings::Settings;
use nanio_orchestrator::domain::services::{Ports, Services};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::ports::clock::Clock;
use nanio_orchestrator::ports::store::Store;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method, StatusCode};
use poem::{Body, Endpoint, EndpointExt, Request, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::gateway::ScriptedGateway;

/// The API key of every test.
pub const KEY: &str = "a key of the tests";

/// The Fernet key of every test that does not say otherwise.
pub const SECRET: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// A clock that stands still until it is told otherwise.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::of(DateTime::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap())
    }
}

/// The application and what it stands on.
pub struct World {
    app: BoxEndpoint<'static, Response>,
    /// Its nginx.
    pub gateway: Arc<ScriptedGateway>,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// Its storage nodes.
    pub buckets: Arc<FakeStorage>,
    /// Its token, journal and gate.
    pub gate: Arc<FakeGate>,
    /// Its copier.
    pub copier: Arc<FakeCopier>,
    /// The copies of its database: each holds the version that was copied.
    pub backup: Arc<FakeBackup>,
    /// Its database, for rows that no request makes.
    pub store: Store,
    /// Its use cases, for what runs by itself.
    pub services: Arc<Services>,
    /// Carries out its jobs.
    _runner: JobRunner,
    /// Its service manager.
    pub manager: Arc<FakeManager>,
    /// Its env file and what lies beside it.
    home: Arc<tempfile::TempDir>,
    /// Ends what would go on for ever.
    pub stop: watch::Sender<bool>,
}

/// What a restart of the program does not change.
#[derive(Default)]
struct Machine {
    buckets: Arc<FakeStorage>,
    gate: Arc<FakeGate>,
    copier: Arc<FakeCopier>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, after the status was checked.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The sentence of a failure with this status.
    #[track_caller]
    pub fn detail(self, status: u16) -> String {
        let body = self.expect(status);
        body["detail"].as_str().unwrap_or_else(|| panic!("no sentence: {body}")).to_owned()
    }

    /// Kind and place of each fault of a 422.
    #[track_caller]
    pub fn faults(self) -> Vec<(String, String)> {
        let body = self.expect(422);
        let list = body["detail"].as_array().unwrap_or_else(|| panic!("no list: {body}"));
        list.iter()
            .map(|fault| {
                let steps = fault["loc"].as_array().unwrap().iter().map(|step| match step {
                    Value::String(name) => name.clone(),
                    other => other.to_string(),
                });
                (fault["type"].as_str().unwrap().to_owned(), steps.collect::<Vec<_>>().join("."))
            })
            .collect()
    }
}

impl World {
    /// An empty gateway.
    pub async fn start() -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_488_000)));
        let home = tempfile::tempdir().unwrap();
        let database = home.path().join("data/orchestrator.db");
        let text = format!(
            "# Core\nNANIO_ORCHESTRATOR_API_KEY=\"{KEY}\"\nNANIO_ORCHESTRATOR_DB_PATH={}\n",
            database.display()
        );
        std::fs::write(home.path().join("config.env"), text).unwrap();
        Self::over(
            Store::new(Arc::new(FakeStore::new())),
            ScriptedGateway::new(),
            clock,
            KEY,
            Some(SECRET),
            Arc::new(home),
        )
    }

    /// The same gateway after a restart of the program, perhaps with another key.
    pub fn restart(&self, key: &str) -> Self {
        Self::over(self.store.clone(), self.gateway.again(), self.clock.clone(), key, Some(SECRET), self.home.clone())
    }

    /// The same gateway after a restart with another value of `SECRET`.
    pub fn with_secret(&self, secret: Option<&str>) -> Self {
        Self::over(self.store.clone(), self.gateway.again(), self.clock.clone(), KEY, secret, self.home.clone())
    }

    /// The same gateway after the database was lost.
    pub fn without_database(&self) -> Self {
        let store = Store::new(Arc::new(FakeStore::new()));
        Self::over(store, self.gateway.again(), self.clock.clone(), KEY, Some(SECRET), self.home.clone())
    }

    /// The same gateway after a restart of the program, with the nodes, the copier and the gate directory of before.
    pub fn same_machine(&self) -> Self {
        let machine = Machine { buckets: self.buckets.clone(), gate: self.gate.clone(), copier: self.copier.clone() };
        let (home, gateway) = (self.home.clone(), self.gateway.again());
        Self::on(machine, self.store.clone(), gateway, self.clock.clone(), KEY, Some(SECRET), home)
    }

    /// A file of the program's own: `config.env`, or something beside it.
    pub fn home(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn over(
        store: Store,
        gateway: ScriptedGateway,
        clock: Arc<TestClock>,
        key: &str,
        secret: Option<&str>,
        home: Arc<tempfile::TempDir>,
    ) -> Self {
        Self::on(Machine::default(), store, gateway, clock, key, secret, home)
    }

    fn on(
        machine: Machine,
        store: Store,
        gateway: ScriptedGateway,
        clock: Arc<TestClock>,
        key: &str,
        secret: Option<&str>,
        home: Arc<tempfile::TempDir>,
    ) -> Self {
        let Machine { buckets, gate, copier } = machine;
        let reloaded = gate.clone();
        gateway.on_reload(move || reloaded.reloaded());
        let gateway = Arc::new(gateway);
        let path = home.path().join("config.env").display().to_string();
        let production_file = EnvFile::read(&path).unwrap();
        let sources = Sources { production_file, production_path: Some(path), ..Sources::default() };
        let (file, manager) = (Arc::new(EnvSettings::new(&Arc::new(sources))), Arc::new(FakeManager::default()));
        let copied = store.clone();
        let backup = Arc::new(FakeBackup::of(move || copied.version().to_le_bytes().to_vec(), 3));
        let cipher = FernetCipher::new(secret.map(Secret::new).as_ref());
        let global = Keys::parse("global-key", "global-secret").unwrap();
        let ports = Ports {
            store: store.clone(),
            gateway: gateway.clone(),
            gate: gate.clone(),
            copier: copier.clone(),
            migration_settings: MigrationSettings {
                max_parallel: 2,
                max_copy_passes: 10,
                hold_target: Duration::from_millis(300),
                max_hold: Duration::from_secs(20),
                drain_timeout: Duration::from_secs(10),
                cutover_attempts: 5,
                multipart_wait: Duration::from_secs(900),
                settle_wait: Duration::from_millis(50),
                worker_wait: Duration::from_secs(3600),
            },
            timer: Arc::new(SystemTimer::default()),
            storage: buckets.clone(),
            migrations: Arc::new(MigrationDirectory::beside(&home.path().join("data/orchestrator.db"))),
            revisions: Arc::new(RevisionDirectory::beside(&home.path().join("data/orchestrator.db"), 500)),
            certificates: Arc::new(PemFiles),
            node_files: Arc::new(NodeTemplates::new()),
            backup: backup.clone(),
            keyring: Keyring::new(Arc::new(cipher), Some(global)),
            settings: Settings::new(store.clone(), file, manager.clone(), clock.clone()),
            clock: clock.clone(),
        };
        let (services, publish_loop) = Services::new(ports);
        let services = Arc::new(services);
        tokio::spawn(publish_loop.run());
        let stop = watch::Sender::new(false);
        let runner = JobRunner::start(services.jobs.clone());
        let options = HttpOptions {
            api_key: key.to_owned(),
            metrics_token: Some("metrics-token".to_owned()),
            session_ttl: 3600,
            dev: false,
            version: "0.0.0-test".to_owned(),
            nginx_config_dir: gateway.full(""),
            host: "gw1".to_owned(),
            clock: clock.clone(),
            store: store.clone(),
            assets: Assets::of(super::served::assets()),
            ended: stop.subscribe(),
        };
        let app = app(services.clone(), options).boxed();
        Self {
            app,
            gateway,
            clock,
            buckets,
            gate,
            copier,
            backup,
            services,
            manager,
            home,
            store,
            stop,
            _runner: runner,
        }
    }

    /// Sends a request as it is, and checks what must hold for every answer.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request =
            Request::builder().method(method.parse::<Method>().unwrap()).uri_str(path).header("host", "gw1:8080");
        for (name, value) in headers {
            // Bytes as they come: not every client sends ASCII.
            let value: String = (*value).to_owned();
            request = request.header(*name, poem::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let response = self.app.get_response(request.body(body.to_owned())).await;
        let (parts, body) = response.into_parts();
        let text = body.into_string().await.unwrap();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text };
        answer.must_be_decent(method, path);
        answer
    }

    /// Opens what may never end, with the API key: status, and what comes.
    pub async fn open(&self, path: &str) -> (u16, Body) {
        let request = Request::builder().uri_str(path).header("x-orchestrator-key", KEY).finish();
        let response = self.app.get_response(request).await;
        (response.status().as_u16(), response.into_body())
    }

    /// A request with the API key and, unless `body` is null, JSON.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut all = vec![("x-orchestrator-key", KEY)];
        all.extend(headers);
        if body.is_null() {
            return self.send(method, path, &all, "").await;
        }
        all.push(("content-type", "application/json"));
        self.send(method, path, &all, &body.to_string()).await
    }

    /// `GET` with the API key.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], Value::Null).await
    }

    /// `POST` with the API key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[], body).await
    }

    /// `PUT` with the API key.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, &[], body).await
    }

    /// `DELETE` with the API key.
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], Value::Null).await
    }

    /// A nanio pool with one member; its id.
    pub async fn pool(&self, name: &str) -> i64 {
        self.pool_of(name, "nanio", "active").await
    }

    /// An http pool with one member; its id.
    pub async fn http_pool(&self, name: &str) -> i64 {
        self.pool_of(name, "http", "primary").await
    }

    /// A nanio pool with a member of its own; its id. Pools with one member in common hold the same objects.
    pub async fn pool_at(&self, name: &str, address: &str) -> i64 {
        let pool = self.post("/api/pools", json!({"name": name})).await.expect(201)["id"].as_i64().unwrap();
        self.post(&format!("/api/pools/{pool}/members"), json!({"address": address})).await.expect(201);
        pool
    }

    /// A route, whatever is left behind; its path.
    pub async fn route(&self, vhost: i64, prefix: &str, pool: i64) -> String {
        let routes = format!("/api/vhosts/{vhost}/routes");
        let body = json!({"path_prefix": prefix, "pool_id": pool, "allow_orphan": true});
        let id = self.post(&routes, body).await.expect(201)["id"].clone();
        format!("{routes}/{id}")
    }

    /// A job, when it has ended.
    pub async fn ended(&self, job: &Value) -> Value {
        let id = nanio_orchestrator::domain::ids::JobId(job["job_id"].as_i64().unwrap());
        self.services.jobs.wait(id, |_| false).await.unwrap();
        self.get(&format!("/api/jobs/{id}")).await.expect(200)
    }

    async fn pool_of(&self, name: &str, kind: &str, role: &str) -> i64 {
        let pool = self.post("/api/pools", json!({"name": name, "type": kind})).await.expect(201);
        let id = pool["id"].as_i64().unwrap();
        let member = json!({"address": "10.0.0.1:9000", "role": role});
        self.post(&format!("/api/pools/{id}/members"), member).await.expect(201);
        id
    }

    /// A vhost without TLS; its id.
    pub async fn vhost(&self, name: &str, default_pool: Option<i64>) -> i64 {
        let body = json!({"server_name": name, "listen_port": 80, "ssl": false, "default_pool_id": default_pool});
        self.post("/api/vhosts", body).await.expect(201)["id"].as_i64().unwrap()
    }

    /// Everything that a change could have touched: rows, log and files.
    pub async fn everything(&self) -> (Vec<Value>, Vec<(String, String)>) {
        let mut rows = Vec::new();
        for path in ["/api/pools", "/api/vhosts", "/api/audit?per_page=200"] {
            rows.push(self.get(path).await.expect(200));
        }
        for (list, inner) in [(0, "/api/pools/{}/members"), (1, "/api/vhosts/{}/routes")] {
            let ids: Vec<i64> = rows[list].as_array().unwrap().iter().filter_map(|row| row["id"].as_i64()).collect();
            for id in ids {
                rows.push(self.get(&inner.replace("{}", &id.to_string())).await.expect(200));
            }
        }
        let mut files: Vec<_> = self.gateway.live().into_iter().collect();
        files.sort();
        (rows, files)
    }
}

impl Answer {
    #[track_caller]
    fn must_be_decent(&self, method: &str, path: &str) {
        let name = format!("{method} {path}: {self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert!(self.headers.contains_key("content-security-policy"), "{name}");
        assert!(self.headers.contains_key("cache-control"), "{name}");
        if self.status >= 400 && method != "HEAD" {
            assert_eq!(self.header("content-type"), Some("application/json"), "{name}");
            assert!(!self.json()["detail"].is_null(), "{name}");
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED.as_u16() {
            assert!(self.headers.contains_key("allow"), "{name}");
        }
    }
}
