//! `/api/health`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::{Facts, Group};
use super::reply::{Judged, Shown};
use super::schema::view;
use crate::domain::services::Services;

view! {
    /// Whether the program is well.
    HealthView as "Health" {
        /// `ok`, or `degraded` when the database does not answer.
        status: String,
        /// The program's version.
        version: String,
        /// Whether nginx is left alone (development mode).
        dev_mode: bool,
        /// Whether the database answers.
        db_ok: bool,
        /// Where nginx's managed files are.
        nginx_config_dir: String,
        /// Managed files that were changed by hand or are missing.
        drift_alerts: u64,
    }
}

view! {
    /// Whether the program can do its work.
    ReadyView as "Ready" {
        /// Whether all of it can.
        ready: bool,
        /// Whether the database answers.
        database: bool,
        /// Whether nginx's managed files can be read.
        files: bool,
    }
}

/// The operation on the program's health.
pub struct HealthApi(pub Arc<Services>, pub Facts);

#[OpenApi(tag = "Group::Health")]
impl HealthApi {
    /// Check the health
    ///
    /// Open, and always 200.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn check(&self) -> Shown<HealthView> {
        let report = self.0.health.check().await;
        let facts = self.1.clone();
        Shown(HealthView {
            status: if report.db_ok { "ok" } else { "degraded" }.to_owned(),
            version: facts.version,
            dev_mode: facts.dev,
            db_ok: report.db_ok,
            nginx_config_dir: facts.nginx_config_dir,
            drift_alerts: report.drift_alerts,
        })
    }

    /// Check whether it can do its work
    ///
    /// Open. For load balancers and supervisors: 503 while the database or nginx's files cannot be used. The log says why.
    #[oai(path = "/health/ready", method = "get", operation_id = "ready")]
    async fn ready(&self) -> Judged<ReadyView> {
        let report = self.0.health.check().await;
        let ready = report.db_ok && report.files_ok;
        Judged { good: ready, body: ReadyView { ready, database: report.db_ok, files: report.files_ok } }
    }
}
