//! `nanio-orchestrator drill`: shows on the running gateway that a bucket moves without any client noticing.
//!
//! One line of JSON on stdout. Exit status: 0 every answer was true, 1 one was not or the migration did not come to its
//! end, 2 the drill could not be run.

mod ground;
mod migration;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::server::Server;
use super::{print, say};
use crate::adapters::drill::history::Violation;
use crate::adapters::drill::report::Tell;
use crate::adapters::drill::{Drill, Plan, forms_taken, names::Form, remove};
use crate::adapters::sigv4::Signer;
use crate::config::{Settings, Sources};
use crate::domain::credential::{Keys, Region};
use ground::Ground;
use migration::Migration;

type Fault = Box<dyn std::error::Error>;

/// How often the operator hears how it goes.
const PROGRESS: Duration = Duration::from_secs(5);
/// Clients work on for so long after the bucket has moved, if there is still time.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// So many findings are told in words.
const TOLD: u64 = 50;

/// Flags of `drill`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DrillArguments {
    /// URL of the server [default: that of the settings, on this machine]
    #[arg(long)]
    server: Option<String>,
    /// Pool that the bucket is in at first: name or id [default: the first nanio pool]
    #[arg(long)]
    src: Option<String>,
    /// Pool that it is moved to: name or id [default: the next nanio pool]
    #[arg(long)]
    dst: Option<String>,
    /// Vhost to go through: server name or id [default: the first plain one in front of nanio pools]
    #[arg(long)]
    vhost: Option<String>,
    /// Where the gateway is, as http://host:port [default: the vhost's listener, on this machine]
    #[arg(long)]
    gateway: Option<String>,
    /// Clients that work at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    clients: u16,
    /// Operations a second of all clients together [default: as many as they can]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How long they work; longer, if the migration takes longer
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Objects that are there at first
    #[arg(long, default_value_t = 200)]
    objects: u32,
    /// How long the migration may take, beyond `--seconds`
    #[arg(long, default_value_t = 1800)]
    patience: u32,
    /// Hammer only: the bucket stays where it is
    #[arg(long)]
    no_migration: bool,
    /// Answers 503 SlowDown are no violation; clients send the request again, as SDKs do
    #[arg(long)]
    slowdown_allowed: bool,
    /// Leave bucket and route behind
    #[arg(long)]
    keep: bool,
    /// Draw the same operations as an earlier drill
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs a drill.
pub(super) async fn run(arguments: DrillArguments) -> ExitCode {
    match drill(&arguments).await {
        Ok((report, clean)) => {
            print(&report.to_string());
            if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(fault) => {
            say(&format!("nanio-orchestrator: the drill could not be run: {fault}"));
            ExitCode::from(2)
        }
    }
}

async fn drill(arguments: &DrillArguments) -> Result<(Value, bool), Fault> {
    let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
    let server = match &arguments.server {
        Some(url) => Server::at(url, &settings)?,
        None => Server::configured(&settings)?,
    };
    let signer = Arc::new(signer(&settings)?);
    let ground = Ground::survey(&server, arguments).await?;
    let bucket = format!("drill-{:016x}", rand::random::<u64>());
    let seed = arguments.seed.unwrap_or_else(rand::random);
    say(&format!("drill: bucket {bucket} through {}, seed {seed}", ground));

    let route = ground.route(&server, &bucket).await?;
    let outcome = on_ground(arguments, &server, &ground, &signer, &bucket, seed).await;
    if arguments.keep {
        say(&format!("drill: bucket {bucket} and its route stay"));
    } else if let Err(fault) = clear(&server, &ground, &signer, &bucket, route).await {
        say(&format!("drill: {bucket} is not wholly removed, do it by hand: {fault}"));
    }
    outcome
}

fn signer(settings: &Settings) -> Result<Signer, Fault> {
    let (Some(access), Some(secret)) = (&settings.s3_access_key, &settings.s3_secret_key) else {
        return Err("no S3 keys: set NANIO_ORCHESTRATOR_S3_ACCESS_KEY and NANIO_ORCHESTRATOR_S3_SECRET_KEY".into());
    };
    let keys = Keys::parse(access.reveal(), secret.reveal()).map_err(|(name, invalid)| format!("{name}: {invalid}"))?;
    Ok(Signer::new(&keys, &Region::default()))
}

/// Everything between the route and its removal.
async fn on_ground(
    arguments: &DrillArguments,
    server: &Server,
    ground: &Ground,
    signer: &Arc<Signer>,
    bucket: &str,
    seed: u64,
) -> Result<(Value, bool), Fault> {
    let mut forms = forms_taken(&ground.src.target, signer, &format!("{bucket}-src")).await?;
    let at_destination = forms_taken(&ground.dst.target, signer, &format!("{bucket}-dst")).await?;
    forms.retain(|form| at_destination.contains(form));
    let left_out: Vec<&str> = Form::ALL.iter().filter(|form| !forms.contains(form)).map(|form| form.name()).collect();
    if !left_out.is_empty() {
        say(&format!("drill: the storage takes no {}: left out", left_out.join(", no ")));
    }
    let plan = Plan {
        gateway: ground.gateway.clone(),
        signer: signer.clone(),
        bucket: bucket.to_owned(),
        clients: arguments.clients.into(),
        objects: usize::try_from(arguments.objects)?,
        forms,
        seed,
        patient: arguments.slowdown_allowed,
        pace: arguments.rate.map(|rate| Duration::from_secs(1) * arguments.clients.into() / rate),
    };
    let mut drill = Drill::new(plan, few_findings())?;
    drill.prepare().await?;
    say(&format!("drill: {} clients at work on {} objects", arguments.clients, arguments.objects));

    let begun = Instant::now();
    drill.start();
    let migrated = accompany(arguments, server, ground, bucket, &drill, begun).await;
    drill.stop().await;
    let seconds = begun.elapsed().as_secs();
    say("drill: the clients have stopped; reading everything once more");
    let migrated = migrated?;
    drill.verify(&ground.gateway).await;
    let holder = if migrated.as_ref().is_some_and(Migration::is_done) { &ground.dst } else { &ground.src };
    drill.verify(&holder.target).await;

    let counts = drill.counts();
    let clean = counts.is_clean(arguments.slowdown_allowed) && migrated.as_ref().is_none_or(Migration::is_done);
    let mut report = counts.json();
    report["migration"] = migrated.as_ref().map_or(Value::Null, Migration::json);
    report["seconds"] = json!(seconds);
    report["bucket"] = json!(bucket);
    report["seed"] = json!(seed);
    report["left_out"] = json!(left_out);
    Ok((report, clean))
}

/// Tells the operator the first findings; the others are only counted.
fn few_findings() -> Tell {
    let told = AtomicU64::new(0);
    Box::new(move |finding| match told.fetch_add(1, Ordering::Relaxed) {
        ..TOLD => say(&format!("drill: {finding}")),
        TOLD => say("drill: (further findings are counted, but not told)"),
        _ => {}
    })
}

/// Has the bucket migrated while the clients work, and returns when they have worked long enough.
async fn accompany(
    arguments: &DrillArguments,
    server: &Server,
    ground: &Ground,
    bucket: &str,
    drill: &Drill,
    begun: Instant,
) -> Result<Option<Migration>, Fault> {
    let time = Duration::from_secs(arguments.seconds.into());
    let limit = time + Duration::from_secs(arguments.patience.into());
    let mut migration: Option<Migration> = None;
    let mut until = time;
    let mut told = Duration::ZERO;
    loop {
        let now = begun.elapsed();
        if migration.is_none() && !arguments.no_migration && now >= time / 6 {
            migration = Some(Migration::start(server, ground, bucket).await?);
        }
        let ended = match &mut migration {
            Some(migration) if !migration.has_ended() => {
                migration.look(server).await?;
                if migration.has_ended() {
                    say(&format!("drill: the migration is {}", migration.told()));
                    drill.release();
                    until = time.max(now + AFTERWARDS);
                }
                migration.has_ended()
            }
            Some(_) => true,
            None => arguments.no_migration,
        };
        // Whoever waits for open uploads to end must not wait for ever.
        if now >= time {
            drill.release();
        }
        if ended && now >= until {
            return Ok(migration);
        }
        if now >= limit {
            say(&format!("drill: the migration has not ended within {} s", limit.as_secs()));
            return Ok(migration);
        }
        if now >= told + PROGRESS {
            told = now;
            say(&progress(drill, now, migration.as_ref()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn progress(drill: &Drill, now: Duration, migration: Option<&Migration>) -> String {
    let counts = drill.counts();
    let phase = migration.map(|migration| format!(", migration {}", migration.told())).unwrap_or_default();
    let broken: u64 = counts.violations.values().sum();
    let lost = counts.of(Violation::Lost);
    format!(
        "drill: {} s, {} operations, {broken} violations ({lost} lost), {} client errors{phase}",
        now.as_secs(),
        counts.operations,
        counts.client_errors
    )
}

/// Removes what the drill has made.
async fn clear(server: &Server, ground: &Ground, signer: &Arc<Signer>, bucket: &str, route: i64) -> Result<(), Fault> {
    for pool in [&ground.src, &ground.dst] {
        for name in [bucket.to_owned(), format!("{bucket}-src"), format!("{bucket}-dst")] {
            remove(&pool.target, signer, &name).await?;
        }
    }
    ground.remove_route(server, route).await
}
