//! What several suites share.

pub mod values;
