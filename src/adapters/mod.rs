//! The outside world: databases, nginx, S3, HTTP, the command line.

pub mod cli;
pub mod clock;
pub mod fake;
pub mod fernet;
pub mod http;
pub mod logging;
pub mod nginx;
pub mod process_lock;
pub mod s3;
pub mod sigv4;
pub mod store;
