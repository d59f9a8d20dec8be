//! How the domain's values are read from JSON and described. Each is checked by its own constructor.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::{Value, json};

use super::fault::{Fault, Step};
use super::fields::{Field, Fields};
use super::lax;
use super::schema::{Described, between, inline, object};
use crate::domain::bucket::BucketName;
use crate::domain::credential::{AccessKey, Endpoint, Region, SecretKey};
use crate::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use crate::domain::invalid::Invalid;
use crate::domain::migration::MigrationMode;
use crate::domain::migration::work::Side;
use crate::domain::node_config::{
    AccessKey as NodeAccessKey, BindHost, DataDir, NanioPort, NodeKind, Region as NodeRegion,
};
use crate::domain::pool::{Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight};
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::vhost::{IpRange, IpRuleMode, PemPath, Port, ServerName, Zone};

/// Texts with their bounds and, for clients, the characters they may have; the constructors know more.
macro_rules! texts {
    ($($name:ident: $min:literal..=$max:literal, $pattern:literal;)+) => {
        $(impl Described for $name {
            fn schema() -> MetaSchemaRef {
                inline(MetaSchema {
                    min_length: Some($min),
                    max_length: Some($max),
                    pattern: Some($pattern.to_owned()),
                    ..MetaSchema::new("string")
                })
            }
        }

        impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                $name::parse(lax::text(value)?).map_err(|invalid| vec![Fault::of(&invalid, value)])
            }
        })+
    };
}
texts! {
    PoolName: 1..=128, "^[A-Za-z0-9_-][A-Za-z0-9._-]*$";
    Address: 3..=263, r"^(unix:/[A-Za-z0-9/._@+-]+|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}|[A-Za-z0-9][A-Za-z0-9._-]*:[0-9]{1,5})$";
    ServerName: 1..=253, r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";
    PemPath: 1..=4095, r"^/[^$\x00-\x1f\x7f]*$";
    IpRange: 2..=49, "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$";
    BucketName: 1..=255, "^[A-Za-z0-9._@-]+$";
    PathPrefix: 2..=1100, "^/[A-Za-z0-9._/@-]+$";
    KeyPrefix: 1..=1100, "^[A-Za-z0-9._/@-]+$";
    DataDir: 2..=4095, r"^/[^$\x00-\x1f\x7f]+$";
    BindHost: 1..=253, "^[0-9A-Za-z_:][0-9A-Za-z_.:-]*$";
    NodeRegion: 1..=64, "^[A-Za-z0-9][A-Za-z0-9._-]*$";
    NodeAccessKey: 1..=128, "^[!-+.0-~-]+$";
    AccessKey: 1..=512, "^[!-+--~]+$";
    SecretKey: 1..=512, r"^[^\x00-\x1f\x7f]*$";
    Endpoint: 8..=512, r"^https?://[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*(/[A-Za-z0-9._~/-]*)?$";
    Region: 1..=64, "^[A-Za-z0-9_-]+$";
}

macro_rules! numbers {
    ($($name:ident),+) => {
        $(impl Described for $name {
            fn schema() -> MetaSchemaRef {
                between($name::MIN, $name::MAX)
            }
        }

        impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                let number = lax::integer(value)?;
                $name::new(number).map_err(|invalid| vec![Fault::of(&invalid, value)])
            }
        })+
    };
}
numbers!(Keepalive, Weight, MaxFails, FailTimeout, Port, NanioPort);

macro_rules! ids {
    ($($name:ident),+) => {
        $(impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                lax::integer(value).map($name)
            }
        })+
    };
}
ids!(PoolId, MemberId, VhostId, RouteId);

/// Words whose list 0.4.x told as a pattern.
macro_rules! patterned {
    ($($name:ident),+) => {
        $(impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                let word = lax::text(value)?;
                $name::parse(word).map_err(|_| {
                    let pattern = format!("^({})$", $name::WORDS.join("|"));
                    let msg = format!("String should match pattern '{pattern}'");
                    vec![Fault::new("string_pattern_mismatch", msg, value).with(json!({ "pattern": pattern }))]
                })
            }
        })+
    };
}
patterned!(PoolKind, LbMethod, Role);

/// Words whose list 0.4.x told as it is.
macro_rules! literals {
    ($($name:ident),+) => {
        $(impl Field for $name {
            fn read(value: &Value) -> Result<Self, Vec<Fault>> {
                let known = Invalid::Unknown { known: $name::WORDS };
                value.as_str().and_then(|word| $name::parse(word).ok()).ok_or_else(|| vec![Fault::of(&known, value)])
            }
        })+
    };
}
literals!(Zone, IpRuleMode, NodeKind, MigrationMode, Side);

impl Field for i64 {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        lax::integer(value)
    }
}

impl Field for bool {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        lax::boolean(value)
    }
}

impl Field for String {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let text = lax::text(value)?;
        if text.contains('\0') {
            // No database of ours and no file of nginx can hold it.
            return Err(vec![Fault::rule("the character NUL is not allowed", value)]);
        }
        Ok(text.to_owned())
    }
}

/// A long list of nonsense gets an answer that is not longer than the question.
const MOST_FAULTS: usize = 100;

impl<T: Field> Field for Vec<T> {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let Value::Array(items) = value else {
            return Err(vec![Fault::new("list_type", "Input should be a valid list", value)]);
        };
        let mut good = Vec::with_capacity(items.len());
        let mut faults = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match T::read(item) {
                Ok(item) => good.push(item),
                Err(found) => {
                    faults.extend(found.into_iter().map(|fault| fault.under(Step::Index(index))));
                    if faults.len() >= MOST_FAULTS {
                        break;
                    }
                }
            }
        }
        if faults.is_empty() { Ok(good) } else { Err(faults) }
    }
}

/// A text that clients also write as `""` when they mean none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blankable<T>(pub Option<T>);

impl<T: Described> Described for Blankable<T> {
    fn schema() -> MetaSchemaRef {
        let pattern = match T::schema() {
            MetaSchemaRef::Inline(schema) => schema.pattern.map(|pattern| format!("^$|{pattern}")),
            MetaSchemaRef::Reference(_) => None,
        };
        T::schema().merge(MetaSchema { min_length: Some(0), pattern, ..MetaSchema::ANY })
    }
}

impl<T: Field> Field for Blankable<T> {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        match value.as_str() {
            Some(text) if text.trim().is_empty() => Ok(Self(None)),
            _ => T::read(value).map(|value| Self(Some(value))),
        }
    }
}

impl<T> Blankable<T> {
    /// `""` is what `null` is.
    #[must_use]
    pub fn settle(read: Option<Option<Self>>) -> Option<Option<T>> {
        read.map(|given| given.and_then(|Self(text)| text))
    }
}

/// Raw directives and the zone they are for; the directives are judged later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block(pub Zone, pub String);

impl Described for Block {
    fn schema() -> MetaSchemaRef {
        let content = inline(MetaSchema { min_length: Some(1), ..MetaSchema::new("string") });
        inline(object(
            "Raw nginx directives for one zone of the server block.",
            vec![("zone", Zone::schema()), ("content", content)],
            vec!["zone", "content"],
        ))
    }
}

impl Field for Block {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::of(value.clone())?;
        let zone = fields.required("zone", "");
        let content = fields.required::<Filled>("content", "");
        let block = zone.zip(content).map(|(zone, Filled(content))| Self(zone, content));
        fields.finish(block)
    }
}

/// A text of at least one character.
struct Filled(String);

impl Described for Filled {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema { min_length: Some(1), ..MetaSchema::new("string") })
    }
}

impl Field for Filled {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let text = String::read(value)?;
        if text.is_empty() {
            return Err(vec![Fault::of(&Invalid::TooShort { min: 1 }, value)]);
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_inside_a_list_name_the_element() {
        let value = json!([{"zone": "x", "content": ""}, 5, {}, {"zone": "top", "content": "a;"}]);
        let faults = Vec::<Block>::read(&value).unwrap_err();
        let told: Vec<_> =
            faults.iter().map(|fault| (fault.kind, serde_json::to_string(&fault.loc).unwrap())).collect();
        assert_eq!(
            told,
            [
                ("literal_error", r#"[0,"zone"]"#.to_owned()),
                ("string_too_short", r#"[0,"content"]"#.to_owned()),
                ("model_attributes_type", "[1]".to_owned()),
                ("missing", r#"[2,"zone"]"#.to_owned()),
                ("missing", r#"[2,"content"]"#.to_owned()),
            ]
        );
    }

    #[test]
    fn a_word_outside_its_list_is_told_as_0_4_told_it() {
        let kind = PoolKind::read(&json!("x")).unwrap_err().remove(0);
        assert_eq!(kind.msg, "String should match pattern '^(nanio|http)$'");
        let mode = IpRuleMode::read(&json!("q")).unwrap_err().remove(0);
        assert_eq!((mode.kind, mode.msg.as_str()), ("literal_error", "Input should be 'allow' or 'deny'"));
    }

    #[test]
    fn an_empty_text_means_none_where_0_4_clients_write_it_so() {
        assert_eq!(Blankable::<PemPath>::read(&json!("")), Ok(Blankable(None)));
        assert!(Blankable::<PemPath>::read(&json!("relative")).is_err());
    }

    #[test]
    fn f04_a_nul_never_gets_through() {
        assert_eq!(String::read(&json!("a\0b")).unwrap_err()[0].kind, "value_error");
    }
}
