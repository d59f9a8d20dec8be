//! `install`, `remove` and `doctor`, on machines that are directories: an empty one, and a Debian.

mod bare;
mod container;
mod debian;
mod doctor;
mod package;
mod place;
mod two_ways;
