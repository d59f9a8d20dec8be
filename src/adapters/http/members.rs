//! `/api/pools/{pool_id}/members`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{Changing, Failure, Finding, Making, Removing};
use super::fields::{Fields, Request};
use super::paging::{self, Listed};
use super::params::{IfMatch, IfNoneMatch, Limit, Path, Query};
use super::reply::{Gone, Made, Saved, Tag, Tagged};
use super::schema::view;
use crate::domain::ids::{MemberId, PoolId};
use crate::domain::pool::{FailTimeout, MaxFails, Member, Role, Weight};
use crate::domain::reachability::Standing;
use crate::domain::services::Services;
use crate::domain::services::members::{MemberPatch, NewMember};
use crate::domain::time::Timestamp;

view! {
    /// One storage node of a pool.
    MemberView as "Member" {
        /// Its identity; never given again.
        id: i64,
        /// The pool it belongs to.
        pool_id: i64,
        /// Where it listens.
        address: String,
        /// The part it plays.
        role: Role,
        /// Its share of the requests.
        weight: i64,
        /// Failures until it is left out; 0: never.
        max_fails: i64,
        /// Seconds in which failures count, and for which it is left out.
        fail_timeout_s: i64,
        /// False takes it out of nginx.
        enabled: bool,
        /// When it was made, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it was last changed, UTC.
        updated_at: String,
        /// Changed how often; the `ETag` holds it too.
        revision: i64,
        /// Whether it answers the orchestrator; null: not known yet. Nothing acts on it.
        reachable: Option<bool>,
        /// When that became certain, UTC.
        reachable_since: Option<String>,
        /// What was wrong then, if it does not answer.
        unreachable_because: Option<String>,
    }
}

/// A member and what is known of it.
type Watched = (Member, Standing);

impl From<Watched> for MemberView {
    fn from((member, standing): Watched) -> Self {
        let (reachable, since, why) = match standing {
            Standing::Unknown => (None, None, None),
            Standing::Reachable { since } => (Some(true), Some(since), None),
            Standing::Unreachable { since, why } => (Some(false), Some(since), Some(why)),
        };
        Self {
            id: member.id.0,
            pool_id: member.pool_id.0,
            address: member.address.as_str().to_owned(),
            role: member.role,
            weight: member.weight.get(),
            max_fails: member.max_fails.get(),
            fail_timeout_s: member.fail_timeout_s.get(),
            enabled: member.enabled,
            created_at: member.created_at.sql(),
            updated_at: member.updated_at.sql(),
            revision: member.revision.0,
            reachable,
            reachable_since: since.map(Timestamp::sql),
            unreachable_because: why,
        }
    }
}

const ADDRESS: &str = "`host:port`, `[IPv6]:port` or `unix:/path/to/socket`.";
const ROLE: &str = "`active` in nanio pools; `primary` or `replica` (used when no primary can serve) in http pools.";
const WEIGHT: &str = "Its share of the requests.";
const MAX_FAILS: &str = "Failures until it is left out; 0: never.";
const FAIL_TIMEOUT: &str = "Seconds in which failures count, and for which it is left out.";
const ENABLED: &str = "False takes it out of nginx.";

impl Request for NewMember {
    const NAME: &'static str = "NewMember";
    const ABOUT: &'static str = "A member to be added to a pool.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let address = fields.required("address", ADDRESS);
        let role = fields.defaulted("role", ROLE, Role::Active, "active");
        let weight = fields.defaulted("weight", WEIGHT, Weight::default(), 1);
        let max_fails = fields.defaulted("max_fails", MAX_FAILS, MaxFails::default(), 3);
        let fail_timeout_s = fields.defaulted("fail_timeout_s", FAIL_TIMEOUT, FailTimeout::default(), 30);
        let enabled = fields.defaulted("enabled", ENABLED, true, true);
        Some(Self {
            address: address?,
            role: role?,
            weight: weight?,
            max_fails: max_fails?,
            fail_timeout_s: fail_timeout_s?,
            enabled: enabled?,
        })
    }
}

impl Request for MemberPatch {
    const NAME: &'static str = "MemberPatch";
    const ABOUT: &'static str = "What to change of a member. A field that is not given, or `null`, stays.";

    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            address: fields.given("address", ADDRESS),
            role: fields.given("role", ROLE),
            weight: fields.given("weight", WEIGHT),
            max_fails: fields.given("max_fails", MAX_FAILS),
            fail_timeout_s: fields.given("fail_timeout_s", FAIL_TIMEOUT),
            enabled: fields.given("enabled", ENABLED),
        })
    }
}

fn tag((member, standing): &Watched) -> Tag {
    match standing {
        Standing::Unknown => Tag::of(member.revision),
        Standing::Reachable { since } => Tag::with(member.revision, &format!("up-{}", since.unix())),
        Standing::Unreachable { since, .. } => Tag::with(member.revision, &format!("down-{}", since.unix())),
    }
}

/// The operations on members.
pub struct MembersApi(pub Arc<Services>);

impl MembersApi {
    fn watched(&self, member: Member) -> Watched {
        let standing = self.0.reachability.standing(&member);
        (member, standing)
    }
}

#[OpenApi(tag = "Group::Members")]
impl MembersApi {
    /// List the members of a pool
    ///
    /// By id: all of them or, with `limit` or `after`, a page. Follow its `Link` to the next one.
    #[oai(path = "/pools/:pool_id/members", method = "get", operation_id = "list_members")]
    async fn list(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// At most so many.
        limit: Query<Limit>,
        /// Those after the member with this id: the last one seen, deleted or not. 100, unless `limit` is given.
        after: Query<MemberId>,
    ) -> Result<Listed<MemberView>, Failure<Finding>> {
        let Some((limit, after)) = paging::part(limit, after)? else {
            let members = self.0.members.list(pool_id.0).await?;
            return Ok(Listed::whole(members.into_iter().map(|member| self.watched(member)).collect()));
        };
        let page = self.0.members.page(pool_id.0, after, limit).await?.map(|member| self.watched(member));
        let path = format!("/api/pools/{}/members", pool_id.0);
        Ok(Listed::page(page, &path, limit, |(member, _): &Watched| (member.id.0, None)))
    }

    /// Add a member to a pool
    ///
    /// Writes the pool's file, after nginx has accepted it.
    #[oai(path = "/pools/:pool_id/members", method = "post", operation_id = "create_member")]
    async fn create(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        new: JsonBody<NewMember>,
    ) -> Result<Made<MemberView>, Failure<Making>> {
        let member = self.watched(self.0.members.create(caller.0, pool_id.0, new.0).await?);
        let tag = tag(&member);
        Ok(Made(member.into(), tag))
    }

    /// Get a member
    ///
    /// With its `ETag`.
    #[oai(path = "/pools/:pool_id/members/:member_id", method = "get", operation_id = "get_member")]
    async fn get(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The member.
        member_id: Path<MemberId>,
        /// Answer 304 if this is still its `ETag`.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatch,
    ) -> Result<Tagged<MemberView>, Failure<Finding>> {
        let member = self.watched(self.0.members.get(pool_id.0, member_id.0).await?);
        Ok(if_none_match.answer(tag(&member), member))
    }

    /// Change a member
    ///
    /// Fields that are not given, or `null`, stay.
    #[oai(path = "/pools/:pool_id/members/:member_id", method = "put", operation_id = "update_member")]
    async fn update(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The member.
        member_id: Path<MemberId>,
        /// Change it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        patch: JsonBody<MemberPatch>,
    ) -> Result<Saved<MemberView>, Failure<Changing>> {
        let updated = self.0.members.update(caller.0, pool_id.0, member_id.0, if_match.0, patch.0).await?;
        let member = self.watched(updated);
        let tag = tag(&member);
        Ok(Saved(member.into(), tag))
    }

    /// Remove a member from its pool
    ///
    /// 422 for the last enabled member of a pool that nginx needs.
    #[oai(path = "/pools/:pool_id/members/:member_id", method = "delete", operation_id = "delete_member")]
    async fn delete(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The member.
        member_id: Path<MemberId>,
        /// Remove it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
    ) -> Result<Gone, Failure<Removing>> {
        self.0.members.delete(caller.0, pool_id.0, member_id.0, if_match.0).await?;
        Ok(Gone)
    }
}
