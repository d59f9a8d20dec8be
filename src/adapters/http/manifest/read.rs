//! A document becomes values, or a list of everything that is wrong with it, each with its place.

use std::collections::{BTreeMap, BTreeSet};

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::{Value, json};

use super::text;
use crate::adapters::http::fault::Fault;
use crate::adapters::http::fields::{self, Field, Fields, Request};
use crate::adapters::http::lax;
use crate::adapters::http::schema::{Described, inline};
use crate::adapters::http::values::{Blankable, Block};
use crate::domain::bucket::BucketName;
use crate::domain::invalid::Invalid;
use crate::domain::manifest::{Manifest, MemberSpec, PoolSpec, RouteSpec, VERSION, VhostSpec};
use crate::domain::pool::{Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight};
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet};

/// So many faults are told at a time.
const MOST_FAULTS: usize = 100;

/// Reads a document. `json`: it is one in JSON, else one in YAML.
///
/// # Errors
/// Everything that is wrong with it, located relative to the document.
pub fn document(bytes: &[u8], json: bool) -> Result<Manifest, Vec<Fault>> {
    let value = text::parse(bytes, json).map_err(|why| vec![Fault::new("document_invalid", why, &Value::Null)])?;
    let read = fields::read::<Document>(value).map(|Document(manifest)| manifest);
    read.map_err(|faults| faults.into_iter().take(MOST_FAULTS).map(brief).collect())
}

/// A fault need not repeat what is in the reader's own file, which may be long.
fn brief(fault: Fault) -> Fault {
    let long = fault.input.is_object() || fault.input.is_array();
    if long { Fault { input: Value::Null, ..fault } } else { fault }
}

/// A document as it is written.
pub struct Document(pub Manifest);

impl Request for Document {
    const NAME: &'static str = "Gateway";
    const ABOUT: &'static str = "A gateway as its operator declares it: names, never ids, and no secret. What is not named \
        stays as it is, unless it is pruned.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let version = fields.required::<Version>("version", "The version of the form of this document: 1.");
        let pools = fields.defaulted("pools", "Groups of storage nodes, by name.", Named::none(), json!({}));
        let vhosts = fields.defaulted("vhosts", "What clients reach, by server name.", Named::none(), json!({}));
        fields.refuse_others();
        version?;
        Some(Self(Manifest { pools: pools?.0, vhosts: vhosts?.0 }))
    }
}

struct Version;

impl Described for Version {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema { enum_items: vec![VERSION.into()], ..MetaSchema::new("integer") })
    }
}

impl Field for Version {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        if lax::integer(value)? == VERSION {
            return Ok(Self);
        }
        Err(vec![Fault::rule(&format!("this program reads version {VERSION}"), value)])
    }
}

/// What is used as a name in a document.
trait Key: Ord + Sized {
    fn parse(text: &str) -> Result<Self, Invalid>;
}

macro_rules! keys {
    ($($name:ident),+) => {
        $(impl Key for $name {
            fn parse(text: &str) -> Result<Self, Invalid> {
                $name::parse(text)
            }
        })+
    };
}
keys!(PoolName, ServerName, PathPrefix);

/// Things by name.
struct Named<K, V>(BTreeMap<K, V>);

impl<K: Key, V> Named<K, V> {
    fn none() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K, V: Described> Described for Named<K, V> {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema { additional_properties: Some(Box::new(V::schema())), ..MetaSchema::new("object") })
    }
}

impl<K: Key, V: Field> Field for Named<K, V> {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let Value::Object(object) = value else { return Err(vec![Fault::not_an_object(value)]) };
        let (mut good, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, value) in object {
            // `name:` with nothing behind it is something of which nothing else is said.
            let nothing = json!({});
            let value = if value.is_null() { &nothing } else { value };
            let key = K::parse(name).map_err(|invalid| vec![Fault::of(&invalid, &Value::from(name.as_str()))]);
            match (key, V::read(value)) {
                (Ok(key), Ok(value)) => {
                    if good.insert(key, value).is_some() {
                        faults.push(Fault::rule("is there twice", &Value::Null).under(name.as_str()));
                    }
                }
                (key, value) => {
                    let found = key.err().into_iter().chain(value.err()).flatten();
                    faults.extend(found.map(|fault| fault.under(name.as_str())));
                }
            }
            if faults.len() >= MOST_FAULTS {
                break;
            }
        }
        if faults.is_empty() { Ok(Self(good)) } else { Err(faults) }
    }
}

/// Declares how a part of the document is read and described: by one function.
macro_rules! part {
    ($name:ty, $about:literal, $read:path) => {
        impl Described for $name {
            fn schema() -> MetaSchemaRef {
                inline(fields::asked($about, $read))
            }
        }

        impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                let mut fields = Fields::of(value.clone())?;
                let read = $read(&mut fields);
                fields.refuse_others();
                fields.finish(read)
            }
        }
    };
}
part!(PoolSpec, "A pool.", pool);
part!(Member, "A storage node.", member);
part!(VhostSpec, "A vhost.", vhost);
part!(RouteSpec, "A route.", route);

/// A member whose role may follow from its pool.
struct Member {
    spec: MemberSpec,
    role: Option<Role>,
}

fn pool(fields: &mut Fields) -> Option<PoolSpec> {
    let kind = fields.defaulted(
        "type",
        "What its nodes speak: `nanio` (S3 over shared storage) or `http` (plain files, read only).",
        PoolKind::Nanio,
        "nanio",
    );
    let description = fields.clearable("description", "Free text.").flatten();
    let lb_method = fields.defaulted("lb_method", "How nginx chooses a member.", LbMethod::LeastConn, "least_conn");
    let keepalive = fields.defaulted("keepalive", "Idle connections that a worker keeps.", Keepalive::default(), 32);
    let source = fields
        .clearable("source_nanio_pool", "The name of the nanio pool whose files this http pool serves.")
        .flatten();
    let members =
        fields.defaulted::<Vec<Member>>("members", "Its storage nodes, in their order.", Vec::new(), json!([]));
    let kind = kind?;
    let named = |Member { spec, role }| MemberSpec { role: role.unwrap_or(Role::usual(kind)), ..spec };
    let members = members?.into_iter().map(named).collect();
    Some(PoolSpec { description, kind, lb_method: lb_method?, keepalive: keepalive?, source, members })
}

fn member(fields: &mut Fields) -> Option<Member> {
    let address = fields.required::<Address>("address", "`host:port`, `[IPv6]:port` or `unix:/path`.");
    let role = fields.given(
        "role",
        "`active` in a nanio pool, `primary` or `replica` in an http pool; the first one fits if not given.",
    );
    let weight = fields.defaulted("weight", "Its share of the requests.", Weight::default(), 1);
    let max_fails = fields.defaulted("max_fails", "Failures until it is left out; 0: never.", MaxFails::default(), 3);
    let fail_timeout_s = fields.defaulted("fail_timeout_s", "Seconds that it is left out.", FailTimeout::default(), 30);
    let enabled = fields.defaulted("enabled", "False takes it out of nginx.", true, true);
    let spec = MemberSpec {
        address: address?,
        role: role.unwrap_or(Role::Active),
        weight: weight?,
        max_fails: max_fails?,
        fail_timeout_s: fail_timeout_s?,
        enabled: enabled?,
    };
    Some(Member { spec, role })
}

fn vhost(fields: &mut Fields) -> Option<VhostSpec> {
    let listen_port = fields.defaulted("listen_port", "The port for clients.", Port::default(), 443);
    let ssl = fields.defaulted("ssl", "TLS on that port; needs certificate and key.", true, true);
    let path = |read| Blankable::<PemPath>::settle(read).flatten();
    let ssl_certificate = path(fields.clearable("ssl_certificate", "Absolute path of the certificate chain."));
    let ssl_certificate_key = path(fields.clearable("ssl_certificate_key", "Absolute path of the private key."));
    let extra_directives = snippet(fields, "Raw nginx directives after the proxy settings.", str::to_owned);
    let blocks = fields.defaulted::<Vec<Block>>(
        "extra_blocks",
        "Raw nginx directives by zone of the server block.",
        Vec::new(),
        json!([]),
    );
    let enabled = fields.defaulted("enabled", "False takes the vhost out of nginx.", true, true);
    let default_pool =
        fields.clearable("default_pool", "The name of the pool that serves buckets without a route.").flatten();
    let ip_rules = ip_rules(fields);
    let routes = fields.defaulted::<Named<PathPrefix, RouteSpec>>(
        "routes",
        "Its routes, by path prefix: `/bucket/`, rarely `/bucket/dir/`.",
        Named::none(),
        json!({}),
    );
    let ignored = fields.defaulted::<Vec<BucketName>>(
        "ignored_buckets",
        "Buckets that nobody wants to hear of.",
        Vec::new(),
        json!([]),
    );
    Some(VhostSpec {
        listen_port: listen_port?,
        ssl: ssl?,
        ssl_certificate,
        ssl_certificate_key,
        extra_directives,
        extra_blocks: extra_blocks(fields, blocks?),
        enabled: enabled?,
        default_pool,
        ip_rules,
        routes: routes?.0,
        ignored_buckets: ignored?.into_iter().collect::<BTreeSet<_>>(),
    })
}

fn ip_rules(fields: &mut Fields) -> Option<IpRules> {
    let mode = fields
        .clearable::<IpRuleMode>(
            "ip_rule_mode",
            "`allow`: only the listed addresses may connect. `deny`: they may not.",
        )
        .flatten();
    let ips = fields.clearable::<Vec<IpRange>>("ip_rule_ips", "IPv4 and IPv6 addresses and CIDR networks.").flatten();
    if !fields.sound() {
        return None;
    }
    match (mode, ips.unwrap_or_default()) {
        (Some(mode), ips) => match IpRules::new(mode, ips) {
            Ok(rules) => return Some(rules),
            Err(invalid) => fields.refuse_field("ip_rule_ips", &invalid.to_string()),
        },
        (None, ips) if ips.is_empty() => {}
        (None, _) => fields.refuse_field("ip_rule_mode", "must be allow or deny when ip_rule_ips is set"),
    }
    None
}

fn extra_blocks(fields: &mut Fields, blocks: Vec<Block>) -> Vec<ExtraBlock> {
    let mut read = Vec::with_capacity(blocks.len());
    for Block(zone, content) in blocks {
        match Snippet::parse(&content) {
            Ok(content) => read.push(ExtraBlock { zone, content }),
            Err(invalid) => fields.refuse_field("extra_blocks", &invalid.to_string()),
        }
    }
    read
}

fn route(fields: &mut Fields) -> Option<RouteSpec> {
    let pool = fields.required("pool", "The name of the pool that serves the requests.");
    let key_prefix = Blankable::<KeyPrefix>::settle(
        fields.clearable("key_prefix", "What replaces the prefix on the way to an http pool."),
    );
    let extra_directives = snippet(fields, "Raw nginx directives for this route alone.", Snippet::ended);
    let enabled = fields.defaulted("enabled", "False takes the route out of nginx.", true, true);
    Some(RouteSpec { pool: pool?, key_prefix: key_prefix.flatten(), extra_directives, enabled: enabled? })
}

fn snippet(fields: &mut Fields, words: &'static str, mend: fn(&str) -> String) -> Option<Snippet> {
    let text = Blankable::<String>::settle(fields.clearable("extra_directives", words)).flatten()?;
    match Snippet::parse(&mend(&text)) {
        Ok(snippet) => Some(snippet),
        Err(invalid) => {
            fields.refuse_field("extra_directives", &invalid.to_string());
            None
        }
    }
}
