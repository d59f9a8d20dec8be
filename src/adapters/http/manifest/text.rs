//! Text becomes a tree of values. A hostile text costs no more than a large one.

use serde_json::Value;

/// The most bytes that a document may have. 20,000 routes are about 1 MiB.
pub const MOST_BYTES: usize = 16 << 20;
/// How many values, lists and objects it may have, those that aliases repeat included.
const MOST_NODES: usize = 500_000;
/// How deep it may be nested; ours are five deep.
const DEEPEST: usize = 16;
/// A path prefix may be as long as a key of S3, and is the key of its route.
const LONGEST_KEY: usize = 4096;

/// Parses a text.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(bytes: &[u8], json: bool) -> Result<Value, String> {
    if json {
        return serde_json::from_slice(bytes).map_err(|error| format!("no JSON: {error}"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("no text in UTF-8: {error}"))?;
    let budget = serde_saphyr::budget! {
        max_events: 2 * MOST_NODES,
        max_nodes: MOST_NODES,
        max_depth: DEEPEST,
        max_documents: 1,
        flow_nesting_limit: DEEPEST,
        simple_key_max_lookahead: LONGEST_KEY,
    };
    let limits = serde_saphyr::alias_limits! { max_total_replayed_events: MOST_NODES };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: limits,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("no YAML: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Value, String> {
        parse(text.as_bytes(), false)
    }

    #[test]
    fn what_people_write_becomes_what_they_mean() {
        let text = "# a comment\nversion: 1\npools: &p\n  on: {keepalive: 16}\n  '2': ~\nagain: *p\n";
        let pools = json!({"on": {"keepalive": 16}, "2": null});
        assert_eq!(yaml(text).unwrap(), json!({"version": 1, "pools": pools, "again": pools}));
        let key = format!("/{}", "k".repeat(1099));
        assert_eq!(yaml(&format!("{key}: x\n")).unwrap(), json!({ key: "x" }));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (text, place) in
            [("a: 1\nb: [\n", "line"), ("a: 1\na: 2\n", "duplicate"), ("a: *nobody\n", "unknown anchor")]
        {
            let told = yaml(text).unwrap_err();
            assert!(told.starts_with("no YAML: ") && told.contains(place), "{told}");
        }
        assert!(parse(b"{\"a\": }", true).unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_hostile_text_is_refused_in_words() {
        let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..10 {
            let before = level - 1;
            let ten = vec![format!("*a{before}"); 10].join(",");
            laughs.push_str(&format!("a{level}: &a{level} [{ten}]\n"));
        }
        for text in [laughs, "[".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000), "- x\n".repeat(500_001)] {
            assert!(yaml(&text).is_err(), "{}", &text[..20]);
        }
        assert!(parse("[".repeat(100_000).as_bytes(), true).is_err());
        assert!(parse(&[0xff, 0xfe], false).is_err());
    }
}
