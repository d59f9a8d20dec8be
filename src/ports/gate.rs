//! One nginx machine's part in moving a bucket: token, journal, gate and workers.
//!
//! Order in every write: its start line is on file, then the token is tested, then it is sent on. So who freezes, and
//! then reads the journal, sees every write that was let through.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::bucket::BucketName;
use crate::domain::migration::journal::JournalEntry;
use crate::domain::migration::token::{Token, TokenState};
use crate::domain::migration::touched::HeldKeys;
use crate::domain::pool::PoolName;
use crate::domain::site::Site;
use crate::domain::vhost::{Port, ServerName};

/// Files in the gate directory, the socket that held writes wait at, and nginx's workers.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Makes a token in state [`TokenState::Source`] and an empty journal with room reserved, under a name that no
    /// file there has. Both are lasting when it returns.
    async fn create(&self) -> Result<Token, GateError>;

    /// What the token's files say now.
    async fn state(&self, token: &Token) -> Result<TokenState, GateError>;

    /// Source → held. One that is held already is as good.
    async fn freeze(&self, token: &Token) -> Result<(), GateError>;

    /// Held → source: the roll-back. One that is at the source already is as good.
    async fn thaw(&self, token: &Token) -> Result<(), GateError>;

    /// Held → switched, lasting when it returns: the commit. One that is switched already is as good.
    async fn commit(&self, token: &Token) -> Result<(), GateError>;

    /// Lets writes to the destination past the gate. Refused unless the token is switched.
    async fn open(&self, token: &Token) -> Result<(), GateError>;

    /// Makes the files say [`TokenState::Open`], whatever is there: for a migration that the database knows to be
    /// committed.
    async fn reopen(&self, token: &Token) -> Result<(), GateError>;

    /// Notes that a copier may write these keys from now on. Lasting when it returns: as long as it stands there, and is
    /// not so old that nothing can arrive any more, nobody lets writes flow who does not know of it.
    async fn note_copy(&self, token: &Token, keys: &[String]) -> Result<(), GateError>;

    /// The keys that were last noted, if they are still.
    async fn noted_copy(&self, token: &Token) -> Result<Option<Vec<String>>, GateError>;

    /// Nothing of the copy that was noted can arrive any more.
    async fn copy_ended(&self, token: &Token) -> Result<(), GateError>;

    /// Removes the token and its journal, if they are there. nginx must not know it any more.
    async fn remove(&self, token: &Token) -> Result<(), GateError>;

    /// The tokens of which there are files.
    async fn tokens(&self) -> Result<Vec<Token>, GateError>;

    /// Removes a token of which no migration knows, if it is certain that nothing ever went by it: no write stands in its
    /// journal, and no process of nginx has that open. Returns whether it did.
    async fn discard(&self, token: &Token) -> Result<bool, GateError>;

    /// The journal's whole lines behind `from` (bytes from its beginning), in file order, at most a few megabytes at
    /// a time; none if there is nothing more.
    async fn journal(&self, token: &Token, from: u64) -> Result<JournalPart, GateError>;

    /// Proves that nothing can be missing in the journal: it is the file that nginx opened, as long as it was, with
    /// room left, on a machine that was not restarted, and nginx reported no failed write to it, since it was made or
    /// last [renewed](Gate::renew).
    ///
    /// # Errors
    /// [`GateError::Void`]: what nginx wrote cannot be trusted; everything must be compared again. It stays so, a
    /// restart of ours included, until the journal is renewed.
    async fn sound(&self, token: &Token) -> Result<(), GateError>;

    /// After [`GateError::Void`], to be called before everything is compared again: what was wrong up to now is
    /// covered by that comparison. Waits until nginx, which tells of a failed write once a minute only, would tell of
    /// the next one.
    ///
    /// # Errors
    /// [`GateError::Void`]: it is not the file any more that nginx opened. Nothing mends that.
    async fn renew(&self, token: &Token) -> Result<(), GateError>;

    /// nginx's workers, those included that only finish what they have.
    ///
    /// # Errors
    /// They cannot be told: no master, more than one, or one that is being replaced.
    async fn workers(&self) -> Result<Vec<Worker>, GateError>;

    /// What there is room for, as far as it can be known before anything is made.
    async fn capacity(&self) -> Result<Capacity, GateError>;

    /// Sends an unsigned `PUT` without a body to `path`, which names the bucket first, through a listener of this
    /// machine; gives the status. A listener with a wildcard name gets the bucket where it looks for it: in the host.
    async fn knock(&self, listener: &Listener, path: &str) -> Result<u16, GateError>;

    /// What happens to writes that come to the gate, and to those that wait there already. Without a word, as after
    /// [`forget`](Gate::forget), they wait for one, and are told to come again when it takes too long. Who freezes
    /// says [`Admission::Hold`] first.
    fn admit(&self, token: &Token, admission: Admission);

    /// Nothing is decided for this token any more.
    fn forget(&self, token: &Token);

    /// The requests of this token that wait at the gate, and the canaries that have come to it, by nginx's request id.
    /// None of them has been let through, whatever the journal says of its start; one that is let through is not among
    /// them any more.
    fn arrived(&self, token: &Token) -> HashSet<String>;
}

/// What happens to writes at the gate.
#[derive(Clone)]
pub enum Admission {
    /// They wait.
    Hold,
    /// Those that may change one of these keys wait; the others go where the bucket is.
    HoldKeys(Arc<HeldKeys>, PoolName),
    /// They go where the bucket was.
    Source(PoolName),
    /// They go where the bucket is, but for requests that name an upload which began on the source.
    Destination(Arc<Destination>),
}

/// Where writes go after the commit.
pub struct Destination {
    /// What was moved.
    pub bucket: BucketName,
    /// The pool that serves the bucket now.
    pub pool: PoolName,
    /// The pool that served it.
    pub source: PoolName,
    /// That pool's nodes.
    pub source_site: Site,
    /// Identities of uploads that began there and have not ended. Their parts go there; what completes one is sent
    /// there by the gate itself, unchanged, and the client is told of it when the object has been carried over.
    pub uploads: BTreeSet<String>,
    /// Who carries it over.
    pub carrier: Arc<dyn Carrier>,
}

/// Carries single objects from source to destination.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Makes the destination hold what the source holds under `key`.
    ///
    /// # Errors
    /// Why it does not, in a sentence.
    async fn carry(&self, key: &str) -> Result<(), String>;
}

/// A part of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalPart {
    /// What its whole lines say. nginx passes on whatever bytes a client sent.
    pub lines: Vec<JournalEntry>,
    /// Where the next part begins.
    pub end: u64,
}

/// What a machine has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes that are free where journals are.
    pub free: u64,
    /// Bytes that are reserved for a journal when it is made.
    pub journal: u64,
    /// Connections that a worker of nginx may have at a time.
    pub worker_connections: u64,
}

/// A worker of nginx. Two of them are the same only if all of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Its process number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was.
    pub started: u64,
}

/// Where a server block of this machine listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// The name it answers to.
    pub server_name: ServerName,
    /// Its port.
    pub port: Port,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// Why a token, a journal or nginx's processes could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The journal may lack lines.
    #[error("{0}")]
    Void(String),
    /// The token is not in a state from which this leads on.
    #[error("{0}")]
    State(String),
    /// The machine failed: what was tried, on what, and what the system said.
    #[error("{0}")]
    Fault(String),
}
