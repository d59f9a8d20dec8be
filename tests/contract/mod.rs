//! What each port promises, asked of every adapter.

mod object_storage;
mod store;
