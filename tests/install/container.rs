//! The Dockerfile's steps in a Debian in a directory, and its entry point.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::debian::{Debian, package};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// The instructions of a Dockerfile: the word, and the rest with its continued lines joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).map(|(word, rest)| (word.to_owned(), rest.to_owned())).collect()
}

#[test]
fn the_steps_of_the_dockerfile_make_a_gateway_that_starts_and_stops() {
    let debian = Debian::new();
    let text = fs::read_to_string(Path::new(PACKAGE).join("Dockerfile")).unwrap();
    let mut entry = Vec::new();
    for (word, rest) in instructions(&text) {
        match word.as_str() {
            "FROM" => assert!(rest.starts_with("debian:bookworm"), "the Debian of the tests is another one: {rest}"),
            // What it installs is in the directory already, and this machine's network is not the image's.
            "RUN" if rest.starts_with("apt-get update") => {
                for program in ["nginx", "rclone", "sudo"] {
                    assert!(rest.contains(program), "{rest}");
                }
            }
            "RUN" => drop(debian.must(&rest)),
            "COPY" => {
                let (from, to) = rest.split_once(' ').unwrap();
                let from = match from {
                    "dist/nanio-orchestrator_*.deb" => package(env!("CARGO_PKG_VERSION")),
                    from => Path::new(PACKAGE).join(from),
                };
                fs::copy(from, debian.path(to)).unwrap();
            }
            "ENTRYPOINT" => entry = serde_json::from_str::<Vec<String>>(&rest).unwrap(),
            "VOLUME" => {
                for volume in serde_json::from_str::<Vec<String>>(&rest).unwrap() {
                    assert!(debian.path(&volume).is_dir(), "{volume}");
                }
            }
            "EXPOSE" => {}
            other => panic!("{other}: the test does not know this instruction"),
        }
    }
    assert!(!debian.path("/etc/nanio-orchestrator/config.env").exists(), "no two containers share a key");
    let log = debian.path("/root/log");
    let mut running = debian.start(
        &format!(
            "mkfifo /run/end
             {} &
             gateway=$!
             until curl -sS --fail http://127.0.0.1:8080/api/health > /run/health 2>/dev/null; do :; done
             key=$(nanio-orchestrator config get api_key)
             call() {{ curl -sS -H \"X-Orchestrator-Key: $key\" -H 'Content-Type: application/json' \
                 \"http://127.0.0.1:8080$1\" -d \"$2\"; echo; }}
             call /api/pools '{{\"name\":\"p\"}}' > /run/answers
             call /api/pools/1/members '{{\"address\":\"127.0.0.1:9000\"}}' >> /run/answers
             call /api/config/reload '{{}}' >> /run/answers
             kill $gateway
             wait $gateway && echo ended > /run/done
             cat /run/end",
            entry.join(" ")
        ),
        &log,
    );
    let done = debian.path("/run/done");
    running.wait_until("the container", || done.exists());
    let answers = debian.text("/run/answers");
    let last: Value = serde_json::from_str(answers.lines().last().unwrap()).unwrap();
    assert_eq!(last["ok"], true, "{answers}");
}
