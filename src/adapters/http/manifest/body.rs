//! Documents as they come and go: YAML or JSON.

use poem::http::StatusCode;
use poem::http::header;
use poem::{IntoResponse, Request as HttpRequest, RequestBody, Response, Result};
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use serde_json::Value;

use super::read::{self, Document};
use super::text::MOST_BYTES;
use crate::adapters::http::error::ApiError;
use crate::adapters::http::fault::Fault;
use crate::adapters::http::fields::{self, Field, Request as _};
use crate::adapters::http::schema::{Described, one_of};
use crate::domain::invalid::Invalid;
use crate::domain::manifest::Manifest;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Yaml,
    /// For programs.
    Json,
}

const FORMS: [Form; 2] = [Form::Yaml, Form::Json];

impl Form {
    const WORDS: &'static [&'static str] = &["yaml", "json"];

    fn content_type(self) -> &'static str {
        match self {
            Form::Yaml => "application/yaml",
            Form::Json => "application/json",
        }
    }

    /// The form that a content type names.
    fn of(content_type: &str) -> Option<Self> {
        let mime = content_type.parse::<mime::Mime>().ok()?;
        let names = |name: &str| mime.subtype() == name || mime.suffix().is_some_and(|suffix| suffix == name);
        match (mime.type_().as_str(), names("json"), names("yaml") || names("x-yaml")) {
            ("application", true, _) => Some(Form::Json),
            ("application" | "text", _, true) => Some(Form::Yaml),
            _ => None,
        }
    }
}

impl Described for Form {
    fn schema() -> MetaSchemaRef {
        one_of(Form::WORDS)
    }
}

impl Field for Form {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        match value.as_str() {
            Some("yaml") => Ok(Form::Yaml),
            Some("json") => Ok(Form::Json),
            _ => Err(vec![Fault::of(&Invalid::Unknown { known: Form::WORDS }, value)]),
        }
    }
}

/// A document that was sent.
pub struct DocumentBody(pub Manifest);

impl<'a> ApiExtractor<'a> for DocumentBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        fields::describe::<Document>(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let media = |form: &Form| MetaMediaType {
            content_type: form.content_type(),
            schema: MetaSchemaRef::Reference(Document::NAME.to_owned()),
        };
        let content = FORMS.iter().map(media).collect();
        Some(MetaRequest { description: Some(Document::ABOUT), content, required: true })
    }

    async fn from_request(
        request: &'a HttpRequest,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let Some(form) = request.content_type().and_then(Form::of) else {
            let what = "must be a document with Content-Type: application/yaml or application/json";
            return Err(ApiError::body(vec![Fault::rule(what, &Value::Null)]).into());
        };
        let bytes = body.take()?.into_bytes_limit(MOST_BYTES).await.map_err(|error| match error {
            poem::error::ReadBodyError::PayloadTooLarge => ApiError::larger_than(MOST_BYTES).into(),
            other => poem::Error::from(other),
        })?;
        // Large ones take a while: other requests go on meanwhile.
        let read = tokio::task::spawn_blocking(move || read::document(&bytes, form == Form::Json)).await;
        let read = read.map_err(|_| ApiError::internal())?;
        Ok(Self(read.map_err(ApiError::body)?))
    }
}

/// A document that is answered.
pub struct Written {
    /// The document.
    pub text: String,
    /// How it is written.
    pub form: Form,
    /// The state that it is of.
    pub state: String,
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let answer = Response::builder().status(StatusCode::OK).content_type(self.form.content_type());
        answer.header(header::ETAG, format!("\"{}\"", self.state)).body(self.text)
    }
}

impl ApiResponse for Written {
    fn meta() -> MetaResponses {
        let media = |form: &Form| MetaMediaType {
            content_type: form.content_type(),
            schema: MetaSchemaRef::Reference(Document::NAME.to_owned()),
        };
        let tag = MetaHeader {
            name: "ETag".to_owned(),
            description: Some("The state that the document is of, in quotes: `expect` of plan and apply.".to_owned()),
            required: true,
            deprecated: false,
            schema: String::schema(),
        };
        let success = MetaResponse {
            description: "The document.",
            status: Some(200),
            status_range: None,
            content: FORMS.iter().map(media).collect(),
            headers: vec![tag],
        };
        MetaResponses { responses: vec![success] }
    }

    fn register(registry: &mut Registry) {
        fields::describe::<Document>(registry);
    }
}

/// The schema of documents, as text.
pub struct SchemaText(pub String);

impl IntoResponse for SchemaText {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::OK).content_type(Form::Json.content_type()).body(self.0)
    }
}

impl ApiResponse for SchemaText {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new("object")));
        let success = MetaResponse {
            description: "The JSON Schema.",
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType { content_type: Form::Json.content_type(), schema }],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![success] }
    }

    fn register(_registry: &mut Registry) {}
}
