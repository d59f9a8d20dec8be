//! What is wrong with one value of a request, in the wire form of 0.4.x:
//! `{"type", "loc", "msg", "input", "ctx"?}`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::invalid::{Invalid, alternatives};
use crate::domain::manifest;

/// One step on the way to a value: the name of a field or the index in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// A field of an object.
    Name(String),
    /// An element of a list.
    Index(usize),
}

impl From<&str> for Step {
    fn from(name: &str) -> Self {
        Step::Name(name.to_owned())
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// The kind of fault, from a closed list that clients know.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body`, `path` or `query` first, once it has left the reader.
    pub loc: Vec<Step>,
    /// What, for a person.
    pub msg: String,
    /// The value itself.
    pub input: Value,
    /// The bounds that `msg` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

impl Fault {
    /// A fault of the value itself, wherever it stands.
    #[must_use]
    pub fn new(kind: &'static str, msg: impl Into<String>, input: &Value) -> Self {
        Self { kind, loc: Vec::new(), msg: msg.into(), input: input.clone(), ctx: None }
    }

    /// The same with the bounds that it tells of.
    #[must_use]
    pub fn with(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }

    /// The same, one step further from the value.
    #[must_use]
    pub fn under(mut self, step: impl Into<Step>) -> Self {
        self.loc.insert(0, step.into());
        self
    }

    /// A required field that is not there.
    #[must_use]
    pub fn missing(input: &Value) -> Self {
        Self::new("missing", "Field required", input)
    }

    /// Not an object where one must be.
    #[must_use]
    pub fn not_an_object(input: &Value) -> Self {
        Self::new("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", input)
    }

    /// A rule told as a sentence.
    #[must_use]
    pub fn rule(sentence: &str, input: &Value) -> Self {
        Self::new("value_error", format!("Value error, {sentence}"), input).with(json!({ "error": {} }))
    }

    /// Something in a document that contradicts the rest of it, or what is there.
    #[must_use]
    pub fn of_manifest(fault: &manifest::Fault) -> Self {
        let loc = fault.path.iter().map(|step| Step::from(step.as_str())).collect();
        Self { loc, ..Self::new("value_error", fault.what.clone(), &Value::Null) }
    }

    /// The domain's opinion of a value.
    #[must_use]
    pub fn of(invalid: &Invalid, input: &Value) -> Self {
        let (kind, ctx) = match invalid {
            Invalid::TooShort { min } => ("string_too_short", json!({ "min_length": min })),
            Invalid::TooLong { max } => ("string_too_long", json!({ "max_length": max })),
            Invalid::Pattern { pattern } => ("string_pattern_mismatch", json!({ "pattern": pattern })),
            Invalid::TooSmall { min } => ("greater_than_equal", json!({ "ge": min })),
            Invalid::TooLarge { max } => ("less_than_equal", json!({ "le": max })),
            Invalid::Unknown { known } => ("literal_error", json!({ "expected": alternatives(known) })),
            Invalid::Rule(sentence) => return Self::rule(sentence, input),
        };
        Self::new(kind, invalid.to_string(), input).with(ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_0_4_clients_expect() {
        let fault = Fault::of(&Invalid::TooLarge { max: 1024 }, &json!(5000)).under("keepalive").under("body");
        assert_eq!(
            serde_json::to_value(&fault).unwrap(),
            json!({"type": "less_than_equal", "loc": ["body", "keepalive"], "input": 5000,
                   "msg": "Input should be less than or equal to 1024", "ctx": {"le": 1024}})
        );
    }

    #[test]
    fn a_sentence_is_a_value_error() {
        let fault = Fault::of(&Invalid::rule("no dots"), &json!("."));
        assert_eq!((fault.kind, fault.msg.as_str()), ("value_error", "Value error, no dots"));
        assert_eq!(fault.ctx, Some(json!({"error": {}})));
    }
}
