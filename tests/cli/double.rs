//! A server that answers as a test wants: what no real one would say, or only after hours.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::nginx::free_port;

/// An answer: the status, what is behind it in the head (`Link: …`), the body.
pub struct Said(pub u16, pub String, pub Value);

impl Said {
    pub fn ok(body: Value) -> Self {
        Self(200, String::new(), body)
    }
}

/// The double. Calls for which it has no answers left are 404.
pub struct Double {
    pub port: u16,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Double {
    /// Answers the calls (`GET /api/pools`, without the query) one after the other with these; the last one stays.
    pub fn start(answers: Vec<(&str, Vec<Said>)>) -> Self {
        let port = free_port();
        Self::start_at(port, answers)
    }

    /// The same, on a port that was told to somebody before.
    pub fn start_at(port: u16, answers: Vec<(&str, Vec<Said>)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut answers: Vec<(String, VecDeque<Said>)> =
            answers.into_iter().map(|(call, answers)| (call.to_owned(), answers.into())).collect();
        let seen = calls.clone();
        // Ends with the test's process, as the port does.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some((call, body)) = read(&stream) else { continue };
                let plain = call.split('?').next().unwrap_or_default().to_owned();
                seen.lock().unwrap().push(format!("{call} {body}").trim().to_owned());
                answer(&stream, answers.iter_mut().find(|(known, _)| *known == plain).map(|(_, answers)| answers));
            }
        });
        Self { port, calls }
    }

    /// What it was asked, in order.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// A command that asks it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        asking(self.port, arguments)
    }
}

/// A command that asks whoever listens on a port of this machine, and needs no file for it.
pub fn asking(port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.args(arguments).env_clear().env("NANIO_ORCHESTRATOR_API_KEY", "k");
    command.env("NANIO_ORCHESTRATOR_SERVER", format!("http://127.0.0.1:{port}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn read(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
    let (call, _) = first.rsplit_once(' ')?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((call.to_owned(), String::from_utf8_lossy(&body).into_owned()))
}

fn answer(mut stream: &TcpStream, answers: Option<&mut VecDeque<Said>>) {
    let unforeseen = Said(404, String::new(), serde_json::json!({"detail": "not foreseen"}));
    let said = match answers {
        Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
        Some(answers) => {
            let Said(status, head, body) = answers.front().unwrap();
            Said(*status, head.clone(), body.clone())
        }
        None => unforeseen,
    };
    let Said(status, head, body) = said;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    // A client that is gone is no fault of the double.
    let _ =
        write!(stream, "HTTP/1.1 {status} Answer\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}");
}
