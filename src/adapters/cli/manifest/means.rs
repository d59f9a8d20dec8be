//! Who does the work: the use cases here, while no server runs on the data, or else that server.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Fault;
use crate::adapters::cli::resource::query;
use crate::adapters::cli::server::Server;
use crate::adapters::cli::service_user;
use crate::adapters::cli::session::ServerArguments;
use crate::adapters::http::{applied_document, plan_document, read_manifest, told_faults, write_manifest};
use crate::adapters::process_lock::LockError;
use crate::app::{self, StartError};
use crate::config::{Settings, Sources};
use crate::domain::audit::Actor;
use crate::domain::services::Services;
use crate::domain::services::manifests::Terms;

/// A document, and how it is meant.
#[derive(Debug)]
pub(super) struct Document {
    pub text: String,
    pub json: bool,
    pub prune: bool,
    pub partial: bool,
    pub expect: Option<String>,
}

impl Document {
    fn terms(&self) -> Terms {
        Terms { prune: self.prune, partial: self.partial, expect: self.expect.clone(), ..Terms::default() }
    }

    fn query(&self) -> String {
        let (prune, partial) = (self.prune.to_string(), self.partial.to_string());
        query(&[("prune", Some(prune)), ("partial", Some(partial)), ("expect", self.expect.clone())])
    }
}

/// Exports, plans and applies.
pub(super) enum Means {
    /// The data of this machine.
    Here(Box<Settings>),
    /// A server that was named.
    There(Arc<Server>),
}

impl Means {
    /// The server that was named, or what is here.
    pub fn find(named: &ServerArguments) -> Result<Self, Fault> {
        Ok(match named.named()? {
            Some(server) => Self::There(Arc::new(server)),
            None => Self::Here(Box::new(Settings::from_sources(&Sources::gather(Vec::new())?)?)),
        })
    }

    /// The gateway as a document.
    pub async fn export(&self, json: bool) -> Result<String, Fault> {
        let work = async |services: &Services| services.manifests.export().await;
        match self.here("export", work).await? {
            Ok(exported) => Ok(write_manifest(&exported?.manifest, json)),
            Err(server) => {
                let form = if json { "json" } else { "yaml" };
                answered(server.send(Method::GET, &format!("/api/config/export?format={form}"), None).await?)
            }
        }
    }

    /// What an apply would do, as the API tells it.
    pub async fn plan(&self, document: &Document) -> Result<Value, Fault> {
        let (manifest, terms) = (read_manifest(document.text.as_bytes(), document.json)?, document.terms());
        let work = async |services: &Services| services.manifests.plan(&manifest, &terms).await;
        match self.here("plan", work).await? {
            Ok(plan) => Ok(plan_document(plan?)),
            Err(server) => by_the_server(&server, "plan", document).await,
        }
    }

    /// What an apply did, as the API tells it.
    pub async fn apply(&self, document: &Document) -> Result<Value, Fault> {
        let (manifest, terms) = (read_manifest(document.text.as_bytes(), document.json)?, document.terms());
        let work = async |services: &Services| services.manifests.apply(Actor::Cli, &manifest, &terms).await;
        match self.here("apply", work).await? {
            Ok(applied) => Ok(applied_document(applied?)),
            Err(server) => by_the_server(&server, "apply", document).await,
        }
    }

    /// What `work` gives on the data of this machine, or the server that is to do it instead.
    async fn here<T>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(&Services) -> T,
    ) -> Result<Result<T, Arc<Server>>, Fault> {
        let settings = match self {
            Self::Here(settings) => settings,
            Self::There(server) => return Ok(Err(server.clone())),
        };
        service_user::become_it(settings)?;
        app::expect_gateway(settings)?;
        match app::offline(settings, operation, work).await {
            Ok(done) => Ok(Ok(done)),
            Err(error) => Ok(Err(Arc::new(server(error, settings)?))),
        }
    }
}

async fn by_the_server(server: &Server, operation: &str, document: &Document) -> Result<Value, Fault> {
    let form = if document.json { "application/json" } else { "application/yaml" };
    let path = format!("/api/config/{operation}{}", document.query());
    let text = answered(server.send(Method::POST, &path, Some((form, document.text.clone()))).await?)?;
    Ok(serde_json::from_str(&text)?)
}

/// The server that has the data, if that is why the work could not be done here.
fn server(error: StartError, settings: &Settings) -> Result<Server, Fault> {
    match error {
        StartError::Lock(busy @ LockError::Busy { .. }) => match Server::of(&busy, settings)? {
            Some(server) => Ok(server),
            None => Err(busy.into()),
        },
        other => Err(other.into()),
    }
}

/// The body of an answer, if it is not a refusal.
fn answered((status, text): (StatusCode, String)) -> Result<String, Fault> {
    if status.is_success() {
        return Ok(text);
    }
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    Err(match &body["detail"] {
        Value::String(detail) => detail.clone(),
        Value::Array(faults) => told_faults(faults),
        _ => format!("the server answered {status}: {text}"),
    }
    .into())
}
