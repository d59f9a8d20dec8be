//! `install`, `remove` and `doctor`, on machines that are directories.

mod bare;
mod place;
