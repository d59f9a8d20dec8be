//! Who may do what: the classes of paths, the API key, the session cookie, and the rule that a
//! change asked for with a cookie must come from our own pages.

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, RequestBody, Response, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::session::{COOKIE, Session, Sessions};
use crate::domain::audit::Actor;
use crate::ports::clock::Clock;

/// The header that holds the API key.
pub const KEY_HEADER: &str = "x-orchestrator-key";

/// The header by which our own command line says that it is one. It changes the name in the audit log and nothing else,
/// and is heard from those who have the API key only.
pub const ACTOR_HEADER: &str = "x-orchestrator-actor";

/// The rule for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Anyone.
    Open,
    /// The API key or a session; others get 401.
    Api,
    /// The token for metrics or the API key; others get 401.
    Metrics,
    /// A session; others are sent to the login page.
    Page,
}

impl Class {
    fn of(path: &str) -> Self {
        match path {
            "/metrics" => Class::Metrics,
            "/api/health" | "/api/health/ready" | "/api/docs" | "/api/redoc" | "/api/openapi.json" | "/login"
            | "/logout" => Class::Open,
            _ if path.starts_with("/static/") => Class::Open,
            _ if path.starts_with("/api/") => Class::Api,
            _ => Class::Page,
        }
    }
}

/// Knows the API key, and tells callers apart.
pub struct Gatekeeper {
    key: [u8; 32],
    metrics_token: Option<[u8; 32]>,
    clock: Arc<dyn Clock>,
    /// The browser sessions.
    pub sessions: Sessions,
}

impl Gatekeeper {
    /// A gatekeeper for this key.
    #[must_use]
    pub fn new(api_key: &str, metrics_token: Option<&str>, sessions: Sessions, clock: Arc<dyn Clock>) -> Self {
        let metrics_token = metrics_token.map(|token| Sha256::digest(token.as_bytes()).into());
        Self { key: Sha256::digest(api_key.as_bytes()).into(), metrics_token, clock, sessions }
    }

    /// Whether `given` is the API key. Takes the same time for every wrong one.
    #[must_use]
    pub fn knows(&self, given: &[u8]) -> bool {
        // Hashed first: then the lengths are equal, and nothing of the key shows in the time.
        let given: [u8; 32] = Sha256::digest(given).into();
        given.ct_eq(&self.key).into()
    }

    /// Whether a request may read the metrics: with the token for them, or with the API key, as `Authorization: Bearer`,
    /// which is what Prometheus sends; or with the API key as everywhere.
    fn may_scrape(&self, request: &Request) -> bool {
        let header = |name| request.headers().get(name).map(poem::http::HeaderValue::as_bytes);
        let bearer = header("authorization").and_then(|value| value.strip_prefix(b"Bearer "));
        let is_token = |given: &[u8]| {
            let given: [u8; 32] = Sha256::digest(given).into();
            self.metrics_token.is_some_and(|token| given.ct_eq(&token).into())
        };
        bearer.is_some_and(|given| is_token(given) || self.knows(given))
            || header(KEY_HEADER).is_some_and(|given| self.knows(given))
    }

    /// The session of a request, if it has a valid one.
    ///
    /// # Errors
    /// The store cannot say which sessions were ended.
    pub async fn session(&self, request: &Request) -> Result<Option<Session>, ApiError> {
        for cookie in cookies(request, COOKIE) {
            if let Some(session) = self.sessions.check(cookie, self.clock.now()).await? {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// Who calls; `None` if nobody we know.
    async fn actor(&self, request: &Request) -> Result<Option<Actor>, ApiError> {
        if request.headers().get(KEY_HEADER).is_some_and(|given| self.knows(given.as_bytes())) {
            let cli = request.headers().get(ACTOR_HEADER).is_some_and(|actor| actor == Actor::Cli.as_str());
            return Ok(Some(if cli { Actor::Cli } else { Actor::Api }));
        }
        Ok(self.session(request).await?.map(|_| Actor::Web))
    }
}

/// Lets a request through to `next`, or answers in its place with 401, 403 or the way to the login page.
pub async fn guard<E: Endpoint<Output = Response>>(
    gatekeeper: Arc<Gatekeeper>,
    next: Arc<E>,
    mut request: Request,
) -> Result<Response> {
    let found = match Class::of(request.uri().path()) {
        Class::Open => return next.call(request).await,
        Class::Metrics if gatekeeper.may_scrape(&request) => return next.call(request).await,
        Class::Metrics => {
            return Ok(ApiError::no_metrics().with_header(header::WWW_AUTHENTICATE, "Bearer").into_response());
        }
        Class::Api => gatekeeper.actor(&request).await?.ok_or_else(|| ApiError::unauthorized().into_response()),
        Class::Page => gatekeeper.session(&request).await?.map(|_| Actor::Web).ok_or_else(to_login),
    };
    let actor = match found {
        Ok(Actor::Web) if !may_change(&request) => return Err(ApiError::foreign_origin().into()),
        Ok(actor) => actor,
        Err(answer) => return Ok(answer),
    };
    request.extensions_mut().insert(actor);
    let mut answer = next.call(request).await?;
    // The log line is written outside, where the request is gone.
    answer.set_data(actor);
    Ok(answer)
}

fn to_login() -> Response {
    StatusCode::FOUND.with_header(header::LOCATION, "/login").into_response()
}

/// Whether a request with a session cookie may change anything: it must come from our own origin.
#[must_use]
pub fn may_change(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Browsers send Sec-Fetch-Site to https and localhost only, Origin always.
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => match (text("origin").and_then(|origin| origin.split_once("://")), text("host")) {
            (Some((_, authority)), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => false,
        },
    }
}

fn cookies<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"'))
        // More cookies of this name than a browser would send are an attempt to keep us busy.
        .take(4)
}

/// The authenticated caller of an operation. An operation without it is open.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Actor);

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = |description, name, place| MetaSecurityScheme {
            ty: "apiKey",
            description: Some(description),
            name: Some(name),
            key_in: Some(place),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(
            "ApiKey",
            scheme("The API key (`NANIO_ORCHESTRATOR_API_KEY`).", "X-Orchestrator-Key", "header"),
        );
        registry.create_security_scheme(
            "Session",
            scheme(
                "A browser session, made by `POST /login`. Changes must come from the same origin.",
                COOKIE,
                "cookie",
            ),
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["ApiKey", "Session"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        // Whatever path led here: without the gatekeeper's word nobody is let in.
        let actor = request.extensions().get::<Actor>().copied();
        actor.map(Self).ok_or_else(|| ApiError::unauthorized().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, headers: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().method(method).header("host", "gw.example:8080");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.finish()
    }

    #[test]
    fn f40_a_cookie_changes_things_only_from_our_own_origin() {
        for (headers, allowed) in [
            (&[][..], false),
            (&[("origin", "http://gw.example:8080")], true),
            (&[("origin", "http://GW.example:8080")], true),
            (&[("origin", "http://gw.example:8081")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://gw.example:8080")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
        ] {
            assert_eq!(may_change(&request(Method::POST, headers)), allowed, "{headers:?}");
        }
        assert!(may_change(&request(Method::GET, &[("origin", "http://evil.example")])));
    }

    #[test]
    fn only_the_listed_paths_are_open() {
        for path in ["/api/health", "/api/openapi.json", "/api/docs", "/api/redoc", "/login", "/static/style.css"] {
            assert_eq!(Class::of(path), Class::Open, "{path}");
        }
        for path in ["/api/pools", "/api/health/", "/api/docs/x", "/api/"] {
            assert_eq!(Class::of(path), Class::Api, "{path}");
        }
        for path in ["/", "/openapi.json", "/static", "/api", "//api/pools", "/%61pi/pools", "/login/"] {
            assert_eq!(Class::of(path), Class::Page, "{path}");
        }
    }

    #[test]
    fn every_cookie_of_the_name_is_seen() {
        let request = request(Method::GET, &[("cookie", "a=b; nanio_session=one; nanio_session=\"two\"")]);
        assert_eq!(cookies(&request, COOKIE).collect::<Vec<_>>(), ["one", "two"]);
    }
}
