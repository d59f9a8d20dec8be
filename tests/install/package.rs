//! The package on a Debian: what it brings, what runs, and what stays when it goes.

use std::fs;

use serde_json::Value;

use super::debian::{Debian, package};
use super::place::said;

const UNIT: &str = "/lib/systemd/system/nanio-orchestrator.service";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The word behind `name=` in the unit.
fn unit_line(debian: &Debian, name: &str) -> String {
    let unit = debian.text(UNIT);
    let line = unit.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).expect(name);
    line.trim_start_matches(['+', '-']).to_owned()
}

/// A line of the unit as the service's user, who cannot gain rights: as the unit has it.
fn as_service(environment: &str, line: &str) -> String {
    format!(
        "setpriv --reuid nanio-orchestrator --regid nanio-orchestrator --init-groups --no-new-privs env -i \
         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin {environment} {line}"
    )
}

fn installed() -> Debian {
    let debian = Debian::new();
    let name = debian.bring(&package(VERSION));
    debian.must(&format!("dpkg -i {name}"));
    debian
}

#[test]
fn the_package_makes_a_machine_that_sudo_and_systemd_accept_and_walls_the_service_in() {
    let debian = installed();
    let passwd = debian.text("/etc/passwd");
    let line = passwd.lines().find(|line| line.starts_with("nanio-orchestrator:")).expect("the user is there");
    let numbers: Vec<u32> = line.split(':').skip(2).take(2).map(|number| number.parse().unwrap()).collect();
    let (user, group) = (numbers[0], numbers[1]);
    for (path, rights) in [
        ("/usr/bin/nanio-orchestrator", (0, 0, 0o755)),
        (UNIT, (0, 0, 0o644)),
        ("/opt/nanio-orchestrator/data", (user, group, 0o700)),
        ("/opt/nanio-orchestrator/gate", (user, group, 0o711)),
        ("/etc/nanio-orchestrator", (0, group, 0o750)),
        ("/etc/nanio-orchestrator/config.env", (0, group, 0o660)),
        ("/etc/nginx/nanio/pools", (user, group, 0o755)),
        ("/etc/nginx/nanio-candidate.conf", (0, 0, 0o644)),
        ("/etc/sudoers.d/nanio-orchestrator", (0, 0, 0o440)),
    ] {
        assert_eq!(debian.rights(path), rights, "{path}");
    }
    debian.must("visudo -c");
    let units = "/lib/systemd/system/nanio-orchestrator";
    let verified = debian
        .run(&format!("systemd-analyze verify --man=no {units}.service {units}-deputy.socket {units}-deputy@.service"));
    let (out, err) = said(&verified);
    let ours: Vec<&str> = out.lines().chain(err.lines()).filter(|line| line.contains("nanio-orch")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{out}{err}");
    let told = debian.run(&format!("systemd-analyze security --offline=true --no-pager {UNIT}"));
    let (out, err) = said(&told);
    let line = out.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_else(|| panic!("{out}{err}"));
    let number = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(number.parse::<f32>().unwrap() <= 4.0, "{line}");
    // What the service may do, and what it may not.
    debian.must("sudo -n -u nanio-orchestrator sudo -n -l /usr/sbin/nginx -t -q -c /etc/nginx/nanio-candidate.conf");
    for other in
        ["/usr/sbin/nginx -t -q -c /tmp/x.conf", "/usr/sbin/nginx -s stop", "/bin/sh", "/usr/bin/systemctl stop ssh"]
    {
        let refused = debian.run(&format!("sudo -n -u nanio-orchestrator sudo -n -l {other}"));
        assert!(!refused.status.success(), "{other}");
    }
    // A machine without authorities is told so, also by a doctor that would ask over TLS itself.
    let told = debian.must("rm -r /etc/ssl/certs; nanio-orchestrator doctor --output json || true");
    let told: Value = serde_json::from_str(&told).unwrap();
    let faults = told["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "fault");
    assert!(faults.map(|check| &check["check"]).any(|check| check == "authorities"), "{told}");
}

#[test]
fn the_line_of_the_unit_runs_as_the_services_user_and_changes_nginx_by_the_deputy() {
    let debian = installed();
    let manager = debian.manager("/run/notify");
    let pre = unit_line(&debian, "ExecStartPre");
    let deputy = {
        let unit = debian.text("/lib/systemd/system/nanio-orchestrator-deputy@.service");
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=-")).unwrap().to_owned()
    };
    let environment = "NOTIFY_SOCKET=/run/notify WATCHDOG_USEC=400000 NANIO_ORCHESTRATOR_HOST=127.0.0.1";
    let serve = as_service(environment, &unit_line(&debian, "ExecStart"));
    let release = as_service("", &unit_line(&debian, "ExecStopPost"));
    // systemd's own program takes the place of its socket unit, and the shell that of the manager.
    let commands = format!(
        "nanio-orchestrator install --patch-nginx 2>&1
         {pre}
         nginx
         umask 077
         systemd-socket-activate --accept --inetd -l /run/nanio-orchestrator-deputy.sock {deputy} 2>/dev/null &
         until [ -S /run/nanio-orchestrator-deputy.sock ]; do :; done
         chown nanio-orchestrator /run/nanio-orchestrator-deputy.sock
         umask 022
         mkfifo /run/go /run/end
         {serve} &
         service=$!
         cat /run/go
         key=$(nanio-orchestrator config get api_key)
         call() {{ curl -sS --fail-with-body -H \"X-Orchestrator-Key: $key\" -H 'Content-Type: application/json' \
             \"http://127.0.0.1:8080$1\" ${{2:+-d \"$2\"}} >> /run/answers; echo >> /run/answers; }}
         call /api/pools '{{\"name\":\"p\"}}'
         call /api/pools/1/members '{{\"address\":\"127.0.0.1:9000\"}}'
         call /api/config/reload '{{}}'
         call /api/config/status
         nanio-orchestrator doctor --output json > /run/doctor || true
         kill $service; wait $service
         {release}
         mv /run/answers /run/all-answers
         cat /run/end
        "
    );
    let log = debian.path("/root/log");
    let mut running = debian.start(&commands, &log);
    let mut heard = vec![manager.hear()];
    while heard.iter().filter(|word| *word == "WATCHDOG=1").count() < 2 {
        heard.push(manager.hear());
    }
    assert_eq!(heard[0], "READY=1", "{heard:?}");
    fs::write(debian.path("/run/go"), "").unwrap();
    let done = debian.path("/run/all-answers");
    running.wait_until("the service", || done.exists());
    let answers = debian.text("/run/all-answers");
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[2]["ok"], true, "{answers:?}");
    assert_eq!(answers[3]["check_mode"], "staged", "candidates are tested before they are live: {answers:?}");
    let doctor: Value = serde_json::from_str(&debian.text("/run/doctor")).unwrap();
    let checks = doctor["checks"].as_array().unwrap();
    let faults: Vec<&Value> = checks.iter().filter(|check| check["verdict"] == "fault").collect();
    assert!(faults.is_empty() && doctor["ok"] == true, "{faults:?}");
    let mut last = manager.hear();
    while last == "WATCHDOG=1" {
        last = manager.hear();
    }
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn nginx_conf_is_changed_only_if_nginx_accepts_it_and_the_old_one_is_kept() {
    let debian = installed();
    let before = debian.text("/etc/nginx/nginx.conf");
    let refused =
        debian.run("echo 'nonsense on;' > /etc/nginx/nanio/pools/p.conf; nanio-orchestrator install --patch-nginx");
    let (out, _) = said(&refused);
    assert!(!refused.status.success() && out.contains("nonsense"), "{out}");
    assert_eq!(debian.text("/etc/nginx/nginx.conf"), before);
    debian.must("rm /etc/nginx/nanio/pools/p.conf; nanio-orchestrator install --patch-nginx; nginx -t");
    let after = debian.text("/etc/nginx/nginx.conf");
    assert!(
        after.contains("    include /etc/nginx/nanio/pools/*.conf;\n    include /etc/nginx/nanio/vhosts/*.conf;\n}")
    );
    assert_eq!(debian.text("/etc/nginx/nginx.conf.before-install"), before);
    let again = debian.must("nanio-orchestrator install --patch-nginx 2>&1");
    assert!(again.contains("nothing was changed"), "{again}");
}

#[test]
fn a_unit_of_the_package_that_does_not_fit_the_settings_gives_way_to_one_that_does() {
    let debian = installed();
    let own = "/etc/systemd/system/nanio-orchestrator.service";
    debian.must("nanio-orchestrator install");
    assert!(!debian.path(own).exists(), "the package's fits");
    debian.must("nanio-orchestrator config set db_path /srv/nanio/orchestrator.db; nanio-orchestrator install");
    assert!(debian.text(own).contains("ReadWritePaths=-/srv/nanio "), "{}", debian.text(own));
    debian.must("nanio-orchestrator config set db_path ''; nanio-orchestrator install");
    assert!(!debian.path(own).exists(), "the package's fits again");
}

#[test]
fn removing_the_package_leaves_what_nginx_serves_and_purging_it_leaves_nothing() {
    let debian = installed();
    debian.must("nanio-orchestrator install --patch-nginx");
    let vhost = "server { listen 8099; server_name s3.example.test; return 204; }\n";
    fs::write(debian.path("/etc/nginx/nanio/vhosts/s3.example.test.conf"), vhost).unwrap();
    debian.must("dpkg -r nanio-orchestrator; nginx -t; nginx; curl -sS --fail http://127.0.0.1:8099/");
    assert_eq!(debian.text("/etc/nginx/nanio/vhosts/s3.example.test.conf"), vhost);
    for gone in ["/usr/bin/nanio-orchestrator", "/etc/sudoers.d/nanio-orchestrator", UNIT] {
        assert!(!debian.path(gone).exists(), "{gone}");
    }
    assert!(debian.path("/etc/nanio-orchestrator/config.env").exists());
    debian.must("visudo -c; dpkg -P nanio-orchestrator; nginx -t");
    for gone in ["/etc/nginx/nanio", "/etc/nanio-orchestrator", "/opt/nanio-orchestrator"] {
        assert!(!debian.path(gone).exists(), "{gone}");
    }
    for accounts in ["/etc/passwd", "/etc/group"] {
        assert!(!debian.text(accounts).contains("nanio-orchestrator"), "{accounts}");
    }
}

#[test]
fn an_upgrade_keeps_settings_and_data_and_a_downgrade_is_refused() {
    let debian = Debian::new();
    let (old, new) = ("0.4.9", VERSION);
    let (old_name, new_name) = (debian.bring(&package(old)), debian.bring(&package(new)));
    debian.must(&format!("dpkg -i {old_name}; echo data > /opt/nanio-orchestrator/data/kept"));
    let settings = debian.text("/etc/nanio-orchestrator/config.env");
    debian.must(&format!("dpkg -i {new_name}"));
    assert_eq!(debian.text("/etc/nanio-orchestrator/config.env"), settings);
    assert_eq!(debian.text("/opt/nanio-orchestrator/data/kept"), "data\n");
    let refused = debian.run(&format!("dpkg -i {old_name}"));
    let (_, err) = said(&refused);
    assert!(!refused.status.success() && err.contains("Nothing was changed"), "{err}");
    let present = debian.must("dpkg-query -W -f '${Version} ${Status}' nanio-orchestrator");
    assert_eq!(present, format!("{new} install ok installed"));
    debian.must(&format!("NANIO_ORCHESTRATOR_ALLOW_DOWNGRADE=1 dpkg -i {old_name}"));
}
