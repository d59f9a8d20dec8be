//! Pools as rows: with ids, and their references resolved.

use std::collections::{BTreeSet, HashMap};

use super::Notes;
use super::found::{Found, key};
use super::ids::{self, Ids};
use super::import::ImportedPool;
use super::pools::{MemberDraft, PoolDraft};
use super::vhosts::PoolNamed;
use crate::domain::credential::Credential;
use crate::domain::ids::{MemberId, PoolId, Revision};
use crate::domain::pool::{Member, Pool, PoolKind};
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;

/// Pools with their ids, and the ways to find them.
pub(super) struct Pools {
    pub rows: Vec<ImportedPool>,
    by_name: HashMap<String, usize>,
    /// By the id that the files claim; `None` where several claim it.
    by_claim: HashMap<PoolId, Option<usize>>,
    pub highest: i64,
    pub highest_member: i64,
}

impl Pools {
    /// The pool that a file means: by name, else by id among the files of this tree.
    pub fn find(&self, named: &PoolNamed) -> Option<&Pool> {
        match &named.name {
            Some(name) => self.named(name.as_str()),
            None => {
                let place = self.by_claim.get(&named.id?).copied().flatten()?;
                self.rows.get(place).map(|row| &row.pool)
            }
        }
    }

    /// The pool of this name.
    pub fn named(&self, name: &str) -> Option<&Pool> {
        self.by_name.get(&name.to_ascii_lowercase()).and_then(|place| self.rows.get(*place)).map(|row| &row.pool)
    }
}

/// The rows of every pool.
pub(super) fn pools(found: &Found<'_>, highest: HighestIds, now: Timestamp, notes: &mut Notes) -> Pools {
    let names: BTreeSet<&String> = found.upstreams.keys().chain(found.pool_sidecars.keys()).collect();
    let mut drafts: Vec<PoolDraft> = names
        .into_iter()
        .filter_map(|name| {
            let (conf, sidecar) = (found.upstreams.get(name).copied(), found.pool_sidecars.get(name).copied());
            PoolDraft::of(conf, sidecar, notes)
        })
        .collect();
    drafts.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut ids, mut member_ids) = (Ids::above(highest.pools), Ids::above(highest.members));
    let given = ids::claim(&mut ids, &drafts, |draft| (draft.id.map(|id| id.0), draft.updated_at));
    for member in drafts.iter().flat_map(|draft| &draft.members) {
        member_ids.hear(member.id.map(|id| id.0));
    }
    let mut pools = Pools {
        rows: Vec::with_capacity(drafts.len()),
        by_name: HashMap::new(),
        by_claim: HashMap::new(),
        highest: 0,
        highest_member: 0,
    };
    for (place, (draft, id)) in drafts.iter().zip(given).enumerate() {
        let id = PoolId(id);
        if let Some(claimed) = draft.id.filter(|claimed| *claimed != id) {
            notes.say(format!(
                "pool {} has the id {id}, since its own, {claimed}, belongs to another pool: one of the two may have \
                 been left behind by a rename; delete it if nothing uses it",
                draft.name
            ));
        }
        pools.by_name.insert(key(&draft.name), place);
        if let Some(claimed) = draft.id {
            pools.by_claim.entry(claimed).and_modify(|place| *place = None).or_insert(Some(place));
        }
        let has_sidecar = found.pool_sidecars.contains_key(&key(&draft.name));
        pools.rows.push(pool_row(draft, id, has_sidecar, &mut member_ids, now));
    }
    for (place, draft) in drafts.iter().enumerate() {
        if let Some((id, name)) = &draft.source {
            let source = source(&pools, draft, &PoolNamed { name: name.clone(), id: Some(*id) }, notes);
            pools.rows[place].pool.source_nanio_pool_id = source;
        }
        if let Some(fault) = pools.rows[place].pool.fault(&pools.rows[place].members) {
            notes.say(format!("{fault}; it was taken over all the same, and must be mended before it can change"));
        }
    }
    (pools.highest, pools.highest_member) = (ids.highest(), member_ids.highest());
    pools
}

fn source(pools: &Pools, draft: &PoolDraft, named: &PoolNamed, notes: &mut Notes) -> Option<PoolId> {
    match pools.find(named) {
        Some(source) if source.kind == PoolKind::Nanio && draft.kind == PoolKind::Http => Some(source.id),
        Some(source) => {
            notes.say(format!(
                "pool {}: its source pool {} is not kept: an http pool has a nanio pool behind it",
                draft.name, source.name
            ));
            None
        }
        None => {
            let what = named.name.as_ref().map_or_else(
                || named.id.map_or_else(String::new, |id| format!("with the id {id}")),
                ToString::to_string,
            );
            notes.say(format!("pool {}: its source pool {what} is not on disk, so the link is not kept", draft.name));
            None
        }
    }
}

fn pool_row(draft: &PoolDraft, id: PoolId, has_sidecar: bool, member_ids: &mut Ids, now: Timestamp) -> ImportedPool {
    let pool = Pool {
        id,
        revision: Revision::NEW,
        name: draft.name.clone(),
        description: draft.description.clone(),
        kind: draft.kind,
        lb_method: draft.lb_method,
        keepalive: draft.keepalive,
        source_nanio_pool_id: None,
        created_at: draft.created_at.unwrap_or(now),
        updated_at: draft.updated_at.unwrap_or(now),
    };
    let credential = draft.credential.as_ref().map(|credential| Credential {
        pool_id: id,
        access_key_enc: credential.access_key_enc.clone(),
        secret_key_enc: credential.secret_key_enc.clone(),
        endpoint_url: credential.endpoint_url.clone(),
        region: credential.region.clone(),
        created_at: credential.created_at.unwrap_or(pool.created_at),
        updated_at: credential.updated_at.unwrap_or(pool.updated_at),
    });
    let member = |draft: &MemberDraft| Member {
        id: MemberId(member_ids.claim(draft.id.map(|id| id.0)).unwrap_or_else(|| member_ids.fresh())),
        revision: Revision::NEW,
        pool_id: id,
        address: draft.address.clone(),
        role: draft.role,
        weight: draft.weight,
        max_fails: draft.max_fails,
        fail_timeout_s: draft.fail_timeout_s,
        enabled: draft.enabled,
        created_at: draft.created_at.unwrap_or(now),
        updated_at: draft.updated_at.unwrap_or(now),
    };
    ImportedPool { members: draft.members.iter().map(member).collect(), pool, credential, has_sidecar }
}
