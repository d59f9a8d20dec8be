//! The JSON body of a request: read by our own reader, described by it too.

use poem::{Body, Request as HttpRequest, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Value, json};

use super::error::ApiError;
use super::fault::{Fault, Step};
use super::fields::{self, Request};

/// The most bytes that a body may have.
pub const MOST_BYTES: usize = 1 << 20;

/// A body that was read as `T`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<'a, T: Request> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        fields::describe::<T>(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: Some(T::ABOUT),
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: MetaSchemaRef::Reference(T::NAME.to_owned()),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a HttpRequest,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bytes = bytes(body.take()?).await?;
        let read = parse(request.content_type(), &bytes).and_then(|value| fields::read(value));
        Ok(Self(read.map_err(|faults| ApiError::body(concealed::<T>(faults)))?))
    }
}

/// The faults without the values of hidden fields. A fault of the body as a whole, or of a field that is missing
/// from it, quotes all of it.
fn concealed<T: Request>(faults: Vec<Fault>) -> Vec<Fault> {
    let is_hidden = |fault: &Fault| match fault.loc.first() {
        Some(Step::Name(name)) => T::HIDDEN.contains(&name.as_str()) || fault.input.is_object(),
        Some(Step::Index(_)) | None => true,
    };
    let conceal = |fault: Fault| if is_hidden(&fault) { Fault { input: "****".into(), ..fault } } else { fault };
    if T::HIDDEN.is_empty() { faults } else { faults.into_iter().map(conceal).collect() }
}

/// The bytes of a body.
///
/// # Errors
/// More than [`MOST_BYTES`], or a connection that broke.
pub async fn bytes(body: Body) -> Result<Vec<u8>> {
    Ok(body.into_bytes_limit(MOST_BYTES).await?.to_vec())
}

pub(super) fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Value, Vec<Fault>> {
    if bytes.is_empty() {
        return Err(vec![Fault::missing(&Value::Null)]);
    }
    if !content_type.is_some_and(is_json) {
        return Err(vec![Fault::not_an_object(&String::from_utf8_lossy(bytes).into())]);
    }
    serde_json::from_slice(bytes).map_err(|error| vec![invalid(&error, bytes)])
}

fn is_json(content_type: &str) -> bool {
    content_type.parse::<mime::Mime>().is_ok_and(|mime| {
        mime.type_() == mime::APPLICATION
            && (mime.subtype() == mime::JSON || mime.suffix().is_some_and(|suffix| suffix == mime::JSON))
    })
}

fn invalid(error: &serde_json::Error, bytes: &[u8]) -> Fault {
    let told = error.to_string();
    let reason = told.split(" at line ").next().unwrap_or(&told);
    // 0.4.x told these in other words, and clients may show them.
    let reason = match reason {
        "expected value" | "EOF while parsing a value" | "EOF while parsing an object" => "Expecting value",
        "key must be a string" | "trailing comma" => "Expecting property name enclosed in double quotes",
        "expected `,` or `}`" | "expected `,` or `]`" => "Expecting ',' delimiter",
        "expected `:`" => "Expecting ':' delimiter",
        "trailing characters" => "Extra data",
        other => other,
    };
    let place = if error.is_eof() {
        bytes.len()
    } else {
        let lines = bytes.split_inclusive(|&b| b == b'\n').take(error.line().saturating_sub(1));
        lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1)
    };
    let mut fault = Fault::new("json_invalid", "JSON decode error", &json!({}));
    fault.loc.push(Step::Index(place));
    fault.with(json!({ "error": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(content_type: Option<&str>, body: &str) -> Fault {
        parse(content_type, body.as_bytes()).unwrap_err().remove(0)
    }

    #[test]
    fn text_that_is_no_json_is_told_with_its_place() {
        for (body, place, reason) in [
            ("xyz", 0, "Expecting value"),
            (r#"{"name":"#, 8, "Expecting value"),
            (r#"{"name":"a",}"#, 12, "Expecting property name enclosed in double quotes"),
            ("{\"name\":\n\"a\" \"b\"}", 13, "Expecting ',' delimiter"),
            (r#"{"n":NaN}"#, 5, "Expecting value"),
            ("{} x", 3, "Extra data"),
        ] {
            let fault = fault(Some("application/json"), body);
            assert_eq!((fault.kind, fault.loc), ("json_invalid", vec![Step::Index(place)]), "{body}");
            assert_eq!(fault.ctx, Some(json!({ "error": reason })), "{body}");
        }
    }

    #[test]
    fn f30_what_no_parser_should_choke_on_is_refused_in_words() {
        let deep = "[".repeat(100_000);
        for body in [deep.as_str(), r#"{"n":1e400}"#, r#"{"name":"\ud800"}"#, "\u{feff}{}"] {
            assert_eq!(fault(Some("application/json"), body).kind, "json_invalid");
        }
    }

    #[test]
    fn other_content_types_are_told_as_0_4_told_them() {
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")] {
            assert_eq!(fault(content_type, "{}").kind, "model_attributes_type");
        }
        assert!(parse(Some("application/vnd.x+json; charset=utf-8"), b"{}").is_ok());
    }

    #[test]
    fn an_empty_body_is_missing() {
        assert_eq!(fault(Some("application/json"), "").kind, "missing");
    }
}
