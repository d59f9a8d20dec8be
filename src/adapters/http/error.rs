//! The only place that knows status codes of failures. Every failure, wherever it arises, is JSON `{"detail": …}`.

use std::marker::PhantomData;

use poem::error::{MethodNotAllowedError, NotFoundError, ParsePathError, ReadBodyError};
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use serde::Serialize;

use super::fault::Fault;
use super::request_id::RequestId;
use super::schema::{about, inline, object};
use crate::domain::services::ServiceError;
use crate::ports::gateway::GatewayError;
use crate::ports::settings_file::SettingsFileError;
use crate::ports::store::StoreError;

/// What the client is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// A sentence.
    Text(String),
    /// What is wrong with each value of the request.
    Faults(Vec<Fault>),
}

/// A failed request.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    status: StatusCode,
    detail: Detail,
    retry_after: Option<u64>,
}

impl ApiError {
    fn text(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: Detail::Text(detail.into()), retry_after: None }
    }

    /// 401 in the words that 0.4.x clients know.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::text(StatusCode::UNAUTHORIZED, "Invalid or missing X-Orchestrator-Key")
    }

    /// 401: whoever asks for metrics must say who it is as Prometheus does.
    #[must_use]
    pub fn no_metrics() -> Self {
        Self::text(
            StatusCode::UNAUTHORIZED,
            "Metrics are for holders of NANIO_ORCHESTRATOR_METRICS_TOKEN or the API key, sent as Authorization: Bearer",
        )
    }

    /// 403: a browser asked for a change from a page that is not ours.
    #[must_use]
    pub fn foreign_origin() -> Self {
        Self::text(
            StatusCode::FORBIDDEN,
            "A change asked for with the session cookie must come from a page of this server \
             (Sec-Fetch-Site or Origin says otherwise); scripts use the header X-Orchestrator-Key",
        )
    }

    /// 429 until `seconds` have passed.
    #[must_use]
    pub fn too_many_logins(seconds: u64) -> Self {
        let detail = format!("Too many wrong API keys; try again in {seconds} seconds");
        Self { retry_after: Some(seconds), ..Self::text(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// 412: `If-Match` does not name the present revision.
    #[must_use]
    pub fn stale(detail: impl Into<String>) -> Self {
        Self::text(StatusCode::PRECONDITION_FAILED, detail)
    }

    /// 422 for values of the body; each fault is located relative to it.
    #[must_use]
    pub fn body(faults: Vec<Fault>) -> Self {
        Self::faults(faults.into_iter().map(|fault| fault.under("body")).collect())
    }

    /// 422 for values that are located already.
    #[must_use]
    pub fn faults(faults: Vec<Fault>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: Detail::Faults(faults), retry_after: None }
    }

    /// 404 for a path that leads nowhere.
    #[must_use]
    pub fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "Not Found")
    }

    /// 413 for a body above the usual limit.
    #[must_use]
    pub fn too_large() -> Self {
        Self::larger_than(super::body::MOST_BYTES)
    }

    /// 413 for a body above this limit.
    #[must_use]
    pub fn larger_than(bytes: usize) -> Self {
        Self::text(StatusCode::PAYLOAD_TOO_LARGE, format!("The request body is larger than {bytes} bytes"))
    }

    /// 500; the cause is in the log.
    #[must_use]
    pub fn internal() -> Self {
        Self::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error; the log of nanio-orchestrator names the cause",
        )
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Any failure that the framework raised before or around a handler.
    #[must_use]
    pub fn of_framework(error: &poem::Error) -> Self {
        // A path that is no text once it is decoded names nothing of ours either.
        if error.is::<NotFoundError>() || error.is::<ParsePathError>() {
            return Self::not_found();
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        }
        match error.downcast_ref::<ReadBodyError>() {
            Some(ReadBodyError::PayloadTooLarge) => return Self::too_large(),
            Some(unreadable) => return Self::text(StatusCode::BAD_REQUEST, unreadable.to_string()),
            None => {}
        }
        if error.status().is_server_error() {
            tracing::error!(%error, "a request failed");
            return Self::internal();
        }
        Self::text(error.status(), error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            detail: Detail,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<String>,
        }
        let request_id = RequestId::current().map(|id| id.to_string());
        // Strings, numbers and JSON values: serialising them cannot fail.
        let body = serde_json::to_vec(&Body { detail: self.detail, request_id }).unwrap_or_default();
        let mut answer = Response::builder().status(self.status).content_type("application/json");
        if let Some(seconds) = self.retry_after {
            answer = answer.header(header::RETRY_AFTER, seconds);
        }
        answer.body(body)
    }
}

impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        poem::Error::from_response(error.into_response())
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let told = error.to_string();
        match error {
            ServiceError::NotFound(_) | ServiceError::Missing(_) => Self::text(StatusCode::NOT_FOUND, told),
            ServiceError::Rejected(_) => Self::text(StatusCode::BAD_REQUEST, told),
            ServiceError::Conflict(_) => Self::text(StatusCode::CONFLICT, told),
            ServiceError::Refused(_) => Self::text(StatusCode::UNPROCESSABLE_ENTITY, told),
            ServiceError::Stale(_) => Self::stale(told),
            ServiceError::Operations(refused) => {
                Self::body(refused.iter().map(|(index, why)| Fault::of_operation(*index, &why.to_string())).collect())
            }
            ServiceError::Manifest(faults) => Self::body(faults.iter().map(Fault::of_manifest).collect()),
            ServiceError::Forbidden(_) => Self::text(StatusCode::FORBIDDEN, told),
            ServiceError::Unavailable(_) => Self::text(StatusCode::SERVICE_UNAVAILABLE, told),
            ServiceError::SettingsFile(SettingsFileError::Refused(_)) => {
                Self::text(StatusCode::UNPROCESSABLE_ENTITY, told)
            }
            ServiceError::SettingsFile(SettingsFileError::Fault(_)) => {
                tracing::error!(error = told, "the env file could not be used");
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, told)
            }
            ServiceError::Store(store) => store.into(),
            ServiceError::Storage(_) => Self::text(StatusCode::BAD_GATEWAY, told),
            ServiceError::Cipher(_) | ServiceError::Keys(_) => {
                tracing::error!(error = told, "S3 keys could not be encrypted or decrypted");
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, told)
            }
            ServiceError::Gateway(gateway) => gateway.into(),
            ServiceError::MigrationFiles(_) | ServiceError::Revisions(_) | ServiceError::Gate(_) => {
                GatewayError::Fault(told).into()
            }
            ServiceError::Field { field, invalid, input } => {
                Self::body(vec![Fault::of(&invalid, &input.into()).under(field)])
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let told = error.to_string();
        match error {
            StoreError::Stale { .. } | StoreError::Taken { .. } => Self::text(StatusCode::CONFLICT, told),
            StoreError::Unavailable(_) => {
                tracing::error!(error = told, "the database did not answer");
                Self::text(StatusCode::SERVICE_UNAVAILABLE, told)
            }
            StoreError::Corrupt(_) => {
                tracing::error!(error = told, "the database is not as expected");
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, told)
            }
        }
    }
}

impl From<GatewayError> for ApiError {
    fn from(error: GatewayError) -> Self {
        let told = error.to_string();
        match error {
            GatewayError::Refused(_) => Self::text(StatusCode::UNPROCESSABLE_ENTITY, told),
            GatewayError::Drifted { .. } => Self::text(StatusCode::CONFLICT, told),
            GatewayError::Fault(_) => {
                tracing::error!(error = told, "the gateway could not be changed");
                Self::text(StatusCode::INTERNAL_SERVER_ERROR, told)
            }
        }
    }
}

/// The ways in which one kind of operation can fail.
pub trait Failures: Send + Sync + 'static {
    /// Their status codes, in order.
    const STATUSES: &'static [u16];
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = [$($status:literal),+];)+) => {
        $($(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Failures for $name {
            const STATUSES: &'static [u16] = &[$($status),+];
        })+
    };
}
failures! {
    /// Reading something that is always there.
    Reading = [401, 500, 503];
    /// Reading something that a path or query names.
    Finding = [401, 404, 422, 500, 503];
    /// Reading something of a pool that not every pool has.
    Having = [400, 401, 404, 422, 500, 503];
    /// Reading what storage nodes hold.
    Visiting = [400, 401, 404, 422, 500, 502, 503];
    /// Deleting what storage nodes hold.
    Purging = [400, 401, 403, 404, 409, 422, 500, 502, 503];
    /// Changing something by its path alone.
    Ending = [400, 401, 403, 404, 422, 500, 503];
    /// Searching by query.
    Searching = [401, 422, 500, 503];
    /// Reading what a query describes.
    Asking = [400, 401, 404, 422, 500, 503];
    /// Reading what a body describes.
    Composing = [400, 401, 403, 404, 413, 422, 500, 503];
    /// Making something.
    Making = [400, 401, 403, 404, 409, 413, 422, 500, 503];
    /// Changing something.
    Changing = [400, 401, 403, 404, 409, 412, 413, 422, 500, 503];
    /// Removing something.
    Removing = [400, 401, 403, 404, 409, 412, 422, 500, 503];
    /// Having something done to what a path names.
    Doing = [400, 401, 403, 404, 409, 422, 500, 503];
    /// Telling nginx to do something.
    Acting = [401, 403, 409, 422, 500, 503];
    /// Changing a setting.
    Adjusting = [401, 403, 404, 413, 422, 500, 503];
    /// Having the program restarted.
    Restarting = [401, 403, 500, 503];
}

/// An [`ApiError`] of an operation that can fail as `K` says, so that the document lists those ways.
#[derive(Debug)]
pub struct Failure<K>(ApiError, PhantomData<K>);

impl<K, E: Into<ApiError>> From<E> for Failure<K> {
    fn from(error: E) -> Self {
        Self(error.into(), PhantomData)
    }
}

impl<K: Failures> From<Failure<K>> for poem::Error {
    fn from(failure: Failure<K>) -> Self {
        failure.0.into()
    }
}

impl<K: Failures> ApiResponse for Failure<K> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: K::STATUSES.iter().map(|&status| described(status)).collect() }
    }

    fn register(registry: &mut Registry) {
        register(registry);
    }
}

const ERROR: &str = "Error";
const INVALID: &str = "InvalidRequest";

fn described(status: u16) -> MetaResponse {
    let description = match status {
        400 => "The request contradicts what is there.",
        401 => "Neither the API key nor a session cookie was given, or it is not valid.",
        403 => {
            "A change was asked for with the session cookie, from a page of another origin; or it is for the machine's operator to make."
        }
        404 => "There is no such thing.",
        409 => {
            "The change collides with something else: a taken name, a use, a file edited by hand, a change that came first."
        }
        412 => "`If-Match` names another revision than the present one.",
        413 => "The body is larger than 1 MiB, a document of the whole gateway than 16 MiB.",
        422 => {
            "A value of the request is not acceptable (`detail` lists each), or nginx refuses the result (`detail` is its message). Nothing has changed."
        }
        502 => "The pool's storage nodes gave no usable answer, or refused.",
        503 => "The database does not answer now, or what is asked for is not possible in this place.",
        _ => "The machine failed: disk, rights, a missing program, no `SECRET`. Nothing has changed.",
    };
    let schema = if status == 422 { INVALID } else { ERROR };
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: "application/json",
            schema: MetaSchemaRef::Reference(schema.to_owned()),
        }],
        headers: Vec::new(),
    }
}

fn register(registry: &mut Registry) {
    let string = || inline(MetaSchema::new("string"));
    let request_id = || about(string(), "The name of the request, as in the header `X-Request-Id` and in the log.");
    registry.create_schema::<ApiError, _>(ERROR.to_owned(), |_| {
        let detail = about(string(), "What happened, and what to do next.");
        object("Why a request failed.", vec![("detail", detail), ("request_id", request_id())], vec!["detail"])
    });
    registry.create_schema::<Detail, _>(INVALID.to_owned(), |_| {
        let step = MetaSchema { any_of: vec![string(), inline(MetaSchema::new("integer"))], ..MetaSchema::ANY };
        let path = MetaSchema { items: Some(Box::new(inline(step))), ..MetaSchema::new("array") };
        let fault = object(
            "One thing that is wrong with the request.",
            vec![
                ("type", about(string(), "The kind of fault.")),
                ("loc", about(inline(path), "Where: `body`, `path` or `query`, then names and indexes.")),
                ("msg", about(string(), "What is wrong, for a person.")),
                ("input", about(inline(MetaSchema { nullable: true, ..MetaSchema::ANY }), "The value that was given.")),
                ("ctx", about(inline(MetaSchema::new("object")), "The bounds that `msg` names.")),
            ],
            vec!["type", "loc", "msg", "input"],
        );
        let list = MetaSchema { items: Some(Box::new(inline(fault))), ..MetaSchema::new("array") };
        let detail = MetaSchema { any_of: vec![string(), inline(list)], ..MetaSchema::ANY };
        let members = vec![("detail", inline(detail)), ("request_id", request_id())];
        object("Why a value was not acceptable.", members, vec!["detail"])
    });
}
