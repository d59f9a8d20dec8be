//! What the buckets hold that would get another pool. Storage nodes are asked about those buckets and no others.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;

use super::super::guard::{self, Holding, Serving};
use super::super::{Context, ServiceError};
use super::default_pool::{self, Documents};
use super::present::Present;
use crate::domain::bucket::BucketName;
use crate::domain::manifest::Turn;
use crate::domain::migration::Migration;
use crate::domain::pool::{PoolKind, PoolName};
use crate::domain::vhost::ServerName;
use crate::ports::store::Tx;

/// So many buckets of a pool are asked about at the same time.
pub(super) const TOGETHER: usize = 16;
/// So many pools are asked at the same time.
const POOLS: usize = 8;

/// A turn that would lead clients away from objects, or might.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The turn.
    pub turn: Turn,
    /// What clients would not see, or see again.
    pub why: String,
}

impl Held {
    /// The command that moves the bucket with its objects, if there is one: only a whole bucket that has a pool to go to
    /// can be moved. One without a route of its own gets it on the way.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        let Turn { vhost, from, by_default, .. } = &self.turn;
        let (bucket, to) = (self.turn.prefix.whole_bucket()?, self.turn.to.as_ref()?);
        Some(if *by_default {
            format!("nanio-orchestrator bucket promote {bucket} --vhost {vhost} --pool {to} --migrate")
        } else {
            format!("nanio-orchestrator migration start {bucket} --src {from} --dst {to} --vhost {vhost}")
        })
    }
}

/// Who is asked.
pub(super) struct Grounds {
    /// By their names in the documents.
    pub pools: HashMap<PoolName, Serving>,
    /// All, newest first.
    pub migrations: Vec<Migration>,
    /// Names in the database, by those in the documents.
    vhosts: HashMap<ServerName, ServerName>,
}

impl Grounds {
    /// Reads what is known of the pools between which these turns lead.
    ///
    /// # Errors
    /// The store's.
    pub fn read(tx: &mut dyn Tx, turns: &[Turn], known: &Present) -> Result<Self, ServiceError> {
        let mut grounds = Self { pools: HashMap::new(), migrations: Vec::new(), vhosts: HashMap::new() };
        if turns.is_empty() {
            return Ok(grounds);
        }
        grounds.migrations = tx.migrations()?;
        for name in turns.iter().flat_map(|turn| [Some(&turn.from), turn.to.as_ref()]).flatten() {
            if grounds.pools.contains_key(name) {
                continue;
            }
            // By its id: it may have another name in the documents than in the database.
            if let Some(id) = known.pools.get(name)
                && let Some(serving) = guard::at_pool(tx, *id)?
            {
                grounds.pools.insert(name.clone(), serving);
            }
        }
        for name in turns.iter().filter(|turn| turn.prefix.is_root()).map(|turn| &turn.vhost) {
            if let Some(id) = known.vhosts.get(name)
                && let Some(vhost) = tx.vhost(*id)?
            {
                grounds.vhosts.insert(name.clone(), vhost.server_name);
            }
        }
        Ok(grounds)
    }

    /// What a vhost of which the default pool would change is called now.
    pub fn vhost<'a>(&'a self, name: &'a ServerName) -> &'a ServerName {
        self.vhosts.get(name).unwrap_or(name)
    }
}

/// What came of looking at turns.
#[derive(Default)]
pub(super) struct Looked {
    /// Those that must not happen.
    pub held: Vec<Held>,
    /// What could not be seen of those that may.
    pub warnings: Vec<String>,
}

impl Looked {
    fn add(&mut self, turn: Turn, finding: Finding) {
        match finding {
            Finding::Free => {}
            Finding::Unseen(why) => self.warnings.push(why),
            Finding::Held(why) => self.held.push(Held { turn, why }),
        }
    }
}

enum Finding {
    Free,
    /// Nobody could say, and nothing is known to be there.
    Unseen(String),
    Held(String),
}

/// Looks at turns, a few pools and buckets at a time. A pool of which a whole group of questions goes unanswered is not
/// asked any more.
pub(super) async fn look(context: &Context, turns: Vec<Turn>, grounds: &Grounds, documents: Documents<'_>) -> Looked {
    let mut by_pool: BTreeMap<PoolName, Vec<Turn>> = BTreeMap::new();
    for turn in turns {
        by_pool.entry(turn.from.clone()).or_default().push(turn);
    }
    let groups: Vec<Vec<Turn>> = by_pool.into_values().collect();
    let mut looked = Looked::default();
    for some in groups.chunks(POOLS) {
        for one in join_all(some.iter().map(|turns| look_at_pool(context, turns, grounds, documents))).await {
            looked.held.extend(one.held);
            looked.warnings.extend(one.warnings);
        }
    }
    looked.held.sort_by(|a, b| (&a.turn.vhost, &a.turn.prefix).cmp(&(&b.turn.vhost, &b.turn.prefix)));
    looked
}

async fn look_at_pool(context: &Context, turns: &[Turn], grounds: &Grounds, documents: Documents<'_>) -> Looked {
    let mut looked = Looked::default();
    let mut silent: Option<String> = None;
    for some in turns.chunks(TOGETHER) {
        let asked = some.iter().map(|turn| finding(context, turn, grounds, documents, silent.as_deref()));
        let answers = join_all(asked).await;
        let unanswered = answers.iter().filter_map(|(_, unknown)| unknown.as_ref());
        if silent.is_none() && unanswered.clone().count() == some.len() {
            silent = unanswered.into_iter().next().cloned();
        }
        for (turn, (finding, _)) in some.iter().zip(answers) {
            looked.add(turn.clone(), finding);
        }
    }
    looked
}

/// What is found, and why nobody could say, if so.
async fn finding(
    context: &Context,
    turn: &Turn,
    grounds: &Grounds,
    documents: Documents<'_>,
    silent: Option<&str>,
) -> (Finding, Option<String>) {
    let Some(serving) = grounds.pools.get(&turn.from).filter(|pool| pool.kind == PoolKind::Nanio) else {
        return (Finding::Free, None);
    };
    if turn.prefix.is_root() {
        let held = default_pool::held(context, turn, serving, grounds, documents).await;
        return (held.map_or(Finding::Free, Finding::Held), None);
    }
    if let Some(why) = stale(context, turn, grounds).await {
        return (Finding::Held(why), None);
    }
    let (bucket, pool) = (turn.prefix.bucket(), &serving.name);
    let holding = match silent {
        Some(why) => Holding::Unknown(why.to_owned()),
        None => context.holding(serving, &turn.prefix).await,
    };
    match holding {
        Holding::Nothing => (Finding::Free, None),
        Holding::Objects => {
            let why = format!("bucket {bucket} holds objects on pool {pool}, which clients would no longer see");
            (Finding::Held(why), None)
        }
        Holding::Unknown(why) => {
            let told =
                format!("bucket {bucket} may hold objects on pool {pool}, and they could not be counted ({why})");
            // As for a single new route: a gateway that is being set up has no nodes yet that answer.
            let finding = if turn.by_default { Finding::Unseen(told) } else { Finding::Held(told) };
            (finding, Some(why))
        }
    }
}

/// The old copy that clients would be shown.
async fn stale(context: &Context, turn: &Turn, grounds: &Grounds) -> Option<String> {
    let bucket = BucketName::parse(turn.prefix.bucket()).ok()?;
    let to = grounds.pools.get(turn.to.as_ref()?)?;
    let left = guard::leftover_of(&grounds.migrations, to.pool, &bucket)?;
    context.stale_copy(to, &left, &turn.prefix).await
}
