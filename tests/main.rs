//! The integration tests: one binary.

mod api;
mod contract;
mod nginx;
mod support;
