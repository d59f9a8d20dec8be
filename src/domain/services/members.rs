//! Members of pools.

use super::pools;
use super::publish::Change;
use super::{Context, ServiceError, expect_revision};
use crate::domain::audit::{Action, Actor, Snapshot, Subject};
use crate::domain::ids::{EntityKind, MemberId, PoolId, Revision};
use crate::domain::page::Page;
use crate::domain::pool::{Address, FailTimeout, MaxFails, Member, Pool, Role, Weight};
use crate::ports::store::Tx;

/// A member to be added.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// Where it listens.
    pub address: Address,
    /// The part it plays.
    pub role: Role,
    /// Share of the requests.
    pub weight: Weight,
    /// Failures until it is left out.
    pub max_fails: MaxFails,
    /// Seconds it is left out.
    pub fail_timeout_s: FailTimeout,
    /// Whether nginx uses it.
    pub enabled: bool,
}

/// What to change of a member. `None` leaves a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberPatch {
    /// Where it listens.
    pub address: Option<Address>,
    /// The part it plays.
    pub role: Option<Role>,
    /// Share of the requests.
    pub weight: Option<Weight>,
    /// Failures until it is left out.
    pub max_fails: Option<MaxFails>,
    /// Seconds it is left out.
    pub fail_timeout_s: Option<FailTimeout>,
    /// Whether nginx uses it.
    pub enabled: Option<bool>,
}

/// Use cases about members.
#[derive(Clone)]
pub struct Members {
    context: Context,
}

impl Members {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// The members of a pool by id.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the pool.
    pub async fn list(&self, pool: PoolId) -> Result<Vec<Member>, ServiceError> {
        self.context
            .store
            .read(move |tx| {
                pools::find(tx, pool)?;
                Ok(tx.members(pool)?)
            })
            .await
    }

    /// A part of the list of members: at most `limit` behind `after`, which need not be there any more.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the pool.
    pub async fn page(&self, pool: PoolId, after: Option<MemberId>, limit: u64) -> Result<Page<Member>, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            pools::find(tx, pool)?;
            Ok(Page::cut(tx.members_after(pool, after, Page::<Member>::reach(limit))?, limit))
        };
        self.context.store.read(read).await
    }

    /// One member of a pool.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for pool or member.
    pub async fn get(&self, pool: PoolId, id: MemberId) -> Result<Member, ServiceError> {
        self.context.store.read(move |tx| find(tx, pool, id).map(|(_, member)| member)).await
    }

    /// Adds a member.
    ///
    /// # Errors
    /// A role that does not fit the pool, or what nginx would refuse.
    pub async fn create(&self, actor: Actor, pool: PoolId, new: NewMember) -> Result<Member, ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| insert(change, pool, &new)).await
    }

    /// Changes a member; a change of nothing is not a change.
    ///
    /// # Errors
    /// As [`Members::create`]; the last enabled member of a pool in use cannot be disabled.
    pub async fn update(
        &self,
        actor: Actor,
        pool: PoolId,
        id: MemberId,
        expected: Option<Revision>,
        patch: MemberPatch,
    ) -> Result<Member, ServiceError> {
        let edit = move |change: &mut Change<'_>| edit(change, pool, id, expected, &patch);
        self.context.publisher.change(actor, edit).await
    }

    /// Removes a member.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] for the last enabled member of a pool in use.
    pub async fn delete(
        &self,
        actor: Actor,
        pool: PoolId,
        id: MemberId,
        expected: Option<Revision>,
    ) -> Result<(), ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| remove(change, pool, id, expected)).await
    }
}

/// Adds a member, as a part of a change.
///
/// # Errors
/// As [`Members::create`].
pub(super) fn insert(change: &mut Change<'_>, pool: PoolId, new: &NewMember) -> Result<Member, ServiceError> {
    let (tx, now, new) = (&mut *change.tx, change.now, new.clone());
    let owner = pools::find(tx, pool)?;
    expect_role_fits(&owner, new.role)?;
    let member = Member {
        id: MemberId(tx.next_id(EntityKind::Member)?),
        revision: Revision::NEW,
        pool_id: pool,
        address: new.address,
        role: new.role,
        weight: new.weight,
        max_fails: new.max_fails,
        fail_timeout_s: new.fail_timeout_s,
        enabled: new.enabled,
        created_at: now,
        updated_at: now,
    };
    let member = tx.save_member(member)?;
    change.touch_pool(pool);
    change.audit(Action::Create, subject(member.id), None, Some(Snapshot::Member(member.clone())))?;
    Ok(member)
}

/// Changes a member, as a part of a change.
///
/// # Errors
/// As [`Members::update`].
pub(super) fn edit(
    change: &mut Change<'_>,
    pool: PoolId,
    id: MemberId,
    expected: Option<Revision>,
    patch: &MemberPatch,
) -> Result<Member, ServiceError> {
    let (owner, before) = find(change.tx, pool, id)?;
    expect_revision("Member", expected, before.revision)?;
    let after = patched(before.clone(), patch);
    expect_role_fits(&owner, after.role)?;
    if after == before {
        return Ok(before);
    }
    let saved = change.tx.save_member(Member { updated_at: change.now, ..after })?;
    change.touch_pool(pool);
    let (old, new) = (Snapshot::Member(before), Snapshot::Member(saved.clone()));
    change.audit(Action::Update, subject(id), Some(old), Some(new))?;
    Ok(saved)
}

/// Removes a member, as a part of a change.
///
/// # Errors
/// As [`Members::delete`].
pub(super) fn remove(
    change: &mut Change<'_>,
    pool: PoolId,
    id: MemberId,
    expected: Option<Revision>,
) -> Result<(), ServiceError> {
    let (_, member) = find(change.tx, pool, id)?;
    expect_revision("Member", expected, member.revision)?;
    change.tx.delete_member(id)?;
    change.touch_pool(pool);
    change.audit(Action::Delete, subject(id), Some(Snapshot::Member(member)), None)?;
    Ok(())
}

fn subject(id: MemberId) -> Subject {
    Subject::Entity(EntityKind::Member, id.0)
}

pub(super) fn find(tx: &mut dyn Tx, pool: PoolId, id: MemberId) -> Result<(Pool, Member), ServiceError> {
    let owner = pools::find(tx, pool)?;
    let member = tx.member(id)?.filter(|member| member.pool_id == pool).ok_or(ServiceError::NotFound("Member"))?;
    Ok((owner, member))
}

fn patched(mut member: Member, patch: &MemberPatch) -> Member {
    let patch = patch.clone();
    member.address = patch.address.unwrap_or(member.address);
    member.role = patch.role.unwrap_or(member.role);
    member.weight = patch.weight.unwrap_or(member.weight);
    member.max_fails = patch.max_fails.unwrap_or(member.max_fails);
    member.fail_timeout_s = patch.fail_timeout_s.unwrap_or(member.fail_timeout_s);
    member.enabled = patch.enabled.unwrap_or(member.enabled);
    member
}

fn expect_role_fits(pool: &Pool, role: Role) -> Result<(), ServiceError> {
    if role.fits(pool.kind) {
        return Ok(());
    }
    let allowed: Vec<&str> =
        Role::WORDS.iter().copied().filter(|word| Role::parse(word).is_ok_and(|role| role.fits(pool.kind))).collect();
    Err(ServiceError::Rejected(format!(
        "role {} does not fit pool {} of type {}; allowed: {}",
        role.as_str(),
        pool.name,
        pool.kind.as_str(),
        allowed.join(", ")
    )))
}
