//! `nanio-orchestrator config …` as the operator sees it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Server, dev, free_port, program, stderr};
use crate::support::http::Request;
use crate::support::nginx::PrivateNginx;

pub const KEY: &str = "a-key-of-the-tests";
const FERNET: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// A production installation in a directory: env file, data, and a private nginx.
pub struct Home {
    pub nginx: PrivateNginx,
    pub port: u16,
}

impl Home {
    pub fn new() -> Self {
        let home = Self { nginx: PrivateNginx::new(), port: free_port() };
        std::fs::create_dir(home.file("data")).unwrap();
        let text = format!(
            "# Core\nNANIO_ORCHESTRATOR_HOST=127.0.0.1\nNANIO_ORCHESTRATOR_PORT={}\n# NANIO_ORCHESTRATOR_LOG_LEVEL=info\n\
             NANIO_ORCHESTRATOR_API_KEY={KEY}\nNANIO_ORCHESTRATOR_DB_PATH={}\nNANIO_ORCHESTRATOR_NGINX_CONFIG_DIR={}\n\
             NANIO_ORCHESTRATOR_NGINX_CONF={}\nNANIO_ORCHESTRATOR_NGINX_SUDO=never\n\
             NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR={}\nNANIO_ORCHESTRATOR_MIGRATION_GATE_VOLATILE=true\n",
            home.port,
            home.file("data/orchestrator.db").display(),
            home.nginx.managed().display(),
            home.nginx.conf().display(),
            home.nginx.gate_dir().display(),
        );
        std::fs::write(home.file("config.env"), text).unwrap();
        home
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.nginx.dir.path().join(name)
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.file("config.env")).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.nginx.dir.path());
        command.env("NANIO_ORCHESTRATOR_CONFIG_FILE", self.file("config.env")).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(&[&["config"], arguments].concat()).output().unwrap()
    }

    /// What a command that must succeed says on stdout.
    #[track_caller]
    pub fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    /// What a command that must fail says on stderr.
    #[track_caller]
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        stderr(&output)
    }

    /// From now on nginx refuses whatever there is.
    pub fn spoil_nginx(&self) {
        let conf = std::fs::read_to_string(self.nginx.conf()).unwrap();
        std::fs::write(self.nginx.conf(), conf.replace("http {", "http {\n    no_such_directive;")).unwrap();
    }

    pub fn serve(&self) -> Server {
        Server::start(self.command(&["serve"]))
    }

    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut request = Request::new(method, path).header("X-Orchestrator-Key", KEY);
        if !body.is_null() {
            request = request.header("Content-Type", "application/json").body(&body.to_string());
        }
        let answer = request.send(self.port);
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn set_changes_one_line_and_get_reads_it_back_in_clear() {
    let home = Home::new();
    let before = home.text();
    let file = home.file("config.env").display().to_string();
    assert_eq!(home.said(&["set", "log_level", "debug"]), format!("✓ NANIO_ORCHESTRATOR_LOG_LEVEL=debug  →  {file}\n"));
    let after = before.replace("# NANIO_ORCHESTRATOR_LOG_LEVEL=info", "NANIO_ORCHESTRATOR_LOG_LEVEL=debug");
    assert_eq!(home.text(), after);
    let odd = r##"my secret "key" #1 $x `y` \z ü"##;
    assert!(
        home.said(&["set", "nanio_orchestrator_API_KEY", odd]).starts_with("✓ NANIO_ORCHESTRATOR_API_KEY=my s****  →")
    );
    assert_eq!(home.said(&["get", "api_key"]), format!("{odd}\n"));
    assert_eq!(home.said(&["get", "secret"]), "\n");
    assert_eq!(home.said(&["get", "pools_dir"]), format!("{}\n", home.nginx.managed().join("pools").display()));
    assert_eq!(home.said(&["get", "db_backup_path"]), format!("{}.bak\n", home.file("data/orchestrator.db").display()));
    // What is guarded over HTTP is set here.
    home.said(&["set", "migration_bandwidth_limit", "50M"]);
    home.said(&["set", "rclone_path", "/opt/rclone"]);
    assert_eq!(home.said(&["get", "RCLONE_PATH"]), "/opt/rclone\n");
    home.said(&["set", "rclone_path", ""]);
    assert_eq!(home.said(&["get", "rclone_path"]), "rclone\n");
}

#[test]
fn f37_set_refuses_what_no_start_would_take_and_names_what_there_is() {
    let home = Home::new();
    let before = home.text();
    for (key, value, part) in [
        ("port", "abc", "must be a whole number from 1 to 65535"),
        ("api_key", "changeme", "is not set, or still `changeme`"),
        ("log_file", "a\nNANIO_ORCHESTRATOR_RCLONE_PATH=/tmp/x", "one line"),
        ("no_such", "1", "Unknown setting: no_such\nThe settings are: host, port, api_key"),
    ] {
        let said = home.fails(&["set", key, value]);
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
    assert!(home.fails(&["get", "no_such"]).contains("Unknown setting: no_such"));
    assert_eq!(home.text(), before);
    let mut overridden = home.command(&["config", "set", "session_ttl", "900"]);
    let output = overridden.env("NANIO_ORCHESTRATOR_SESSION_TTL", "700").output().unwrap();
    assert!(stderr(&output).contains("the environment has another value of NANIO_ORCHESTRATOR_SESSION_TTL"));
}

#[test]
fn f38_show_masks_what_is_secret_and_names_the_file() {
    let home = Home::new();
    home.said(&["set", "secret", FERNET]);
    let said = home.said(&["show"]);
    for line in [
        "Core",
        "  host                         127.0.0.1                      Bind address",
        "  api_key                      a-ke****                       API authentication key",
        "Observability",
        &format!("Config file (production): {}", home.file("config.env").display()),
    ] {
        assert!(said.lines().any(|have| have == line), "{line}\nnot in\n{said}");
    }
    assert!(said.contains("cw_0****") && !said.contains(FERNET) && !said.contains(KEY), "{said}");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("dev.env"), "NANIO_ORCHESTRATOR_PORT=x\n").unwrap();
    let output = program(directory.path()).args(["config", "show"]).output().unwrap();
    assert!(stdout(&output).ends_with(&format!("Config file (dev): {}\n", directory.path().join("dev.env").display())));
    assert!(stderr(&output).contains("NANIO_ORCHESTRATOR_PORT=\"x\" (dev.env, line 1)"), "{}", stderr(&output));
}

#[test]
fn a_generated_secret_is_not_written_over_another_one_unawares() {
    let home = Home::new();
    let before = home.text();
    let key = home.said(&["generate-secret"]);
    assert_eq!(home.text(), before);
    home.said(&["set", "secret", key.trim()]);
    let said = home.fails(&["generate-secret", "--set"]);
    assert!(
        said.contains("is set already") && said.contains("separated by a comma") && said.contains("--force"),
        "{said}"
    );
    let new = home.run(&["generate-secret", "--set", "--force"]);
    assert!(stderr(&new).contains("✓ Written to"), "{}", stderr(&new));
    assert_eq!(home.said(&["get", "secret"]), stdout(&new));
    assert_ne!(stdout(&new), key);
}

/// Edits with a command in the place of an editor.
fn edit(home: &Home, editor: &str) -> Output {
    home.command(&["config", "edit"]).env("EDITOR", editor).output().unwrap()
}

#[test]
fn an_edit_takes_the_files_place_if_the_next_start_will_take_it() {
    let home = Home::new();
    std::fs::set_permissions(home.file("config.env"), std::fs::Permissions::from_mode(0o660)).unwrap();
    let before = home.text();
    let output = edit(&home, "sed -i s/127.0.0.1/::1/");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(home.text(), before.replace("127.0.0.1", "::1"));
    assert_eq!(std::fs::metadata(home.file("config.env")).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(stdout(&edit(&home, "true")), "No change\n");
    let fine = home.text();
    let failed = edit(&home, "false");
    assert!(failed.status.code() == Some(1) && stderr(&failed).contains("nothing was changed"), "{}", stderr(&failed));
    let broken = edit(&home, "sed -i s/^NANIO_ORCHESTRATOR_PORT=.*/NANIO_ORCHESTRATOR_PORT=99999/");
    let said = stderr(&broken);
    assert!(broken.status.code() == Some(1) && said.contains("must be a whole number from 1 to 65535"), "{said}");
    assert_eq!(home.text(), fine);
    let kept = said.trim().rsplit_once("Your edit is kept in ").unwrap().1;
    assert!(std::fs::read_to_string(kept).unwrap().contains("PORT=99999"));
    assert_eq!(std::fs::metadata(kept).unwrap().permissions().mode() & 0o077, 0);
    // Somebody else changes the file while the editor is open.
    let raced = edit(&home, &format!("echo '# theirs' >> {}; echo '# mine' >>", home.file("config.env").display()));
    assert!(stderr(&raced).contains("was changed by somebody else meanwhile"), "{}", stderr(&raced));
    assert_eq!(home.text(), format!("{fine}# theirs\n"));
    std::fs::remove_file(home.file("config.env")).unwrap();
    assert!(home.fails(&["edit"]).contains("Config file not found"));
}

#[test]
fn f56_a_rebuild_takes_pools_without_members_and_tests_before_it_writes() {
    let mut home = Home::new();
    home.nginx.start();
    let mut server = home.serve();
    home.ask("POST", "/api/pools", &json!({"name": "empty"}));
    let pool = home.ask("POST", "/api/pools", &json!({"name": "full"}))["id"].clone();
    home.ask("POST", &format!("/api/pools/{pool}/members"), &json!({"address": "127.0.0.1:9"}));
    server.end(Signal::TERM);
    let path = home.nginx.managed().join("pools/full.conf");
    let ours = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "# by hand\n").unwrap();

    let said = home.said(&["rebuild"]);
    assert!(said.contains(&format!("  ✓ {}\n", path.display())), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), ours);

    // nginx refuses, and nothing is written.
    std::fs::write(&path, "# by hand\n").unwrap();
    home.spoil_nginx();
    let refused = home.run(&["rebuild"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stdout(&refused).contains("no_such_directive"), "{}{}", stdout(&refused), stderr(&refused));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# by hand\n");
    assert!(stdout(&home.run(&["validate"])).contains("no_such_directive"));
}

#[test]
fn while_a_server_runs_commands_go_through_it_and_are_audited_as_the_command_line() {
    let mut home = Home::new();
    home.nginx.start();
    assert_eq!(home.run(&["validate"]).status.code(), Some(0));
    let _server = home.serve();
    for command in ["validate", "reload", "rebuild"] {
        home.said(&[command]);
    }
    let entries = home.ask("GET", "/api/audit", &Value::Null);
    let told: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| json!([entry["actor"], entry["action"]])).collect();
    assert_eq!(json!(told), json!([["cli", "manual_reload"], ["cli", "rebuild"], ["cli", "manual_reload"]]));
    home.spoil_nginx();
    for command in ["validate", "reload"] {
        assert!(stdout(&home.run(&[command])).contains("no_such_directive"), "{command}");
        assert_eq!(home.run(&[command]).status.code(), Some(1), "{command}");
    }
    // The file's key is no longer the server's.
    home.said(&["set", "api_key", "another key"]);
    assert!(home.fails(&["validate"]).contains("has another API key"), "{}", home.fails(&["validate"]));
}

#[test]
fn a_command_that_finds_another_command_at_work_says_who_it_is() {
    let home = Home::new();
    let lock = std::fs::File::create(home.file("data/orchestrator.db.lock")).unwrap();
    lock.lock().unwrap();
    std::fs::write(home.file("data/orchestrator.db.lock"), "pid=7\npurpose=rebuild-db\nsince=2026-11-24T08:30:00Z\n")
        .unwrap();
    for command in ["validate", "reload", "rebuild"] {
        assert!(home.fails(&[command]).contains("process 7 (rebuild-db, since"), "{command}");
    }
}

#[test]
fn what_root_has_made_belongs_to_the_owner_of_the_data() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let home = Home::new();
    let own = rustix::process::geteuid().as_raw();
    // Only root can give files away, and only root has to.
    let owner = if own == 0 { 65_534 } else { own };
    let data = home.file("data");
    std::fs::set_permissions(home.nginx.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    chown(&data, Some(owner), None).unwrap();
    // The build directory may be closed to that user. Copied by another process: a program that a child of this one
    // still has open for writing could not be run.
    let program = home.file("program");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_nanio-orchestrator")).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new(&program);
    command.args(["config", "validate"]);
    // nginx may refuse what this user may not read; the lock is taken before that.
    with_environment_of(&home.command(&[]), command, home.nginx.dir.path()).output().unwrap();
    assert_eq!(std::fs::metadata(data.join("orchestrator.db.lock")).unwrap().uid(), owner);
}

/// The command without the right of root to write where nobody else may, so that it meets what the service's user does.
fn without_rights_of_root(command: &Command, directory: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return with_environment_of(command, same, directory);
    }
    let mut limited = Command::new("setpriv");
    limited.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]);
    limited.arg(command.get_program()).args(command.get_args());
    with_environment_of(command, limited, directory)
}

fn with_environment_of(command: &Command, mut new: Command, directory: &Path) -> Command {
    new.env_clear().current_dir(directory);
    for (name, value) in command.get_envs() {
        new.env(name, value.unwrap_or_default());
    }
    new
}

#[test]
fn a_kill_in_the_middle_of_a_write_in_place_leaves_the_old_file_or_the_new_one() {
    let home = Home::new();
    let (etc, directory) = (home.file("etc"), home.nginx.dir.path().to_owned());
    std::fs::create_dir(&etc).unwrap();
    std::fs::rename(home.file("config.env"), etc.join("config.env")).unwrap();
    // As the installer leaves it: the file is ours to write, the directory is not.
    std::fs::set_permissions(&etc, std::fs::Permissions::from_mode(0o555)).unwrap();
    let run = |arguments: &[&str], fault: Option<&str>| {
        let mut command = home.command(arguments);
        command.env("NANIO_ORCHESTRATOR_CONFIG_FILE", etc.join("config.env"));
        if let Some(fault) = fault {
            command.env("NANIO_ORCHESTRATOR_FAULT_POINT", fault);
        }
        without_rights_of_root(&command, &directory).output().unwrap()
    };
    let get = || stdout(&run(&["config", "get", "log_level"], None));
    let mut expected = "info\n";
    for (fault, value, afterwards) in [
        ("settings.intended", "warning", "info\n"),
        ("settings.overwritten", "debug", "debug\n"),
        ("settings.cut", "error", "error\n"),
    ] {
        assert_eq!(get(), expected);
        let killed = run(&["config", "set", "log_level", value], Some(fault));
        assert_eq!(killed.status.code(), None, "{fault} was not reached: {}", stderr(&killed));
        assert_eq!(get(), afterwards, "{fault}");
        // Whoever comes next completes it and goes on.
        let next = run(&["config", "set", "session_ttl", "900"], None);
        assert_eq!(next.status.code(), Some(0), "{}", stderr(&next));
        expected = match fault {
            "settings.intended" => "warning\n",
            _ => afterwards,
        };
        assert_eq!(get(), expected, "{fault}");
        assert!(!home.file("data/orchestrator.db.settings").exists(), "{fault}");
    }
    let text = std::fs::read_to_string(etc.join("config.env")).unwrap();
    assert!(text.ends_with("NANIO_ORCHESTRATOR_SESSION_TTL=900\n") && !text.contains("\n\n"), "{text}");
    std::fs::set_permissions(&etc, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_torn_file_is_mended_before_a_server_reads_it() {
    let home = Home::new();
    let old = home.text();
    let new = old.replace("# NANIO_ORCHESTRATOR_LOG_LEVEL=info", "NANIO_ORCHESTRATOR_LOG_LEVEL=warning");
    // The power went in the middle of the write, behind the server's change 1, of which its database knows nothing.
    let cut = new.find("warning").unwrap() + 4;
    std::fs::write(home.file("config.env"), format!("{}{}", &new[..cut], &old[cut..])).unwrap();
    let journal = json!({"file": home.file("config.env"), "change": "1", "old": old, "new": new});
    std::fs::write(home.file("data/orchestrator.db.settings"), journal.to_string()).unwrap();
    let mut server = home.serve();
    assert_eq!(home.text(), old);
    assert!(!home.file("data/orchestrator.db.settings").exists());
    let all = home.ask("GET", "/api/config/settings", &Value::Null);
    assert_eq!((&all["log_level"], &all["problems"]), (&json!("info"), &json!([])));
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
}

#[test]
fn dev_mode_has_no_service_to_restart_and_its_own_file_to_change() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let _server = Server::start(dev(directory.path(), port));
    let ask = |method: &str, path: &str, body: &str| {
        let request = Request::new(method, path).header("X-Orchestrator-Key", "dev");
        request.header("Content-Type", "application/json").body(body).send(port)
    };
    let refused = ask("POST", "/api/config/settings/restart", "");
    assert_eq!((refused.status, refused.json()["detail"].as_str().unwrap().contains("dev mode")), (503, true));
    let changed = ask("PUT", "/api/config/settings/port", "{\"value\": 81}").json();
    assert_eq!((&changed["restart_required"], &changed["overridden_by"]), (&json!(false), &json!("the flag --port")));
    assert_eq!(std::fs::read_to_string(directory.path().join("dev.env")).unwrap(), "NANIO_ORCHESTRATOR_PORT=81\n");
}
