//! The operator's own directives: they may send a request elsewhere, and nobody but nginx knows all of them.

use super::{Inside, Told};
use crate::domain::gateway::ServerRoute;
use crate::domain::vhost::Snippet;

/// Directives that change how a request is passed on or logged, and never where it goes.
const HARMLESS: &[&str] = &[
    "access_log",
    "add_header",
    "add_trailer",
    "chunked_transfer_encoding",
    "client_body_buffer_size",
    "client_body_timeout",
    "client_max_body_size",
    "default_type",
    "error_log",
    "etag",
    "expires",
    "gzip",
    "gzip_comp_level",
    "gzip_types",
    "gzip_vary",
    "keepalive_requests",
    "keepalive_timeout",
    "lingering_close",
    "lingering_timeout",
    "log_not_found",
    "proxy_buffer_size",
    "proxy_buffering",
    "proxy_buffers",
    "proxy_busy_buffers_size",
    "proxy_connect_timeout",
    "proxy_hide_header",
    "proxy_http_version",
    "proxy_ignore_client_abort",
    "proxy_limit_rate",
    "proxy_max_temp_file_size",
    "proxy_pass_header",
    "proxy_read_timeout",
    "proxy_request_buffering",
    "proxy_send_timeout",
    "proxy_set_header",
    "proxy_socket_keepalive",
    "send_timeout",
    "server_tokens",
    "ssl_ciphers",
    "ssl_protocols",
    "ssl_session_cache",
    "ssl_session_timeout",
    "ssl_stapling",
    "ssl_stapling_verify",
    "tcp_nodelay",
    "types_hash_max_size",
];

/// What the operator's directives of the vhost may do.
pub(super) fn of_vhost(inside: &Inside<'_>, told: &mut Told) {
    let server = inside.server;
    let blocks = server.extra_blocks.iter().map(|block| (format!("zone {}", block.zone.as_str()), &block.content));
    let older = server.extra_directives.iter().map(|text| ("extra_directives".to_owned(), text));
    for (place, text) in blocks.chain(older) {
        look(inside, &format!("vhost {} ({place})", server.server_name), text, told);
    }
}

/// What the operator's directives of a route may do.
pub(super) fn of_route(inside: &Inside<'_>, route: &ServerRoute, told: &mut Told) {
    if let Some(text) = &route.extra_directives {
        look(inside, &format!("route {}", route.path_prefix), text, told);
    }
}

fn look(inside: &Inside<'_>, place: &str, text: &Snippet, told: &mut Told) {
    let mut names = (inside.look.directives)(text);
    names.sort();
    names.dedup();
    told.directives.extend(names.iter().map(|name| format!("{name} (the operator's, of {place})")));
    names.retain(|name| !HARMLESS.contains(&name.as_str()));
    if !names.is_empty() {
        told.uncertain.push(format!(
            "extra directives of {place} may answer this request or send it elsewhere: {}",
            names.join(", ")
        ));
    }
}
