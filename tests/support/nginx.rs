//! A private nginx: its own directory, its own ports, ended with the test.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nanio_orchestrator::adapters::nginx::command::{NginxCommand, Sudo};
use nanio_orchestrator::adapters::nginx::gateway::NginxGateway;

/// A port that nobody listens on now. Ports are handed out once per process, from below the ephemeral range,
/// so that an outgoing connection does not take one in between.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test processes that run at the same time start at different places.
        let offset = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (offset % 19_000) as u16;
        let free = |address: &str| TcpListener::bind((address, port)).is_ok();
        if free("127.0.0.1") && free("::") {
            return port;
        }
    }
}

/// Waits until something listens.
pub fn wait_for_port(port: u16) {
    wait_until(&format!("port {port}"), || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// Waits until `ready` says so; gives up loudly after a minute.
pub fn wait_until(what: &str, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A directory with nginx.conf and a managed directory, and the nginx that runs on it once started.
pub struct PrivateNginx {
    pub dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Default for PrivateNginx {
    fn default() -> Self {
        Self::new()
    }
}

impl PrivateNginx {
    /// A directory with an nginx.conf that includes the managed files.
    pub fn new() -> Self {
        Self::in_directory(tempfile::tempdir().unwrap())
    }

    /// The same, in a directory of the caller's choice.
    pub fn in_directory(dir: tempfile::TempDir) -> Self {
        let rig = Self { dir, child: None };
        for dir in [rig.managed().join("pools"), rig.managed().join("vhosts"), rig.gate_dir()] {
            std::fs::create_dir_all(dir).unwrap();
        }
        rig.write_conf(&rig.includes());
        rig
    }

    /// The lines of the http block that lead to the managed files.
    pub fn includes(&self) -> String {
        format!("include {0}/pools/*.conf;\n    include {0}/vhosts/*.conf;", self.managed().display())
    }

    /// Writes nginx.conf with these lines in its http block.
    pub fn write_conf(&self, lines: &str) {
        self.write_conf_for(512, lines);
    }

    /// The same, for so many connections a worker.
    pub fn write_conf_for(&self, connections: u32, lines: &str) {
        let dir = self.dir.path().display();
        // Workers run as we do: the directory is private to us.
        let user = if is_root() { "user root;\n" } else { "" };
        let conf = format!(
            "{user}worker_processes 2;\npid {dir}/nginx.pid;\nerror_log {dir}/error.log notice;\n\
             worker_rlimit_nofile {};\nevents {{ worker_connections {connections}; }}\nhttp {{\n    access_log off;\n    client_body_temp_path {dir}/body;\n    \
             proxy_temp_path {dir}/proxy;\n    fastcgi_temp_path {dir}/fastcgi;\n    uwsgi_temp_path {dir}/uwsgi;\n    \
             scgi_temp_path {dir}/scgi;\n    {lines}\n}}\n",
            connections * 2,
        );
        std::fs::write(self.conf(), conf).unwrap();
    }

    pub fn conf(&self) -> PathBuf {
        self.dir.path().join("nginx.conf")
    }

    pub fn managed(&self) -> PathBuf {
        self.dir.path().join("nanio")
    }

    pub fn command(&self) -> NginxCommand {
        NginxCommand::new(None, self.conf(), Sudo::Never)
    }

    pub async fn gateway(&self) -> NginxGateway {
        let gateway = NginxGateway::real(&self.managed(), self.command(), false).await.unwrap();
        gateway.with_gate_dir(&self.gate_dir()).unwrap()
    }

    /// Where tokens and journals are; an ordinary directory, and not the plainest.
    pub fn gate_dir(&self) -> PathBuf {
        self.dir.path().join("the gate")
    }

    /// Starts nginx and waits until its workers serve.
    pub fn start(&mut self) {
        // Should the test be killed, the kernel ends nginx.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(binary())
            .args(["-c", self.conf().to_str().unwrap(), "-g", "daemon off;"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv must be installed: run `make setup`");
        self.child = Some(child);
        let pid_file = self.dir.path().join("nginx.pid");
        wait_until("nginx", || {
            use nanio_orchestrator::adapters::nginx::workers;
            workers::master(&pid_file).is_some_and(|master| !workers::serving(master).is_empty())
        });
    }

    /// Ends nginx.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGTERM lets the master end its workers; SIGKILL would leave them.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// Whether the real nginx accepts what is on disk.
    pub fn accepts_live_tree(&self) -> bool {
        let output = Command::new(binary()).args(["-t", "-q", "-c", self.conf().to_str().unwrap()]).output().unwrap();
        if !output.status.success() {
            eprintln!("nginx -t: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    }
}

impl Drop for PrivateNginx {
    fn drop(&mut self) {
        self.stop();
    }
}

pub fn binary() -> PathBuf {
    super::child::project_program("nginx")
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Every file below a directory with its bytes, `.nanio` left out.
pub fn snapshot(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != ".nanio") {
                    dirs.push(path);
                }
            } else {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}
