//! `/api/health`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::{Facts, Group};
use super::reply::Shown;
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
}
