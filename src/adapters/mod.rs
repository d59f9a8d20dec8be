//! The outside world: databases, nginx, S3, HTTP, the command line.

pub mod cli;
pub mod clock;
pub mod logging;
pub mod process_lock;
