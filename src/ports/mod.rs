//! What the domain needs from the world, in the domain's words. One trait a file, its error beside it.

pub mod backup;
pub mod certificates;
pub mod cipher;
pub mod clock;
pub mod copier;
pub mod gate;
pub mod gateway;
pub mod migration_files;
pub mod node_files;
pub mod object_storage;
pub mod revisions;
pub mod service_manager;
pub mod settings_file;
pub mod store;
pub mod timer;
