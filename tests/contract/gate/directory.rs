//! What a gate directory beside a real nginx does beyond the common promises.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;

use nanio_orchestrator::domain::migration::journal::JournalEntry;
use nanio_orchestrator::domain::migration::token::TokenState;
use nanio_orchestrator::domain::vhost::{Port, ServerName};
use nanio_orchestrator::ports::gate::{Gate, GateError, Listener};

use super::adapters::{Disk, append};
use crate::support::http::Request;
use crate::support::nginx::{PrivateNginx, binary, free_port, wait_until};

async fn void(disk: &Disk, token: &nanio_orchestrator::domain::migration::token::Token) -> String {
    match disk.gate.sound(token).await {
        Err(GateError::Void(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_files_are_what_nginx_and_nobody_else_needs() {
    let disk = Disk::new().await;
    let token = disk.gate.create().await.unwrap();
    let mode = |kind: &str| fs::metadata(disk.file(&token, kind)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("src"), mode("journal"), mode("birth")), (0o444, 0o640, 0o600));
    assert_eq!(fs::metadata(disk.directory()).unwrap().permissions().mode() & 0o777, 0o711);
    disk.gate.remove(&token).await.unwrap();
    assert_eq!(fs::read_dir(disk.directory()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_nginx_writes_is_what_is_read() {
    let mut disk = Disk::new().await;
    let token = disk.journaled().await;
    let port = disk.port;
    let end = disk.gate.journal(&token, 0).await.unwrap().end;
    for target in [&b"/b/k%20\"\xff"[..], b"/b/second"] {
        let target = target.to_vec();
        tokio::task::spawn_blocking(move || Request::get(target).send(port)).await.unwrap();
    }
    wait_until("both lines", || fs::read(disk.file(&token, "journal")).unwrap().ends_with(b"second\"}\n"));
    let part = disk.gate.journal(&token, end).await.unwrap();
    // The log format of this nginx has a name and nothing else: each line is seen, and none is taken for another.
    assert_eq!(part.lines, [JournalEntry::Unreadable, JournalEntry::Unreadable]);
    disk.gate.sound(&token).await.unwrap();
}

#[tokio::test]
async fn a_token_whose_journal_nginx_has_open_is_not_discarded() {
    let mut disk = Disk::new().await;
    let token = disk.journaled().await;
    assert_eq!(disk.gate.discard(&token).await, Ok(false));
    assert_eq!(disk.gate.state(&token).await, Ok(TokenState::Source));
    // As a crash leaves it in the middle of a removal.
    let other = disk.gate.create().await.unwrap();
    fs::remove_file(disk.file(&other, "src")).unwrap();
    fs::remove_file(disk.file(&other, "birth")).unwrap();
    assert_eq!(disk.gate.discard(&other).await, Ok(true));
    assert_eq!(disk.gate.tokens().await.unwrap(), [token]);
}

#[tokio::test]
async fn a_journal_that_somebody_touched_is_void() {
    let mut disk = Disk::new().await;
    let token = disk.journaled().await;
    let (journal, aside) = (disk.file(&token, "journal"), disk.nginx.dir.path().join("aside"));
    append(&journal, b"one line\n");
    disk.gate.journal(&token, 0).await.unwrap();
    disk.gate.sound(&token).await.unwrap();

    fs::rename(&journal, &aside).unwrap();
    assert!(void(&disk, &token).await.contains("it is gone"));
    fs::copy(&aside, &journal).unwrap();
    assert!(void(&disk, &token).await.contains("another file"));
    assert!(matches!(disk.gate.renew(&token).await, Err(GateError::Void(_))), "nginx writes elsewhere");
    fs::rename(&aside, &journal).unwrap();
    disk.gate.sound(&token).await.unwrap();

    // As logrotate's copytruncate does it; found also by who has not read the journal before.
    fs::write(&journal, "").unwrap();
    append(&journal, &[b'\n'; 4096]);
    assert!(void(&disk, &token).await.contains("emptied"));
    disk.reborn().await;
    assert!(void(&disk, &token).await.contains("emptied"));
    disk.gate.renew(&token).await.unwrap();
    disk.gate.sound(&token).await.unwrap();
}

#[tokio::test]
async fn what_spoiled_a_journal_is_not_forgotten_by_a_restart_of_ours() {
    let mut disk = Disk::new().await;
    let token = disk.journaled().await;
    disk.complain(&token);
    disk.reborn().await;
    assert!(void(&disk, &token).await.contains("No space left"));
    let log = disk.nginx.dir.path().join("error.log");
    fs::rename(&log, disk.nginx.dir.path().join("error.log.1")).unwrap();
    fs::write(&log, "the log of today\n").unwrap();
    disk.reborn().await;
    assert!(void(&disk, &token).await.contains("No space left"));
    disk.gate.renew(&token).await.unwrap();
    disk.reborn().await;
    disk.gate.sound(&token).await.unwrap();
}

#[tokio::test]
async fn a_restart_of_the_machine_makes_a_journal_void_until_it_is_renewed() {
    let mut disk = Disk::new().await;
    let token = disk.journaled().await;
    let birth = disk.file(&token, "birth");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text = fs::read_to_string(&birth).unwrap();
    fs::write(&birth, text.replace(boot.trim(), "11111111-2222-3333-4444-555555555555")).unwrap();
    assert!(void(&disk, &token).await.contains("restarted"));
    disk.gate.renew(&token).await.unwrap();
    disk.gate.sound(&token).await.unwrap();
    fs::write(&birth, "{").unwrap();
    assert!(void(&disk, &token).await.contains("damaged"));
    fs::remove_file(&birth).unwrap();
    assert!(void(&disk, &token).await.contains("gone"));
}

#[tokio::test]
async fn a_journal_that_nginx_does_not_write_proves_nothing() {
    let mut disk = Disk::new().await;
    let token = disk.gate.create().await.unwrap();
    let told = void(&disk, &token).await;
    assert!(told.contains("does not write to it") && told.contains("reload"), "{told}");
    disk.journal(&token);
    disk.gate.sound(&token).await.unwrap();
    disk.nginx.stop();
    assert!(matches!(disk.gate.sound(&token).await, Err(GateError::Fault(why)) if why.contains("not running")));
}

#[tokio::test]
async fn no_token_is_made_where_nginx_could_not_complain() {
    let disk = Disk::new().await;
    fs::remove_file(disk.nginx.dir.path().join("error.log")).unwrap();
    let told = disk.gate.create().await.unwrap_err().to_string();
    assert!(told.contains("error.log") && told.contains("adm"), "{told}");
    assert_eq!(disk.gate.tokens().await.unwrap(), [], "nothing is left behind");
}

#[tokio::test]
async fn files_that_contradict_each_other_are_not_chosen_from() {
    let disk = Disk::new().await;
    let token = disk.gate.create().await.unwrap();
    fs::write(disk.file(&token, "switched"), "").unwrap();
    assert!(matches!(disk.gate.state(&token).await, Err(GateError::Fault(why)) if why.contains("contradict")));
    fs::remove_file(disk.file(&token, "src")).unwrap();
    assert_eq!(disk.gate.state(&token).await.unwrap(), TokenState::Switched);
    fs::remove_dir_all(disk.directory()).unwrap();
    assert_eq!(disk.gate.state(&token).await.unwrap(), TokenState::Missing);
    assert_eq!(disk.gate.tokens().await.unwrap(), []);
    disk.gate.remove(&token).await.unwrap();
    disk.gate.reopen(&token).await.unwrap();
    assert_eq!(disk.gate.state(&token).await.unwrap(), TokenState::Open);
}

/// Two that try at the same time: one of them wins, and the files say which.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_commit_and_roll_back_one_wins() {
    let disk = Disk::new().await;
    let mut seen = [0, 0];
    for _ in 0..40 {
        let token = disk.gate.create().await.unwrap();
        disk.gate.freeze(&token).await.unwrap();
        let (forward, back): (Arc<dyn Gate>, Arc<dyn Gate>) = (disk.gate.clone(), disk.gate.clone());
        let (one, other) = (token.clone(), token.clone());
        let commit = tokio::spawn(async move { forward.commit(&one).await });
        let thaw = tokio::spawn(async move { back.thaw(&other).await });
        let (commit, thaw) = (commit.await.unwrap(), thaw.await.unwrap());
        let expected = if commit.is_ok() { TokenState::Switched } else { TokenState::Source };
        assert!(commit.is_ok() != thaw.is_ok(), "{commit:?} {thaw:?}");
        assert_eq!(disk.gate.state(&token).await.unwrap(), expected);
        seen[usize::from(commit.is_ok())] += 1;
        disk.gate.remove(&token).await.unwrap();
    }
    assert_eq!(seen[0] + seen[1], 40);
}

#[tokio::test]
async fn workers_that_only_finish_what_they_have_are_workers() {
    let mut nginx = PrivateNginx::new();
    let (port, upstream) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    nginx.write_conf(&format!(
        "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{}; }} }}",
        upstream.local_addr().unwrap()
    ));
    nginx.start();
    let running = nanio_orchestrator::adapters::nginx::running::RunningNginx::new(&nginx.managed(), nginx.command())
        .await
        .unwrap();
    let workers = || running.family().unwrap().workers;
    wait_until("two workers", || workers().len() == 2);
    let before = workers();
    let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (held, _) = upstream.accept().unwrap();
    let status = Command::new(binary()).args(["-s", "reload", "-c", nginx.conf().to_str().unwrap()]).status().unwrap();
    assert!(status.success());
    wait_until("new workers beside the one that finishes", || {
        let now = workers();
        now.len() == 3 && now.iter().filter(|worker| before.contains(worker)).count() == 1
    });
    drop(held);
    wait_until("the end of the old one", || workers().iter().all(|worker| !before.contains(worker)));
}

#[tokio::test]
async fn who_else_has_the_ports_or_replaces_the_program_is_named() {
    let (mut nginx, mut other, port) = (PrivateNginx::new(), PrivateNginx::new(), free_port());
    for rig in [&mut nginx, &mut other] {
        rig.write_conf(&format!("server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 204; }} }}"));
    }
    nginx.start();
    let running = nanio_orchestrator::adapters::nginx::running::RunningNginx::new(&nginx.managed(), nginx.command())
        .await
        .unwrap();
    let old = nginx.dir.path().join("nginx.pid.oldbin");
    fs::write(&old, "1").unwrap();
    assert!(running.family().unwrap_err().contains("kill -QUIT"));
    fs::remove_file(&old).unwrap();
    running.family().unwrap();
    other.start();
    let told = running.family().unwrap_err();
    assert!(told.contains("the same ports"), "{told}");
    other.stop();
    running.family().unwrap();
}

#[tokio::test]
async fn a_canary_goes_in_as_a_client_does() {
    let disk = Disk::new().await;
    let directory = disk.nginx.dir.path();
    let certificate = rcgen::generate_simple_self_signed(vec!["elsewhere.example".to_owned()]).unwrap();
    fs::write(directory.join("c.pem"), certificate.cert.pem()).unwrap();
    fs::write(directory.join("k.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let (plain, tls, wild, log) = (free_port(), free_port(), free_port(), directory.join("access.log"));
    let mut nginx = PrivateNginx::new();
    nginx.write_conf(&format!(
        "log_format seen '$request_method $scheme $host $request_uri $http_authorization';\n\
         server {{ listen 127.0.0.1:{plain}; server_name s3.example; access_log {log} seen; return 403; }}\n\
         server {{ listen 127.0.0.1:{tls} ssl; server_name s3.example; access_log {log} seen; return 401;\n\
                   ssl_certificate {0}/c.pem; ssl_certificate_key {0}/k.pem; }}\n\
         server {{ listen 127.0.0.1:{wild}; server_name *.s3.example; access_log {log} seen; return 404; }}",
        directory.display(),
        log = log.display(),
    ));
    nginx.start();
    let listener = |name: &str, port: u16, tls: bool| Listener {
        server_name: ServerName::parse(name).unwrap(),
        port: Port::new(i64::from(port)).unwrap(),
        tls,
    };
    let path = "/photos/.nanio-canary-7";
    assert_eq!(disk.gate.knock(&listener("s3.example", plain, false), path).await, Ok(403));
    assert_eq!(disk.gate.knock(&listener("s3.example", tls, true), path).await, Ok(401));
    assert_eq!(disk.gate.knock(&listener("*.s3.example", wild, false), path).await, Ok(404));
    let nobody = disk.gate.knock(&listener("s3.example", free_port(), false), path).await;
    assert!(matches!(nobody, Err(GateError::Fault(why)) if why.contains("s3.example")));
    let seen = || {
        let mut lines: Vec<String> = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
        // Two workers write them, each when it comes to it.
        lines.sort();
        lines
    };
    wait_until("three lines", || seen().len() == 3);
    assert_eq!(
        seen(),
        [
            "PUT http photos.s3.example /.nanio-canary-7 -",
            "PUT http s3.example /photos/.nanio-canary-7 -",
            "PUT https s3.example /photos/.nanio-canary-7 -",
        ]
    );
}
