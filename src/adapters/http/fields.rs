//! Reads a JSON object into typed values and collects *everything* that is wrong with it.
//!
//! What [`Request::read`] asks for is also what the OpenAPI document says: the document is made by
//! reading an empty object and noting the questions, so the two cannot differ.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::schema::{Described, about, nullable, object};

/// What a fault shows instead of a secret.
pub const MASK: &str = "****";

/// A value that can stand in a request.
pub trait Field: Described + Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// Every fault of it, located relative to the value.
    fn read(value: &Value) -> Result<Self, Vec<Fault>>;
}

/// The body of a request.
pub trait Request: Sized + Send + 'static {
    /// The name of its schema.
    const NAME: &'static str;
    /// What it is for.
    const ABOUT: &'static str;
    /// Fields whose values are never told back, not even to the client that sent them: answers are logged.
    const HIDDEN: &'static [&'static str] = &[];

    /// Asks `fields` for every field, then applies the rules that span fields.
    ///
    /// `None` only if a fault was noted.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// The fields of one JSON object, and the faults found in them so far.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    faults: Vec<Fault>,
    properties: Vec<(&'static str, MetaSchemaRef)>,
    required: Vec<&'static str>,
}

impl Fields {
    /// The fields of `value`.
    ///
    /// # Errors
    /// `value` is not an object.
    pub fn of(value: Value) -> Result<Self, Vec<Fault>> {
        match value {
            Value::Object(object) => {
                Ok(Self { object, faults: Vec::new(), properties: Vec::new(), required: Vec::new() })
            }
            other => Err(vec![Fault::not_an_object(&other)]),
        }
    }

    /// A field that must be there.
    pub fn required<T: Field>(&mut self, name: &'static str, words: &'static str) -> Option<T> {
        self.properties.push((name, about(T::schema(), words)));
        self.required.push(name);
        match self.object.get(name) {
            None => {
                let fault = Fault::missing(&Value::Object(self.object.clone()));
                self.faults.push(fault.under(name));
                None
            }
            Some(value) => {
                let read = T::read(value);
                self.keep(name, read)
            }
        }
    }

    /// A field with a value of its own while it is not given.
    pub fn defaulted<T: Field>(
        &mut self,
        name: &'static str,
        words: &'static str,
        default: T,
        shown: impl Into<Value>,
    ) -> Option<T> {
        let schema = about(T::schema(), words).merge(MetaSchema { default: Some(shown.into()), ..MetaSchema::ANY });
        self.properties.push((name, nullable(schema)));
        match self.present(name) {
            None => Some(default),
            Some(value) => self.keep(name, T::read(&value)),
        }
    }

    /// A field that changes something only when it is given; `null` leaves things as they are.
    pub fn given<T: Field>(&mut self, name: &'static str, words: &'static str) -> Option<T> {
        self.properties.push((name, nullable(about(T::schema(), words))));
        let value = self.present(name)?;
        self.keep(name, T::read(&value))
    }

    /// A field that no fault of the others may repeat; otherwise as [`Fields::given`]. Ask for it first, and let its
    /// type keep it out of its own faults.
    pub fn secret<T: Field>(&mut self, name: &'static str, words: &'static str) -> Option<T> {
        let read = self.given(name, words);
        if let Some(value) = self.object.get_mut(name).filter(|value| !value.is_null()) {
            *value = MASK.into();
        }
        read
    }

    /// A field with three states: not given (`None`), `null` (`Some(None)`), and a value.
    pub fn clearable<T: Field>(&mut self, name: &'static str, words: &'static str) -> Option<Option<T>> {
        self.properties.push((name, nullable(about(T::schema(), words))));
        match self.object.get(name) {
            None => None,
            Some(Value::Null) => Some(None),
            Some(value) => {
                let read = T::read(value);
                self.keep(name, read).map(Some)
            }
        }
    }

    /// Notes every field that was not asked for: in what people write by hand, a slip of the pen must not go unseen.
    pub fn refuse_others(&mut self) {
        let known: Vec<&str> = self.properties.iter().map(|(name, _)| *name).collect();
        for (name, value) in self.object.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let msg = format!("no such field; there are {}", known.join(", "));
            self.faults.push(Fault::new("extra_forbidden", msg, value).under(name.as_str()));
        }
    }

    /// Whether no field was at fault so far: rules that span fields are asked only then.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Notes that the object as a whole breaks a rule.
    pub fn refuse(&mut self, sentence: &str) {
        self.faults.push(Fault::rule(sentence, &Value::Object(self.object.clone())));
    }

    /// Notes that a field breaks a rule in the company of the others.
    pub fn refuse_field(&mut self, name: &'static str, sentence: &str) {
        let value = self.object.get(name).unwrap_or(&Value::Null);
        self.faults.push(Fault::rule(sentence, value).under(name));
    }

    /// What was read, or all that is wrong.
    ///
    /// # Errors
    /// Every fault, located relative to the object.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }

    fn present(&self, name: &str) -> Option<Value> {
        self.object.get(name).filter(|value| !value.is_null()).cloned()
    }

    fn keep<T>(&mut self, name: &'static str, read: Result<T, Vec<Fault>>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(faults) => {
                self.faults.extend(faults.into_iter().map(|fault| fault.under(name)));
                None
            }
        }
    }
}

/// Reads a request from JSON.
///
/// # Errors
/// Every fault, located relative to `value`.
pub fn read<T: Request>(value: Value) -> Result<T, Vec<Fault>> {
    let mut fields = Fields::of(value)?;
    let read = T::read(&mut fields);
    fields.finish(read)
}

/// Describes a request in the OpenAPI document.
pub fn describe<T: Request>(registry: &mut Registry) {
    registry.create_schema::<T, _>(T::NAME.to_owned(), |_| asked(T::ABOUT, T::read));
}

/// The schema of an object that is read by this function.
pub fn asked<T>(about: &'static str, read: impl FnOnce(&mut Fields) -> Option<T>) -> MetaSchema {
    let mut fields = Fields { object: Map::new(), faults: Vec::new(), properties: Vec::new(), required: Vec::new() };
    // An empty object has faults; only the questions count here.
    let _ = read(&mut fields);
    object(about, fields.properties, fields.required)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        size: i64,
        note: Option<Option<String>>,
    }

    impl Request for Sample {
        const NAME: &'static str = "Sample";
        const ABOUT: &'static str = "A sample.";

        fn read(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name", "Its name.");
            let size = fields.defaulted("size", "Its size.", 3, 3);
            let note = fields.clearable("note", "A note.");
            if fields.sound() && size == Some(13) {
                fields.refuse("thirteen is not a size");
            }
            Some(Self { name: name?, size: size?, note })
        }
    }

    #[test]
    fn absent_null_and_value_are_three_states() {
        let note = |value| read::<Sample>(value).unwrap().note;
        assert_eq!(note(json!({"name": "a"})), None);
        assert_eq!(note(json!({"name": "a", "note": null})), Some(None));
        assert_eq!(note(json!({"name": "a", "note": "n"})), Some(Some("n".to_owned())));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = read::<Sample>(json!({"size": "x", "note": 5})).unwrap_err();
        let kinds: Vec<_> = faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, ["missing", "int_parsing", "string_type"]);
    }

    #[test]
    fn rules_that_span_fields_wait_for_the_fields() {
        let whole = read::<Sample>(json!({"name": "a", "size": 13})).unwrap_err();
        assert_eq!((whole.len(), whole[0].loc.len()), (1, 0));
        assert_eq!(read::<Sample>(json!({"size": 13})).unwrap_err()[0].kind, "missing");
    }

    #[test]
    fn the_document_says_what_the_reader_asks() {
        let mut registry = Registry::new();
        describe::<Sample>(&mut registry);
        let schema = &registry.schemas["Sample"];
        assert_eq!(schema.required, ["name"]);
        let names: Vec<_> = schema.properties.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["name", "size", "note"]);
    }
}
