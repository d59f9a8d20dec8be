//! What several suites share.

pub mod child;
pub mod database;
pub mod echo;
pub mod gateway;
pub mod http;
pub mod moto;
pub mod nanio;
pub mod nginx;
pub mod odd_nodes;
pub mod orchestrator;
pub mod postgres;
pub mod s3;
pub mod values;
