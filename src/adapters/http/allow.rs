//! Which methods a path takes, for the `Allow` header of a 405.

use poem::http::HeaderValue;
use serde_json::Value;

/// The methods of every path, as the OpenAPI document and the pages have them.
#[derive(Debug)]
pub struct Allowed(Vec<(String, String)>);

impl Allowed {
    /// The methods of the paths in an OpenAPI document, and of the paths that are not in it.
    #[must_use]
    pub fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let operations = document["paths"].as_object().into_iter().flatten();
        let mut paths: Vec<(String, String)> = operations
            .map(|(path, methods)| {
                let methods = methods.as_object().into_iter().flat_map(|methods| methods.keys());
                (path.clone(), listed(methods.map(|method| method.to_uppercase())))
            })
            .collect();
        for (path, methods) in [
            ("/login", "GET, HEAD, POST"),
            ("/logout", "POST"),
            ("/", "GET, HEAD"),
            ("/static/style.css", "GET, HEAD"),
            ("/static/{file}", "GET, HEAD"),
            ("/web/{page}", "GET, HEAD"),
            ("/web/{page}/{id}", "GET, HEAD"),
            ("/api/openapi.json", "GET, HEAD"),
            ("/api/docs", "GET, HEAD"),
            ("/api/redoc", "GET, HEAD"),
        ] {
            paths.push((path.to_owned(), methods.to_owned()));
        }
        Self(paths)
    }

    /// The methods that `path` takes, if it leads anywhere.
    #[must_use]
    pub fn methods(&self, path: &str) -> Option<HeaderValue> {
        let found = self.0.iter().find(|(pattern, _)| fits(pattern, path))?;
        HeaderValue::from_str(&found.1).ok()
    }
}

fn listed(methods: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = methods.collect();
    if all.iter().any(|method| method == "GET") {
        all.push("HEAD".to_owned());
    }
    all.sort();
    all.join(", ")
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_by_its_pattern() {
        let allowed = Allowed::of(r#"{"paths": {"/api/pools/{pool_id}": {"get": {}, "put": {}}}}"#);
        assert_eq!(allowed.methods("/api/pools/7").unwrap(), "GET, HEAD, PUT");
        assert_eq!(allowed.methods("/api/pools/7/members"), None);
        assert_eq!(allowed.methods("/logout").unwrap(), "POST");
    }
}
