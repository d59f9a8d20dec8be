//! What a survey means: one small function a question, each with what to do.

use super::service::{database, former, gate, installation, program, server};
use super::survey::{Candidate, Seen, Survey};
use crate::adapters::privileged::UNIT;

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but is probably not meant; or could not be looked at.
    Warning,
    /// Something does not work.
    Fault,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Answer {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// In words.
    pub detail: String,
    /// What to do, if anything.
    pub remedy: Option<String>,
}

/// The oldest nginx whose directives are all known.
const OLDEST_NGINX: [u32; 3] = [1, 18, 0];
/// The oldest rclone that keeps metadata (`--metadata`).
const OLDEST_RCLONE: [u32; 3] = [1, 59, 0];
/// Below this nothing can be relied on: a journal alone reserves 64 MB.
const SCARCE: u64 = 256 << 20;
/// Below this it is time to look.
const LITTLE: u64 = 1 << 30;
/// S3 refuses signatures that are older (RequestTimeTooSkewed).
const MOST_SKEW: i64 = 900;
/// Files that differ in age by less are not put into an order by their times.
const SOME_SKEW: i64 = 5;

/// A question, and its answer if it is one for this machine.
type Check = fn(&Survey) -> Option<Answer>;

/// Everything that is asked, in the order in which it matters.
pub fn judge(survey: &Survey) -> Vec<Answer> {
    if survey.env_file_open.is_err() && survey.program.is_none() {
        return judge_bare(survey);
    }
    let one: [Check; 18] = [
        who,
        settings,
        env_file,
        secret,
        nginx,
        modules,
        includes,
        nginx_test,
        nginx_runs,
        candidate,
        rclone,
        authorities,
        program,
        installation,
        former,
        server,
        database,
        gate,
    ];
    let mut answers: Vec<Answer> = one.iter().filter_map(|check| check(survey)).collect();
    answers.extend(survey.disks.iter().map(disk));
    answers.extend(survey.clocks.iter().map(|(node, skew)| clock(node, skew)));
    answers.extend(survey.certificates.iter().map(|(path, days)| certificate(path, days)));
    answers
}

/// What concerns a machine on which nothing is installed. All else would only say the same in other words.
fn judge_bare(survey: &Survey) -> Vec<Answer> {
    let remedy = "as root: nanio-orchestrator install; then run this again";
    let bare = fault("installation", "the program is not installed as a service on this machine", remedy);
    let others: [Check; 8] = [who, nginx, modules, nginx_test, nginx_runs, rclone, authorities, former];
    std::iter::once(bare).chain(others.iter().filter_map(|check| check(survey))).collect()
}

pub(super) fn good(check: &'static str, detail: impl Into<String>) -> Answer {
    Answer { check, verdict: Verdict::Good, detail: detail.into(), remedy: None }
}

pub(super) fn warning(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Answer {
    Answer { check, verdict: Verdict::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
}

pub(super) fn fault(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Answer {
    Answer { check, verdict: Verdict::Fault, detail: detail.into(), remedy: Some(remedy.into()) }
}

fn who(survey: &Survey) -> Option<Answer> {
    (!survey.as_root)
        .then(|| warning("rights", "you are not root, who alone can see everything", "run it again with sudo"))
}

fn settings(survey: &Survey) -> Option<Answer> {
    let path = survey.env_file.display();
    Some(match &survey.problems[..] {
        [] => good("settings", format!("{path} can be used")),
        problems => fault(
            "settings",
            format!("no server starts with {path}: {}", problems.join("; ")),
            "change what is named: nanio-orchestrator config edit",
        ),
    })
}

fn env_file(survey: &Survey) -> Option<Answer> {
    let path = survey.env_file.display();
    Some(match &survey.env_file_open {
        Ok(false) => good("secrets", format!("{path} is closed to others")),
        Ok(true) => fault(
            "secrets",
            format!("everybody on this machine can read the keys in {path}"),
            format!("chmod o= {path}, and change the keys that were in it"),
        ),
        Err(why) => fault("secrets", why.clone(), "make it, with keys of its own: nanio-orchestrator install"),
    })
}

fn secret(survey: &Survey) -> Option<Answer> {
    Some(if survey.has_secret {
        good("SECRET", "S3 keys of pools can be stored")
    } else {
        fault(
            "SECRET",
            "is not set, or is no Fernet key: the credentials of pools are answered with 500",
            format!("nanio-orchestrator config generate-secret --set, then systemctl restart {UNIT}"),
        )
    })
}

/// The first three numbers behind a word.
pub fn version(text: &str, behind: &str) -> Option<[u32; 3]> {
    let rest = text.split(behind).nth(1)?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next().unwrap_or(0)])
}

fn shown([major, minor, patch]: [u32; 3]) -> String {
    format!("{major}.{minor}.{patch}")
}

fn nginx(survey: &Survey) -> Option<Answer> {
    let text = match &survey.nginx {
        Ok(text) => text,
        Err(why) => return Some(fault("nginx", why.clone(), "apt-get install nginx, or set NGINX_BIN")),
    };
    Some(match version(text, "nginx/") {
        Some(version) if version >= OLDEST_NGINX => good("nginx", format!("version {}", shown(version))),
        Some(version) => fault(
            "nginx",
            format!("version {} is too old", shown(version)),
            format!("install {} or newer", shown(OLDEST_NGINX)),
        ),
        None => warning("nginx", "does not tell its version", "see what `nginx -V` says"),
    })
}

fn modules(survey: &Survey) -> Option<Answer> {
    let text = survey.nginx.as_ref().ok()?;
    let needed = [
        ("http_ssl_module", "vhosts with TLS"),
        ("http_auth_request_module", "migrations of buckets"),
        ("http_v2_module", "HTTP/2"),
    ];
    let missing: Vec<String> = needed
        .iter()
        .filter(|(module, _)| !text.contains(&format!("--with-{module}")))
        .map(|(module, purpose)| format!("{module} ({purpose})"))
        .collect();
    Some(if missing.is_empty() {
        good("nginx modules", "all that are needed are built in")
    } else {
        fault("nginx modules", format!("built without {}", missing.join(", ")), "install Debian's nginx")
    })
}

fn includes(survey: &Survey) -> Option<Answer> {
    Some(match &survey.missing_includes {
        Ok(missing) if missing.is_empty() => good("nginx.conf", "loads the managed files"),
        Ok(missing) => fault(
            "nginx.conf",
            format!("does not load the managed files: {} not there", lines(missing)),
            "add them to its http block, or: nanio-orchestrator install --patch-nginx",
        ),
        Err(why) => fault("nginx.conf", why.clone(), "mend it: nginx could not load it either"),
    })
}

fn lines(missing: &[String]) -> String {
    format!("`{}` {}", missing.join("` and `"), if missing.len() == 1 { "is" } else { "are" })
}

fn nginx_test(survey: &Survey) -> Option<Answer> {
    Some(match &survey.nginx_test {
        Ok(said) if said.is_empty() => good("nginx -t", "the live files pass"),
        Ok(said) => fault(
            "nginx -t",
            format!("the live files do not pass, so that nginx could not start again: {said}"),
            "mend what it names; what is ours was tested before it went live, so look first at what was edited since \
             (/api/config/status, `drifted`)",
        ),
        Err(why) => warning("nginx -t", why.clone(), "run it again as root"),
    })
}

fn nginx_runs(survey: &Survey) -> Option<Answer> {
    Some(if survey.nginx_runs {
        good("nginx process", "runs")
    } else {
        fault("nginx process", "nginx does not run: nobody is served", "systemctl start nginx")
    })
}

fn candidate(survey: &Survey) -> Option<Answer> {
    let worse = "changes are tested by putting them live for a moment";
    Some(match &survey.candidate {
        Ok(Candidate::Fresh) => good("candidate", "changes are tested before anything is live"),
        Ok(Candidate::Stale) => warning(
            "candidate",
            format!("nginx.conf has changed since the service was started: {worse}"),
            format!("systemctl restart {UNIT}, or: nanio-orchestrator install"),
        ),
        Ok(Candidate::Missing) => {
            warning("candidate", format!("its file is not there: {worse}"), "nanio-orchestrator install")
        }
        Err(why) => warning("candidate", why.clone(), "nanio-orchestrator install"),
    })
}

fn rclone(survey: &Survey) -> Option<Answer> {
    let remedy = format!("apt-get install rclone ({} or newer), or set RCLONE_PATH", shown(OLDEST_RCLONE));
    Some(match survey.rclone.as_ref().map(|text| version(text, "rclone v")) {
        Ok(Some(version)) if version >= OLDEST_RCLONE => good("rclone", format!("version {}", shown(version))),
        Ok(Some(version)) => fault("rclone", format!("version {} loses metadata of objects", shown(version)), remedy),
        Ok(None) => warning("rclone", "does not tell its version", remedy),
        Err(why) => fault("rclone", format!("{why}: no bucket can be migrated"), remedy),
    })
}

fn authorities(survey: &Survey) -> Option<Answer> {
    Some(if survey.has_authorities {
        good("authorities", "there are certificates to check those of https endpoints with")
    } else {
        fault(
            "authorities",
            "there are no CA certificates on this machine, without which no server starts",
            "apt-get install ca-certificates",
        )
    })
}

fn disk(disk: &super::survey::Disk) -> Answer {
    let place = format!("{} ({})", disk.path.display(), disk.what);
    let remedy = "make room: a full disk stops migrations, backups and changes";
    match disk.room {
        Ok((free, _)) if free < SCARCE => fault("disk", format!("{place}: {} MB are left", free >> 20), remedy),
        Ok((free, all)) if free < LITTLE || free < all / 50 => {
            warning("disk", format!("{place}: {} MB are left", free >> 20), remedy)
        }
        Ok((free, _)) => good("disk", format!("{place}: {} GB are free", free >> 30)),
        Err(ref why) => warning("disk", format!("{place}: {why}"), "see whether it is mounted"),
    }
}

fn clock(node: &str, skew: &Seen<i64>) -> Answer {
    let remedy = "let both machines follow the same time: timedatectl set-ntp true";
    match *skew {
        Ok(skew) if skew.abs() > MOST_SKEW => fault(
            "clock",
            format!("that of {node} differs by {skew} s: signed requests are refused (RequestTimeTooSkewed)"),
            remedy,
        ),
        Ok(skew) if skew.abs() > SOME_SKEW => warning("clock", format!("that of {node} differs by {skew} s"), remedy),
        Ok(_) => good("clock", format!("that of {node} agrees")),
        Err(ref why) => warning("clock", format!("that of {node} cannot be told: {why}"), "see whether the node runs"),
    }
}

fn certificate(path: &str, days: &Seen<i64>) -> Answer {
    match *days {
        Ok(days) if days < 0 => fault("certificate", format!("{path} has ended"), "renew it, then reload nginx"),
        Ok(days) if days < 21 => {
            warning("certificate", format!("{path} ends in {days} days"), "see why it was not renewed")
        }
        Ok(days) => good("certificate", format!("{path} lasts {days} days")),
        Err(ref why) => warning("certificate", why.clone(), "let the service's user read it, or run this as root"),
    }
}
