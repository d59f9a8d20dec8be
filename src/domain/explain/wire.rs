//! The line and the host of a request, as nginx reads them (`ngx_http_parse.c`, `ngx_http_request.c`, 1.22).

use super::Request;
use crate::domain::raw::hex;

/// The longest request line that nginx takes (`large_client_header_buffers`), if nginx.conf does not say otherwise.
const LONGEST_LINE: usize = 8192;
/// What stands in a request line beside method and address: two blanks, the version, the end of the line.
const BESIDE: usize = "  HTTP/1.1\r\n".len();

/// nginx answers by itself before it looks at any server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The status.
    pub status: u16,
    /// Why, in a sentence.
    pub why: String,
}

impl Unread {
    fn bad(why: impl Into<String>) -> Self {
        Self { status: 400, why: why.into() }
    }
}

/// What a request line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The address that nginx passes on (`$request_uri`): without scheme and host, otherwise byte for byte.
    pub address: Vec<u8>,
    /// The path that prefix locations are compared with (`$uri`): decoded, `.` and `..` resolved.
    pub path: Vec<u8>,
    /// The host, if the request line names one.
    pub host: Option<Vec<u8>>,
}

/// Reads the request line. `merge_slashes` is what the server block says under which nginx reads it.
///
/// # Errors
/// What nginx answers.
pub fn line(request: &Request, merge_slashes: bool) -> Result<Line, Unread> {
    let in_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
    if request.method.is_empty() || !request.method.iter().all(in_method) {
        return Err(Unread::bad("a method is written in capital letters, _ and -: nginx refuses any other"));
    }
    let (host, address) = origin(&request.target)?;
    // What comes behind the longest line is never looked at.
    let looked_at = LONGEST_LINE.saturating_sub(request.method.len());
    if request.target.iter().take(looked_at).any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(Unread::bad("there is a blank or control character in the address"));
    }
    if request.method.len() + request.target.len() + BESIDE > LONGEST_LINE {
        let why = format!("nginx reads request lines of up to {LONGEST_LINE} bytes, unless nginx.conf says otherwise");
        return Err(Unread { status: 414, why });
    }
    let path = normalised(&address, merge_slashes)
        .ok_or_else(|| Unread::bad("the path leads above /, or its percent-encoding is broken"))?;
    let host = host.map(|host| valid_host(host).ok_or_else(|| invalid_host("the request line"))).transpose()?;
    Ok(Line { address, path, host })
}

/// Splits `http://host:port/path`. A path alone is most often all there is.
fn origin(target: &[u8]) -> Result<(Option<&[u8]>, Vec<u8>), Unread> {
    let neither = || Unread::bad("an address begins with / or with a scheme and a host");
    if target.first() == Some(&b'/') {
        return Ok((None, target.to_vec()));
    }
    let colon = target.iter().position(|byte| *byte == b':').ok_or_else(neither)?;
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let scheme = &target[..colon];
    if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(in_scheme) {
        return Err(neither());
    }
    let rest = target[colon + 1..].strip_prefix(b"//").ok_or_else(neither)?;
    let (host, mut rest) = rest.split_at(end_of_host(rest).ok_or_else(neither)?);
    if let Some(behind) = rest.strip_prefix(b":") {
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest = &behind[digits..];
    }
    match rest.first() {
        None => Ok((Some(host), b"/".to_vec())),
        // nginx passes such an address on without a path.
        Some(b'/' | b'?') => Ok((Some(host), rest.to_vec())),
        Some(_) => Err(Unread::bad("there is something else than a name, a port and a path in the address")),
    }
}

/// Where the host of an address ends; `None`: the brackets of an IPv6 address are not closed.
fn end_of_host(rest: &[u8]) -> Option<usize> {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let Some(literal) = rest.strip_prefix(b"[") else {
        return Some(rest.iter().take_while(|byte| in_name(byte)).count());
    };
    let in_literal = |byte: &u8| in_name(byte) || b":_~!$&'()*+,;=".contains(byte);
    let end = literal.iter().take_while(|byte| in_literal(byte)).count();
    (literal.get(end) == Some(&b']')).then_some(end + 2)
}

/// The host of a request that nginx chooses the server block by (`$host`).
///
/// # Errors
/// What nginx answers.
pub fn host(request: &Request, line: &Line) -> Result<Vec<u8>, Unread> {
    let Some(header) = &request.host else {
        return Err(Unread::bad("a request of HTTP/1.1 has a Host header"));
    };
    let header = valid_host(header).ok_or_else(|| invalid_host("the Host header"))?;
    Ok(line.host.clone().unwrap_or(header))
}

fn invalid_host(place: &str) -> Unread {
    Unread::bad(format!("{place} holds no name of a host"))
}

/// The name in a host as nginx takes it (`ngx_http_validate_host`): lower case, without a port or a dot at its end.
#[must_use]
pub fn valid_host(host: &[u8]) -> Option<Vec<u8>> {
    let (mut last_dot, mut end) = (None, host.len());
    let (mut literal, mut rest) = (false, false);
    for (at, byte) in host.iter().enumerate() {
        match byte {
            b'.' if last_dot.is_some_and(|dot| dot + 1 == at) => return None,
            b'.' => last_dot = Some(at),
            b':' if !literal && !rest => (end, rest) = (at, true),
            b'[' if at == 0 => literal = true,
            b']' if literal && !rest => (end, rest) = (at + 1, true),
            b'/' | 0..=b' ' | 0x7f => return None,
            _ => {}
        }
    }
    if last_dot.is_some_and(|dot| dot + 1 == end) {
        end -= 1;
    }
    (end > 0).then(|| host[..end].to_ascii_lowercase())
}

/// Where a path is read, and what of it may still change its meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Usual,
    Slash,
    Dot,
    DotDot,
}

/// A path as nginx compares it with prefixes (`ngx_http_parse_complex_uri`); `None` if nginx refuses it.
#[must_use]
pub fn normalised(address: &[u8], merge_slashes: bool) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(address.len() + 1);
    if address.first() == Some(&b'?') {
        path.push(b'/');
    }
    let mut at = At::Usual;
    let mut rest = address;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let mut byte = first;
        if first == b'%' {
            let &[high, low, ..] = rest else { return None };
            byte = hex(high)? << 4 | hex(low)?;
            rest = &rest[2..];
            match byte {
                0 => return None,
                // What these would mean, they do not mean when they are encoded.
                b'%' | b'#' | b'?' => {
                    path.push(byte);
                    at = At::Usual;
                    continue;
                }
                _ => {}
            }
        }
        if matches!(byte, b'?' | b'#') {
            break;
        }
        match (at, byte) {
            (At::Slash, b'/') if merge_slashes => {}
            (At::Dot, b'/') => {
                path.pop();
                at = At::Slash;
            }
            (At::DotDot, b'/') => {
                path = parent(path)?;
                at = At::Slash;
            }
            (_, b'/') => {
                path.push(byte);
                at = At::Slash;
            }
            (before, _) => {
                path.push(byte);
                at = match (before, byte) {
                    (At::Slash, b'.') => At::Dot,
                    (At::Dot, b'.') => At::DotDot,
                    _ => At::Usual,
                };
            }
        }
    }
    match at {
        At::Dot => {
            path.pop();
            Some(path)
        }
        At::DotDot => parent(path),
        At::Usual | At::Slash => Some(path),
    }
}

/// The path without `/..` at its end and the segment before, up to a slash.
fn parent(mut path: Vec<u8>) -> Option<Vec<u8>> {
    path.truncate(path.len().checked_sub(3)?);
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    path.truncate(slash + 1);
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_normalised_as_nginx_does_it() {
        for (address, merged, kept) in [
            ("/a/b", "/a/b", "/a/b"),
            ("/a//b///", "/a/b/", "/a//b///"),
            ("/a/./b/.", "/a/b/", "/a/b/"),
            ("/a/../b", "/b", "/b"),
            ("/a/b/..", "/a/", "/a/"),
            ("/a//../b", "/b", "/a/b"),
            ("/a%2Fb%2f%2e%2E/c", "/a/c", "/a/c"),
            ("/a%25b%3Fc%23?d", "/a%b?c#", "/a%b?c#"),
            ("/a#b", "/a", "/a"),
            ("/...", "/...", "/..."),
            ("/.a/..b", "/.a/..b", "/.a/..b"),
            ("?x", "/", "/"),
        ] {
            assert_eq!(normalised(address.as_bytes(), true).as_deref(), Some(merged.as_bytes()), "{address}");
            assert_eq!(normalised(address.as_bytes(), false).as_deref(), Some(kept.as_bytes()), "{address}");
        }
        for bad in ["/..", "/../a", "/a/../../b", "/%", "/%4", "/%zz", "/%00", "/a/%2e%2e/%2e%2e"] {
            assert_eq!(normalised(bad.as_bytes(), true), None, "{bad}");
        }
    }

    #[test]
    fn an_address_with_a_scheme_is_split_as_nginx_does_it() {
        let split = |target: &str| {
            let (host, address) = origin(target.as_bytes()).ok()?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Some((host.map(text), text(&address)))
        };
        for (target, host, address) in [
            ("/a?b", None, "/a?b"),
            ("http://A.b:80/c", Some("A.b"), "/c"),
            ("s3+x://a:/", Some("a"), "/"),
            ("http://a", Some("a"), "/"),
            ("http://a?x", Some("a"), "?x"),
            ("http://[::1]:80/x", Some("[::1]"), "/x"),
        ] {
            assert_eq!(split(target), Some((host.map(str::to_owned), address.to_owned())), "{target}");
        }
        for bad in
            ["", "*", "a/b", "?x", "http:/a", "http://a_b/", "http://[::1", "http://[::1/", "http://a:8x/", "1a://b/"]
        {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_host_is_read_without_port_and_dot() {
        for (host, name) in [("A.b", "a.b"), ("a.b.:80", "a.b"), ("a:80.", "a"), ("[::1]:80", "[::1]"), ("a_b", "a_b")]
        {
            assert_eq!(valid_host(host.as_bytes()).as_deref(), Some(name.as_bytes()), "{host}");
        }
        for bad in ["", ".", ":80", "a..b", "a b", "a/b", ".."] {
            assert_eq!(valid_host(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
