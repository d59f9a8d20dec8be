//! `X-Change-Reason`: why a change is made, in the caller's words. It becomes part of the revision.

use std::sync::Arc;

use poem::http::HeaderName;
use poem::{Endpoint, IntoResponse as _, Request, Response, Result};
use serde_json::Value;

use super::error::ApiError;
use super::fault::Fault;
use crate::domain::revision::Reason;
use crate::domain::services::publish::reason;

/// The header: plain UTF-8, not percent-encoded.
pub const HEADER: HeaderName = HeaderName::from_static("x-change-reason");

/// Answers a request as a part of its reason, if it has one.
pub async fn reasoned<E: Endpoint<Output = Response>>(next: Arc<E>, request: Request) -> Result<Response> {
    let given = request.headers().get(HEADER).map(|value| read(value.as_bytes()));
    match given.transpose() {
        Ok(reason) => reason::during(reason, next.call(request)).await,
        Err(faults) => Ok(ApiError::faults(faults).into_response()),
    }
}

fn read(value: &[u8]) -> Result<Reason, Vec<Fault>> {
    let located = |fault: Fault| vec![fault.under("X-Change-Reason").under("header")];
    let text = std::str::from_utf8(value).map_err(|_| located(Fault::rule("a reason is UTF-8 text", &Value::Null)))?;
    Reason::parse(text).map_err(|invalid| located(Fault::of(&invalid, &Value::from(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_utf8() {
        assert_eq!(read("Umzug: ä %20".as_bytes()).unwrap().as_str(), "Umzug: ä %20");
        let kind = |value: &[u8]| read(value).unwrap_err()[0].kind;
        assert_eq!(kind(&[0xff]), "value_error");
        assert_eq!(kind(b"a\tb"), "value_error");
        assert_eq!(kind(b" "), "string_too_short");
        assert_eq!(read("ä".repeat(500).as_bytes()).unwrap().as_str().chars().count(), 500);
        assert_eq!(kind("ä".repeat(501).as_bytes()), "string_too_long");
    }
}
