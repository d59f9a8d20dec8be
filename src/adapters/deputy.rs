//! The deputy: a process of root's that systemd starts for each connection to a socket which only the service can
//! open. It makes the calls of `privileged`, word for word, and nothing else.
//!
//! With it the service needs no sudo, and so no way to more rights: systemd can close everything else to it, while
//! nginx tests its files as it will load them, outside of the service's walls.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Where it is asked.
pub const SOCKET: &str = "/run/nanio-orchestrator-deputy.sock";

/// No request is longer, and no answer is read further.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    /// Program and words.
    call: Vec<String>,
    /// Only tell whether it would be made.
    only_ask: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ended { status: i32, stdout: String, stderr: String },
    Refused(String),
}

/// Has the deputy make a call, or tell whether it would.
///
/// # Errors
/// There is no deputy, it does not make such calls, or the program could not be started.
pub async fn ask(socket: &Path, call: Vec<String>, only_ask: bool) -> io::Result<Output> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&serde_json::to_vec(&Request { call, only_ask })?).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Ended { status, stdout, stderr }) => {
            let status = ExitStatus::from_raw(status);
            Ok(Output { status, stdout: stdout.into_bytes(), stderr: stderr.into_bytes() })
        }
        Ok(Answer::Refused(why)) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        Err(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the deputy ended without an answer")),
    }
}

/// Answers one request, as the deputy.
///
/// # Errors
/// The request cannot be read, or nobody reads the answer.
pub fn answer(calls: &[Vec<String>], request: impl Read, mut reply: impl Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    request.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let answer = match serde_json::from_slice::<Request>(&bytes) {
        Ok(request) if !calls.contains(&request.call) => Answer::Refused(format!(
            "the deputy makes only the calls that it was installed for, and not `{}`; after a change of NGINX_BIN or \
             NGINX_CONF run, as root: nanio-orchestrator install",
            request.call.join(" ")
        )),
        Ok(Request { only_ask: true, .. }) => Answer::Ended { status: 0, stdout: String::new(), stderr: String::new() },
        Ok(Request { call, .. }) => make(&call),
        Err(error) => Answer::Refused(format!("the deputy was asked in a form that it does not know: {error}")),
    };
    reply.write_all(&serde_json::to_vec(&answer)?)?;
    reply.flush()
}

/// Makes a call, with nothing of anybody's environment.
fn make(call: &[String]) -> Answer {
    let Some((program, words)) = call.split_first() else { return Answer::Refused("no program".to_owned()) };
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").stdin(Stdio::null());
    match command.output() {
        Ok(output) => Answer::Ended {
            status: output.status.into_raw(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => Answer::Refused(format!("{program} could not be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    fn call(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// A deputy for one request, as systemd starts one.
    fn deputy(calls: Vec<Vec<String>>) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("deputy.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            answer(&calls, &stream, &stream).unwrap();
        });
        (directory, socket)
    }

    #[tokio::test]
    async fn a_call_of_its_duty_is_made_and_told_as_it_ended() {
        let duty = call(&["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]);
        let (_directory, socket) = deputy(vec![duty.clone()]);
        let output = ask(&socket, duty, false).await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    }

    #[tokio::test]
    async fn any_other_call_is_refused_though_one_word_differs() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark").display().to_string();
        let duty = call(&["/usr/bin/touch", "/nonexistent"]);
        for asked in [call(&["/usr/bin/touch", &mark]), call(&["/usr/bin/touch"]), call(&[])] {
            let (_directory, socket) = deputy(vec![duty.clone()]);
            let error = ask(&socket, asked, false).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("nanio-orchestrator install"), "{error}");
        }
        assert!(!Path::new(&mark).exists());
    }

    #[tokio::test]
    async fn to_ask_is_not_to_act() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark");
        let duty = call(&["/usr/bin/touch", &mark.display().to_string()]);
        let (_kept, socket) = deputy(vec![duty.clone()]);
        assert!(ask(&socket, duty, true).await.unwrap().status.success());
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_in_words() {
        let mut reply = Vec::new();
        answer(&[], &b"GET / HTTP/1.1"[..], &mut reply).unwrap();
        assert!(String::from_utf8_lossy(&reply).contains("does not know"));
    }
}
