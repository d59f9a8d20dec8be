//! Puts the parts together: paths, gatekeeper, errors as JSON, security headers, the request log.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poem::http::uri::Scheme;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::listener::Acceptor;
use poem::middleware::CatchPanic;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Result, Route, Server, get, post};
use poem_openapi::OperationId;
use tokio::sync::watch;
use tracing::Instrument as _;

use super::allow::Allowed;
use super::api::{self, Facts};
use super::attempts::Attempts;
use super::auth::{Gatekeeper, guard};
use super::change_reason::reasoned;
use super::docs;
use super::error::ApiError;
use super::events::Pulse;
use super::login::{self, Login, is_https};
use super::metrics::{self, Metrics};
use super::momentary::{Momentary, repeat};
use super::pages::{self, Pages};
use super::remembered::{Remembered, remember};
use super::request_id::{self, RequestId, RequestIds};
use super::request_log;
use super::session::Sessions;
use super::spa::{self, Assets, Spa};
use crate::adapters::telemetry;
use crate::domain::audit::Actor;
use crate::domain::services::Services;
use crate::fault::point;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// How long requests in flight may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(20);
/// A connection on which nothing happens for so long is closed.
const IDLE: Duration = Duration::from_secs(90);
/// How long to wait after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// How the API is served.
pub struct HttpOptions {
    /// The API key.
    pub api_key: String,
    /// Who has it may read the metrics.
    pub metrics_token: Option<String>,
    /// Seconds that a browser session lasts.
    pub session_ttl: u64,
    /// Whether this is a start in development mode.
    pub dev: bool,
    /// The program's version.
    pub version: String,
    /// Where nginx's managed files are, for `/api/health`.
    pub nginx_config_dir: String,
    /// The name of this machine, for the pages; may be empty.
    pub host: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where ended sessions are remembered.
    pub store: Store,
    /// The files of the web UI.
    pub assets: Assets,
    /// Becomes true when the server stops: what would go on for ever ends then.
    pub ended: watch::Receiver<bool>,
}

impl std::fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key stays out of every log.
        f.debug_struct("HttpOptions").field("dev", &self.dev).field("version", &self.version).finish_non_exhaustive()
    }
}

/// The whole HTTP application.
pub fn app(services: Arc<Services>, options: HttpOptions) -> impl Endpoint<Output = Response> + use<> {
    let HttpOptions { metrics_token, session_ttl, dev, version, nginx_config_dir, host, .. } = options;
    let HttpOptions { api_key, clock, store, assets, ended, .. } = options;
    let metrics = Arc::new(Metrics::new(&version));
    let observer = Arc::new(Observer { metrics: metrics.clone(), ids: RequestIds::new(rand::random()) });
    let pulse = Pulse::of(&services, store.clone(), ended);
    let momentary = Arc::new(Momentary::new(clock.clone()));
    let remembered = Arc::new(Remembered::new(store.clone(), services.reachability.clone()));
    let sessions = Sessions::new(&api_key, session_ttl, store);
    let gatekeeper = Arc::new(Gatekeeper::new(&api_key, metrics_token.as_deref(), sessions, clock.clone()));
    let pages = Arc::new(Pages::new(host, version.clone(), dev));
    let spa = Arc::new(Spa { assets, pages: pages.clone() });
    let login = Arc::new(Login { gatekeeper: gatekeeper.clone(), pages, attempts: Attempts::default(), clock });
    let allowed = Arc::new(Allowed::of(&docs::openapi_document()));
    let operations = api::operations(&services, Facts { version, dev, nginx_config_dir }, pulse);

    Route::new()
        .nest("/api", docs::service(operations))
        .at("/api/openapi.json", docs::document())
        .at("/api/docs", docs::swagger())
        .at("/api/redoc", docs::redoc())
        .at("/metrics", get(metrics::scrape).data(metrics).data(services.clone()))
        .at("/login", get(login::show).post(login::log_in).data(login.clone()))
        .at("/logout", post(login::log_out).data(login))
        .at("/static/style.css", get(pages::style))
        .at("/static/*path", get(spa::asset).data(spa.clone()))
        .at("/", get(spa::page).data(spa.clone()))
        .at("/web/*path", get(spa::page).data(spa))
        .around(move |next, request| remember(remembered.clone(), next, request))
        .around(without_slash)
        .around(reasoned)
        .around(move |next, request| in_json(allowed.clone(), next, request))
        .around(move |next, request| guard(gatekeeper.clone(), next, request))
        .with(CatchPanic::new().with_handler(|_| ApiError::internal()))
        .around(move |next, request| observed(observer.clone(), next, request))
        .around(move |next, request| repeat(momentary.clone(), next, request))
}

/// Serves `app` until `shutdown`; then takes no more connections and lets requests in flight finish.
///
/// # Errors
/// The listener failed.
pub async fn run(
    acceptor: impl Acceptor + 'static,
    app: impl Endpoint + 'static,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    Server::new_with_acceptor(Patient(acceptor))
        .idle_timeout(IDLE)
        .run_with_graceful_shutdown(app, shutdown, Some(GRACE))
        .await
}

/// Waits a moment after a connection could not be taken. Without it the server, which tries again at once,
/// would burn a core for as long as the process is out of file descriptors.
struct Patient<A>(A);

impl<A: Acceptor> Acceptor for Patient<A> {
    type Io = A::Io;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> std::io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let taken = self.0.accept().await;
        if let Err(error) = &taken {
            tracing::warn!(%error, "a connection could not be taken");
            tokio::time::sleep(PAUSE).await;
        }
        taken
    }
}

/// Sends `/api/pools/` to `/api/pools`, as 0.4.x did.
async fn without_slash<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || !trimmed.starts_with("/api/") {
        return next.call(request).await.map(IntoResponse::into_response);
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let base = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(|host| {
        let scheme = if is_https(&request) { "https" } else { "http" };
        format!("{scheme}://{host}")
    });
    let place = format!("{}{trimmed}{query}", base.unwrap_or_default());
    Ok(StatusCode::TEMPORARY_REDIRECT.with_header(header::LOCATION, place).into_response())
}

/// Gives every failure the form that clients expect.
async fn in_json<E: Endpoint<Output = Response>>(
    allowed: Arc<Allowed>,
    next: Arc<E>,
    request: Request,
) -> Result<Response> {
    let path = request.uri().path().to_owned();
    let error = match next.call(request).await {
        Ok(answer) => return Ok(answer),
        Err(error) if error.is_from_response() => return Ok(error.into_response()),
        Err(error) => ApiError::of_framework(&error),
    };
    let refused_method = error.status() == StatusCode::METHOD_NOT_ALLOWED;
    let mut answer = error.into_response();
    if refused_method && let Some(methods) = allowed.methods(&path) {
        answer.headers_mut().insert(header::ALLOW, methods);
    }
    Ok(answer)
}

/// Who sees every request and every answer.
struct Observer {
    metrics: Arc<Metrics>,
    ids: RequestIds,
}

/// Names the request, writes its log line and sets the headers that every answer has. What fails outside the routes is
/// JSON here.
async fn observed<E: Endpoint<Output = Response>>(
    observer: Arc<Observer>,
    next: Arc<E>,
    request: Request,
) -> Result<Response> {
    let (method, path, began) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let id = observer.ids.name(request.headers());
    let span = tracing::info_span!("request", %id);
    telemetry::describe_request(&span, &method, &path, request.headers());
    point("http.request");
    let answered = async {
        match next.call(request).await {
            Ok(answer) => answer,
            Err(error) if error.is_from_response() => error.into_response(),
            Err(error) => ApiError::of_framework(&error).into_response(),
        }
    };
    let mut answer = id.clone().during(answered).instrument(span.clone()).await;
    set_headers(&mut answer, &id);
    let operation = answer.data::<OperationId>().map_or("other", |operation| operation.0);
    observer.metrics.count(operation, answer.status(), began.elapsed());
    telemetry::describe_answer(&span, operation, answer.status().as_u16());
    let actor = answer.data::<Actor>().map_or("-", |actor| actor.as_str());
    span.in_scope(|| request_log::write(&method, &path, answer.status(), began.elapsed(), actor));
    if method == Method::HEAD {
        answer.set_body(());
    }
    point("http.answer");
    Ok(answer)
}

fn set_headers(answer: &mut Response, id: &RequestId) {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not no-referrer: with it, browsers send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(request_id::HEADER, id);
    }
}
