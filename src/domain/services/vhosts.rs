//! Vhosts, and the automatic route `/` to their default pool.

use super::files::gated;
use super::publish::Change;
use super::{Context, ServiceError, checked_snippet, expect_revision, lost_place, pools};
use crate::domain::audit::{Action, Actor, Snapshot, Subject};
use crate::domain::gateway::{FileName, ManagedFile, Server};
use crate::domain::ids::{EntityKind, PoolId, Revision, RouteId, VhostId};
use crate::domain::page::{Page, Window};
use crate::domain::pool::{Pool, PoolKind};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Vhost, Zone};
use crate::ports::gateway::Rendered;
use crate::ports::store::Tx;

/// A vhost to be made.
#[derive(Debug, Clone)]
pub struct NewVhost {
    /// The name it answers to.
    pub server_name: ServerName,
    /// Its port.
    pub listen_port: Port,
    /// TLS on that port.
    pub ssl: bool,
    /// Certificate chain.
    pub ssl_certificate: Option<PemPath>,
    /// Private key.
    pub ssl_certificate_key: Option<PemPath>,
    /// Raw directives, not checked yet.
    pub extra_directives: Option<String>,
    /// Raw directives by zone, not checked yet.
    pub extra_blocks: Vec<(Zone, String)>,
    /// Whether nginx serves it.
    pub enabled: bool,
    /// Who serves a bucket without a route.
    pub default_pool_id: Option<PoolId>,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
}

/// What to change of a vhost. `None` leaves a field, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VhostPatch {
    /// The name it answers to.
    pub server_name: Option<ServerName>,
    /// Its port.
    pub listen_port: Option<Port>,
    /// TLS on that port.
    pub ssl: Option<bool>,
    /// Certificate chain.
    pub ssl_certificate: Option<Option<PemPath>>,
    /// Private key.
    pub ssl_certificate_key: Option<Option<PemPath>>,
    /// Raw directives, not checked yet.
    pub extra_directives: Option<Option<String>>,
    /// Raw directives by zone, not checked yet; an empty list clears.
    pub extra_blocks: Option<Vec<(Zone, String)>>,
    /// Whether nginx serves it.
    pub enabled: Option<bool>,
    /// Who serves a bucket without a route.
    pub default_pool_id: Option<Option<PoolId>>,
    /// Allow or deny; cleared: everybody may connect.
    pub ip_rule_mode: Option<Option<IpRuleMode>>,
    /// The addresses of the rule.
    pub ip_rule_ips: Option<Option<Vec<IpRange>>>,
    /// The default pool may change although buckets on the old one stay behind.
    pub allow_orphan: bool,
}

/// Use cases about vhosts.
#[derive(Clone)]
pub struct Vhosts {
    context: Context,
}

impl Vhosts {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// All vhosts by server name.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<Vhost>, ServiceError> {
        self.context.store.read(|tx| Ok(tx.vhosts()?)).await
    }

    /// A part of the list of vhosts.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] when the place where it begins cannot be known.
    pub async fn page(&self, window: Window<VhostId, ServerName>) -> Result<Page<Vhost>, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            let name = |id: VhostId| match tx.vhost(id)? {
                Some(vhost) => Ok(vhost.server_name),
                None => Err(lost_place("vhost", id, "server_name")),
            };
            let after = window.after.map(|seen| seen.key_or(name)).transpose()?;
            let vhosts = tx.vhosts_after(after.as_ref(), Page::<Vhost>::reach(window.limit))?;
            Ok(Page::cut(vhosts, window.limit))
        };
        self.context.store.read(read).await
    }

    /// One vhost.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn get(&self, id: VhostId) -> Result<Vhost, ServiceError> {
        self.context.store.read(move |tx| find(tx, id)).await
    }

    /// The server block as it would be written, whether the vhost is enabled or not.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn preview(&self, id: VhostId) -> Result<Rendered, ServiceError> {
        let server = self.context.store.read(move |tx| desired(tx, id)).await?;
        Ok(self.context.gateway.render(&ManagedFile::Server(server.into())))
    }

    /// Makes a vhost and, with a default pool, its route `/`.
    ///
    /// # Errors
    /// A taken name, a missing certificate, an unknown pool, or what nginx refuses.
    pub async fn create(&self, actor: Actor, new: NewVhost) -> Result<Vhost, ServiceError> {
        let gateway = self.context.gateway.clone();
        let directives = new.extra_directives.as_deref();
        let directives = directives.map(|text| checked_snippet(&*gateway, "extra_directives", text)).transpose()?;
        let blocks = self.checked_blocks(&new.extra_blocks)?;
        let make = move |change: &mut Change<'_>| insert(change, &new, directives.clone(), blocks.clone());
        self.context.publisher.change(actor, make).await
    }

    /// Changes a vhost; a change of nothing is not a change.
    ///
    /// # Errors
    /// As [`Vhosts::create`]; a default pool of another type than the routes' pools; a change of the
    /// default pool that would leave buckets behind, unless that is allowed.
    pub async fn update(
        &self,
        actor: Actor,
        id: VhostId,
        expected: Option<Revision>,
        patch: VhostPatch,
    ) -> Result<Vhost, ServiceError> {
        let gateway = self.context.gateway.clone();
        let snippet = |text: &String| checked_snippet(&*gateway, "extra_directives", text);
        let directives = match &patch.extra_directives {
            Some(Some(text)) => Some(Some(snippet(text)?)),
            Some(None) => Some(None),
            None => None,
        };
        let blocks = patch.extra_blocks.as_ref().map(|blocks| self.checked_blocks(blocks)).transpose()?;
        let edit =
            move |change: &mut Change<'_>| edit(change, id, expected, &patch, directives.clone(), blocks.clone());
        self.context.publisher.change(actor, edit).await
    }

    /// Removes a vhost that has no route other than the automatic one.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] while it has routes.
    pub async fn delete(&self, actor: Actor, id: VhostId, expected: Option<Revision>) -> Result<(), ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| remove(change, id, expected)).await
    }

    fn checked_blocks(&self, blocks: &[(Zone, String)]) -> Result<Vec<ExtraBlock>, ServiceError> {
        let checked = |(zone, text): &(Zone, String)| {
            let content = checked_snippet(&*self.context.gateway, "extra_blocks", text)?;
            Ok(ExtraBlock { zone: *zone, content })
        };
        blocks.iter().map(checked).collect()
    }
}

/// Makes a vhost, as a part of a change. Its raw directives are those that were checked, not those of `new`.
///
/// # Errors
/// As [`Vhosts::create`].
pub(super) fn insert(
    change: &mut Change<'_>,
    new: &NewVhost,
    extra_directives: Option<Snippet>,
    extra_blocks: Vec<ExtraBlock>,
) -> Result<Vhost, ServiceError> {
    let (tx, now) = (&mut *change.tx, change.now);
    expect_free_name(tx, &new.server_name, None)?;
    let vhost = new_vhost(tx, new, extra_directives, extra_blocks, now)?;
    if let Some(fault) = vhost.tls_fault() {
        return Err(ServiceError::Refused(fault.to_owned()));
    }
    if let Some(pool) = vhost.default_pool_id {
        default_pool(tx, pool)?;
    }
    let vhost = tx.save_vhost(vhost)?;
    change.touch_vhost(vhost.id);
    change.audit(Action::Create, subject(vhost.id), None, Some(Snapshot::Vhost(vhost.clone())))?;
    set_default_route(change, &vhost)?;
    Ok(vhost)
}

/// Changes a vhost, as a part of a change. Its raw directives become those that were checked, not those of `patch`.
///
/// # Errors
/// As [`Vhosts::update`].
pub(super) fn edit(
    change: &mut Change<'_>,
    id: VhostId,
    expected: Option<Revision>,
    patch: &VhostPatch,
    extra_directives: Option<Option<Snippet>>,
    extra_blocks: Option<Vec<ExtraBlock>>,
) -> Result<Vhost, ServiceError> {
    let before = find(change.tx, id)?;
    expect_revision("Vhost", expected, before.revision)?;
    let after = patched(before.clone(), patch, extra_directives, extra_blocks)?;
    if after == before {
        return Ok(before);
    }
    check_change(change.tx, &before, &after, patch.allow_orphan)?;
    let saved = change.tx.save_vhost(Vhost { updated_at: change.now, ..after })?;
    if saved.server_name != before.server_name {
        change.retire(FileName::Server(before.server_name.clone()));
    }
    change.touch_vhost(id);
    let (old, new) = (Snapshot::Vhost(before), Snapshot::Vhost(saved.clone()));
    change.audit(Action::Update, subject(id), Some(old), Some(new))?;
    set_default_route(change, &saved)?;
    Ok(saved)
}

/// Removes a vhost, as a part of a change.
///
/// # Errors
/// As [`Vhosts::delete`].
pub(super) fn remove(change: &mut Change<'_>, id: VhostId, expected: Option<Revision>) -> Result<(), ServiceError> {
    let vhost = find(change.tx, id)?;
    expect_revision("Vhost", expected, vhost.revision)?;
    let routes = change.tx.routes(id)?;
    let own = routes.iter().filter(|route| !route.path_prefix.is_root()).count();
    if own > 0 {
        return Err(ServiceError::Conflict(format!(
            "Vhost '{}' still has {own} route(s); delete them first",
            vhost.server_name
        )));
    }
    for bucket in change.tx.buckets(id)? {
        change.remember(Some(Snapshot::Bucket(bucket)), None)?;
    }
    change.tx.delete_vhost(id)?;
    change.touch_vhost(id);
    change.retire(FileName::Server(vhost.server_name.clone()));
    change.audit(Action::Delete, subject(id), Some(Snapshot::Vhost(vhost)), None)?;
    Ok(())
}

pub(super) fn find(tx: &mut dyn Tx, id: VhostId) -> Result<Vhost, ServiceError> {
    tx.vhost(id)?.ok_or(ServiceError::NotFound("Vhost"))
}

/// The server block of a vhost, as if it were enabled.
pub(super) fn desired(tx: &mut dyn Tx, id: VhostId) -> Result<Server, ServiceError> {
    let vhost = Vhost { enabled: true, ..find(tx, id)? };
    let routes = tx.routes(id)?;
    let pools = tx.pool_refs()?;
    Server::of(&vhost, &routes, &pools, &gated(tx)?).ok_or(ServiceError::NotFound("Vhost"))
}

fn subject(id: VhostId) -> Subject {
    Subject::Entity(EntityKind::Vhost, id.0)
}

fn new_vhost(
    tx: &mut dyn Tx,
    new: &NewVhost,
    extra_directives: Option<Snippet>,
    extra_blocks: Vec<ExtraBlock>,
    now: crate::domain::time::Timestamp,
) -> Result<Vhost, ServiceError> {
    let new = new.clone();
    Ok(Vhost {
        id: VhostId(tx.next_id(EntityKind::Vhost)?),
        revision: Revision::NEW,
        server_name: new.server_name,
        listen_port: new.listen_port,
        ssl: new.ssl,
        ssl_certificate: new.ssl_certificate,
        ssl_certificate_key: new.ssl_certificate_key,
        extra_directives,
        extra_blocks,
        enabled: new.enabled,
        default_pool_id: new.default_pool_id,
        ip_rules: new.ip_rules,
        created_at: now,
        updated_at: now,
    })
}

fn patched(
    mut vhost: Vhost,
    patch: &VhostPatch,
    extra_directives: Option<Option<Snippet>>,
    extra_blocks: Option<Vec<ExtraBlock>>,
) -> Result<Vhost, ServiceError> {
    let patch = patch.clone();
    vhost.ip_rules = patched_rules(vhost.ip_rules, patch.ip_rule_mode, patch.ip_rule_ips)?;
    vhost.server_name = patch.server_name.unwrap_or(vhost.server_name);
    vhost.listen_port = patch.listen_port.unwrap_or(vhost.listen_port);
    vhost.ssl = patch.ssl.unwrap_or(vhost.ssl);
    vhost.ssl_certificate = patch.ssl_certificate.unwrap_or(vhost.ssl_certificate);
    vhost.ssl_certificate_key = patch.ssl_certificate_key.unwrap_or(vhost.ssl_certificate_key);
    vhost.extra_directives = extra_directives.unwrap_or(vhost.extra_directives);
    vhost.extra_blocks = extra_blocks.unwrap_or(vhost.extra_blocks);
    vhost.enabled = patch.enabled.unwrap_or(vhost.enabled);
    vhost.default_pool_id = patch.default_pool_id.unwrap_or(vhost.default_pool_id);
    Ok(vhost)
}

/// Merges mode and addresses, which a client may send apart. Never ends in an empty allow list.
fn patched_rules(
    present: Option<IpRules>,
    mode: Option<Option<IpRuleMode>>,
    ips: Option<Option<Vec<IpRange>>>,
) -> Result<Option<IpRules>, ServiceError> {
    let (old_mode, old_ips) = match present {
        Some(rules) => (Some(rules.mode), rules.ranges),
        None => (None, Vec::new()),
    };
    let ips_given = ips.as_ref().is_some_and(|ips| ips.as_ref().is_some_and(|list| !list.is_empty()));
    let ips = ips.map_or(old_ips, Option::unwrap_or_default);
    match mode.unwrap_or(old_mode) {
        Some(mode) => IpRules::new(mode, ips).map(Some).map_err(|invalid| ServiceError::Refused(invalid.to_string())),
        None if ips_given => Err(ServiceError::Refused(
            "ip_rule_ips without ip_rule_mode would restrict nobody; set ip_rule_mode to allow or deny".to_owned(),
        )),
        None => Ok(None),
    }
}

fn check_change(tx: &mut dyn Tx, before: &Vhost, after: &Vhost, allow_orphan: bool) -> Result<(), ServiceError> {
    if after.server_name != before.server_name {
        expect_free_name(tx, &after.server_name, Some(before.id))?;
    }
    if let Some(fault) = after.tls_fault() {
        return Err(ServiceError::Refused(fault.to_owned()));
    }
    if after.default_pool_id == before.default_pool_id {
        return Ok(());
    }
    if let Some(new) = after.default_pool_id {
        let pool = default_pool(tx, new)?;
        expect_same_kind(tx, after.id, &pool)?;
    }
    let old = before.default_pool_id.map(|old| tx.pool(old)).transpose()?.flatten();
    match old {
        Some(old) if old.kind == PoolKind::Nanio && !allow_orphan => Err(ServiceError::Conflict(format!(
            "every bucket without a route of its own is on pool {}, and clients would no longer see it; \
             repeat with allow_orphan=true if that is meant",
            old.name
        ))),
        _ => Ok(()),
    }
}

fn expect_free_name(tx: &mut dyn Tx, name: &ServerName, own: Option<VhostId>) -> Result<(), ServiceError> {
    match tx.vhost_named(name.as_str())? {
        Some(other) if Some(other.id) != own => {
            Err(ServiceError::Conflict(format!("Vhost '{}' already exists", other.server_name)))
        }
        _ => Ok(()),
    }
}

fn default_pool(tx: &mut dyn Tx, id: PoolId) -> Result<Pool, ServiceError> {
    match pools::find(tx, id) {
        Err(ServiceError::NotFound(_)) => {
            Err(ServiceError::Rejected(format!("default_pool_id: pool {id} does not exist")))
        }
        other => other,
    }
}

pub(super) fn expect_same_kind(tx: &mut dyn Tx, vhost: VhostId, default: &Pool) -> Result<(), ServiceError> {
    let refs = tx.pool_refs()?;
    let other = tx.route_pool_ids(vhost)?.into_iter().filter_map(|id| refs.get(&id)).find(|p| p.kind != default.kind);
    match other {
        Some(pool) => Err(ServiceError::Rejected(format!(
            "default pool {} is of type {}, but a route uses pool {} of type {}: one vhost serves one type",
            default.name,
            default.kind.as_str(),
            pool.name,
            pool.kind.as_str()
        ))),
        None => Ok(()),
    }
}

/// Makes the route `/` say what `default_pool_id` says.
pub(super) fn set_default_route(change: &mut Change<'_>, vhost: &Vhost) -> Result<(), ServiceError> {
    let present = change.tx.route_at(vhost.id, "/")?;
    let route_subject = |id: RouteId| Subject::Entity(EntityKind::Route, id.0);
    match (present, vhost.default_pool_id) {
        (Some(route), Some(pool)) if route.pool_id != pool => {
            let saved = change.tx.save_route(Route { pool_id: pool, updated_at: change.now, ..route.clone() })?;
            let (old, new) = (Snapshot::Route(route), Snapshot::Route(saved.clone()));
            change.audit(Action::Update, route_subject(saved.id), Some(old), Some(new))?;
        }
        (None, Some(pool)) => {
            let route = Route {
                id: RouteId(change.tx.next_id(EntityKind::Route)?),
                revision: Revision::NEW,
                vhost_id: vhost.id,
                path_prefix: PathPrefix::root(),
                pool_id: pool,
                key_prefix: None,
                extra_directives: None,
                enabled: true,
                created_at: change.now,
                updated_at: change.now,
            };
            let saved = change.tx.save_route(route)?;
            change.audit(Action::Create, route_subject(saved.id), None, Some(Snapshot::Route(saved.clone())))?;
        }
        (Some(route), None) => {
            change.tx.delete_route(route.id)?;
            change.audit(Action::Delete, route_subject(route.id), Some(Snapshot::Route(route)), None)?;
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    Ok(())
}
