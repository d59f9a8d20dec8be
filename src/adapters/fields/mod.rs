//! Objects that somebody may have edited or damaged, read field by field: a field that is not as it must be is left
//! out and becomes a sentence, and so does one that nobody asked for. Nothing is dropped unseen.

pub mod parts;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::time::Timestamp;

/// An object on its way to a value.
pub struct Fields<'a> {
    object: Cow<'a, Map<String, Value>>,
    place: String,
    asked: HashSet<&'static str>,
    remains: Vec<String>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, if it is an object. `place` stands in front of their names in sentences.
    #[must_use]
    pub fn of(value: &'a Value, place: &str) -> Option<Self> {
        let object = Cow::Borrowed(value.as_object()?);
        Some(Self { object, place: place.to_owned(), asked: HashSet::new(), remains: Vec::new() })
    }

    /// The fields of a whole text.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn of_text(text: &str) -> Result<Fields<'static>, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let Value::Object(object) = value else { return Err("it is not a JSON object".to_owned()) };
        let object = Cow::Owned(object);
        Ok(Fields { object, place: String::new(), asked: HashSet::new(), remains: Vec::new() })
    }

    /// What `read` makes of a field; `None` if it is missing, `null`, or not as it must be.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        self.asked.insert(name);
        let read = self.object.get(name).filter(|value| !value.is_null()).map(read)?;
        read.map_err(|why| self.note(format!("{name}: {why}; left out"))).ok()
    }

    /// As [`Fields::optional`], of a field without which the whole is nothing.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn required<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Result<T, String> {
        self.asked.insert(name);
        match self.object.get(name).filter(|value| !value.is_null()) {
            None => Err(format!("its {name} is missing")),
            Some(value) => read(value).map_err(|why| format!("its {name} is not as it must be: {why}")),
        }
    }

    /// As [`Fields::optional`], of a field that every writer fills: its absence is told too.
    pub fn or<T, E: Display>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Value) -> Result<T, E>,
    ) -> T {
        let before = self.remains.len();
        if let Some(value) = self.optional(name, read) {
            return value;
        }
        if self.remains.len() == before {
            self.note(format!("{name} is missing; the default was taken"));
        }
        default
    }

    /// The fields of a field that is an object, read by `read`.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.optional(name, |value| Ok::<_, String>(value.clone()))?;
        let place = format!("{}{name}", self.place);
        self.inner(&value, &place, read)
    }

    /// The elements of a list, each an object read by `read`; those that are nothing are left out. `None` if there
    /// is no list.
    pub fn objects<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let elements = self.optional(name, list)?;
        let mut read_elements = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let place = format!("{}{name}[{index}]", self.place);
            read_elements.extend(self.inner(element, &place, &mut read));
        }
        Some(read_elements)
    }

    /// The elements of a list, each a text; those that are nothing are left out. `None` if there is no list.
    pub fn texts<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, Invalid>) -> Option<Vec<T>> {
        let elements = self.optional(name, list)?;
        let mut texts = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            match checked(&parse)(element) {
                Ok(value) => texts.push(value),
                Err(why) => self.note(format!("{name}[{index}]: {why}; left out")),
            }
        }
        Some(texts)
    }

    /// The entries of an object whose names mean something themselves; those that are nothing are left out.
    pub fn entries<K: Ord, V, E: Display>(
        &mut self,
        name: &'static str,
        key: impl Fn(&str) -> Result<K, Invalid>,
        value: impl Fn(&Value) -> Result<V, E>,
    ) -> BTreeMap<K, V> {
        let object = self.optional(name, |value| value.as_object().cloned().ok_or("not an object"));
        let mut entries = BTreeMap::new();
        for (word, held) in object.iter().flatten().filter(|(_, held)| !held.is_null()) {
            let read = key(word).map_err(|why| why.to_string());
            match read.and_then(|key| Ok((key, value(held).map_err(|why| why.to_string())?))) {
                Ok((key, value)) => entries.extend([(key, value)]),
                Err(why) => self.note(format!("{name}: {word}: {why}; left out")),
            }
        }
        entries
    }

    fn inner<T>(
        &mut self,
        value: &Value,
        place: &str,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let Some(mut fields) = Fields::of(value, &format!("{place}.")) else {
            self.remains.push(format!("{place} is not an object; left out"));
            return None;
        };
        match read(&mut fields) {
            Ok(value) => {
                self.remains.extend(fields.finish());
                Some(value)
            }
            Err(why) => {
                self.remains.push(format!("{place}: {why}; left out"));
                None
            }
        }
    }

    /// Adds a sentence about this object.
    pub fn note(&mut self, sentence: impl Display) {
        self.remains.push(format!("{}{sentence}", self.place));
    }

    /// All that was not as it must be, and every field that nobody asked for.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        let unknown = self.object.keys().filter(|name| !self.asked.contains(name.as_str()));
        let sentences = unknown.map(|name| format!("{}{name} is not a field of this file; left out", self.place));
        self.remains.extend(sentences.collect::<Vec<_>>());
        self.remains
    }
}

/// A text.
///
/// # Errors
/// It is something else.
pub fn text(value: &Value) -> Result<String, &'static str> {
    value.as_str().map(str::to_owned).ok_or("not a text")
}

/// A text without control characters, and not an endless one.
///
/// # Errors
/// It is something else.
pub fn line(value: &Value) -> Result<String, &'static str> {
    let text = text(value)?;
    let fits = !text.is_empty() && text.len() <= 4096 && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err("empty, longer than 4096 bytes, or with control characters") }
}

/// A whole number.
///
/// # Errors
/// It is something else.
pub fn whole(value: &Value) -> Result<i64, &'static str> {
    value.as_i64().ok_or("not a whole number")
}

/// A count.
///
/// # Errors
/// It is something else, or negative.
pub fn count(value: &Value) -> Result<i64, &'static str> {
    whole(value).ok().filter(|number| *number >= 0).ok_or("not a count")
}

/// An id: a positive whole number.
pub fn id<Id>(of: impl FnOnce(i64) -> Id) -> impl FnOnce(&Value) -> Result<Id, &'static str> {
    |value| whole(value).ok().filter(|number| *number > 0).map(of).ok_or("not an id")
}

/// Yes or no; 1 or 0, as SQLite keeps it.
///
/// # Errors
/// It is something else.
pub fn flag(value: &Value) -> Result<bool, &'static str> {
    match (value.as_bool(), value.as_i64()) {
        (Some(flag), _) => Ok(flag),
        (None, Some(number @ (0 | 1))) => Ok(number == 1),
        _ => Err("neither true nor false"),
    }
}

/// A time in one of the two wire forms.
///
/// # Errors
/// It is something else.
pub fn time(value: &Value) -> Result<Timestamp, &'static str> {
    value.as_str().and_then(Timestamp::parse).ok_or("not a time")
}

/// A text that becomes a checked value.
pub fn checked<T>(parse: impl Fn(&str) -> Result<T, Invalid>) -> impl Fn(&Value) -> Result<T, String> {
    move |value| parse(&text(value)?).map_err(|why| why.to_string())
}

/// A number that becomes a checked value.
pub fn ranged<T>(new: impl Fn(i64) -> Result<T, Invalid>) -> impl Fn(&Value) -> Result<T, String> {
    move |value| new(whole(value)?).map_err(|why| why.to_string())
}

/// A list, or a text that holds one, as 0.4.x kept it.
fn list(value: &Value) -> Result<Vec<Value>, &'static str> {
    const OTHER: &str = "not a list";
    match value {
        Value::Array(elements) => Ok(elements.clone()),
        Value::String(text) => serde_json::from_str(text).map_err(|_| OTHER),
        _ => Err(OTHER),
    }
}

/// JSON without anything beyond ASCII, as 0.4.x wrote it: that stands inside of strings, where `\u` says the same.
#[must_use]
pub fn ascii(json: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}
