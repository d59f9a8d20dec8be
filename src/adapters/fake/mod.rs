//! In-memory twins of the ports, for tests and for the dry-run development mode.

pub mod store;
