//! `/api/pools`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{Changing, Failure, Finding, Making, Removing, Searching};
use super::fields::{Fields, Request};
use super::paging::{self, Listed};
use super::params::{IfMatch, IfNoneMatch, Limit, Path, Query};
use super::reply::{Gone, Made, Saved, Tag, Tagged};
use super::schema::view;
use crate::domain::ids::PoolId;
use crate::domain::pool::{Keepalive, LbMethod, Pool, PoolKind, PoolName};
use crate::domain::services::Services;
use crate::domain::services::pools::{NewPool, PoolPatch};

view! {
    /// A named group of storage nodes.
    PoolView as "Pool" {
        /// Its identity; never given again.
        id: i64,
        /// Its name: that of its nginx upstream and of its file.
        name: String,
        /// Free text.
        description: Option<String>,
        /// What its nodes speak.
        r#type: PoolKind,
        /// How nginx chooses a member.
        lb_method: LbMethod,
        /// Idle upstream connections that a worker keeps.
        keepalive: i64,
        /// The nanio pool whose files an http pool serves.
        source_nanio_pool_id: Option<i64>,
        /// When it was made, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it was last changed, UTC.
        updated_at: String,
        /// Changed how often; the `ETag` holds it too.
        revision: i64,
    }
}

impl From<Pool> for PoolView {
    fn from(pool: Pool) -> Self {
        Self {
            id: pool.id.0,
            name: pool.name.as_str().to_owned(),
            description: pool.description,
            r#type: pool.kind,
            lb_method: pool.lb_method,
            keepalive: pool.keepalive.get(),
            source_nanio_pool_id: pool.source_nanio_pool_id.map(|id| id.0),
            created_at: pool.created_at.sql(),
            updated_at: pool.updated_at.sql(),
            revision: pool.revision.0,
        }
    }
}

const NAME: &str = "1–128 letters, digits, `.`, `_` and `-`; unique without regard to case.";
const DESCRIPTION: &str = "Free text.";
const TYPE: &str = "What the nodes speak: `nanio` (S3 over shared storage) or `http` (plain files, read only).";
const LB_METHOD: &str = "How nginx chooses a member.";
const KEEPALIVE: &str = "Idle upstream connections that a worker keeps. nginx refuses 0.";
const SOURCE: &str = "The nanio pool whose files this http pool serves.";

impl Request for NewPool {
    const NAME: &'static str = "NewPool";
    const ABOUT: &'static str = "A pool to be made.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", NAME);
        let description = fields.clearable("description", DESCRIPTION).flatten();
        let kind = fields.defaulted("type", TYPE, PoolKind::Nanio, "nanio");
        let lb_method = fields.defaulted("lb_method", LB_METHOD, LbMethod::LeastConn, "least_conn");
        let keepalive = fields.defaulted("keepalive", KEEPALIVE, Keepalive::default(), 32);
        let source_nanio_pool_id = fields.clearable("source_nanio_pool_id", SOURCE).flatten();
        if fields.sound() && source_nanio_pool_id.is_some() && kind == Some(PoolKind::Nanio) {
            fields.refuse("source_nanio_pool_id can only be set on http pools");
        }
        Some(Self {
            name: name?,
            description,
            kind: kind?,
            lb_method: lb_method?,
            keepalive: keepalive?,
            source_nanio_pool_id,
        })
    }
}

impl Request for PoolPatch {
    const NAME: &'static str = "PoolPatch";
    const ABOUT: &'static str =
        "What to change of a pool. A field that is not given stays; `null` clears a field that can be empty.";

    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            name: fields.given("name", NAME),
            description: fields.clearable("description", DESCRIPTION),
            kind: fields.given("type", TYPE),
            lb_method: fields.given("lb_method", LB_METHOD),
            keepalive: fields.given("keepalive", KEEPALIVE),
            source_nanio_pool_id: fields.clearable("source_nanio_pool_id", SOURCE),
        })
    }
}

fn tag(pool: &Pool) -> Tag {
    Tag::of(pool.revision)
}

/// The operations on pools.
pub struct PoolsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Pools")]
impl PoolsApi {
    /// List pools
    ///
    /// By name: all of them or, with `limit` or `after`, a page. Follow its `Link` to the next one.
    #[oai(path = "/pools", method = "get", operation_id = "list_pools")]
    async fn list(
        &self,
        _caller: Caller,
        /// At most so many.
        limit: Query<Limit>,
        /// Those after the pool with this id: the last one seen. 100, unless `limit` is given.
        after: Query<PoolId>,
        /// The name that it had: then it may have been renamed or deleted since.
        after_key: Query<String>,
    ) -> Result<Listed<PoolView>, Failure<Searching>> {
        let Some(window) = paging::window(limit, after, after_key, PoolName::parse)? else {
            return Ok(Listed::whole(self.0.pools.list().await?));
        };
        let limit = window.limit;
        let page = self.0.pools.page(window).await?;
        Ok(Listed::page(page, "/api/pools", limit, |pool: &Pool| (pool.id.0, Some(pool.name.as_str()))))
    }

    /// Create a pool
    ///
    /// It has no members yet, so nginx knows nothing of it.
    #[oai(path = "/pools", method = "post", operation_id = "create_pool")]
    async fn create(&self, caller: Caller, new: JsonBody<NewPool>) -> Result<Made<PoolView>, Failure<Making>> {
        let pool = self.0.pools.create(caller.0, new.0).await?;
        let tag = tag(&pool);
        Ok(Made(pool.into(), tag))
    }

    /// Get a pool
    ///
    /// With its `ETag`.
    #[oai(path = "/pools/:pool_id", method = "get", operation_id = "get_pool")]
    async fn get(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// Answer 304 if this is still its `ETag`.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatch,
    ) -> Result<Tagged<PoolView>, Failure<Finding>> {
        let pool = self.0.pools.get(pool_id.0).await?;
        Ok(if_none_match.answer(tag(&pool), pool))
    }

    /// Change a pool
    ///
    /// Fields that are not given stay; `null` clears `description` and `source_nanio_pool_id`. A change of
    /// nothing is answered with the pool as it is. A new name moves the pool's file.
    #[oai(path = "/pools/:pool_id", method = "put", operation_id = "update_pool")]
    async fn update(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// Change it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        patch: JsonBody<PoolPatch>,
    ) -> Result<Saved<PoolView>, Failure<Changing>> {
        let pool = self.0.pools.update(caller.0, pool_id.0, if_match.0, patch.0).await?;
        let tag = tag(&pool);
        Ok(Saved(pool.into(), tag))
    }

    /// Delete a pool
    ///
    /// With its members. 409 while a vhost, a route or another pool uses it.
    #[oai(path = "/pools/:pool_id", method = "delete", operation_id = "delete_pool")]
    async fn delete(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// Delete it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
    ) -> Result<Gone, Failure<Removing>> {
        self.0.pools.delete(caller.0, pool_id.0, if_match.0).await?;
        Ok(Gone)
    }
}
