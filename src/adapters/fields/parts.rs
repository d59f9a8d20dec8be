//! Parts that a sidecar and a database of 0.4.x have in common.

use std::collections::HashSet;

use serde_json::Value;

use super::{Fields, checked, line, text, time};
use crate::domain::credential::{Credential, FernetToken};
use crate::domain::disk::DiskCredential;
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, Snippet, Zone};

/// Says why a text cannot be put into nginx's configuration, if it cannot.
pub type Check<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Raw directives. What 0.4.x kept for a route has no `;` at its end, since it refused one.
pub fn directives(check: Check<'_>) -> impl Fn(&Value) -> Result<Snippet, String> {
    move |value| {
        let mut raw = text(value)?;
        if let Err(why) = check(&raw) {
            raw.push(';');
            check(&raw).map_err(|_| why)?;
        }
        Snippet::parse(&raw).map_err(|why| why.to_string())
    }
}

/// S3 keys.
///
/// # Errors
/// One of them is not there.
pub fn credential(fields: &mut Fields<'_>) -> Result<DiskCredential, String> {
    let (created_at, updated_at) = times(fields);
    Ok(DiskCredential {
        access_key_enc: fields.required("access_key_enc", checked(FernetToken::parse))?,
        secret_key_enc: fields.required("secret_key_enc", checked(FernetToken::parse))?,
        endpoint_url: fields.optional("endpoint_url", line),
        region: fields.or("region", Credential::DEFAULT_REGION.to_owned(), line),
        created_at,
        updated_at,
    })
}

/// Raw directives by zone.
pub fn extra_blocks(fields: &mut Fields<'_>, check: Check<'_>) -> Vec<ExtraBlock> {
    let blocks = fields.objects("extra_blocks_json", |fields| {
        Ok(ExtraBlock {
            zone: fields.required("zone", checked(Zone::parse))?,
            content: fields.required("content", directives(check))?,
        })
    });
    blocks.unwrap_or_default()
}

/// Who may connect.
pub fn ip_rules(fields: &mut Fields<'_>) -> Option<IpRules> {
    let mode = fields.optional("ip_rule_mode", checked(IpRuleMode::parse));
    let ranges = fields.texts("ip_rule_ips_json", IpRange::parse).unwrap_or_default();
    match (mode, ranges.is_empty()) {
        (None, true) => None,
        (Some(mode), false) => IpRules::new(mode, ranges).ok(),
        (Some(mode), true) => {
            fields.note(format!("ip_rule_mode is {} but no address is listed; left out", mode.as_str()));
            None
        }
        (None, false) => {
            fields.note("ip_rule_ips_json lists addresses but ip_rule_mode does not say what for; left out");
            None
        }
    }
}

/// When something was made, and last saved.
pub fn times(fields: &mut Fields<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    (fields.optional("created_at", time), fields.optional("updated_at", time))
}

/// The times of a part; those of the whole where it lacks them.
pub fn element_times(
    fields: &mut Fields<'_>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
) -> (Timestamp, Timestamp) {
    let (created, updated) = times(fields);
    let created = created.or(created_at).or(updated_at).unwrap_or(Timestamp::UNKNOWN);
    (created, updated.or(updated_at).unwrap_or(created))
}

/// Leaves out what comes a second time.
pub fn once<T>(fields: &mut Fields<'_>, name: &str, elements: &mut Vec<T>, id: impl Fn(&T) -> i64) {
    let mut seen = HashSet::new();
    elements.retain(|element| {
        let id = id(element);
        let first = seen.insert(id);
        if !first {
            fields.note(format!("{name}: the id {id} stands there twice; the second one was left out"));
        }
        first
    });
}
