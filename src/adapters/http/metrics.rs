//! `/metrics`: figures for Prometheus, in its text form.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>. A label's values are few, however large the
//! gateway is: operations, phases, loops, and the vhosts that have a certificate.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Response, handler};
use prometheus::{Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use super::error::ApiError;
use crate::domain::migration::Phase;
use crate::domain::services::{ServiceError, Services};

/// What all names begin with.
const NAMESPACE: &str = "nanio_orchestrator";
/// Seconds; a change waits for nginx, a migration's request for storage nodes.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// So many of the newest migrations are counted.
const MIGRATIONS: u64 = 500;

/// What is counted while the program runs.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    version: String,
}

impl Metrics {
    /// Nothing counted so far.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self::try_new(version).expect("names and labels are written here, and are those that Prometheus takes")
    }

    fn try_new(version: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            opts("http_requests_total", "Requests that were answered, by operation and status."),
            &["operation", "code"],
        )?;
        let options = HistogramOpts::from(opts("http_request_duration_seconds", "Time from request to answer."));
        let seconds = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["operation"])?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self { registry, requests, seconds, version: version.to_owned() })
    }

    /// Counts an answer.
    pub fn count(&self, operation: &'static str, status: StatusCode, took: Duration) {
        self.requests.with_label_values(&[operation, status.as_str()]).inc();
        self.seconds.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    /// Everything, as Prometheus reads it.
    async fn text(&self, services: &Services) -> Result<String, Fault> {
        let mut families = self.registry.gather();
        families.extend(self.state(services).await?.gather());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What the gateway is like at the moment.
    async fn state(&self, services: &Services) -> Result<Registry, Fault> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let gauge = IntGaugeVec::new(opts(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let one = |name: &str, help: &str, value: i64| -> Result<(), prometheus::Error> {
            gauge(name, help, &[])?.with_label_values(&[] as &[&str]).set(value);
            Ok(())
        };
        gauge("build_info", "Always 1; the version of the program.", &["version"])?
            .with_label_values(&[self.version.as_str()])
            .set(1);
        let health = services.health.check().await;
        one("database_up", "Whether the database answers.", i64::from(health.db_ok))?;
        if !health.db_ok {
            return Ok(registry);
        }
        one("drifted_files", "Files of nginx that are not as they were written.", signed(health.drift_alerts))?;
        let totals = services.overview.look().await?.totals;
        one("pools", "Pools.", signed(totals.pools as u64))?;
        one("vhosts", "Vhosts.", signed(totals.vhosts as u64))?;
        one("routes", "Routes of buckets.", signed(totals.routes))?;
        one("members", "Members of pools.", signed(totals.members as u64))?;
        one("members_unreachable", "Enabled members that do not answer.", signed(totals.unreachable as u64))?;
        let phases = gauge("migrations", "Migrations by phase, of the newest 500.", &["phase"])?;
        Phase::ALL.iter().for_each(|phase| phases.with_label_values(&[phase.as_str()]).set(0));
        for view in services.migrations.list(None, MIGRATIONS).await? {
            phases.with_label_values(&[view.migration.phase.as_str()]).inc();
        }
        let success =
            gauge("loop_last_success_timestamp_seconds", "When a loop last did its work; 0: not yet.", &["loop"])?;
        let failing = gauge("loop_failing", "Whether the last run of a loop failed.", &["loop"])?;
        for report in services.loops.reports() {
            success.with_label_values(&[report.name]).set(report.last_success_at.map_or(0, |at| at.unix()));
            failing.with_label_values(&[report.name]).set(i64::from(report.last_error.is_some()));
        }
        let ends = gauge("certificate_not_after_timestamp_seconds", "When a vhost's certificate ends.", &["vhost"])?;
        let unread =
            gauge("certificate_unreadable", "Whether the end of a vhost's certificate cannot be told.", &["vhost"])?;
        for certificate in services.certificates.all().await? {
            let name = certificate.server_name.as_str();
            unread.with_label_values(&[name]).set(i64::from(certificate.not_after.is_err()));
            if let Ok(end) = certificate.not_after {
                ends.with_label_values(&[name]).set(end.unix());
            }
        }
        Ok(registry)
    }
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Prometheus(#[from] prometheus::Error),
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Answers a scrape. Who may ask is the gatekeeper's business.
#[handler]
pub async fn scrape(Data(metrics): Data<&Arc<Metrics>>, Data(services): Data<&Arc<Services>>) -> Response {
    match metrics.text(services).await {
        Ok(text) => {
            StatusCode::OK.with_header(header::CONTENT_TYPE, prometheus::TEXT_FORMAT).with_body(text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be put together");
            ApiError::internal().into_response()
        }
    }
}
