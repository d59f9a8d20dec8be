//! `/api/config/export`, `plan`, `apply`, `schema`: the gateway as a document.

mod body;
mod read;
mod schema;
mod text;
mod views;
mod write;

use std::sync::Arc;

use poem_openapi::OpenApi;
use serde_json::Value;

use body::{DocumentBody, Form, SchemaText, Written};
pub(super) use views::{AppliedView, PlanView};

use super::api::Group;
use super::auth::Caller;
use super::error::{ApiError, Changing, Failure, Reading, Searching};
use super::params::Query;
use super::reply::Shown;
use crate::domain::manifest::{self, Manifest};
use crate::domain::services::Services;
use crate::domain::services::manifests::Terms;

pub use schema::json_schema as manifest_schema;
pub use views::{applied_document, plan_document};
pub use write::document as write_manifest;

/// Reads a document. `json`: it is one in JSON, else one in YAML.
///
/// # Errors
/// Everything that is wrong with it, one place a line.
pub fn read_manifest(bytes: &[u8], json: bool) -> Result<Manifest, String> {
    read::document(bytes, json).map_err(|faults| {
        let faults: Vec<Value> = faults.iter().filter_map(|fault| serde_json::to_value(fault).ok()).collect();
        told_faults(&faults)
    })
}

/// What a 422 lists, for people: one place a line.
#[must_use]
pub fn told_faults(faults: &[Value]) -> String {
    let told = faults.iter().map(|fault| {
        let steps = fault["loc"].as_array().into_iter().flatten();
        let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let path: Vec<String> = steps.map(step).skip_while(|step| step == "body").collect();
        let msg = fault["msg"].as_str().unwrap_or_default().trim_start_matches("Value error, ");
        if path.is_empty() {
            return msg.to_owned();
        }
        format!("{}: {msg}", manifest::Fault { path, what: String::new() }.place())
    });
    told.collect::<Vec<_>>().join("\n")
}

/// The operations on the gateway as a document.
pub struct ManifestApi(pub Arc<Services>);

/// How the query says that a document is meant.
fn terms(prune: Query<bool>, partial: Query<bool>, expect: Query<String>) -> Result<Terms, ApiError> {
    let mut faults = Vec::new();
    let (prune, partial) = (prune.read(&mut faults), partial.read(&mut faults));
    let expect = expect.read(&mut faults);
    if !faults.is_empty() {
        return Err(ApiError::faults(faults));
    }
    Ok(Terms { prune: prune.unwrap_or(false), partial: partial.unwrap_or(false), expect, ..Terms::default() })
}

#[OpenApi(tag = "Group::Config")]
impl ManifestApi {
    /// Export the gateway as a document
    ///
    /// Pools with their members, vhosts with their routes and ignored buckets: names and no ids, defaults left out, in
    /// order of name, so that two gateways that are alike give the same text. S3 keys are not in it. `ETag` is the
    /// `state` that a plan tells, too.
    #[oai(path = "/config/export", method = "get", operation_id = "export_config")]
    async fn export(
        &self,
        _caller: Caller,
        /// `yaml` (the default) or `json`.
        format: Query<Form>,
    ) -> Result<Written, Failure<Searching>> {
        let mut faults = Vec::new();
        let form = format.read(&mut faults).unwrap_or(Form::Yaml);
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let exported = self.0.manifests.export().await?;
        let text = write::document(&exported.manifest, form == Form::Json);
        Ok(Written { text, form, state: exported.state })
    }

    /// Plan a document
    ///
    /// What an apply of this document would do: what would be made, changed and removed, the files of nginx as they would
    /// be, what nginx says to them, and the buckets that need a migration first, since no document leads a bucket away from
    /// its objects. Changes nothing. A plan that is `applicable` applies, as long as nothing else changes.
    #[oai(path = "/config/plan", method = "post", operation_id = "plan_config")]
    async fn plan(
        &self,
        _caller: Caller,
        /// Remove what the document does not name.
        prune: Query<bool>,
        /// Leave out what would lead buckets away from their objects.
        partial: Query<bool>,
        /// The `state` that the document was made for: 412 if the gateway is in another one.
        expect: Query<String>,
        document: DocumentBody,
    ) -> Result<Shown<PlanView>, Failure<Changing>> {
        let terms = terms(prune, partial, expect)?;
        Ok(Shown(self.0.manifests.plan(&document.0, &terms).await?.into()))
    }

    /// Apply a document
    ///
    /// In one change: one test by nginx, all of it or nothing. What the document does not name stays, unless `prune`. 409 if
    /// buckets would be led away from their objects, unless `partial` leaves those out. The S3 keys of pools stay as they
    /// are. Nothing is reloaded.
    #[oai(path = "/config/apply", method = "post", operation_id = "apply_config")]
    async fn apply(
        &self,
        caller: Caller,
        /// Remove what the document does not name.
        prune: Query<bool>,
        /// Leave out what would lead buckets away from their objects.
        partial: Query<bool>,
        /// The `state` that was planned: 412 if the gateway is in another one.
        expect: Query<String>,
        document: DocumentBody,
    ) -> Result<Shown<AppliedView>, Failure<Changing>> {
        let terms = terms(prune, partial, expect)?;
        Ok(Shown(self.0.manifests.apply(caller.0, &document.0, &terms).await?.into()))
    }

    /// Describe the document
    ///
    /// Its JSON Schema (draft 2020-12), for editors and for whoever writes documents by a program.
    #[oai(path = "/config/schema", method = "get", operation_id = "config_schema")]
    async fn schema(&self, _caller: Caller) -> Result<SchemaText, Failure<Reading>> {
        Ok(SchemaText(schema::json_schema()))
    }
}
