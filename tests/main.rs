//! The integration tests: one binary.

mod contract;
mod nginx;
mod support;
