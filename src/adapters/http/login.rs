//! `GET` and `POST /login`, `POST /logout`: the API key buys a session cookie.

use std::net::IpAddr;
use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Addr, Body, IntoResponse, Request, Response, Result, handler};
use serde_json::Value;

use super::attempts::{Attempts, Source};
use super::auth::{Gatekeeper, may_change};
use super::body;
use super::error::ApiError;
use super::fault::Fault;
use super::pages::Pages;
use super::session::COOKIE;
use crate::ports::clock::Clock;

/// What the login needs.
pub struct Login {
    /// Knows the key and the sessions.
    pub gatekeeper: Arc<Gatekeeper>,
    /// The pages.
    pub pages: Arc<Pages>,
    /// Wrong logins.
    pub attempts: Attempts,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// `GET /login`. Shows nothing of the query: a link cannot put words into our page.
#[handler]
pub fn show(login: Data<&Arc<Login>>) -> Response {
    login.pages.login(None)
}

/// `POST /login`.
#[handler]
pub async fn log_in(request: &Request, body: Body, login: Data<&Arc<Login>>) -> Result<Response> {
    let (source, now) = (source(request), login.clock.now());
    if let Some(seconds) = login.attempts.wait(source, now) {
        return Err(ApiError::too_many_logins(seconds).into());
    }
    let bytes = body::bytes(body).await?;
    let key = form_urlencoded::parse(&bytes).find(|(name, _)| name == "key").map(|(_, value)| value);
    let Some(key) = key.filter(|_| is_form(request)) else {
        return Err(ApiError::body(vec![Fault::missing(&Value::Null).under("key")]).into());
    };
    if !login.gatekeeper.knows(key.as_bytes()) {
        login.attempts.note(source, now);
        tracing::warn!(source = %request.remote_addr(), "a login with a wrong API key");
        return Ok(login.pages.login(Some("Invalid API key.")));
    }
    let cookie = login.gatekeeper.sessions.issue(now, rand::random());
    let lifetime = login.gatekeeper.sessions.ttl();
    Ok(to("/", &set_cookie(request, &cookie, &format!("Max-Age={lifetime}"))))
}

/// `POST /logout`. The session is void from now on, wherever its cookie was copied to.
#[handler]
pub async fn log_out(request: &Request, login: Data<&Arc<Login>>) -> Result<Response> {
    if let Some(session) = login.gatekeeper.session(request).await? {
        if !may_change(request) {
            return Err(ApiError::foreign_origin().into());
        }
        login.gatekeeper.sessions.end(session, login.clock.now()).await.map_err(ApiError::from)?;
    }
    let expired = "expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0";
    Ok(to("/login", &set_cookie(request, "", expired)))
}

fn to(place: &'static str, cookie: &str) -> Response {
    StatusCode::SEE_OTHER
        .with_header(header::LOCATION, place)
        .with_header(header::SET_COOKIE, cookie)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}

fn set_cookie(request: &Request, value: &str, lifetime: &str) -> String {
    let secure = if is_https(request) { "; Secure" } else { "" };
    format!("{COOKIE}={value}; HttpOnly; {lifetime}; Path=/; SameSite=lax{secure}")
}

/// Whether the client speaks TLS, to us or to a proxy in front of us.
#[must_use]
pub fn is_https(request: &Request) -> bool {
    let forwarded = request.headers().get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    request.scheme() == &poem::http::uri::Scheme::HTTPS
        || forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn is_form(request: &Request) -> bool {
    let form = |kind: &str| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    request.content_type().and_then(|kind| kind.split(';').next()).is_some_and(form)
}

fn source(request: &Request) -> Source {
    let address: Option<IpAddr> = match &request.remote_addr().0 {
        Addr::SocketAddr(address) => Some(address.ip()),
        Addr::Unix(_) | Addr::Custom(_, _) => None,
    };
    Source::of(address)
}
