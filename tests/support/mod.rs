//! What several suites share.

pub mod nginx;
pub mod values;
