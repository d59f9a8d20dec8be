//! The REST API, the login and the documentation pages: the driving adapter for clients.
//!
//! A handler is three lines: the request is parsed before it, it makes one service call, and its answer is a
//! view. [`error`] alone knows status codes of failures; [`fields`] reads bodies and tells every fault at once.

mod allow;
mod api;
mod attempts;
mod audit;
mod auth;
mod body;
mod bucket_counts;
mod buckets;
mod certificates;
mod change_reason;
mod config;
mod credentials;
mod diff;
mod disk;
mod docs;
mod error;
mod events;
mod explain;
mod fault;
mod fields;
#[cfg(test)]
mod fuzz;
mod health;
mod jobs;
mod lax;
mod linked_buckets;
mod login;
mod manifest;
mod members;
mod metrics;
mod migrations;
mod moment;
mod momentary;
mod node_config;
mod operations;
mod pages;
mod paging;
mod params;
mod pool_buckets;
mod pools;
mod purges;
mod remembered;
mod reply;
mod request_id;
mod request_log;
mod revisions;
mod routes;
mod schema;
mod server;
mod session;
mod settings;
mod spa;
mod tls;
mod topology;
mod values;
mod vhosts;

pub use change_reason::HEADER as REASON_HEADER;
pub use docs::openapi_document;
pub use manifest::{applied_document, manifest_schema, plan_document, read_manifest, told_faults, write_manifest};
pub use migrations::orphan_document;
pub use server::{HttpOptions, app, run};
pub use spa::Assets;
pub use tls::{LOOK as TLS_LOOK, TlsError, TlsFiles, listen as listen_with_tls};
