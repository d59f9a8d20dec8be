//! What each port promises, asked of every adapter.

mod backup;
mod object_storage;
mod store;
