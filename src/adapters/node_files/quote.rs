//! One quoting function a language. Each is total: whatever the value, what its reader reads back is the value,
//! and nothing else. (A line break is the one thing that a unit cannot hold; no value of a node has one.)

use std::borrow::Cow;
use std::fmt::Write as _;

/// `value` as a TOML basic string.
#[must_use]
pub fn toml(value: &str) -> Cow<'_, str> {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// `value` as one word of a unit's list of paths: `%` begins a specifier, quotes and backslashes are systemd's own.
#[must_use]
pub fn systemd(value: &str) -> Cow<'_, str> {
    if is_plain(value) {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.push('\\'),
            '%' => quoted.push('%'),
            _ => {}
        }
        quoted.push(c);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// `value` as one word of a shell.
#[must_use]
pub fn shell(value: &str) -> Cow<'_, str> {
    if is_plain(value) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
}

/// Whether no reader sees more than text in it.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@+,".contains(&b))
}
