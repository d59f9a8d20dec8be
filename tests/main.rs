//! The one integration-test binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says where")]

mod nginx;
mod support;
//! The integration tests: one binary.

mod contract;
