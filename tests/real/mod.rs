//! The product on real components: nginx, storage nodes, foreign S3 clients, and the program itself.
//!
//! Nothing is skipped here: a component that is missing fails the test with what to run.

mod adopt;
mod back_fill;
mod buckets;
mod bytes;
mod changes;
mod clients;
mod copies;
mod crash;
mod demo;
mod drill;
mod env_file;
mod explain;
mod failover;
mod hosts;
mod kill;
mod manifest;
pub mod migration;
mod moves;
mod node_files;
mod observed;
mod purge;
mod refusals;
mod rollback;
mod routing;
mod start;
mod status;
mod stress;
mod traces;
