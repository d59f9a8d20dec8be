//! A wheel first, then the package: one of them serves, and everybody can tell which.

use std::fs;

use serde_json::Value;

use super::debian::{Debian, PROGRAM, package};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where pipx leaves a program, and what `install` makes of it.
const OWN: &str = "/root/.local/bin/nanio-orchestrator";
const COPY: &str = "/opt/nanio-orchestrator/bin/nanio-orchestrator";
const PACKAGED: &str = "/usr/bin/nanio-orchestrator";
const UNIT: &str = "/etc/systemd/system/nanio-orchestrator.service";

/// What `doctor` of a program says of the one that the unit runs.
fn told(debian: &Debian, program: &str) -> (String, String, String) {
    let told: Value = serde_json::from_str(&debian.must(&format!("{program} doctor --output json || true"))).unwrap();
    let checks = told["checks"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let check = checks.iter().find(|check| check["check"] == "program").unwrap_or_else(|| panic!("{told}"));
    (text(&check["verdict"]), text(&check["detail"]), text(&check["remedy"]))
}

/// Makes a program another one that still runs, as an upgrade would.
fn upgrade(debian: &Debian, program: &str) {
    debian.must(&format!("echo >> {program}"));
}

#[test]
fn a_package_takes_over_from_a_wheel_and_no_copy_goes_on_serving() {
    let debian = Debian::new();
    fs::create_dir_all(debian.path("/root/.local/bin")).unwrap();
    fs::copy(PROGRAM, debian.path(OWN)).unwrap();
    let bare = debian.must(&format!("{OWN} doctor || true"));
    assert!(bare.contains("✗ installation   the program is not installed as a service"), "{bare}");

    debian.must(&format!("{OWN} install"));
    assert!(debian.text(UNIT).contains(&format!("\nExecStart={COPY} serve\n")), "{}", debian.text(UNIT));
    assert_eq!(told(&debian, OWN), ("good".into(), format!("the unit runs this one, {COPY}"), String::new()));
    // `pipx upgrade`, and no `install` after it.
    upgrade(&debian, OWN);
    let (verdict, detail, remedy) = told(&debian, OWN);
    assert_eq!(verdict, "warning");
    assert!(detail.contains(&format!("{COPY}, version {VERSION}; this is {OWN}, version {VERSION}")), "{detail}");
    assert!(remedy.contains(&format!("{OWN} install")), "{remedy}");

    let name = debian.bring(&package(VERSION));
    debian.must(&format!("dpkg -i {name}"));
    for gone in [UNIT, COPY] {
        assert!(!debian.path(gone).exists(), "{gone}");
        assert!(debian.path(&format!("{gone}.before-install")).exists(), "{gone}");
    }
    assert_eq!(told(&debian, PACKAGED), ("good".into(), format!("the unit runs this one, {PACKAGED}"), String::new()));
    // Who types the one of pipx is told that another one serves, and the package's units are not found fault with.
    let (verdict, detail, remedy) = told(&debian, OWN);
    assert!(verdict == "warning" && detail.contains(PACKAGED) && detail.contains(OWN), "{detail}");
    assert!(remedy.starts_with(&format!("call {PACKAGED}")), "{remedy}");
    let all = debian.must(&format!("{OWN} doctor || true"));
    assert!(all.contains("✓ installation"), "{all}");

    // A unit whose program is gone.
    debian.must(&format!(
        "mkdir -p {UNIT}.d; printf '[Service]\\nExecStart=\\nExecStart={COPY} serve\\n' > {UNIT}.d/own.conf"
    ));
    let (verdict, detail, _) = told(&debian, PACKAGED);
    assert!(verdict == "fault" && detail.contains(COPY) && detail.contains("No such file"), "{detail}");
}
