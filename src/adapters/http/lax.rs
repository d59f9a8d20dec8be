//! Reads JSON scalars as forgivingly as 0.4.x did: numbers in strings, words for booleans.

use serde_json::Value;

use super::fault::Fault;
use crate::domain::invalid::Invalid;

/// A string, and nothing that merely looks like one.
///
/// # Errors
/// Any other JSON type.
pub fn text(value: &Value) -> Result<&str, Vec<Fault>> {
    value.as_str().ok_or_else(|| vec![Fault::new("string_type", "Input should be a valid string", value)])
}

/// A whole number, also when it is written as a string, a float or a boolean.
///
/// # Errors
/// Anything else, and what does not fit into 64 bits.
pub fn integer(value: &Value) -> Result<i64, Vec<Fault>> {
    match value {
        Value::Bool(flag) => Ok(i64::from(*flag)),
        Value::String(written) => integer_text(written),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(float)) => from_float(float, value),
            (None, None) => Err(not_an_integer(value)),
        },
        _ => Err(not_an_integer(value)),
    }
}

/// A whole number that is written as text, as in a path or a query.
///
/// # Errors
/// Other text, and what does not fit into 64 bits.
pub fn integer_text(written: &str) -> Result<i64, Vec<Fault>> {
    let input = Value::from(written);
    let unreadable = || {
        vec![Fault::new("int_parsing", "Input should be a valid integer, unable to parse string as an integer", &input)]
    };
    let trimmed = written.trim();
    let whole = match trimmed.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return Err(unreadable()),
        None => trimmed,
    };
    let (sign, digits) = match whole.as_bytes() {
        [b'-', ..] => ("-", &whole[1..]),
        [b'+', ..] => ("", &whole[1..]),
        _ => ("", whole),
    };
    let separated = digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    if !separated {
        return Err(unreadable());
    }
    // What is left is digits: the only way to fail is to be too long.
    format!("{sign}{}", digits.replace('_', "")).parse().map_err(|_| too_wide(sign.is_empty(), &input))
}

/// A boolean, also as 0, 1 or one of the usual words.
///
/// # Errors
/// Anything else.
pub fn boolean(value: &Value) -> Result<bool, Vec<Fault>> {
    let unreadable =
        || vec![Fault::new("bool_parsing", "Input should be a valid boolean, unable to interpret input", value)];
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            _ => Err(unreadable()),
        },
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
            "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
            _ => Err(unreadable()),
        },
        _ => Err(vec![Fault::new("bool_type", "Input should be a valid boolean", value)]),
    }
}

fn from_float(float: f64, value: &Value) -> Result<i64, Vec<Fault>> {
    // 2^63 is the first float above every i64, -2^63 is the least i64 itself.
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    if float.fract() != 0.0 {
        return Err(vec![Fault::new(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
            value,
        )]);
    }
    if (-EDGE..EDGE).contains(&float) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and inside the range of i64")]
        return Ok(float as i64);
    }
    Err(too_wide(float > 0.0, value))
}

fn too_wide(positive: bool, value: &Value) -> Vec<Fault> {
    let bound = if positive { Invalid::TooLarge { max: i64::MAX } } else { Invalid::TooSmall { min: i64::MIN } };
    vec![Fault::of(&bound, value)]
}

fn not_an_integer(value: &Value) -> Vec<Fault> {
    vec![Fault::new("int_type", "Input should be a valid integer", value)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_read_as_0_4_read_them() {
        for (value, number) in [
            (json!(5), 5),
            (json!(" 5.0 "), 5),
            (json!("1_0"), 10),
            (json!("+7"), 7),
            (json!(-3), -3),
            (json!("-3"), -3),
            (json!(true), 1),
            (json!(4.0), 4),
            (json!("9223372036854775807"), i64::MAX),
            (json!("-9223372036854775808"), i64::MIN),
        ] {
            assert_eq!(integer(&value), Ok(number), "{value}");
        }
    }

    #[test]
    fn what_is_no_integer_is_named_as_0_4_named_it() {
        for (value, kind) in [
            (json!("x"), "int_parsing"),
            (json!(""), "int_parsing"),
            (json!("1.5"), "int_parsing"),
            (json!("1."), "int_parsing"),
            (json!("--1"), "int_parsing"),
            (json!("1__0"), "int_parsing"),
            (json!("٣"), "int_parsing"),
            (json!(1.5), "int_from_float"),
            (json!([]), "int_type"),
            (json!(null), "int_type"),
            (json!(1e300), "less_than_equal"),
            (json!(-1e300), "greater_than_equal"),
            (json!(u64::MAX), "less_than_equal"),
            (json!("99999999999999999999"), "less_than_equal"),
        ] {
            assert_eq!(integer(&value).map_err(|faults| faults[0].kind), Err(kind), "{value}");
        }
    }

    #[test]
    fn booleans_are_read_as_0_4_read_them() {
        for value in [json!(true), json!(1), json!(1.0), json!("YES"), json!("on")] {
            assert_eq!(boolean(&value), Ok(true), "{value}");
        }
        for (value, kind) in [(json!(2), "bool_parsing"), (json!("maybe"), "bool_parsing"), (json!([]), "bool_type")] {
            assert_eq!(boolean(&value).map_err(|faults| faults[0].kind), Err(kind), "{value}");
        }
    }
}
