//! The JSON Schema of the document, from the same questions that read it.

use serde_json::{Map, Value, json};

use super::read::Document;
use crate::adapters::http::fields::{self, Request as _};

/// The schema as text.
#[must_use]
pub fn json_schema() -> String {
    let described = fields::asked(Document::ABOUT, Document::read);
    // Texts, numbers and lists: serialising them cannot fail.
    let mut schema = standard(serde_json::to_value(described).unwrap_or_default());
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("nanio-orchestrator gateway"));
    }
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// What OpenAPI 3.0 says in words of its own, in those of JSON Schema.
fn standard(value: Value) -> Value {
    match value {
        Value::Object(object) if object.contains_key("properties") || object.contains_key("type") => {
            Value::Object(schema(object))
        }
        Value::Object(object) => Value::Object(object.into_iter().map(|(key, value)| (key, standard(value))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(standard).collect()),
        other => other,
    }
}

fn schema(object: Map<String, Value>) -> Map<String, Value> {
    let nullable = object.get("nullable") == Some(&Value::Bool(true));
    let mut rest: Map<String, Value> = Map::new();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("nullable" | "format", _) => {}
            ("type", Value::String(kind)) if nullable => {
                rest.insert(key, json!([kind, "null"]));
            }
            ("enum", Value::Array(mut items)) if nullable => {
                items.push(Value::Null);
                rest.insert(key, Value::Array(items));
            }
            ("properties", Value::Object(properties)) => {
                let standard = properties.into_iter().map(|(name, value)| (name, standard(value)));
                rest.insert(key, Value::Object(standard.collect()));
                rest.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            ("default" | "description" | "required" | "pattern", value) => {
                rest.insert(key, value);
            }
            (_, value) => {
                rest.insert(key, standard(value));
            }
        }
    }
    rest
}
