//! The product's own rules, as values and pure functions.
//!
//! Nothing here knows a framework, a database, a process or a socket:
//! `tests/architecture.rs` fails when that stops being true.

pub mod audit;
pub mod bucket;
pub mod bucket_sync;
pub mod claim;
pub mod copy;
pub mod credential;
pub mod disk;
pub mod explain;
pub mod gateway;
pub mod ids;
pub mod invalid;
pub mod job;
pub mod loops;
pub mod manifest;
pub mod migration;
pub mod node_config;
pub mod object;
pub mod page;
pub mod pool;
pub mod raw;
pub mod reachability;
pub mod restore;
pub mod revision;
pub mod route;
pub mod secret;
pub mod server_routes;
pub mod services;
pub mod setting;
pub mod sidecar;
pub mod site;
pub mod time;
pub mod vhost;
