//! Path parameters, query parameters and the conditional headers.

use poem::http::{HeaderName, header};
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use super::error::ApiError;
use super::fault::Fault;
use super::fields::Field;
use super::lax;
use super::reply::{Tag, Tagged};
use super::schema::{Described, between, inline, like};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{JobId, MemberId, MigrationId, PoolId, Revision, RouteId, VhostId};
use crate::domain::invalid::Invalid;

const PARAMETER: &[ApiExtractorType] = &[ApiExtractorType::Parameter];

/// A value that stands in a path.
pub trait PathPart: Sized + Send + Sync {
    /// What it looks like.
    fn schema() -> MetaSchemaRef;

    /// The value, from the text without its percent-encoding.
    ///
    /// # Errors
    /// Every fault of it, located relative to the path.
    fn read(written: &str) -> Result<Self, Vec<Fault>>;
}

macro_rules! path_ids {
    ($($name:ident = $word:literal),+) => {
        $(impl PathPart for $name {
            fn schema() -> MetaSchemaRef {
                inline(MetaSchema { minimum: Some(1.0), ..MetaSchema::new_with_format("integer", "int64") })
            }

            fn read(written: &str) -> Result<Self, Vec<Fault>> {
                let located = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.under($word)).collect();
                lax::integer_text(written).map(Self).map_err(located)
            }
        })+
    };
}
path_ids!(
    PoolId = "pool_id",
    MemberId = "member_id",
    VhostId = "vhost_id",
    RouteId = "route_id",
    MigrationId = "migration_id",
    JobId = "job_id"
);

/// The number of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionNumber(pub u64);

impl Described for RevisionNumber {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema { minimum: Some(1.0), ..MetaSchema::new_with_format("integer", "int64") })
    }
}

impl Field for RevisionNumber {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let least = || vec![Fault::of(&Invalid::TooSmall { min: 1 }, value)];
        let number = u64::try_from(lax::integer(value)?).map_err(|_| least())?;
        if number == 0 { Err(least()) } else { Ok(Self(number)) }
    }
}

impl PathPart for RevisionNumber {
    fn schema() -> MetaSchemaRef {
        <Self as Described>::schema()
    }

    fn read(written: &str) -> Result<Self, Vec<Fault>> {
        let located = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.under("number")).collect();
        <Self as Field>::read(&Value::from(written)).map_err(located)
    }
}

impl PathPart for BucketName {
    fn schema() -> MetaSchemaRef {
        <Self as Described>::schema()
    }

    fn read(written: &str) -> Result<Self, Vec<Fault>> {
        let invalid = |invalid| vec![Fault::of(&invalid, &Value::from(written)).under("bucket")];
        Self::parse(written).map_err(invalid)
    }
}

/// A value in the path. (poem-openapi's macro knows a path parameter by this type's name.)
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<'a, T: PathPart> ApiExtractor<'a> for Path<T> {
    const TYPES: &'static [ApiExtractorType] = PARAMETER;
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let written = request.raw_path_param(options.name).unwrap_or_default();
        let located = |faults: Vec<Fault>| ApiError::faults(faults.into_iter().map(|f| f.under("path")).collect());
        Ok(Self(T::read(written).map_err(located)?))
    }
}

/// A query parameter, as text: its handler reads all of them, so that all faults are told at once.
#[derive(Debug, Clone)]
pub struct Query<T> {
    name: &'static str,
    text: Option<String>,
    kind: std::marker::PhantomData<T>,
}

impl<T: Field> Query<T> {
    /// Whether the parameter was given, with whatever value.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.text.is_some()
    }

    /// The value, if the parameter was given; a fault goes to `faults`.
    pub fn read(self, faults: &mut Vec<Fault>) -> Option<T> {
        match T::read(&Value::from(self.text?)) {
            Ok(value) => Some(value),
            Err(found) => {
                faults.extend(found.into_iter().map(|fault| fault.under(self.name).under("query")));
                None
            }
        }
    }
}

impl<T: Field> Query<T> {
    /// The value of the only parameter of an operation, if it was given.
    ///
    /// # Errors
    /// Its faults.
    pub fn alone(self) -> Result<Option<T>, Vec<Fault>> {
        let mut faults = Vec::new();
        let value = self.read(&mut faults);
        if faults.is_empty() { Ok(value) } else { Err(faults) }
    }

    /// The value of the only parameter of an operation, which must be given.
    ///
    /// # Errors
    /// Its faults, or that it is missing.
    pub fn required(self) -> Result<T, Vec<Fault>> {
        let name = self.name;
        let missing = || Fault::new("missing", "Field required", &Value::Null).under(name).under("query");
        self.alone()?.ok_or_else(|| vec![missing()])
    }
}

impl<'a, T: Field + Send> ApiExtractor<'a> for Query<T> {
    const TYPES: &'static [ApiExtractorType] = PARAMETER;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        // As in 0.4.x, the last of several wins.
        let text = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == options.name)
            .last()
            .map(|(_, value)| value.into_owned());
        Ok(Self { name: options.name, text, kind: std::marker::PhantomData })
    }
}

/// Declares a number of a query with its bounds.
macro_rules! query_numbers {
    ($($(#[$doc:meta])* $name:ident = $min:literal ..= $max:literal;)+) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub u64);

        impl Described for $name {
            fn schema() -> MetaSchemaRef {
                between($min, $max)
            }
        }

        impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                use crate::domain::invalid::Invalid;
                let number = lax::integer(value)?;
                let invalid = if number < $min {
                    Invalid::TooSmall { min: $min }
                } else if number > $max {
                    Invalid::TooLarge { max: $max }
                } else {
                    return Ok(Self(number.unsigned_abs()));
                };
                Err(vec![Fault::of(&invalid, value)])
            }
        })+
    };
}
query_numbers! {
    /// Which page of a list.
    Page = 1..=1_000_000_000;
    /// How many entries a page has.
    PerPage = 1..=200;
    /// How many entries of a list are asked for at most.
    Limit = 1..=1000;
    /// How many migrations are asked for at most.
    MigrationLimit = 1..=500;
    /// How many lines of a log are asked for at most.
    LogLimit = 1..=1000;
    /// A port of TCP.
    TcpPort = 1..=65535;
}

fn header_text(request: &Request, name: HeaderName) -> Option<String> {
    let all: Vec<_> =
        request.headers().get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// `If-Match`: the revision that the client means to change; none means whatever is there.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub Option<Revision>);

impl<'a> ApiExtractor<'a> for IfMatch {
    const TYPES: &'static [ApiExtractorType] = PARAMETER;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(like(r#"^(\*|"[0-9]+(-[A-Za-z0-9._-]+)?")$"#))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        match header_text(request, header::IF_MATCH).as_deref().map(str::trim) {
            None | Some("*") => Ok(Self(None)),
            Some(tag) => match Tag::revision(tag) {
                Some(revision) => Ok(Self(Some(revision))),
                None => Err(ApiError::stale(
                    "If-Match is neither * nor an ETag of this resource, such as \"3\"; GET it again",
                )
                .into()),
            },
        }
    }
}

/// `If-None-Match`: what the client has already.
#[derive(Debug, Clone)]
pub struct IfNoneMatch(Option<String>);

impl IfNoneMatch {
    /// Whether the client has what `tag` stands for (RFC 9110, 13.1.2: weak comparison).
    #[must_use]
    pub fn names(&self, tag: &Tag) -> bool {
        let Self(Some(list)) = self else { return false };
        list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag.as_str())
    }

    /// The answer to a client that has this: the resource, or that it has not changed.
    pub fn answer<T>(&self, tag: Tag, body: impl Into<T>) -> Tagged<T> {
        Tagged { body: body.into(), known: self.names(&tag), tag }
    }
}

impl<'a> ApiExtractor<'a> for IfNoneMatch {
    const TYPES: &'static [ApiExtractorType] = PARAMETER;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(String::schema())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self(header_text(request, header::IF_NONE_MATCH)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f30_a_huge_page_is_refused_in_words() {
        let fault = Page::read(&Value::from("999999999999999999")).unwrap_err().remove(0);
        assert_eq!((fault.kind, fault.input), ("less_than_equal", Value::from("999999999999999999")));
        assert_eq!(Page::read(&Value::from("2")), Ok(Page(2)));
    }

    #[test]
    fn a_known_tag_is_found_in_a_list() {
        let tag = Tag::of(Revision(3));
        for known in ["\"3\"", "W/\"3\"", "\"1\", \"3\"", "*"] {
            assert!(IfNoneMatch(Some(known.to_owned())).names(&tag), "{known}");
        }
        for other in [Some("\"33\"".to_owned()), Some(String::new()), None] {
            assert!(!IfNoneMatch(other).names(&tag));
        }
    }
}
