//! The calls that need root, word for word: what the service makes, sudo's rule allows, and the deputy carries out.

use std::path::{Path, PathBuf};

/// Where nginx looks for its configuration if it is not told.
const DEFAULT_CONF: &str = "/etc/nginx/nginx.conf";
/// The unit that the installer makes.
pub const UNIT: &str = "nanio-orchestrator";

/// What nginx leaves in our directory for staging when it tests a candidate as root.
pub const CANDIDATE_PID: &str = "candidate.pid";

/// nginx's words for a test of a main file. It says nothing if all is well.
#[must_use]
pub fn test_words(conf: &Path) -> Vec<String> {
    words(&["-t", "-q", "-c", &conf.to_string_lossy()])
}

/// nginx's words for loading its configuration.
#[must_use]
pub fn reload_words(conf: &Path) -> Vec<String> {
    // The rule for sudo that 0.4.x installed names the call without -c.
    if conf == Path::new(DEFAULT_CONF) {
        words(&["-s", "reload"])
    } else {
        words(&["-s", "reload", "-c", &conf.to_string_lossy()])
    }
}

/// systemctl's words for a restart of the service.
#[must_use]
pub fn restart_words() -> Vec<String> {
    words(&["restart", UNIT])
}

/// The candidate main file: beside nginx.conf, since relative includes start from the directory of the file that `-c`
/// names.
#[must_use]
pub fn candidate_of(conf: &Path) -> PathBuf {
    conf.with_file_name("nanio-candidate.conf")
}

/// Every call that the service may make as root: the program, and its words.
#[must_use]
pub fn calls(nginx: &Path, conf: &Path, systemctl: &Path) -> Vec<Vec<String>> {
    let call = |program: &Path, words: Vec<String>| {
        std::iter::once(program.to_string_lossy().into_owned()).chain(words).collect()
    };
    vec![
        call(nginx, test_words(&candidate_of(conf))),
        call(nginx, test_words(conf)),
        call(nginx, reload_words(conf)),
        call(systemctl, restart_words()),
    ]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_calls_and_no_other() {
        let calls = |conf: &str| {
            let all = calls(Path::new("/usr/sbin/nginx"), Path::new(conf), Path::new("/usr/bin/systemctl"));
            all.iter().map(|call| call.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(
            calls("/etc/nginx/nginx.conf"),
            [
                "/usr/sbin/nginx -t -q -c /etc/nginx/nanio-candidate.conf",
                "/usr/sbin/nginx -t -q -c /etc/nginx/nginx.conf",
                "/usr/sbin/nginx -s reload",
                "/usr/bin/systemctl restart nanio-orchestrator",
            ]
        );
        assert_eq!(calls("/srv/nginx.conf")[2], "/usr/sbin/nginx -s reload -c /srv/nginx.conf");
    }
}
