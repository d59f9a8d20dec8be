//! Which members can be reached. It is shown to operators, and nothing acts on it: nginx finds out for itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Context, ServiceError};
use crate::domain::ids::MemberId;
use crate::domain::pool::{Address, Member};
use crate::domain::reachability::{Standing, Watch};
use crate::ports::clock::Clock;
use crate::ports::store::Tx;

/// What a look has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// Members that were looked at.
    pub members: usize,
    /// Those that are known to be unreachable.
    pub unreachable: usize,
}

/// Use case: look at the members, and tell what is known of them. What is known is lost with the process.
#[derive(Clone)]
pub struct Reachability {
    context: Context,
    clock: Arc<dyn Clock>,
    known: Arc<Known>,
}

#[derive(Default)]
struct Known {
    members: Mutex<HashMap<MemberId, (Address, Watch)>>,
    version: AtomicU64,
}

impl Reachability {
    pub(super) fn new(context: Context, clock: Arc<dyn Clock>) -> Self {
        Self { context, clock, known: Arc::default() }
    }

    /// Looks at every member once, disabled ones included; members at the same address at the same time. What is
    /// seen of one is known before the others have answered.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self) -> Result<Sight, ServiceError> {
        let members = self.context.store.read(all_members).await?;
        let mut by_address: BTreeMap<Address, Vec<MemberId>> = BTreeMap::new();
        for (id, address) in &members {
            by_address.entry(address.clone()).or_default().push(*id);
        }
        self.known().retain(|id, (address, _)| members.get(id) == Some(address));
        let addresses: Vec<Address> = by_address.keys().cloned().collect();
        let probed = |address: &Address, outcome: Result<(), _>| {
            let outcome = outcome.map_err(|error| ToString::to_string(&error));
            for id in by_address.get(address).into_iter().flatten() {
                self.note(*id, address, outcome.clone());
            }
        };
        self.context.storage.probe(&addresses, &probed).await;
        let is_down = |watch: &Watch| matches!(watch.standing(), Standing::Unreachable { .. });
        let unreachable = self.known().values().filter(|(_, watch)| is_down(watch)).count();
        Ok(Sight { members: members.len(), unreachable })
    }

    /// What is known of a member at its present address.
    #[must_use]
    pub fn standing(&self, member: &Member) -> Standing {
        let known = self.known();
        let watch = known.get(&member.id).filter(|(address, _)| *address == member.address);
        watch.map(|(_, watch)| watch.standing().clone()).unwrap_or_default()
    }

    /// A number that is another one after another thing is known of any member.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.known.version.load(Ordering::Acquire)
    }

    fn note(&self, id: MemberId, address: &Address, outcome: Result<(), String>) {
        let mut known = self.known();
        let (_, watch) = known.entry(id).or_insert_with(|| (address.clone(), Watch::default()));
        if !watch.note(outcome, self.clock.now()) {
            return;
        }
        match watch.standing() {
            Standing::Unreachable { why, .. } => tracing::warn!(member = %address, why, "a member is not reachable"),
            _ => tracing::info!(member = %address, "a member is reachable"),
        }
        self.known.version.fetch_add(1, Ordering::AcqRel);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<MemberId, (Address, Watch)>> {
        self.known.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all_members(tx: &mut dyn Tx) -> Result<BTreeMap<MemberId, Address>, ServiceError> {
    let mut all = BTreeMap::new();
    for pool in tx.pools()? {
        all.extend(tx.members(pool.id)?.into_iter().map(|member| (member.id, member.address)));
    }
    Ok(all)
}
