//! `/api/vhosts`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::config::PreviewView;
use super::error::{Changing, Failure, Finding, Making, Removing, Searching};
use super::fields::{Fields, Request};
use super::paging::{self, Listed};
use super::params::{IfMatch, IfNoneMatch, Limit, Path, Query};
use super::reply::{Gone, Made, Saved, Shown, Tag, Tagged};
use super::schema::view;
use super::values::{Blankable, Block};
use crate::domain::ids::VhostId;
use crate::domain::services::Services;
use crate::domain::services::vhosts::{NewVhost, VhostPatch};
use crate::domain::vhost::{IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Vhost, Zone};

view! {
    /// Raw nginx directives for one zone of the server block.
    ExtraBlockView as "ExtraBlock" {
        /// Where they go.
        zone: Zone,
        /// The directives, verbatim.
        content: String,
    }
}

view! {
    /// One nginx server block.
    VhostView as "Vhost" {
        /// Its identity; never given again.
        id: i64,
        /// The host name it answers to.
        server_name: String,
        /// The port for clients.
        listen_port: i64,
        /// TLS on that port.
        ssl: bool,
        /// The certificate chain.
        ssl_certificate: Option<String>,
        /// Its private key.
        ssl_certificate_key: Option<String>,
        /// The same as `ssl_certificate`, as 0.4.x named it.
        ssl_cert_path: Option<String>,
        /// The same as `ssl_certificate_key`, as 0.4.x named it.
        ssl_key_path: Option<String>,
        /// Raw nginx directives after the proxy settings.
        extra_directives: Option<String>,
        /// Raw nginx directives by zone.
        extra_blocks: Option<Vec<ExtraBlockView>>,
        /// False takes the vhost out of nginx.
        enabled: bool,
        /// The pool that serves buckets without a route of their own.
        default_pool_id: Option<i64>,
        /// What the addresses are for.
        ip_rule_mode: Option<IpRuleMode>,
        /// Addresses and networks that may, or may not, connect.
        ip_rule_ips: Option<Vec<String>>,
        /// When it was made, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it was last changed, UTC.
        updated_at: String,
        /// Changed how often; the `ETag` holds it too.
        revision: i64,
    }
}

impl From<Vhost> for VhostView {
    fn from(vhost: Vhost) -> Self {
        let path = |path: &Option<PemPath>| path.as_ref().map(|path| path.as_str().to_owned());
        let blocks: Vec<_> = vhost
            .extra_blocks
            .iter()
            .map(|block| ExtraBlockView { zone: block.zone, content: block.content.as_str().to_owned() })
            .collect();
        let ips = |rules: &IpRules| rules.ranges.iter().map(|range| range.as_str().to_owned()).collect();
        Self {
            id: vhost.id.0,
            server_name: vhost.server_name.as_str().to_owned(),
            listen_port: vhost.listen_port.get(),
            ssl: vhost.ssl,
            ssl_certificate: path(&vhost.ssl_certificate),
            ssl_certificate_key: path(&vhost.ssl_certificate_key),
            ssl_cert_path: path(&vhost.ssl_certificate),
            ssl_key_path: path(&vhost.ssl_certificate_key),
            extra_directives: vhost.extra_directives.map(|snippet| snippet.as_str().to_owned()),
            extra_blocks: (!blocks.is_empty()).then_some(blocks),
            enabled: vhost.enabled,
            default_pool_id: vhost.default_pool_id.map(|id| id.0),
            ip_rule_mode: vhost.ip_rules.as_ref().map(|rules| rules.mode),
            ip_rule_ips: vhost.ip_rules.as_ref().map(ips),
            created_at: vhost.created_at.sql(),
            updated_at: vhost.updated_at.sql(),
            revision: vhost.revision.0,
        }
    }
}

const SERVER_NAME: &str = "The host name it answers to; `*.` in front makes it a wildcard. Unique.";
const LISTEN_PORT: &str = "The port for clients.";
const SSL: &str = "TLS on that port; needs certificate and key.";
const CERTIFICATE: &str = "Absolute path of the certificate chain.";
const KEY: &str = "Absolute path of the private key.";
const OLD_CERTIFICATE: &str = "The same as `ssl_certificate`, as 0.4.x named it.";
const OLD_KEY: &str = "The same as `ssl_certificate_key`, as 0.4.x named it.";
const DIRECTIVES: &str = "Raw nginx directives after the proxy settings.";
const BLOCKS: &str = "Raw nginx directives by zone of the server block.";
const ENABLED: &str = "False takes the vhost out of nginx.";
const DEFAULT_POOL: &str = "The pool that serves buckets without a route of their own.";
const IP_MODE: &str = "`allow`: only the listed addresses may connect. `deny`: they may not.";
const IPS: &str = "IPv4 and IPv6 addresses and CIDR networks; at least one while `ip_rule_mode` is set.";

/// A path under either of its names.
fn path(
    fields: &mut Fields,
    (name, words): (&'static str, &'static str),
    (old_name, old_words): (&'static str, &'static str),
) -> Option<Option<PemPath>> {
    let new = Blankable::settle(fields.clearable(name, words));
    let old = Blankable::settle(fields.clearable(old_name, old_words));
    match (new, old) {
        (Some(Some(new)), Some(Some(old))) if new != old => {
            fields.refuse_field(old_name, &format!("{old_name} is another name of {name}, and they differ"));
            None
        }
        (Some(Some(path)), _) | (_, Some(Some(path))) => Some(Some(path)),
        (None, None) => None,
        _ => Some(None),
    }
}

fn certificate(fields: &mut Fields) -> Option<Option<PemPath>> {
    path(fields, ("ssl_certificate", CERTIFICATE), ("ssl_cert_path", OLD_CERTIFICATE))
}

fn key(fields: &mut Fields) -> Option<Option<PemPath>> {
    path(fields, ("ssl_certificate_key", KEY), ("ssl_key_path", OLD_KEY))
}

fn directives(fields: &mut Fields) -> Option<Option<String>> {
    Blankable::settle(fields.clearable("extra_directives", DIRECTIVES))
}

fn blocks(fields: &mut Fields) -> Option<Vec<(Zone, String)>> {
    let given = fields.clearable::<Vec<Block>>("extra_blocks", BLOCKS)?;
    Some(given.unwrap_or_default().into_iter().map(|Block(zone, content)| (zone, content)).collect())
}

impl Request for NewVhost {
    const NAME: &'static str = "NewVhost";
    const ABOUT: &'static str = "A vhost to be made.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let server_name = fields.required("server_name", SERVER_NAME);
        let listen_port = fields.defaulted("listen_port", LISTEN_PORT, Port::default(), 443);
        let ssl = fields.defaulted("ssl", SSL, true, true);
        let ssl_certificate = certificate(fields).flatten();
        let ssl_certificate_key = key(fields).flatten();
        let extra_directives = directives(fields).flatten();
        let extra_blocks = blocks(fields).unwrap_or_default();
        let enabled = fields.defaulted("enabled", ENABLED, true, true);
        let default_pool_id = fields.clearable("default_pool_id", DEFAULT_POOL).flatten();
        let mode = fields.clearable::<IpRuleMode>("ip_rule_mode", IP_MODE).flatten();
        let ips = fields.clearable::<Vec<IpRange>>("ip_rule_ips", IPS).flatten().unwrap_or_default();
        let mut ip_rules = None;
        if fields.sound() {
            if ssl == Some(true) && (ssl_certificate.is_none() || ssl_certificate_key.is_none()) {
                fields.refuse("ssl_certificate and ssl_certificate_key are required when ssl is enabled");
            }
            match mode {
                Some(mode) => match IpRules::new(mode, ips) {
                    Ok(rules) => ip_rules = Some(rules),
                    Err(invalid) => fields.refuse(&invalid.to_string()),
                },
                None if ips.is_empty() => {}
                None => fields.refuse("ip_rule_ips needs ip_rule_mode: allow or deny"),
            }
        }
        Some(Self {
            server_name: server_name?,
            listen_port: listen_port?,
            ssl: ssl?,
            ssl_certificate,
            ssl_certificate_key,
            extra_directives,
            extra_blocks,
            enabled: enabled?,
            default_pool_id,
            ip_rules,
        })
    }
}

impl Request for VhostPatch {
    const NAME: &'static str = "VhostPatch";
    const ABOUT: &'static str =
        "What to change of a vhost. A field that is not given stays; `null` clears a field that can be empty.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let server_name = fields.given("server_name", SERVER_NAME);
        let listen_port = fields.given("listen_port", LISTEN_PORT);
        let ssl = fields.given("ssl", SSL);
        let ssl_certificate = certificate(fields);
        let ssl_certificate_key = key(fields);
        let allow_orphan = fields.defaulted(
            "allow_orphan",
            "Change `default_pool_id` even if buckets stay behind on the old pool.",
            false,
            false,
        );
        Some(Self {
            server_name,
            listen_port,
            ssl,
            ssl_certificate,
            ssl_certificate_key,
            extra_directives: directives(fields),
            extra_blocks: blocks(fields),
            enabled: fields.given("enabled", ENABLED),
            default_pool_id: fields.clearable("default_pool_id", DEFAULT_POOL),
            ip_rule_mode: fields.clearable("ip_rule_mode", IP_MODE),
            ip_rule_ips: fields.clearable("ip_rule_ips", IPS),
            allow_orphan: allow_orphan?,
        })
    }
}

fn tag(vhost: &Vhost) -> Tag {
    Tag::of(vhost.revision)
}

/// The operations on vhosts.
pub struct VhostsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Vhosts")]
impl VhostsApi {
    /// List vhosts
    ///
    /// By server name, without their routes: all of them or, with `limit` or `after`, a page. Follow its `Link`
    /// to the next one.
    #[oai(path = "/vhosts", method = "get", operation_id = "list_vhosts")]
    async fn list(
        &self,
        _caller: Caller,
        /// At most so many.
        limit: Query<Limit>,
        /// Those after the vhost with this id: the last one seen. 100, unless `limit` is given.
        after: Query<VhostId>,
        /// The server name that it had: then it may have been renamed or deleted since.
        after_key: Query<String>,
    ) -> Result<Listed<VhostView>, Failure<Searching>> {
        let Some(window) = paging::window(limit, after, after_key, ServerName::parse)? else {
            return Ok(Listed::whole(self.0.vhosts.list().await?));
        };
        let limit = window.limit;
        let page = self.0.vhosts.page(window).await?;
        Ok(Listed::page(page, "/api/vhosts", limit, |vhost: &Vhost| (vhost.id.0, Some(vhost.server_name.as_str()))))
    }

    /// Create a vhost
    ///
    /// With a default pool it also gets the automatic route `/`.
    #[oai(path = "/vhosts", method = "post", operation_id = "create_vhost")]
    async fn create(&self, caller: Caller, new: JsonBody<NewVhost>) -> Result<Made<VhostView>, Failure<Making>> {
        let vhost = self.0.vhosts.create(caller.0, new.0).await?;
        let tag = tag(&vhost);
        Ok(Made(vhost.into(), tag))
    }

    /// Get a vhost
    ///
    /// With its `ETag`.
    #[oai(path = "/vhosts/:vhost_id", method = "get", operation_id = "get_vhost")]
    async fn get(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// Answer 304 if this is still its `ETag`.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatch,
    ) -> Result<Tagged<VhostView>, Failure<Finding>> {
        let vhost = self.0.vhosts.get(vhost_id.0).await?;
        Ok(if_none_match.answer(tag(&vhost), vhost))
    }

    /// Change a vhost
    ///
    /// Fields that are not given stay; `null` clears those that can be empty. A new `default_pool_id` moves
    /// every bucket without a route: 409 unless `allow_orphan` says yes to buckets left behind.
    #[oai(path = "/vhosts/:vhost_id", method = "put", operation_id = "update_vhost")]
    async fn update(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// Change it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        patch: JsonBody<VhostPatch>,
    ) -> Result<Saved<VhostView>, Failure<Changing>> {
        let vhost = self.0.vhosts.update(caller.0, vhost_id.0, if_match.0, patch.0).await?;
        let tag = tag(&vhost);
        Ok(Saved(vhost.into(), tag))
    }

    /// Delete a vhost
    ///
    /// 409 while it has routes other than the automatic `/`.
    #[oai(path = "/vhosts/:vhost_id", method = "delete", operation_id = "delete_vhost")]
    async fn delete(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// Delete it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
    ) -> Result<Gone, Failure<Removing>> {
        self.0.vhosts.delete(caller.0, vhost_id.0, if_match.0).await?;
        Ok(Gone)
    }

    /// Preview a vhost's file
    ///
    /// As it would be written now.
    #[oai(path = "/vhosts/:vhost_id/preview", method = "get", operation_id = "preview_vhost")]
    async fn preview(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
    ) -> Result<Shown<PreviewView>, Failure<Finding>> {
        let file = self.0.vhosts.preview(vhost_id.0).await?;
        Ok(Shown(file.into()))
    }
}
