//! A pool's files into its rows.

use super::super::publish::Change;
use super::super::{ServiceError, pools as rules, sidecars};
use crate::domain::audit::Absorbed;
use crate::domain::credential::Credential;
use crate::domain::disk::{DiskCredential, DiskPoolSidecar, DiskUpstream};
use crate::domain::gateway::{FileName, Upstream};
use crate::domain::ids::{EntityKind, MemberId, PoolId, Revision};
use crate::domain::pool::{Member, Pool, PoolName};
use crate::domain::restore::{MemberDraft, Notes, PoolDraft};
use crate::domain::time::Timestamp;
use crate::ports::store::Tx;

/// Saves what the files say, put together with what the database says of the rest.
pub(super) fn save(
    change: &mut Change<'_>,
    name: &PoolName,
    upstream: Option<&DiskUpstream>,
    sidecar: Option<&DiskPoolSidecar>,
) -> Result<Absorbed, ServiceError> {
    let (tx, now) = (&mut *change.tx, change.now);
    let mut absorbed = Absorbed::default();
    let before = tx.pool_named(name.as_str())?;
    let draft = draft(tx, before.as_ref(), upstream, sidecar, &mut absorbed.warnings)?;
    let (known, members, credential) = match &before {
        Some(pool) => (Some(pool.clone()), tx.members(pool.id)?, tx.credential(pool.id)?),
        None => (None, Vec::new(), None),
    };
    let pool = wanted(tx, known, &draft, now)?;
    if let Some(before) = &before {
        rules::checked_users(tx, before, &pool)?;
    } else {
        rules::expect_usable_source(tx, pool.kind, pool.source_nanio_pool_id)?;
    }
    let id = pool.id;
    if before.as_ref() != Some(&pool) {
        tx.save_pool(Pool { updated_at: now, ..pool })?;
    }
    absorbed.members_new = save_members(tx, id, members, &draft.members, now)?;
    save_credential(tx, id, credential, draft.credential.as_ref(), now)?;
    absorbed.pools_new = u64::from(before.is_none());
    absorbed.pools_updated = u64::from(before.is_some());
    change.touch_pool(id);
    change.overwrite(FileName::Upstream(name.clone()));
    change.overwrite(FileName::PoolSidecar(name.clone()));
    Ok(absorbed)
}

/// What is wanted, from the files and, for the file that is not taken over, from the rows.
fn draft(
    tx: &mut dyn Tx,
    before: Option<&Pool>,
    upstream: Option<&DiskUpstream>,
    sidecar: Option<&DiskPoolSidecar>,
    warnings: &mut Vec<String>,
) -> Result<PoolDraft, ServiceError> {
    let (mut told_upstream, mut told_sidecar) = (None, None);
    if let Some(pool) = before {
        if upstream.is_none() {
            told_upstream = Upstream::of(pool, &tx.members(pool.id)?).map(DiskUpstream::from);
        }
        if sidecar.is_none() {
            told_sidecar = Some(DiskPoolSidecar::from(sidecars::pool_values(tx, pool.clone())?));
        }
    }
    let mut notes = Notes::default();
    let draft = PoolDraft::of(upstream.or(told_upstream.as_ref()), sidecar.or(told_sidecar.as_ref()), &mut notes);
    warnings.append(&mut notes.0);
    draft.ok_or(ServiceError::NotFound("Pool"))
}

fn wanted(tx: &mut dyn Tx, known: Option<Pool>, draft: &PoolDraft, now: Timestamp) -> Result<Pool, ServiceError> {
    let source = match &draft.source {
        None => None,
        Some((_, Some(name))) => match tx.pool_named(name.as_str())? {
            Some(pool) => Some(pool.id),
            None => {
                return Err(ServiceError::Refused(format!(
                    "pool {}: its source pool {name} does not exist",
                    draft.name
                )));
            }
        },
        Some((id, None)) => Some(*id),
    };
    let (id, revision, created_at, updated_at) = match &known {
        Some(pool) => (pool.id, pool.revision, pool.created_at, pool.updated_at),
        None => (PoolId(tx.next_id(EntityKind::Pool)?), Revision::NEW, draft.created_at.unwrap_or(now), now),
    };
    Ok(Pool {
        id,
        revision,
        name: known.map_or_else(|| draft.name.clone(), |pool| pool.name),
        description: draft.description.clone(),
        kind: draft.kind,
        lb_method: draft.lb_method,
        keepalive: draft.keepalive,
        source_nanio_pool_id: source,
        created_at,
        updated_at,
    })
}

/// Makes the rows of a pool's members what the files say; tells how many are new.
fn save_members(
    tx: &mut dyn Tx,
    pool: PoolId,
    known: Vec<Member>,
    drafts: &[MemberDraft],
    now: Timestamp,
) -> Result<u64, ServiceError> {
    let mut rest = known;
    let mut new = 0;
    for draft in drafts {
        let place = rest.iter().position(|member| Some(member.id) == draft.id);
        let before = place.map(|place| rest.swap_remove(place));
        let (id, revision, created_at, updated_at) = match &before {
            Some(member) => (member.id, member.revision, member.created_at, member.updated_at),
            None => (MemberId(tx.next_id(EntityKind::Member)?), Revision::NEW, now, now),
        };
        let member = Member {
            id,
            revision,
            pool_id: pool,
            address: draft.address.clone(),
            role: draft.role,
            weight: draft.weight,
            max_fails: draft.max_fails,
            fail_timeout_s: draft.fail_timeout_s,
            enabled: draft.enabled,
            created_at,
            updated_at,
        };
        new += u64::from(before.is_none());
        if before.as_ref() != Some(&member) {
            tx.save_member(Member { updated_at: now, ..member })?;
        }
    }
    // Left over: rows that a sidecar which was taken over does not list any more.
    for member in rest {
        tx.delete_member(member.id)?;
    }
    Ok(new)
}

fn save_credential(
    tx: &mut dyn Tx,
    pool: PoolId,
    before: Option<Credential>,
    wanted: Option<&DiskCredential>,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let Some(wanted) = wanted else {
        if before.is_some() {
            tx.delete_credential(pool)?;
        }
        return Ok(());
    };
    let after = Credential {
        pool_id: pool,
        access_key_enc: wanted.access_key_enc.clone(),
        secret_key_enc: wanted.secret_key_enc.clone(),
        endpoint_url: wanted.endpoint_url.clone(),
        region: wanted.region.clone(),
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        updated_at: before.as_ref().map_or(now, |before| before.updated_at),
    };
    if before.as_ref() != Some(&after) {
        tx.save_credential(&Credential { updated_at: now, ..after })?;
    }
    Ok(())
}
