//! What each port promises, asked of every adapter.

mod backup;
mod gate;
mod migration_files;
mod object_storage;
mod store;
