//! Where each kind of request goes in each state of the token.

use nanio_orchestrator::domain::gateway::moving::GateFile;
use nanio_orchestrator::domain::migration::token::TokenState;
use serde_json::Value;

use super::{Rig, token};
use crate::support::http::Request;

fn requests() -> Vec<(&'static str, Request)> {
    let target = |method: &str, target: &str| Request::new(method, target);
    vec![
        ("read", target("GET", "/bkt/k")),
        ("read", target("HEAD", "/bkt/k")),
        ("read", target("OPTIONS", "/bkt/k")),
        ("read", target("GET", "/bkt/k").header("Range", "bytes=0-3")),
        ("read", target("GET", "/bkt?list-type=2&prefix=uploadId=1")),
        ("read", target("GET", "/bkt/uploadId=1")),
        ("parts", target("GET", "/bkt/k?uploadId=u")),
        ("parts", target("GET", "/bkt/k?max-parts=1&%75ploadId=u")),
        ("write", Request::put("/bkt/k", "body")),
        ("write", Request::put("/bkt", "")),
        ("write", target("DELETE", "/bkt/k?versionId=1")),
        ("write", Request::new("POST", "/bkt/k?uploads")),
        ("write", Request::put("/bkt/k", "").header("x-amz-copy-source", "/bkt/j")),
        ("write", Request::new("POST", "/bkt").body("a form")),
        ("write", Request::put("/bkt/a&uploadId=1", "body")),
        ("write", target("PROPFIND", "/bkt/k")),
        ("write", Request::new("POST", "/bkt?delete").body("<Delete/>")),
        ("write", Request::new("POST", "/bkt/?x=1&dele%74e=").body("<Delete/>")),
        ("upload", Request::put("/bkt/k?partNumber=1&uploadId=u", "part")),
        ("upload", target("DELETE", "/bkt/k?uploadId=u")),
        ("upload", Request::new("POST", "/bkt/k?uploadId=u").body("<Complete/>")),
        ("upload", Request::put("/bkt/k?%75%70loadId=u", "part")),
        ("copied", Request::put("/bkt/k", "").header("x-amz-copy-source", "/other/j")),
        ("copied", Request::put("/bkt/k?partNumber=1&uploadId=u", "").header("x-amz-copy-source", "bkt/j")),
        ("elsewhere", Request::put("/other/k", "body")),
        ("elsewhere", target("GET", "/bktx/k")),
    ]
}

#[test]
fn each_request_goes_where_the_token_and_the_gate_say() {
    let rig = Rig::start();
    // The state, what the gate would say, and who then gets what.
    for (state, said, read, parts, write, upload, copied) in [
        (TokenState::Source, "refused", "src", "src", "src", "src", "src"),
        (TokenState::Held, "src", "src", "src", "src", "src", "503 SlowDown"),
        (TokenState::Held, "dst", "src", "src", "dst", "dst", "503 SlowDown"),
        (TokenState::Missing, "src", "src", "src", "src", "src", "503 SlowDown"),
        (TokenState::Missing, "refused", "src", "src", "503 SlowDown", "503 SlowDown", "503 SlowDown"),
        (TokenState::Switched, "dst", "dst", "dst", "dst", "dst", "501 NotImplemented"),
        (TokenState::Switched, "src", "dst", "src", "src", "src", "501 NotImplemented"),
        (TokenState::Open, "src", "dst", "src", "dst", "src", "501 NotImplemented"),
        (TokenState::Open, "refused", "dst", "503 SlowDown", "dst", "503 SlowDown", "501 NotImplemented"),
    ] {
        rig.say(1, state);
        rig.gate.decide(Some(said));
        for (kind, request) in requests() {
            let expected = match kind {
                "read" => read,
                "parts" => parts,
                "write" => write,
                "upload" => upload,
                "copied" => copied,
                _ => "src",
            };
            let answer = rig.send(&request);
            let reached = rig.reached();
            let case = format!("{request:?} when {state:?} and the gate says {said}: {}", answer.head);
            match expected.split_once(' ') {
                Some((status, code)) => {
                    assert_eq!(
                        (answer.status.to_string().as_str(), answer.s3_code().as_str()),
                        (status, code),
                        "{case}"
                    );
                    assert_eq!(reached, Vec::<Value>::new(), "{case}");
                }
                None => {
                    assert_eq!((answer.status, reached.len()), (200, 1), "{case}");
                    assert_eq!(reached[0]["upstream"], expected, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_token_that_cannot_be_looked_at_holds_writes_and_no_reads() {
    let rig = Rig::start();
    rig.gate.decide(Some("refused"));
    // A name that leads to itself cannot be looked at, whoever looks.
    let path = rig.file(GateFile::Source, 1);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert_eq!(rig.served(&Request::put("/bkt/k", "x")), "503 SlowDown");
    assert_eq!(rig.served(&Request::get("/bkt/k")), "src");
}

#[test]
fn keys_pass_byte_for_byte_in_every_state() {
    let rig = Rig::start();
    rig.gate.decide(Some("dst"));
    let keys = [
        "a%2Fb",
        "a//b",
        "//",
        "../x",
        "a/../b",
        "a/./b",
        "%2E%2E/x",
        "a+b",
        "a%2Bb",
        "a%20b",
        "%C3%BC",
        "\u{fc}\u{2603}",
        "dir/",
        "a%25b",
        "?list-type=2&prefix=a%2Fb+c",
        "k?versionId=%2F",
        "k?",
        "~!*'()@:$,",
        "k%23",
        "a\\b",
        "a|b\"<>^`{}",
        "k?uploadId=a%2Bb+c",
        "../other/k",
    ];
    for (state, upstream) in [
        (TokenState::Source, "src"),
        (TokenState::Held, "dst"),
        (TokenState::Switched, "dst"),
        (TokenState::Open, "dst"),
    ] {
        rig.say(1, state);
        for key in keys {
            for method in ["GET", "PUT", "DELETE", "POST"] {
                let target = format!("/bkt/{key}");
                let answer = rig.send(&Request::new(method, &target).body("body"));
                assert_eq!(answer.status, 200, "{method} {target} {state:?}: {}", answer.text());
                let seen = answer.json();
                let bytes: String = target.bytes().map(char::from).collect();
                assert_eq!((&seen["target"], &seen["body"]), (&bytes.into(), &"body".into()), "{method} {state:?}");
                let expected = if state == TokenState::Held && method == "GET" { "src" } else { upstream };
                assert_eq!(seen["upstream"], expected, "{method} {target} {state:?}");
            }
        }
    }
}

#[test]
fn no_address_leads_past_the_journal() {
    let rig = Rig::start();
    let token = token(1);
    for target in ["/bkt/../_nanio_x_start", "/bkt/../_m7_start", "/bkt/..%2f_nanio_start", "/bkt/%2e%2e/_nanio_"] {
        assert_eq!(rig.served(&Request::put(target, "x")), "src", "{target}");
        let lines = rig.journal(1, 2);
        assert_eq!((&lines[0]["e"], &lines[0]["u"]), (&"start".into(), &target.into()));
        std::fs::File::options().write(true).open(rig.file(GateFile::Journal, 1)).unwrap().set_len(0).unwrap();
    }
    rig.reached();
    // Not even the real name helps, to whoever knows it.
    for name in ["start", "gate"] {
        for target in [format!("/bkt/../_nanio_{token}_{name}"), format!("/_nanio_{token}_{name}")] {
            let status = rig.send(&Request::put(&target, "x")).status;
            assert_eq!((status, rig.reached().len(), rig.gate.take().len()), (404, 0, 0), "{target}");
        }
    }
    rig.journal(1, 0);
}
