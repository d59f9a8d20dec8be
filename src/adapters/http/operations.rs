//! `/api/config/changes`: several operations as one change.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::{Map, Value, json};

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{Failure, Making};
use super::fault::{Fault, Step};
use super::fields::{self, Field, Fields, Request};
use super::lax;
use super::reply::Shown;
use super::schema::{Described, inline, one_of, view};
use crate::domain::ids::PoolId;
use crate::domain::invalid::Invalid;
use crate::domain::services::Services;
use crate::domain::services::members::{MemberPatch, NewMember};
use crate::domain::services::operations::{Operation, Reference};
use crate::domain::services::pools::{NewPool, PoolPatch};
use crate::domain::services::routes::{Consent, NewRoute, RoutePatch};
use crate::domain::services::vhosts::{NewVhost, VhostPatch};

/// So many operations can be one change. A gateway as a whole is applied as a document.
const MOST: usize = 1000;
/// Stands for a pool that is given by its name, where a body is read as that of the single call.
const NAMED: PoolId = PoolId(0);

const OPS: &[&str] = &["create", "update", "delete"];
const RESOURCES: &[&str] = &["pool", "member", "vhost", "route"];

view! {
    /// What came of one operation.
    OutcomeView as "OperationOutcome" {
        /// Its place in the list, from 0.
        index: u64,
        /// What was done.
        op: String,
        /// To what kind of thing.
        resource: String,
        /// The identity of what was made, changed or removed.
        id: i64,
    }
}

view! {
    /// What came of all operations.
    ChangesView as "OperationOutcomes" {
        /// In the order in which they were asked for.
        operations: Vec<OutcomeView>,
    }
}

/// Operations to be done as one change.
struct Changes(Vec<Asked>);

/// One of them, and in which words it was asked for.
struct Asked {
    op: Word,
    resource: Word,
    operation: Operation,
}

impl Request for Changes {
    const NAME: &'static str = "Changes";
    const ABOUT: &'static str = "Operations that are done together or not at all.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let operations = fields.required::<Vec<Asked>>(
            "operations",
            "At most 1,000, in the order in which they are done. A later one may name what an earlier one makes.",
        )?;
        if operations.len() > MOST {
            fields.refuse_field("operations", "more than 1,000 operations: apply a document (POST /api/config/apply)");
        }
        Some(Self(operations))
    }
}

/// A word of a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word(&'static str);

impl Word {
    fn of(known: &'static [&'static str], value: &Value) -> Result<Self, Vec<Fault>> {
        let word = known.iter().find(|word| value.as_str() == Some(**word));
        word.map(|word| Self(word)).ok_or_else(|| vec![Fault::of(&Invalid::Unknown { known }, value)])
    }
}

macro_rules! word {
    ($name:ident, $known:ident) => {
        struct $name(Word);

        impl Described for $name {
            fn schema() -> MetaSchemaRef {
                one_of($known)
            }
        }

        impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                Word::of($known, value).map(Self)
            }
        }
    };
}
word!(Op, OPS);
word!(Resource, RESOURCES);

impl Described for Reference {
    fn schema() -> MetaSchemaRef {
        let kinds = ["integer", "string"].map(|kind| inline(MetaSchema::new(kind)));
        inline(MetaSchema { any_of: kinds.to_vec(), ..MetaSchema::ANY })
    }
}

impl Field for Reference {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        match value {
            Value::String(name) => Ok(Reference::Name(name.clone())),
            other => lax::integer(other).map(Reference::Id),
        }
    }
}

/// The body of the single call.
struct Body(Map<String, Value>);

impl Described for Body {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema::new("object"))
    }
}

impl Field for Body {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        value.as_object().cloned().map(Self).ok_or_else(|| vec![Fault::not_an_object(value)])
    }
}

impl Body {
    /// Takes a pool out that may be given by its name: `None`: not given, `Some(None)`: null.
    fn pool(&mut self, field: &str) -> Result<Option<Option<Reference>>, Vec<Fault>> {
        let located = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.under(field)).collect::<Vec<_>>();
        let given = match self.0.get(field) {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(None)),
            Some(value) => Reference::read(value).map_err(located)?,
        };
        self.0.insert(field.to_owned(), json!(NAMED.0));
        Ok(Some(Some(given)))
    }

    fn read<T: Request>(self) -> Result<T, Vec<Fault>> {
        fields::read(Value::Object(self.0))
    }
}

impl Described for Asked {
    fn schema() -> MetaSchemaRef {
        inline(fields::asked("An operation, as the single call would be.", questions))
    }
}

impl Field for Asked {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::of(value.clone())?;
        let read = questions(&mut fields);
        fields.refuse_others();
        fields.finish(read)?.operation()
    }
}

/// An operation as it is written.
struct Written {
    op: Word,
    resource: Word,
    pool: Option<Reference>,
    member: Option<Reference>,
    vhost: Option<Reference>,
    route: Option<Reference>,
    body: Body,
}

fn questions(fields: &mut Fields) -> Option<Written> {
    let op = fields.required::<Op>("op", "What is done.");
    let resource = fields.required::<Resource>("resource", "To what kind of thing.");
    let pool = fields.given("pool", "The pool, or the one of the member: its name or id.");
    let member = fields.given("member", "The member: its address or id.");
    let vhost = fields.given("vhost", "The vhost, or the one of the route: its server name or id.");
    let prefix = fields.given::<Reference>("prefix", "The route, by its path prefix.");
    let route = fields.given::<Reference>("route", "The route, by its id.");
    let body = fields.given::<Body>(
        "body",
        "The body of the single call; pools may be given by name there, too. Of a removed route: `allow_orphan`, `allow_stale`.",
    );
    Some(Written {
        op: op?.0,
        resource: resource?.0,
        pool,
        member,
        vhost,
        route: prefix.or(route),
        body: body.unwrap_or(Body(Map::new())),
    })
}

fn expect(given: Option<Reference>, field: &str) -> Result<Reference, Vec<Fault>> {
    given.ok_or_else(|| vec![Fault::missing(&Value::Null).under(field)])
}

impl Written {
    fn operation(self) -> Result<Asked, Vec<Fault>> {
        let (op, resource) = (self.op, self.resource);
        let in_body = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.under("body")).collect::<Vec<_>>();
        let Self { pool, member, vhost, route, mut body, .. } = self;
        let operation = match (resource.0, op.0) {
            ("pool", "create") => {
                let source = body.pool("source_nanio_pool_id").map_err(in_body)?.flatten();
                Operation::CreatePool(body.read::<NewPool>().map_err(in_body)?, source)
            }
            ("pool", "update") => {
                let source = body.pool("source_nanio_pool_id").map_err(in_body)?;
                Operation::UpdatePool(expect(pool, "pool")?, body.read::<PoolPatch>().map_err(in_body)?, source)
            }
            ("pool", _) => Operation::DeletePool(expect(pool, "pool")?),
            ("member", "create") => {
                Operation::CreateMember(expect(pool, "pool")?, body.read::<NewMember>().map_err(in_body)?)
            }
            ("member", "update") => Operation::UpdateMember(
                expect(pool, "pool")?,
                expect(member, "member")?,
                body.read::<MemberPatch>().map_err(in_body)?,
            ),
            ("member", _) => Operation::DeleteMember(expect(pool, "pool")?, expect(member, "member")?),
            ("vhost", "create") => {
                let default = body.pool("default_pool_id").map_err(in_body)?.flatten();
                Operation::CreateVhost(body.read::<NewVhost>().map_err(in_body)?, default)
            }
            ("vhost", "update") => {
                let default = body.pool("default_pool_id").map_err(in_body)?;
                Operation::UpdateVhost(expect(vhost, "vhost")?, body.read::<VhostPatch>().map_err(in_body)?, default)
            }
            ("vhost", _) => Operation::DeleteVhost(expect(vhost, "vhost")?),
            (_, "create") => {
                let to = body.pool("pool_id").map_err(in_body)?.flatten();
                let to = expect(to, "pool_id").map_err(in_body)?;
                Operation::CreateRoute(expect(vhost, "vhost")?, body.read::<NewRoute>().map_err(in_body)?, to)
            }
            (_, "update") => {
                let to = body.pool("pool_id").map_err(in_body)?.flatten();
                let (of, which) = (expect(vhost, "vhost")?, expect(route, "prefix")?);
                Operation::UpdateRoute(of, which, body.read::<RoutePatch>().map_err(in_body)?, to)
            }
            _ => {
                let Removal(consent) = body.read().map_err(in_body)?;
                Operation::DeleteRoute(expect(vhost, "vhost")?, expect(route, "prefix")?, consent)
            }
        };
        Ok(Asked { op, resource, operation })
    }
}

/// What the query of a removal says yes to.
struct Removal(Consent);

impl Request for Removal {
    const NAME: &'static str = "RouteRemoval";
    const ABOUT: &'static str = "What the removal of a route says yes to.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let allow_orphan = fields.defaulted("allow_orphan", "Objects may stay behind.", false, false);
        let allow_stale = fields.defaulted("allow_stale", "An old copy may be served again.", false, false);
        Some(Self(Consent { allow_orphan: allow_orphan?, allow_stale: allow_stale? }))
    }
}

impl Fault {
    /// An operation that is refused, and its place in the list.
    pub(super) fn of_operation(index: usize, told: &str) -> Self {
        Self::new("value_error", told, &Value::Null).under(Step::Index(index)).under("operations")
    }
}

/// The operation on several resources.
pub struct OperationsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Config")]
impl OperationsApi {
    /// Make several changes as one
    ///
    /// Operations on pools, members, vhosts and routes, each by name or id, done in order: one test by nginx, all of them
    /// or none. 422 lists every operation that is refused, with its place; nothing has changed then. A route that would
    /// leave objects behind is refused, unless its body says `allow_orphan`.
    #[oai(path = "/config/changes", method = "post", operation_id = "make_changes")]
    async fn run(&self, caller: Caller, changes: JsonBody<Changes>) -> Result<Shown<ChangesView>, Failure<Making>> {
        let (words, operations): (Vec<_>, Vec<_>) =
            changes.0.0.into_iter().map(|asked| ((asked.op, asked.resource), asked.operation)).unzip();
        let ids = self.0.operations.run(caller.0, operations).await?;
        let outcome = |(index, ((op, resource), id)): (usize, ((Word, Word), i64))| OutcomeView {
            index: index as u64,
            op: op.0.to_owned(),
            resource: resource.0.to_owned(),
            id,
        };
        let operations = words.into_iter().zip(ids).enumerate().map(outcome).collect();
        Ok(Shown(ChangesView { operations }))
    }
}
