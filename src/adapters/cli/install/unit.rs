//! The units. The service is walled in as far as its work allows; the deputy makes the few calls that need root.

use super::layout::{Layout, USER};
use crate::adapters::deputy::SOCKET;
use crate::adapters::privileged::UNIT;

/// What our units begin with, by which they are known.
pub const MARK: &str = "# Made by nanio-orchestrator install";

/// Name and text of each unit.
pub fn units(layout: &Layout) -> [(String, String); 3] {
    [
        (format!("{UNIT}.service"), service(layout)),
        (format!("{UNIT}-deputy.socket"), socket()),
        (format!("{UNIT}-deputy@.service"), deputy(layout)),
    ]
}

/// The names of all units.
pub fn names() -> [String; 3] {
    [format!("{UNIT}.service"), format!("{UNIT}-deputy.socket"), format!("{UNIT}-deputy@.service")]
}

fn service(layout: &Layout) -> String {
    let env_dir = layout.env_file.with_file_name("");
    let mut writable: Vec<String> = [&layout.data, &layout.gate, &layout.managed, &env_dir]
        .into_iter()
        .chain(&layout.more)
        // Not there is for the program to tell, in words.
        .map(|path| format!("-{}", path.display().to_string().trim_end_matches('/')))
        .collect();
    writable.dedup();
    let low_port = if layout.port < 1024 { "CAP_NET_BIND_SERVICE" } else { "" };
    format!(
        "{MARK}. Changes of your own belong into: systemctl edit {UNIT}
[Unit]
Description=Control plane of this machine's nginx gateway
Documentation=https://github.com/nunokisc/nanio-orchestrator
Wants=network-online.target
Requires={UNIT}-deputy.socket
After=network-online.target nginx.service {UNIT}-deputy.socket
# Writes that a migration holds wait for the service: it is started again as often as it takes.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={USER}
Group={USER}
WorkingDirectory=-{data}
# As root, outside of the walls below: brings the file with which candidates are tested up to nginx.conf. There is no
# EnvironmentFile, since the service may write config.env, which must not become the environment of root; the program
# reads it by itself.
ExecStartPre=+-{program} candidate --nginx-conf {nginx_conf} --nginx-config-dir {managed}
ExecStart={program} serve
# However the service ended: held writes are given back to where they went before.
ExecStopPost={program} release
Restart=always
RestartSec=2
TimeoutStartSec=300
WatchdogSec=60
LogsDirectory={UNIT}
LogsDirectoryMode=0750
UMask=0027

# Nothing can be gained: calls that need root are the deputy's.
NoNewPrivileges=yes
CapabilityBoundingSet={low_port}
AmbientCapabilities={low_port}
ProtectSystem=strict
ReadWritePaths={writable}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
DevicePolicy=closed
# /proc stays as it is: that nginx has new workers after a reload is seen there.
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
",
        data = layout.data.display(),
        program = layout.program.display(),
        nginx_conf = layout.nginx_conf.display(),
        managed = layout.managed.display(),
        writable = writable.join(" "),
    )
}

fn socket() -> String {
    format!(
        "{MARK}.
[Unit]
Description=Where nanio-orchestrator has nginx tested and reloaded

[Socket]
ListenStream={SOCKET}
SocketUser={USER}
SocketMode=0600
Accept=yes
MaxConnections=16
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"
    )
}

fn deputy(layout: &Layout) -> String {
    format!(
        "{MARK}.
[Unit]
Description=Calls of nginx and systemctl for nanio-orchestrator
CollectMode=inactive-or-failed

[Service]
# nginx tests files as it will load them, so there are no walls around it.
ExecStart=-{program} deputy --nginx {nginx} --nginx-conf {nginx_conf} --systemctl {systemctl}
StandardInput=socket
StandardOutput=socket
StandardError=journal
NoNewPrivileges=yes
RuntimeMaxSec=150
",
        program = layout.program.display(),
        nginx = layout.nginx.display(),
        nginx_conf = layout.nginx_conf.display(),
        systemctl = layout.systemctl.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_has_no_environment_that_it_could_give_to_root() {
        let unit = service(&Layout::usual().unwrap());
        assert!(!unit.lines().any(|line| line.starts_with("Environment")), "{unit}");
        assert!(unit.contains("ExecStartPre=+-/usr/bin/nanio-orchestrator candidate"), "{unit}");
        assert!(unit.contains("\nExecStopPost=/usr/bin/nanio-orchestrator release\n"), "{unit}");
    }

    #[test]
    fn what_the_settings_name_can_be_written_and_nothing_else() {
        let mut layout = Layout::usual().unwrap();
        layout.more = vec!["/srv/log".into()];
        let unit = service(&layout);
        let line = unit.lines().find(|line| line.starts_with("ReadWritePaths=")).unwrap();
        assert_eq!(
            line,
            "ReadWritePaths=-/opt/nanio-orchestrator/data -/opt/nanio-orchestrator/gate -/etc/nginx/nanio \
             -/etc/nanio-orchestrator -/srv/log"
        );
    }

    #[test]
    fn a_low_port_comes_with_the_one_right_that_it_needs() {
        let mut layout = Layout::usual().unwrap();
        assert!(service(&layout).contains("\nAmbientCapabilities=\n"));
        layout.port = 443;
        let unit = service(&layout);
        assert!(
            unit.contains("\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n")
        );
    }

    #[test]
    fn the_names_are_those_of_the_units() {
        assert_eq!(names().to_vec(), units(&Layout::usual().unwrap()).map(|(name, _)| name).to_vec());
    }
}
