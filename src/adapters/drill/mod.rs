//! A drill: clients hammer a bucket through a gateway, and every answer that they get is proved to be true.
//!
//! Whatever happens to the bucket meanwhile, and above all its move to another pool, no client may notice: no
//! acknowledged write is lost, no older state is read, nothing that was deleted comes back, no listing lacks a key or
//! has one too many, and no answer is an error. [`history`] holds the judgement; the rest carries it to the wire.

mod client;
pub mod content;
pub mod history;
mod ledger;
pub mod names;
pub mod report;
pub mod s3;
mod upload;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::sigv4::Signer;
use client::Client;
use ledger::Ledger;
use names::{Form, Names};
use report::{Counts, Tally, Tell};
use s3::{Ask, S3, Target};

/// So many uploads in parts go on at the same time.
const UPLOADS: usize = 2;
/// So many clients begin an upload before the move and complete it afterwards.
const LONG_UPLOADS: usize = 2;
/// A client has so few keys that one page of a listing holds them all.
pub const MOST_KEYS: usize = 900;
/// Keys that a client has beyond those of the first objects, at the least.
const SPARE_KEYS: usize = 8;

/// What a drill does.
pub struct Plan {
    /// The gateway.
    pub gateway: Target,
    /// Signs every request.
    pub signer: Arc<Signer>,
    /// The bucket. It must not exist.
    pub bucket: String,
    /// How many clients work at the same time.
    pub clients: usize,
    /// How many objects there are at first.
    pub objects: usize,
    /// Forms of keys that the storage takes.
    pub forms: Vec<Form>,
    /// What the clients do is drawn from this.
    pub seed: u64,
    /// Whether a client that is told to slow down waits a moment and sends the request again, as SDKs do.
    pub patient: bool,
    /// How often each client does something at most; as often as it can without.
    pub pace: Option<Duration>,
}

/// A drill cannot go on: nothing is proved.
#[derive(Debug, thiserror::Error)]
pub enum Impossible {
    /// More keys than a listing holds.
    #[error(
        "{clients} clients cannot keep {objects} objects: a client has at most {MOST_KEYS} keys. Take more clients"
    )]
    TooManyObjects {
        /// How many clients there are to be.
        clients: usize,
        /// How many objects.
        objects: usize,
    },
    /// The storage did not do what it must do before anything can be tried.
    #[error("{what}: {why}")]
    Refused {
        /// What was asked.
        what: String,
        /// What came of it.
        why: String,
    },
    /// Already the first objects were answered wrongly.
    #[error("the first objects could not all be written: {0} requests failed (see above)")]
    Unseeded(u64),
}

/// What all clients share.
struct Shared {
    gateway: Target,
    signer: Arc<Signer>,
    bucket: String,
    ledger: Ledger,
    tally: Tally,
    names: Vec<Names>,
    uploads: Semaphore,
    patient: bool,
    pace: Option<Duration>,
    stopping: watch::Sender<bool>,
    release: watch::Sender<bool>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when the clients are to stop.
    async fn stopped(&self) {
        // The sender lives as long as this value.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Returns when uploads that were begun before the move may be completed.
    async fn released(&self) {
        // The sender lives as long as this value.
        let _ = self.release.subscribe().wait_for(|released| *released).await;
    }
}

/// A drill. Its steps are [`prepare`](Self::prepare), [`start`](Self::start), [`release`](Self::release),
/// [`stop`](Self::stop), [`verify`](Self::verify).
pub struct Drill {
    shared: Arc<Shared>,
    working: JoinSet<()>,
    per_client: usize,
    seed: u64,
}

impl Drill {
    /// A drill that has not begun. It tells what it finds while it goes on.
    ///
    /// # Errors
    /// [`Impossible::TooManyObjects`].
    pub fn new(plan: Plan, tell: Tell) -> Result<Self, Impossible> {
        let clients = plan.clients.max(1);
        let per_client = plan.objects.div_ceil(clients);
        let keys = per_client + (per_client / 2).max(SPARE_KEYS);
        if keys > MOST_KEYS {
            return Err(Impossible::TooManyObjects { clients, objects: plan.objects });
        }
        let shared = Shared {
            gateway: plan.gateway,
            signer: plan.signer,
            bucket: plan.bucket,
            ledger: Ledger::default(),
            tally: Tally::new(tell),
            names: (0..clients).map(|client| Names::of(client, keys, &plan.forms)).collect(),
            uploads: Semaphore::new(UPLOADS),
            patient: plan.patient,
            pace: plan.pace,
            stopping: watch::Sender::new(false),
            release: watch::Sender::new(false),
        };
        Ok(Self { shared: Arc::new(shared), working: JoinSet::new(), per_client, seed: plan.seed })
    }

    /// Makes the bucket and the first objects.
    ///
    /// # Errors
    /// [`Impossible`].
    pub async fn prepare(&self) -> Result<(), Impossible> {
        let mut s3 = S3::new(&self.shared.gateway, self.shared.signer.clone(), &self.shared.bucket);
        must(&mut s3, Ask { method: Method::PUT, ..Ask::default() }, &[StatusCode::OK]).await?;
        let mut seeding = JoinSet::new();
        for index in 0..self.shared.names.len() {
            let (mut client, count) = (self.client(&self.shared.gateway, index, 0), self.per_client);
            seeding.spawn(async move { client.seed(count).await });
        }
        seeding.join_all().await;
        let counts = self.counts();
        match counts.client_errors + counts.held_slowdown {
            0 => Ok(()),
            failed => Err(Impossible::Unseeded(failed)),
        }
    }

    /// Lets the clients work.
    pub fn start(&mut self) {
        for index in 0..self.shared.names.len() {
            self.working.spawn(self.client(&self.shared.gateway, index, 1).work());
        }
        for index in 0..self.shared.names.len().min(LONG_UPLOADS) {
            self.working.spawn(self.client(&self.shared.gateway, index, 2).upload_across());
        }
    }

    /// Lets uploads be completed that were begun at the start.
    pub fn release(&self) {
        self.shared.release.send_replace(true);
    }

    /// Has the clients finish what they are doing, and waits for them.
    pub async fn stop(&mut self) {
        self.release();
        self.shared.stopping.send_replace(true);
        while let Some(ended) = self.working.join_next().await {
            if let Err(error) = ended {
                self.shared.tally.client_error(&format!("a client ended by itself: {error}"));
            }
        }
    }

    /// Reads every key at `target`, alone and in listings. Call it when the clients have stopped.
    pub async fn verify(&self, target: &Target) {
        let keys = self.shared.ledger.keys();
        let mut verifying = JoinSet::new();
        for index in 0..self.shared.names.len() {
            let mut client = self.client(target, index, 3);
            let mine: Vec<String> =
                keys.iter().filter(|key| key.starts_with(self.shared.names[index].prefix())).cloned().collect();
            verifying.spawn(async move {
                for version in ["list-type=2&", ""] {
                    client.list_names(index, version, true).await;
                }
                for key in &mine {
                    client.get(key, true).await;
                }
            });
        }
        verifying.join_all().await;
    }

    /// What was found so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.tally.so_far()
    }

    fn client(&self, target: &Target, index: usize, part: u64) -> Client {
        let own = self.seed.wrapping_add(part << 32).wrapping_add(u64::try_from(index).unwrap_or_default());
        Client {
            shared: self.shared.clone(),
            index,
            s3: S3::new(target, self.shared.signer.clone(), &self.shared.bucket),
            random: StdRng::seed_from_u64(own),
        }
    }
}

/// A request that must be answered so.
async fn must(s3: &mut S3, ask: Ask<'_>, good: &[StatusCode]) -> Result<wire::Answer, Impossible> {
    let what = format!("{} /{}/{}?{}", ask.method, s3.bucket(), ask.key.unwrap_or_default(), ask.query);
    match s3.ask(ask).await {
        Ok(answer) if answer.complete && good.contains(&answer.status) => Ok(answer),
        Ok(answer) => Err(Impossible::Refused { what, why: client::quote(&answer) }),
        Err(error) => Err(Impossible::Refused { what, why: error.to_string() }),
    }
}

/// Which forms of keys a storage takes, tried in a bucket of its own.
///
/// # Errors
/// The bucket cannot be made or removed.
pub async fn forms_taken(target: &Target, signer: &Arc<Signer>, bucket: &str) -> Result<Vec<Form>, Impossible> {
    let mut s3 = S3::new(target, signer.clone(), bucket);
    must(&mut s3, Ask { method: Method::PUT, ..Ask::default() }, &[StatusCode::OK]).await?;
    let mut taken = Vec::new();
    for form in Form::ALL {
        let key = form.example();
        let ask = |method| Ask { method, key: Some(&key), ..Ask::default() };
        let done = async |s3: &mut S3, method| s3.ask(ask(method)).await.is_ok_and(|answer| answer.status.is_success());
        if done(&mut s3, Method::PUT).await && done(&mut s3, Method::GET).await {
            taken.push(form);
        }
        done(&mut s3, Method::DELETE).await;
    }
    remove(target, signer, bucket).await?;
    Ok(taken)
}

/// Removes a bucket with everything in it; one that is not there is removed already.
///
/// # Errors
/// It cannot be removed.
pub async fn remove(target: &Target, signer: &Arc<Signer>, bucket: &str) -> Result<(), Impossible> {
    let mut s3 = S3::new(target, signer.clone(), bucket);
    loop {
        let query = "list-type=2&max-keys=1000".to_owned();
        let answer = must(&mut s3, Ask { query, ..Ask::default() }, &[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
        let entries = s3::listing(&answer.body).map(|(entries, _)| entries).unwrap_or_default();
        if entries.is_empty() {
            break;
        }
        let keys: Vec<String> = entries.into_iter().map(|(key, _)| key).collect();
        let (method, query, body) = (Method::POST, "delete=".to_owned(), s3::deletion(&keys).into());
        let answer = must(&mut s3, Ask { method, query, body, ..Ask::default() }, &[StatusCode::OK]).await?;
        if s3::undeleted(&answer.body).is_none_or(|left| !left.is_empty()) {
            let what = format!("deletion of the objects in {bucket}");
            return Err(Impossible::Refused { what, why: client::quote(&answer) });
        }
    }
    let gone = [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND];
    must(&mut s3, Ask { method: Method::DELETE, ..Ask::default() }, &gone).await.map(drop)
}
