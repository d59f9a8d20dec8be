//! Token, journal, gate and workers in memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::adapters::gate::line::entry;
use crate::domain::migration::token::{Token, TokenState};
use crate::ports::gate::{Admission, Capacity, Gate, GateError, JournalPart, Listener, Worker};

/// A gate in front of no nginx. A canary that knocks is journaled and stopped as nginx and storage would do it.
pub struct FakeGate {
    state: Mutex<State>,
    /// Only tells that something is another than it was.
    changed: watch::Sender<()>,
    restless: bool,
}

#[derive(Default)]
struct State {
    made: u64,
    requests: u64,
    reloads: u64,
    tokens: BTreeMap<Token, Entry>,
    admissions: BTreeMap<Token, Admission>,
    arrived: BTreeMap<Token, HashSet<String>>,
    workers: Option<Result<Vec<Worker>, GateError>>,
    capacity: Option<Capacity>,
    knocks: Vec<(Listener, String)>,
}

struct Entry {
    token: TokenState,
    journal: Vec<u8>,
    gone: bool,
    void: Option<String>,
    copy: Option<Vec<String>>,
}

impl Default for FakeGate {
    fn default() -> Self {
        let (changed, _) = watch::channel(());
        Self { state: Mutex::default(), changed, restless: false }
    }
}

impl FakeGate {
    /// For a dry run, in which nobody tells of reloads: each look finds other workers than the one before.
    #[must_use]
    pub fn dry_run() -> Self {
        Self { restless: true, ..Self::default() }
    }

    /// Appends a line to a token's journal, as nginx does.
    pub fn append(&self, token: &Token, line: &[u8]) {
        if let Some(entry) = self.state().tokens.get_mut(token) {
            entry.append(line);
        }
        self.changed.send_replace(());
    }

    /// From now on a token's journal cannot be relied upon, for this reason.
    pub fn spoil(&self, token: &Token, why: &str) {
        if let Some(entry) = self.state().tokens.get_mut(token) {
            entry.void = Some(why.to_owned());
        }
    }

    /// From now on a token's files are gone, but for its journal.
    pub fn lose(&self, token: &Token) {
        if let Some(entry) = self.state().tokens.get_mut(token) {
            entry.token = TokenState::Missing;
        }
    }

    /// From now on a token's journal is gone.
    pub fn lose_journal(&self, token: &Token) {
        if let Some(entry) = self.state().tokens.get_mut(token) {
            entry.gone = true;
        }
    }

    /// From now on these are nginx's workers, or this is why they cannot be told.
    pub fn set_workers(&self, workers: Result<Vec<Worker>, GateError>) {
        self.state().workers = Some(workers);
    }

    /// From now on there is so much room.
    pub fn set_capacity(&self, capacity: Capacity) {
        self.state().capacity = Some(capacity);
    }

    /// nginx has loaded its configuration: another worker took the place of the one that was there.
    pub fn reloaded(&self) {
        self.state().reloads += 1;
    }

    /// From now on this request of a token waits at the gate.
    pub fn arrive(&self, token: &Token, request: &str) {
        self.state().arrived.entry(token.clone()).or_default().insert(request.to_owned());
    }

    /// What was said of a token's writes last.
    pub fn admission(&self, token: &Token) -> Option<Admission> {
        self.state().admissions.get(token).cloned()
    }

    /// Waits until this is said of a token's writes.
    pub async fn admitted(&self, token: &Token, wanted: impl Fn(&Admission) -> bool) -> Admission {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(admission) = self.admission(token).filter(&wanted) {
                return admission;
            }
            // The sender is ours.
            let _ = changed.changed().await;
        }
    }

    /// Every canary so far.
    pub fn knocks(&self) -> Vec<(Listener, String)> {
        self.state().knocks.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(
        &self,
        token: &Token,
        step: impl FnOnce(TokenState) -> Result<TokenState, GateError>,
    ) -> Result<(), GateError> {
        let mut state = self.state();
        let entry = state.tokens.get_mut(token).ok_or_else(|| refused(token, TokenState::Missing))?;
        entry.token = step(entry.token)?;
        drop(state);
        self.changed.send_replace(());
        Ok(())
    }
}

impl Entry {
    fn new(token: TokenState) -> Self {
        Self { token, journal: Vec::new(), gone: false, void: None, copy: None }
    }

    fn append(&mut self, line: &[u8]) {
        self.journal.extend_from_slice(line);
        self.journal.push(b'\n');
    }
}

fn refused(token: &Token, state: TokenState) -> GateError {
    GateError::State(format!("token {token} is {state:?}"))
}

fn unknown(token: &Token) -> GateError {
    GateError::Fault(format!("there is no journal of token {token}"))
}

#[async_trait]
impl Gate for FakeGate {
    async fn create(&self) -> Result<Token, GateError> {
        let mut state = self.state();
        state.made += 1;
        let token = Token::parse(&format!("{:032x}", state.made)).map_err(|no| GateError::Fault(no.to_string()))?;
        state.tokens.insert(token.clone(), Entry::new(TokenState::Source));
        Ok(token)
    }

    async fn state(&self, token: &Token) -> Result<TokenState, GateError> {
        Ok(self.state().tokens.get(token).map_or(TokenState::Missing, |entry| entry.token))
    }

    async fn freeze(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, |state| match state {
            TokenState::Source | TokenState::Held => Ok(TokenState::Held),
            other => Err(refused(token, other)),
        })
    }

    async fn thaw(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, |state| match state {
            TokenState::Source | TokenState::Held => Ok(TokenState::Source),
            other => Err(refused(token, other)),
        })
    }

    async fn commit(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, |state| match state {
            TokenState::Held => Ok(TokenState::Switched),
            TokenState::Switched | TokenState::Open => Ok(state),
            other => Err(refused(token, other)),
        })
    }

    async fn open(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, |state| match state {
            TokenState::Switched | TokenState::Open => Ok(TokenState::Open),
            other => Err(refused(token, other)),
        })
    }

    async fn reopen(&self, token: &Token) -> Result<(), GateError> {
        let open = || Entry::new(TokenState::Open);
        self.state().tokens.entry(token.clone()).or_insert_with(open).token = TokenState::Open;
        Ok(())
    }

    async fn note_copy(&self, token: &Token, keys: &[String]) -> Result<(), GateError> {
        self.state().tokens.get_mut(token).ok_or_else(|| unknown(token))?.copy = Some(keys.to_vec());
        Ok(())
    }

    async fn noted_copy(&self, token: &Token) -> Result<Option<Vec<String>>, GateError> {
        Ok(self.state().tokens.get(token).and_then(|entry| entry.copy.clone()))
    }

    async fn copy_ended(&self, token: &Token) -> Result<(), GateError> {
        if let Some(entry) = self.state().tokens.get_mut(token) {
            entry.copy = None;
        }
        Ok(())
    }

    async fn remove(&self, token: &Token) -> Result<(), GateError> {
        self.state().tokens.remove(token);
        Ok(())
    }

    async fn discard(&self, token: &Token) -> Result<bool, GateError> {
        let mut state = self.state();
        let unused = state.tokens.get(token).is_some_and(|entry| entry.journal.is_empty());
        if unused {
            state.tokens.remove(token);
        }
        Ok(unused)
    }

    async fn tokens(&self) -> Result<Vec<Token>, GateError> {
        Ok(self.state().tokens.keys().cloned().collect())
    }

    async fn journal(&self, token: &Token, from: u64) -> Result<JournalPart, GateError> {
        let state = self.state();
        let Entry { journal, gone, .. } = state.tokens.get(token).ok_or_else(|| unknown(token))?;
        if *gone {
            return Err(GateError::Void("the journal is gone".to_owned()));
        }
        let at = usize::try_from(from).ok().filter(|at| *at <= journal.len());
        let rest = &journal[at.ok_or_else(|| GateError::Void("the journal has become shorter".to_owned()))?..];
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines = rest[..whole].split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| entry(&line[..line.len() - 1])).collect();
        Ok(JournalPart { lines, end: from + whole as u64 })
    }

    async fn sound(&self, token: &Token) -> Result<(), GateError> {
        match &self.state().tokens.get(token).ok_or_else(|| unknown(token))?.void {
            Some(why) => Err(GateError::Void(why.clone())),
            None => Ok(()),
        }
    }

    async fn renew(&self, token: &Token) -> Result<(), GateError> {
        self.state().tokens.get_mut(token).ok_or_else(|| unknown(token))?.void = None;
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<Worker>, GateError> {
        let mut state = self.state();
        state.reloads += u64::from(self.restless);
        state.workers.clone().unwrap_or_else(|| Ok(vec![Worker { pid: 2, started: state.reloads }]))
    }

    async fn capacity(&self) -> Result<Capacity, GateError> {
        let usual = Capacity { free: 1 << 40, journal: 1 << 20, worker_connections: 512 };
        Ok(self.state().capacity.unwrap_or(usual))
    }

    async fn knock(&self, listener: &Listener, path: &str) -> Result<u16, GateError> {
        let mut state = self.state();
        state.knocks.push((listener.clone(), path.to_owned()));
        state.requests += 1;
        let request = format!("{:032x}", state.requests);
        let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let State { tokens, arrived, .. } = &mut *state;
        for (token, entry) in tokens.iter_mut() {
            let line = |kind: &str, more: &str| {
                format!(
                    "{{\"e\":\"{kind}\",\"rid\":\"{request}\",\"m\":\"PUT\",\"u\":\"{path}\",\"k\":\"{bucket}\",\"pid\":2,\"t\":0{more}}}"
                )
            };
            let to = match entry.token {
                TokenState::Source => "src",
                TokenState::Held | TokenState::Switched | TokenState::Missing => "gate",
                TokenState::Open => continue,
            };
            if to == "gate" {
                arrived.entry(token.clone()).or_default().insert(request.clone());
            }
            entry.append(line("start", "").as_bytes());
            entry.append(line("end", &format!(",\"s\":\"403\",\"us\":\"403\",\"to\":\"{to}\",\"b\":\"\"")).as_bytes());
        }
        Ok(403)
    }

    fn admit(&self, token: &Token, admission: Admission) {
        let mut state = self.state();
        if !matches!(admission, Admission::Hold | Admission::HoldKeys(..)) {
            // Those that waited go on.
            state.arrived.remove(token);
        }
        state.admissions.insert(token.clone(), admission);
        drop(state);
        self.changed.send_replace(());
    }

    fn forget(&self, token: &Token) {
        let mut state = self.state();
        state.admissions.remove(token);
        state.arrived.remove(token);
        drop(state);
        self.changed.send_replace(());
    }

    fn arrived(&self, token: &Token) -> HashSet<String> {
        self.state().arrived.get(token).cloned().unwrap_or_default()
    }
}
