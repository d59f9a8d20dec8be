//! The server on a real socket.

use std::collections::HashMap;
use std::sync::Arc;

use nanio_orchestrator::adapters::http::run;
use poem::endpoint::make;
use poem::listener::{Acceptor, Listener, TcpListener};
use tokio::sync::{Notify, oneshot};

/// A front end in small, as the build leaves it.
pub fn assets() -> HashMap<String, Vec<u8>> {
    let page = r#"<!doctype html><script type="module" nonce="__NONCE__" src="/static/index-1a.js"></script>
        <meta property="csp-nonce" nonce="__NONCE__"><div id="root"></div>"#;
    let files: [(&str, &[u8]); 5] = [
        ("index.html", page.as_bytes()),
        ("static/index-1a.js", b"plain script"),
        ("static/index-1a.js.br", b"as brotli"),
        ("static/index-1a.js.gz", b"as gzip"),
        ("static/index-1a.css", b"plain style"),
    ];
    files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).into()
}

#[tokio::test]
async fn a_stop_lets_the_request_in_flight_finish_and_takes_no_new_one() {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = acceptor.local_addr().remove(0).as_socket_addr().copied().unwrap();
    let (arrived, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, waits) = (arrived.clone(), finish.clone());
    let slow = make(move |_| {
        let (seen, waits) = (seen.clone(), waits.clone());
        async move {
            seen.notify_one();
            waits.notified().await;
            "done"
        }
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(run(acceptor, slow, async {
        let _ = stopped.await;
    }));
    let request = tokio::spawn(reqwest::get(format!("http://{address}/")));
    arrived.notified().await;
    stop.send(()).unwrap();
    // The listener closes before the server waits for what is in flight.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    finish.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    server.await.unwrap().unwrap();
}
