//! Clients that take their time.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use super::Stress;
use super::begun::Begun;
use super::parked::Parked;
use super::until;
use crate::support::nginx::PrivateNginx;

/// Sends a head one byte a second until it is told to send the rest; the connection, when the head is complete.
fn drip(stress: &Stress, key: &str, body: &[u8]) -> (mpsc::Sender<()>, std::thread::JoinHandle<Begun>) {
    let request = stress.put_request(key, body);
    let mut begun = Begun::connect(&request, stress.port());
    let head = request.head(stress.port());
    begun.drip(&head[..1]);
    let (tell, told) = mpsc::channel();
    let client = std::thread::spawn(move || {
        let mut sent = 1;
        while told.recv_timeout(Duration::from_secs(1)).is_err() {
            begun.drip(&head[sent..=sent]);
            sent += 1;
        }
        begun.drip(&head[sent..]);
        begun
    });
    (tell, client)
}

#[test]
fn a_client_sends_its_headers_one_byte_a_second() {
    let stress = Stress::start(&[]);
    let parked = Parked::begin(&stress);
    let (tell, client) = drip(&stress, "slowly", b"said slowly");
    let id = parked.let_go();
    stress.until_said(id, "committed");
    // Its worker is one that knows of the move, and is not given up.
    until("its worker is waited for", || stress.migration(id)["waiting_for_workers"] != json!([]));
    tell.send(()).unwrap();
    assert_eq!(client.join().unwrap().end().status, 200);
    assert_eq!(stress.moving.second.read("photos", "slowly").unwrap(), b"said slowly");
    assert_eq!(stress.moving.first.read("photos", "slowly"), None);
    stress.until_done(id);
}

#[test]
fn a_client_that_began_before_never_ends_its_headers() {
    let nginx = PrivateNginx::new();
    nginx.write_conf(&format!("client_header_timeout 3s;\n    {}", nginx.includes()));
    let gate = nginx.gate_dir();
    let stress = Stress::behind(nginx, &gate, &[]);
    let request = stress.put_request("never", b"");
    let mut begun = Begun::connect(&request, stress.port());
    begun.drip(b"P");
    let id = stress.moving.begin();
    stress.until_done(id);
    let answer = begun.try_end();
    assert!(answer.is_none_or(|answer| answer.status == 408), "nginx has ended it");
}

#[test]
fn an_upload_is_slower_than_the_drain_time_out() {
    let stress = Stress::start(&[("MIGRATION_DRAIN_TIMEOUT", "1")]);
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    let held = stress.begin_put("held", b"held");
    stress.until_taken_back();
    assert_eq!(held.end().status, 200);
    assert_eq!(stress.moving.first.read("photos", "held").unwrap(), b"held", "it was sent to the source");
    let number = under_way.number;
    under_way.end();
    stress.until_done(id);
    let log = stress.moving.log(id);
    assert!(log.contains("writes that had begun did not end within 1 s"), "{log}");
    let slow = stress.moving.second.read("photos", &format!("under-way-{number}")).unwrap();
    assert_eq!(slow, format!("body {number}").as_bytes());
    assert_eq!(stress.get("held"), (200, b"held".to_vec()));
}
