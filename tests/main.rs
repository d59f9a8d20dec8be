//! The one integration-test binary: everything that is tested from outside the library.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, and says where")]

mod api;
mod architecture;
mod cli;
mod contract;
mod crash;
mod drill;
mod fuzz;
mod install;
mod nginx;
mod process;
mod readme;
mod real;
mod schema;
mod support;
