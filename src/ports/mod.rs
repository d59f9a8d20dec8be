//! What the domain needs from the world, in the domain's words. One trait a file, its error beside it.

pub mod cipher;
pub mod clock;
pub mod gateway;
pub mod object_storage;
pub mod store;
