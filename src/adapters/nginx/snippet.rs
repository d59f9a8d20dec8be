//! What an operator's raw directives may hold.

use super::render::is_marker;
use super::text::{self, Directive};

/// Directives that read or write files, run code, or reach past the gateway. With nginx's master running
/// as root, any of them would hand the machine to whoever holds the API key.
const FORBIDDEN: &[(&str, &str)] = &[
    ("load_module", "loads code into nginx"),
    ("include", "reads other files into the configuration"),
    ("root", "serves files of this machine"),
    ("alias", "serves files of this machine"),
    ("autoindex", "serves files of this machine"),
    ("random_index", "serves files of this machine"),
    ("dav_methods", "writes files on this machine"),
    ("create_full_put_path", "writes files on this machine"),
    ("client_body_temp_path", "writes files on this machine"),
    ("client_body_in_file_only", "keeps request bodies as files on this machine"),
    ("proxy_store", "writes files on this machine"),
    ("proxy_store_access", "writes files on this machine"),
    ("proxy_temp_path", "writes files on this machine"),
    ("fastcgi_pass", "reaches local services"),
    ("fastcgi_store", "writes files on this machine"),
    ("fastcgi_temp_path", "writes files on this machine"),
    ("uwsgi_pass", "reaches local services"),
    ("uwsgi_store", "writes files on this machine"),
    ("uwsgi_temp_path", "writes files on this machine"),
    ("scgi_pass", "reaches local services"),
    ("scgi_store", "writes files on this machine"),
    ("scgi_temp_path", "writes files on this machine"),
    ("memcached_pass", "reaches local services"),
    ("grpc_pass", "reaches local services"),
    ("ssl_engine", "loads code into nginx"),
    ("ssl_conf_command", "can load code into nginx"),
    ("xslt_stylesheet", "reads files of this machine"),
    ("xml_entities", "reads files of this machine"),
];

/// Families of directives that run code.
const FORBIDDEN_FAMILIES: &[(&str, &str)] = &[("lua_", "Lua"), ("perl", "Perl"), ("js_", "JavaScript")];

/// Checks raw directives: balanced, each ended, and unless `allow_raw`, nothing that gives away the machine.
///
/// # Errors
/// A sentence for the operator.
pub fn check(snippet: &str, allow_raw: bool) -> Result<(), String> {
    if snippet.lines().any(is_marker) {
        return Err("a comment that begins with \"# zone \" or \"# route \" would be taken for one of the \
                    orchestrator's own; word it differently"
            .to_owned());
    }
    let nodes = text::read(snippet)
        .map_err(|error| format!("not complete nginx directives ({error}); each needs a ; or a closed block"))?;
    let mut fault = None;
    text::walk(&nodes, &mut |directive| {
        if fault.is_none() {
            fault = fault_of(directive, allow_raw);
        }
    });
    fault.map_or(Ok(()), Err)
}

/// The names of the directives in a text, those inside of blocks too. A text that was accepted once can be read.
#[must_use]
pub fn directive_names(snippet: &str) -> Vec<String> {
    let nodes = text::read(snippet).unwrap_or_default();
    let mut names = Vec::new();
    text::walk(&nodes, &mut |directive| names.push(directive.name().to_owned()));
    names
}

fn fault_of(directive: &Directive, allow_raw: bool) -> Option<String> {
    let name = directive.name();
    // The routing variables are the orchestrator's, whatever else is allowed: to set one is to re-route.
    if directive.words.iter().any(|word| word.contains("nanio_v") || word.contains("@nanio_")) {
        return Some(format!("{name}: the names nanio_v… and @nanio_… are the orchestrator's own"));
    }
    if allow_raw {
        return None;
    }
    let reason = forbidden(name).or_else(|| forbidden_argument(directive))?;
    Some(format!(
        "{name} is not allowed here because it {reason}; set NANIO_ORCHESTRATOR_ALLOW_RAW_DIRECTIVES=true on this machine to allow it"
    ))
}

fn forbidden(name: &str) -> Option<String> {
    if let Some((_, reason)) = FORBIDDEN.iter().find(|(word, _)| *word == name) {
        return Some((*reason).to_owned());
    }
    let family = FORBIDDEN_FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix));
    let by_lua = name.contains("_by_lua").then_some(&("", "Lua"));
    family.or(by_lua).map(|(_, language)| format!("runs {language} inside nginx"))
}

fn forbidden_argument(directive: &Directive) -> Option<String> {
    let first = directive.arguments().first().map_or("", String::as_str);
    match directive.name() {
        "access_log" | "error_log" if !(first == "off" || first.starts_with("syslog:")) => {
            Some("writes files on this machine (off and syslog: are allowed)".to_owned())
        }
        "proxy_pass" if first.contains("unix:") || first.contains('$') => {
            Some("may reach local sockets (a literal http:// or https:// address is allowed)".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn ordinary_directives_pass() {
        for good in [
            "add_header X-Frame-Options SAMEORIGIN;",
            "ssl_stapling on;\nssl_stapling_verify on;",
            "# custom footer",
            "location = /ping { return 200 \"pong\"; }",
            "access_log off;",
            "error_log syslog:server=10.0.0.1;",
        ] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
    }

    #[test]
    fn f42_directives_that_give_away_the_machine_are_refused() {
        for bad in [
            "access_log /etc/cron.d/x;",
            "root /;",
            "\"root\" /;",
            "location /x { alias /etc/; }",
            "include /etc/passwd;",
            "content_by_lua_block { os.execute('id') }",
            "js_content x;",
            "perl x;",
            "load_module x.so;",
            "proxy_pass http://unix:/run/docker.sock;",
            "error_log /tmp/x;",
            "location /x { proxy_store /tmp/y; }",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_that_leaves_its_zone_is_refused_even_when_raw_directives_are_allowed() {
        for bad in ["} server { listen 1;", "location / {", "}", "add_header a b", "\"", "set $nanio_v1_pool x;"] {
            assert!(check(bad, true).is_err(), "{bad}");
        }
        assert_eq!(check("root /srv;", true), Ok(()));
    }
}
