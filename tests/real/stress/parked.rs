//! Migrations that stand still at a place where clients go on writing, for as long as a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::begun::Begun;
use super::uploads::Upload;
use super::{Stress, until};
use crate::support::s3;

/// A migration that waits for a worker of nginx, since a write of before is not complete. Every write from now on is
/// in the journal, and nothing is copied yet.
pub struct Parked<'a> {
    stress: &'a Stress,
    pub id: i64,
    old: Begun,
}

impl<'a> Parked<'a> {
    /// `photos` is being moved.
    pub fn begin(stress: &'a Stress) -> Self {
        Self::begin_with(stress, || stress.moving.begin())
    }

    /// Whatever `begin` moves.
    pub fn begin_with(stress: &'a Stress, begin: impl FnOnce() -> i64) -> Self {
        let old = stress.begin_put_to_source("written-before-and-for-long", b"at last");
        let id = begin();
        until("it waits for a worker", || stress.migration(id)["waiting_for_workers"] != json!([]));
        Self { stress, id, old }
    }

    /// Nothing keeps it any more.
    pub fn let_go(self) -> i64 {
        assert_eq!(self.old.end().status, 200);
        self.id
    }

    /// Everything is copied and compared, and passes follow passes, until the upload that is being made has ended.
    pub fn pass_on(self) -> Passing<'a> {
        let upload = Upload::begin(self.stress, "never-completed");
        let busy = Arc::new(AtomicBool::new(true));
        let (goes_on, port) = (busy.clone(), self.stress.port());
        let target = format!("/photos/never-completed?partNumber=1&uploadId={}", upload.id);
        assert_eq!(s3::send("PUT", &target, b"part", port).status, 200);
        let client = std::thread::spawn(move || {
            while goes_on.load(Ordering::Relaxed) {
                // The pace of a client that uploads slowly.
                std::thread::sleep(Duration::from_millis(500));
                // What becomes of it is not this client's worry: it only has to be there.
                let _ = s3::request("PUT", &target, &[], b"part", port).try_send(port);
            }
        });
        assert_eq!(self.old.end().status, 200);
        let (stress, id) = (self.stress, self.id);
        until("passes", || stress.migration(id)["step"] == "carry_dirty");
        Passing { id, upload, busy, client }
    }
}

/// A migration that carries over what is written.
pub struct Passing<'a> {
    pub id: i64,
    upload: Upload<'a>,
    busy: Arc<AtomicBool>,
    client: JoinHandle<()>,
}

impl Passing<'_> {
    /// Nothing keeps it from the switch any more.
    pub fn go_on(self) -> i64 {
        self.busy.store(false, Ordering::Relaxed);
        self.client.join().unwrap();
        assert_eq!(self.upload.ask("DELETE", "", b"").status, 204);
        self.id
    }
}
