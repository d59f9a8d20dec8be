//! What a server block says of buckets that are being moved, as its templates need it, and how it is read back.
//!
//! Where a request goes is decided by patterns over its address as the client wrote it, for that is what the node will
//! read: a `map` gives each one the location of an *act*.

use std::fmt::Write as _;
use std::path::Path;

use minijinja::{Value, context};

use super::parse::{ParseError, facts, missing, number};
use super::render::{is_own, own};
use super::routing::{copy_pattern, escape_pattern, hex_pattern, map_key, raw_pattern};
use super::text::{self, Directive, Node};
use crate::domain::bucket::BucketName;
use crate::domain::gateway::moving::{
    GATE_SOCKET, GateFile, LONGEST_SPELLED, Move, RELAY_SOCKET, gate_path, is_part_of,
};
use crate::domain::gateway::{Server, ServerRoute};
use crate::domain::ids::MigrationId;
use crate::domain::migration::token::{GateStage, MigrationGate, Token};
use crate::domain::pool::PoolName;
use crate::domain::vhost::Snippet;

/// Where tokens, journals and gate are if nobody says otherwise.
pub const USUAL_DIR: &str = "/opt/nanio-orchestrator/gate";

/// How many requests wait at the gate for a bucket of a vhost, if a worker has so many connections. Each takes two of
/// them, and one worker may have got them all: reads must not starve. The others are told to come again. The count is one
/// of the move and ends with it, since nginx never forgets what a worker counted that was killed.
#[must_use]
pub fn most_held(worker_connections: u32) -> u32 {
    (worker_connections / 4).max(1)
}

/// The longest path of a directory in which a socket can have a path (unix(7)), with the longest name of ours.
const LONGEST_DIR: usize = 107 - 1 - RELAY_SOCKET.len();

/// Directives of a route that are not repeated in the locations of its bucket: what those say themselves, and error
/// pages, which never apply to a route of an S3 block.
const NOT_REPEATED: &[&str] = &[
    "auth_request",
    "auth_request_set",
    "client_body_buffer_size",
    "client_body_in_single_buffer",
    "error_page",
    "proxy_ignore_client_abort",
    "proxy_intercept_errors",
    "proxy_next_upstream",
    "proxy_pass",
    "proxy_request_buffering",
    "recursive_error_pages",
    "root",
    "satisfy",
    "try_files",
];

/// The directory of tokens, as it stands in configuration.
///
/// # Errors
/// It cannot stand there, with what the operator can do.
pub fn directory(dir: &Path) -> Result<String, String> {
    let refused = |why: &str| format!("MIGRATION_GATE_DIR {}: {why}; choose another directory", dir.display());
    let absolute = std::path::absolute(dir).map_err(|error| refused(&error.to_string()))?;
    let text = absolute.to_str().ok_or_else(|| refused("its name is not text"))?.trim_end_matches('/');
    if text.chars().any(|c| c.is_control() || matches!(c, '$' | ':')) {
        return Err(refused("nginx would take a $ or : in it for something else"));
    }
    if text.len() > LONGEST_DIR {
        return Err(refused(&format!("it may have at most {LONGEST_DIR} characters, or no socket fits into it")));
    }
    Ok(text.to_owned())
}

/// What the names of a move's variables, formats and zones begin with. They begin as those of its server
/// block, since a bucket may move in several, and do not carry the token: nginx has 64 bytes for the name of a variable
/// and what belongs to it.
pub fn prefix(server: &Server, one: &Move) -> String {
    format!("{}_m{}", own(&server.server_name), one.migration)
}

/// Whether `target` is the variable that names the pool of a move.
pub fn is_pool_of(target: &str, one: &Move) -> bool {
    let of = target.strip_prefix('$').and_then(|rest| rest.strip_suffix("_pool"));
    of.and_then(|of| of.rsplit_once("_m")).is_some_and(|(own, id)| is_own(own) && id.parse() == Ok(one.migration.0))
}

/// The pools that the maps of the moves name.
pub fn pools(server: &Server) -> impl Iterator<Item = String> {
    server.moves.iter().flat_map(|one| [&one.source, &one.destination]).map(|pool| pool.as_str().to_owned())
}

/// The file that tells that the source of a copy was switched, with a variable for its token.
pub fn copied_switched(server: &Server, dir: &str) -> Option<String> {
    let gated = server.moves.iter().any(|one| one.gate.stage == GateStage::Gated);
    gated.then(|| format!("{dir}/${}_copied.switched", own(&server.server_name)))
}

/// Finds the first upload that a request names.
pub fn upload_pattern(server: &Server) -> String {
    format!(r"~^[^?]*\?(?:.*?&)?{}=(?<{}_u>[^&]*)", spelled("uploadId"), own(&server.server_name))
}

/// What the templates ask of a move.
pub fn values(server: &Server, one: &Move, dir: &str) -> Value {
    let token = &one.gate.token;
    let own = own_directives(server, one);
    let file = |file: GateFile| format!("{dir}/{}", file.name(token));
    let by_default = server.moves_by_default(one);
    let mut pools = vec![&one.source];
    pools.extend(Some(&one.destination).filter(|pool| **pool != one.source));
    context! {
        id => one.migration.0,
        bucket => one.bucket.as_str(),
        source => one.source.as_str(),
        destination => one.destination.as_str(),
        token => token.as_str(),
        split => one.split,
        read_first => if one.split { one.destination.as_str() } else { one.source.as_str() },
        stage => stage_word(one.gate.stage),
        gated => one.gate.stage == GateStage::Gated,
        uploads => one.gate.source_uploads.iter().map(|upload| encoded(upload)).collect::<Vec<_>>(),
        prefix => prefix(server, one),
        pattern => match server.server_name.wildcard_base() {
            Some(base) => format!(r"~*^{}\.{}$", escape_pattern(one.bucket.as_str()), escape_pattern(base)),
            None => format!("~^/{}(?:[/?]|$)", escape_pattern(one.bucket.as_str())),
        },
        inner => format!("~^/_nanio_{token}_(?:start|gate)$"),
        copy_pattern => copy_pattern(one.bucket.as_str()),
        acts => acts(server, one),
        pools => pools.into_iter().map(|pool| context! {
            key => map_key(pool.as_str()),
            name => pool.as_str(),
        }).collect::<Vec<_>>(),
        relay => format!("unix:{dir}/{RELAY_SOCKET}:"),
        gate => format!("http://unix:{dir}/{GATE_SOCKET}:{}", gate_path(token)),
        switched => file(GateFile::Switched),
        open => file(GateFile::Open),
        journal => file(GateFile::Journal),
        own => own.as_ref().map(|own| Value::from_safe_string(repeated(own))),
        own_timeout => own.is_some_and(|own| names(&own, "proxy_read_timeout")),
        by_default => by_default,
        path => format!("/{}", one.bucket),
    }
}

/// What becomes of a request, by the first pattern that finds it in `token copied method address`.
fn acts(server: &Server, one: &Move) -> Vec<Value> {
    let token = &one.gate.token;
    const ANY: &str = "[^ ]+ [A-Z_-]+";
    const READ: &str = "[^ ]+ (?:GET|HEAD|OPTIONS)";
    let upload = format!("{}{}", argument("uploadId"), "(?:[=&]|$)");
    let mut acts = Vec::new();
    let mut act = |pattern: String, location: Option<&str>| {
        let location = location.map(|location| format!("@nanio_{token}_{location}")).unwrap_or_default();
        acts.push(context! { pattern => format!("~^{token} {pattern}"), location => location });
    };
    // Parts of the bucket that another pool serves do not move.
    for route in server.routes.iter().filter(|route| is_part_of(route, &one.bucket)) {
        act(format!("{ANY} {}", raw_pattern(&route.path_prefix).trim_start_matches("~^")), None);
    }
    match one.gate.stage {
        GateStage::Gated => {
            act(format!("{READ} {upload}"), Some("parts"));
            act(format!("{READ} "), Some("read"));
            // Between two buckets that both move: after the moves.
            act(format!("(?!{token} |other |- )"), Some("again"));
            // The source of a copy is read where the copy is made. Only before the switch are both there. A bucket that
            // stays where it is has no switch.
            if one.source != one.destination {
                act("other ".to_owned(), Some("copied"));
                act(format!("{token} [A-Z_-]+ {upload}"), Some("copied"));
            }
            act(format!("{ANY} {upload}"), Some("upload"));
            act(format!("- POST /[^/?]*/?{}(?:[=&]|$)", argument("delete").trim_start_matches("[^?]*")), Some("bulk"));
            act(String::new(), Some("write"));
        }
        GateStage::Settled => {
            for id in &one.gate.source_uploads {
                act(format!("{ANY} {}={}(?:&|$)", argument("uploadId"), spelled(id)), Some("asked"));
            }
        }
    }
    acts
}

/// Finds an argument of a request.
fn argument(name: &str) -> String {
    format!(r"[^?]*\?(?:.*&)?{}", spelled(name))
}

/// Finds a text in an address, however its characters are percent-encoded.
fn spelled(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        let plain = if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:x}}}", c as u32) };
        let plain = if c.is_ascii() { plain } else { c.to_string() };
        if c.is_ascii_alphanumeric() && text.len() > LONGEST_SPELLED {
            pattern.push_str(&plain);
            continue;
        }
        let mut utf8 = [0; 4];
        let bytes = c.encode_utf8(&mut utf8).bytes();
        let hex: String = bytes.map(|byte| format!("%{}", hex_pattern(u32::from(byte)))).collect();
        let _ = write!(pattern, "(?:{plain}|{hex})");
    }
    pattern
}

/// The operator's directives of the route that serves the bucket in an S3 block.
fn own_directives(server: &Server, one: &Move) -> Option<Snippet> {
    let serves =
        |route: &&ServerRoute| route.path_prefix.bucket() == one.bucket.as_str() && !is_part_of(route, &one.bucket);
    server.routes.iter().find(serves)?.extra_directives.clone()
}

/// The operator's directives, once more: rules on who may do what hold while a bucket moves. No journal is switched
/// off by them.
fn repeated(own: &Snippet) -> String {
    let mut lines = String::new();
    for directive in top(own) {
        let silences = directive.name() == "access_log" && directive.arguments().first().is_some_and(|to| to == "off");
        if !silences && !NOT_REPEATED.contains(&directive.name()) {
            lines.push_str("        ");
            lines.push_str(&own.as_str()[directive.span.0..directive.end]);
            lines.push('\n');
        }
    }
    lines
}

fn names(own: &Snippet, name: &str) -> bool {
    top(own).iter().any(|directive| directive.name() == name)
}

fn top(own: &Snippet) -> Vec<Directive> {
    let nodes = text::read(own.as_str()).unwrap_or_default();
    nodes
        .into_iter()
        .filter_map(|node| match node {
            Node::Directive(directive) => Some(directive),
            Node::Comment { .. } => None,
        })
        .collect()
}

fn stage_word(stage: GateStage) -> &'static str {
    match stage {
        GateStage::Gated => "gated",
        GateStage::Settled => "settled",
    }
}

/// An upload's identity as one word of a comment.
fn encoded(upload: &str) -> String {
    let mut word = String::with_capacity(upload.len());
    for byte in upload.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => word.push(char::from(byte)),
            _ => {
                let _ = write!(word, "%{byte:02X}");
            }
        }
    }
    word
}

fn decoded(word: &str) -> Result<String, ParseError> {
    let wrong = || ParseError::Unexpected(format!("not the identity of an upload: {word}"));
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or_else(wrong)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// The moves that the comments outside of every block tell of.
///
/// # Errors
/// A comment of ours is not as we wrote it.
pub(super) fn read(nodes: &[Node]) -> Result<Vec<Move>, ParseError> {
    let mut moves: Vec<Move> = Vec::new();
    for node in nodes {
        let Node::Comment { text, .. } = node else { continue };
        let facts = facts(text);
        if let Some(id) = facts.get("migration_id") {
            let fact =
                |name: &str| facts.get(name).copied().ok_or_else(|| missing(&format!("{name} of migration {id}")));
            let stage = match fact("stage")? {
                "gated" => GateStage::Gated,
                "settled" => GateStage::Settled,
                other => return Err(ParseError::Unexpected(format!("migration {id} is at no known stage: {other}"))),
            };
            moves.push(Move {
                migration: MigrationId(number(id, "migration_id")?),
                bucket: BucketName::parse(fact("bucket")?)?,
                source: PoolName::parse(fact("from")?)?,
                destination: PoolName::parse(fact("to")?)?,
                split: facts.get("reads").is_some_and(|reads| *reads == "split"),
                gate: MigrationGate { token: Token::parse(fact("token")?)?, stage, source_uploads: Vec::new() },
            });
        } else if let (Some(id), Some(upload)) = (facts.get("upload_of"), facts.get("upload")) {
            let id = MigrationId(number(id, "upload_of")?);
            let of = moves.iter_mut().find(|one| one.migration == id);
            let of = of.ok_or_else(|| missing(&format!("migration {id} of an upload")))?;
            let upload = decoded(upload)?;
            if upload.is_empty() {
                return Err(missing(&format!("the identity of an upload of migration {id}")));
            }
            of.gate.source_uploads.push(upload);
        }
    }
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_nginx_would_misread_is_refused_with_the_setting_to_change() {
        assert_eq!(directory(Path::new("/srv/the gate/")), Ok("/srv/the gate".to_owned()));
        assert!(directory(Path::new("dev-data/gate")).is_ok_and(|dir| dir.starts_with('/')));
        let long = format!("/{}", "x".repeat(LONGEST_DIR));
        for bad in ["/srv/$host", "/srv/a:b", "/srv/a\nb", &long] {
            let why = directory(Path::new(bad)).unwrap_err();
            assert!(why.starts_with("MIGRATION_GATE_DIR"), "{why}");
        }
    }

    #[test]
    fn an_identity_of_an_upload_is_read_back_from_its_word_and_found_however_it_is_written() {
        for upload in ["a b", "ü~%", "2~x+/=", ""] {
            let word = encoded(upload);
            assert!(word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-%".contains(&b)), "{word}");
            assert_eq!(decoded(&word).as_deref(), Ok(upload));
        }
        for broken in ["%", "%4", "%zz", "%FF", "%+1", "%ü"] {
            assert!(decoded(broken).is_err(), "{broken}");
        }
        assert_eq!(spelled("a."), r"(?:a|%61)(?:\x{2e}|%2[eE])");
        assert!(spelled(&"a".repeat(LONGEST_SPELLED + 1)).len() < 4096);
    }
}
