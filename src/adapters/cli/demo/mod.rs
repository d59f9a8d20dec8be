//! `nanio-orchestrator demo`: the whole product for real, with nothing to configure.
//!
//! A private nginx, two pools of `nanio serve` processes, and the server itself in this process; then the
//! gateway is configured through the server's own HTTP API and filled through the gateway. All state is in
//! one directory; a second run continues it.

mod api;
mod children;
mod error;
mod guide;
mod machine;
mod nginx;
mod place;
mod s3;
mod storage;

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::say;
use crate::adapters::clock::SystemClock;
use crate::adapters::logging;
use crate::adapters::process_lock::ProcessLock;
use crate::app::{self, ServeError};
use crate::config::{EnvFile, PREFIX, Settings, Sources};
use crate::ports::clock::Clock;
use api::Api;
use children::Children;
use error::DemoError;
use machine::Programs;
use place::{Kept, Place};
use s3::S3;

const GATEWAY_PORT: u16 = 9080;
const STORAGE_PORT: u16 = 9101;
/// How often the children and the server are looked after.
const WATCH: Duration = Duration::from_millis(500);

/// Flags of `demo`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DemoArguments {
    /// Directory of all state
    #[arg(long, default_value = "demo-data")]
    dir: PathBuf,
    /// Bind address of the API
    #[arg(long, default_value = "127.0.0.1", value_parser = super::serve::host)]
    host: String,
    /// Port of the API
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Port of the S3 gateway [default: 9080, or that of the directory]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    gateway_port: Option<u16>,
    /// First port of the storage nodes [default: 9101, or that of the directory]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    storage_port: Option<u16>,
    /// The nanio program [default: .venv/bin/nanio, or from PATH]
    #[arg(long)]
    nanio: Option<PathBuf>,
}

impl Default for DemoArguments {
    fn default() -> Self {
        Self {
            dir: "demo-data".into(),
            host: "127.0.0.1".to_owned(),
            port: 8080,
            gateway_port: None,
            storage_port: None,
            nanio: None,
        }
    }
}

/// Runs the demo until SIGTERM or SIGINT.
pub(super) async fn run(arguments: DemoArguments) -> Result<(), Box<dyn std::error::Error>> {
    let stop = app::stop_signal()?;
    let place = Place::open(&arguments.dir)?;
    // Before anything that an earlier demo in this directory might be using is touched.
    let purpose = format!("the demo at {}:{}", arguments.host, arguments.port);
    let _lock = ProcessLock::take(&place.lock(), &purpose, SystemClock.now())?;
    let kept = place.kept(&arguments)?;
    let programs = Programs::find(&arguments)?;
    let settings = settings(&arguments, &place, &kept, &programs)?;
    logging::start(&settings, None)?;

    let mut children = Children::new(programs.setpriv.clone(), place.run(), place.logs()).await?;
    let (end, ended) = watch::channel(false);
    let mut server = None;
    let outcome = tokio::select! {
        biased;
        () = stop => Ok(()),
        fault = live(&arguments, &place, &kept, &programs, settings, &mut children, &mut server, ended) => fault,
    };
    say("ending the demo");
    let _ = end.send(true);
    if let Some(server) = server {
        // It ends by itself within its own time for open requests; this only bounds a fault.
        let _ = tokio::time::timeout(Duration::from_secs(20), server).await;
    }
    children.stop().await;
    Ok(outcome?)
}

type Server = JoinHandle<Result<(), ServeError>>;

/// Brings everything up and looks after it; returns only with what went wrong.
#[expect(
    clippy::too_many_arguments,
    reason = "what outlives this future is lent to it, so that it can be ended in order"
)]
async fn live(
    arguments: &DemoArguments,
    place: &Place,
    kept: &Kept,
    programs: &Programs,
    settings: Settings,
    children: &mut Children,
    server: &mut Option<Server>,
    mut ended: watch::Receiver<bool>,
) -> Result<(), DemoError> {
    machine::port_is_free(settings.port, "the API", "--port")?;
    machine::port_is_free(kept.gateway_port, "the S3 gateway", "--gateway-port")?;
    say("starting storage nodes and nginx");
    storage::start(place, kept, programs, children).await?;
    nginx::start(place, programs, children).await?;

    let server = server.insert(tokio::spawn(app::serve_until(settings, async move {
        // An error means that the demo itself is gone.
        let _ = ended.wait_for(|ended| *ended).await;
    })));
    let base = format!("http://{}:{}", reachable(&arguments.host), arguments.port);
    // No proxy of the environment: everything is on this machine.
    // It keeps no connection: one that was opened and never used would hold a worker of nginx back at the next reload,
    // and a migration would wait for it.
    let client =
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build();
    let client = client.map_err(|e| DemoError::Api { call: "HTTP client".to_owned(), answer: s3::chain(&e) })?;
    let api = Api::new(client.clone(), base.clone(), kept.api_key.clone());
    answering(&api, server, children).await?;

    say("configuring the gateway through the API");
    api.configure(&storage::nodes(kept.storage_port)?, kept.gateway_port).await?;
    storage::listening(kept.gateway_port, "nginx", children).await?;
    S3::new(client, format!("http://localhost:{}", kept.gateway_port), kept)?.fill().await?;
    let _ = writeln!(std::io::stdout(), "{}", guide::text(place, kept, &base));
    loop {
        children.check()?;
        check(server).await?;
        tokio::time::sleep(WATCH).await;
    }
}

async fn answering(api: &Api, server: &mut Server, children: &mut Children) -> Result<(), DemoError> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !api.is_up().await {
        children.check()?;
        check(server).await?;
        if tokio::time::Instant::now() >= deadline {
            return Err(DemoError::NotUp { what: "the API".to_owned(), log: "the lines above".to_owned() });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// That the server still runs.
async fn check(server: &mut Server) -> Result<(), DemoError> {
    if !server.is_finished() {
        return Ok(());
    }
    Err(DemoError::Server(match server.await {
        Ok(Ok(())) => "it ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    }))
}

/// A name under which a bind address can be called from this machine.
fn reachable(host: &str) -> String {
    match host.parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    }
}

/// The server's settings: those of the directory, and of the caller's environment the database only.
fn settings(
    arguments: &DemoArguments,
    place: &Place,
    kept: &Kept,
    programs: &Programs,
) -> Result<Settings, Box<dyn std::error::Error>> {
    let values = [
        ("DEV", "false".to_owned()),
        ("HOST", arguments.host.clone()),
        ("PORT", arguments.port.to_string()),
        ("API_KEY", kept.api_key.reveal().to_owned()),
        ("SECRET", kept.fernet_key.reveal().to_owned()),
        ("DB_PATH", place.database().display().to_string()),
        ("NGINX_CONFIG_DIR", place.managed().display().to_string()),
        ("NGINX_CONF", place.nginx_conf().display().to_string()),
        ("NGINX_BIN", programs.nginx.display().to_string()),
        ("NGINX_SUDO", "never".to_owned()),
        ("MIGRATION_GATE_DIR", place.gate().display().to_string()),
        ("LOG_FILE", place.logs().join("orchestrator.log").display().to_string()),
        // Where a demo is kept is no matter: nothing that matters is kept in it.
        ("MIGRATION_GATE_VOLATILE", "true".to_owned()),
        ("S3_ACCESS_KEY", kept.s3_access_key.clone()),
        ("S3_SECRET_KEY", kept.s3_secret_key.reveal().to_owned()),
    ];
    let mut environment: HashMap<String, String> = values.map(|(key, value)| (format!("{PREFIX}{key}"), value)).into();
    // The one thing that is worth choosing in a demo: its database.
    let database = format!("{PREFIX}DATABASE_URL");
    if let Ok(url) = std::env::var(&database) {
        environment.insert(database, url);
    }
    // Settings that are changed through the API are the directory's own too.
    let path = place.top().join("config.env").display().to_string();
    let production_file = EnvFile::read(&path).map_err(|problem| problem.to_string())?;
    let sources = Sources { environment, production_file, production_path: Some(path), ..Sources::default() };
    Ok(Settings::from_sources(&sources)?)
}

#[cfg(test)]
mod tests;
