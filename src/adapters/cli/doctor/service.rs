//! What a survey means for the service itself: its program, its installation, its server, its data.

use super::checks::{Answer, fault, good, warning};
use super::survey::{Database, Server, Survey, Unit};
use crate::adapters::privileged::UNIT;

/// So much of an installation that is not as it should be is told in one line.
const MOST_TOLD: usize = 3;

pub(super) fn program(survey: &Survey) -> Option<Answer> {
    let (check, own) = ("program", survey.own.display());
    let Some(program) = &survey.program else {
        return Some(fault(check, "systemd has no unit for the service", "as root: nanio-orchestrator install"));
    };
    let path = program.path.display();
    Some(match &program.version {
        Ok(_) if program.is_this => good(check, format!("the unit runs this one, {path}")),
        Ok(version) => warning(
            check,
            format!("the unit runs {path}, version {version}; this is {own}, version {}", env!("CARGO_PKG_VERSION")),
            format!("call {path}; or have the unit run this one: {own} install, then systemctl restart {UNIT}"),
        ),
        Err(why) => fault(
            check,
            format!("the unit runs {path}, which does not tell its version as nanio-orchestrator does: {why}"),
            format!("have the unit run this one: {own} install, then systemctl restart {UNIT}"),
        ),
    })
}

pub(super) fn installation(survey: &Survey) -> Option<Answer> {
    // Who is not root cannot look, and was told so.
    survey.as_root.then(|| match &survey.installation[..] {
        [] => good("installation", "user, directories, rule for sudo and units are as they should be"),
        deviations => {
            let told = deviations.iter().take(MOST_TOLD).map(|one| format!("{}: {}", one.what, one.how));
            let mut told = told.collect::<Vec<_>>().join("; ");
            if deviations.len() > MOST_TOLD {
                told.push_str(&format!("; and {} more", deviations.len() - MOST_TOLD));
            }
            fault("installation", told, "nanio-orchestrator install (--dry-run tells what it would do)")
        }
    })
}

pub(super) fn former(survey: &Survey) -> Option<Answer> {
    survey.former.then(|| {
        fault(
            "0.4.x",
            "the database is that of 0.4.x, with which no server of this version starts",
            "nanio-orchestrator rebuild-db --dry-run, then without; docs/takeover.md",
        )
    })
}

pub(super) fn server(survey: &Survey) -> Option<Answer> {
    let own = env!("CARGO_PKG_VERSION");
    Some(match &survey.server {
        Server::Answers { ready: false, .. } => fault(
            "server",
            "answers, but cannot do its work: the database or nginx's files cannot be used",
            format!("journalctl -u {UNIT} -n 50 says why"),
        ),
        Server::Answers { version, .. } if version != own => warning(
            "server",
            format!("runs version {version}, and {own} is installed"),
            format!("systemctl restart {UNIT}"),
        ),
        Server::Answers { version, .. } => good("server", format!("answers, version {version}")),
        Server::Silent { address, unit: Unit::Runs } => fault(
            "server",
            format!("systemd says that it runs, but nobody answers at {address}"),
            format!("journalctl -u {UNIT} -n 50 says why; then systemctl restart {UNIT}"),
        ),
        Server::Silent { address, unit: Unit::Ended } => fault(
            "server",
            format!("should run and does not: nobody answers at {address}. nginx serves as before"),
            format!("journalctl -u {UNIT} -n 50 says why; then systemctl start {UNIT}"),
        ),
        Server::Silent { address, unit: Unit::Off } => warning(
            "server",
            format!("does not run, and was not told to; its port is free ({address})"),
            format!("systemctl enable --now {UNIT}"),
        ),
        Server::Stranger { address } => fault(
            "server",
            format!("something else answers at {address}: the server could not start there"),
            "end that, or: nanio-orchestrator config set port <another>",
        ),
        Server::Unknown => warning("server", "not looked for, since the settings cannot be used", "mend them first"),
    })
}

pub(super) fn database(survey: &Survey) -> Option<Answer> {
    Some(match &survey.database {
        Ok(Database::File(path)) => good("database", format!("{} is one", path.display())),
        Ok(Database::NotYet(path)) => good("database", format!("{}: the first start makes it", path.display())),
        Ok(Database::Elsewhere) => good("database", "PostgreSQL; the server tells whether it answers"),
        Err(why) => fault(
            "database",
            why.clone(),
            "restore a copy (nanio-orchestrator restore-db), or make it again from nginx's files (rebuild-db)",
        ),
    })
}

pub(super) fn gate(survey: &Survey) -> Option<Answer> {
    Some(match &survey.gate {
        Ok(()) => good("gate", "its directory outlasts a restart of the machine"),
        Err(why) => fault("gate", why.clone(), "set MIGRATION_GATE_DIR to a directory on a local disk"),
    })
}
