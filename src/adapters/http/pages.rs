//! The script-free pages: login, and the one that stands in for a web UI that was not built.

use minijinja::{Environment, context};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response, handler};

use super::error::ApiError;

/// Nothing but our own stylesheet and our own forms.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = include_str!("pages/style.css");

/// Renders the pages.
pub struct Pages {
    templates: Environment<'static>,
    host: String,
    version: String,
    dev: bool,
}

impl Pages {
    /// Pages that show the name of this machine.
    #[must_use]
    pub fn new(host: String, version: String, dev: bool) -> Self {
        let mut templates = Environment::new();
        for (name, source) in [
            ("layout.html", include_str!("pages/layout.html")),
            ("login.html", include_str!("pages/login.html")),
            ("unbuilt.html", include_str!("pages/unbuilt.html")),
        ] {
            #[expect(clippy::expect_used, reason = "the templates are part of the program, and a test renders each")]
            templates.add_template(name, source).expect("the built-in templates are well-formed");
        }
        Self { templates, host, version, dev }
    }

    /// The login page, with a message if the last attempt failed.
    #[must_use]
    pub fn login(&self, message: Option<&str>) -> Response {
        self.render("login.html", message)
    }

    /// What to do where the web UI should be.
    #[must_use]
    pub fn unbuilt(&self) -> Response {
        self.render("unbuilt.html", None)
    }

    fn render(&self, name: &str, message: Option<&str>) -> Response {
        let values = context! { host => &self.host, version => &self.version, dev => self.dev, message };
        match self.templates.get_template(name).and_then(|page| page.render(values)) {
            Ok(html) => Response::builder()
                .status(StatusCode::OK)
                .content_type("text/html; charset=utf-8")
                .header(header::CONTENT_SECURITY_POLICY, POLICY)
                .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
                .body(html),
            Err(error) => {
                tracing::error!(%error, page = name, "a page could not be rendered");
                ApiError::internal().into_response()
            }
        }
    }
}

/// `GET /static/style.css`.
#[handler]
pub fn style(request: &Request) -> Response {
    let tag = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let answer = Response::builder().header(header::ETAG, tag).header(header::CACHE_CONTROL, "no-cache");
    if known {
        return answer.status(StatusCode::NOT_MODIFIED).finish();
    }
    answer.content_type("text/css; charset=utf-8").body(STYLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn html(response: Response) -> String {
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().into_string().await.unwrap()
    }

    #[tokio::test]
    async fn every_page_renders_without_script_and_escapes_what_it_shows() {
        let pages = Pages::new("<gw&1>".to_owned(), "1.2.3".to_owned(), true);
        for page in [pages.login(None), pages.login(Some("<b>no</b>")), pages.unbuilt()] {
            let html = html(page).await;
            assert!(html.contains("&lt;gw&amp;1&gt;"), "{html}");
            assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("style="), "{html}");
        }
    }
}
