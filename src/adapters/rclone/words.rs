//! What rclone says: a JSON object a line, but for its last words.

use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use crate::domain::copy::Progress;

/// No line is longer: what is beyond is not read. The longest tells of each transfer under way.
const MOST_BYTES: usize = 1024 * 1024;
/// How much of a text is passed on.
const MOST_CHARACTERS: usize = 500;

/// Something that rclone said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// How far it is, and how many errors there were.
    Progress(Progress, u64),
    /// Something that went wrong, and with which object.
    Error {
        /// Its key; none: with the copy as a whole, or a summary of what was said before.
        object: Option<String>,
        /// What.
        text: String,
    },
    /// Anything else.
    Line(String),
}

/// The next line; `None` at the end.
pub(super) async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let chunk = from.fill_buf().await?;
        if chunk.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        line.extend_from_slice(&part[..part.len().min(MOST_BYTES - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// What a line says; `None` if nothing.
pub(super) fn read(line: &[u8]) -> Option<Word> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(line) else {
        let text = clipped(&String::from_utf8_lossy(line));
        return (!text.is_empty()).then_some(Word::Line(text));
    };
    if let Some(Value::Object(stats)) = fields.get("stats") {
        return Some(Word::Progress(progress(stats), count(stats, "errors")));
    }
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = match field("object") {
        "" => clipped(field("msg")),
        object => clipped(&format!("{object}: {}", field("msg"))),
    };
    match field("level") {
        _ if text.is_empty() => None,
        "error" | "critical" | "fatal" => {
            let object = fields.get("object").and_then(Value::as_str).filter(|object| !object.is_empty());
            Some(Word::Error { object: object.map(str::to_owned), text })
        }
        _ => Some(Word::Line(text)),
    }
}

fn progress(stats: &Map<String, Value>) -> Progress {
    Progress {
        objects_done: count(stats, "transfers"),
        objects_total: count(stats, "totalTransfers"),
        bytes_done: count(stats, "bytes"),
        bytes_total: count(stats, "totalBytes"),
        deleted: count(stats, "deletes"),
        speed: count(stats, "speed"),
        eta: stats.get("eta").and_then(Value::as_f64).map(whole),
    }
}

fn count(stats: &Map<String, Value>, name: &str) -> u64 {
    stats.get(name).map_or(0, |value| value.as_u64().or_else(|| value.as_f64().map(whole)).unwrap_or_default())
}

fn whole(number: f64) -> u64 {
    // Ends at the bounds of u64.
    number as u64
}

/// Whether a node has answered, so that nothing of what was sent to it is under way: what rclone's S3 library adds to
/// the answer of a node, its own word that what arrived is not what it read, or that the object ended before its end: it
/// was replaced while it was read, and no node takes a request that was broken off.
pub(super) fn is_answer(text: &str) -> bool {
    ["status code: 4", "status code: 500", "corrupted on transfer", "unexpected EOF"]
        .iter()
        .any(|answer| text.contains(answer))
}

/// One line of bounded length without control characters.
fn clipped(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[test]
    fn f51_a_line_of_statistics_is_progress() {
        let line = br#"{"level":"warning","msg":"\nTransferred: ...","source":"accounting/stats.go:482","stats":{"bytes":7,
            "checks":2,"deletes":1,"errors":3,"eta":12,"speed":1234.56,"totalBytes":70,"totalTransfers":5,"transfers":4}}"#;
        let expected = Progress {
            objects_done: 4,
            objects_total: 5,
            bytes_done: 7,
            bytes_total: 70,
            deleted: 1,
            speed: 1234,
            eta: Some(12),
        };
        assert_eq!(read(line), Some(Word::Progress(expected, 3)));
    }

    #[test]
    fn statistics_without_an_estimate_are_progress_too() {
        for eta in ["null", "-1", "9e99", "\"soon\""] {
            let line = format!(r#"{{"stats":{{"bytes":1,"eta":{eta},"speed":null}}}}"#);
            assert!(
                matches!(read(line.as_bytes()), Some(Word::Progress(Progress { bytes_done: 1, speed: 0, .. }, 0))),
                "{eta}"
            );
        }
    }

    #[test]
    fn an_error_names_its_object_in_one_line() {
        let line = br#"{"level":"error","msg":"Failed to copy: NoSuchBucket\n\tstatus code: 404","object":"a b"}"#;
        assert_eq!(
            read(line),
            Some(Word::Error {
                object: Some("a b".to_owned()),
                text: "a b: Failed to copy: NoSuchBucket status code: 404".to_owned()
            })
        );
    }

    #[test]
    fn what_is_no_json_is_a_line_and_nothing_is_nothing() {
        assert_eq!(
            read(b"2026/11/27 Failed to \xffcopy"),
            Some(Word::Line("2026/11/27 Failed to \u{fffd}copy".to_owned()))
        );
        assert_eq!(read(br#"{"level":"warning","msg":"a notice"}"#), Some(Word::Line("a notice".to_owned())));
        for empty in [&b""[..], b" \t", b"{}", br#"{"level":"error","msg":""}"#] {
            assert_eq!(read(empty), None);
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_and_the_next_one_is_read() {
        let mut text = vec![b'x'; MOST_BYTES + 5000];
        text.extend_from_slice(b"\n\nsecond\nlast");
        let mut from = BufReader::new(&text[..]);
        assert_eq!(next_line(&mut from).await.unwrap().map(|line| line.len()), Some(MOST_BYTES));
        for expected in [Some(&b""[..]), Some(b"second"), Some(b"last"), None] {
            assert_eq!(next_line(&mut from).await.unwrap().as_deref(), expected);
        }
        let Some(Word::Line(line)) = read(&vec![b'x'; 5000]) else { panic!("no line") };
        assert_eq!(line.chars().count(), MOST_CHARACTERS + 1);
    }
}
