//! Several operations on resources as one change: one test by nginx, all of them or none.
//!
//! Each keeps the rules of the single call, in the state that those before it have made. What that does to the objects of
//! buckets is found by taking all of them in a transaction that is rolled back; storage nodes are asked before the
//! change begins.

use futures_util::future::join_all;

use super::guard::{self, Holding, Leftover, Serving};
use super::members::{MemberPatch, NewMember};
use super::pools::{NewPool, PoolPatch};
use super::publish::{Change, last_change};
use super::routes::{Consent, NewRoute, RoutePatch};
use super::vhosts::{NewVhost, VhostPatch};
use super::{Context, ServiceError, checked_snippet, members, pools, routes, vhosts};
use crate::domain::audit::{Action, Actor};
use crate::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use crate::domain::route::PathPrefix;
use crate::domain::vhost::{ExtraBlock, Snippet};
use crate::ports::store::{StoreError, Tx};

/// How often the state is looked at again because something changed it meanwhile.
const TRIES: usize = 5;
/// So many buckets are asked about at the same time.
const TOGETHER: usize = 16;

/// Something that is there, or that an operation before has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By its identity.
    Id(i64),
    /// By its name: a pool's name, a vhost's server name, a member's address, a route's prefix.
    Name(String),
}

/// One operation, as the single call would be.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Makes a pool; its source.
    CreatePool(NewPool, Option<Reference>),
    /// Changes a pool; its source, if that is to change.
    UpdatePool(Reference, PoolPatch, Option<Option<Reference>>),
    /// Removes a pool.
    DeletePool(Reference),
    /// Adds a member to a pool.
    CreateMember(Reference, NewMember),
    /// Changes a member of a pool.
    UpdateMember(Reference, Reference, MemberPatch),
    /// Removes a member of a pool.
    DeleteMember(Reference, Reference),
    /// Makes a vhost; its default pool.
    CreateVhost(NewVhost, Option<Reference>),
    /// Changes a vhost; its default pool, if that is to change.
    UpdateVhost(Reference, VhostPatch, Option<Option<Reference>>),
    /// Removes a vhost.
    DeleteVhost(Reference),
    /// Makes a route of a vhost; its pool.
    CreateRoute(Reference, NewRoute, Reference),
    /// Changes a route of a vhost; its pool, if that is to change.
    UpdateRoute(Reference, Reference, RoutePatch, Option<Reference>),
    /// Removes a route of a vhost.
    DeleteRoute(Reference, Reference, Consent),
}

/// Use case of several operations at once.
#[derive(Clone)]
pub struct Operations {
    context: Context,
}

/// What was looked at in a state that nobody keeps.
struct Looked {
    change: Option<String>,
    turns: Vec<Turn>,
}

/// A bucket that an operation gives another pool.
#[derive(Clone)]
struct Turn {
    operation: usize,
    prefix: PathPrefix,
    from: Serving,
    /// The pool that will serve it, if a migration has left a copy there.
    to: Option<(Serving, Leftover)>,
    /// It has no route of its own yet.
    first: bool,
    consent: Consent,
}

/// How a look ended; either way it is rolled back.
enum Ended {
    Looked(Box<Looked>),
    Failed(ServiceError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Ended::Failed(error.into())
    }
}

impl From<ServiceError> for Ended {
    fn from(error: ServiceError) -> Self {
        Ended::Failed(error)
    }
}

impl Operations {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Does all of them, in order; the identity of what each was about.
    ///
    /// # Errors
    /// [`ServiceError::Operations`] with every operation that is refused; nginx's refusal of the whole. Nothing has
    /// changed.
    pub async fn run(&self, actor: Actor, operations: Vec<Operation>) -> Result<Vec<i64>, ServiceError> {
        for _ in 0..TRIES {
            let looked = self.look(actor, operations.clone()).await?;
            self.expect_data_stays(&looked.turns).await?;
            let (context, operations) = (self.context.clone(), operations.clone());
            let make = move |change: &mut Change<'_>| {
                if last_change(change.tx)? != looked.change {
                    return Ok(None);
                }
                take_all(&context, change, &operations, &mut Vec::new()).map(Some)
            };
            if let Some(ids) = self.context.publisher.change(actor, make).await? {
                return Ok(ids);
            }
        }
        Err(ServiceError::Conflict(
            "the gateway was changed each time meanwhile; repeat when nothing else does".to_owned(),
        ))
    }

    /// Takes all operations in a transaction that is rolled back, and finds what they do to buckets.
    async fn look(&self, actor: Actor, operations: Vec<Operation>) -> Result<Looked, ServiceError> {
        let context = self.context.clone();
        let look = move |tx: &mut dyn Tx| -> Result<(), Ended> {
            let change = last_change(tx)?;
            let mut turns = Vec::new();
            Change::discarded(tx, actor, |change| take_all(&context, change, &operations, &mut turns))?;
            Err(Ended::Looked(Box::new(Looked { change, turns })))
        };
        match self.context.store.write(look).await {
            Err(Ended::Looked(looked)) => Ok(*looked),
            Err(Ended::Failed(error)) => Err(error),
            Ok(()) => Ok(Looked { change: None, turns: Vec::new() }),
        }
    }

    async fn expect_data_stays(&self, turns: &[Turn]) -> Result<(), ServiceError> {
        let mut refused = Vec::new();
        for some in turns.chunks(TOGETHER) {
            let answers = join_all(some.iter().map(|turn| self.lost(turn))).await;
            let lost = some.iter().zip(answers).filter_map(|(turn, why)| Some((turn.operation, why?)));
            refused.extend(lost.map(|(operation, why)| (operation, ServiceError::Conflict(why))));
        }
        if refused.is_empty() { Ok(()) } else { Err(ServiceError::Operations(refused)) }
    }

    /// What clients would no longer see, or see again.
    async fn lost(&self, turn: &Turn) -> Option<String> {
        if let Some((to, left)) = turn.to.as_ref().filter(|_| !turn.consent.allow_stale)
            && let Some(why) = self.context.stale_copy(to, left, &turn.prefix).await
        {
            return Some(why);
        }
        if turn.consent.allow_orphan || turn.consent.allow_stale {
            return None;
        }
        if turn.first && matches!(self.context.holding(&turn.from, &turn.prefix).await, Holding::Unknown(_)) {
            // As for a single new route: a gateway that is being set up has no nodes yet that answer.
            return None;
        }
        self.context.left_behind(&turn.from, &turn.prefix).await
    }
}

/// Takes one operation after the other; each that is refused is undone alone, so that all refusals can be told.
fn take_all(
    context: &Context,
    change: &mut Change<'_>,
    operations: &[Operation],
    turns: &mut Vec<Turn>,
) -> Result<Vec<i64>, ServiceError> {
    let (mut ids, mut refused) = (Vec::with_capacity(operations.len()), Vec::new());
    for (index, operation) in operations.iter().enumerate() {
        match change.attempt(|change| take(context, change, (index, operation), turns))? {
            Ok(id) => ids.push(id),
            Err(error) => refused.push((index, error)),
        }
    }
    if refused.is_empty() { Ok(ids) } else { Err(ServiceError::Operations(refused)) }
}

fn take(
    context: &Context,
    change: &mut Change<'_>,
    (index, operation): (usize, &Operation),
    turns: &mut Vec<Turn>,
) -> Result<i64, ServiceError> {
    match operation {
        Operation::CreatePool(new, source) => {
            let source_nanio_pool_id = pool_or_none(change.tx, source.as_ref())?;
            Ok(pools::insert(change, &NewPool { source_nanio_pool_id, ..new.clone() })?.id.0)
        }
        Operation::UpdatePool(which, patch, source) => {
            let id = pool(change.tx, which)?;
            let source = source.as_ref().map(|source| pool_or_none(change.tx, source.as_ref())).transpose()?;
            let patch = PoolPatch { source_nanio_pool_id: source, ..patch.clone() };
            Ok(pools::edit(change, id, None, &patch)?.id.0)
        }
        Operation::DeletePool(which) => {
            let id = pool(change.tx, which)?;
            pools::remove(change, id, None).map(|()| id.0)
        }
        Operation::CreateMember(of, new) => {
            let of = pool(change.tx, of)?;
            Ok(members::insert(change, of, new)?.id.0)
        }
        Operation::UpdateMember(of, which, patch) => {
            let of = pool(change.tx, of)?;
            let id = member(change.tx, of, which)?;
            Ok(members::edit(change, of, id, None, patch)?.id.0)
        }
        Operation::DeleteMember(of, which) => {
            let of = pool(change.tx, of)?;
            let id = member(change.tx, of, which)?;
            members::remove(change, of, id, None).map(|()| id.0)
        }
        Operation::CreateVhost(new, default) => {
            let default_pool_id = pool_or_none(change.tx, default.as_ref())?;
            let directives = snippet(context, new.extra_directives.as_deref())?;
            let blocks = blocks(context, &new.extra_blocks)?;
            Ok(vhosts::insert(change, &NewVhost { default_pool_id, ..new.clone() }, directives, blocks)?.id.0)
        }
        Operation::UpdateVhost(which, patch, default) => {
            let id = vhost(change.tx, which)?;
            let default = default.as_ref().map(|pool| pool_or_none(change.tx, pool.as_ref())).transpose()?;
            let directives = patch.extra_directives.as_ref();
            let directives = directives.map(|text| snippet(context, text.as_deref())).transpose()?;
            let blocks = patch.extra_blocks.as_ref().map(|texts| blocks(context, texts)).transpose()?;
            let patch = VhostPatch { default_pool_id: default, ..patch.clone() };
            Ok(vhosts::edit(change, id, None, &patch, directives, blocks)?.id.0)
        }
        Operation::DeleteVhost(which) => {
            let id = vhost(change.tx, which)?;
            vhosts::remove(change, id, None).map(|()| id.0)
        }
        Operation::CreateRoute(of, new, to) => {
            let (of, pool_id) = (vhost(change.tx, of)?, pool(change.tx, to)?);
            let directives = snippet(context, new.extra_directives.as_deref().map(Snippet::ended).as_deref())?;
            let new = NewRoute { pool_id, ..new.clone() };
            let consent = Consent { allow_orphan: new.allow_orphan, allow_stale: new.allow_orphan };
            let before = serving(change.tx, of, [Some(&new.path_prefix), None])?;
            let made = routes::insert(change, of, &new, directives, Action::Create)?.view.route;
            note(change.tx, (index, of, true, consent), before, turns)?;
            Ok(made.id.0)
        }
        Operation::UpdateRoute(of, which, patch, to) => {
            let of = vhost(change.tx, of)?;
            let id = route(change.tx, of, which)?;
            let pool_id = to.as_ref().map(|to| pool(change.tx, to)).transpose()?;
            let directives = patch.extra_directives.as_ref();
            let ended = |text: &Option<String>| text.as_deref().map(Snippet::ended);
            let directives = directives.map(|text| snippet(context, ended(text).as_deref())).transpose()?;
            let patch = RoutePatch { pool_id, ..patch.clone() };
            let present = routes::find(change.tx, of, id)?;
            let before = serving(change.tx, of, [Some(&present.path_prefix), patch.path_prefix.as_ref()])?;
            routes::edit(change, of, id, None, &patch, directives)?;
            note(change.tx, (index, of, false, patch.consent), before, turns)?;
            Ok(id.0)
        }
        Operation::DeleteRoute(of, which, consent) => {
            let of = vhost(change.tx, of)?;
            let id = route(change.tx, of, which)?;
            let present = routes::find(change.tx, of, id)?;
            let before = serving(change.tx, of, [Some(&present.path_prefix), None])?;
            routes::remove(change, of, id, None, Action::Delete)?;
            note(change.tx, (index, of, false, *consent), before, turns)?;
            Ok(id.0)
        }
    }
}

type Served = Vec<(PathPrefix, Option<Serving>)>;

/// Who serves these prefixes now.
fn serving(tx: &mut dyn Tx, vhost: VhostId, prefixes: [Option<&PathPrefix>; 2]) -> Result<Served, ServiceError> {
    let prefixes = prefixes.into_iter().flatten();
    prefixes.map(|prefix| Ok((prefix.clone(), guard::serving(tx, vhost, prefix)?))).collect()
}

/// Writes down which of these prefixes another pool serves by now.
fn note(
    tx: &mut dyn Tx,
    (operation, vhost, first, consent): (usize, VhostId, bool, Consent),
    before: Served,
    turns: &mut Vec<Turn>,
) -> Result<(), ServiceError> {
    for (prefix, from) in before {
        let Some(from) = from else { continue };
        let after = guard::serving(tx, vhost, &prefix)?;
        if after.as_ref().is_some_and(|after| after.pool == from.pool) {
            continue;
        }
        let to = match after {
            Some(to) => guard::leftover(tx, to.pool, &prefix)?.map(|left| (to, left)),
            None => None,
        };
        turns.push(Turn { operation, prefix, from, to, first, consent });
    }
    Ok(())
}

fn snippet(context: &Context, text: Option<&str>) -> Result<Option<Snippet>, ServiceError> {
    text.map(|text| checked_snippet(&*context.gateway, "extra_directives", text)).transpose()
}

fn blocks(context: &Context, texts: &[(crate::domain::vhost::Zone, String)]) -> Result<Vec<ExtraBlock>, ServiceError> {
    let checked = |(zone, text): &(_, String)| {
        Ok(ExtraBlock { zone: *zone, content: checked_snippet(&*context.gateway, "extra_blocks", text)? })
    };
    texts.iter().map(checked).collect()
}

fn nobody(noun: &str, name: impl std::fmt::Display) -> ServiceError {
    ServiceError::Missing(format!("no {noun} named {name}"))
}

fn pool(tx: &mut dyn Tx, which: &Reference) -> Result<PoolId, ServiceError> {
    match which {
        Reference::Id(id) => Ok(pools::find(tx, PoolId(*id))?.id),
        Reference::Name(name) => Ok(tx.pool_named(name)?.ok_or_else(|| nobody("pool", name))?.id),
    }
}

fn pool_or_none(tx: &mut dyn Tx, which: Option<&Reference>) -> Result<Option<PoolId>, ServiceError> {
    which.map(|which| pool(tx, which)).transpose()
}

fn vhost(tx: &mut dyn Tx, which: &Reference) -> Result<VhostId, ServiceError> {
    match which {
        Reference::Id(id) => Ok(vhosts::find(tx, VhostId(*id))?.id),
        Reference::Name(name) => {
            let found = tx.vhost_named(&name.to_ascii_lowercase())?;
            Ok(found.ok_or_else(|| nobody("vhost", name))?.id)
        }
    }
}

fn member(tx: &mut dyn Tx, of: PoolId, which: &Reference) -> Result<MemberId, ServiceError> {
    let name = match which {
        Reference::Id(id) => return Ok(members::find(tx, of, MemberId(*id))?.1.id),
        Reference::Name(name) => name,
    };
    let mut found = tx.members(of)?.into_iter().filter(|member| member.address.as_str() == name);
    match (found.next(), found.next()) {
        (Some(member), None) => Ok(member.id),
        (None, _) => Err(nobody("member", name)),
        (Some(_), Some(_)) => {
            Err(ServiceError::Conflict(format!("several members have the address {name}; name one by its id")))
        }
    }
}

fn route(tx: &mut dyn Tx, of: VhostId, which: &Reference) -> Result<RouteId, ServiceError> {
    match which {
        Reference::Id(id) => Ok(routes::find(tx, of, RouteId(*id))?.id),
        Reference::Name(name) => {
            let canonical = if name == "/" { "/" } else { name.trim_end_matches('/') };
            Ok(tx.route_at(of, canonical)?.ok_or_else(|| nobody("route", name))?.id)
        }
    }
}
