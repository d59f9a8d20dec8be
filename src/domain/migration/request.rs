//! What a client's write does to a bucket, read from its method and address as S3 defines them (Amazon S3 API
//! Reference). What is not known for certain is [`Written::Unknown`], never guessed.

/// How a request names its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `/bucket/key`.
    Path,
    /// `bucket.example.org` in the Host header, `/key` in the address.
    Host,
}

/// What a request writes, if it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// No object.
    Nothing,
    /// One object: made, replaced, changed or deleted.
    Key(String),
    /// Several.
    Keys(Vec<String>),
    /// An upload begins; the answer tells its client, and nobody else, what it is called.
    Begun,
    /// A part of an upload; no object yet.
    Part {
        /// The upload.
        upload: String,
    },
    /// The object that an upload makes.
    Completed {
        /// Its key.
        key: String,
        /// The upload, which ends.
        upload: String,
    },
    /// An upload ends without an object.
    Aborted {
        /// The upload.
        upload: String,
    },
    /// The bucket itself is made or removed.
    Bucket,
    /// Settings of the bucket, such as a policy.
    Configuration,
    /// Objects, and it cannot be told which.
    Unknown,
}

impl Written {
    /// Whether an object may be another one, or gone, once it has arrived. The parts of an upload may arrive late: they
    /// stay where the upload is.
    #[must_use]
    pub fn makes_objects(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Keys(_) | Self::Completed { .. } | Self::Bucket | Self::Unknown)
    }
}

/// What a write does. `uri` is the request's address as the client sent it, `body` the whole body of a bulk deletion if
/// it is known.
#[must_use]
pub fn written(method: &str, uri: &str, style: Style, body: Option<&str>) -> Written {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    let raw_key = match style {
        Style::Host => path,
        Style::Path => path.split_once('/').map_or("", |(_, key)| key),
    };
    let query = Query(query);
    if raw_key.is_empty() {
        return of_bucket(method, query, body);
    }
    match decoded(raw_key) {
        Some(key) => of_object(method, key, query),
        None => Written::Unknown,
    }
}

/// Whether a request whose keys are not known may delete some. Those that only add objects are a `PUT`, and the form of a
/// browser.
#[must_use]
pub fn may_delete(method: &str, uri: &str) -> bool {
    let query = Query(uri.split_once('?').map_or("", |(_, query)| query));
    match method {
        "PUT" => false,
        "POST" => query.has("delete"),
        _ => true,
    }
}

fn of_bucket(method: &str, query: Query<'_>, body: Option<&str>) -> Written {
    match method {
        "POST" if query.has("delete") => match body.and_then(deleted_keys) {
            Some(keys) => Written::Keys(keys),
            None => Written::Unknown,
        },
        "PUT" | "DELETE" if query.is_operation() => Written::Configuration,
        "PUT" | "DELETE" => Written::Bucket,
        // A form of a browser names its key inside the body.
        _ => Written::Unknown,
    }
}

fn of_object(method: &str, key: String, query: Query<'_>) -> Written {
    match (method, query.value("uploadId")) {
        ("PUT", Some(upload)) => Written::Part { upload },
        ("POST", Some(upload)) => Written::Completed { key, upload },
        ("DELETE", Some(upload)) => Written::Aborted { upload },
        ("POST", None) if query.has("uploads") => Written::Begun,
        ("POST", None) if query.has("select") => Written::Nothing,
        ("PUT" | "POST" | "DELETE", None) => Written::Key(key),
        _ => Written::Unknown,
    }
}

/// The arguments of a request.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn arguments(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
    }

    fn has(self, name: &str) -> bool {
        self.arguments().any(|(found, _)| decoded(found).as_deref() == Some(name))
    }

    fn value(self, name: &str) -> Option<String> {
        let found = self.arguments().find(|(found, _)| decoded(found).as_deref() == Some(name));
        found.and_then(|(_, value)| decoded(value))
    }

    /// Whether it asks for something else than the bucket as such. The arguments of a signature, and `x-id`, which SDKs
    /// add, ask for nothing.
    fn is_operation(self) -> bool {
        self.arguments().any(|(name, _)| {
            let name = name.to_ascii_lowercase();
            !name.starts_with("x-amz-") && !matches!(name.as_str(), "x-id" | "awsaccesskeyid" | "signature" | "expires")
        })
    }
}

/// Text without percent-encoding; `None` if it is not UTF-8, or not encoded well.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The keys that the body of a bulk deletion names; `None` if it is not exactly what S3 defines.
fn deleted_keys(body: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = body;
    let objects = body.matches("<Object>").count();
    while let Some((_, from)) = rest.split_once("<Key>") {
        let (key, behind) = from.split_once("</Key>")?;
        keys.push(unescaped(key)?);
        rest = behind;
    }
    let whole = body.trim_end().ends_with("</Delete>");
    // Comments and CDATA are XML too, and nobody sends them: they are not understood.
    let plain = !body.contains("<!");
    (whole && plain && !keys.is_empty() && keys.len() == objects).then_some(keys)
}

/// Character data of XML as text.
fn unescaped(text: &str) -> Option<String> {
    if text.contains('<') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, behind) = from.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = behind;
    }
    out.push_str(rest);
    // A parser of XML makes one line break of these; no client sends a bare one.
    (!out.contains('\r') || text.contains("&#")).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(method: &str, uri: &str) -> Written {
        written(method, uri, Style::Path, None)
    }

    fn key(text: &str) -> Written {
        Written::Key(text.to_owned())
    }

    #[test]
    fn writes_of_objects_name_their_key_exactly() {
        assert_eq!(path("PUT", "/b/k"), key("k"));
        assert_eq!(path("PUT", "/b/a%20b+c/%C3%A9%2Fx?x-id=PutObject"), key("a b+c/é/x"));
        assert_eq!(path("DELETE", "/b/../k//"), key("../k//"));
        assert_eq!(path("PUT", "/b/k?tagging"), key("k"));
        assert_eq!(written("PUT", "/a/b", Style::Host, None), key("a/b"));
    }

    #[test]
    fn keys_that_are_no_text_are_not_known() {
        for uri in ["/b/%FF", "/b/%", "/b/%4", "/b/%zz"] {
            assert_eq!(path("PUT", uri), Written::Unknown, "{uri}");
        }
        assert_eq!(path("PATCH", "/b/k"), Written::Unknown);
        assert_eq!(path("POST", "/b"), Written::Unknown);
        assert_eq!(path("POST", "/b/"), Written::Unknown);
    }

    #[test]
    fn only_what_adds_objects_is_known_to_delete_none() {
        for (method, uri) in [("PUT", "/b/%FF"), ("POST", "/b"), ("POST", "/b/?x=delete")] {
            assert!(!may_delete(method, uri), "{method} {uri}");
        }
        for (method, uri) in
            [("POST", "/b?delete"), ("POST", "/b/?a&%64elete="), ("DELETE", "/b/%FF"), ("PATCH", "/b/k")]
        {
            assert!(may_delete(method, uri), "{method} {uri}");
        }
    }

    #[test]
    fn parts_make_no_object_and_completions_do() {
        let upload = "u/1".to_owned();
        assert_eq!(path("PUT", "/b/k?partNumber=1&uploadId=u%2F1"), Written::Part { upload: upload.clone() });
        let completed = Written::Completed { key: "k".to_owned(), upload: upload.clone() };
        assert_eq!(path("POST", "/b/k?uploadId=u%2F1"), completed);
        assert_eq!(path("DELETE", "/b/k?uploadId=u%2F1"), Written::Aborted { upload });
        assert_eq!(path("POST", "/b/k?uploads"), Written::Begun);
        assert_eq!(path("POST", "/b/k?uploads=&x-id=CreateMultipartUpload"), Written::Begun);
    }

    #[test]
    fn the_bucket_and_its_settings_are_told_apart() {
        assert_eq!(path("PUT", "/b"), Written::Bucket);
        assert_eq!(path("DELETE", "/b/?X-Amz-Signature=1&x-id=DeleteBucket"), Written::Bucket);
        assert_eq!(path("PUT", "/b?policy"), Written::Configuration);
        assert_eq!(written("DELETE", "/?lifecycle", Style::Host, None), Written::Configuration);
    }

    #[test]
    fn a_bulk_deletion_names_its_keys_or_is_unknown() {
        let bulk = |body: Option<&str>| written("POST", "/b?delete", Style::Path, body);
        let body = "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a&amp;b</Key></Object>\
                    <Object><Key>c &#x20AC;/&#13;</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>\n";
        assert_eq!(bulk(Some(body)), Written::Keys(vec!["a&b".to_owned(), "c €/\r".to_owned()]));
        for body in [
            "",
            "<Delete></Delete>",
            "<Delete><Object><Key>a</Key></Object>",
            "<Delete><Object><Key>a</Object></Delete>",
            "<Delete><Object><Key>a</Key></Object><Object></Object></Delete>",
            "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
            "<Delete><!-- <Object><Key>a</Key></Object> --><Object><Key>b</Key></Object></Delete>",
            "<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>",
        ] {
            assert_eq!(bulk(Some(body)), Written::Unknown, "{body}");
        }
        assert_eq!(bulk(None), Written::Unknown);
    }
}
