//! Keeps the buckets of vhosts as their pools list them. Asks each pool once a round, whatever the number of vhosts;
//! never touches a route, nginx or one of its files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::{ServiceError, guard, vhosts};
use super::Buckets;
use crate::domain::audit::{Action, Actor, BucketSnapshot, NewEntry, Snapshot, Subject};
use crate::domain::bucket::{Bucket, BucketName};
use crate::domain::bucket_sync::{BucketTally, Homes, Listings, Sight};
use crate::domain::ids::{EntityKind, PoolId, VhostId};
use crate::domain::pool::{PoolKind, PoolName};
use crate::domain::time::Timestamp;
use crate::domain::vhost::Vhost;
use crate::ports::store::Tx;

/// A pool that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFault {
    /// The pool.
    pub name: PoolName,
    /// Why.
    pub why: String,
}

/// What a round over all vhosts has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Vhosts whose default pool is a nanio pool.
    pub vhosts: usize,
    /// Buckets that were not as they were known.
    pub changed: usize,
    /// Pools that could not be asked: what they serve is as it was.
    pub faults: Vec<PoolFault>,
}

/// What was asked for of one vhost has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VhostSync {
    /// It was synced.
    Synced(Synced),
    /// It has nothing to sync.
    Skipped(String),
    /// Its default pool could not be asked.
    Failed(String),
}

/// The buckets of a vhost after a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// How many there are of each kind.
    pub tally: BucketTally,
    /// How many were not known.
    pub new: u64,
    /// How many were not as they were known, the new ones included.
    pub changed: u64,
    /// When the pools were asked.
    pub at: Timestamp,
    /// Other pools of the vhost that could not be asked.
    pub faults: Vec<PoolFault>,
}

/// Who is to be asked about what.
struct Questions {
    vhosts: BTreeMap<VhostId, Homes>,
    pools: BTreeMap<PoolId, guard::Serving>,
}

/// What was said.
struct Answers {
    listings: Listings,
    faults: BTreeMap<PoolId, PoolFault>,
}

impl Buckets {
    /// Syncs every vhost whose default pool is a nanio pool.
    ///
    /// # Errors
    /// The store's. Pools that cannot be asked spoil only themselves.
    pub async fn sync_all(&self) -> Result<Round, ServiceError> {
        let questions = self.context.store.read(|tx| Questions::of(tx, None)).await?;
        if questions.vhosts.is_empty() {
            return Ok(Round::default());
        }
        let Answers { listings, faults } = self.ask(&questions.pools).await;
        for PoolFault { name, why } in faults.values() {
            tracing::warn!(pool = %name, why, "the buckets of a pool could not be listed; what it serves stays as known");
        }
        let (vhosts, now) = (questions.vhosts.len(), self.clock.now());
        if listings.is_empty() {
            return Ok(Round { vhosts, changed: 0, faults: faults.into_values().collect() });
        }
        let write = move |tx: &mut dyn Tx| {
            let mut changed = 0;
            let mut listed = Vec::new();
            for (id, asked) in &questions.vhosts {
                let Some(outcome) = keep(tx, *id, asked, &listings, now)? else { continue };
                if outcome.changed > 0 {
                    outcome.audit(tx, Actor::Engine, *id, now)?;
                }
                changed += outcome.changed;
                listed.extend(outcome.listed.then_some(*id));
            }
            tx.note_buckets_listed(&listed, now)?;
            Ok::<_, ServiceError>(changed)
        };
        let changed = self.context.store.write(write).await?;
        Ok(Round { vhosts, changed, faults: faults.into_values().collect() })
    }

    /// Syncs one vhost, because an operator wants it now.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; the store's.
    pub async fn sync(&self, actor: Actor, id: VhostId) -> Result<VhostSync, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            let vhost = vhosts::find(tx, id)?;
            let default = vhost.default_pool_id;
            Ok::<_, ServiceError>((vhost, default, Questions::of(tx, Some(id))?))
        };
        let (vhost, default, questions) = self.context.store.read(read).await?;
        let (Some(default), Some(asked)) = (default, questions.vhosts.get(&id).cloned()) else {
            return Ok(VhostSync::Skipped(why_skipped(&vhost)));
        };
        let Answers { listings, mut faults } = self.ask(&questions.pools).await;
        let now = self.clock.now();
        let write = move |tx: &mut dyn Tx| {
            let Some(outcome) = keep(tx, id, &asked, &listings, now)? else {
                return Err(ServiceError::NotFound("Vhost"));
            };
            outcome.audit(tx, actor, id, now)?;
            if outcome.listed {
                tx.note_buckets_listed(&[id], now)?;
            }
            Ok(outcome)
        };
        let outcome = self.context.store.write(write).await?;
        if let Some(PoolFault { name, why }) = faults.remove(&default) {
            return Ok(VhostSync::Failed(format!("the buckets of pool {name} could not be listed: {why}")));
        }
        Ok(VhostSync::Synced(Synced {
            tally: outcome.after,
            new: outcome.new,
            changed: outcome.changed as u64,
            at: now,
            faults: faults.into_values().collect(),
        }))
    }

    /// Asks each pool for its buckets, all at the same time.
    async fn ask(&self, pools: &BTreeMap<PoolId, guard::Serving>) -> Answers {
        let mut answers = Answers { listings: HashMap::new(), faults: BTreeMap::new() };
        let (mut asked, mut sites) = (Vec::new(), Vec::new());
        let fault = |pool: &guard::Serving, why| PoolFault { name: pool.name.clone(), why };
        for pool in pools.values() {
            match pool.site(&self.context.keyring) {
                Ok(site) => {
                    asked.push(pool);
                    sites.push(site);
                }
                Err(unusable) => drop(answers.faults.insert(pool.pool, fault(pool, unusable.to_string()))),
            }
        }
        for (pool, listing) in asked.into_iter().zip(self.context.storage.listings(&sites).await) {
            match listing {
                Ok(names) => drop(answers.listings.insert(pool.pool, names.into_iter().collect())),
                Err(error) => drop(answers.faults.insert(pool.pool, fault(pool, error.to_string()))),
            }
        }
        answers
    }
}

fn why_skipped(vhost: &Vhost) -> String {
    let name = &vhost.server_name;
    match vhost.default_pool_id {
        None => format!("vhost {name} has no default pool"),
        Some(_) => format!("the default pool of vhost {name} is not of type nanio, and cannot list buckets"),
    }
}

impl Questions {
    /// About all vhosts with a nanio pool as default, or about one.
    fn of(tx: &mut dyn Tx, only: Option<VhostId>) -> Result<Self, ServiceError> {
        let kinds = tx.pool_refs()?;
        let is_nanio = |id: &PoolId| kinds.get(id).is_some_and(|pool| pool.kind == PoolKind::Nanio);
        let asked = match only {
            Some(id) => vec![vhosts::find(tx, id)?],
            None => tx.vhosts()?,
        };
        let (mut vhosts, mut wanted) = (BTreeMap::new(), BTreeSet::new());
        for vhost in asked {
            let Some(default) = vhost.default_pool_id.filter(is_nanio) else { continue };
            let homes = Homes::of(default, &tx.routes(vhost.id)?);
            wanted.extend(homes.pools().into_iter().filter(is_nanio));
            vhosts.insert(vhost.id, homes);
        }
        let mut pools = BTreeMap::new();
        for id in wanted {
            pools.extend(guard::at_pool(tx, id)?.map(|pool| (id, pool)));
        }
        Ok(Self { vhosts, pools })
    }
}

/// What a sync has done to the buckets of one vhost.
struct Outcome {
    before: BucketTally,
    after: BucketTally,
    new: u64,
    changed: usize,
    /// Whether the default pool answered.
    listed: bool,
}

/// Writes what is not as it is known. `None`: the vhost is gone, or has no nanio pool as default any more.
fn keep(
    tx: &mut dyn Tx,
    id: VhostId,
    asked: &Homes,
    listings: &Listings,
    now: Timestamp,
) -> Result<Option<Outcome>, ServiceError> {
    let Some(default) = tx.vhost(id)?.and_then(|vhost| vhost.default_pool_id) else { return Ok(None) };
    if tx.pool(default)?.is_none_or(|pool| pool.kind != PoolKind::Nanio) {
        return Ok(None);
    }
    let (known, homes) = (tx.buckets(id)?, Homes::of(default, &tx.routes(id)?));
    let migrating: BTreeSet<BucketName> =
        tx.unfinished_migrations()?.into_iter().filter(|one| one.vhost.id == id).map(|one| one.bucket).collect();
    let sight = Sight { vhost: id, known: &known, asked, homes: &homes, migrating: &migrating, listings };
    let changes = sight.changes(now);
    tx.save_buckets(&changes)?;
    let mut after: HashMap<&BucketName, &Bucket> = known.iter().map(|bucket| (&bucket.name, bucket)).collect();
    after.extend(changes.iter().map(|bucket| (&bucket.name, bucket)));
    Ok(Some(Outcome {
        before: BucketTally::of(&known),
        after: BucketTally::of(after.values().copied()),
        new: (after.len() - known.len()) as u64,
        changed: changes.len(),
        listed: listings.contains_key(&default),
    }))
}

impl Outcome {
    fn audit(&self, tx: &mut dyn Tx, actor: Actor, id: VhostId, at: Timestamp) -> Result<(), ServiceError> {
        let snapshot = |tally, new| Some(Snapshot::Buckets(BucketSnapshot { tally, new }));
        let entry = NewEntry {
            actor,
            action: Action::SyncBuckets,
            subject: Subject::Entity(EntityKind::Vhost, id.0),
            before: snapshot(self.before, None),
            after: snapshot(self.after, Some(self.new)),
            nginx: None,
            at,
        };
        tx.append_audit(&entry)?;
        Ok(())
    }
}
