//! How values are described in the OpenAPI document, and `view!`, which declares an answer
//! together with its description.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};

use crate::domain::bucket::BucketStatus;
use crate::domain::credential::KeySource;
use crate::domain::ids::{AuditId, JobId, MemberId, PoolId, RouteId, VhostId};
use crate::domain::job::{JobKind, JobState};
use crate::domain::migration::MigrationMode;
use crate::domain::migration::work::Side;
use crate::domain::node_config::NodeKind;
use crate::domain::pool::{LbMethod, PoolKind, Role};
use crate::domain::services::pool_buckets::Standing;
use crate::domain::setting::SettingOrigin;
use crate::domain::vhost::{IpRuleMode, Zone};

/// A value that the OpenAPI document can describe.
pub trait Described {
    /// Its schema, or the reference to it.
    fn schema() -> MetaSchemaRef;

    /// Makes the schemas known that [`Described::schema`] refers to.
    fn register(_registry: &mut Registry) {}
}

/// A schema that is written out where it is used.
#[must_use]
pub fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

/// The schema of one of `words`.
#[must_use]
pub fn one_of(words: &[&str]) -> MetaSchemaRef {
    inline(MetaSchema { enum_items: words.iter().map(|&word| word.into()).collect(), ..MetaSchema::new("string") })
}

/// The schema of a text that looks like `pattern`.
#[must_use]
pub fn like(pattern: &str) -> MetaSchemaRef {
    inline(MetaSchema { pattern: Some(pattern.to_owned()), ..MetaSchema::new("string") })
}

/// The schema of a whole number from `min` to `max`.
#[must_use]
pub fn between(min: i64, max: i64) -> MetaSchemaRef {
    #[expect(clippy::cast_precision_loss, reason = "the bounds of the API are small")]
    inline(MetaSchema {
        minimum: Some(min as f64),
        maximum: Some(max as f64),
        ..MetaSchema::new_with_format("integer", "int64")
    })
}

/// The schema of an object whose properties are all described.
#[must_use]
pub fn object(
    about: &'static str,
    properties: Vec<(&'static str, MetaSchemaRef)>,
    required: Vec<&'static str>,
) -> MetaSchema {
    MetaSchema { description: Some(about.trim()), properties, required, ..MetaSchema::new("object") }
}

/// `schema` with words for the reader.
#[must_use]
pub fn about(schema: MetaSchemaRef, words: &'static str) -> MetaSchemaRef {
    schema.merge(MetaSchema { description: Some(words.trim()), ..MetaSchema::ANY })
}

/// `schema`, or `null`.
#[must_use]
pub fn nullable(schema: MetaSchemaRef) -> MetaSchemaRef {
    schema.merge(MetaSchema { nullable: true, ..MetaSchema::ANY })
}

impl Described for bool {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema::new("boolean"))
    }
}

impl Described for String {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema::new("string"))
    }
}

impl Described for &'static str {
    fn schema() -> MetaSchemaRef {
        String::schema()
    }
}

macro_rules! integers {
    ($($name:ty),+) => {
        $(impl Described for $name {
            fn schema() -> MetaSchemaRef {
                inline(MetaSchema::new_with_format("integer", "int64"))
            }
        })+
    };
}
integers!(i64, u64, PoolId, MemberId, VhostId, RouteId, AuditId, JobId);

macro_rules! closed_lists {
    ($($name:ty),+) => {
        $(impl Described for $name {
            fn schema() -> MetaSchemaRef {
                one_of(<$name>::WORDS)
            }
        })+
    };
}
closed_lists!(
    PoolKind,
    LbMethod,
    Role,
    Zone,
    IpRuleMode,
    NodeKind,
    SettingOrigin,
    KeySource,
    Standing,
    JobKind,
    JobState,
    BucketStatus,
    MigrationMode,
    Side
);

impl<T: Described> Described for Option<T> {
    fn schema() -> MetaSchemaRef {
        nullable(T::schema())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema { items: Some(Box::new(T::schema())), ..MetaSchema::new("array") })
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// Declares an object that the API answers with: every field is always there, a field without a value is `null`.
macro_rules! view {
    ($(#[doc = $about:literal])+ $name:ident as $title:literal {
        $($(#[doc = $field_about:literal])+ $field:ident: $type:ty,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, serde::Serialize)]
        pub struct $name {
            $($(#[doc = $field_about])+ pub $field: $type,)+
        }

        impl $crate::adapters::http::schema::Described for $name {
            fn schema() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Reference($title.to_owned())
            }

            fn register(registry: &mut poem_openapi::registry::Registry) {
                use $crate::adapters::http::schema::{about, object};
                registry.create_schema::<Self, _>($title.to_owned(), |registry| {
                    $(<$type as $crate::adapters::http::schema::Described>::register(registry);)+
                    let name = |raw: &'static str| raw.trim_start_matches("r#");
                    object(
                        concat!($($about),+),
                        vec![$((
                            name(stringify!($field)),
                            about(<$type as $crate::adapters::http::schema::Described>::schema(), concat!($($field_about),+)),
                        )),+],
                        vec![$(name(stringify!($field))),+],
                    )
                });
            }
        }
    };
}

pub(crate) use view;
