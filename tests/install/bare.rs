//! Into a directory that holds nothing, or what a test puts there.

use std::fs;
use std::os::unix::fs::symlink;

use super::place::{Place, said};
use nanio_orchestrator::config::{EnvFile, Settings, Sources};

const ENV: &str = "/etc/nanio-orchestrator/config.env";
const UNIT: &str = "/etc/systemd/system/nanio-orchestrator.service";
const SUDOERS: &str = "/etc/sudoers.d/nanio-orchestrator";

fn settings(text: &str) -> Settings {
    let file = EnvFile { path: ENV.to_owned(), text: text.to_owned() };
    Settings::from_sources(&Sources { production_file: Some(file), ..Sources::default() }).unwrap()
}

#[test]
fn everything_is_made_with_its_owner_and_mode() {
    let place = Place::new();
    let (out, _) = place.must("install", &[]);
    let (user, group) = place.ids();
    assert!(user != 0 && group != 0);
    for (path, rights) in [
        ("/opt/nanio-orchestrator", (0, 0, 0o755)),
        ("/opt/nanio-orchestrator/bin/nanio-orchestrator", (0, 0, 0o755)),
        ("/opt/nanio-orchestrator/data", (user, group, 0o700)),
        ("/opt/nanio-orchestrator/gate", (user, group, 0o711)),
        ("/etc/nanio-orchestrator", (0, group, 0o750)),
        (ENV, (0, group, 0o660)),
        ("/etc/nginx/nanio", (user, group, 0o755)),
        ("/etc/nginx/nanio/pools", (user, group, 0o755)),
        ("/etc/nginx/nanio/vhosts", (user, group, 0o755)),
        (SUDOERS, (0, 0, 0o440)),
        (UNIT, (0, 0, 0o644)),
        ("/etc/systemd/system/nanio-orchestrator-deputy.socket", (0, 0, 0o644)),
        ("/etc/systemd/system/nanio-orchestrator-deputy@.service", (0, 0, 0o644)),
    ] {
        assert_eq!(place.rights(path), rights, "{path}\n{out}");
    }
    assert!(!out.contains('✗'), "{out}");
    let left: Vec<_> = place.snapshot().into_keys().filter(|path| path.to_string_lossy().ends_with("-new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_api_key_is_shown_once_and_a_server_would_start_with_the_settings() {
    let place = Place::new();
    let (out, err) = place.must("install", &[]);
    let settings = settings(&place.text(ENV));
    let key = settings.api_key.reveal();
    assert!(key.len() >= 32 && settings.secret.is_some());
    assert!(err.contains(key) && !out.contains(key), "{err}");
    let (out, err) = place.must("install", &[]);
    assert!(!err.contains(key) && !out.contains(key), "{err}");
    let other = Place::new();
    other.must("install", &[]);
    assert_ne!(place.text(ENV), other.text(ENV));
}

#[test]
fn the_second_run_changes_nothing_and_says_so() {
    let place = Place::new();
    place.must("install", &[]);
    let before = place.snapshot();
    let (out, err) = place.must("install", &[]);
    assert!(err.contains("nothing was changed"), "{err}");
    assert!(!out.contains("done"), "{out}");
    assert_eq!(place.snapshot(), before);
}

#[test]
fn what_a_run_left_that_was_cut_short_is_swept_up_by_the_next() {
    let place = Place::new();
    for half in [SUDOERS, UNIT, ENV] {
        place.put(&format!("{half}.nanio-new"), "half a te");
    }
    place.must("install", &[]);
    for half in [SUDOERS, UNIT, ENV] {
        assert!(!place.has(&format!("{half}.nanio-new")), "{half}");
        assert!(!place.text(half).contains("half a te"), "{half}");
    }
}

#[test]
fn a_dry_run_prints_every_step_and_takes_none() {
    let place = Place::new();
    let (out, err) = place.must("install", &["--dry-run"]);
    assert_eq!(place.snapshot().len(), 0);
    for what in ["user and group", "/opt/nanio-orchestrator/data", ENV, SUDOERS, UNIT] {
        assert!(out.lines().any(|line| line.starts_with("  · ") && line.contains(what)), "{what}\n{out}");
    }
    assert!(err.contains("nothing was changed") && !err.contains("API key ("), "{err}");
}

#[test]
fn settings_that_are_there_are_never_written_over_but_closed_and_told_what_they_lack() {
    let place = Place::new();
    let text = "# mine\nNANIO_ORCHESTRATOR_API_KEY=changeme\nNANIO_ORCHESTRATOR_DB_PATH=/srv/nanio/orchestrator.db\n";
    place.put(ENV, text);
    let (_, err) = place.must("install", &[]);
    assert_eq!(place.text(ENV), text);
    assert_eq!(place.rights(ENV), (0, place.ids().1, 0o660));
    assert!(err.contains("config set api_key") && err.contains("generate-secret --set"), "{err}");
    assert_eq!(place.rights("/srv/nanio").2, 0o700, "the data are where the settings say");
    assert!(place.text(UNIT).contains("ReadWritePaths=-/srv/nanio "), "{}", place.text(UNIT));
}

#[test]
fn what_somebody_changed_is_put_right_and_kept_beside() {
    let place = Place::new();
    place.must("install", &[]);
    let rule = place.text(SUDOERS);
    place.put(SUDOERS, "nanio-orchestrator ALL=(ALL) NOPASSWD: ALL\n");
    let (out, _) = place.must("install", &[]);
    assert!(out.contains("says something else → done"), "{out}");
    assert_eq!((place.text(SUDOERS), place.rights(SUDOERS)), (rule, (0, 0, 0o440)));
    // A name with a dot: sudo does not read it.
    assert!(place.text("/etc/sudoers.d/nanio-orchestrator.before-install").contains("ALL"));
}

#[test]
fn files_that_root_left_in_the_services_directories_become_the_services() {
    let place = Place::new();
    place.put("/opt/nanio-orchestrator/data/orchestrator.db", "");
    place.put("/etc/nginx/nanio/pools/p.conf", "upstream p { server 127.0.0.1:1; }\n");
    place.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    place.must("install", &[]);
    let (user, group) = place.ids();
    for path in ["/opt/nanio-orchestrator/data/orchestrator.db", "/etc/nginx/nanio/pools/p.conf"] {
        let (owner, owning, _) = place.rights(path);
        assert_eq!((owner, owning), (user, group), "{path}");
    }
    assert_eq!(place.rights("/etc/passwd").0, 0);
}

#[test]
fn a_link_that_the_service_could_have_laid_is_not_followed() {
    let place = Place::new();
    place.must("install", &[]);
    place.put("/etc/precious", "root's");
    fs::remove_dir(place.path("/etc/nginx/nanio/pools")).unwrap();
    symlink(place.path("/etc"), place.path("/etc/nginx/nanio/pools")).unwrap();
    let before = (place.rights("/etc"), place.rights("/etc/precious"));
    let output = place.run("install", &[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("✗ directory /etc/nginx/nanio/pools") && out.contains("is not followed"), "{out}");
    assert_eq!((place.rights("/etc"), place.rights("/etc/precious")), before);
}

#[test]
fn lines_that_nginx_conf_lacks_are_printed_and_those_it_has_are_not() {
    let place = Place::new();
    place.put("/etc/nginx/nginx.conf", "events {}\nhttp {\n    include /etc/nginx/nanio/pools/*.conf;\n}\n");
    let before = place.text("/etc/nginx/nginx.conf");
    let (_, err) = place.must("install", &[]);
    assert!(err.contains("include /etc/nginx/nanio/vhosts/*.conf;"), "{err}");
    assert!(!err.contains("include /etc/nginx/nanio/pools/*.conf;"), "{err}");
    assert_eq!(place.text("/etc/nginx/nginx.conf"), before);
    let candidate = place.text("/etc/nginx/nanio-candidate.conf");
    assert!(candidate.contains("include /etc/nginx/nanio/.nanio/staging/pools/*.conf;"), "{candidate}");
    assert!(candidate.contains("pid /etc/nginx/nanio/.nanio/candidate.pid;"), "{candidate}");
}

#[test]
fn an_nginx_conf_that_nginx_does_not_try_stays_as_it_is() {
    let place = Place::new();
    // There is no nginx in this directory that could say yes.
    place.put("/etc/nginx/nginx.conf", "events {}\nhttp {\n}\n");
    let output = place.run("install", &["--patch-nginx"]);
    let (out, _) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("✗ file /etc/nginx/nginx.conf"), "{out}");
    assert_eq!(place.text("/etc/nginx/nginx.conf"), "events {}\nhttp {\n}\n");
    assert!(!place.has("/etc/nginx/nginx.conf.nanio-new"));
}

#[test]
fn an_installation_of_0_4_is_found_and_told_how_it_is_taken_over() {
    let place = Place::new();
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0_4_1/orchestrator.db");
    place.put("/opt/nanio-orchestrator/data/orchestrator.db", fs::read(database).unwrap());
    place.put(ENV, "NANIO_ORCHESTRATOR_API_KEY=of-0.4\n");
    let former = "[Service]\nExecStart=/opt/nanio-orchestrator/venv/bin/python -m nanio_orchestrator serve\n";
    place.put(UNIT, former);
    let (_, err) = place.must("install", &[]);
    for line in ["installation of 0.4.x", "rebuild-db --dry-run", "systemctl enable --now nanio-orchestrator"] {
        assert!(err.contains(line), "{line}\n{err}");
    }
    assert_eq!(place.text(&format!("{UNIT}.before-install")), former);
    assert_eq!(
        fs::read(place.path("/opt/nanio-orchestrator/data/orchestrator.db")).unwrap(),
        fs::read(database).unwrap()
    );
    assert_eq!(place.text(ENV), "NANIO_ORCHESTRATOR_API_KEY=of-0.4\n");
}

/// The number in the line about the service.
fn number(place: &Place, file: &str) -> u32 {
    let text = place.text(file);
    let line = text.lines().find(|line| line.starts_with("nanio-orchestrator:")).unwrap_or_else(|| panic!("{text}"));
    line.split(':').nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_group_that_is_there_becomes_that_of_the_user() {
    let place = Place::new();
    place.put("/etc/group", "root:x:0:\nnanio-orchestrator:x:457:\n");
    let (out, _) = place.must("install", &["--dry-run"]);
    assert!(out.contains("there is the group, but no user"), "{out}");
    place.must("install", &[]);
    let (user, group) = place.ids();
    assert!(user != 0 && group == 457, "{user}:{group}");
    assert_eq!(number(&place, "/etc/group"), 457);
    assert_eq!(place.rights(ENV), (0, 457, 0o660));
    assert_eq!(place.rights("/opt/nanio-orchestrator/data"), (user, 457, 0o700));
    let (_, err) = place.must("install", &[]);
    assert!(err.contains("nothing was changed"), "{err}");
    place.must("remove", &["--purge", "--yes"]);
    assert!(!place.text("/etc/group").contains("nanio-orchestrator"));
}

#[test]
fn a_user_that_is_there_stays_as_it_is_and_gets_a_group_that_is_nobody_elses() {
    let place = Place::new();
    let user = "nanio-orchestrator:x:456:65534::/srv:/usr/sbin/nologin\n";
    place.put("/etc/passwd", user);
    place.put("/etc/group", "root:x:0:\nnogroup:x:65534:\n");
    let (out, _) = place.must("install", &["--dry-run"]);
    assert!(out.contains("there is the user, but no group"), "{out}");
    place.must("install", &[]);
    assert_eq!(place.text("/etc/passwd"), user);
    let group = number(&place, "/etc/group");
    // The keys are not everybody's who has no group of his own.
    assert_ne!(group, 65534);
    assert_eq!(place.rights(ENV), (0, group, 0o660));
    assert_eq!(place.rights("/opt/nanio-orchestrator/data"), (456, group, 0o700));
    assert!(place.text("/etc/group").contains(&format!(":{group}:nanio-orchestrator\n")), "the user is in it");
    let (_, err) = place.must("install", &[]);
    assert!(err.contains("nothing was changed"), "{err}");
    place.must("remove", &["--purge", "--yes"]);
    let accounts = place.text("/etc/passwd") + &place.text("/etc/group");
    assert!(!accounts.contains("nanio-orchestrator"), "{accounts}");
}

#[test]
fn remove_takes_what_install_made_and_leaves_what_nginx_serves() {
    let place = Place::new();
    place.put("/etc/nginx/nginx.conf", "events {}\nhttp {\n}\n");
    place.must("install", &[]);
    place.put("/etc/nginx/nanio/vhosts/s3.conf", "server {}\n");
    place.put("/opt/nanio-orchestrator/data/orchestrator.db", "data");
    let env = place.text(ENV);
    let (dry, _) = place.must("remove", &["--dry-run"]);
    assert!(place.has(UNIT) && dry.contains(UNIT), "{dry}");
    place.must("remove", &["--yes"]);
    for gone in [
        UNIT,
        "/etc/systemd/system/nanio-orchestrator-deputy.socket",
        "/etc/systemd/system/nanio-orchestrator-deputy@.service",
        SUDOERS,
        "/etc/nginx/nanio-candidate.conf",
        "/opt/nanio-orchestrator/bin",
    ] {
        assert!(!place.has(gone), "{gone}");
    }
    assert_eq!(place.text("/etc/nginx/nanio/vhosts/s3.conf"), "server {}\n");
    assert_eq!(place.text("/opt/nanio-orchestrator/data/orchestrator.db"), "data");
    assert_eq!(place.text(ENV), env);
    assert_eq!(place.text("/etc/nginx/nginx.conf"), "events {}\nhttp {\n}\n");
    place.ids();
    place.must("remove", &["--yes"]);
    // And back again, as if nothing had been.
    place.must("install", &[]);
    assert_eq!(place.text(ENV), env);
}

#[test]
fn remove_with_purge_leaves_nothing_and_asks_before() {
    let place = Place::new();
    place.put("/etc/nginx/nginx.conf", "events {}\nhttp {\n}\n");
    place.must("install", &[]);
    place.put("/etc/nginx/nanio/vhosts/s3.conf", "server {}\n");
    let refused = place.run("remove", &["--purge"]);
    assert_eq!(refused.status.code(), Some(1), "nobody said yes");
    assert!(place.has(UNIT) && place.has("/etc/nginx/nanio/vhosts/s3.conf"));
    place.must("remove", &["--purge", "--yes"]);
    for gone in ["/etc/nginx/nanio", "/opt/nanio-orchestrator", "/etc/nanio-orchestrator", UNIT, SUDOERS] {
        assert!(!place.has(gone), "{gone}");
    }
    assert!(!place.text("/etc/passwd").contains("nanio-orchestrator"));
    assert!(place.has("/etc/nginx/nginx.conf"), "that is the operator's");
}

#[test]
fn a_unit_that_install_did_not_make_is_not_removed() {
    let place = Place::new();
    place.must("install", &[]);
    place.put(UNIT, "[Service]\nExecStart=/bin/true\n");
    let output = place.run("remove", &["--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(place.has(UNIT));
}
