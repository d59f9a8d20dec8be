//! Looks at the machine. Nothing is changed, and nothing that does not answer is waited for for long.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::DateTime;
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::Value;

use super::program;
use super::survey::{Candidate, Database, Deviation, Disk, Seen, Server, Survey, Unit};
use crate::adapters::certificates::PemFiles;
use crate::adapters::cli::install::{Finding, Layout, Machine, Step, Wish, plan};
use crate::adapters::cli::server::reachable;
use crate::adapters::clock::SystemClock;
use crate::adapters::gate::expect_lasting;
use crate::adapters::image::Image;
use crate::adapters::privileged::{UNIT, test_words};
use crate::app;
use crate::config::{Outlook, Settings, Sources};
use crate::ports::certificates::Certificates as _;
use crate::ports::clock::Clock as _;

/// How long a node or a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where systems keep them.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// So many nodes are asked for the time.
const MOST_NODES: usize = 64;

/// Everything that `judge` asks about.
pub async fn survey() -> Result<Survey, Box<dyn std::error::Error>> {
    let sources = Sources::gather(Vec::new())?;
    if sources.is_dev() {
        return Err(
            "this is dev mode (there is a dev.env in this directory, or DEV or NANIO_ORCHESTRATOR_DEV is set), \
                    which is not installed anywhere. To look at this machine: NANIO_ORCHESTRATOR_DEV=false \
                    nanio-orchestrator doctor"
                .into(),
        );
    }
    let outlook = Outlook::of(&sources);
    let settings = Settings::from_sources(&sources).ok();
    let machine = Machine { image: Image::here() };
    let own = fs::canonicalize(std::env::current_exe()?)?;
    let program = program::of_unit(&machine.image, &own);
    // Whether the machine is as it should be is asked of the one that serves.
    let serving = program.as_ref().filter(|program| program.version.is_ok()).map_or(&own, |program| &program.path);
    let layout = Layout::from_outlook(&machine.image, &outlook, serving)?;
    let as_root = rustix::process::geteuid().is_root();
    let env_file = PathBuf::from(sources.file_path());
    let main = app::main_file(&machine.image, &layout.nginx_conf, &layout.managed);
    let named = app::named_by_files(&layout.managed);
    let rclone = outlook.text("rclone_path").unwrap_or("rclone");
    let client = Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        // Who answers at our own address is asked for nothing that is secret.
        .danger_accept_invalid_certs(true)
        .build()?;
    Ok(Survey {
        as_root,
        // The first lines: what is behind them is for who only tries the program.
        problems: outlook
            .problems
            .iter()
            .filter_map(|problem| Some(problem.to_string().lines().next()?.to_owned()))
            .collect(),
        env_file_open: fs::metadata(&env_file)
            .map(|metadata| metadata.mode() & 0o004 != 0)
            .map_err(|error| format!("{}: {error}", env_file.display())),
        env_file,
        has_secret: settings.as_ref().map_or(outlook.text("secret").is_some(), |settings| settings.secret.is_some()),
        nginx: said(Command::new(&layout.nginx).arg("-V")),
        nginx_test: nginx_test(&layout, as_root),
        nginx_runs: processes().any(|title| title.starts_with("nginx: master process")),
        missing_includes: main.clone().map(|main| main.missing),
        candidate: main.and_then(|main| candidate(&main)),
        rclone: said(Command::new(rclone).arg("version")),
        own,
        program,
        has_authorities: AUTHORITIES.iter().any(|path| Path::new(path).exists()),
        installation: if as_root { deviations(&machine, &layout)? } else { Vec::new() },
        former: app::is_former_database(layout.database.clone()).await,
        server: match &settings {
            Some(settings) => server(settings, &client, &machine).await,
            None => Server::Unknown,
        },
        database: match &settings {
            Some(settings) if settings.database_url.is_some() => Ok(Database::Elsewhere),
            _ => database(&layout.database),
        },
        disks: disks(&layout),
        gate: expect_lasting(&layout.gate).map_err(|error| error.to_string()),
        clocks: clocks(&client, &named).await,
        certificates: certificates(&named).await,
    })
}

/// Everything that a program says, if it ends well.
pub(super) fn said(command: &mut Command) -> Seen<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{program} ended with {}: {text}", output.status)) }
}

fn nginx_test(layout: &Layout, as_root: bool) -> Seen<String> {
    if !as_root {
        return Err("only root can test what nginx will load as root".to_owned());
    }
    let output = Command::new(&layout.nginx).args(test_words(&layout.nginx_conf)).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", layout.nginx.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let conflict = text.contains("conflicting server name");
    Ok(match output.status.success() && !conflict {
        true => String::new(),
        false if text.is_empty() => output.status.to_string(),
        false => text,
    })
}

/// The titles of all processes.
fn processes() -> impl Iterator<Item = String> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok()).map(|title| {
        let end = title.iter().position(|byte| *byte == 0).unwrap_or(title.len());
        String::from_utf8_lossy(&title[..end]).into_owned()
    })
}

fn candidate(main: &app::MainFile) -> Seen<Candidate> {
    match fs::read_to_string(&main.candidate_path) {
        Ok(present) if present == main.candidate => Ok(Candidate::Fresh),
        Ok(_) => Ok(Candidate::Stale),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Candidate::Missing),
        Err(error) => Err(format!("{}: {error}", main.candidate_path.display())),
    }
}

/// What an installation would change. The candidate main file has a question of its own.
fn deviations(machine: &Machine, layout: &Layout) -> Result<Vec<Deviation>, String> {
    let packaged = layout.is_packaged(&machine.image);
    let steps = plan(layout, &Wish { packaged, ..Wish::default() })?;
    let mut deviations = Vec::new();
    for step in steps.iter().filter(|step| !matches!(step, Step::Candidate { .. })) {
        let how = match machine.look(step) {
            Ok(Finding::Wanting(how)) | Err(how) => how,
            Ok(Finding::Right | Finding::Elsewhere(_)) => continue,
        };
        deviations.push(Deviation { what: step.to_string(), how });
    }
    Ok(deviations)
}

async fn server(settings: &Settings, client: &Client, machine: &Machine) -> Server {
    let address = reachable(&settings.listen_address());
    let scheme = if settings.tls_cert.is_some() { "https" } else { "http" };
    let ask = async |path: &str| client.get(format!("{scheme}://{address}{path}")).send().await;
    let answer = match ask("/api/health").await {
        Ok(answer) => answer,
        Err(_) if std::net::TcpStream::connect(&address).is_ok() => return Server::Stranger { address },
        Err(_) => {
            return Server::Silent { address, unit: unit(machine) };
        }
    };
    let body: Value = answer.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
    match (body["version"].as_str(), body["nginx_config_dir"].as_str()) {
        (Some(version), Some(_)) => Server::Answers {
            version: version.to_owned(),
            ready: ask("/api/health/ready").await.is_ok_and(|answer| answer.status().is_success()),
        },
        _ => Server::Stranger { address },
    }
}

fn unit(machine: &Machine) -> Unit {
    let is = |state: &str| machine.has_systemd() && machine.run("systemctl", &[state, "--quiet", UNIT]).is_ok();
    if is("is-active") {
        Unit::Runs
    } else if is("is-enabled") {
        Unit::Ended
    } else {
        Unit::Off
    }
}

fn database(path: &Path) -> Seen<Database> {
    let mut start = [0; 16];
    match fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)) {
        Ok(()) if start == *b"SQLite format 3\0" => Ok(Database::File(path.to_owned())),
        Ok(()) => Err(format!("{} is no SQLite database", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Database::NotYet(path.to_owned())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn disks(layout: &Layout) -> Vec<Disk> {
    let mut disks = vec![("database", &layout.data), ("gate", &layout.gate), ("nginx's files", &layout.managed)];
    disks.extend(layout.more.iter().map(|path| ("logs or backups", path)));
    let look = |(what, path): (&'static str, &PathBuf)| {
        // What is not made yet will be on the disk that its parent is on.
        let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
        let room = rustix::fs::statvfs(there).map_err(|error| std::io::Error::from(error).to_string());
        let room = room.map(|told| (told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize));
        Disk { what, path: path.clone(), room }
    };
    disks.into_iter().map(look).collect()
}

async fn clocks(client: &Client, named: &app::Named) -> Vec<(String, Seen<i64>)> {
    let nodes = named.members.iter().filter(|member| !member.starts_with("unix:")).take(MOST_NODES);
    join_all(nodes.map(async |node| (node.clone(), skew(client, node).await))).await
}

/// By how many seconds a node's clock is ahead. What it answers does not matter: each answer has a date.
async fn skew(client: &Client, node: &str) -> Seen<i64> {
    let answer = client.head(format!("http://{node}/")).send().await.map_err(|_| "it does not answer".to_owned())?;
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).ok_or("its answer has no date")?;
    Ok(date.timestamp() - SystemClock.now().unix())
}

async fn certificates(named: &app::Named) -> Vec<(String, Seen<i64>)> {
    let now = SystemClock.now().unix();
    let mut certificates = Vec::new();
    for path in &named.certificates {
        let end = PemFiles.not_after(path).await;
        certificates.push((path.clone(), end.map(|end| (end.unix() - now).div_euclid(86_400))));
    }
    certificates
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A node for one request, with this header.
    async fn node(header: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = format!("HTTP/1.1 403 Forbidden\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn a_nodes_clock_is_read_from_whatever_it_answers() {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let ahead = DateTime::from_timestamp(SystemClock.now().unix() + 3600, 0).unwrap();
        let address = node(format!("Date: {}\r\n", ahead.format("%a, %d %b %Y %H:%M:%S GMT"))).await;
        let skew = skew(&client, &address).await.unwrap();
        assert!(skew <= 3600 && skew > 3000, "{skew}");
    }

    #[tokio::test]
    async fn a_node_that_says_no_time_or_nothing_is_told_apart_from_one_that_does() {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        assert!(skew(&client, &node(String::new()).await).await.unwrap_err().contains("no date"));
        assert!(skew(&client, "127.0.0.1:1").await.unwrap_err().contains("does not answer"));
    }

    #[test]
    fn a_database_is_known_by_its_first_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orchestrator.db");
        assert_eq!(database(&path), Ok(Database::NotYet(path.clone())));
        fs::write(&path, "SQLite format 3\0 and so on").unwrap();
        assert_eq!(database(&path), Ok(Database::File(path.clone())));
        fs::write(&path, "something else that is long enough").unwrap();
        assert!(database(&path).unwrap_err().contains("no SQLite database"));
    }
}
