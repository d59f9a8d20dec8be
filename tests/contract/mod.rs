//! What each port promises, asked of every adapter.

mod backup;
mod copier;
mod gate;
mod migration_files;
mod object_storage;
mod revisions;
mod store;
