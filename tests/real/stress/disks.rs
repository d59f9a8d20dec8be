//! A disk under the journal that has no room left.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::Stress;
use super::parked::Parked;
use crate::support::http::Request;
use crate::support::nginx::PrivateNginx;

/// A file system of a test's own, in memory.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// One of so many megabytes. Needs root, as these tests do in CI.
    fn of(megabytes: u32) -> Self {
        let disk = Self { directory: tempfile::tempdir().unwrap() };
        let size = format!("size={megabytes}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.path()).status();
        assert!(mounted.unwrap().success(), "a file system must be mounted: run the tests as root");
        disk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Uses up what is free; the file that does.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("somebody-else's");
        let mut file = fs::File::create(&path).unwrap();
        let block = vec![b'x'; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        while file.write_all(b"x").is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(self.path()).status();
    }
}

fn behind(disk: &Disk) -> Stress {
    Stress::behind(PrivateNginx::new(), disk.path(), &[])
}

/// Writes so much into the journal that only so many bytes of its reserve are left. Nobody is let in with these
/// requests, but each is written down with its body, of which every byte takes six.
fn use_up_journal(stress: &Stress, leave: u64) {
    let journal = stress.gate_files(".journal").remove(0);
    loop {
        let metadata = fs::metadata(&journal).unwrap();
        let left = (metadata.blocks() * 512 - metadata.len()).saturating_sub(leave);
        if left < leave {
            return;
        }
        let body = vec![1; usize::try_from(left / 6).unwrap().min(4_000_000)];
        let answer = Request::new("POST", "/photos?delete").bytes(&body).send(stress.port());
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        super::until("it is written down", || {
            fs::metadata(&journal).unwrap().len() > metadata.len() + 6 * body.len() as u64
        });
    }
}

#[test]
fn the_disk_under_the_journal_is_full() {
    let disk = Disk::of(66);
    let stress = behind(&disk);
    let parked = Parked::begin(&stress);
    disk.fill();
    for number in 0..50 {
        assert_eq!(stress.put(&format!("on-a-full-disk-{number}"), b"kept"), 200);
    }
    let over = stress.until_done(parked.let_go());
    assert_eq!(over["audit"], "ok");
    assert_eq!(stress.moving.second.keys("photos"), stress.moving.first.keys("photos"));
}

#[test]
fn the_journal_has_used_up_what_was_reserved_for_it() {
    // With room for another reserve, once it is free.
    let disk = Disk::of(140);
    let stress = behind(&disk);
    let parked = Parked::begin(&stress);
    let filling = disk.fill();
    use_up_journal(&stress, 100_000);
    let id = parked.let_go();
    stress.until_said(id, "is used up, and there is no more");
    assert_eq!(stress.put("meanwhile", b"kept"), 200);
    assert!(stress.moving.first.read("photos", "meanwhile").is_some(), "writes flow to the source");
    fs::remove_file(filling).unwrap();
    let over = stress.until_done(id);
    assert_eq!(over["audit"], "ok");
    assert_eq!(stress.moving.second.keys("photos"), stress.moving.first.keys("photos"));
}

#[test]
fn the_disk_is_full_before_there_is_a_journal() {
    let disk = Disk::of(66);
    let stress = behind(&disk);
    let filling = disk.fill();
    let pools = stress.moving.pools;
    let body = json!({"bucket": "photos", "src_pool_id": pools[0], "dst_pool_id": pools[1]});
    let refused = stress.moving.gateway.api.call("POST", "/api/migrations", Some(&body));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("MiB are free where the journal is to be"), "{}", refused.text());
    assert_eq!(stress.put("meanwhile", b"kept"), 200);
    assert!(!stress.moving.server_block().contains("migration_id"), "nginx was told nothing");
    fs::remove_file(filling).unwrap();
    let id = stress.moving.begin();
    stress.until_done(id);
    assert_eq!(stress.get("meanwhile"), (200, b"kept".to_vec()));
}
