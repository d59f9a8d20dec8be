//! The outside world: databases, nginx, S3, HTTP, the command line.

pub mod background;
pub mod broken;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod drill;
pub mod fake;
pub mod fernet;
pub mod fields;
pub mod gate;
pub mod http;
pub mod job_runner;
pub mod logging;
pub mod migration_files;
pub mod nginx;
pub mod node_files;
pub mod process_lock;
pub mod processes;
pub mod rclone;
pub mod revision_files;
pub mod s3;
pub mod settings;
pub mod sigv4;
pub mod store;
