//! The outside world: databases, nginx, S3, HTTP, the command line.

pub mod nginx;
pub mod fake;
pub mod store;
