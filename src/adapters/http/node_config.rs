//! Configuration for storage nodes: `/api/pools/{pool_id}/members/{member_id}/node-config` and the summary of a pool.
//!
//! A secret key goes from the request into the answer and nowhere else: not into the database, not into the log
//! (which holds paths without queries), not into a fault.

use std::sync::Arc;

use poem_openapi::OpenApi;
use serde_json::Value;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{ApiError, Asking, Composing, Failure, Finding};
use super::fault::Fault;
use super::fields::{Field, Fields, MASK, Request};
use super::lax;
use super::params::{Path, Query};
use super::reply::{Advised, Shown};
use super::schema::{Described, inline, view};
use super::values::Blankable;
use crate::domain::ids::{MemberId, PoolId};
use crate::domain::node_config::{
    AccessKey, BindHost, DataDir, Keys, NanioPort, NodeKind, Parameters, Region, SecretKey, WrittenFile,
};
use crate::domain::pool::{Member, Role};
use crate::domain::services::node_configs::{NodeConfig, NodeSummary};
use crate::domain::services::{ServiceError, Services};

view! {
    /// A file for a storage node.
    NodeFileView as "NodeFile" {
        /// Where it belongs on the node.
        path: String,
        /// Its text.
        content: String,
    }
}

view! {
    /// What a storage node needs: rendered, never deployed, kept nowhere.
    NodeConfigView as "NodeConfig" {
        /// What runs on it.
        node_type: NodeKind,
        /// Where the gateway reaches it.
        member_address: String,
        /// Its files.
        files: Vec<NodeFileView>,
        /// What to do with them on the node.
        instructions: String,
        /// What will not work, or not be safe, as things are.
        warnings: Vec<String>,
    }
}

view! {
    /// A member as 0.4.x shows it in the summary.
    SummaryMemberView as "SummaryMember" {
        /// Its identity.
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
        /// 0: out of nginx; 1: in it.
        enabled: i64,
        /// When it was made, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it was last changed, UTC.
        updated_at: String,
    }
}

view! {
    /// What to generate for a member, and what is missing for it.
    NodeSummaryView as "NodeSummary" {
        /// The member.
        member: SummaryMemberView,
        /// Always empty: nothing that was generated is kept, since it may hold a secret key. 0.4.x listed it here.
        recent_configs: Vec<NodeFileView>,
        /// What usually runs on a member of such a pool.
        suggested_type: NodeKind,
        /// The `nanio_port` that fits the member's address; null: no nanio runs there.
        nanio_port: Option<i64>,
        /// The paths of the files that it would get.
        files: Vec<String>,
        /// What is to be given or done so that they work.
        missing: Vec<String>,
    }
}

impl From<WrittenFile> for NodeFileView {
    fn from(WrittenFile { path, content }: WrittenFile) -> Self {
        Self { path: path.to_owned(), content }
    }
}

impl From<NodeConfig> for NodeConfigView {
    fn from(config: NodeConfig) -> Self {
        Self {
            node_type: config.kind,
            member_address: config.member.as_str().to_owned(),
            files: config.files.into_iter().map(NodeFileView::from).collect(),
            instructions: config.instructions,
            warnings: config.warnings,
        }
    }
}

impl From<Member> for SummaryMemberView {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.0,
            pool_id: member.pool_id.0,
            address: member.address.as_str().to_owned(),
            role: member.role,
            weight: member.weight.get(),
            max_fails: member.max_fails.get(),
            fail_timeout_s: member.fail_timeout_s.get(),
            enabled: i64::from(member.enabled),
            created_at: member.created_at.sql(),
            updated_at: member.updated_at.sql(),
        }
    }
}

impl From<NodeSummary> for NodeSummaryView {
    fn from(summary: NodeSummary) -> Self {
        Self {
            member: summary.member.into(),
            recent_configs: Vec::new(),
            suggested_type: summary.kind,
            nanio_port: summary.port.map(NanioPort::get),
            files: summary.files.into_iter().map(str::to_owned).collect(),
            missing: summary.missing,
        }
    }
}

const NODE_TYPE: &str = "What runs on the node: nanio, nginx that serves its files, or nginx in front of nanio.";
const DATA_DIR: &str = "The directory of the buckets: an absolute path, without control characters and `$`.";
const PORT: &str = "Where nanio listens.";
const HOST: &str = "What nanio binds: an IP address (IPv6 without brackets) or a host name.";
const REGION: &str = "The region that nanio reports.";
const ACCESS_KEY: &str = "The access key of nanio's user; none, or `\"\"`: the file gets no user.";
const SECRET_KEY: &str = "The secret key of nanio's user: shown in the answer, kept nowhere.";
const BOTH_KEYS: &str = "access_key and secret_key belong together: give both or none";
const SECRET_IN_URL: &str = "The secret key was given in the URL, which proxies, shells and histories keep: this is \
                             deprecated. Use POST with secret_key in the body, and replace this key where it is in use";

impl Described for SecretKey {
    fn schema() -> poem_openapi::registry::MetaSchemaRef {
        inline(poem_openapi::registry::MetaSchema {
            max_length: Some(Self::MAX),
            ..poem_openapi::registry::MetaSchema::new_with_format("string", "password")
        })
    }
}

impl Field for SecretKey {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let read =
            lax::text(value).and_then(|text| Self::parse(text).map_err(|invalid| vec![Fault::of(&invalid, value)]));
        read.map_err(|faults| faults.into_iter().map(|fault| Fault { input: MASK.into(), ..fault }).collect())
    }
}

impl Request for Parameters {
    const NAME: &'static str = "NodeConfigRequest";
    const ABOUT: &'static str = "What a node is to be set up with.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let secret = fields.secret::<Blankable<SecretKey>>("secret_key", SECRET_KEY).and_then(|Blankable(key)| key);
        let access = fields.given::<Blankable<AccessKey>>("access_key", ACCESS_KEY).and_then(|Blankable(key)| key);
        let kind = fields.required("node_type", NODE_TYPE);
        let data_dir = fields.defaulted("data_dir", DATA_DIR, DataDir::default(), "/data");
        let port = fields.defaulted("nanio_port", PORT, NanioPort::default(), 9000);
        let host = fields.defaulted("nanio_host", HOST, BindHost::default(), "0.0.0.0");
        let region = fields.defaulted("nanio_region", REGION, Region::default(), "us-east-1");
        let keys = pair(access, secret).unwrap_or_else(|lacking| {
            if fields.sound() {
                fields.refuse_field(lacking, BOTH_KEYS);
            }
            None
        });
        Some(Self { kind: kind?, data_dir: data_dir?, port: port?, host: host?, region: region?, keys })
    }
}

/// The operations on the configuration of nodes.
pub struct NodeConfigApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Members")]
impl NodeConfigApi {
    /// Generate a node's configuration (query)
    ///
    /// As POST, for 0.4.x scripts. A `secret_key` in the query still works and is deprecated: the answer says so in
    /// `warnings` and in the header `Deprecation`.
    #[oai(path = "/pools/:pool_id/members/:member_id/node-config", method = "get", operation_id = "get_node_config")]
    #[expect(clippy::too_many_arguments, reason = "one for each query parameter")]
    async fn get(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The member.
        member_id: Path<MemberId>,
        /// What runs on the node; nanio-only unless given. 400 for anything else.
        r#type: Query<NodeKind>,
        /// The directory of the buckets; /data unless given.
        data_dir: Query<DataDir>,
        /// Where nanio listens; 9000 unless given.
        nanio_port: Query<NanioPort>,
        /// What nanio binds; 0.0.0.0 unless given.
        nanio_host: Query<BindHost>,
        /// The region that nanio reports; us-east-1 unless given.
        nanio_region: Query<Region>,
        /// The access key of nanio's user.
        access_key: Query<Blankable<AccessKey>>,
        /// Deprecated: give it in the body of a POST.
        secret_key: Query<Blankable<SecretKey>>,
    ) -> Result<Advised<NodeConfigView>, Failure<Asking>> {
        let mut faults = Vec::new();
        let kind = r#type.read(&mut faults).unwrap_or(NodeKind::NanioOnly);
        if !faults.is_empty() {
            // In 0.4.x a 400 with a sentence, unlike every other parameter.
            return Err(ServiceError::Rejected(format!("type must be one of {}", NodeKind::WORDS.join(", "))).into());
        }
        let access = access_key.read(&mut faults).and_then(|Blankable(key)| key);
        let secret = secret_key.read(&mut faults).and_then(|Blankable(key)| key);
        let deprecated = secret.is_some();
        let parameters = Parameters {
            kind,
            data_dir: data_dir.read(&mut faults).unwrap_or_default(),
            port: nanio_port.read(&mut faults).unwrap_or_default(),
            host: nanio_host.read(&mut faults).unwrap_or_default(),
            region: nanio_region.read(&mut faults).unwrap_or_default(),
            keys: pair(access, secret).unwrap_or_else(|lacking| {
                if faults.is_empty() {
                    faults.push(Fault::rule(BOTH_KEYS, &Value::Null).under(lacking).under("query"));
                }
                None
            }),
        };
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let mut body: NodeConfigView = self.0.node_configs.generate(pool_id.0, member_id.0, parameters).await?.into();
        if deprecated {
            body.warnings.insert(0, SECRET_IN_URL.to_owned());
        }
        Ok(Advised { body, deprecated })
    }

    /// Generate a node's configuration
    ///
    /// Files, and what to do with them on the node. Nothing is deployed, and nothing is kept: the keys are in this
    /// answer and nowhere else.
    #[oai(path = "/pools/:pool_id/members/:member_id/node-config", method = "post", operation_id = "make_node_config")]
    async fn make(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The member.
        member_id: Path<MemberId>,
        parameters: JsonBody<Parameters>,
    ) -> Result<Shown<NodeConfigView>, Failure<Composing>> {
        Ok(Shown(self.0.node_configs.generate(pool_id.0, member_id.0, parameters.0).await?.into()))
    }

    /// Say what each member of a pool needs
    ///
    /// What usually runs on it, the files for that, and what is missing for them. No secrets.
    #[oai(path = "/pools/:pool_id/node-config-summary", method = "get", operation_id = "node_config_summary")]
    async fn summary(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
    ) -> Result<Shown<Vec<NodeSummaryView>>, Failure<Finding>> {
        let members = self.0.node_configs.summary(pool_id.0).await?;
        Ok(Shown(members.into_iter().map(NodeSummaryView::from).collect()))
    }
}

/// Both keys, or none; the name of the one that is lacking.
fn pair(access: Option<AccessKey>, secret: Option<SecretKey>) -> Result<Option<Keys>, &'static str> {
    match (access, secret) {
        (Some(access), Some(secret)) => Ok(Some(Keys { access, secret })),
        (None, None) => Ok(None),
        (Some(_), None) => Err("secret_key"),
        (None, Some(_)) => Err("access_key"),
    }
}
