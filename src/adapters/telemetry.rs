//! Traces for OpenTelemetry: what `tracing` calls a span is sent by OTLP over HTTP to the collector that the settings
//! name, in batches, by a thread of its own. A collector that does not answer costs the spans and nothing else.
//!
//! Of the environment, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and the sampler's variables are heeded:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.

use std::time::Duration;

use http::{HeaderMap, Method};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// How long one batch may take to be sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// The attribute that becomes the name of a request's span.
const OPERATION: &str = "operation";

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address or the client cannot be used.
    #[error("traces cannot be sent to NANIO_ORCHESTRATOR_OTLP_ENDPOINT {endpoint}: {why}")]
    Unusable {
        /// The address of the settings.
        endpoint: String,
        /// What is wrong.
        why: String,
    },
}

/// Sends spans until it is ended.
pub struct Telemetry {
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Sends to the collector at `endpoint`, such as `http://127.0.0.1:4318`; `/v1/traces` is put behind an address
    /// that has no path.
    ///
    /// # Errors
    /// The address is none.
    pub fn start(endpoint: &str, version: &str) -> Result<Self, TelemetryError> {
        let unusable = |why: String| TelemetryError::Unusable { endpoint: endpoint.to_owned(), why };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client().map_err(unusable)?)
            .with_endpoint(traces_of(endpoint))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name("nanio-orchestrator")
            .with_attribute(opentelemetry::KeyValue::new("service.version", version.to_owned()))
            .build();
        let named = NamedByOperation(exporter);
        Ok(Self { provider: SdkTracerProvider::builder().with_batch_exporter(named).with_resource(resource).build() })
    }

    /// What turns `tracing`'s spans into those that are sent.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("nanio-orchestrator"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
    }

    /// Sends what is left, for as long as a batch may take.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(PATIENCE)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// A client that blocks, which cannot be made where asynchronous work is done.
fn client() -> Result<reqwest::blocking::Client, String> {
    let made = std::thread::spawn(|| reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build());
    match made.join() {
        Ok(client) => client.map_err(|error| error.to_string()),
        Err(_) => Err("no HTTP client could be made".to_owned()),
    }
}

fn traces_of(endpoint: &str) -> String {
    let trimmed = endpoint.trim_end_matches('/');
    match trimmed.split_once("://") {
        Some((_, rest)) if !rest.contains('/') => format!("{trimmed}/v1/traces"),
        _ => endpoint.to_owned(),
    }
}

/// Names a request's span after what was asked for, which is known at its end only.
#[derive(Debug)]
struct NamedByOperation<E>(E);

impl<E: SpanExporter> SpanExporter for NamedByOperation<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            let operation = span.attributes.iter().find(|attribute| attribute.key.as_str() == OPERATION);
            if let Some(name) = operation.map(|attribute| attribute.value.to_string()) {
                span.name = name.into();
                span.span_kind = SpanKind::Server;
            }
        }
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Makes the span of a request part of its caller's trace, if the caller says which that is
/// (<https://www.w3.org/TR/trace-context/>), and says what was asked.
pub fn describe_request(span: &Span, method: &Method, path: &str, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        // Without a collector there is nothing to be part of.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Headers(headers)));
    }
    span.set_attribute("http.request.method", method.as_str().to_owned());
    span.set_attribute("url.path", path.to_owned());
}

/// Says what a request was answered with.
pub fn describe_answer(span: &Span, operation: &'static str, status: u16) {
    span.set_attribute(OPERATION, operation);
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_status(Status::error(format!("status {status}")));
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_gets_the_one_that_collectors_listen_at() {
        assert_eq!(traces_of("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(traces_of("http://127.0.0.1:4318/"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(traces_of("https://otel.example/tenant/v1/traces"), "https://otel.example/tenant/v1/traces");
    }
}
