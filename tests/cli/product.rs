//! Every line of the product's *CLI Reference*, tried as a new user would.

use std::fs;

use serde_json::json;

use super::{Desk, stderr, stdout};
use crate::process::config::Home;
use crate::process::place::Place;
use crate::process::{Server, free_port, program};
use crate::support::http::Request;

/// The lines as the product describes itself.
const REFERENCE: &str = "\
nanio-orchestrator [serve]                  Start the server (default command)
nanio-orchestrator install                  Production install (run as root)
nanio-orchestrator rebuild-db               Rebuild DB from disk
  --dry-run                                   Preview without writing
  --force                                     Overwrite existing DB data

nanio-orchestrator config show              Print all settings grouped by category
nanio-orchestrator config get <key>         Print the value of a single setting
nanio-orchestrator config set <key> <val>   Write a setting to the config file
nanio-orchestrator config generate-secret   Generate a Fernet key for SECRET
  --set                                       Also write it to the config file
nanio-orchestrator config edit              Open the config file in $EDITOR
nanio-orchestrator config validate          Run nginx -t
nanio-orchestrator config reload            Run nginx -s reload
nanio-orchestrator config rebuild           Regenerate all config files from DB + reload

nanio-orchestrator orphaned list            List all completed migrations with orphaned source data
";

/// What the product shows of `config show`.
const SHOWN: &str = "\
Core
  host                         0.0.0.0                       Bind address
  port                         8080                          Listen port
  api_key                      chan****                       API authentication key
  log_level                    info                          Log level (debug/info/warning/error)
  session_ttl                  28800                         Web UI session duration (seconds)

Database
  db_path                      /opt/.../orchestrator.db      SQLite database file path
  db_backup_path               /opt/.../orchestrator.db.bak  Backup path (default: db_path + .bak)
";

/// Which test tries which line. The installer has tests of its own.
const TRIED: [(&str, fn()); 14] = [
    ("nanio-orchestrator [serve]", the_server_starts_with_and_without_its_command),
    ("nanio-orchestrator rebuild-db", a_lost_database_is_made_again),
    ("  --dry-run", a_dry_run_tells_what_would_come_and_writes_nothing),
    ("  --force", force_replaces_what_is_there),
    ("nanio-orchestrator config show", show_prints_all_settings_by_category),
    ("nanio-orchestrator config get <key>", get_prints_one_value),
    ("nanio-orchestrator config set <key> <val>", set_writes_what_the_product_shows),
    ("nanio-orchestrator config generate-secret", generate_secret_prints_a_fernet_key),
    ("  --set", generate_secret_set_also_writes_it),
    ("nanio-orchestrator config edit", edit_opens_the_file_in_the_editor),
    ("nanio-orchestrator config validate", validate_runs_nginx_t),
    ("nanio-orchestrator config reload", reload_makes_a_change_live),
    ("nanio-orchestrator config rebuild", rebuild_writes_all_files_and_reloads),
    ("nanio-orchestrator orphaned list", orphaned_list_answers_where_nothing_ever_moved),
];

#[test]
fn no_line_of_the_reference_is_left_out() {
    let lines = REFERENCE.lines().filter(|line| !line.is_empty() && !line.starts_with("nanio-orchestrator install"));
    // Behind the command, two blanks at least.
    let commands: Vec<&str> = lines
        .map(|line| line.split_at(line.trim_start().find("  ").unwrap() + line.len() - line.trim_start().len()).0)
        .collect();
    assert_eq!(commands, TRIED.map(|(command, _)| command));
}

#[test]
fn the_help_of_each_command_says_what_the_reference_does() {
    let directory = tempfile::tempdir().unwrap();
    let mut command: Vec<String> = Vec::new();
    for line in REFERENCE.lines().filter(|line| !line.is_empty()) {
        let (left, meaning) = line.trim().split_once("  ").unwrap();
        if !left.starts_with("--") {
            let words = left.split(' ').skip(1).filter(|word| !word.starts_with('<'));
            command = words.map(|word| word.trim_matches(['[', ']']).to_owned()).collect();
        }
        if command == ["install"] {
            continue;
        }
        let help = program(directory.path()).args(&command).arg("--help").output().unwrap();
        assert!(stdout(&help).contains(meaning.trim()), "{command:?}: {}", stdout(&help));
    }
}

fn answers(port: u16) -> u16 {
    Request::get("/api/health").send(port).status
}

#[test]
fn the_server_starts_with_and_without_its_command() {
    for arguments in [&[][..], &["serve"]] {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = program(directory.path());
        command.args(arguments).env("DEV", "true").env("NANIO_ORCHESTRATOR_HOST", "127.0.0.1");
        command.env("NANIO_ORCHESTRATOR_PORT", port.to_string());
        let _server = Server::start(command);
        assert_eq!(answers(port), 200, "{arguments:?}");
    }
}

/// A place whose server has made a pool, and runs no more.
fn furnished() -> Place {
    let place = Place::new();
    let server = place.start(place.serve());
    place.make_pool("pool-2025");
    drop(server);
    place
}

fn rebuild_db(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.command().arg("rebuild-db").args(arguments).output().unwrap();
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn a_lost_database_is_made_again() {
    let place = furnished();
    fs::remove_file(place.beside("")).unwrap();
    let (status, said) = rebuild_db(&place, &[]);
    assert!(status == Some(0) && said.contains("Next: start the server"), "{said}");
    let _server = place.start(place.serve());
    assert_eq!(place.pools(), ["pool-2025"]);
}

#[test]
fn a_dry_run_tells_what_would_come_and_writes_nothing() {
    let place = furnished();
    fs::remove_file(place.beside("")).unwrap();
    let (status, said) = rebuild_db(&place, &["--dry-run"]);
    assert!(status == Some(0) && said.contains("pool-2025 (nanio, 0 members"), "{said}");
    assert!(!place.beside("").exists());
}

#[test]
fn force_replaces_what_is_there() {
    let place = furnished();
    let (status, said) = rebuild_db(&place, &[]);
    assert!(status == Some(1) && said.contains("--force"), "{said}");
    let sidecar = place.directory.path().join("dev-data/nginx/pools/pool-2025.meta.json");
    let text = fs::read_to_string(&sidecar).unwrap();
    fs::write(&sidecar, text.replace("\"description\": null", "\"description\": \"as the disk says\"")).unwrap();
    let (status, said) = rebuild_db(&place, &["--force"]);
    assert_eq!(status, Some(0), "{said}");
    let _server = place.start(place.serve());
    assert_eq!(place.get("/api/pools/1")["description"], "as the disk says");
}

#[test]
fn show_prints_all_settings_by_category() {
    let home = Home::new();
    let said = home.said(&["show"]);
    let lines: Vec<&str> = said.lines().collect();
    let mut at = 0;
    for line in SHOWN.lines() {
        let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        // Settings came in between; the order is the product's.
        let found = lines[at..].iter().position(|have| match words[..] {
            [] => have.is_empty(),
            [category] => *have == category,
            [key, _, meaning] => have.trim().starts_with(key) && have.ends_with(meaning),
            _ => false,
        });
        at += found.unwrap_or_else(|| panic!("{line}\nis not, or not there, in\n{said}")) + 1;
    }
    assert_eq!(lines.last(), Some(&&*format!("Config file (production): {}", home.file("config.env").display())));
}

#[test]
fn get_prints_one_value() {
    let home = Home::new();
    assert_eq!(home.said(&["get", "port"]), format!("{}\n", home.port));
    assert_eq!(home.said(&["get", "migration_max_parallel"]), "2\n");
    assert!(home.fails(&["get", "prot"]).contains("Unknown setting: prot"));
}

#[test]
fn set_writes_what_the_product_shows() {
    let home = Home::new();
    for (key, value) in [("api_key", "mysecretkey"), ("log_level", "debug"), ("migration_max_parallel", "4")] {
        assert!(home.said(&["set", key, value]).starts_with("✓ NANIO_ORCHESTRATOR_"));
        assert_eq!(home.said(&["get", key]), format!("{value}\n"));
    }
    // The commented-out line has become the setting, at its place.
    let text = home.text();
    assert!(
        !text.contains("# NANIO_ORCHESTRATOR_LOG_LEVEL")
            && text.contains("\nNANIO_ORCHESTRATOR_LOG_LEVEL=debug\nNANIO_ORCHESTRATOR_API_KEY="),
        "{text}"
    );
}

#[test]
fn generate_secret_prints_a_fernet_key() {
    let home = Home::new();
    let (before, key) = (home.text(), home.said(&["generate-secret"]));
    assert!(fernet::Fernet::new(key.trim()).is_some(), "{key}");
    assert_ne!(key, home.said(&["generate-secret"]));
    assert_eq!(home.text(), before);
}

#[test]
fn generate_secret_set_also_writes_it() {
    let home = Home::new();
    let key = home.said(&["generate-secret", "--set"]);
    assert!(home.text().contains(&format!("NANIO_ORCHESTRATOR_SECRET={key}")), "{}", home.text());
}

#[test]
fn edit_opens_the_file_in_the_editor() {
    let home = Home::new();
    let mut command = home.command(&["config", "edit"]);
    let output = command
        .env("EDITOR", "sed -i s/#.NANIO_ORCHESTRATOR_LOG_LEVEL=info/NANIO_ORCHESTRATOR_LOG_LEVEL=error/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(home.said(&["get", "log_level"]), "error\n");
}

#[test]
fn validate_runs_nginx_t() {
    let home = Home::new();
    assert!(home.said(&["validate"]).contains("test is successful"));
    home.spoil_nginx();
    let output = home.run(&["validate"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no_such_directive"), "{}", stdout(&output));
}

/// A gateway with a pool and a vhost that nobody has reloaded yet; its port.
fn pending(home: &mut Home) -> (Server, u16) {
    home.nginx.start();
    let (server, port) = (home.serve(), crate::support::nginx::free_port());
    home.ask("POST", "/api/pools", &json!({"name": "p"}));
    home.ask("POST", "/api/pools/1/members", &json!({"address": "127.0.0.1:9"}));
    let vhost = json!({"server_name": "localhost", "listen_port": port, "ssl": false, "default_pool_id": 1});
    home.ask("POST", "/api/vhosts", &vhost);
    (server, port)
}

#[test]
fn reload_makes_a_change_live() {
    let mut home = Home::new();
    let (_server, port) = pending(&mut home);
    let get = || Request::get("/nothing/at-all").try_send(port);
    assert!(get().is_err(), "nothing is live before");
    home.said(&["reload"]);
    crate::support::nginx::wait_for_port(port);
    assert_eq!(get().unwrap().status, 502, "nginx answers; the node does not");
}

#[test]
fn rebuild_writes_all_files_and_reloads() {
    let mut home = Home::new();
    let (_server, port) = pending(&mut home);
    let file = home.nginx.managed().join("pools/p.conf");
    let ours = fs::read_to_string(&file).unwrap();
    fs::write(&file, "# by hand\n").unwrap();
    let said = home.said(&["rebuild"]);
    assert!(said.contains(&format!("  ✓ {}", file.display())), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), ours);
    crate::support::nginx::wait_for_port(port);
}

#[test]
fn orphaned_list_answers_where_nothing_ever_moved() {
    let desk = Desk::open();
    assert_eq!(desk.says(&["orphaned", "list"]), "No orphaned data found.\n");
}
