//! `nanio-orchestrator demo`, as `make run` starts it: what it prints works as printed.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::support::child::{Running, path, project_program};
use crate::support::http::Request;
use crate::support::nginx::{free_port, wait_until};

struct Demo {
    process: Running,
}

struct Ports {
    api: u16,
    gateway: u16,
    storage: u16,
}

impl Demo {
    fn start(directory: &Path, ports: &Ports, run: &str) -> Self {
        let log = directory.join(format!("{run}.log"));
        let mut process = Running::start(
            Path::new(env!("CARGO_BIN_EXE_nanio-orchestrator")),
            |command| {
                command
                    .arg("demo")
                    .arg("--dir")
                    .arg(directory.join("state"))
                    .arg("--nanio")
                    .arg(project_program("nanio"));
                for (flag, port) in
                    [("port", ports.api), ("gateway-port", ports.gateway), ("storage-port", ports.storage)]
                {
                    command.arg(format!("--{flag}")).arg(port.to_string());
                }
                command.current_dir(directory);
            },
            &log,
        );
        let guide = || std::fs::read_to_string(&log).unwrap().contains("s3 ls s3://photos");
        process.wait_until("the demo", guide);
        Self { process }
    }

    /// The curl lines of the guide, as printed.
    fn curl_lines(&self) -> Vec<String> {
        self.process.said().lines().map(str::trim).filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
    }
}

/// Runs a line in a shell, in a directory that has a README.md, as a checkout has.
fn shell(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().env("PATH", path()).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    let [said, fault] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{line}\n{fault}");
    said
}

/// The processes whose command line names a directory.
fn processes_of(directory: &Path) -> Vec<String> {
    let (name, own) = (directory.display().to_string(), std::process::id().to_string());
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter(|entry| entry.file_name().to_string_lossy() != own)
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|words| String::from_utf8_lossy(&words).replace('\0', " "))
        .filter(|line| line.contains(&name))
        .collect()
}

fn assert_guide_works(demo: &Demo) {
    let lines = demo.curl_lines();
    let line = |part: &str| {
        let found = lines.iter().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no line with {part} in {lines:?}")).as_str()
    };
    let pools: serde_json::Value = serde_json::from_str(&shell(line("/api/pools"))).unwrap();
    assert_eq!((&pools[0]["name"], &pools[1]["name"]), (&"pool-2025".into(), &"pool-2026".into()));
    assert_eq!(shell(line("beach.txt")), "Hello from pool-2026: the route /photos/ leads here.\n");
    assert!(shell(line("list-type=2")).contains("<Key>welcome.txt</Key>"));
    assert_eq!(shell(line("-T README.md")), "");
    let back = line("-T README.md").replace("-T README.md ", "");
    assert_eq!(shell(&back), std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap());
}

/// The first of three ports in a row, for three nodes.
fn three_free_ports() -> u16 {
    loop {
        let ports = [free_port(), free_port(), free_port()];
        if ports[1] == ports[0] + 1 && ports[2] == ports[0] + 2 {
            return ports[0];
        }
    }
}

#[test]
fn the_lines_that_the_demo_prints_work_as_printed_and_it_leaves_no_process_behind() {
    let directory = tempfile::tempdir().unwrap();
    let ports = Ports { api: free_port(), gateway: free_port(), storage: three_free_ports() };
    let mut demo = Demo::start(directory.path(), &ports, "first");
    assert_guide_works(&demo);
    let health = Request::get("/api/health").send(ports.api).json();
    assert_eq!((&health["status"], &health["dev_mode"]), (&"ok".into(), &false.into()), "{health}");
    assert!(processes_of(directory.path()).len() >= 5, "{:?}", processes_of(directory.path()));

    demo.process.end(Signal::KILL);
    wait_until("the end of all children", || processes_of(directory.path()).is_empty());
    // Workers of nginx do not name the directory; they would still listen.
    let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    wait_until("closed ports", || ![ports.api, ports.gateway, ports.storage].into_iter().any(listens));

    let mut demo = Demo::start(directory.path(), &ports, "second");
    assert_guide_works(&demo);
    assert_eq!(demo.process.end(Signal::TERM).code(), Some(0));
    assert_eq!(processes_of(directory.path()), Vec::<String>::new());
    assert!(![ports.api, ports.gateway, ports.storage].into_iter().any(listens));
}
