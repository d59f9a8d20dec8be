//! The OpenAPI document and its two readers, all from inside the binary.

use poem::endpoint::make_sync;
use poem::http::{HeaderValue, header};
use poem::middleware::Compression;
use poem::{Endpoint, EndpointExt, Response, get};
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{OpenApi, OpenApiService};

use super::api::Api;

/// Both readers are one HTML file each with its script inside; nothing is fetched from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
    font-src data:; connect-src 'self'; worker-src blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The one thing that ReDoc's page would fetch: a font.
const FONT_LINK: &str = r#"<link href="https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700" rel="stylesheet">"#;

const ABOUT: &str = "Owns the configuration of nginx gateways in front of S3-compatible storage.\n\n\
    Every change is tested with `nginx -t` before anything is written; what nginx refuses is 422 with nginx's own \
    message, and nothing has changed. Each resource has a revision and an `ETag`; a change with `If-Match` is 412 \
    when someone else came first.\n\n\
    Every accepted change is a revision. `X-Change-Reason` on any request that changes something says why, and stands in \
    the revision: one line of plain UTF-8 (not percent-encoded), at most 500 characters.";

/// The operations without anything that could serve them: all that the document is made of.
struct Paper;

impl OpenApi for Paper {
    fn meta() -> Vec<MetaApi> {
        Api::meta()
    }

    fn register(registry: &mut Registry) {
        Api::register(registry);
    }

    fn add_routes(
        self,
        _routes: &mut std::collections::HashMap<
            String,
            std::collections::HashMap<poem::http::Method, poem::endpoint::BoxEndpoint<'static>>,
        >,
    ) {
    }
}

fn described<T: OpenApi>(operations: T) -> OpenApiService<T, ()> {
    OpenApiService::new(operations, "nanio-orchestrator", env!("CARGO_PKG_VERSION"))
        .description(ABOUT)
        .url_prefix("/api")
}

/// The OpenAPI document as pretty JSON, the same every time, with a newline at its end. Needs no server.
#[must_use]
pub fn openapi_document() -> String {
    described(Paper).spec() + "\n"
}

/// The endpoint that serves `operations`.
#[must_use]
pub fn service(operations: Api) -> OpenApiService<Api, ()> {
    described(operations)
}

/// `/api/openapi.json`.
pub fn document() -> impl Endpoint {
    fixed(openapi_document, "application/json", None)
}

/// `/api/docs`: Swagger UI.
pub fn swagger() -> impl Endpoint {
    fixed(|| described(Paper).swagger_ui_html(), "text/html; charset=utf-8", Some(POLICY))
}

/// `/api/redoc`: ReDoc.
pub fn redoc() -> impl Endpoint {
    fixed(|| described(Paper).redoc_html().replace(FONT_LINK, ""), "text/html; charset=utf-8", Some(POLICY))
}

/// A text of some megabytes that is made when it is first asked for: most servers never are.
fn fixed(text: fn() -> String, content_type: &'static str, policy: Option<&'static str>) -> impl Endpoint {
    let text = std::sync::LazyLock::new(text);
    let serve = make_sync(move |_| {
        let mut answer = Response::builder().content_type(content_type).header(header::CACHE_CONTROL, "no-cache");
        if let Some(policy) = policy {
            answer = answer.header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        answer.body(text.clone())
    });
    get(serve).with(Compression::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_same_every_time() {
        let document = openapi_document();
        assert_eq!(document, openapi_document());
        assert!(document.ends_with("}\n"));
    }

    #[test]
    fn f47_redoc_fetches_nothing_from_elsewhere() {
        let html = described(Paper).redoc_html();
        assert!(html.contains(FONT_LINK), "poem-openapi changed its page: look for what it fetches now");
        let served = html.replace(FONT_LINK, "");
        assert!(!served.contains("<link") && !served.contains("<script src"));
    }
}
