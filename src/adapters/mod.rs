//! The outside world: databases, nginx, S3, HTTP, the command line.

pub mod fake;
pub mod http;
pub mod nginx;
pub mod store;
