//! A PostgreSQL server of our own for the tests: started by the first that needs it, gone with the process.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_postgres::{Client, NoTls};

/// Initialises and starts a server (not in the locale "C": lists are bytewise by our doing), says so, and ends and removes it when its standard input closes:
/// that happens when the tests' process ends, in whatever way.
const LIFE: &str = r#"
trap '' INT TERM
PATH="$1:$PATH"
cd "$2" || exit 1
initdb -D data -A trust -U tester --no-sync -E UTF8 --locale-provider=icu --icu-locale=en-US >init.log 2>&1 || { cat init.log; exit 1; }
cp server.crt server.key data/ && chmod 600 data/server.key || exit 1
options="-c listen_addresses=127.0.0.1,127.0.0.2 -p $3 -c unix_socket_directories='$2' -c fsync=off -c max_connections=300 -c ssl=on"
pg_ctl -D data -w -t 120 -l server.log -o "$options" start >start.log 2>&1 || { cat start.log server.log; exit 1; }
echo ready
read -r line
pg_ctl -D data -m immediate stop >/dev/null 2>&1
cd / && rm -rf "$2"
"#;

/// A running server.
pub struct Server {
    port: u16,
    pub authority: PathBuf,
    databases: AtomicU32,
    // Its standard input ends the server when this process ends.
    _life: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();

impl Server {
    /// The server of this process.
    pub async fn shared() -> &'static Server {
        tokio::task::spawn_blocking(|| SERVER.get_or_init(start)).await.unwrap()
    }

    /// The URL of a new, empty database, for callers that are not asynchronous.
    pub fn new_database() -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Self::shared().await;
            server.url(&server.database().await)
        })
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tester@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection to a database, for what the store would not do.
    pub async fn client(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Makes an empty database.
    pub async fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.client("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        name
    }
}

fn start() -> Server {
    let tools = tools();
    let directory = tempfile::Builder::new().prefix("nanio-postgres-").tempdir().unwrap().keep();
    let authority = certificates(&directory);
    // A port that was free a moment ago; another process could take it first, so try a few.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("sh");
        command.args(["-c", LIFE, "sh"]).arg(&tools).arg(&directory).arg(port.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((user, group)) = unprivileged() {
            for owned in [directory.clone()].into_iter().chain(entries(&directory)) {
                chown(owned, Some(user), Some(group)).unwrap();
            }
            command.uid(user).gid(group);
        }
        let mut life = command.spawn().unwrap();
        let mut said = BufReader::new(life.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        if line == "ready\n" {
            return Server { port, authority, databases: AtomicU32::new(0), _life: life };
        }
        said.read_to_string(&mut line).unwrap();
        life.wait().unwrap();
        assert!(line.contains("Address already in use"), "PostgreSQL did not start:\n{line}");
        std::fs::remove_dir_all(directory.join("data")).unwrap();
    }
    panic!("no free port for PostgreSQL");
}

/// A certificate of the server and its key; gives the file of the authority that signed it.
fn certificates(directory: &Path) -> PathBuf {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &signer).unwrap();
    std::fs::write(directory.join("server.crt"), certificate.pem()).unwrap();
    std::fs::write(directory.join("server.key"), key.serialize_pem()).unwrap();
    let file = directory.join("authority.pem");
    std::fs::write(&file, signer.pem()).unwrap();
    file
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Where Debian keeps the newest server, or the directory of the first `initdb` on the PATH.
fn tools() -> PathBuf {
    let mut places: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    places.sort();
    let debian = places.into_iter().rev().map(|version| version.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .chain(std::env::split_paths(&path))
        .find(|place| place.join("initdb").exists())
        .expect("the tests need a PostgreSQL server: install the package postgresql")
}

/// PostgreSQL refuses to run as root: the ids of `postgres` to run as, if we are root.
fn unprivileged() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<&str> =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|user| user[0] == "postgres").unwrap();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}
