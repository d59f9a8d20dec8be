//! nanio-orchestrator: a control plane for nginx gateways in front of S3-compatible storage.
//!
//! `docs/ARCHITECTURE.md` tells how the parts fit; in short: [`domain`] decides, [`ports`] say what it
//! needs, [`adapters`] do the work.

pub mod adapters;
pub mod app;
pub mod config;
pub mod domain;
pub mod fault;
pub mod ports;
