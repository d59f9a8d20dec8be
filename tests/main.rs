//! Everything that is tested from outside the library.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;
