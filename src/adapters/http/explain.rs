//! `/api/config/explain`: where a request goes, and why.

use std::net::IpAddr;
use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::registry::MetaSchemaRef;
use serde_json::Value;

use super::api::Group;
use super::auth::Caller;
use super::error::{ApiError, Failure, Searching};
use super::fault::Fault;
use super::fields::Field;
use super::lax;
use super::params::{Query, TcpPort};
use super::reply::Shown;
use super::schema::{Described, like, view};
use crate::domain::explain::{Chosen, Serving, Verdict};
use crate::domain::migration::token::TokenState;
use crate::domain::pool::{Member, PoolKind, Role};
use crate::domain::services::Services;
use crate::domain::services::explain::{Answer, MoveNow, Question, ServingPool};

/// The address of a client.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(IpAddr);

impl Described for ClientAddress {
    fn schema() -> MetaSchemaRef {
        like("^[0-9A-Fa-f.:]+$")
    }
}

impl Field for ClientAddress {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let address = lax::text(value)?.trim().parse();
        address.map(Self).map_err(|_| vec![Fault::rule("must be an IPv4 or IPv6 address", value)])
    }
}

/// What a client speaks.
#[derive(Debug, Clone, Copy)]
pub struct Scheme {
    tls: bool,
}

impl Described for Scheme {
    fn schema() -> MetaSchemaRef {
        like("^https?$")
    }
}

impl Field for Scheme {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        match lax::text(value)? {
            "http" => Ok(Self { tls: false }),
            "https" => Ok(Self { tls: true }),
            _ => Err(vec![Fault::rule("must be http or https", value)]),
        }
    }
}

view! {
    /// The server block that a request comes to.
    ChosenView as "ExplainedVhost" {
        /// The vhost.
        id: i64,
        /// Its name.
        server_name: String,
        /// Why this one: `name`, `wildcard`, or `first` of its port because no name fits.
        matched: String,
    }
}

view! {
    /// The route that serves a request.
    RouteView as "ExplainedRoute" {
        /// The route.
        id: i64,
        /// Its prefix; `/` is the automatic one of the default pool.
        path_prefix: String,
    }
}

view! {
    /// A member that nginx may ask.
    MemberView as "ExplainedMember" {
        /// The member.
        id: i64,
        /// Where it listens.
        address: String,
        /// Its part.
        role: Role,
        /// Its share of the requests.
        weight: i64,
        /// Asked only when no other member can be.
        backup: bool,
    }
}

view! {
    /// The pool that serves a request.
    PoolView as "ExplainedPool" {
        /// The pool.
        id: i64,
        /// Its name.
        name: String,
        /// What its nodes speak.
        r#type: PoolKind,
        /// How nginx chooses among its members.
        lb_method: String,
        /// Its enabled members, backups last.
        members: Vec<MemberView>,
        /// How many are disabled.
        disabled: u64,
    }
}

view! {
    /// The migration that decides about a request.
    MigrationView as "ExplainedMigration" {
        /// The migration.
        id: i64,
        /// What moves.
        bucket: String,
        /// How far it is.
        phase: String,
        /// From where.
        src_pool_name: String,
        /// To where.
        dst_pool_name: String,
        /// Where reads go now: `source` or `destination`; null: nginx has none of it.
        reads: Option<String>,
        /// Where writes go now: `source`, `destination`, or `gate` while it is not decided.
        writes: Option<String>,
    }
}

view! {
    /// Where a request goes, and why.
    ExplanationView as "Explanation" {
        /// The answer in one line.
        summary: String,
        /// `pool`; `answer`: nginx answers by itself; `gate`: the migration decides; `no_connection`.
        verdict: String,
        /// The status, if nginx answers by itself.
        status: Option<i64>,
        /// The code of the S3 error, if the answer is one.
        code: Option<String>,
        /// The port that was taken.
        port: i64,
        /// Whether the client was taken to speak TLS.
        tls: bool,
        /// The server block.
        vhost: Option<ChosenView>,
        /// The bucket that nginx routes by.
        bucket: Option<String>,
        /// The route.
        route: Option<RouteView>,
        /// The pool.
        pool: Option<PoolView>,
        /// The migration that decides, if there is one.
        migration: Option<MigrationView>,
        /// Directives that decide how the request is passed on; the operator's by name.
        directives: Vec<String>,
        /// Which rules led there, in nginx's order.
        why: Vec<String>,
        /// What could make it otherwise, and cannot be told from here.
        uncertain: Vec<String>,
    }
}

impl From<Chosen> for ChosenView {
    fn from(chosen: Chosen) -> Self {
        Self {
            id: chosen.vhost.0,
            server_name: chosen.server_name.to_string(),
            matched: chosen.matched.as_str().to_owned(),
        }
    }
}

impl From<Serving> for RouteView {
    fn from(serving: Serving) -> Self {
        Self { id: serving.id.0, path_prefix: serving.prefix }
    }
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.0,
            address: member.address.to_string(),
            role: member.role,
            weight: member.weight.get(),
            backup: member.role == Role::Replica,
        }
    }
}

impl From<ServingPool> for PoolView {
    fn from(ServingPool { pool, members, disabled }: ServingPool) -> Self {
        Self {
            id: pool.id.0,
            name: pool.name.to_string(),
            r#type: pool.kind,
            lb_method: pool.lb_method.as_str().to_owned(),
            members: members.into_iter().map(MemberView::from).collect(),
            disabled: disabled as u64,
        }
    }
}

impl From<MoveNow> for MigrationView {
    fn from(MoveNow { migration, state }: MoveNow) -> Self {
        let reads = |state| match state {
            TokenState::Switched | TokenState::Open => "destination",
            TokenState::Source | TokenState::Held | TokenState::Missing => "source",
        };
        let writes = |state| match state {
            TokenState::Source => "source",
            TokenState::Open => "destination",
            TokenState::Held | TokenState::Switched | TokenState::Missing => "gate",
        };
        Self {
            id: migration.id.0,
            bucket: migration.bucket.to_string(),
            phase: migration.phase.as_str().to_owned(),
            src_pool_name: migration.source.name,
            dst_pool_name: migration.destination.name,
            reads: state.map(|state| reads(state).to_owned()),
            writes: state.map(|state| writes(state).to_owned()),
        }
    }
}

/// The answer in one line.
fn summary(answer: &Answer) -> String {
    let vhost = answer.explanation.server.as_ref().map(|server| format!(" of vhost {}", server.server_name));
    let vhost = vhost.unwrap_or_default();
    let route = answer.explanation.route.as_ref().map(|route| format!(" by route {}{vhost}", route.prefix));
    let nginx = |status: u16, code: Option<&str>| match code {
        Some(code) => format!("nginx answers {status} {code}"),
        None => format!("nginx answers {status}"),
    };
    match &answer.explanation.verdict {
        Verdict::Pool(pool) => format!("goes to pool {pool}{}", route.unwrap_or(vhost)),
        Verdict::Answer { status, code } => nginx(*status, *code),
        Verdict::Gate { source, destination } => {
            format!("waits until a migration has decided between pools {source} and {destination}")
        }
        Verdict::NoConnection => format!("no answer: nobody serves this on port {}", answer.port),
    }
}

impl From<Answer> for ExplanationView {
    fn from(answer: Answer) -> Self {
        let summary = summary(&answer);
        let Answer { port, tls, explanation, pool, migration } = answer;
        let (verdict, status, code) = match explanation.verdict {
            Verdict::Pool(_) => ("pool", None, None),
            Verdict::Answer { status, code } => ("answer", Some(i64::from(status)), code),
            Verdict::Gate { .. } => ("gate", None, None),
            Verdict::NoConnection => ("no_connection", None, None),
        };
        Self {
            summary,
            verdict: verdict.to_owned(),
            status,
            code: code.map(str::to_owned),
            port: port.into(),
            tls,
            vhost: explanation.server.map(ChosenView::from),
            bucket: explanation.bucket,
            route: explanation.route.map(RouteView::from),
            pool: pool.map(PoolView::from),
            migration: migration.map(MigrationView::from),
            directives: explanation.directives,
            why: explanation.why,
            uncertain: explanation.uncertain,
        }
    }
}

/// The operation that explains.
pub struct ExplainApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Config")]
impl ExplainApi {
    /// Explain where a request goes
    ///
    /// Which server block, route, pool and members would serve it as the gateway is configured now, and why. Nothing is
    /// sent. The request is taken byte for byte as it would stand on the request line.
    #[oai(path = "/config/explain", method = "get", operation_id = "explain")]
    #[expect(clippy::too_many_arguments, reason = "one for each query parameter")]
    async fn explain(
        &self,
        _caller: Caller,
        /// The method, `GET` unless given.
        method: Query<String>,
        /// The Host header, with a port if it has one; without this parameter the request has none.
        host: Query<String>,
        /// What stands between method and version, `/` unless given; never decoded.
        path: Query<String>,
        /// `http` or `https`; what the port speaks unless given.
        scheme: Query<Scheme>,
        /// The port; that of the host or of the vhost with this name unless given.
        port: Query<TcpPort>,
        /// The client's address: vhosts may have rules on it.
        from: Query<ClientAddress>,
        /// The header `x-amz-copy-source`.
        copy_source: Query<String>,
    ) -> Result<Shown<ExplanationView>, Failure<Searching>> {
        let mut faults = Vec::new();
        let question = Question {
            method: method.read(&mut faults).unwrap_or_else(|| "GET".to_owned()),
            host: host.read(&mut faults),
            target: path.read(&mut faults).unwrap_or_else(|| "/".to_owned()),
            copy_source: copy_source.read(&mut faults).unwrap_or_default(),
            from: from.read(&mut faults).map(|ClientAddress(address)| address),
            port: port.read(&mut faults).and_then(|TcpPort(port)| u16::try_from(port).ok()),
            tls: scheme.read(&mut faults).map(|scheme| scheme.tls),
        };
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        Ok(Shown(self.0.explain.answer(question).await?.into()))
    }
}
