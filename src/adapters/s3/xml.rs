//! XML from strangers: read once, element by element, in bounds, and never repeated to anybody.

use quick_xml::Reader;
use quick_xml::events::Event;

/// An answer of S3 is not nested deeper.
const DEEPEST: usize = 8;
/// No text in it is longer: a key has up to 1,024 bytes, of which each may be written as three or six.
const LONGEST: usize = 16 * 1024;

/// Reads a document and shows each element that ends: the names on the way to it below the root, and its own text.
///
/// # Errors
/// What the document is instead of the wanted one, in words of ours.
pub(in crate::adapters) fn read(
    body: &[u8],
    root: &str,
    mut each: impl FnMut(&[&str], &str),
) -> Result<(), &'static str> {
    let mut reader = Reader::from_reader(body);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut text): (Vec<String>, String) = (Vec::new(), String::new());
    let mut begun = false;
    loop {
        match reader.read_event().map_err(|_| "the answer is not XML")? {
            Event::Start(element) => {
                let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                if path.is_empty() && (begun || name != root) {
                    return Err("the answer is not one to this question");
                }
                if path.len() == DEEPEST {
                    return Err("the answer is nested too deep");
                }
                begun = true;
                path.push(name);
                text.clear();
            }
            Event::End(_) => {
                let names: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
                each(&names, &text);
                path.pop();
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece.decode().map_err(|_| "the answer is not UTF-8")?),
            Event::CData(piece) => text.push_str(&piece.decode().map_err(|_| "the answer is not UTF-8")?),
            Event::GeneralRef(entity) => text.push(character(&entity).ok_or("the answer is not XML")?),
            // It could make entities.
            Event::DocType(_) => return Err("the answer is not one of S3"),
            Event::Eof if path.is_empty() && begun => return Ok(()),
            Event::Eof => return Err("the answer is not complete"),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
        if text.len() > LONGEST {
            return Err("the answer holds a text that is too long");
        }
    }
}

fn character(entity: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(character);
    }
    match entity.decode().ok()?.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// A text as the content of an element; `None` if XML 1.0 cannot hold it.
pub(in crate::adapters) fn written(text: &str) -> Option<String> {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            // Unescaped, a reader may take the one for the other.
            '\t' | '\n' | '\r' => written.push_str(&format!("&#{};", u32::from(c))),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return None,
            c => written.push(c),
        }
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(body: &str) -> Result<Vec<(String, String)>, &'static str> {
        let mut seen = Vec::new();
        read(body.as_bytes(), "R", |path, text| seen.push((path.join("/"), text.to_owned())))?;
        Ok(seen)
    }

    #[test]
    fn elements_are_shown_with_their_way_and_text() {
        let body = "<?xml version=\"1.0\"?><R xmlns=\"x\"><A><K>a &amp; &#98;<![CDATA[<c>]]></K></A><E/></R>";
        let told = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let expected = vec![told("A/K", "a & b<c>"), told("A", ""), told("E", ""), told("", "")];
        assert_eq!(seen(body), Ok(expected));
    }

    #[test]
    fn f36_what_is_not_a_plain_document_of_this_kind_is_refused() {
        let bomb = "<!DOCTYPE R [<!ENTITY a \"aaaa\">]><R>&a;</R>";
        let deep = "<R>".repeat(1000);
        let long = format!("<R>{}</R>", "x".repeat(LONGEST + 1));
        for bad in [
            "",
            "text",
            "<html/>",
            "<R>",
            "<R><A></R>",
            "<R></R><R></R>",
            "<R>&nope;</R>",
            "<R>&#0;</R>",
            bomb,
            &deep,
            &long,
            "\u{0}",
            "<",
        ] {
            assert!(seen(bad).is_err(), "{bad:.40}");
        }
        assert!(read(b"<R>\xff</R>", "R", |_, _| {}).is_err());
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for text in ["a b", "<&>'\"", "é\u{1f600}", "a\tb\r\nc", "]]>"] {
            let body = format!("<R><K>{}</K></R>", written(text).unwrap());
            assert_eq!(seen(&body).unwrap()[0].1, text);
        }
        assert_eq!(written("a\u{1}"), None);
    }
}
