//! One client: it writes its own keys, reads those of all, and believes every answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode};
use rand::Rng as _;
use rand::rngs::StdRng;

use super::Shared;
use super::content::{LINE, Tag};
use super::history::{Moment, Object, Read, Seen, Verdict};
use super::names::Form;
use super::s3::{self, Ask, S3, Unsent};
use super::wire::Answer;

/// What the last words of a bad answer are cut to.
const QUOTED: usize = 200;

/// How long a patient client waits before it sends a request again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a request is, to whoever waits for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// A small write: how long it took is how long it was held.
    Write,
    Read,
    /// Parts of an upload take their time anyway.
    Slow,
}

/// A client with a connection of its own.
pub(super) struct Client {
    pub shared: Arc<Shared>,
    pub index: usize,
    pub s3: S3,
    pub random: StdRng,
}

impl Client {
    /// Writes the first objects.
    pub async fn seed(&mut self, count: usize) {
        for key in self.own_keys().into_iter().take(count) {
            self.put(&key).await;
        }
    }

    /// Works until it is told to stop.
    pub async fn work(mut self) {
        while !self.shared.is_stopping() {
            let begun = Instant::now();
            self.act().await;
            if let Some(pace) = self.shared.pace {
                // Clients must not act in step with each other.
                let rest = pace.mul_f64(self.random.random_range(0.5..1.5)).saturating_sub(begun.elapsed());
                let _ = tokio::time::timeout(rest, self.shared.stopped()).await;
            }
        }
    }

    /// Does one thing, or a few that belong together.
    async fn act(&mut self) {
        match self.random.random_range(0..1000) {
            0..220 => match self.own_settled() {
                Some(key) => self.put(&key).await,
                None => self.look_at_another().await,
            },
            220..270 => self.annotate().await,
            270..320 => self.copy().await,
            320..390 => self.delete().await,
            390..410 => self.delete_many().await,
            410..480 => self.get_part().await,
            480..540 => self.list("list-type=2&").await,
            540..570 => self.list("").await,
            570..720 => match self.own_any() {
                Some(key) => self.get(&key, false).await,
                None => self.look_at_another().await,
            },
            720..800 => match self.own_any() {
                Some(key) => self.head(&key).await,
                None => self.look_at_another().await,
            },
            800..803 => self.upload_if_free().await,
            _ => self.look_at_another().await,
        }
    }

    async fn look_at_another(&mut self) {
        let other = self.random.random_range(0..self.shared.names.len());
        let Some(key) = self.shared.names[other].any(&mut self.random) else { return };
        if self.random.random_bool(0.7) { self.get(&key, false).await } else { self.head(&key).await }
    }

    fn own_keys(&self) -> Vec<String> {
        self.shared.names[self.index].all().to_vec()
    }

    fn own_any(&mut self) -> Option<String> {
        self.shared.names[self.index].any(&mut self.random)
    }

    /// A few own keys, to look for one among them.
    fn some_own(&mut self) -> Vec<String> {
        (0..8).filter_map(|_| self.own_any()).collect()
    }

    /// An own key of which is known what it holds: others get no further write.
    pub(super) fn own_settled(&mut self) -> Option<String> {
        self.some_own().into_iter().find(|key| self.shared.ledger.settled(key).is_some())
    }

    /// An own key that holds an object.
    fn own_present(&mut self) -> Option<(String, Object)> {
        let keys = self.some_own().into_iter();
        keys.filter_map(|key| Some((self.shared.ledger.settled(&key)??, key))).map(|(object, key)| (key, object)).next()
    }

    /// New, or over what is there: often of the same size, sometimes empty.
    async fn put(&mut self, key: &str) {
        let before = self.shared.ledger.settled(key).flatten();
        let size = match (before, self.random.random_range(0..10)) {
            _ if Form::is_empty_only(key) => 0,
            (Some(before), 0..4) if before.size < 1 << 20 => before.size,
            (_, 4) => 0,
            (_, 5) => self.random.random_range(LINE..256 * 1024),
            _ => self.random.random_range(LINE..16 * 1024),
        };
        let tag = self.shared.ledger.next_tag(key);
        self.put_object(key, Object { content: tag, size, note: tag }).await;
    }

    /// The same bytes with other metadata.
    async fn annotate(&mut self) {
        let Some((key, object)) = self.own_present().filter(|(_, object)| object.size < 1 << 20) else { return };
        let note = self.shared.ledger.next_tag(&key);
        self.put_object(&key, Object { note, ..object }).await;
    }

    async fn put_object(&mut self, key: &str, object: Object) {
        let body = object.content.bytes(0, object.size).into();
        let headers = object.note.headers().to_vec();
        let ask = Ask { method: Method::PUT, key: Some(key), headers, body, ..Ask::default() };
        self.write(key, Some(object), ask, StatusCode::OK, |_| true).await;
    }

    async fn copy(&mut self) {
        let Some((source, object)) = self.own_present().filter(|(_, object)| object.size < 1 << 20) else { return };
        let Some(key) = self.own_settled().filter(|key| *key != source && !Form::is_empty_only(key)) else { return };
        let from = format!("/{}/{}", self.s3.bucket(), crate::adapters::sigv4::encode(&source, "/"));
        let headers = vec![("x-amz-copy-source", from)];
        let ask = Ask { method: Method::PUT, key: Some(&key), headers, ..Ask::default() };
        let copied = |answer: &Answer| s3::text_of(&answer.body, "CopyObjectResult", "ETag").is_some();
        self.write(&key, Some(object), ask, StatusCode::OK, copied).await;
    }

    async fn delete(&mut self) {
        let Some(key) = self.own_settled() else { return };
        let ask = Ask { method: Method::DELETE, key: Some(&key), ..Ask::default() };
        self.write(&key, None, ask, StatusCode::NO_CONTENT, |_| true).await;
    }

    /// A write of one key. It is acknowledged if the answer has this status and is `right`.
    async fn write(
        &mut self,
        key: &str,
        state: Option<Object>,
        ask: Ask<'_>,
        expected: StatusCode,
        right: impl Fn(&Answer) -> bool,
    ) {
        let what = describe(&ask);
        self.shared.ledger.begin(key, state);
        let outcome = self.ask(ask, Haste::Write).await;
        match self.expect(&what, outcome, &[expected]) {
            Some(answer) if right(&answer) => self.shared.ledger.acknowledge(key),
            Some(answer) => self.shared.tally.client_error(&format!("{what}: {}", quote(&answer))),
            None => {}
        }
    }

    async fn delete_many(&mut self) {
        let count = self.random.random_range(1..=50);
        let mut keys: Vec<String> = (0..count).filter_map(|_| self.own_settled()).collect();
        keys.sort();
        keys.dedup();
        // Most stay, or there would be little to look at.
        keys.truncate((self.own_keys().len() / 4).max(1));
        if keys.is_empty() {
            return;
        }
        keys.iter().for_each(|key| self.shared.ledger.begin(key, None));
        let body = s3::deletion(&keys);
        let ask = Ask { method: Method::POST, query: "delete=".to_owned(), body: body.into(), ..Ask::default() };
        let what = format!("POST ?delete of {} keys, {} among them", keys.len(), keys[0]);
        let outcome = self.ask(ask, Haste::Write).await;
        let Some(answer) = self.expect(&what, outcome, &[StatusCode::OK]) else { return };
        let Some(left) = s3::undeleted(&answer.body) else {
            self.shared.tally.client_error(&format!("{what}: {}", quote(&answer)));
            return;
        };
        for key in &keys {
            if left.contains(key) {
                self.shared.tally.client_error(&format!("{what}: {key} was not deleted"));
            } else {
                self.shared.ledger.acknowledge(key);
            }
        }
    }

    /// Reads a key whole. `last`: nothing comes after.
    ///
    /// Of an object without a byte only the headers are read as long as it may still be written: nanio opens the file
    /// after it has sent them, and hangs up if it is gone by then. For nginx the answer was whole, so it may have given
    /// that connection to a write, which is answered 502 then (a GET, and what nginx still has at hand, is sent again).
    pub async fn get(&mut self, key: &str, last: bool) {
        if !last && self.shared.ledger.may_be_empty(key) {
            return self.head(key).await;
        }
        let ask = Ask { key: Some(key), ..Ask::default() };
        self.read(key, ask, last, |answer| Seen::Body {
            offset: 0,
            bytes: &answer.body,
            whole: true,
            note: Tag::read(&answer.headers),
        })
        .await;
    }

    async fn head(&mut self, key: &str) {
        let ask = Ask { method: Method::HEAD, key: Some(key), ..Ask::default() };
        self.read(key, ask, false, |answer| Seen::Head {
            size: content_length(&answer.headers),
            note: Tag::read(&answer.headers),
        })
        .await;
    }

    /// A part of an own object; those of others may change, so that the range may be none.
    async fn get_part(&mut self) {
        let Some((key, object)) = self.own_present().filter(|(_, object)| object.size > LINE) else { return };
        let offset = self.random.random_range(0..object.size - LINE);
        let end = self.random.random_range(offset + LINE..=object.size) - 1;
        let headers = vec![("range", format!("bytes={offset}-{end}"))];
        let ask = Ask { key: Some(&key), headers, ..Ask::default() };
        let length = end + 1 - offset;
        self.read(&key, ask, false, |answer| {
            let note = Tag::read(&answer.headers);
            let partial = answer.status == StatusCode::PARTIAL_CONTENT && answer.body.len() == length;
            // Anything but the part is judged as if it were the whole: then it is wrong.
            let offset = if partial { offset } else { 0 };
            Seen::Body { offset, bytes: &answer.body, whole: !partial, note }
        })
        .await;
    }

    async fn read<'a>(&mut self, key: &str, ask: Ask<'_>, last: bool, seen: impl for<'b> Fn(&'b Answer) -> Seen<'b>) {
        let what = describe(&ask);
        let is_head = ask.method == Method::HEAD;
        let from = self.shared.ledger.now();
        let outcome = self.ask(ask, Haste::Read).await;
        let until = self.shared.ledger.now();
        let broke = |answer: &Answer| {
            let faulty = matches!(answer.status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY);
            faulty || answer.status.is_success() && !answer.complete
        };
        // A node that opens a file which is just being replaced or deleted breaks off.
        if outcome.as_ref().is_ok_and(broke) && self.shared.ledger.was_moving(key, from, until) {
            self.shared.tally.count(|counts| counts.torn += 1);
            return;
        }
        let good = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_FOUND];
        let Some(answer) = self.expect(&what, outcome, &good) else { return };
        let seen = match answer.status {
            StatusCode::NOT_FOUND if is_head || s3::error_code(&answer) == "NoSuchKey" => Seen::Absent,
            StatusCode::NOT_FOUND => {
                self.shared.tally.client_error(&format!("{what}: {}", quote(&answer)));
                return;
            }
            _ => seen(&answer),
        };
        self.judge(&what, key, &Read { from, until, seen, last });
    }

    fn judge(&self, what: &str, key: &str, read: &Read<'_>) {
        match self.shared.ledger.judge(key, read) {
            Verdict::Right => {}
            Verdict::Torn => self.shared.tally.count(|counts| counts.torn += 1),
            Verdict::Wrong(violation) => {
                let told = format!("{what}: {violation:?}: {}", told(&read.seen));
                self.shared.tally.violation(violation, &told);
            }
        }
    }

    /// Lists the own keys, and judges each of them.
    async fn list(&mut self, version: &str) {
        self.list_names(self.index, version, false).await;
    }

    /// Lists the keys of a client that does nothing meanwhile.
    pub async fn list_names(&mut self, index: usize, version: &str, last: bool) {
        let names = self.shared.names[index].clone();
        let query = format!("{version}max-keys=1000&prefix={}", crate::adapters::sigv4::encode(names.prefix(), ""));
        let what = format!("GET ?{query}");
        let from = self.shared.ledger.now();
        let outcome = self.ask(Ask { query, ..Ask::default() }, Haste::Read).await;
        let until = self.shared.ledger.now();
        let Some(answer) = self.expect(&what, outcome, &[StatusCode::OK]) else { return };
        let Some((entries, false)) = s3::listing(&answer.body) else {
            self.shared.tally.client_error(&format!("{what}: not a whole listing: {}", quote(&answer)));
            return;
        };
        self.judge_listing(&what, &names, &entries, (from, until), last);
    }

    fn judge_listing(
        &self,
        what: &str,
        names: &super::names::Names,
        entries: &[(String, usize)],
        (from, until): (Moment, Moment),
        last: bool,
    ) {
        let long = names.long_upload();
        let known: Vec<&String> = names.all().iter().chain([&long]).collect();
        for key in &known {
            let entry = entries.iter().find(|(listed, _)| listed == *key);
            let seen = entry.map_or(Seen::Unlisted, |(_, size)| Seen::Listed { size: *size });
            self.judge(&format!("{what}: {key}"), key, &Read { from, until, seen, last });
        }
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key) && !super::names::is_unfinished(key)) {
            let told = format!("{what}: {key} was never written");
            self.shared.tally.violation(super::history::Violation::Extra, &told);
        }
    }

    /// Sends a request, and takes the time.
    pub(super) async fn ask_slowly(&mut self, ask: Ask<'_>) -> Result<Answer, Unsent> {
        self.ask(ask, Haste::Slow).await
    }

    async fn ask(&mut self, ask: Ask<'_>, haste: Haste) -> Result<Answer, Unsent> {
        let begun = Instant::now();
        let mut outcome = self.s3.ask(ask.clone()).await;
        while self.shared.patient && outcome.as_ref().is_ok_and(s3::is_slow_down) && !self.shared.is_stopping() {
            self.shared.tally.slow_down(&describe(&ask));
            tokio::time::sleep(RETRY_AFTER).await;
            outcome = self.s3.ask(ask.clone()).await;
        }
        let (took, resent) = (begun.elapsed(), self.s3.take_resent());
        let answered = outcome.as_ref().is_ok_and(|answer| answer.status.is_success());
        self.shared.tally.count(|counts| {
            counts.resent += resent;
            match haste {
                Haste::Write if answered => counts.longest_write = counts.longest_write.max(took),
                Haste::Read if answered => counts.longest_read = counts.longest_read.max(took),
                _ => {}
            }
        });
        outcome
    }

    /// The answer, if it is whole and has one of these statuses; otherwise it is counted as what it is.
    pub(super) fn expect(&self, what: &str, outcome: Result<Answer, Unsent>, good: &[StatusCode]) -> Option<Answer> {
        match outcome {
            Ok(answer) if answer.complete && good.contains(&answer.status) => {
                self.shared.tally.count(|counts| counts.operations += 1);
                return Some(answer);
            }
            Ok(answer) if s3::is_slow_down(&answer) => self.shared.tally.slow_down(what),
            Ok(answer) => self.shared.tally.client_error(&format!("{what}: {}", quote(&answer))),
            Err(error) => self.shared.tally.client_error(&format!("{what}: {error}")),
        }
        None
    }
}

fn describe(ask: &Ask<'_>) -> String {
    let question = if ask.query.is_empty() { "" } else { "?" };
    let range = ask.headers.iter().find(|(name, _)| *name == "range").map(|(_, range)| format!(" {range}"));
    format!("{} {}{question}{}{}", ask.method, ask.key.unwrap_or_default(), ask.query, range.unwrap_or_default())
}

fn content_length(headers: &HeaderMap) -> usize {
    let length = headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

/// What was seen, in words.
fn told(seen: &Seen<'_>) -> String {
    let noted =
        |note: &Option<Tag>| note.map_or_else(|| "no metadata of ours".to_owned(), |tag| format!("metadata {tag}"));
    match seen {
        Seen::Absent => "it is not there".to_owned(),
        Seen::Unlisted => "it is not listed".to_owned(),
        Seen::Listed { size } => format!("it is listed with {size} bytes"),
        Seen::Head { size, note } => format!("{size} bytes, {}", noted(note)),
        Seen::Body { offset, bytes, note, .. } => {
            let line = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE)]).into_owned();
            format!("{} bytes from {offset} on, {line:?}, {}", bytes.len(), noted(note))
        }
    }
}

/// An answer, in words.
pub(super) fn quote(answer: &Answer) -> String {
    let text: String = String::from_utf8_lossy(&answer.body).chars().take(QUOTED).collect();
    let cut = if answer.complete { "" } else { " (it broke off)" };
    format!("{}{cut} {text}", answer.status.as_u16())
}
