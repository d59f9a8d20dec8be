//! An upstream that tells what it was sent, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A server that answers every request with a JSON of what it saw; or, silent, with nothing at all.
pub struct Echo {
    pub port: u16,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Echo {
    /// Answers as `name`.
    pub fn start(name: &str) -> Self {
        Self::listen(name, true)
    }

    /// Takes requests and never answers.
    pub fn silent() -> Self {
        Self::listen("silent", false)
    }

    fn listen(name: &str, answers: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (name, seen) = (name.to_owned(), Arc::new(Mutex::new(Vec::new())));
        let shared = seen.clone();
        // Ends with the test's process, as the port does.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (name, seen) = (name.clone(), shared.clone());
                std::thread::spawn(move || serve(stream.try_clone().ok()?, stream, &name, answers, &seen));
            }
        });
        Self { port, seen }
    }

    /// Answers as `name` at a socket in the file system; its port is none.
    pub fn at(socket: &Path, name: &str) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (name, seen) = (name.to_owned(), Arc::new(Mutex::new(Vec::new())));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (name, seen) = (name.clone(), shared.clone());
                std::thread::spawn(move || serve(stream.try_clone().ok()?, stream, &name, true, &seen));
            }
        });
        Self { port: 0, seen }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests it was sent since [`Echo::take`].
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Everything it was sent since it was last asked.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn serve(reader: impl Read, mut writer: impl Write, name: &str, answers: bool, seen: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(reader);
    loop {
        let line = read_line(&mut reader)?;
        let (method, rest) = line.split_once(' ')?;
        let (target, _version) = rest.rsplit_once(' ')?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut reader)?;
            let Some((key, value)) = line.split_once(':') else { break };
            headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(key, _)| key == "content-length").map_or("0", |(_, value)| value);
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let headers: serde_json::Map<String, Value> =
            headers.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
        let request = json!({
            "upstream": name, "method": method, "target": target, "headers": headers,
            "body": String::from_utf8_lossy(&body),
        });
        seen.lock().unwrap().push(request.clone());
        if answers {
            let text = request.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
            let text = if method == "HEAD" { "" } else { &text };
            writer.write_all(format!("{head}{text}").as_bytes()).ok()?;
        }
    }
}

/// A line without its end. Every byte becomes one character, so that nothing is lost.
fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).ok().filter(|count| *count > 0)?;
    Some(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim_end_matches(['\r', '\n']).to_owned())
}
