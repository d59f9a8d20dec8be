//! In-memory twins of the ports, for tests and for the dry-run development mode.

pub mod backup;
pub mod copier;
pub mod gate;
pub mod object_storage;
pub mod service_manager;
pub mod store;
