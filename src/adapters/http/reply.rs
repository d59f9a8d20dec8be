//! Successful answers: status, JSON body, `ETag`. Each type also says so in the OpenAPI document.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use serde::Serialize;

use super::error::ApiError;
use super::schema::Described;
use crate::domain::ids::Revision;

/// The strong validator of a resource: its revision, and what else its representation shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of a resource that shows nothing but itself.
    #[must_use]
    pub fn of(revision: Revision) -> Self {
        Self(format!("\"{}\"", revision.0))
    }

    /// The tag of a resource that also shows `other`, which can change without it.
    /// `other` must consist of letters, digits, `.`, `_` and `-`.
    #[must_use]
    pub fn with(revision: Revision, other: &str) -> Self {
        Self(format!("\"{}-{other}\"", revision.0))
    }

    /// The tag as it stands in the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The revision that a client names with a tag of ours.
    #[must_use]
    pub fn revision(text: &str) -> Option<Revision> {
        let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
        let digits = inner.split('-').next()?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok().map(Revision)).flatten()
    }
}

/// 200 with a body.
#[derive(Debug)]
pub struct Shown<T>(pub T);

/// A body with 200 if what it tells of is good, with 503 if not.
#[derive(Debug)]
pub struct Judged<T> {
    /// Whether it is good.
    pub good: bool,
    /// The body.
    pub body: T,
}

/// 200 with a body; `Deprecation` (RFC 9745) says that it was asked for in a way that will go.
#[derive(Debug)]
pub struct Advised<T> {
    /// The body.
    pub body: T,
    /// Whether it was asked for in such a way.
    pub deprecated: bool,
}

/// Since when that is so: the day of 0.5.0.
const DEPRECATED_SINCE: &str = "@1795737600";

/// 200 with a body and its tag, or 304 when the client has that already.
#[derive(Debug)]
pub struct Tagged<T> {
    /// The resource.
    pub body: T,
    /// Its tag.
    pub tag: Tag,
    /// Whether the client has it already.
    pub known: bool,
}

/// 200 with what a change has made of a resource, and its new tag.
#[derive(Debug)]
pub struct Saved<T>(pub T, pub Tag);

/// 201 with a new resource and its tag.
#[derive(Debug)]
pub struct Made<T>(pub T, pub Tag);

/// 200 with what came of it, or 202 with the job that does it, and where that is.
#[derive(Debug)]
pub enum Settled<T, J> {
    /// It is done, as far as it can be.
    Done(T),
    /// It goes on.
    Begun(J, String),
}
/// 201 with what was made, in an answer that is no resource.
#[derive(Debug)]
pub struct Added<T>(pub T);

/// 204.
#[derive(Debug)]
pub struct Gone;

fn json(status: StatusCode, body: &impl Serialize, tag: Option<&Tag>) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut answer = Response::builder().status(status).content_type("application/json");
            if let Some(tag) = tag {
                answer = answer.header(header::ETAG, tag.as_str());
            }
            answer.body(bytes)
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            ApiError::internal().into_response()
        }
    }
}

fn described<T: Described>(status: u16, description: &'static str, tagged: bool) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: "application/json", schema: T::schema() }],
        headers: if tagged { vec![tag_header()] } else { Vec::new() },
    }
}

fn bodiless(status: u16, description: &'static str, headers: Vec<MetaHeader>) -> MetaResponse {
    MetaResponse { description, status: Some(status), status_range: None, content: Vec::new(), headers }
}

fn tag_header() -> MetaHeader {
    MetaHeader {
        name: "ETag".to_owned(),
        description: Some("The revision, for `If-Match` and `If-None-Match`.".to_owned()),
        required: true,
        deprecated: false,
        schema: String::schema(),
    }
}

impl<T: Described + Serialize> IntoResponse for Shown<T>
where
    T: Send,
{
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0, None)
    }
}

impl<T: Described> ApiResponse for Shown<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<T>(200, "Success.", false)] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Judged<T> {
    fn into_response(self) -> Response {
        let status = if self.good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &self.body, None)
    }
}

impl<T: Described> ApiResponse for Judged<T> {
    fn meta() -> MetaResponses {
        let bad = described::<T>(503, "Not at the moment.", false);
        MetaResponses { responses: vec![described::<T>(200, "Success.", false), bad] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Advised<T> {
    fn into_response(self) -> Response {
        let mut answer = json(StatusCode::OK, &self.body, None);
        if self.deprecated {
            answer.headers_mut().insert("deprecation", HeaderValue::from_static(DEPRECATED_SINCE));
        }
        answer
    }
}

impl<T: Described> ApiResponse for Advised<T> {
    fn meta() -> MetaResponses {
        let deprecation = MetaHeader {
            name: "Deprecation".to_owned(),
            description: Some(
                "Since when a request like this one is deprecated (RFC 9745); `warnings` says why.".to_owned(),
            ),
            required: false,
            deprecated: false,
            schema: String::schema(),
        };
        let success = MetaResponse { headers: vec![deprecation], ..described::<T>(200, "Success.", false) };
        MetaResponses { responses: vec![success] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        if self.known {
            Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, self.tag.as_str()).finish()
        } else {
            json(StatusCode::OK, &self.body, Some(&self.tag))
        }
    }
}

impl<T: Described> ApiResponse for Tagged<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![
                described::<T>(200, "Success.", true),
                bodiless(304, "The client has the present revision (`If-None-Match`).", vec![tag_header()]),
            ],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Saved<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0, Some(&self.1))
    }
}

impl<T: Described> ApiResponse for Saved<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<T>(200, "The resource after the change.", true)] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        json(StatusCode::CREATED, &self.0, Some(&self.1))
    }
}

impl<T: Described> ApiResponse for Made<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<T>(201, "The new resource.", true)] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Added<T> {
    fn into_response(self) -> Response {
        json(StatusCode::CREATED, &self.0, None)
    }
}

impl<T: Described> ApiResponse for Added<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<T>(201, "It is made.", false)] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T, J> IntoResponse for Settled<T, J>
where
    T: Described + Serialize + Send,
    J: Described + Serialize + Send,
{
    fn into_response(self) -> Response {
        match self {
            Self::Done(body) => json(StatusCode::OK, &body, None),
            Self::Begun(job, place) => {
                json(StatusCode::ACCEPTED, &job, None).with_header(header::LOCATION, place).into_response()
            }
        }
    }
}

impl<T: Described, J: Described> ApiResponse for Settled<T, J> {
    fn meta() -> MetaResponses {
        let location = MetaHeader {
            name: "Location".to_owned(),
            description: Some("Where the job tells how far it is.".to_owned()),
            required: true,
            deprecated: false,
            schema: String::schema(),
        };
        let begun = described::<J>(202, "It takes a while; a job does it.", false);
        MetaResponses {
            responses: vec![
                described::<T>(200, "It is done, as far as it can be.", false),
                MetaResponse { headers: vec![location], ..begun },
            ],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        J::register(registry);
    }
}

impl IntoResponse for Gone {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    }
}

impl ApiResponse for Gone {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![bodiless(204, "It is gone.", Vec::new())] }
    }

    fn register(_registry: &mut Registry) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gives_its_revision_back() {
        assert_eq!(Tag::revision(Tag::of(Revision(7)).as_str()), Some(Revision(7)));
        assert_eq!(Tag::revision(Tag::with(Revision(7), "pool-1").as_str()), Some(Revision(7)));
        for foreign in ["7", "W/\"7\"", "\"\"", "\"x\"", "\"-1\"", "\"99999999999999999999\"", "\"1\", \"2\"", "*"] {
            assert_eq!(Tag::revision(foreign), None, "{foreign}");
        }
    }
}
