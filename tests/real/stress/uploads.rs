//! Uploads in parts that begin on one side of the switch and end on the other.

use super::Stress;
use crate::support::http::Response;

const PART: usize = 8 * 1024 * 1024;
const PARTS: usize = 5;

/// An upload, as its client knows it.
pub struct Upload<'a> {
    stress: &'a Stress,
    key: &'static str,
    pub id: String,
    tags: Vec<String>,
}

impl<'a> Upload<'a> {
    pub fn begin(stress: &'a Stress, key: &'static str) -> Self {
        let answer = stress.s3("POST", &format!("/photos/{key}?uploads"), b"");
        let text = answer.text();
        let id = text.split("<UploadId>").nth(1).and_then(|rest| rest.split("</UploadId>").next());
        Self { stress, key, id: id.unwrap_or_else(|| panic!("{text}")).to_owned(), tags: Vec::new() }
    }

    pub fn ask(&self, method: &str, more: &str, body: &[u8]) -> Response {
        self.stress.s3(method, &format!("/photos/{}?{more}uploadId={}", self.key, self.id), body)
    }

    fn send_part(&mut self) {
        let number = self.tags.len() + 1;
        let answer = self.ask("PUT", &format!("partNumber={number}&"), &part(number));
        self.note(&answer);
    }

    fn note(&mut self, answer: &Response) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tag =
            answer.head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("etag: ").map(str::to_owned));
        self.tags.push(tag.unwrap());
    }

    fn complete(&self) -> Response {
        let parts = self
            .tags
            .iter()
            .enumerate()
            .map(|(index, tag)| format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", index + 1));
        let list = parts.collect::<String>();
        self.ask("POST", "", format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>").as_bytes())
    }
}

/// Bytes of which none is where another part has the same.
fn part(number: usize) -> Vec<u8> {
    (0..PART).map(|at| (at.wrapping_mul(31).wrapping_add(at >> 11).wrapping_add(number * 97)) as u8).collect()
}

fn whole() -> Vec<u8> {
    (1..=PARTS).flat_map(part).collect()
}

#[test]
fn uploads_begun_before_the_hold_are_completed_after_the_switch() {
    let stress = Stress::start(&[("MIGRATION_MULTIPART_WAIT", "0")]);
    let mut upload = Upload::begin(&stress, "film");
    upload.send_part();
    upload.send_part();
    let mut dropped = Upload::begin(&stress, "dropped");
    dropped.send_part();
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    // A part that arrives while writes are held waits, and goes where its upload is.
    let target = format!("/photos/film?partNumber=3&uploadId={}", upload.id);
    let request = crate::support::s3::request("PUT", &target, &[], &part(3), stress.port());
    let held = super::Begun::send(request, stress.port());
    under_way.end();
    upload.note(&held.end());
    stress.until_said(id, "committed");
    let list = upload.ask("GET", "", b"");
    assert_eq!((list.status, list.text().matches("<PartNumber>").count()), (200, 3), "{}", list.text());
    while upload.tags.len() < PARTS {
        upload.send_part();
    }
    assert_eq!(stress.get("film").0, 404, "an upload is no object before it is completed");
    let done = upload.complete();
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.text().contains("CompleteMultipartUploadResult"), "{}", done.text());
    assert_eq!(dropped.ask("DELETE", "", b"").status, 204);
    assert_eq!(dropped.ask("GET", "", b"").status, 404);
    assert!(stress.get("film") == (200, whole()), "what clients read");
    assert!(stress.moving.second.read("photos", "film").unwrap() == whole(), "what the destination has");
    let over = stress.until_done(id);
    assert_eq!(over["audit"], "ok", "{}", stress.moving.log(id));
    assert!(!stress.moving.server_block().contains("upload_of"), "nginx has forgotten the uploads");
}

#[test]
fn nobody_completes_an_upload_that_began_before_the_hold() {
    let stress = Stress::start(&[("MIGRATION_MULTIPART_WAIT", "0")]);
    let mut upload = Upload::begin(&stress, "forgotten");
    upload.send_part();
    let id = stress.moving.begin();
    stress.until_said(id, &format!("(upload id {})", upload.id));
    let waits = stress.migration(id);
    assert_eq!((waits["phase"].as_str(), waits["step"].as_str()), (Some("done"), Some("await_uploads")));
    assert!(stress.moving.server_block().contains("upload_of"), "its requests still go to the source");
    assert_eq!(upload.ask("GET", "", b"").status, 200);
    assert_eq!(upload.ask("DELETE", "", b"").status, 204);
    let over = stress.until_done(id);
    assert_eq!(over["audit"], "ok", "{}", stress.moving.log(id));
    assert!(!stress.moving.server_block().contains("upload_of"), "nginx has forgotten the upload");
}
