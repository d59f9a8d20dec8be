//! The web UI: its page at `/` and under `/web/`, its hashed files under `/static/`.
//!
//! The page runs scripts of our own files only, and takes styles from them and from elements that bear the nonce of
//! this very answer. A file's name holds the hash of its content, so browsers keep it for good; it is served as it was
//! compressed at build time.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderMap, StatusCode, header};
use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, Result, handler};
use rust_embed::RustEmbed;

use super::error::ApiError;
use super::pages::Pages;

/// Stands in the built page wherever the nonce belongs.
const NONCE: &str = "__NONCE__";
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// What a browser may accept, the smallest first, and what its files end with.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

#[derive(RustEmbed)]
#[folder = "frontend/dist"]
struct Built;

/// The files of the front end.
#[derive(Clone)]
pub struct Assets(Source);

#[derive(Clone)]
enum Source {
    Built,
    Given(Arc<HashMap<String, Vec<u8>>>),
}

impl Assets {
    /// Those that were there when the program was built.
    #[must_use]
    pub fn built() -> Self {
        Self(Source::Built)
    }

    /// These, by path.
    #[must_use]
    pub fn of(files: HashMap<String, Vec<u8>>) -> Self {
        Self(Source::Given(Arc::new(files)))
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        match &self.0 {
            Source::Built => Built::get(path).map(|file| file.data.into_owned()),
            Source::Given(files) => files.get(path).cloned(),
        }
    }
}

/// What serves the web UI.
pub struct Spa {
    /// Its files.
    pub assets: Assets,
    /// What is served where they are missing.
    pub pages: Arc<Pages>,
}

/// `/` and `/web/*`: one page, which looks at the address itself.
#[handler]
pub fn page(spa: Data<&Arc<Spa>>) -> Response {
    let page = spa.assets.file("index.html").and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(page) = page else { return spa.pages.unbuilt() };
    let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::CACHE_CONTROL, "no-store")
        .body(page.replace(NONCE, &nonce))
}

/// `/static/*`, but for the style of the login page.
#[handler]
pub fn asset(Path(name): Path<String>, request: &Request, spa: Data<&Arc<Spa>>) -> Result<Response> {
    let path = format!("static/{name}");
    let Some(plain) = spa.assets.file(&path) else { return Err(ApiError::not_found().into()) };
    // The name changes with the content, so it is all that a validator has to say.
    let tag = format!("\"{name}\"");
    let answer = Response::builder()
        .header(header::CACHE_CONTROL, FOR_GOOD)
        .header(header::VARY, "accept-encoding")
        .header(header::ETAG, &tag);
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    let answer = answer.content_type(content_type(&name));
    for (encoding, ending) in ENCODINGS {
        if accepts(request.headers(), encoding)
            && let Some(small) = spa.assets.file(&format!("{path}{ending}"))
        {
            return Ok(answer.header(header::CONTENT_ENCODING, encoding).body(small));
        }
    }
    Ok(answer.body(plain).into_response())
}

/// Whether a browser takes this encoding: named, and not with a weight of zero.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|line| line.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding) && weight.is_some_and(|weight| weight > 0.0)
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_used_only_where_the_browser_takes_it() {
        for (line, taken) in [
            ("gzip, deflate, br", true),
            ("BR", true),
            ("gzip;q=1.0, br;q=0.5", true),
            ("br;q=0", false),
            ("gzip", false),
            ("br;q=x", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, line.parse().unwrap());
            assert_eq!(accepts(&headers, "br"), taken, "{line}");
        }
        assert!(!accepts(&HeaderMap::new(), "br"));
    }

    #[test]
    fn scripts_and_styles_are_served_as_what_they_are() {
        assert_eq!(content_type("index-1.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("index-1.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("what.exe"), "application/octet-stream");
        assert_eq!(content_type("js"), "application/octet-stream");
    }
}
