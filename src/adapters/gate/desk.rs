//! What is decided at the gate, and who waits for it.
//!
//! A request leaves the list of those that wait in the same moment in which it is decided where it goes: nobody who
//! reads the list takes one that is on its way to the source for one that is held.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::migration::request::Written;
use crate::domain::migration::token::Token;
use crate::domain::pool::PoolName;
use crate::ports::gate::{Admission, Destination};

/// So many canaries are remembered, the newest: anybody can send one.
const CANARIES: usize = 1 << 16;

/// Decisions and waiting requests, by token.
#[derive(Default)]
pub(super) struct Desk {
    entries: Mutex<HashMap<Token, Entry>>,
}

/// Where a request goes.
#[derive(Clone)]
pub(super) enum Way {
    Source(PoolName),
    Destination(Arc<Destination>),
}

struct Entry {
    admission: Admission,
    /// Whether the admission was said, or is what holds without a word.
    said: bool,
    /// Only tells that the admission is another.
    changed: watch::Sender<()>,
    waiting: HashMap<String, usize>,
    canaries: VecDeque<String>,
}

impl Entry {
    fn new() -> Self {
        let (changed, _) = watch::channel(());
        let (waiting, canaries) = (HashMap::new(), VecDeque::new());
        Self { admission: Admission::Hold, said: false, changed, waiting, canaries }
    }

    fn way(&self, asked: &Written) -> Option<Way> {
        match &self.admission {
            Admission::Hold => None,
            Admission::HoldKeys(held, _) if held.concern(asked) => None,
            Admission::HoldKeys(_, pool) => Some(Way::Source(pool.clone())),
            Admission::Source(pool) => Some(Way::Source(pool.clone())),
            Admission::Destination(destination) => Some(Way::Destination(destination.clone())),
        }
    }

    fn leave(&mut self, request: &str) {
        if let Some(count) = self.waiting.get_mut(request) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(request);
            }
        }
    }

    fn is_idle(&self) -> bool {
        !self.said && self.waiting.is_empty() && self.canaries.is_empty()
    }
}

impl Desk {
    pub fn admit(&self, token: &Token, admission: Admission) {
        let mut entries = self.entries();
        let entry = entries.entry(token.clone()).or_insert_with(Entry::new);
        (entry.admission, entry.said) = (admission, true);
        entry.changed.send_replace(());
    }

    pub fn forget(&self, token: &Token) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(token) else { return };
        (entry.admission, entry.said) = (Admission::Hold, false);
        entry.canaries.clear();
        entry.changed.send_replace(());
        if entry.is_idle() {
            entries.remove(token);
        }
    }

    pub fn arrived(&self, token: &Token) -> HashSet<String> {
        let entries = self.entries();
        let Some(entry) = entries.get(token) else { return HashSet::new() };
        entry.waiting.keys().chain(&entry.canaries).cloned().collect()
    }

    /// Remembers a canary.
    pub fn note_canary(&self, token: &Token, request: &str) {
        let mut entries = self.entries();
        let canaries = &mut entries.entry(token.clone()).or_insert_with(Entry::new).canaries;
        if canaries.len() == CANARIES {
            canaries.pop_front();
        }
        canaries.push_back(request.to_owned());
    }

    /// Waits for a decision; `None`: there was none until the deadline.
    pub async fn wait(&self, token: &Token, request: &str, asked: &Written, deadline: Instant) -> Option<Way> {
        let (mut changed, mut seat) = self.arrive(token, request);
        loop {
            if let Some(way) = seat.leave_if_decided(asked) {
                return Some(way);
            }
            // The sender stays as long as somebody waits.
            match tokio::time::timeout_at(deadline, changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }

    fn arrive<'a>(&'a self, token: &'a Token, request: &'a str) -> (watch::Receiver<()>, Seat<'a>) {
        let mut entries = self.entries();
        let entry = entries.entry(token.clone()).or_insert_with(Entry::new);
        *entry.waiting.entry(request.to_owned()).or_default() += 1;
        (entry.changed.subscribe(), Seat { desk: self, token, request, taken: true })
    }

    /// The destination, among those that are decided, whose source has this upload.
    pub fn destination_of(&self, upload: &str) -> Option<(Token, Arc<Destination>)> {
        self.entries().iter().find_map(|(token, entry)| match &entry.admission {
            Admission::Destination(to) if to.uploads.contains(upload) => Some((token.clone(), to.clone())),
            _ => None,
        })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Token, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits; it waits no longer when this is dropped, as when its client has gone.
struct Seat<'a> {
    desk: &'a Desk,
    token: &'a Token,
    request: &'a str,
    taken: bool,
}

impl Seat<'_> {
    fn leave_if_decided(&mut self, asked: &Written) -> Option<Way> {
        let mut entries = self.desk.entries();
        let entry = entries.get_mut(self.token)?;
        let way = entry.way(asked)?;
        entry.leave(self.request);
        self.taken = false;
        Some(way)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if !self.taken {
            return;
        }
        let mut entries = self.desk.entries();
        let Some(entry) = entries.get_mut(self.token) else { return };
        entry.leave(self.request);
        if entry.is_idle() {
            entries.remove(self.token);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::migration::touched::HeldKeys;

    fn token() -> Token {
        Token::parse(&"a".repeat(Token::LENGTH)).unwrap()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test]
    async fn a_request_waits_until_something_is_decided_and_is_then_no_longer_one_that_waits() {
        let (desk, token) = (Arc::new(Desk::default()), token());
        let (waiting, id) = (desk.clone(), token.clone());
        let held = tokio::spawn(async move { waiting.wait(&id, "r1", &Written::Unknown, later()).await });
        while desk.arrived(&token).is_empty() {
            tokio::task::yield_now().await;
        }
        desk.admit(&token, Admission::Hold);
        assert_eq!(desk.arrived(&token), HashSet::from(["r1".to_owned()]));
        desk.admit(&token, Admission::Source(PoolName::parse("old").unwrap()));
        let Some(Way::Source(pool)) = held.await.unwrap() else { panic!("the source was admitted") };
        assert_eq!(pool.as_str(), "old");
        assert_eq!(desk.arrived(&token), HashSet::new());
    }

    #[tokio::test]
    async fn only_who_may_write_a_held_key_waits() {
        let (desk, token) = (Desk::default(), token());
        let pool = PoolName::parse("pool").unwrap();
        desk.admit(&token, Admission::HoldKeys(Arc::new(HeldKeys::of(["k".to_owned()])), pool.clone()));
        let key = |key: &str| Written::Key(key.to_owned());
        for held in [key("k"), Written::Unknown] {
            assert!(desk.wait(&token, "r1", &held, Instant::now()).await.is_none(), "{held:?}");
        }
        let Some(Way::Source(to)) = desk.wait(&token, "r2", &key("l"), Instant::now()).await else {
            panic!("it waits")
        };
        assert_eq!(to, pool);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let (desk, token) = (Desk::default(), token());
        assert!(desk.wait(&token, "r1", &Written::Unknown, Instant::now()).await.is_none());
        assert!(desk.entries().is_empty());
        desk.admit(&token, Admission::Hold);
        assert!(desk.wait(&token, "r2", &Written::Unknown, Instant::now()).await.is_none());
        assert_eq!(desk.arrived(&token), HashSet::new());
        desk.forget(&token);
        assert!(desk.entries().is_empty());
    }

    #[test]
    fn canaries_stay_until_the_token_is_forgotten_and_only_so_many() {
        let (desk, token) = (Desk::default(), token());
        for number in 0..CANARIES + 3 {
            desk.note_canary(&token, &number.to_string());
        }
        let arrived = desk.arrived(&token);
        assert_eq!(arrived.len(), CANARIES);
        assert!(!arrived.contains("2") && arrived.contains("3"));
        desk.forget(&token);
        assert!(desk.entries().is_empty());
    }
}
