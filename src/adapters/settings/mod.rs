//! The settings' env file: shown beside what runs, and changed without ever being half of one thing and half of another.
//!
//! The file is replaced by rename. Where only the file itself may be written (the installer gives the service's group
//! the file, root the directory), it is overwritten in place, and the journal beside the database has both texts.

mod disk;
mod env_file;
mod error;
mod journal;
mod report;
mod systemd;

pub use env_file::{EnvSettings, mended};
pub use error::EnvFileError;
pub use systemd::Systemd;
