//! Sidecars: what a rebuild needs and nginx has no directive for, as JSON beside the configuration.

pub mod read;
pub mod write;

/// The form that this program writes. A later one that cannot be read by this program gets another number.
pub const FORMAT: u32 = 1;
