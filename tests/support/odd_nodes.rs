//! Nodes that take connections and misbehave.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// In everything that an odd node sends. It must not come back in a message.
pub const SENT: &str = "what-the-node-sent";

#[derive(Clone, Copy)]
enum Oddity {
    /// Reads, and never answers.
    Mute,
    /// Answers with this, and closes.
    Says(&'static str),
    /// A body that does not end.
    Endless,
    /// A body of which a byte comes now and then: each read succeeds, the whole never does.
    Dripping,
    /// The same, within the headers.
    Dawdling,
    /// Gives the first page of a listing, and never the second.
    Halting,
    /// As much markup as it can send: elements in elements.
    Deep,
}

/// An odd node on a port of its own; ends when it is dropped.
pub struct OddNode {
    pub port: u16,
    serving: JoinHandle<()>,
}

impl OddNode {
    /// One of each, with what is odd about it.
    pub async fn all() -> Vec<(&'static str, Self)> {
        let odd = [
            ("mute", Oddity::Mute),
            ("no HTTP", Oddity::Says("what-the-node-sent, and no HTTP at all\r\n\r\n")),
            ("closes", Oddity::Says("")),
            (
                "no listing",
                Oddity::Says("HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n<html>what-the-node-sent</html>"),
            ),
            ("breaks off", Oddity::Says("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<ListBucketResult>")),
            ("broken", Oddity::Says("HTTP/1.1 500 what-the-node-sent\r\nContent-Length: 0\r\n\r\n")),
            (
                "not found, of something else",
                Oddity::Says("HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\nwhat-the-node-sent"),
            ),
            (
                "sends elsewhere",
                Oddity::Says(
                    "HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:9/what-the-node-sent\r\nContent-Length: 0\r\n\r\n",
                ),
            ),
            ("endless", Oddity::Endless),
            ("dripping", Oddity::Dripping),
            ("dawdling", Oddity::Dawdling),
            ("deep", Oddity::Deep),
            (
                "denied, by something else",
                Oddity::Says("HTTP/1.1 403 No\r\nContent-Length: 18\r\n\r\nwhat-the-node-sent"),
            ),
            (
                "an error code of its own",
                Oddity::Says(
                    "HTTP/1.1 400 No\r\nContent-Length: 53\r\n\r\n<Error><Code>what-the-node-sent</Code></Error>       ",
                ),
            ),
            (
                "entities",
                Oddity::Says(
                    "HTTP/1.1 200 OK\r\nContent-Length: 78\r\n\r\n<!DOCTYPE x [<!ENTITY a \"what-the-node-sent\">]><ListBucketResult>&a;</x>          ",
                ),
            ),
        ];
        let mut nodes = Vec::new();
        for (what, oddity) in odd {
            nodes.push((what, Self::start(oddity).await));
        }
        nodes
    }

    /// One that gives the first page of a listing, two objects of seven bytes, and never the second.
    pub async fn halting() -> Self {
        Self::start(Oddity::Halting).await
    }

    /// One that never answers.
    pub async fn mute() -> Self {
        Self::start(Oddity::Mute).await
    }

    async fn start(oddity: Oddity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, oddity));
            }
        });
        Self { port, serving }
    }
}

impl Drop for OddNode {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Ends with the connection, whoever ends that.
async fn answer(mut stream: TcpStream, oddity: Oddity) {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n<ListBucketResult>";
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await.unwrap_or_default();
    let later = String::from_utf8_lossy(&request[..read]).contains("continuation-token=");
    match oddity {
        Oddity::Halting if !later => {
            let page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>b</NextContinuationToken>\
                        <Contents><Key>a</Key><Size>3</Size></Contents><Contents><Key>b</Key><Size>4</Size></Contents>\
                        </ListBucketResult>";
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
            let _ = stream.write_all(format!("{head}{page}").as_bytes()).await;
        }
        Oddity::Mute | Oddity::Halting => while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {},
        Oddity::Says(words) => {
            let _ = stream.write_all(words.as_bytes()).await;
        }
        Oddity::Endless => {
            let _ = stream.write_all(HEAD).await;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        }
        Oddity::Dawdling => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(20));
            while stream.write_all(b"x").await.is_ok() {
                pace.tick().await;
            }
        }
        Oddity::Deep => {
            let _ = stream.write_all(HEAD).await;
            while stream.write_all(&b"<a>".repeat(2048)).await.is_ok() {}
        }
        Oddity::Dripping => {
            let _ = stream.write_all(HEAD).await;
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(20));
            while stream.write_all(b" ").await.is_ok() {
                pace.tick().await;
            }
        }
    }
}
