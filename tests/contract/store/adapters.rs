//! How each adapter is opened for one test, and the rows that the tests share.

use std::any::Any;
use std::sync::Arc;

use nanio_orchestrator::adapters::fake::store::FakeStore;
use nanio_orchestrator::adapters::store::{PostgresStore, SqliteStore};
use nanio_orchestrator::domain::ids::{EntityKind, MemberId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, Pool, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::{PathPrefix, Route};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::{Port, ServerName, Vhost};
use nanio_orchestrator::ports::store::{Store, StoreError, Transactions, Tx};

use crate::support::postgres::Server;

/// A store, and what must live as long as it.
pub struct Opened {
    pub store: Store,
    _place: Box<dyn Any + Send + Sync>,
}

fn opened(adapter: impl Transactions + 'static, place: impl Any + Send + Sync) -> Opened {
    Opened { store: Store::new(Arc::new(adapter)), _place: Box::new(place) }
}

pub async fn memory() -> Opened {
    opened(FakeStore::new(), ())
}

pub async fn sqlite() -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("gateway.db")).unwrap();
    opened(store, directory)
}

pub async fn postgres() -> Opened {
    let server = Server::shared().await;
    let store = PostgresStore::connect(&server.url(&server.database().await)).await.unwrap();
    opened(store, ())
}

/// Writes what cannot be refused.
pub async fn write<T: Send + 'static>(
    store: &Store,
    body: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(body).await.unwrap()
}

/// Reads what cannot be refused.
pub async fn read<T: Send + 'static>(
    store: &Store,
    body: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.read(body).await.unwrap()
}

/// A second of 2026.
pub fn at(second: i64) -> Timestamp {
    Timestamp::of(chrono::DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap())
}

pub fn a_pool(id: i64, name: &str) -> Pool {
    Pool {
        id: PoolId(id),
        revision: Revision::NEW,
        name: PoolName::parse(name).unwrap(),
        description: None,
        kind: PoolKind::Nanio,
        lb_method: LbMethod::LeastConn,
        keepalive: Keepalive::default(),
        source_nanio_pool_id: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn a_member(id: i64, pool: PoolId) -> Member {
    Member {
        id: MemberId(id),
        revision: Revision::NEW,
        pool_id: pool,
        address: Address::parse("10.0.0.1:9000").unwrap(),
        role: Role::Active,
        weight: Weight::default(),
        max_fails: MaxFails::default(),
        fail_timeout_s: FailTimeout::default(),
        enabled: true,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn a_vhost(id: i64, name: &str) -> Vhost {
    Vhost {
        id: VhostId(id),
        revision: Revision::NEW,
        server_name: ServerName::parse(name).unwrap(),
        listen_port: Port::default(),
        ssl: false,
        ssl_certificate: None,
        ssl_certificate_key: None,
        extra_directives: None,
        extra_blocks: Vec::new(),
        enabled: true,
        default_pool_id: None,
        ip_rules: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn a_route(id: i64, vhost: VhostId, prefix: &str, pool: PoolId) -> Route {
    Route {
        id: RouteId(id),
        revision: Revision::NEW,
        vhost_id: vhost,
        path_prefix: PathPrefix::stored(prefix).unwrap(),
        pool_id: pool,
        key_prefix: None,
        extra_directives: None,
        enabled: true,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// Saves a new pool under a new id.
pub fn add_pool(tx: &mut dyn Tx, name: &str) -> Result<Pool, StoreError> {
    let id = tx.next_id(EntityKind::Pool)?;
    tx.save_pool(a_pool(id, name))
}

/// Saves a new vhost under a new id.
pub fn add_vhost(tx: &mut dyn Tx, name: &str) -> Result<Vhost, StoreError> {
    let id = tx.next_id(EntityKind::Vhost)?;
    tx.save_vhost(a_vhost(id, name))
}

/// Saves a new route under a new id.
pub fn add_route(tx: &mut dyn Tx, vhost: VhostId, prefix: &str, pool: PoolId) -> Result<Route, StoreError> {
    let id = tx.next_id(EntityKind::Route)?;
    tx.save_route(a_route(id, vhost, prefix, pool))
}

/// Saves a new member under a new id.
pub fn add_member(tx: &mut dyn Tx, pool: PoolId) -> Result<Member, StoreError> {
    let id = tx.next_id(EntityKind::Member)?;
    tx.save_member(a_member(id, pool))
}
